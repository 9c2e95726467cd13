"""The DNS client against a real name server, and against some that are not as they should be."""

from __future__ import annotations

import tempfile
import time
from pathlib import Path
from typing import Any

from twisted.internet import reactor
from twisted.internet.protocol import DatagramProtocol
from twisted.trial.unittest import TestCase

from sip.dns_records import Failed, Kind, Naptr, Question, Srv
from softswitch.call.dns_client import HOSTS_FILE_TTL_S, NONE_TTL_S, QUESTION_MAX_S, DnsClient
from softswitch.values import Endpoint
from tests.name_server import TTL_S, Table, serve

SERVER = Endpoint("127.0.51.1", 5353)
DEAD = Endpoint("127.0.51.2", 5353)
ODD = Endpoint("127.0.51.3", 5353)
ZONE: dict[str, list[Any]] = {
    "NAPTR example.net": [
        [50, 60, "s", "SIP+D2T", "", "_sip._tcp.example.net"],
        [50, 50, "S", "SIP+D2U", "", "_sip._udp.Example.NET"],
    ],
    "SRV _sip._udp.example.net": [[10, 60, 5062, "GW.example.net"], [20, 0, 5060, "gw2.example"]],
    "A gw.example.net": ["192.0.2.1", "192.0.2.2"],
    "AAAA gw.example.net": ["2001:db8::1"],
    "CNAME alias.example.net": ["other.example"],
    "CNAME other.example": ["gw.example.net"],
    "CNAME loop.example": ["loop.example"],
    "A broken.example": [None],
    "SRV _sip._udp.many.example": [
        [1, index, 5060, f"server-{index}.many.example"] for index in range(60)
    ],
}


class DnsClientCase(TestCase):
    """A name server on a loopback address."""

    timeout = 30

    def setUp(self) -> None:
        self.table = Table({key: rows for key, rows in ZONE.items() if "loop" not in key})
        self.ports = serve(reactor, self.table, SERVER.host, SERVER.port)
        self.addCleanup(self.close)
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.hosts_file = Path(folder.name) / "hosts"
        self.hosts_file.write_text("")
        self.client = self.make_client(SERVER)

    async def close(self) -> None:
        """Stop listening."""
        self.client.close_connections()
        for port in self.ports:
            await port.stopListening()
        # What was cancelled leaves the library's own timers of at most 2 s behind.
        for call in reactor.getDelayedCalls():  # type: ignore[attr-defined]
            call.cancel()

    def make_client(self, *servers: Endpoint) -> DnsClient:
        """A client of these servers, with the hosts file of the test."""
        return DnsClient(reactor, servers, hosts_file=str(self.hosts_file))

    async def ask(self, kind: Kind, name: str) -> tuple[Any, float]:
        """One answer and its TTL."""
        answer, ttl_s = await self.client.ask(Question(kind, name))
        return answer, ttl_s


class AnswerTests(DnsClientCase):
    """What a good server says."""

    async def test_records_of_every_kind(self) -> None:
        """As values, names in lower case, with the TTL."""
        assert await self.ask("NAPTR", "example.net") == (
            (
                Naptr(50, 60, "s", "SIP+D2T", "", "_sip._tcp.example.net"),
                Naptr(50, 50, "S", "SIP+D2U", "", "_sip._udp.example.net"),
            ),
            TTL_S,
        )
        assert await self.ask("SRV", "_sip._udp.example.net") == (
            (Srv(10, 60, 5062, "gw.example.net"), Srv(20, 0, 5060, "gw2.example")),
            TTL_S,
        )
        assert await self.ask("A", "gw.example.net") == (("192.0.2.1", "192.0.2.2"), TTL_S)
        assert await self.ask("AAAA", "gw.example.net") == (("2001:db8::1",), TTL_S)

    async def test_an_alias_has_the_records_of_its_name(self) -> None:
        """Along the chain that stands in the answer."""
        assert (await self.ask("A", "alias.example.net"))[0] == ("192.0.2.1", "192.0.2.2")

    async def test_there_is_none(self) -> None:
        """No such name, and a name without such records: the SOA's minimum says how long."""
        assert await self.ask("A", "nowhere.example") == ((), NONE_TTL_S)
        assert await self.ask("SRV", "gw.example.net") == ((), 7)

    async def test_an_answer_too_large_for_a_datagram(self) -> None:
        """Is asked for again over TCP."""
        answer, _ = await self.ask("SRV", "_sip._udp.many.example")
        assert len(answer) == 60

    async def test_names_in_the_hosts_file(self) -> None:
        """Have those addresses and nothing else; nobody is asked."""
        self.hosts_file.write_text("198.51.100.7 gw.example.net gw\n2001:db8::7 gw.example.net\n")
        assert await self.ask("A", "gw.example.net") == (("198.51.100.7",), HOSTS_FILE_TTL_S)
        assert (await self.ask("AAAA", "gw.example.net"))[0] == ("2001:db8::7",)
        assert (await self.ask("NAPTR", "gw.example.net"))[0] == ()
        assert (await self.ask("SRV", "_sip._udp.gw.example.net"))[0] == ()
        assert self.table.asked == []


