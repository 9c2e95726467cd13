"""Dialogs of calls, as far as connections are concerned."""

from __future__ import annotations

from typing import cast

from sip.events import RequestReceived
from sip.flow import Flow
from sip.resolution import Resolution
from softswitch.call import events as ev
from softswitch.call.addresses import Addresses
from softswitch.call.b2bua import Call
from softswitch.call.legs import LiveCall
from softswitch.call.sip_side import SipSide
from softswitch.routing.plan import Plan
from tests.simulation.wire import make_stack
from tests.sip.peers import ALICE, BOB, request, wire_bytes
from tests.softswitch.call.test_shown_addresses import OneAddress


def test_a_connection_is_needed_while_a_call_is_up_over_it() -> None:
    """A static IP user registers nowhere, and its BYE or ours may come after hours."""
    stack = make_stack("s")
    side = SipSide(
        stack,
        Addresses(OneAddress(), "", lambda uri: Resolution()),
        lambda live, event, now_s: None,
        lambda live, now_s: None,
        lambda live, user, dialled: Plan((), ()),
        lambda live, name, at_s, now_s: None,
        token=lambda: "t",
    )
    flow = Flow("tls", BOB, ALICE, 7)
    stack.receive(wire_bytes(request("INVITE"), transport="TLS"), flow, 0.0)
    (event,) = stack.take_events()
    assert isinstance(event, RequestReceived)
    caller = side.caller_leg(event.transaction, flow, None, None)
    live = LiveCall(cast(Call, None), cast(Plan, None), caller, 0, {})
    assert not side.has_flow(flow)
    side.answer_caller(live, ev.AnswerCaller(180), 0.0)
    assert side.has_flow(flow)
    assert not side.has_flow(flow._replace(connection=8))
    side.answer_caller(live, ev.AnswerCaller(486), 0.0)
    assert not side.has_flow(flow)
