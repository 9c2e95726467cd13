"""How long answers hold: bounds of TTL, refreshing ahead, stale answers, bounded memory."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sip.dns_cache import (
    KEPT_MAX,
    NEGATIVE_MAX_S,
    REFRESH_PART,
    RETRY_S,
    STALE_MAX_S,
    TTL_MAX_S,
    TTL_MIN_S,
    DnsCache,
)
from sip.dns_records import Answer, Failed, Question

NAME = Question("A", "gw.example.net")
GOOD: Answer = ("192.0.2.1",)
DOWN = Failed("no name server answers")


def test_nothing_is_known_and_everything_is_due() -> None:
    """An empty cache."""
    cache = DnsCache()
    assert cache.get(NAME, 0.0) is None
    assert cache.is_due(NAME, 0.0)


@pytest.mark.parametrize(
    ("answer", "ttl_s", "held_s"),
    [
        (GOOD, 600.0, 600.0),
        (GOOD, 0.0, TTL_MIN_S),
        (GOOD, 2.0**31, TTL_MAX_S),
        ((), 60.0, 60.0),
        ((), 86_400.0, NEGATIVE_MAX_S),
        ((), 0.0, TTL_MIN_S),
    ],
)
def test_an_answer_is_asked_for_again_before_it_ends(
    answer: Answer, ttl_s: float, held_s: float
) -> None:
    """At a part of its TTL, which has bounds; until then nobody asks."""
    cache = DnsCache()
    cache.put(NAME, answer, ttl_s, 100.0)
    due_s = 100.0 + held_s * REFRESH_PART
    assert not cache.is_due(NAME, due_s - 0.01)
    assert cache.is_due(NAME, due_s + 0.01)
    assert cache.get(NAME, due_s) == answer


def test_a_stale_answer_is_used_while_nobody_answers() -> None:
    """RFC 8767: for a day, and asked for every few seconds."""
    cache = DnsCache()
    cache.put(NAME, GOOD, 60.0, 0.0)
    for now_s in (61.0, 3600.0, STALE_MAX_S):
        assert cache.is_due(NAME, now_s)
        cache.put(NAME, DOWN, 0.0, now_s)
        assert cache.get(NAME, now_s) == GOOD
        assert cache.trouble(NAME) == "no name server answers"
        assert not cache.is_due(NAME, now_s + RETRY_S - 0.01)
        assert cache.is_due(NAME, now_s + RETRY_S)
    end_s = STALE_MAX_S + 61.0
    assert cache.trouble(Question("A", "other.example")) == ""
    assert cache.get(NAME, end_s) is None
    cache.put(NAME, DOWN, 0.0, end_s)
    assert cache.get(NAME, end_s) == DOWN


def test_a_name_that_was_removed_is_gone() -> None:
    """ "There is none" is an answer, and replaces the old one."""
    cache = DnsCache()
    cache.put(NAME, GOOD, 60.0, 0.0)
    cache.put(NAME, DOWN, 0.0, 49.0)
    cache.put(NAME, (), 60.0, 50.0)
    assert cache.trouble(NAME) == ""
    assert cache.get(NAME, 51.0) == ()


def test_a_failure_is_replaced_by_the_first_answer() -> None:
    """And is tried again soon."""
    cache = DnsCache()
    cache.put(NAME, DOWN, 0.0, 0.0)
    assert cache.get(NAME, 5.0) == DOWN
    assert not cache.is_due(NAME, RETRY_S - 0.01)
    assert cache.is_due(NAME, RETRY_S)
    cache.put(NAME, GOOD, 60.0, RETRY_S)
    assert cache.get(NAME, 11.0) == GOOD


def test_a_huge_answer_is_cut() -> None:
    """A message of 64 KiB has thousands of records."""
    cache = DnsCache()
    cache.put(NAME, ("192.0.2.1",) * 5000, 60.0, 0.0)
    assert len(cache.get(NAME, 1.0) or ()) == KEPT_MAX


def test_what_is_used_stays() -> None:
    """A flood of new names pushes out the old ones, not those of the trunks."""
    cache = DnsCache(entries_max=10)
    cache.put(NAME, GOOD, 60.0, 0.0)
    for number in range(100):
        cache.put(Question("A", f"flood{number}.example"), GOOD, 60.0, 1.0)
        assert cache.get(NAME, 1.0) == GOOD
    assert len(cache) == 10


@given(
    st.lists(
        st.tuples(
            st.sampled_from(["a", "b", "c", "d"]),
            st.sampled_from([GOOD, (), DOWN]),
            st.floats(0, 1e10),
            st.floats(0, 1e5),
        )
    )
)
def test_no_order_of_answers_breaks_the_bounds(
    steps: list[tuple[str, Answer, float, float]],
) -> None:
    """It never grows past its size, and what was just put is never due at once."""
    cache = DnsCache(entries_max=3)
    now_s = 0.0
    for name, answer, ttl_s, after_s in steps:
        now_s += after_s
        question = Question("A", name)
        cache.put(question, answer, ttl_s, now_s)
        assert len(cache) <= 3
        assert not cache.is_due(question, now_s)
        assert cache.get(question, now_s) is not None
