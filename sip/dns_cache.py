"""Answers of DNS and how long they hold: TTL within bounds, refreshed ahead, served when stale.

An answer goes through three times: until ``due`` nobody asks; from then on it is used and asked for
again, so that a call never waits; past its TTL it is still used while nobody answers (RFC 8767), at
most ``STALE_MAX_S``.
"""

from __future__ import annotations

from collections import OrderedDict
from dataclasses import dataclass

from sip.dns_records import Answer, Failed, Question

ENTRIES_MAX = 4096  # a carrier takes some ten; more push out what was not used for longest
TTL_MIN_S = 10.0  # a TTL of 0 must not mean a query for each call
TTL_MAX_S = 3600.0  # a change is seen within the hour, whatever was published before
NEGATIVE_MAX_S = 300.0  # "there is none": a name just published is found soon (RFC 2308 5)
STALE_MAX_S = 86_400.0  # RFC 8767 5: one to three days
RETRY_S = 10.0  # after a failure (RFC 9520 3.2: at least 1 s)
KEPT_MAX = 128  # records of one answer; a message of 64 KiB could bring thousands
REFRESH_PART = 0.8  # of the TTL; what is left is time for some tries


@dataclass(slots=True)
class _Entry:
    answer: Answer
    due_s: float
    ends_s: float  # when it is not used any more, fresh or stale
    trouble: str = ""  # why the last try brought no newer one


class DnsCache:
    """Answers by question, in bounded memory."""

    def __init__(self, entries_max: int = ENTRIES_MAX) -> None:
        self._entries_max = entries_max
        self._entries: OrderedDict[Question, _Entry] = OrderedDict()

    def __len__(self) -> int:
        return len(self._entries)

    def get(self, question: Question, now_s: float) -> Answer | None:
        """What is known: a fresh answer, a stale one, or that it failed; ``None`` is nothing."""
        entry = self._entries.get(question)
        if entry is None or now_s >= entry.ends_s:
            return None
        self._entries.move_to_end(question)
        return entry.answer

    def is_due(self, question: Question, now_s: float) -> bool:
        """Whether it is time to ask."""
        entry = self._entries.get(question)
        return entry is None or now_s >= entry.due_s

    def trouble(self, question: Question) -> str:
        """Why an answer that is used could not be renewed, "" when it was or none is used."""
        entry = self._entries.get(question)
        return entry.trouble if entry else ""

    def put(self, question: Question, answer: Answer, ttl_s: float, now_s: float) -> None:
        """Take an answer. A failure leaves an older answer in its place until that has been
        stale for too long."""
        if isinstance(answer, Failed):
            self._put_failure(question, answer, now_s)
            return
        most_s = TTL_MAX_S if answer else NEGATIVE_MAX_S
        ttl_s = min(max(ttl_s, TTL_MIN_S), most_s)
        due_s, ends_s = now_s + ttl_s * REFRESH_PART, now_s + ttl_s + STALE_MAX_S
        self._store(question, _Entry(answer[:KEPT_MAX], due_s, ends_s))

    def _put_failure(self, question: Question, failure: Failed, now_s: float) -> None:
        entry = self._entries.get(question)
        if entry is not None and not isinstance(entry.answer, Failed) and now_s < entry.ends_s:
            entry.due_s, entry.trouble = now_s + RETRY_S, failure.reason
        else:
            due_s = now_s + RETRY_S
            self._store(question, _Entry(failure, due_s, due_s + STALE_MAX_S))

    def _store(self, question: Question, entry: _Entry) -> None:
        self._entries[question] = entry
        self._entries.move_to_end(question)
        if len(self._entries) > self._entries_max:
            self._entries.popitem(last=False)
