"""What DNS is asked and what it answers, as values. The wire format is the resolver's affair."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Literal, NamedTuple

NAME_CHARS_MAX = 253  # RFC 1035 2.3.4, written without the last dot
RECORDS_MAX = 32  # used of one answer, the best first: ten times what a large carrier publishes

Kind = Literal["NAPTR", "SRV", "A", "AAAA"]

# An underscore begins the labels of SRV names, and customers' names have it elsewhere too.
_NAME = re.compile(
    r"[a-z0-9_](?:[a-z0-9_-]{0,61}[a-z0-9_])?(?:\.[a-z0-9_](?:[a-z0-9_-]{0,61}[a-z0-9_])?)*"
)


class Question(NamedTuple):
    """One look-up. ``name`` is in the form of ``dns_name``."""

    kind: Kind
    name: str

    def __str__(self) -> str:
        return f"{self.kind} {self.name}"


class Naptr(NamedTuple):
    """A rule of RFC 3403 as RFC 3263 4.1 uses it: which SRV name stands for a transport."""

    order: int
    preference: int
    flags: str
    service: str
    regexp: str
    replacement: str


class Srv(NamedTuple):
    """A server of a service (RFC 2782). ``target`` "." says that there is none."""

    priority: int
    weight: int
    port: int
    target: str


class Failed(NamedTuple):
    """Nobody could say: no server answered, or they said that they cannot. Not "there is none",
    which is an empty answer."""

    reason: str


Record = Naptr | Srv | str  # an address is its text
Answer = tuple[Record, ...] | Failed
Known = Callable[[Question], Answer | None]
"""What was answered to a question, ``None`` while nothing is known."""


def dns_name(text: str) -> str | None:
    """A name in lower case without the last dot; ``None`` for what cannot be looked up."""
    name = text.lower().removesuffix(".")
    if len(name) > NAME_CHARS_MAX or _NAME.fullmatch(name) is None:
        return None
    return name
