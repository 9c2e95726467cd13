"""Subscriptions from the notifier's side: the table, SUBSCRIBE as it is read, and any walk."""

from __future__ import annotations

from itertools import product

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sip.dialog import Dialog
from sip.errors import RemoteError
from sip.flow import Flow
from sip.message import Request, Response
from sip.subscription import (
    DIALOG_CHARS_MAX,
    EXPIRES_DEFAULT_S,
    EXPIRES_MAX_S,
    EXPIRES_MIN_S,
    NOTIFY_INTERVAL_S,
    RETRY_MAX_S,
    SUSPENDED_S,
    TABLE,
    Action,
    Asked,
    Input,
    Reason,
    State,
    Subscription,
    accepts,
    check_size,
    parse_subscribe,
)
from tests.sip.peers import ALICE, BOB, request

LAST_STATES = {State.LAST_DUE, State.LAST, State.OVER}


def subscription(expires_s: float = 3600.0) -> Subscription:
    """A new one, nothing told yet."""
    dialog = Dialog(
        call_id="c",
        local="<sip:102@example.com>",
        local_tag="ours",
        remote="<sip:101@example.com>",
        remote_tag="theirs",
        remote_target="sip:101@192.0.2.1",
        route_set=(),
        contact="<sip:192.0.2.2>",
        flow=Flow("udp", BOB, ALICE),
    )
    return Subscription(dialog, "dialog", expires_s)


def response(status: int, *headers: tuple[str, str]) -> Response:
    """An answer to a NOTIFY."""
    return Response.build(status, headers)


def subscribe(**headers: str) -> Request:
    """A SUBSCRIBE with these header fields."""
    return request("SUBSCRIBE", **headers)


@pytest.mark.parametrize(("state", "cause"), list(product(State, Input)))
def test_every_pair_keeps_the_order_of_the_states(state: State, cause: Input) -> None:
    """An ending subscription never comes back, only one NOTIFY is in flight, nothing acts when
    over."""
    after, action = TABLE.get((state, cause), (state, None))
    if state in LAST_STATES:
        assert after in LAST_STATES
    in_flight = {State.IN_FLIGHT, State.OVERTAKEN, State.LAST_DUE, State.LAST}
    if action is Action.NOTIFY:
        assert after in (State.IN_FLIGHT, State.LAST)
        assert state not in in_flight or cause in (Input.DELIVERED, Input.SUSPENDED)
    assert (action is Action.FORGET) == (after is State.OVER and state is not State.OVER)
    if state is State.OVER:
        assert (after, action) == (State.OVER, None)


@pytest.mark.parametrize("state", [state for state in State if state is not State.OVER])
def test_who_does_not_know_it_is_forgotten_in_every_state(state: State) -> None:
    """481 to a NOTIFY, or none at all, ends it whatever else goes on."""
    assert TABLE[state, Input.VANISHED] == (State.OVER, Action.FORGET)


def test_a_subscribe_is_told_at_once_and_news_after_the_interval() -> None:
    """RFC 6665 4.2.1.2; two changes in between are one NOTIFY."""
    it = subscription()
    assert it.subscribe(3600, 0.0) is Action.NOTIFY
    assert it.step(Input.NEWS, 0.01) is None  # one is in flight
    assert it.answered(response(200), 0.02) is None
    assert it.step(Input.NEWS, 0.03) is None
    assert it.due_s == pytest.approx(0.02 + NOTIFY_INTERVAL_S)
    assert it.wake(0.02 + NOTIFY_INTERVAL_S) is Action.NOTIFY
    assert it.answered(response(200), 1.0) is None
    assert it.wake(1.0 + NOTIFY_INTERVAL_S) is None
    assert it.step(Input.NEWS, 9.0) is Action.NOTIFY


