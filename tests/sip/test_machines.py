"""The four tables against figures 5 to 8 of RFC 3261 and figures 1 and 2 of RFC 6026.

The expectations are written from the figures, in text, and know nothing of the code's tables: each
line is ``state, input -> next state: actions``. What has no line must have no row.
"""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sip.machines import (
    INVITE_CLIENT,
    INVITE_SERVER,
    NON_INVITE_CLIENT,
    NON_INVITE_SERVER,
    Action,
    Input,
    State,
    Table,
    response_input,
)

# RFC 3261 figure 5 with RFC 6026 figure 2 (Accepted, timer M). The figure starts A and B when the
# INVITE is sent; 9.1 adds the wait for a cancelled INVITE.
EXPECTED_INVITE_CLIENT = """
calling, start -> calling: send, start A, start B
calling, timer A -> calling: send, double A
calling, timer B -> terminated: tell timeout, destroy
calling, transport error -> terminated: tell transport error, destroy
calling, 1xx -> proceeding: stop timers, tell, send cancel
calling, 2xx -> accepted: stop timers, tell 2xx, start M
calling, 3xx-6xx -> completed: stop timers, send ack, tell, start D
proceeding, 1xx -> proceeding: tell
proceeding, 2xx -> accepted: stop timers, tell 2xx, start M
proceeding, 3xx-6xx -> completed: stop timers, send ack, tell, start D
proceeding, timer cancel -> terminated: tell timeout, destroy
proceeding, transport error -> proceeding:
completed, 1xx -> completed:
completed, 2xx -> completed:
completed, 3xx-6xx -> completed: send ack
completed, timer D -> terminated: destroy
completed, transport error -> terminated: destroy
accepted, 1xx -> accepted:
accepted, 2xx -> accepted: tell 2xx
accepted, 3xx-6xx -> accepted:
accepted, timer M -> terminated: destroy
accepted, transport error -> accepted:
"""

# RFC 3261 figure 6; 17.1.2.2: in Proceeding timer E is set to T2.
EXPECTED_NON_INVITE_CLIENT = """
trying, start -> trying: send, start E, start F
trying, timer E -> trying: send, double E up to T2
trying, timer F -> terminated: tell timeout, destroy
trying, transport error -> terminated: tell transport error, destroy
trying, 1xx -> proceeding: tell
trying, 2xx -> completed: stop timers, tell, start K
trying, 3xx-6xx -> completed: stop timers, tell, start K
proceeding, timer E -> proceeding: send, set E to T2
proceeding, timer F -> terminated: tell timeout, destroy
proceeding, transport error -> terminated: tell transport error, destroy
proceeding, 1xx -> proceeding: tell
proceeding, 2xx -> completed: stop timers, tell, start K
proceeding, 3xx-6xx -> completed: stop timers, tell, start K
completed, 1xx -> completed:
completed, 2xx -> completed:
completed, 3xx-6xx -> completed:
completed, timer K -> terminated: destroy
completed, transport error -> terminated: destroy
"""

# RFC 3261 figure 7 with RFC 6026 figure 1 (Accepted, timer L); 13.3.1.1 and 13.3.1.4 have the user
# repeat 1xx and 2xx, which the stack does for it.
EXPECTED_INVITE_SERVER = """
proceeding, start -> proceeding: send
proceeding, request -> proceeding: send
proceeding, ack -> proceeding:
proceeding, 1xx -> proceeding: send, start 1xx repetition
proceeding, timer 1xx -> proceeding: send, start 1xx repetition
proceeding, 2xx -> accepted: stop timers, send, start 2xx repetition, start L
proceeding, 3xx-6xx -> completed: stop timers, send, start G, start H
completed, request -> completed: send
completed, ack -> confirmed: stop timers, start I
completed, timer G -> completed: send, double G up to T2
completed, timer H -> terminated: destroy
confirmed, request -> confirmed:
confirmed, ack -> confirmed:
confirmed, timer I -> terminated: destroy
accepted, request -> accepted:
accepted, ack -> accepted: tell ack
accepted, timer 2xx -> accepted: send, double 2xx repetition up to T2
accepted, timer L -> terminated: tell no ack, destroy
"""

# RFC 3261 figure 8.
EXPECTED_NON_INVITE_SERVER = """
trying, start -> trying:
trying, request -> trying:
trying, 1xx -> proceeding: send
trying, 2xx -> completed: send, start J
trying, 3xx-6xx -> completed: send, start J
proceeding, request -> proceeding: send
proceeding, 1xx -> proceeding: send
proceeding, 2xx -> completed: send, start J
proceeding, 3xx-6xx -> completed: send, start J
completed, request -> completed: send
completed, timer J -> terminated: destroy
"""

