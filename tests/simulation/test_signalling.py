"""Single calls through one switch on a wire that loses nothing: what crosses, what is late, what is
over a limit."""

from __future__ import annotations

from dataclasses import replace

from sip.dialog import Dialog
from sip.events import AckReceived, Event, RequestReceived, ResponseReceived
from sip.flow import Address, Flow
from sip.message import Request
from sip.transaction import ServerTransaction
from tests.simulation.phone import SDP_TYPE, Answering, Calling, Phone, sdp
from tests.simulation.switch import SimulatedSwitch
from tests.simulation.test_calls import (
    FAR,
    NEAR,
    RICH,
    caller_address,
    near_snapshot,
    trunk,
)
from tests.simulation.wire import StackNode, Wire, make_stack

NUMBER = "+37120000001"


class Stage:
    """One switch, its caller, and a carrier that the test plays by hand."""

    def __init__(self, **trunk_changes: int) -> None:
        self.wire = Wire()
        snapshot = near_snapshot()
        far = replace(trunk("far", FAR), **trunk_changes)  # type: ignore[arg-type]
        self.switch = SimulatedSwitch(
            self.wire, NEAR, replace(snapshot, trunks={"far": far}, routes={"": ("far",)})
        )
        self.switch.store.fund(RICH, 1_000_000)
        self.caller = Phone(self.wire, caller_address(RICH), NEAR, Answering)
        self.carrier = Phone(self.wire, FAR, NEAR, Answering)

    def causes(self) -> list[tuple[object, ...]]:
        """Cause and who hung up, of every record."""
        return self.switch.store.rows("SELECT cause, hangup_by FROM cdr ORDER BY id")

    def assert_clean(self) -> None:
        """Nothing is left over."""
        assert self.switch.leaks() == dict.fromkeys(self.switch.leaks(), 0)


def test_a_call_is_charged_by_the_minute_begun() -> None:
    """61 seconds at 60/60 and 0.06 a minute take 0.12."""
    stage = Stage()
    stage.caller.call(Calling(NUMBER, "plain", talk_s=60.5))
    stage.wire.run()
    assert stage.causes() == [("answered", "caller")]
    assert stage.switch.store.rows("SELECT duration_s, price_micros FROM cdr") == [(61, 120_000)]
    assert stage.switch.store.rows(
        f"SELECT balance_micros FROM balance WHERE account = '{RICH}'"
    ) == [(880_000,)]
    stage.assert_clean()


def test_bye_to_the_caller_waits_for_its_ack() -> None:
    """The callee hangs up at once; a UAS sends no BYE before the ACK (RFC 3261 15)."""
    stage = Stage()
    wire, log = stage.wire, []
    wire.log = log
    stack = make_stack("slow")
    acks: list[object] = []

    def told(event: Event, now_s: float) -> None:
        if isinstance(event, RequestReceived) and event.request.method == "BYE":
            assert acks, "BYE came before our ACK"
            stack.respond(event.transaction, 200, now_s=now_s)
        elif isinstance(event, ResponseReceived) and event.response.status == 200:
            wire.call_later(2.0, lambda: acknowledge(event))

    def acknowledge(event: ResponseReceived) -> None:
        dialog = Dialog.uac(
            event.transaction.request, event.response, contact="<sip:x@10.1.0.2>", flow=flow
        )
        acks.append(dialog)
        stack.ack(event.transaction, dialog.ack(1), flow, wire.now_s)

    address = caller_address(RICH)
    wire.attach(StackNode(stack, told), address)
    flow = Flow("udp", address, NEAR)
    stage.carrier._behaviour = lambda: Answering(ring_s=0.1, hang_up_s=0.01)
    stack.request(_invite(address), flow, wire.now_s)
    wire.run()
    assert acks
    assert stage.causes() == [("answered", "callee")]
    stage.assert_clean()


def _invite(address: Address, *, contact: bool = True) -> Request:
    headers = [
        ("From", f"<sip:x@{address.host}>;tag=1"),
        ("To", f"<sip:{NUMBER}@{NEAR.host}>"),
        ("Call-ID", f"by-hand@{address.host}"),
        ("CSeq", "1 INVITE"),
        SDP_TYPE,
    ]
    if contact:
        headers.append(("Contact", f"<sip:x@{address}>"))
    return Request.build("INVITE", f"sip:{NUMBER}@{NEAR.host}", headers, sdp(address.host))


def test_an_invite_without_contact_is_400() -> None:
    """No dialog could come of it, so no call begins."""
    stage = Stage()
    statuses: list[int] = []
    stack = make_stack("bare")

    def told(event: Event, now_s: float) -> None:
        if isinstance(event, ResponseReceived):
            statuses.append(event.response.status)

    address = caller_address(RICH)
    stage.wire.attach(StackNode(stack, told), address)
    stack.request(_invite(address, contact=False), Flow("udp", address, NEAR), stage.wire.now_s)
    stage.wire.run()
    assert statuses == [400]
    assert stage.causes() == []
    stage.assert_clean()


