"""Values of single header fields: parsed only when somebody asks, printed as they were read."""

from __future__ import annotations

import re
from functools import lru_cache
from typing import NamedTuple

from sip.abnf import (
    HOST,
    PORT_MAX,
    QUOTED,
    TOKEN,
    WS,
    is_token,
    parse_number,
    quote,
    unquote,
    without_controls,
)
from sip.errors import RemoteError
from sip.params import NO_PARAMS, PARAMS_MAX, Params, parse_params
from sip.uri import SipUri, parse_uri

# Values in one comma-separated field. Seventy hops is the usual Max-Forwards, so no true Via list
# is longer; a REGISTER of a hundred contacts is an attack.
VALUES_MAX = 100

CSEQ_MAX = 2**31 - 1  # RFC 3261 8.1.1.5

# Any version, so that a message of a foreign one can be answered with 505 (RFC 4475 "badvers").
_VIA = re.compile(
    rf"{WS}SIP{WS}/{WS}[0-9]\.[0-9]{WS}/{WS}({TOKEN})"
    rf"[ \t]+({HOST}){WS}(?::{WS}([0-9]{{1,5}}){WS})?(;.*)?",
    re.IGNORECASE | re.DOTALL,
)
_QUOTED_NAME = re.compile(rf"({QUOTED}){WS}<([^<>\x00-\x20]*)>{WS}(;.*)?", re.DOTALL)
# Phones write names with characters that RFC 3261 wants quoted; what cannot be misread is taken.
_PLAIN_NAME = re.compile(r'([^"<>,;\x00-\x08\x7f]*)<([^<>\x00-\x20]*)>[ \t]*(;.*)?', re.DOTALL)
_ADDR_SPEC = re.compile(r"([^<>\";?,\x00-\x20]+)[ \t]*(;.*)?", re.DOTALL)
_CSEQ = re.compile(rf"([0-9]+)[ \t]+({TOKEN})")
_AUTH_PARAM = re.compile(rf'{WS}({TOKEN}){WS}={WS}({QUOTED}|[^\s",]+){WS}(?:,|$)')
# As nearly every phone writes it: small letters, no escapes. The second finds the parameters of
# what the first has matched as a whole.
_USUAL_PARAM = r'([a-z]+)=("[^"\\\r\n]*"|[^\s",]+)'
_USUAL_AUTH = re.compile(rf"[Dd]igest (?: ?{_USUAL_PARAM}(?:,|$))+")
_USUAL_AUTH_PARAM = re.compile(_USUAL_PARAM)


