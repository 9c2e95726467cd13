"""How the carriers do: health by address, the calls of a second."""

from __future__ import annotations

from dataclasses import replace

from hypothesis import given
from hypothesis import strategies as st

from sip.flow import Address
from softswitch.call.trunk_conditions import (
    HEALTH,
    SILENCES_TO_DOWN,
    Condition,
    Health,
    Sign,
    TrunkConditions,
)
from softswitch.routing.model import Trunk

NOON_US = 1_769_860_800_000_000  # 2026-01-31 12:00 UTC
FIRST, SECOND = Address("192.0.2.9", 5060), Address("192.0.2.10", 5060)
CARRIER = Trunk("carrier", (), "sip:192.0.2.9", "e164", 0, probe_s=30)


def conditions(**changes: object) -> TrunkConditions:
    """Those of one trunk."""
    found = TrunkConditions()
    found.keep({"carrier": replace(CARRIER, **changes)})  # type: ignore[arg-type]
    return found


def silent(found: TrunkConditions, address: Address, times: int = SILENCES_TO_DOWN) -> None:
    """The address says nothing, so many times in a row."""
    for _ in range(times):
        found.silent("carrier", address, "no answer to OPTIONS", NOON_US)


def test_every_pair_has_a_next_state() -> None:
    """Three states, three signs; any answer is life."""
    assert len(HEALTH) == len(Health) * len(Sign)
    assert all(HEALTH[state, Sign.ANSWERED] is Health.UP for state in Health)


@given(st.lists(st.booleans(), max_size=20))
def test_down_is_so_many_silences_in_a_row(signs: list[bool]) -> None:
    """And told once each way."""
    condition, told, silences, down = Condition(), [], 0, False
    for answers in signs:
        sign = Sign.ANSWERED if answers else Sign.SILENT
        if condition.saw(sign, "silent", NOON_US):
            told.append(condition.health)
        silences = 0 if answers else silences + 1
        down = not answers and (down or silences >= SILENCES_TO_DOWN)
        assert (condition.health is Health.DOWN) == down
    expected = [Health.DOWN, Health.UP] * len(told)
    assert told == expected[: len(told)]


def test_a_dead_trunk_says_since_when() -> None:
    """Until it answers; the error stays for the operator."""
    found = conditions()
    silent(found, FIRST)
    assert found.down("carrier") == "down since 2026-01-31T12:00:00.000Z"
    found.answered("carrier", FIRST, NOON_US + 1_000_000)
    assert found.down("carrier") is None
    best = found.best("carrier")
    assert best == Condition(Health.UP, NOON_US + 1_000_000, 0, "no answer to OPTIONS")


def test_one_silence_is_only_suspicious() -> None:
    """It still gets calls."""
    found = conditions()
    silent(found, FIRST, 1)
    best = found.best("carrier")
    assert best is not None
    assert best.health is Health.SUSPECT
    assert found.down("carrier") is None


def test_a_trunk_of_two_hosts_is_down_when_both_are() -> None:
    """And forgets a host that its name does not lead to any more."""
    found = conditions()
    silent(found, FIRST)
    found.answered("carrier", SECOND, NOON_US)
    assert found.down("carrier") is None
    silent(found, SECOND)
    assert found.down("carrier") is not None
    found.answered("carrier", SECOND, NOON_US)
    found.keep_addresses("carrier", [FIRST])
    assert found.down("carrier") is not None


def test_a_trunk_that_is_not_probed_is_not_judged() -> None:
    """Nothing would bring it back."""
    found = conditions(probe_s=0)
    silent(found, FIRST)
    assert found.down("carrier") is None


def test_what_changed_is_told_once() -> None:
    """For the log."""
    found, told = conditions(), []
    found.on_change = lambda trunk, address, condition: told.append((trunk, condition.health))
    silent(found, FIRST, 5)
    for _ in range(3):
        found.answered("carrier", FIRST, NOON_US)
    assert told == [("carrier", Health.DOWN), ("carrier", Health.UP)]


def test_calls_of_a_second_are_counted_in_any_second() -> None:
    """A sliding one: two at the end of a second and one at the next one's beginning are three."""
    found = conditions(calls_per_second_max=2)
    for at_us in (NOON_US + 800_000, NOON_US + 900_000):
        assert found.busy("carrier", at_us) is None
        found.began("carrier", at_us)
    assert found.busy("carrier", NOON_US + 1_100_000) == "2 calls began within this second"
    assert found.busy("carrier", NOON_US + 1_800_000) is None
    found.keep({"carrier": replace(CARRIER, calls_per_second_max=2)})  # a reload forgets nothing
    assert found.busy("carrier", NOON_US + 1_100_000) is not None


def test_no_limit_is_no_memory() -> None:
    """0 counts nothing."""
    found = conditions()
    found.began("carrier", NOON_US)
    assert found.busy("carrier", NOON_US) is None
