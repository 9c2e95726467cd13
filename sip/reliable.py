"""Reliable provisional responses (RFC 3262): their numbers, their order, and when what is due.

Pure state of both ends: ``Sent`` of the UAS, for one INVITE; ``Seen`` of the UAC, for each of the
early dialogs that its INVITE may fork into.
"""

from __future__ import annotations

import re
from collections import deque
from typing import Generic, NamedTuple, TypeVar
from zlib import crc32

from sip.abnf import TOKEN, parse_number
from sip.errors import RemoteError
from sip.message import Request, Response
from sip.timers import Timers
from sip.values import CSEQ_MAX

OPTION = "100rel"

RSEQ_MAX = 2**32 - 1
RSEQ_FIRST_MAX = 2**31 - 1
"""The first number is drawn below it (3), so that no INVITE comes near the end."""

WAITING_MAX = 8
"""Responses that wait for a PRACK of the one before; of more, only the latest matter."""

_RACK = re.compile(rf"([0-9]+)[ \t]+([0-9]+)[ \t]+({TOKEN})")

P = TypeVar("P")


class RAck(NamedTuple):
    """What a PRACK acknowledges: the response's number, and number and method of its request."""

    rseq: int
    cseq: int
    method: str

    def __str__(self) -> str:
        """The value as it goes on the wire."""
        return f"{self.rseq} {self.cseq} {self.method}"


def parse_rack(text: str) -> RAck:
    """Read a RAck value (RFC 3262 7.2). Raises RemoteError."""
    match = _RACK.fullmatch(text.strip(" \t"))
    if match is None:
        raise RemoteError(f"RAck: malformed {text[:40]!r}")
    rseq = parse_number(match[1], "RAck", RSEQ_MAX)
    return RAck(rseq, parse_number(match[2], "RAck", CSEQ_MAX), match[3])


def rseq_of(response: Response) -> int | None:
    """The number of a response that wants a PRACK; ``None`` for one that does not (RFC 3262 4), or
    whose number cannot be read: it would be repeated, and can never be acknowledged."""
    headers = response.headers
    if "require" not in headers or "rseq" not in headers:
        return None
    try:
        if OPTION not in response.tokens("require"):
            return None
        return parse_number(headers["rseq"][0].strip(" \t"), "RSeq", RSEQ_MAX)
    except RemoteError:
        return None


def is_required(request: Request) -> bool:
    """Whether the caller takes no other than reliable responses. Raises RemoteError."""
    return "require" in request.headers and OPTION in request.tokens("require")


def first_rseq(seed: str) -> int:
    """A number from 1 to 2**31-1 (RFC 3262 3) that looks drawn; ``seed`` is a random string."""
    return 1 + crc32(seed.encode()) % RSEQ_FIRST_MAX


class Seen:
    """The order of the reliable responses of one early dialog, as UAC (RFC 3262 4)."""

    __slots__ = ("_last",)

    def __init__(self) -> None:
        self._last: int | None = None

    def takes(self, rseq: int) -> bool:
        """Whether this response is the next one, to be acknowledged and used.

        One that was seen needs no second PRACK: the first one is a transaction of its own and is
        repeated until it is answered. One that is ahead of its turn comes again.
        """
        if self._last is not None and rseq != self._last + 1:
            return False
        self._last = rseq
        return True


class Sent(Generic[P]):
    """The reliable responses to one INVITE, as UAS (RFC 3262 3): one at a time is out until its
    PRACK, repeated from T1 on with doubled intervals. ``P`` is what the owner makes of a response;
    ``out`` is the one that is out, ``rseq`` its number."""

    __slots__ = ("_cseq", "_gives_up_s", "_interval_s", "_timers", "_waiting", "due_s", "out",
                 "rseq")  # fmt: skip

    def __init__(self, cseq: int, first: int, timers: Timers) -> None:
        self.rseq = first - 1
        self.out: P | None = None
        self.due_s = 0.0
        self._cseq = cseq
        self._timers = timers
        self._interval_s = 0.0
        self._gives_up_s = 0.0
        self._waiting: deque[P] = deque(maxlen=WAITING_MAX)

    def send(self, response: P, now_s: float) -> bool:
        """Whether it goes out now, under ``rseq``; otherwise it waits for its turn."""
        if self.out is not None:
            self._waiting.append(response)
            return False
        self.out = response
        self.rseq += 1
        self._interval_s = self._timers.t1_s
        self.due_s = now_s + self._interval_s
        self._gives_up_s = now_s + self._timers.timeout_s
        return True

    def acknowledged(self, rack: RAck) -> bool:
        """Whether this PRACK is for the response that is out, which it ends."""
        if self.out is None or rack != (self.rseq, self._cseq, "INVITE"):
            return False
        self.out = None
        return True

    def next(self) -> P | None:
        """What waits the longest, for ``send``."""
        return self._waiting.popleft() if self._waiting else None

    def repeat(self, now_s: float) -> bool:
        """The time ``due_s`` has come: whether to send the same again; else nobody acknowledges,
        and the INVITE is refused."""
        if now_s >= self._gives_up_s:
            return False
        self._interval_s *= 2
        self.due_s = min(now_s + self._interval_s, self._gives_up_s)
        return True

    def drop_waiting(self) -> None:
        """The INVITE gets its final response: what has not gone out is not sent any more."""
        self._waiting.clear()
