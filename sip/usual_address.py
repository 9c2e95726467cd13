"""From, To and Contact values as nearly everybody writes them, taken apart by one expression.

A value is new in every call for its tag, so keeping what ``parse_name_addr`` made of it would not
help; what a dialog wants of it is text that stands there.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

from sip.abnf import TOKEN
from sip.values import NameAddr, parse_name_addr

# Whole value, URI, tag. A name is in quotes and has neither escapes nor control characters, and
# one space follows it: so ``str(NameAddr)`` would print what was read.
_USUAL = re.compile(
    r'((?:"[^"\\\x00-\x1f\x7f-\x9f]+" )?<([^<>\x00-\x20:]+:[^<>\x00-\x20]*)>)'
    rf"(?:;tag=({TOKEN}))?"
)


def read_address(text: str, what: str) -> tuple[str, str, str | None]:
    """The address as we print it, without parameters, its URI as read, and its tag.

    ``what`` names the header in errors. Raises RemoteError.
    """
    usual = _USUAL.fullmatch(text)
    if usual is not None:
        return usual[1], usual[2], usual[3]
    return read_whole(text, what)


def read_whole(text: str, what: str) -> tuple[str, str, str | None]:
    """``read_address`` by the whole grammar."""
    read = parse_name_addr(text, what)
    return str(NameAddr(read.display, read.uri_text)), read.uri_text, read.tag


def usual_uri(values: Sequence[str]) -> str | None:
    """The URI of a field that has one value of the usual form without parameters, else None."""
    if len(values) != 1:
        return None
    usual = _USUAL.fullmatch(values[0])
    return usual[2] if usual is not None and usual[3] is None else None
