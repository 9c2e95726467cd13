"""The lines that ``softswitch apply`` prints."""

from __future__ import annotations

from softswitch.state.difference import compare
from softswitch.state.model import Emergency, Route, State


def test_lists_and_the_route_of_every_number_are_told_in_words() -> None:
    """No brackets of a programming language, and no line that names nothing."""
    before = State(emergency=Emergency(trunks=("carrier",)))
    after = State(
        emergency=Emergency(trunks=("carrier", "second")),
        routes=(Route(prefix="", trunks=("carrier",)),),
    )
    assert compare(before, after).lines() == [
        "~ emergency: trunks carrier -> carrier, second",
        '+ route ""',
    ]
