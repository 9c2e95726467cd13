"""The Warning header field (RFC 3261 20.43): why a session description does not fit."""

from __future__ import annotations

import re
from typing import NamedTuple

from sip.abnf import QUOTED, WS, quote, unquote
from sip.errors import RemoteError
from sip.message import Message

MEDIA_TYPE = 304  # one or more media types are not available
MEDIA_FORMAT = 305  # one or more media formats are not compatible
OTHER = 399

TEXT_CHARS_MAX = 120

_VALUE = re.compile(rf"(3[0-9]{{2}}){WS}[^\s\",]+{WS}({QUOTED})")


class Warning(NamedTuple):
    """A code from 300 to 399 and what it is about."""

    code: int
    text: str

    def value(self, host: str) -> str:
        """As it goes on the wire, said by this host."""
        shown = f"[{host}]" if ":" in host else host
        printable = "".join(c if c.isprintable() else " " for c in self.text)
        return f"{self.code} {shown} {quote(printable[:TEXT_CHARS_MAX])}"


def read_warning(message: Message) -> Warning | None:
    """The first warning about the session; ``None`` when there is none that can be read."""
    if "warning" not in message.headers:
        return None
    try:
        values = message.values("warning")
    except RemoteError:
        return None
    for value in values:
        match = _VALUE.fullmatch(value)
        if match is not None:
            return Warning(int(match[1]), unquote(match[2]))
    return None
