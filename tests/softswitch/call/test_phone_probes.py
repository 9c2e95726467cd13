"""OPTIONS to registered phones, from the datagram to who is called."""

from __future__ import annotations

from itertools import count

import pytest

from sip.flow import Flow
from sip.message import Request, Response
from sip.parser import parse_message
from sip.resolution import Resolution
from softswitch.call.addresses import Addresses
from softswitch.call.phone_probes import PROBE_TICK_S, PhoneProbes, ProbeSettings
from softswitch.call.registrar import Registrar
from tests.simulation.wire import make_stack
from tests.softswitch.call.phones import DOMAIN, LOGIN, flow, register
from tests.softswitch.call.test_shown_addresses import OneAddress

CONTACT = "<sip:anna@192.0.2.3:5062;method=BYE?Subject=x>"
KEY = (LOGIN, "sip:anna@192.0.2.3:5062;method=BYE?Subject=x")


class Bench:
    """A registrar whose phones are probed; the test is the phones."""

    def __init__(self, period_s: float = 25.0) -> None:
        self.stack = make_stack("s")
        self.registrar = Registrar()
        self.pings: set[Flow] = set()
        self.changed: list[str] = []
        numbers = count(1)
        self.probes = PhoneProbes(
            self.stack,
            self.registrar,
            Addresses(OneAddress(), "198.51.100.99", lambda uri: Resolution()),
            ProbeSettings(DOMAIN, period_s),
            took_ping=lambda asked: asked in self.pings,
            changed=self.changed.append,
            token=lambda: f"t{next(numbers)}",
        )
        self.now_s = 0.0

    def register(self, over: Flow, *fields: tuple[str, str], cseq: int = 1) -> None:
        """A REGISTER of the phone, and the second in which it is told."""
        request = register(CONTACT, expires="3600", cseq=cseq, extra=fields)
        assert self.registrar.register(LOGIN, request, over, self.now_us).status == 200
        self.probes.take(self.registrar.take_changes(), self.now_s)

    @property
    def now_us(self) -> int:
        """The wall clock."""
        return round(self.now_s * 1_000_000)

    def run(self, seconds: float, status: int | None = None) -> list[Request]:
        """Let time pass, the phone answering each probe with ``status`` or not at all."""
        sent: list[Request] = []
        end_s = self.now_s + seconds
        while self.now_s < end_s:
            self.now_s += PROBE_TICK_S
            self.probes.tick(self.now_s)
            self.stack.advance(self.now_s)
            for data, over in self.stack.take_outgoing():
                request = parse_message(data)
                assert isinstance(request, Request)
                sent.append(request)
                if status is not None:
                    self.answer(request, over, status)
        return sent

    def answer(self, request: Request, over: Flow, status: int) -> None:
        """The phone's answer, and what it causes."""
        names = ("via", "from", "to", "call-id", "cseq")
        fields = [(name, request.required(name)) for name in names]
        self.stack.receive(bytes(Response.build(status, fields)), over, self.now_s)
        for event in self.stack.take_events():
            event.transaction.owner.responded(event, self.now_s)  # type: ignore[union-attr]

    def is_called(self) -> bool:
        """Whether a call would ring the phone."""
        found = self.registrar.bindings(LOGIN, self.now_us)
        assert bool(found) == self.registrar.reachable(LOGIN, self.now_us)
        return bool(found)


def test_a_probe_is_an_options_request_to_the_contact_over_its_flow() -> None:
    """Short; with the public address, and without what a Request-URI must not have."""
    bench = Bench()
    bench.register(flow())
    probe, *more = bench.run(25, 200)
    assert more == []
    assert (probe.method, probe.uri) == ("OPTIONS", "sip:anna@192.0.2.3:5062")
    assert probe.via.host == "198.51.100.99"
    assert len(bytes(probe)) < 500


@pytest.mark.parametrize("status", [200, 404, 405, 408, 486, 501, 503])
def test_whatever_a_phone_answers_it_is_alive(status: int) -> None:
    """Some do not know OPTIONS, some are busy."""
    bench = Bench()
    bench.register(flow())
    assert len(bench.run(500, status)) == 20
    assert bench.is_called()
    assert bench.changed == []
    assert bench.stack.transactions == 0


def test_a_dead_phone_is_passed_over_until_it_answers() -> None:
    """Known within 60 s of its last answer; its account's boards look again, both times."""
    bench = Bench()
    bench.register(flow())
    bench.run(100, 200)
    bench.run(60)
    assert not bench.is_called()
    assert bench.registrar.dead == {KEY}
    bench.run(26, 404)
    assert bench.is_called()
    assert bench.changed == [LOGIN, LOGIN]


def test_a_dead_phone_that_registers_again_is_called_at_once() -> None:
    """It need not be asked first."""
    bench = Bench()
    bench.register(flow())
    bench.run(60)
    assert not bench.is_called()
    bench.register(flow(5070), cseq=2)
    assert bench.is_called()


def test_a_dead_phone_that_calls_is_back() -> None:
    """The one that registered over the call's flow, and no other of the login."""
    bench = Bench()
    bench.register(flow())
    bench.run(60)
    bench.probes.heard(LOGIN, flow(5070), bench.now_s)
    assert not bench.is_called()
    bench.probes.heard(LOGIN, flow(), bench.now_s)
    assert bench.is_called()
    assert not bench.registrar.any_dead


def test_an_unanswered_probe_is_repeated_a_few_times_and_let_go() -> None:
    """Thousands of phones without power must cost little: four datagrams a period."""
    bench = Bench()
    bench.register(flow())
    bench.run(60)
    assert len(bench.run(100)) == 16
    assert bench.stack.transactions <= 1
    bench.registrar.forget(LOGIN)
    bench.probes.take(bench.registrar.take_changes(), bench.now_s)
    assert bench.run(100) == []
    assert (bench.stack.transactions, bench.stack.timers_armed, len(bench.probes)) == (0, 0, 0)


def test_a_phone_behind_a_proxy_is_asked_through_it() -> None:
    """Its Path is the Route; what the proxy says in its place is no life (RFC 5626 11)."""
    bench = Bench()
    bench.register(flow(), ("Path", "<sip:edge.example;lr>"), ("Supported", "path"))
    (probe,) = bench.run(25, 200)
    assert probe.all("route") == ["<sip:edge.example;lr>"]
    bench.run(60, 430)
    assert not bench.is_called()


def test_a_phone_on_a_stream_is_asked_unless_it_pings() -> None:
    """CRLF keep-alives (RFC 5626 4.4.1) are life enough; its silence is noticed all the same."""
    bench, over = Bench(), flow(transport="tcp", number=7)
    bench.register(over)
    bench.pings.add(over)
    assert bench.run(100) == []
    bench.pings.clear()
    assert len(bench.run(25, 200)) == 1
    bench.run(60)
    assert not bench.is_called()


def test_no_connection_is_opened_for_a_probe() -> None:
    """A phone whose connection ended with the old process is called over a new one."""
    bench = Bench()
    bench.register(flow(transport="tcp"))
    assert bench.run(100) == []
    assert bench.is_called()


def test_probing_can_be_switched_off() -> None:
    """``sip.phone_probe_s = 0``."""
    bench = Bench(0)
    bench.register(flow())
    assert len(bench.probes) == 0
