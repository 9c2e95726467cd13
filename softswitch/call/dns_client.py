"""The rim towards name servers: ``twisted.names``, ``/etc/hosts`` and one time limit.

Whatever happens to a question, its Deferred fires with an ``Answered`` in ``QUESTION_MAX_S``.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from ipaddress import IPv6Address
from typing import Any, NamedTuple

from twisted.internet.defer import CancelledError, Deferred, maybeDeferred, succeed
from twisted.internet.defer import TimeoutError as NobodyAnswered
from twisted.names import client, dns
from twisted.names.error import (
    DNSNameError,
    DNSNotImplementedError,
    DNSQueryRefusedError,
    DomainError,
)
from twisted.names.hosts import searchFileForAll
from twisted.python.failure import Failure
from twisted.python.filepath import FilePath

from sip.dns_records import Answer, Failed, Kind, Naptr, Question, Record, Srv
from softswitch.values import Endpoint

QUESTION_MAX_S = 5.0
TRIES_S = (1, 2)  # each server is waited for so long, then all of them once more
CNAMES_MAX = 8  # links of a chain in one answer; resolvers give up at about as many
NONE_TTL_S = 60.0  # "there is none" from a server that sends no SOA beside it
HOSTS_FILE_TTL_S = 60.0  # then the file is read again

RESOLV_CONF = "/etc/resolv.conf"
HOSTS_FILE = "/etc/hosts"


class Answered(NamedTuple):
    """An answer and how long it holds."""

    answer: Answer
    ttl_s: float = 0.0


class DnsClient:
    """Asks ``servers`` in their order, those of the system when there are none.

    A name that stands in the hosts file is never asked for: it has the addresses that stand there,
    and neither NAPTR nor SRV records.
    """

    def __init__(
        self,
        reactor: Any,
        servers: Sequence[Endpoint],
        *,
        resolv_conf: str = RESOLV_CONF,
        hosts_file: str = HOSTS_FILE,
    ) -> None:
        # Any: the reactor is every interface of it at once.
        self._reactor = reactor
        self._hosts_file = FilePath(hosts_file)
        self._resolver = client.Resolver(
            resolv=None if servers else resolv_conf,
            servers=[(server.host, server.port) for server in servers],
            timeout=TRIES_S,
            reactor=reactor,
        )

    def ask(self, question: Question) -> Deferred[Answered]:
        """One look-up; never fails. Not by the library's ``lookup...``: there a question that could
        not be sent is taken as under way for good, and is never sent again."""
        here = self._in_hosts_file(question)
        if here is not None:
            return succeed(here)
        query = dns.Query(question.name.encode("ascii"), _TYPES[question.kind])
        asked: Deferred[Any] = maybeDeferred(self._resolver.queryUDP, [query], TRIES_S)
        asked.addCallback(self._resolver.filterAnswers).addTimeout(QUESTION_MAX_S, self._reactor)
        return asked.addCallbacks(
            lambda sections: _read(question, sections), self._read_failure
        ).addErrback(_broken)

    def close_connections(self) -> None:
        """The library keeps a TCP connection for later questions, also one whose far end is gone
        without a word; the next question opens another."""
        for connection in list(self._resolver.connections):
            connection.transport.abortConnection()

    def _read_failure(self, failure: Failure) -> Answered:
        """No such name, or a server that knows no such records, says that there is none."""
        if failure.check(DNSNameError, DNSNotImplementedError):
            said = getattr(failure.value, "args", ())  # twisted.names raises with the message
            return Answered((), _negative_ttl_s(said[0].authority if said else ()))
        if failure.check(NobodyAnswered, CancelledError, dns.DNSQueryTimeoutError):
            self.close_connections()
            return Answered(Failed("no name server answers"))
        if failure.check(DNSQueryRefusedError):
            return Answered(Failed("the name server refuses to answer"))
        if failure.check(DomainError):
            return Answered(Failed("the name server has failed"))
        return Answered(Failed(f"no name server can be asked: {failure.getErrorMessage()}"))

    def _in_hosts_file(self, question: Question) -> Answered | None:
        name = question.name.split(".", 2)[-1] if question.kind == "SRV" else question.name
        found = searchFileForAll(self._hosts_file, name.encode("ascii"))
        if not found:
            return None
        wanted = {"A": False, "AAAA": True}.get(question.kind)
        addresses = tuple(text for text in found if (":" in text) == wanted)
        return Answered(addresses, HOSTS_FILE_TTL_S)


def _read(question: Question, sections: tuple[list[Any], list[Any], list[Any]]) -> Answered:
    """The records of the asked type that the name, or what it is an alias of, owns."""
    answers, authority, _ = sections
    used = _owned(answers, question)
    records = tuple(
        _RECORDS[question.kind](header.payload)
        for header in used
        if header.type == _TYPES[question.kind]
    )
    if not records:
        return Answered((), _negative_ttl_s(authority))
    return Answered(records, float(min(header.ttl for header in used)))


def _owned(answers: list[Any], question: Question) -> list[Any]:
    used: list[Any] = []
    name = question.name
    for _ in range(CNAMES_MAX):
        own = [header for header in answers if _text(header.name.name) == name]
        used += own
        aliases = [header for header in own if header.type == dns.CNAME]
        if not aliases:
            break
        name = _text(aliases[0].payload.name.name)
    return used


def _broken(failure: Failure) -> Answered:
    """An answer that is not as its type should be."""
    return Answered(Failed(f"the answer cannot be read: {failure.getErrorMessage()}"))


def _negative_ttl_s(authority: Sequence[Any]) -> float:
    """RFC 2308 5: the lesser of the SOA's own TTL and its minimum."""
    for header in authority:
        if header.type == dns.SOA:
            return float(min(header.ttl, header.payload.minimum))
    return NONE_TTL_S


def _text(name: bytes) -> str:
    return name.decode("ascii", "replace").lower().removesuffix(".")


def _plain(value: Any) -> str:
    """The text of a character string of a record."""
    return bytes(value.string).decode("ascii", "replace")


def _naptr(payload: Any) -> Naptr:
    return Naptr(
        payload.order,
        payload.preference,
        _plain(payload.flags),
        _plain(payload.service),
        _plain(payload.regexp),
        _text(payload.replacement.name),
    )


def _srv(payload: Any) -> Srv:
    return Srv(payload.priority, payload.weight, payload.port, _text(payload.target.name))


_TYPES: dict[Kind, int] = {"NAPTR": dns.NAPTR, "SRV": dns.SRV, "A": dns.A, "AAAA": dns.AAAA}
# Any: twisted.names has a class for each type of record, without annotations.
_RECORDS: dict[Kind, Callable[[Any], Record]] = {
    "NAPTR": _naptr,
    "SRV": _srv,
    "A": lambda payload: str(payload.dottedQuad()),
    "AAAA": lambda payload: str(IPv6Address(payload.address)),
}