MACHINES = {
    "INVITE client": (INVITE_CLIENT, EXPECTED_INVITE_CLIENT),
    "non-INVITE client": (NON_INVITE_CLIENT, EXPECTED_NON_INVITE_CLIENT),
    "INVITE server": (INVITE_SERVER, EXPECTED_INVITE_SERVER),
    "non-INVITE server": (NON_INVITE_SERVER, EXPECTED_NON_INVITE_SERVER),
}
ENDING = {Action.START_B, Action.START_D, Action.START_F, Action.START_H, Action.START_I} | {
    *(Action.START_J, Action.START_K, Action.START_L, Action.START_M)
}


def expected_rows(text: str) -> dict[tuple[str, str], tuple[str, list[str]]]:
    """The lines of a figure as a table of plain strings."""
    rows = {}
    for line in text.strip().splitlines():
        pair, _, effect = line.partition(" -> ")
        state, _, cause = pair.partition(", ")
        next_state, _, actions = effect.partition(":")
        rows[state, cause] = (next_state, [text for text in actions.strip().split(", ") if text])
    return rows


@pytest.mark.parametrize("name", MACHINES)
@pytest.mark.parametrize("state", State)
@pytest.mark.parametrize("cause", Input)
def test_each_pair_does_what_the_figure_says(name: str, state: State, cause: Input) -> None:
    """Every state and input, those without an arrow included."""
    table, figure = MACHINES[name]
    row = table.get((state, cause))
    found = None if row is None else (str(row[0]), [str(action) for action in row[1]])
    assert found == expected_rows(figure).get((str(state), str(cause)))


@pytest.mark.parametrize("name", MACHINES)
def test_what_terminates_is_destroyed_and_nothing_else(name: str) -> None:
    """A transaction is forgotten the instant that it terminates (17.1.1.2)."""
    table, _ = MACHINES[name]
    for state, actions in table.values():
        assert (state is State.TERMINATED) == (Action.DESTROY in actions)
        assert actions.count(Action.DESTROY) <= 1
        assert Action.DESTROY not in actions[:-1]


def walks(table: Table, start: State) -> st.SearchStrategy[list[tuple[State, Input]]]:
    """Random walks along the table's rows, as the pairs passed."""

    @st.composite
    def walk(draw: st.DrawFn) -> list[tuple[State, Input]]:
        state = start
        passed: list[tuple[State, Input]] = []
        for _ in range(draw(st.integers(1, 40))):
            inputs = [cause for at, cause in table if at is state and cause is not Input.START]
            if not inputs:
                break
            cause = draw(st.sampled_from(inputs))
            passed.append((state, cause))
            state = table[state, cause][0]
        return passed

    return walk()


ORDER = {State.TRYING: 0, State.CALLING: 0, State.PROCEEDING: 1, State.COMPLETED: 2} | {
    State.ACCEPTED: 2,
    State.CONFIRMED: 3,
    State.TERMINATED: 4,
}


@pytest.mark.parametrize(
    ("table", "start"),
    [
        (INVITE_CLIENT, State.CALLING),
        (NON_INVITE_CLIENT, State.TRYING),
        (INVITE_SERVER, State.PROCEEDING),
        (NON_INVITE_SERVER, State.TRYING),
    ],
)
@given(data=st.data())
def test_a_walk_only_goes_forward_and_always_can_end(
    table: Table, start: State, data: st.DataObject
) -> None:
    """No walk returns to an earlier state, and past the final response a timer will end it."""
    passed = data.draw(walks(table, start))
    armed = False
    for state, cause in passed:
        next_state, actions = table[state, cause]
        assert ORDER[next_state] >= ORDER[state]
        armed = (armed and Action.STOP not in actions) or bool(ENDING & set(actions))
        if ORDER[next_state] in (2, 3):
            assert armed


@pytest.mark.parametrize(
    ("status", "cause"),
    [
        (100, Input.R1XX),
        (199, Input.R1XX),
        (200, Input.R2XX),
        (299, Input.R2XX),
        (300, Input.R3XX_6XX),
        (699, Input.R3XX_6XX),
    ],
)
def test_a_status_stands_for_its_class(status: int, cause: Input) -> None:
    """The edges of each class."""
    assert response_input(status) is cause