class Via(NamedTuple):
    """One hop (RFC 3261 20.42). ``transport`` in upper case; ``host`` IPv6 without brackets."""

    transport: str
    host: str
    port: int | None = None
    params: Params = NO_PARAMS

    @property
    def branch(self) -> str | None:
        """The branch parameter, which names the transaction when it begins with z9hG4bK."""
        return self.params.get("branch")

    @property
    def sent_by(self) -> str:
        """Host and written port, lower case: half of the transaction key (RFC 3261 17.2.3)."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return host if self.port is None else f"{host}:{self.port}"

    def __str__(self) -> str:
        """The value as it goes on the wire."""
        return f"SIP/2.0/{self.transport} {self.sent_by}{self.params}"


def parse_via(text: str) -> Via:
    """Read one Via value (no commas between values). Raises RemoteError."""
    match = _VIA.fullmatch(text)
    if match is None:
        raise RemoteError(f"Via: malformed {text[:60]!r}")
    transport, host, port, params = match.groups()
    return Via(
        transport.upper(),
        host.strip("[]").lower(),
        None if port is None else parse_number(port, "Via port", PORT_MAX),
        parse_params(params or "", "Via"),
    )


class NameAddr(NamedTuple):
    """A From, To, Contact, Route... value. ``uri_text`` is as read; ``display`` has no quotes.

    The parameters are the header's, not the URI's.
    """

    display: str
    uri_text: str
    params: Params = NO_PARAMS

    @property
    def uri(self) -> SipUri:
        """The address, parsed at each call. Raises RemoteError (416 for foreign schemes)."""
        return parse_uri(self.uri_text)

    @property
    def tag(self) -> str | None:
        """The tag of a From or To (RFC 3261 19.3)."""
        return self.params.get("tag")

    @property
    def is_wildcard(self) -> bool:
        """Whether this is the ``*`` by which a REGISTER removes every binding."""
        return self.uri_text == "*"

    def __str__(self) -> str:
        """The value as it goes on the wire, always in angle brackets."""
        if self.is_wildcard:
            return "*"
        display = f"{quote(self.display)} " if self.display else ""
        return f"{display}<{self.uri_text}>{self.params}"


# The stack checks the From, To and Contact that its user then reads: the second time is free.
@lru_cache(maxsize=2048)
def parse_name_addr(text: str, what: str = "address") -> NameAddr:
    """Read one name-addr or addr-spec with parameters (RFC 3261 20.10). Raises RemoteError.

    Without angle brackets parameters belong to the header, and a question mark is refused, as
    there. Control characters of the display name are dropped.
    """
    text = text.strip(" \t")
    pattern = _QUOTED_NAME if text[:1] == '"' else _PLAIN_NAME if "<" in text else _ADDR_SPEC
    match = pattern.fullmatch(text)
    if match is None:
        raise RemoteError(f"{what}: malformed {text[:60]!r}")
    *display, uri_text, params = match.groups()
    name = unquote(display[0].strip(" \t")) if display else ""
    if not uri_text or (uri_text != "*" and ":" not in uri_text):
        raise RemoteError(f"{what}: {uri_text[:40]!r} is not a URI")
    return NameAddr(without_controls(name), uri_text, parse_params(params or "", what))


class CSeq(NamedTuple):
    """The number of a request in its dialog, below 2**31, and its method (RFC 3261 20.16)."""

    number: int
    method: str

    def __str__(self) -> str:
        """The value as it goes on the wire."""
        return f"{self.number} {self.method}"


# Nearly every message says "1 INVITE", "2 BYE" and the like, and is asked for it several times.
@lru_cache(maxsize=1024)
def parse_cseq(text: str) -> CSeq:
    """Read a CSeq value. Raises RemoteError."""
    match = _CSEQ.fullmatch(text)
    if match is None:
        raise RemoteError(f"CSeq: malformed {text[:40]!r}")
    return CSeq(parse_number(match[1], "CSeq", CSEQ_MAX), match[2])


class AuthValue(NamedTuple):
    """A challenge or credentials (RFC 3261 25.1, RFC 7616): a scheme and its parameters, names in
    lower case, values without the quotes and escapes of a quoted-string."""

    scheme: str
    params: dict[str, str]


def parse_auth(text: str, what: str = "Authorization") -> AuthValue:
    """Read one challenge or one set of credentials. Raises RemoteError."""
    if _USUAL_AUTH.fullmatch(text) is not None:
        scheme, _, rest = text.partition(" ")
        pairs = _USUAL_AUTH_PARAM.findall(rest)
        params = {name: value.strip('"') for name, value in pairs}
        if len(params) == len(pairs) <= PARAMS_MAX:
            return AuthValue(scheme, params)
    return _parse_any_auth(text, what)


def _parse_any_auth(text: str, what: str) -> AuthValue:
    scheme, _, rest = text.strip(" \t").partition(" ")
    if not is_token(scheme):
        raise RemoteError(f"{what}: malformed {text[:20]!r}")
    params: dict[str, str] = {}
    at = 0
    while at < len(rest):
        match = _AUTH_PARAM.match(rest, at)
        if match is None:
            raise RemoteError(f"{what}: malformed parameter after {scheme} {', '.join(params)}")
        name = match[1].lower()
        if name in params or len(params) == PARAMS_MAX:
            raise RemoteError(f"{what}: parameter {name[:20]!r} stands twice, or is one too many")
        params[name] = unquote(match[2])
        at = match.end()
    return AuthValue(scheme, params)


def split_commas(text: str, what: str = "header") -> list[str]:
    """The values of a comma-separated field, commas in quotes and angle brackets left alone.

    Raises RemoteError on empty values, unbalanced quotes or brackets, or over VALUES_MAX values.
    """
    if "," not in text:
        pieces = [text]
    elif '"' not in text and "<" not in text:
        pieces = text.split(",")
    else:
        pieces = _split_guarded(text, what)
    if len(pieces) > VALUES_MAX:
        raise RemoteError(f"{what}: {len(pieces)} values, at most {VALUES_MAX}")
    values = [piece.strip(" \t") for piece in pieces]
    if not all(values):
        raise RemoteError(f"{what}: empty value")
    return values


_GUARDED = re.compile(rf'[^",<>]+|{QUOTED}|<[^<>]*>')


def _split_guarded(text: str, what: str) -> list[str]:
    pieces = []
    start = at = 0
    while at < len(text):
        if text[at] == ",":
            pieces.append(text[start:at])
            start = at = at + 1
            continue
        match = _GUARDED.match(text, at)
        if match is None:
            raise RemoteError(f"{what}: unbalanced quotes or brackets")
        at = match.end()
    return [*pieces, text[start:]]


def parse_tokens(text: str, what: str) -> list[str]:
    """Read a list of tokens such as Allow, Supported or Require; an empty field is no token."""
    if not text.strip(" \t"):
        return []
    tokens = split_commas(text, what)
    for token in tokens:
        if not is_token(token):
            raise RemoteError(f"{what}: {token[:20]!r} is not a token")
    return tokens
