"""From an INVITE to a plan: carriers that we register with, and whom a trunk may say is calling."""

from __future__ import annotations

from dataclasses import replace

import pytest

from sip.digest import Nonces
from sip.flow import Address, Flow
from sip.message import Request
from softswitch.call.admission import Admission, Admitted, Answered, CallRate
from softswitch.call.authentication import Authenticator
from softswitch.call.identify import Domains
from softswitch.call.registrar import Registrar
from softswitch.call.view import LiveCalls
from softswitch.routing.model import RoutingSnapshot, StaticAddress, Trunk, TrunkRegistration, User
from softswitch.routing.plan import RingUser
from tests.softswitch.call.phones import DOMAIN, SWITCH
from tests.softswitch.routing.world import (
    ADMINISTRATOR,
    RIGA_NUMBER,
    riga,
    snapshot,
)

REGISTRAR, STRANGER = "203.0.113.50", "203.0.113.66"
NOON_US = 1_769_860_800_000_000  # 2026-01-31 12:00 UTC
LINE = Trunk(
    "line", (), f"sip:{REGISTRAR}", "e164", 0,
    registration=TrunkRegistration(f"sip:{REGISTRAR}", "user", "line1", 3600),
)  # fmt: skip


def world(**changes: object) -> RoutingSnapshot:
    """Riga, whose administrator has a static phone, and a trunk."""
    static = StaticAddress("udp", "203.0.113.21", 5060)
    phone = User(ADMINISTRATOR, "Anton", "default", static=static)
    users = {**riga().users, ADMINISTRATOR: phone}
    trunk = replace(LINE, **changes)  # type: ignore[arg-type]
    return snapshot(riga(users=users), trunks={"line": trunk})


def decided(
    uri: str,
    to: str,
    *,
    host: str = REGISTRAR,
    extra: tuple[tuple[str, str], ...] = (),
    known: RoutingSnapshot | None = None,
) -> Admitted | Answered:
    """What becomes of an INVITE from an address."""
    live = LiveCalls()
    live.trunks.registrars = {REGISTRAR: ("line",)}
    admission = Admission(
        Authenticator(DOMAIN, Nonces(bytes(32)), ("MD5",)),
        Domains(DOMAIN, "static", [SWITCH.host]),
        Registrar(),
        live,
        CallRate(0),
    )
    fields = [
        ("From", "<sip:+4930111111@h>;tag=f"),
        ("To", f"<{to}>"),
        ("Call-ID", "c"),
        ("CSeq", "1 INVITE"),
        *extra,
    ]
    request = Request.build("INVITE", uri, fields)
    flow = Flow("udp", SWITCH, Address(host, 5060))
    return admission.decide(request, flow, known or world(), now_s=1.0, now_us=NOON_US)


def rung(outcome: Admitted | Answered) -> RingUser:
    """The phone that rings."""
    assert isinstance(outcome, Admitted)
    (step,) = outcome.plan.steps
    assert isinstance(step, RingUser)
    return step


@pytest.mark.parametrize(
    ("user", "to"), [("line1", RIGA_NUMBER), (RIGA_NUMBER, "user"), (RIGA_NUMBER, RIGA_NUMBER)]
)
def test_a_registrar_calls_our_contact_or_the_number(user: str, to: str) -> None:
    """When the contact is called the number stands in To alone."""
    outcome = decided(f"sip:{user}@{SWITCH.host}", f"sip:{to}@{REGISTRAR}")
    assert rung(outcome).extension == ADMINISTRATOR
    assert isinstance(outcome, Admitted)
    assert outcome.trunk == "line"


def test_a_stranger_who_knows_the_contact_is_challenged() -> None:
    """The address decides."""
    outcome = decided(f"sip:line1@{SWITCH.host}", f"sip:{RIGA_NUMBER}@h", host=STRANGER)
    assert isinstance(outcome, Answered)
    assert outcome.status == 407


@pytest.mark.parametrize(
    ("trusted", "extra", "caller"),
    [
        (True, (), "+4930222222"),
        (False, (), "+4930111111"),
        (True, (("Privacy", "id"),), ""),
        (False, (("Privacy", "id"),), ""),
    ],
)
def test_who_a_trunk_says_is_calling(
    trusted: bool, extra: tuple[tuple[str, str], ...], caller: str
) -> None:
    """The asserted identity of a trusted one, From of others; nobody when it is private."""
    asserted = (("P-Asserted-Identity", "<sip:+4930222222@h>"), *extra)
    uri = f"sip:{RIGA_NUMBER}@{SWITCH.host}"
    outcome = decided(uri, uri, extra=asserted, known=world(trusted=trusted))
    assert rung(outcome).caller == caller
    assert isinstance(outcome, Admitted)
    assert outcome.plan.records[0].caller == caller
