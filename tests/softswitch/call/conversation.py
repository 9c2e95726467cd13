"""Parts for tests of the call machine: plans, targets, and a short way to feed inputs."""

from __future__ import annotations

from typing import TypeVar

from billing.tariff import Rate
from rtp.messages import LegPorts
from sip.flow import Address, Flow
from softswitch.call import events as ev
from softswitch.call.b2bua import Call
from softswitch.call.media_session import Caller
from softswitch.ids import AccountId, CallId, Extension
from softswitch.routing.free import INTERNAL, free_rate
from softswitch.routing.plan import DialTrunks, Payment, Plan, Record, RingUser, Step

ACCOUNT = AccountId("000000001")
CALL = CallId("0a0b0c0d0e0f")
A = TypeVar("A", bound=ev.Action)


def sdp(port: int, direction: str = "sendrecv", host: str = "192.0.2.1") -> bytes:
    """A plain G.711 description."""
    return (
        f"v=0\r\no=- 1 1 IN IP4 {host}\r\ns=-\r\nc=IN IP4 {host}\r\nt=0 0\r\n"
        f"m=audio {port} RTP/AVP 8\r\na=rtpmap:8 PCMA/8000\r\na={direction}\r\n"
    ).encode()


OFFER = sdp(4000)
ANSWER = sdp(5000)


def rate(**changes: object) -> Rate:
    """0.06 a minute, 60/60."""
    terms: dict[str, object] = {
        "tariff": "standard",
        "version": 1,
        "currency": "EUR",
        "direction": "out",
        "prefix": "371",
        "destination": "Latvia",
        "per_minute_micros": 60_000,
        "initial_s": 60,
        "increment_s": 60,
    }
    return Rate(**{**terms, **changes})  # type: ignore[arg-type]


PAYMENT = Payment(ACCOUNT, rate())
RECORD = Record(ACCOUNT, "out", "101", "+37120000000", caller_extension="101")


def ring(extension: str = "102", timeout_s: int = 20) -> RingUser:
    """A step to a user."""
    return RingUser(ACCOUNT, Extension(extension), "101", "Anna", timeout_s)


def dial(*trunks: str, payment: Payment | None = PAYMENT, timeout_s: int = 60) -> DialTrunks:
    """A step to the outside."""
    return DialTrunks("+37120000000", trunks or ("carrier",), "+37070044960", payment, timeout_s)


def plan(*steps: Step) -> Plan:
    """Where a transfer or a redirection goes."""
    return Plan(steps=steps, trace=("onward",), records=(RECORD,))


def target(name: str, host: str = "192.0.2.9") -> ev.Target:
    """Where a branch goes."""
    flow = Flow("udp", Address("127.0.0.1", 5060), Address(host, 5060))
    return ev.Target(
        uri=f"sip:{name}@{host}",
        flow=flow,
        to=f"<sip:{name}@x>",
        caller="<sip:101@x>",
        name=name,
        trunk=name if name.startswith("trunk") else None,
    )


class Places:
    """A directory with fixed answers: contacts by extension, one target per trunk, none for those
    whose name begins with "lost"."""

    def __init__(self, contacts: dict[str, int] | None = None) -> None:
        self.contacts = contacts if contacts is not None else {"102": 1}
        self.obstacles: dict[str, str] = {}
        self.keys = 0

    def targets(self, step: RingUser | DialTrunks) -> ev.Found:
        """As many phones as the test said, a target for each trunk."""
        if isinstance(step, DialTrunks):
            known = [name for name in step.trunks if not name.startswith("lost")]
            notes = [f"trunk {name}: unknown" for name in step.trunks if name not in known]
            return ev.Found([target(f"trunk {name}") for name in known], notes)
        count = self.contacts.get(step.extension, 0)
        return ev.Found([target(f"user {step.extension}/{index}") for index in range(count)])

    def obstacle(self, target: ev.Target) -> str | None:
        """What the test said of the target's name."""
        return self.obstacles.get(target.name)

    def media_host(self, local_host: str) -> str:
        """No address translation."""
        return local_host

    def new_key(self, octets: int) -> bytes:
        """Another one each time."""
        self.keys += 1
        return bytes([self.keys]) * octets


class Talk:
    """A call under test: feeds inputs at a time that only moves forward, keeps all actions."""

    def __init__(
        self,
        *steps: Step,
        offer: bytes = OFFER,
        contacts: dict[str, int] | None = None,
        incoming: Payment | None = None,
        call_max_s: float = 14_400,
    ) -> None:
        plan = Plan(steps=steps, trace=("test",), records=(RECORD,), incoming=incoming)
        self.now_s = 1000.0
        self.actions: list[ev.Action] = []
        self.call = Call(
            CALL,
            plan,
            offer,
            Caller("127.0.0.1", "192.0.2.1"),
            Places(contacts),
            journal=Payment(ACCOUNT, free_rate(INTERNAL, "EUR")),
            now_s=self.now_s,
            call_max_s=call_max_s,
        )

    def feed(self, event: ev.Input, after_s: float = 0.0) -> list[ev.Action]:
        """Feed one input some seconds later; what it caused."""
        self.now_s += after_s
        actions = self.call.receive(event, self.now_s)
        self.actions.extend(actions)
        return actions

    def ports(self) -> list[ev.Action]:
        """Answer the last request for ports."""
        asked = self.all(ev.AllocateMedia)[-1]
        return self.feed(
            ev.MediaReady(
                tuple(LegPorts(spec.leg, 20_000 + 2 * i) for i, spec in enumerate(asked.legs))
            )
        )

    def grant(self, micros: int = 60_000) -> list[ev.Action]:
        """Grant the last hold that was asked for."""
        return self.feed(ev.CreditHeld(self.all(ev.HoldCredit)[-1].hold, micros))

    def grant_all(self, micros: int = 60_000) -> None:
        """Grant every hold that was asked for."""
        for hold in self.all(ev.HoldCredit):
            self.feed(ev.CreditHeld(hold.hold, micros))

    def answered(self, *, micros: int | None = None) -> Talk:
        """Bring the call to where the first branch has answered."""
        self.feed(ev.Invited())
        if micros is not None:
            self.grant(micros)
        self.ports()
        self.feed(ev.BranchRang(0, 180, b""), 1)
        self.feed(ev.BranchAnswered(0, ANSWER), 2)
        return self

    def all(self, kind: type[A]) -> list[A]:
        """Every action of a kind so far."""
        return [action for action in self.actions if isinstance(action, kind)]

    def last(self, kind: type[A]) -> A:
        """The latest action of a kind."""
        return self.all(kind)[-1]

    def timer(self, name: str) -> float | None:
        """When a timer is due as it stands."""
        at_s: float | None = None
        for action in self.all(ev.SetTimer):
            if action.name in (name, ""):
                at_s = action.at_s
        return at_s