class ByHand:
    """A user agent whose every step the test takes; ``asked`` and ``answers`` keep what came."""

    def __init__(self, wire: Wire, address: Address) -> None:
        self.wire = wire
        self.flow = Flow("udp", address, NEAR)
        self.contact = f"<sip:x@{address}>"
        self.stack = make_stack(f"h{address.host.replace('.', 'x')}")
        self.asked: list[ServerTransaction] = []
        self.answers: list[ResponseReceived] = []
        self.acks: list[Request] = []
        wire.attach(StackNode(self.stack, self._told), address)

    def _told(self, event: Event, now_s: float) -> None:
        if isinstance(event, RequestReceived):
            self.asked.append(event.transaction)
            if event.request.method == "BYE":
                self.stack.respond(event.transaction, 200, now_s=now_s)
        elif isinstance(event, ResponseReceived):
            self.answers.append(event)
        elif isinstance(event, AckReceived):
            self.acks.append(event.request)

    def statuses(self, method: str) -> list[int]:
        """The final answers to requests of a method."""
        return [
            event.response.status
            for event in self.answers
            if event.transaction.request.method == method and event.response.status >= 200
        ]

    def methods(self) -> list[str]:
        """What was asked."""
        return [tx.request.method for tx in self.asked]

    def request(self, request: Request) -> None:
        """Send a request and let a second pass."""
        self.stack.request(request, self.flow, self.wire.now_s)
        self.pass_time()

    def pass_time(self, seconds: float = 1.0) -> None:
        """Let the others act."""
        self.wire.run(until_s=self.wire.now_s + seconds)

    def answer(self, status: int, body: bytes = b"") -> None:
        """Answer what was asked last, and let a second pass."""
        headers = (("Contact", self.contact), SDP_TYPE) if body else ()
        self.stack.respond(
            self.asked[-1], status, headers=headers, body=body, now_s=self.wire.now_s
        )
        self.pass_time()

    def dialog(self) -> Dialog:
        """The dialog that the latest response makes."""
        event = self.answers[-1]
        return Dialog.uac(
            event.transaction.request, event.response, contact=self.contact, flow=self.flow
        )

    def acknowledge(self, dialog: Dialog, body: bytes = b"") -> None:
        """ACK to the latest 2xx."""
        tx = self.answers[-1].transaction
        ack = dialog.ack(tx.request.cseq.number, body, (SDP_TYPE,) if body else ())
        self.stack.ack(tx, ack, self.flow, self.wire.now_s)
        self.pass_time()


class TwoByHand(Stage):
    """A caller and a carrier, both by hand."""

    def __init__(self) -> None:
        super().__init__()
        self.near = ByHand(self.wire, caller_address(RICH))
        self.far = ByHand(self.wire, FAR)
        self.near.request(_invite(caller_address(RICH)))

    def talking(self) -> Dialog:
        """The carrier has answered and the caller acknowledged."""
        self.far.answer(200, sdp(FAR.host))
        dialog = self.near.dialog()
        self.near.acknowledge(dialog)
        return dialog

    def over(self) -> None:
        """Everything ends by itself, and nothing is left."""
        self.wire.run()
        self.assert_clean()


def test_a_re_invite_without_offer_gets_its_ack_with_the_answer() -> None:
    """The carrier's offer in its 200 is answered by the caller's ACK."""
    stage = TwoByHand()
    dialog = stage.talking()
    stage.near.request(dialog.request("INVITE"))
    assert stage.far.asked[-1].request.body == b""
    stage.far.answer(200, sdp(FAR.host))
    stage.near.acknowledge(dialog, sdp(stage.near.flow.local.host))
    assert len(stage.far.acks) == 2
    assert b"m=audio" in stage.far.acks[-1].body
    stage.near.request(dialog.request("BYE"))
    stage.over()


def test_a_re_invite_that_is_answered_after_the_end_gets_its_ack() -> None:
    """The caller hangs up in between; the late 200 is not left to be repeated for 32 s."""
    stage = TwoByHand()
    dialog = stage.talking()
    stage.near.request(dialog.request("INVITE", (SDP_TYPE,), sdp(FAR.host)))
    late = stage.far.asked[-1]
    stage.near.request(dialog.request("BYE"))
    assert stage.near.statuses("INVITE") == [200, 487]
    stage.far.stack.respond(
        late,
        200,
        headers=(("Contact", stage.far.contact), SDP_TYPE),
        body=sdp(FAR.host),
        now_s=stage.wire.now_s,
    )
    stage.far.pass_time()
    assert len(stage.far.acks) == 2
    stage.over()