def test_it_ends_when_its_time_is_over() -> None:
    """With a last NOTIFY that says so; then it is forgotten, whatever is answered."""
    it = subscription()
    it.subscribe(60, 0.0)
    it.answered(response(200), 0.1)
    it.wake(0.7)
    assert it.due_s == 60.0
    assert it.wake(60.0) is Action.NOTIFY
    last = it.notify("text/plain", b"x", 60.0)
    assert last.first("subscription-state") == "terminated;reason=timeout"
    assert it.due_s is None
    assert it.answered(response(500), 60.1) is Action.FORGET


def test_a_fetch_is_one_notify() -> None:
    """Expires 0 outside a dialog (RFC 6665 4.4.3)."""
    it = subscription()
    assert it.subscribe(0, 5.0) is Action.NOTIFY
    assert it.is_ending
    assert it.answered(response(200), 5.1) is Action.FORGET


def test_unsubscribing_while_one_is_in_flight_waits_for_it() -> None:
    """So that they arrive in order."""
    it = subscription()
    it.subscribe(3600, 0.0)
    assert it.subscribe(0, 0.1) is None
    assert it.answered(response(200), 0.2) is Action.NOTIFY


def test_the_notify_says_what_is_left_and_counts_up() -> None:
    """CSeq and version rise by one; the event comes back with its id."""
    it = subscription()
    it.event = "dialog;id=7"
    it.subscribe(600, 0.0)
    assert it.version == 0
    first = it.notify("application/x", b"<a/>", 0.5)
    assert first.first("subscription-state") == "active;expires=600"
    assert first.first("event") == "dialog;id=7"
    assert first.first("content-type") == "application/x"
    assert (str(first.cseq), it.version) == ("1 NOTIFY", 1)
    it.reason = Reason.NO_RESOURCE
    it.answered(response(200), 1.0)
    it.end(Reason.NO_RESOURCE, 2.0)
    last = it.notify("application/x", b"", 2.0)
    assert last.first("subscription-state") == "terminated;reason=noresource"
    assert last.first("content-type") is None


@pytest.mark.parametrize("status", [404, 405, 408, 410, 416, 480, 481, 485, 489, 501, 604])
def test_answers_that_end_it(status: int) -> None:
    """RFC 6665 4.2.2."""
    it = subscription()
    it.subscribe(3600, 0.0)
    assert it.answered(response(status), 1.0) is Action.FORGET


@pytest.mark.parametrize(
    ("answer", "pause_s"),
    [
        (response(503, ("Retry-After", "20")), 20.0),
        (response(480, ("Retry-After", "5 (soon);duration=9")), 5.0),
        (response(503, ("Retry-After", "999999999999999")), RETRY_MAX_S),
        (response(503), SUSPENDED_S),
        (response(500, ("Retry-After", "-1")), SUSPENDED_S),
        (response(401), SUSPENDED_S),
    ],
)
def test_answers_that_suspend_it(answer: Response, pause_s: float) -> None:
    """The newest state is told when the time is over, and not before."""
    it = subscription()
    it.subscribe(3600, 0.0)
    assert it.answered(answer, 1.0) is None
    assert it.step(Input.NEWS, 1.5) is None
    assert it.due_s == 1.0 + pause_s
    assert it.wake(1.0 + pause_s) is Action.NOTIFY


def test_retry_after_does_not_save_what_is_not_known() -> None:
    """481 is 481."""
    it = subscription()
    it.subscribe(3600, 0.0)
    assert it.answered(response(481, ("Retry-After", "5")), 1.0) is Action.FORGET


