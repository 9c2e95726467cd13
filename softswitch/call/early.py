"""What a call keeps of reliable provisional responses (RFC 3262), before it is answered."""

from __future__ import annotations

from dataclasses import dataclass, field

from sip.dialog import Dialog
from sip.reliable import Seen, Sent
from softswitch.call import events as ev


@dataclass(slots=True)
class EarlyDialog:
    """A dialog that a reliable provisional to an INVITE of ours made. ``answer`` is the description
    that came with one: the 2xx need not repeat it (RFC 3261 13.2.1)."""

    dialog: Dialog
    seen: Seen = field(default_factory=Seen)
    answer: bytes = b""


Early = dict[str, EarlyDialog]
"""By the To tag: a proxy behind a contact may fork."""


@dataclass(slots=True)
class EarlyAnswers:
    """The provisional answers to a caller that takes reliable ones only. ``held`` is a 2xx that
    waits for a PRACK; ``described`` the first description that a provisional showed, ``final`` that
    of the 2xx."""

    sent: Sent[ev.AnswerCaller]
    held: ev.AnswerCaller | None = None
    described: bytes = b""
    final: bytes = b""