class FailureTests(DnsClientCase):
    """What a bad server says, or does not say."""

    async def test_a_server_that_cannot_say(self) -> None:
        """Is a failure, not "there is none"."""
        assert (await self.ask("A", "broken.example"))[0] == Failed("the name server has failed")
        assert self.flushLoggedErrors(ValueError)

    async def test_the_next_server_is_asked(self) -> None:
        """A dead one costs a second."""
        self.client = self.make_client(DEAD, SERVER)
        assert (await self.ask("AAAA", "gw.example.net"))[0] == ("2001:db8::1",)

    async def test_nobody_answers(self) -> None:
        """Said in bounded time."""
        self.client = self.make_client(DEAD)
        began_s = time.monotonic()
        assert (await self.ask("A", "gw.example.net"))[0] == Failed("no name server answers")
        assert time.monotonic() - began_s < QUESTION_MAX_S + 1

    async def test_garbage_is_no_answer(self) -> None:
        """Junk under the right id, empty datagrams, a message that is cut. The library reads a cut
        message as an empty one; nothing is read as a record, and nothing is raised."""
        junk = [b"", b"\xff" * 700, b"\x81\x80\0\1\0\1\0\0\0\0\xc0\x0c", b"\x81\x80" + b"\0\1" * 4]
        odd = reactor.listenUDP(  # type: ignore[attr-defined]
            ODD.port, Junk(junk), interface=ODD.host
        )
        self.ports.append(odd)
        self.client = self.make_client(ODD)
        for _ in junk:
            answer, _ = await self.ask("A", "gw.example.net")
            assert answer == () or isinstance(answer, Failed)
        self.flushLoggedErrors()

    async def test_records_of_another_name_are_left(self) -> None:
        """An answer speaks of what was asked; a loop of aliases ends."""
        answers = self.table._answers("gw.example.net", 1)
        loop = self.table._header("loop.example", "CNAME", "loop.example")
        self.table._answers = lambda name, type: [loop, *answers]  # type: ignore[method-assign]
        assert (await self.ask("A", "loop.example"))[0] == ()

    async def test_no_socket_can_be_opened(self) -> None:
        """Said at once, and the same question is answered when there are files again."""
        scarce = ScarceReactor()
        self.client = DnsClient(scarce, [SERVER], hosts_file=str(self.hosts_file))
        refused = "no name server can be asked: [Errno 24] Too many open files"
        assert (await self.ask("AAAA", "gw.example.net"))[0] == Failed(refused)
        scarce.files = True
        assert (await self.ask("AAAA", "gw.example.net"))[0] == ("2001:db8::1",)


class Junk(DatagramProtocol):
    """Answers each question with the next of some bytes, behind the id of the question."""

    def __init__(self, junk: list[bytes]) -> None:
        self.junk = list(junk)

    def datagramReceived(self, datagram: bytes, addr: Any) -> None:
        """One question."""
        assert self.transport is not None
        if self.junk:
            self.transport.write(datagram[:2] + self.junk.pop(0), addr)


class ScarceReactor:
    """The reactor of a process that may have run out of files."""

    files = False

    def __getattr__(self, name: str) -> Any:
        return getattr(reactor, name)

    def listenUDP(self, *args: Any, **kwargs: Any) -> Any:
        """Open a socket, if there are files left."""
        if not self.files:
            raise OSError(24, "Too many open files")
        return reactor.listenUDP(*args, **kwargs)  # type: ignore[attr-defined]
