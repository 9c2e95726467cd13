"""Who may call: strangers are held against their source, and a call that goes round ends."""

from __future__ import annotations

import pytest

from sip.digest import Nonces
from sip.message import Request
from softswitch.call import admission as admission_module
from softswitch.call.admission import LOOP_TURNS, Admission, Admitted, Answered, CallRate
from softswitch.call.authentication import Authenticator
from softswitch.call.bans import BanRules, Bans
from softswitch.call.identify import Domains
from softswitch.call.registrar import Registrar
from softswitch.call.view import LiveCalls
from softswitch.ids import AccountId, CallId, Extension
from softswitch.routing.model import CallFlow, RoutingSnapshot
from softswitch.routing.plan import DialTrunks, PhoneCaller, Plan
from tests.softswitch.call.phones import DOMAIN, SWITCH, flow, invite
from tests.softswitch.routing.world import ANNA, RIGA_NUMBER, riga, snapshot

NOON_US = 1_768_300_000_000_000
CARRIER = "127.0.0.9"
CALLER = "+4915100000001"


class Gate:
    """An admission and what it knows."""

    def __init__(self) -> None:
        self.bans = Bans(BanRules(after=3))
        self.live = LiveCalls()
        self.admission = Admission(
            Authenticator(DOMAIN, Nonces(b"k" * 32), ("MD5",), self.bans),
            Domains(DOMAIN, "static.example", [SWITCH.host]),
            Registrar(),
            self.live,
            CallRate(0),
        )

    def decide(
        self, request: Request, host: str, known: RoutingSnapshot | None = None
    ) -> Admitted | Answered:
        """One INVITE."""
        known = known or snapshot()
        return self.admission.decide(request, flow(host=host), known, now_s=0.0, now_us=NOON_US)


def from_carrier(caller: str = CALLER) -> Request:
    """A call to a number of ours."""
    request = invite(f"sip:{RIGA_NUMBER}@{SWITCH.host}")
    request.set("from", f"<sip:{caller}@carrier.example>;tag=f")
    return request


def carrier_snapshot(target: dict[str, str]) -> RoutingSnapshot:
    """Where calls to the number go."""
    called = CallFlow(RIGA_NUMBER, target, 20)
    return snapshot(riga(flows={RIGA_NUMBER: called}), trunk_hosts={CARRIER: "carrier"})


OUTSIDE = carrier_snapshot({"external": "+37120000001"})
INSIDE = carrier_snapshot({"user": ANNA})


def admitted(gate: Gate, request: Request, known: RoutingSnapshot = OUTSIDE) -> Admitted:
    """A call from the carrier that may be tried."""
    decided = gate.decide(request, CARRIER, known)
    assert isinstance(decided, Admitted)
    return decided


def ring(gate: Gate, caller: str, known: RoutingSnapshot) -> Plan:
    """As many calls at once as a loop may have turns, of one plan."""
    for number in range(LOOP_TURNS):
        plan = admitted(gate, from_carrier(caller), known).plan
        gate.live.started(CallId(f"{number}"), plan, NOON_US)
    return plan


def test_a_call_that_comes_back_again_and_again_ends() -> None:
    """So many between the same two numbers that go outside at once: 482, after which no other
    carrier is tried; other calls to that number go on, and so do these when fewer ring."""
    gate = Gate()
    plan = ring(gate, CALLER, OUTSIDE)
    decided = gate.decide(from_carrier(), CARRIER, OUTSIDE)
    assert isinstance(decided, Answered)
    assert decided.status == 482
    admitted(gate, from_carrier("+4915100000002"))
    gate.live.ended(CallId("0"), plan)
    admitted(gate, from_carrier())


@pytest.mark.parametrize(
    ("caller", "known"), [("anonymous", OUTSIDE), (CALLER, INSIDE)], ids=["withheld", "inside"]
)
def test_many_calls_that_cannot_be_a_loop_go_through(caller: str, known: RoutingSnapshot) -> None:
    """Callers without a number have nothing in common; and what rings a phone comes not back."""
    gate = Gate()
    ring(gate, caller, known)
    admitted(gate, from_carrier(caller), known)


def test_what_a_phone_sends_on_is_no_turn_of_a_loop() -> None:
    """A transfer or redirection goes out however many calls are forwarded to that number."""
    gate = Gate()
    ring(gate, CALLER, OUTSIDE)
    anna = PhoneCaller(AccountId("000000212"), Extension(ANNA))
    plan = gate.admission.onward(anna, "+37120000001", OUTSIDE, NOON_US)
    assert any(isinstance(step, DialTrunks) for step in plan.steps)


def test_call_rates_are_counted_for_so_many_accounts(monkeypatch: pytest.MonkeyPatch) -> None:
    """They are ours, so more than the table holds is rare: then the count begins anew."""
    monkeypatch.setattr(admission_module, "RATE_ENTRIES_MAX", 2)
    rate = CallRate(1)
    for number in range(9):
        assert rate.allows(AccountId(f"{number}"), 5.0)
        assert len(rate._begun) <= 2
    assert not rate.allows(AccountId("8"), 5.0)


def test_calls_of_strangers_ban_their_source() -> None:
    """Each is challenged and tells nothing; the names tried differ."""
    gate = Gate()
    for number in range(3):
        request = invite(f"sip:900{number}@{SWITCH.host}")
        request.set("from", f"<sip:100@{SWITCH.host}>;tag=f")
        decided = gate.decide(request, "198.51.100.9")
        assert isinstance(decided, Answered)
        assert decided.status == 407
    assert list(gate.bans.silenced) == ["198.51.100.9"]


def test_calls_for_other_hosts_ban_their_source() -> None:
    """This is no open relay, and who looks for one is told three times."""
    gate = Gate()
    for number in range(3):
        decided = gate.decide(invite(f"sip:{number}@elsewhere.example"), "198.51.100.9")
        assert isinstance(decided, Answered)
        assert decided.status == 404
    assert list(gate.bans.silenced) == ["198.51.100.9"]


@pytest.mark.parametrize(
    ("uri", "agent", "banned"),
    [
        (f"sip:{DOMAIN}", "", False),
        (f"sip:{SWITCH.host}", "Kamailio", False),
        (f"sip:100@{SWITCH.host}", "friendly-scanner", True),
        ("sip:elsewhere.example", "pplsip", True),
        ("tel:1", "", False),
    ],
)
def test_options_of_scanners_only(uri: str, agent: str, banned: bool) -> None:
    """Carriers and phones see by OPTIONS whether we are there."""
    gate = Gate()
    request = Request.build("OPTIONS", uri, [("User-Agent", agent)])
    for _ in range(5):
        gate.admission.note_options(request, flow(host="198.51.100.9"), 0.0)
    assert bool(gate.bans.silenced) is banned
