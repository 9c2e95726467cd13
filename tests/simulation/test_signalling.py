"""Single calls through one switch on a wire that loses nothing: what crosses, what is late, what is
over a limit."""

from __future__ import annotations

from dataclasses import replace

from sip.events import Event, RequestReceived, ResponseReceived
from sip.flow import Address, Flow
from sip.message import Request
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
        from sip.dialog import Dialog

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