def test_a_re_invite_that_is_never_answered_leaves_nothing() -> None:
    """The device says 180 and no more; the call's end takes the change back."""
    stage = TwoByHand()
    dialog = stage.talking()
    stage.near.request(dialog.request("INVITE", (SDP_TYPE,), sdp(FAR.host)))
    stage.far.answer(180)
    stage.near.request(dialog.request("BYE"))
    stage.wire.run(until_s=stage.wire.now_s + 100)
    assert stage.switch.stack.transactions == 0


def test_a_bye_of_somebody_else_is_481() -> None:
    """A dialog is named by both tags (RFC 3261 12)."""
    stage = TwoByHand()
    dialog = stage.talking()
    tag, dialog.local_tag = dialog.local_tag, "another"
    stage.near.request(dialog.request("BYE"))
    dialog.local_tag = tag
    stage.near.request(dialog.request("BYE"))
    assert stage.near.statuses("BYE") == [481, 200]
    stage.over()


def test_a_caller_may_give_up_by_bye() -> None:
    """RFC 3261 15: BYE in the early dialog; the INVITE gets 487, the carrier a CANCEL."""
    stage = TwoByHand()
    stage.far.answer(180)
    dialog = stage.near.dialog()
    stage.near.request(dialog.request("INVITE", (SDP_TYPE,), sdp(FAR.host)))
    assert stage.near.statuses("INVITE") == [500]
    stage.near.request(dialog.request("BYE"))
    assert stage.near.statuses("BYE") == [200]
    assert stage.near.statuses("INVITE") == [500, 487]
    stage.far.stack.respond(stage.far.asked[0], 487, now_s=stage.wire.now_s)
    stage.over()
    assert stage.causes() == [("cancelled", "caller")]


def test_an_answer_without_contact_is_an_answer() -> None:
    """Old peers leave it out: the carrier is then where its INVITE went."""
    stage = TwoByHand()
    stage.far.stack.respond(
        stage.far.asked[-1],
        200,
        headers=(SDP_TYPE,),
        body=sdp(FAR.host),
        now_s=stage.wire.now_s,
    )
    stage.far.pass_time()
    dialog = stage.near.dialog()
    stage.near.acknowledge(dialog)
    stage.near.request(dialog.request("BYE"))
    assert stage.far.methods() == ["INVITE", "BYE"]
    stage.over()


def test_a_trunk_takes_no_more_calls_than_its_channels() -> None:
    """With one channel the second caller gets 503, and the channel is free again afterwards."""
    stage = Stage(channels_max=1)
    first = stage.caller.call(Calling(NUMBER, "first", talk_s=10))
    stage.wire.run(until_s=3)
    second = stage.caller.call(Calling(NUMBER, "second", talk_s=1))
    stage.wire.run()
    third = stage.caller.call(Calling(NUMBER, "third", talk_s=1))
    stage.wire.run()
    assert [party.outcome for party in (first, second, third)] == ["200", "503", "200"]
    stage.assert_clean()


def test_two_calls_at_once_share_one_pool() -> None:
    """With money for two intervals two calls run a minute each and a third is refused."""
    stage = Stage()
    account = RICH
    stage.switch.store.rows(
        f"UPDATE balance SET balance_micros = 120000 WHERE account = '{account}' RETURNING account"
    )
    parties = [stage.caller.call(Calling(NUMBER, "shared")) for _ in range(3)]
    stage.wire.run()
    assert sorted(party.outcome for party in parties) == ["200", "200", "402"]
    assert sorted(stage.causes()) == [
        ("credit_exhausted", "switch"),
        ("credit_exhausted", "switch"),
        ("no_credit", "switch"),
    ]
    assert stage.switch.store.rows(
        "SELECT duration_s, price_micros FROM cdr WHERE price_micros > 0"
    ) == [
        (60, 60_000),
        (60, 60_000),
    ]
    ((balance, reserved),) = stage.switch.store.rows(
        f"SELECT balance_micros, reserved_micros FROM balance WHERE account = '{account}'"
    )
    assert (balance, reserved) == (0, 0)


def test_the_callers_sdp_never_shows_the_other_phone() -> None:
    """Both sides see the switch only, in SDP and in Contact."""
    stage = Stage()
    stage.wire.log = []
    stage.caller.call(Calling(NUMBER, "plain", talk_s=1))
    stage.wire.run()
    caller, carrier = caller_address(RICH).host.encode(), FAR.host.encode()
    to_caller = [data for _, data, flow in stage.wire.log if flow.remote.host.encode() == caller]
    to_carrier = [data for _, data, flow in stage.wire.log if flow.remote.host.encode() == carrier]
    assert to_caller
    assert to_carrier
    assert not any(carrier in data for data in to_caller)
    assert not any(caller in data for data in to_carrier)
