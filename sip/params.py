"""Parameters after a semicolon (RFC 3261 25.1 "generic-param"), in their order, by lower-case name.

Values keep the text of the wire, quotes included, so that what is printed is what was read.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping

from sip.abnf import QUOTED, TOKEN, WS, unquote
from sip.errors import RemoteError

# RFC 4475's "longreq" has some twenty; more is not a message but a load.
PARAMS_MAX = 64

_PARAM = re.compile(rf";{WS}({TOKEN}){WS}(?:={WS}({QUOTED}|[^\x00-\x20\",;<>\x7f]+){WS})?")


class Params(Mapping[str, "str | None"]):
    """An immutable, ordered, hashable mapping of parameter name to value, None for a bare flag."""

    __slots__ = ("_items",)
    _items: dict[str, str | None]

    def __init__(self, items: Mapping[str, str | None] | Iterable[tuple[str, str | None]] = ()):
        """``items``: names in lower case, as mapping or as pairs."""
        self._items = dict(items)

    def __getitem__(self, name: str) -> str | None:
        return self._items[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._items)

    def __len__(self) -> int:
        return len(self._items)

    def __hash__(self) -> int:
        return hash(frozenset(self._items.items()))

    def __repr__(self) -> str:
        return f"Params({str(self)!r})"

    def __str__(self) -> str:
        """``;name=value;flag``, or nothing at all when there are none."""
        return "".join(
            f";{name}" if value is None else f";{name}={value}"
            for name, value in self._items.items()
        )

    def text(self, name: str) -> str | None:
        """The value without the quotes and escapes of a quoted-string; None for a bare flag."""
        value = self._items.get(name)
        return None if value is None else unquote(value)

    def with_param(self, name: str, value: str | None = None) -> Params:
        """A copy in which ``name`` has this value, in its old place or at the end."""
        return Params({**self._items, name: value})

    def without(self, *names: str) -> Params:
        """A copy that lacks these names."""
        return Params(item for item in self._items.items() if item[0] not in names)


NO_PARAMS = Params()


def parse_params(text: str, what: str) -> Params:
    """Read ``;name=value;flag`` (with or without white space around each sign).

    ``what`` names the header in errors. Raises RemoteError on empty, doubled or malformed ones: a
    parameter that two elements read differently, such as a second tag, must not get through.
    """
    if not text:
        return NO_PARAMS
    items: dict[str, str | None] = {}
    at = 0
    while at < len(text):
        match = _PARAM.match(text, at)
        if match is None:
            raise RemoteError(f"{what}: malformed parameter {text[at : at + 20]!r}")
        name = match[1].lower()
        if name in items:
            raise RemoteError(f"{what}: parameter {name[:20]!r} stands twice")
        items[name] = match[2]
        at = match.end()
    if len(items) > PARAMS_MAX:
        raise RemoteError(f"{what}: {len(items)} parameters, at most {PARAMS_MAX}")
    return Params(items)
