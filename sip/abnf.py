"""The grammar of RFC 3261 section 25.1 as named fragments, and the two conversions that it needs.

Only what several modules share lives here. A fragment is a regular expression without groups.
"""

import re

from sip.errors import RemoteError

# alphanum and the marks that a token may carry (RFC 3261 25.1 "token").
TOKEN = r"[A-Za-z0-9\-.!%*_+`'~]+"

# Linear white space after unfolding: what is left of LWS once line breaks are gone.
WS = r"[ \t]*"

# quoted-string: a backslash escapes any character but CR and LF.
QUOTED = r'"[^"\\\r\n]*(?:\\[^\r\n][^"\\\r\n]*)*"'

# "host" is lenient: an underscore is common in the names that customers' devices are given.
HOST = r"(?:\[[0-9A-Fa-f:.]{2,45}\]|[A-Za-z0-9_](?:[A-Za-z0-9_.\-]{0,253}[A-Za-z0-9_.])?)"

# A numeral of RFC 3261 fits 32 bits, so more digits than ten are an attack or a bug, not a number.
NUMBER_DIGITS_MAX = 10

PORT_MAX = 65535

_TOKEN = re.compile(TOKEN)
_UNQUOTE = re.compile(r"\\(.)", re.DOTALL)
_CONTROLS = re.compile(r"[\x00-\x1f\x7f-\x9f]")


def is_token(text: str) -> bool:
    """Whether the whole text is one token of RFC 3261 25.1."""
    return _TOKEN.fullmatch(text) is not None


def parse_number(text: str, what: str, most: int = 2**32 - 1, status: int = 400) -> int:
    """The decimal numeral ``text``, 0 to ``most``.

    ``int()`` alone would take signs, underscores, other scripts' digits and megabytes of them.
    Raises ``RemoteError(status)`` that begins with ``what``.
    """
    digits = text.lstrip("0") if len(text) > NUMBER_DIGITS_MAX else text
    if not text or len(digits) > NUMBER_DIGITS_MAX or not (text.isascii() and text.isdigit()):
        raise RemoteError(f"{what}: {text[:20]!r} is not a number", status)
    number = int(text)
    if number > most:
        raise RemoteError(f"{what}: {number} is more than {most}", status)
    return number


def quote(text: str) -> str:
    """``text`` as a quoted-string (RFC 3261 25.1); line breaks become spaces."""
    inner = text.replace("\r", " ").replace("\n", " ").replace("\\", "\\\\").replace('"', '\\"')
    return f'"{inner}"'


def unquote(text: str) -> str:
    """What a quoted-string means; text that is not quoted is given back as it is."""
    if len(text) < 2 or text[0] != '"' or text[-1] != '"':
        return text
    return _UNQUOTE.sub(r"\1", text[1:-1]) if "\\" in text else text[1:-1]


def without_controls(text: str) -> str:
    """``text`` without control characters: what people and databases can be shown.

    RFC 3261 lets a quoted-pair carry even NUL (the "intmeth" message of RFC 4475 does).
    """
    return text if text.isprintable() else _CONTROLS.sub("", text)
