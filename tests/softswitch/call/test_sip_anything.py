"""Two peers that do anything at any moment: nothing raises, and nothing is left over."""

from __future__ import annotations

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from sip.events import RequestReceived, ResponseReceived
from sip.machines import State
from tests.simulation.phone import sdp
from tests.simulation.switch import CALL_MAX_S
from tests.softswitch.call.agents import Agent, Scene

Fields = list[tuple[str, str]]

EXPIRES = ["90", "600;refresher=uac", "90;refresher=uas", "30", "soon", "90;refresher=x", "7200"]
FIELD = st.one_of(
    st.tuples(st.just("Session-Expires"), st.sampled_from(EXPIRES)),
    st.tuples(st.just("Min-SE"), st.sampled_from(["90", "3600", "x"])),
    st.tuples(st.just("Supported"), st.sampled_from(["timer", "100rel, timer", ",", ""])),
    st.tuples(st.just("Require"), st.sampled_from(["100rel", "timer", ";"])),
    st.tuples(st.just("RSeq"), st.sampled_from(["1", "2", "3", "x"])),
    st.tuples(st.just("RAck"), st.sampled_from(["1 1 INVITE", "2 1 INVITE", "x"])),
    st.tuples(st.just("Allow"), st.sampled_from(["INVITE, UPDATE", "INVITE"])),
    st.tuples(
        st.just("Reason"), st.sampled_from(["Q.850;cause=17", "x", 'SIP;cause=200;text="a"'])
    ),
    st.tuples(st.just("Warning"), st.sampled_from(['305 a "b"', "x"])),
)
FIELDS = st.lists(FIELD, max_size=3, unique_by=lambda field: field[0])
BODY = st.sampled_from([b"", sdp("10.0.0.2"), sdp("0.0.0.0"), b"no description"])
METHOD = st.sampled_from(["UPDATE", "INVITE", "PRACK", "OPTIONS", "BYE", "UPDATE", "INVITE"])
STATUS = st.sampled_from([180, 183, 200, 200, 200, 405, 408, 422, 481, 486, 488, 491])
AGENT = st.integers(0, 1)
STEP = st.one_of(
    st.tuples(st.just("ask"), AGENT, METHOD, FIELDS, BODY),
    st.tuples(st.just("answer"), AGENT, STATUS, FIELDS, BODY),
    st.tuples(st.just("ack"), AGENT, st.none(), FIELDS, BODY),
    st.tuples(st.just("cancel"), AGENT, st.none(), FIELDS, BODY),
    st.tuples(st.just("wait"), AGENT, st.sampled_from([1.0, 20.0, 50.0]), FIELDS, BODY),
)


def answer(agent: Agent, status: int, fields: Fields, body: bytes) -> None:
    """Answer the oldest request that has no final answer, as the agent sees fit."""
    for event in agent.all(RequestReceived):
        tx = event.transaction
        is_open = tx.state in (State.PROCEEDING, State.TRYING) and not tx.final_status
        if is_open and (status >= 200 or event.request.method == "INVITE"):
            if status == 200 and event.request.method == "INVITE" and agent.dialog is None:
                agent.answer(*fields, body=body)
            elif status < 200 and not tx.in_dialog:
                agent.ring(status, body=body)
            else:
                agent.respond(tx, status, *fields, body=body)
            return


def ack(agent: Agent, body: bytes) -> None:
    """Acknowledge the latest 2xx, or take a dialog from the latest provisional answer."""
    found = [e for e in agent.all(ResponseReceived) if e.transaction.request.method == "INVITE"]
    if found and found[-1].response.status < 200 and agent.dialog is None:
        agent.early(found[-1].transaction)
    elif found and 200 <= found[-1].response.status < 300:
        agent.acknowledge(found[-1].transaction, body)


def take(scene: Scene, step: tuple[str, int, object, Fields, bytes]) -> None:
    """One step of a script."""
    what, number, how, fields, body = step
    agent = (scene.caller, scene.carrier)[number]
    if what == "ask" and agent.dialog is not None:
        agent.ask(str(how), *fields, body=body)
    elif what == "answer":
        answer(agent, int(str(how)), fields, body)
    elif what == "ack":
        ack(agent, body)
    elif what == "cancel" and scene.invite is not None and not scene.invite.final_status:
        agent.stack.cancel(scene.invite, scene.wire.now_s) if agent is scene.caller else None
    elif what == "wait":
        scene.pause(float(str(how)))


@settings(max_examples=250, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(FIELDS, BODY, st.booleans(), FIELDS, st.lists(STEP, max_size=25))
def test_whatever_peers_do_nothing_is_left_over(
    caller: Fields, offer: bytes, up: bool, carrier: Fields, steps: list[object]
) -> None:
    """Any request, answer and field in any order, from a call that rings or is up."""
    scene = Scene()
    scene.invite = scene.caller.invite(*caller, body=offer)
    if up and scene.carrier.requests("INVITE"):
        scene.carrier.answer(*carrier)
        ack(scene.caller, b"" if offer else sdp("10.1.0.1"))
    for step in steps:
        take(scene, step)  # type: ignore[arg-type]
    scene.pause(CALL_MAX_S + 200)
    assert not any(scene.switch.leaks().values()), scene.switch.leaks()
