"""RFC 3262: numbers, order and repetition, from both ends."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sip import reliable
from sip.errors import RemoteError
from sip.message import Request, Response
from sip.reliable import RAck, Seen, Sent
from sip.timers import Timers


@given(st.integers(0, 2**32 - 1), st.integers(0, 2**31 - 1), st.sampled_from(["INVITE", "X"]))
def test_rack_is_read_as_it_was_written(rseq: int, cseq: int, method: str) -> None:
    """Round trip."""
    rack = RAck(rseq, cseq, method)
    assert reliable.parse_rack(str(rack)) == rack


@pytest.mark.parametrize("text", ["", "1", "1 2", "1 2 IN VITE", "a 1 INVITE", "4294967296 1 X"])
def test_refuses_a_malformed_rack(text: str) -> None:
    """400."""
    with pytest.raises(RemoteError):
        reliable.parse_rack(text)


@given(st.text(max_size=40), st.text(max_size=40))
def test_whatever_a_provisional_says_raises_nothing(require: str, rseq: str) -> None:
    """An RSeq that cannot be read is none."""
    fields = [("Require", require), ("RSeq", rseq)]
    number = reliable.rseq_of(Response.build(183, fields))
    assert number is None or 0 <= number < 2**32


@pytest.mark.parametrize(
    ("fields", "rseq"),
    [
        ([("Require", "100rel"), ("RSeq", "7")], 7),
        ([("Require", "x, 100rel"), ("RSeq", " 7 ")], 7),
        ([("RSeq", "7")], None),
        ([("Require", "100rel")], None),
        ([("Require", "timer"), ("RSeq", "7")], None),
        ([("Require", "100rel"), ("RSeq", "-7")], None),
    ],
)
def test_a_reliable_response_says_so_and_has_a_number(
    fields: list[tuple[str, str]], rseq: int | None
) -> None:
    """RFC 3262 4."""
    assert reliable.rseq_of(Response.build(180, fields)) == rseq


@pytest.mark.parametrize(
    ("tags", "required"), [("100rel", True), ("timer,100rel", True), ("timer", False)]
)
def test_who_requires_reliable_responses(tags: str, required: bool) -> None:
    """RFC 3262 3."""
    assert reliable.is_required(Request.build("INVITE", "sip:a@b", [("Require", tags)])) is required


def test_responses_are_taken_in_order_and_once() -> None:
    """RFC 3262 4: the first has any number; a repeated one, and one ahead of its turn, is not
    acknowledged."""
    seen = Seen()
    assert [seen.takes(number) for number in (40, 40, 42, 41, 41, 42, 39)] == [
        True, False, False, True, False, True, False,
    ]  # fmt: skip


@given(st.text())
def test_the_first_number_is_from_1_to_half_of_all(seed: str) -> None:
    """RFC 3262 3."""
    assert 1 <= reliable.first_rseq(seed) <= 2**31 - 1


def test_one_response_is_out_at_a_time() -> None:
    """RFC 3262 3: the next one goes out when the PRACK has come, under the next number."""
    sent: Sent[str] = Sent(1, 100, Timers())
    assert sent.send("180", 0.0)
    assert not sent.send("183", 0.1)
    assert not sent.acknowledged(RAck(101, 1, "INVITE"))
    assert not sent.acknowledged(RAck(100, 2, "INVITE"))
    assert sent.acknowledged(RAck(100, 1, "INVITE"))
    assert not sent.acknowledged(RAck(100, 1, "INVITE"))
    assert sent.next() == "183"
    assert sent.send("183", 0.2)
    assert sent.rseq == 101
    assert sent.next() is None


def test_it_is_repeated_with_doubled_intervals_for_32_s() -> None:
    """RFC 3262 3: from T1 on, without the limit of T2, at most 64*T1."""
    sent: Sent[str] = Sent(1, 1, Timers())
    assert sent.send("180", 0.0)
    times = []
    while sent.repeat(sent.due_s):
        times.append(sent.due_s)
    assert times == [1.5, 3.5, 7.5, 15.5, 31.5, 32.0]


def test_what_waits_is_dropped_with_the_final_response() -> None:
    """RFC 3262 3: a final response makes the others needless."""
    sent: Sent[str] = Sent(1, 1, Timers())
    sent.send("180", 0.0)
    sent.send("183", 0.0)
    sent.drop_waiting()
    assert sent.next() is None


@given(st.integers(0, 40))
def test_few_responses_wait(number: int) -> None:
    """A callee that rings in a hundred ways fills no memory: the latest count."""
    sent: Sent[int] = Sent(1, 1, Timers())
    for each in range(number):
        sent.send(each, 0.0)
    waiting = []
    while (following := sent.next()) is not None:
        waiting.append(following)
    assert waiting == list(range(1, number))[-reliable.WAITING_MAX :]
