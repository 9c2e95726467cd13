"""The Reason header field (RFC 3326, RFC 6432): why a call ended, from one leg to the other."""

from __future__ import annotations

import re

from sip.abnf import QUOTED, TOKEN, WS, quote, unquote
from sip.errors import RemoteError
from sip.message import Message

TEXT_CHARS_MAX = 120  # a sentence; traces hold the whole text

_PARAM = rf"{WS};{WS}{TOKEN}{WS}(?:={WS}(?:{TOKEN}|{QUOTED}))?"
_VALUE = re.compile(rf"({TOKEN})((?:{_PARAM}){{0,8}}){WS}")
_CAUSE = re.compile(rf";{WS}cause{WS}={WS}([0-9]{{1,3}})(?![0-9])", re.IGNORECASE)
_TEXT = re.compile(rf";{WS}text{WS}={WS}({QUOTED}|{TOKEN})", re.IGNORECASE)


def reason_value(cause: int, text: str) -> str:
    """A value of ours. Causes below 100 are Q.850's, others SIP statuses."""
    protocol = "SIP" if cause >= 100 else "Q.850"
    return _written(protocol, cause, text)


def read_reason(message: Message) -> str:
    """The reason that a message gives, written as ``reason_value`` does: the network's cause
    (Q.850) where there is one, else the first; "" when there is none that can be read."""
    if "reason" not in message.headers:
        return ""
    try:
        values = [found for value in message.values("reason") if (found := _rewritten(value))]
    except RemoteError:
        return ""
    return next((value for value in values if value.startswith("Q.850")), "".join(values[:1]))


def is_reason_value(text: str) -> bool:
    """Whether this text is what ``read_reason`` gave, and no words of ours."""
    return text.startswith(("Q.850 ;cause=", "SIP ;cause="))


def _rewritten(value: str) -> str:
    match = _VALUE.fullmatch(value)
    protocol = "" if match is None else match[1].upper()
    cause = None if match is None else _CAUSE.search(match[2])
    if protocol not in ("Q.850", "SIP") or cause is None or match is None:
        return ""
    text = _TEXT.search(match[2])
    return _written(protocol, int(cause[1]), unquote(text[1]) if text else "")


def _written(protocol: str, cause: int, text: str) -> str:
    printable = "".join(c if c.isprintable() and c not in '"\\' else " " for c in text)
    words = f" ;text={quote(printable[:TEXT_CHARS_MAX])}" if text else ""
    return f"{protocol} ;cause={cause}{words}"
