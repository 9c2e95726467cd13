"""Whatever comes, the switch lives: campaigns of spoilt messages in the middle of true calls.

A failure names the message and the seed that brought it; the same seed brings it again.
"""

from __future__ import annotations

import ctypes
import gc
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from twisted.logger import LogEvent, formatEvent, globalLogPublisher

from tests.simulation.campaign import Campaign

SEED = int(os.environ.get("SOFTSWITCH_FUZZ_SEED", "4475"))
ROUNDS = 10

GROWTH_MAX = 1.05
"""Of the resident memory, from the first tenth of a campaign on."""

SLOWEST_S = 0.5
"""CPU time of one message, of the worst in a million, on a busy machine and with the collector in
between; the usual one takes 0.1 ms."""

PAGE_BYTES = os.sysconf("SC_PAGE_SIZE")


def resident_bytes(campaign: Campaign) -> int:
    """Memory that this process has now, caches aside, and aside what the C library keeps of what
    it was given back."""
    campaign.forget()
    gc.collect()
    ctypes.CDLL("libc.so.6").malloc_trim(0)
    return int(Path("/proc/self/statm").read_text().split()[1]) * PAGE_BYTES


@contextmanager
def failures(campaign: Campaign) -> Iterator[list[str]]:
    """What the service logs as a bug of its own, with what it was given then."""
    found: list[str] = []

    def look(event: LogEvent) -> None:
        if "log_failure" in event:
            text = formatEvent(event), event["log_failure"].getTraceback()
            found.append(f"{text[0]}\n{text[1]}\n{campaign.switch.garbler.current!r}")

    globalLogPublisher.addObserver(look)
    try:
        yield found
    finally:
        globalLogPublisher.removeObserver(look)


@pytest.mark.timeout(7200)
@pytest.mark.parametrize(
    "messages", [50_000, pytest.param(1_000_000, marks=pytest.mark.long)], ids=["some", "million"]
)
def test_no_message_harms_the_switch(messages: int, tmp_path: Path) -> None:
    """No exception, no table that keeps an entry, no memory lost, no message that takes long."""
    campaign = Campaign(SEED, tmp_path / "records.db")
    memory: list[int] = []
    with failures(campaign) as found:
        for _ in range(ROUNDS):
            done = campaign.run(messages // ROUNDS)
            assert not found, found[0]
            assert done.leaks == dict.fromkeys(done.leaks, 0)
            assert done.slowest_s < SLOWEST_S
            memory.append(resident_bytes(campaign))
    assert max(memory) <= GROWTH_MAX * memory[0]
    assert_it_went_deep(campaign, messages)


def assert_it_went_deep(campaign: Campaign, messages: int) -> None:
    """Enough was good enough to be looked at: else nothing is proven."""
    counters = campaign.switch.stack.counters
    assert counters.requests_received > 0.2 * messages
    assert counters.malformed > 0.2 * messages
    assert counters.responses_received - counters.responses_unmatched > 0.2 * messages
    ((calls, answered),) = campaign.switch.store.rows(
        "SELECT count(*), sum(cause = 'answered') FROM cdr"
    )
    assert calls > messages / 50
    assert answered > messages / 500


def test_equal_seeds_give_equal_campaigns(tmp_path: Path) -> None:
    """What was found once can be found again."""
    sums = []
    for name in ("one", "other"):
        campaign = Campaign(SEED, tmp_path / name)
        campaign.run(500)
        sums.append((campaign.wire.sent, campaign.switch.stack.counters, campaign.wire.now_s))
    assert sums[0] == sums[1]


def test_a_bug_is_seen(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The campaign can fail: a user of the stack that trips over one answer is found out."""
    campaign = Campaign(SEED, tmp_path / "records.db")

    def trip(*_arguments: object) -> None:
        raise KeyError("a bug")

    monkeypatch.setattr(campaign.switch.calls._sip_side, "cancelled", trip)
    with failures(campaign) as found:
        campaign.run(2_000)
    assert found
    assert "a bug" in found[0]