@pytest.mark.parametrize(
    ("headers", "asked"),
    [
        ({"Event": "dialog"}, Asked("dialog", "", EXPIRES_DEFAULT_S)),
        ({"Event": "Dialog ; id=4;sla", "Expires": "120"}, Asked("dialog", "4", 120)),
        ({"o": "presence", "Expires": "0"}, Asked("presence", "", 0)),
        ({"Event": "reg", "Expires": "4000000000"}, Asked("reg", "", EXPIRES_MAX_S)),
        ({"Event": "reg", "Expires": str(EXPIRES_MIN_S)}, Asked("reg", "", EXPIRES_MIN_S)),
    ],
)
def test_a_subscribe_is_read(headers: dict[str, str], asked: Asked) -> None:
    """Event in any spelling; the time as asked for, within bounds."""
    assert parse_subscribe(subscribe(**headers)) == asked


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({}, 489),
        ({"Event": ""}, 489),
        ({"Event": "a b"}, 489),
        ({"Event": "dialog", "Expires": "59"}, 423),
        ({"Event": "dialog", "Expires": "soon"}, 400),
        ({"Event": "dialog;=x"}, 400),
        ({"Event": 'dialog;id="\x00"'}, 400),
        ({"Event": f"dialog;id={'1' * 65}"}, 400),
    ],
)
def test_a_subscribe_is_refused(headers: dict[str, str], status: int) -> None:
    """Without an event, for too short, or malformed."""
    with pytest.raises(RemoteError) as raised:
        parse_subscribe(subscribe(**headers))
    assert raised.value.status_hint == status


@pytest.mark.parametrize(
    ("accept", "taken"),
    [
        (None, True),
        ("application/pidf+xml", True),
        ("text/plain, Application/PIDF+xml;q=0.5", True),
        ("application/*", True),
        ("*/*", True),
        ("application/dialog-info+xml", False),
        ("", False),
    ],
)
def test_accept(accept: str | None, taken: bool) -> None:
    """No Accept is the package's own type."""
    headers = {} if accept is None else {"Accept": accept}
    assert accepts(subscribe(**headers), "application/pidf+xml") is taken


def test_what_is_too_long_to_remember_is_refused() -> None:
    """And what a database could not take."""
    long = subscribe(Contact=f"<sip:{'a' * DIALOG_CHARS_MAX}@192.0.2.1>")
    with pytest.raises(RemoteError, match="characters to remember"):
        check_size(long)
    odd = subscribe(Contact='"\x00" <sip:a@192.0.2.1>')
    with pytest.raises(RemoteError, match="control"):
        check_size(odd)


@given(
    st.lists(
        st.tuples(
            st.sampled_from(["change", "answer", "suspend", "refresh", "wait", "look"]),
            st.integers(0, 3),
        ),
        max_size=60,
    )
)
def test_whatever_happens_the_last_notify_has_the_latest_state(
    walk: list[tuple[str, int]],
) -> None:
    """A NOTIFY at a time, numbered one by one, and when all is quiet the subscriber knows what is.

    The owner compares the state with what was told, as the keeper does.
    """
    it, now_s, state = subscription(1e9), 0.0, 0
    sent: list[tuple[int, int]] = []
    in_flight = 0

    def do(action: Action | None) -> None:
        nonlocal in_flight
        if action is Action.NOTIFY:
            assert in_flight == 0
            in_flight = 1
            it.told = state
            sent.append((it.version, state))
            it.notify("text/plain", b"", now_s)

    def answer(status: int) -> None:
        nonlocal in_flight
        if in_flight:
            in_flight = 0
            do(it.answered(response(status), now_s))

    def look() -> None:
        if it.told != state:
            do(it.step(Input.NEWS, now_s))

    do(it.subscribe(10**9, now_s))
    for what, value in walk:
        if what == "change":
            state = value
        elif what == "answer":
            answer(200)
        elif what == "suspend":
            answer(503)
        elif what == "refresh":
            do(it.subscribe(10**9, now_s))
        elif what == "look":
            look()
        else:
            now_s += value
            if it.due_s is not None and it.due_s <= now_s:
                do(it.wake(now_s))
    look()
    for _ in range(4):
        answer(200)
        now_s += SUSPENDED_S
        if it.due_s is not None and it.due_s <= now_s:
            do(it.wake(now_s))
    assert sent[-1][1] == state
    assert [version for version, _ in sent] == list(range(len(sent)))
    assert it.state is State.RESTED
