"""A carrier that wants every call proved: the switch answers its challenges, whatever crosses."""

from __future__ import annotations

from dataclasses import replace

import pytest

from sip import digest
from sip.events import AckReceived, CancelReceived, Event, RequestReceived
from sip.message import Request
from sip.transaction import ServerTransaction
from softswitch.routing.model import TrunkLogin
from tests.simulation.phone import SDP_TYPE, Answering, Calling, Phone, sdp
from tests.simulation.switch import SimulatedSwitch
from tests.simulation.test_calls import FAR, NEAR, RICH, caller_address, near_snapshot, trunk
from tests.simulation.wire import StackNode, Wire, make_stack

NUMBER = "+37120000001"
LOGIN = TrunkLogin("auth", "secret")
HEADERS = {
    401: ("WWW-Authenticate", "authorization"),
    407: ("Proxy-Authenticate", "proxy-authorization"),
}


class Carrier:
    """Challenges INVITE and BYE once each, and keeps what it was sent. ``crossing``: its challenge
    comes only when the caller gives up. ``min_se_s``: it refuses shorter sessions, and takes a
    nonce once."""

    def __init__(self, wire: Wire, status: int, *, crossing: bool = False) -> None:
        self.min_se_s = 0
        self._nonces = 0
        self.wire = wire
        self.status = status
        self.crossing = crossing
        self.password = "secret"
        self.stack = make_stack("carrier")
        self.requests: list[Request] = []
        self.acks: list[Request] = []
        wire.attach(StackNode(self.stack, self._told), FAR)

    def _told(self, event: Event, now_s: float) -> None:
        if isinstance(event, AckReceived):
            self.acks.append(event.request)
        elif isinstance(event, CancelReceived):
            self._challenge(event.transaction) if self.crossing else self._end(event.transaction)
        elif isinstance(event, RequestReceived):
            self.requests.append(event.request)
            if self._is_proved(event.request):
                self._judge(event.transaction)
            elif not self.crossing or event.request.method != "INVITE":
                self._challenge(event.transaction)

    def _is_proved(self, request: Request) -> bool:
        text = request.first(HEADERS[self.status][1])
        if text is None:
            return False
        given = digest.parse_authorization(text)
        secret = digest.ha1(given.algorithm, "auth", "carrier", self.password)
        fresh = not self.min_se_s or given.nonce == f"n{self._nonces}"
        return fresh and digest.verify(given, request.method, secret)

    def _judge(self, tx: ServerTransaction) -> None:
        least = tx.request.first("min-se") or "0"
        if tx.request.method == "INVITE" and int(least) < self.min_se_s:
            self._nonces += 1
            refusal = (("Min-SE", str(self.min_se_s)),)
            self.stack.respond(tx, 422, headers=refusal, now_s=self.wire.now_s)
        else:
            self._take(tx)

    def _challenge(self, tx: ServerTransaction) -> None:
        nonce = f"n{self._nonces}"
        asks = HEADERS[self.status][0], digest.challenge("carrier", nonce, "SHA-256")
        self.stack.respond(tx, self.status, headers=(asks,), now_s=self.wire.now_s)

    def _end(self, tx: ServerTransaction) -> None:
        self.stack.respond(tx, 487, now_s=self.wire.now_s)

    def _take(self, tx: ServerTransaction) -> None:
        if tx.request.method == "BYE":
            self.stack.respond(tx, 200, now_s=self.wire.now_s)
            return
        self.stack.respond(tx, 180, now_s=self.wire.now_s)
        self.wire.call_later(1.0, lambda: self._answer(tx))

    def _answer(self, tx: ServerTransaction) -> None:
        if not tx.final_status:
            headers = (("Contact", f"<sip:{FAR}>"), SDP_TYPE)
            now_s = self.wire.now_s
            self.stack.respond(tx, 200, headers=headers, body=sdp(FAR.host), now_s=now_s)

    def numbers(self, method: str) -> list[int]:
        """The CSeq numbers of its requests of a method."""
        return [each.cseq.number for each in self.requests if each.method == method]


class Stage:
    """One switch with a phone, whose only trunk has a login."""

    def __init__(self, status: int = 407, *, crossing: bool = False) -> None:
        self.wire = Wire()
        far = replace(trunk("far", FAR), login=LOGIN)
        snapshot = replace(near_snapshot(), trunks={"far": far}, routes={"": ("far",)})
        self.switch = SimulatedSwitch(self.wire, NEAR, snapshot)
        self.switch.store.fund(RICH, 1_000_000)
        self.caller = Phone(self.wire, caller_address(RICH), NEAR, Answering)
        self.carrier = Carrier(self.wire, status, crossing=crossing)

    def call(self, **script: float) -> list[tuple[object, ...]]:
        """One call to its end: the cause on its record."""
        self.caller.call(Calling(NUMBER, "call", **script))
        self.wire.run()
        leaks = self.switch.leaks()
        assert leaks == dict.fromkeys(leaks, 0)
        return self.switch.store.rows("SELECT cause FROM cdr")


@pytest.mark.parametrize("status", [401, 407])
def test_a_challenge_is_answered_within_the_call(status: int) -> None:
    """The same Call-ID and From tag, the next CSeq; ACK carries the credentials (RFC 3261 22.1);
    the BYE is proved when it is asked to be."""
    stage = Stage(status)
    assert stage.call(talk_s=3) == [("answered",)]
    carrier = stage.carrier
    assert carrier.numbers("INVITE") == [1, 2]
    assert carrier.numbers("BYE") == [3, 4]
    assert len({(each.call_id, each.from_tag) for each in carrier.requests}) == 1
    (ack,) = carrier.acks
    assert ack.cseq.number == 2
    assert ack.first(HEADERS[status][1]) == carrier.requests[1].first(HEADERS[status][1])


def test_a_challenge_may_come_again_after_another_refusal() -> None:
    """422, and a nonce that is used up: the INVITE is proved anew, and the ACK has its number."""
    stage = Stage()
    stage.carrier.min_se_s = 1800
    assert stage.call(talk_s=3) == [("answered",)]
    carrier = stage.carrier
    assert carrier.numbers("INVITE") == [1, 2, 3, 4]
    assert [ack.cseq.number for ack in carrier.acks] == [4]
    assert carrier.acks[0].first(HEADERS[407][1]) == carrier.requests[3].first(HEADERS[407][1])


def test_a_wrong_password_is_refused_once() -> None:
    """The caller's phone is not asked for a password that is not its own."""
    stage = Stage()
    stage.carrier.password = "other"
    assert stage.call(talk_s=3) == [("failed",)]
    assert stage.carrier.numbers("INVITE") == [1, 2]


def test_a_challenge_that_crosses_the_cancel_is_not_answered() -> None:
    """The caller gave up: no second INVITE."""
    stage = Stage(crossing=True)
    assert stage.call(cancel_s=1.0) == [("cancelled",)]
    assert stage.carrier.numbers("INVITE") == [1]


@pytest.mark.parametrize("cancel_s", [0.001, 0.01, 0.02, 0.03, 0.05, 0.1, 0.5])
def test_the_caller_may_give_up_at_any_moment(cancel_s: float) -> None:
    """CANCEL goes to the INVITE that is out; nothing is left over."""
    stage = Stage()
    assert stage.call(cancel_s=cancel_s) == [("cancelled",)]
