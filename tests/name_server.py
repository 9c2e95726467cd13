"""A name server for tests, of ``twisted.names``: a table of records, over UDP and TCP.

As a process: ``python -m tests.name_server HOST PORT ZONE.json``; it says "ready".
"""

from __future__ import annotations

import json
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from twisted.internet import defer
from twisted.names import common, dns, error, server

Zone = Mapping[str, Sequence[Any]]
"""Records by "KIND name": addresses or names, and lists of fields for SRV and NAPTR. ``None`` in
place of a record makes the server fail."""

TTL_S = 20
SOA = dns.Record_SOA(b"ns.example", b"admin.example", 1, 60, 60, 60, minimum=7, ttl=300)


class Table(common.ResolverBase):
    """Answers from a table, and remembers what was asked."""

    def __init__(self, zone: Zone) -> None:
        super().__init__()
        self.zone = zone
        self.asked: list[str] = []

    def _lookup(self, name: bytes, cls: int, type: int, timeout: object) -> Any:
        asked = f"{dns.QUERY_TYPES[type]} {name.decode()}"
        self.asked.append(asked)
        try:
            answers = self._answers(name.decode(), type)
        except ValueError as problem:
            return defer.fail(problem)
        if not answers and not any(key.endswith(f" {name.decode()}") for key in self.zone):
            return defer.fail(error.DomainError(name))
        soa = dns.RRHeader(b"example", dns.SOA, dns.IN, 300, SOA)
        return defer.succeed((answers, [] if answers else [soa], []))

    def _answers(self, name: str, type: int) -> list[dns.RRHeader]:
        kind = dns.QUERY_TYPES[type]
        rows = [(kind, row) for row in self.zone.get(f"{kind} {name}", ())]
        found = [self._header(name, *row) for row in rows]
        for alias in self.zone.get(f"CNAME {name}", ()):
            found.append(self._header(name, "CNAME", alias))
            found += self._answers(alias, type)
        return found

    @staticmethod
    def _header(name: str, kind: str, row: Any) -> dns.RRHeader:
        if row is None:
            raise ValueError(name)
        if kind == "NAPTR":
            order, preference, *texts = row
            payload = dns.Record_NAPTR(order, preference, *(text.encode() for text in texts), TTL_S)
        elif kind == "SRV":
            payload = dns.Record_SRV(*row, TTL_S)
        else:
            makes = {"A": dns.Record_A, "AAAA": dns.Record_AAAA, "CNAME": dns.Record_CNAME}
            payload = makes[kind](row, TTL_S)
        return dns.RRHeader(name.encode(), payload.TYPE, dns.IN, TTL_S, payload)


class Truncating(server.DNSServerFactory):
    """A server that keeps to 512 bytes in a datagram, which the library's leaves out."""

    noisy = False

    def sendReply(self, protocol: Any, message: dns.Message, address: Any) -> None:
        """``address`` is known of datagrams only."""
        message.maxSize = 0 if address is None else 512
        super().sendReply(protocol, message, address)


def serve(reactor: Any, table: Table, host: str, port: int) -> list[Any]:
    """Listen on both transports; the ports, to be closed with ``stopListening``."""
    factory = Truncating(clients=[table])
    datagrams = dns.DNSDatagramProtocol(factory)
    return [
        reactor.listenUDP(port, datagrams, interface=host),
        reactor.listenTCP(port, factory, interface=host),
    ]


def main(host: str, port: str, zone: str) -> None:
    """Serve until the process is ended."""
    from twisted.internet import reactor

    serve(reactor, Table(json.loads(Path(zone).read_text())), host, int(port))
    print("ready", flush=True)  # noqa: T201  # the test waits for it
    reactor.run()  # type: ignore[attr-defined]


if __name__ == "__main__":
    main(*sys.argv[1:])
