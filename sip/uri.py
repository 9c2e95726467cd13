"""SIP, SIPS and tel URIs: parsing, printing, escaping and comparison (RFC 3261 19.1, RFC 3966).

In every text of a ``SipUri`` the percent sign always begins an escape: printable characters are
unescaped, while the percent sign itself, control characters and bytes that are no UTF-8 stay as
``%25``, ``%00``, ``%FF``. So the text is safe to store and show, and printing loses nothing.
"""

from __future__ import annotations

import re
from functools import lru_cache
from typing import NamedTuple

from sip.abnf import HOST, PORT_MAX, parse_number
from sip.errors import RemoteError
from sip.params import NO_PARAMS, Params

# Longer than any line of a browser; RFC 3261 21.4.15 answers 414.
URI_CHARS_MAX = 2048

URI_PARAMS_MAX = 32
URI_HEADERS_MAX = 32

_UNRESERVED = "A-Za-z0-9\\-_.!~*'()"
# What may stand in each part (RFC 3261 25.1). Phones dial "*98#" without escaping the last sign,
# so it is read in a user, and escaped when printed.
_SAFE = {
    "user": re.compile(rf"[{_UNRESERVED}&=+$,;?/%#]*"),
    "password": re.compile(rf"[{_UNRESERVED}&=+$,%]*"),
    "param": re.compile(rf"[{_UNRESERVED}\[\]/:&+$%]*"),
    "header": re.compile(rf"[{_UNRESERVED}\[\]/?:+$%]*"),
}
_UNSAFE = {
    "user": re.compile(rf"%(?![0-9A-Fa-f]{{2}})|[^{_UNRESERVED}&=+$,;?/%]"),
    "password": re.compile(rf"%(?![0-9A-Fa-f]{{2}})|[^{_UNRESERVED}&=+$,%]"),
    "param": re.compile(rf"%(?![0-9A-Fa-f]{{2}})|[^{_UNRESERVED}\[\]/:&+$%]"),
    "header": re.compile(rf"%(?![0-9A-Fa-f]{{2}})|[^{_UNRESERVED}\[\]/?:+$%]"),
}
_BAD_ESCAPE = re.compile(r"%(?![0-9A-Fa-f]{2})")
_ESCAPES = re.compile(r"(?:%[0-9A-Fa-f]{2})+")
_SCHEME = re.compile(r"[A-Za-z][A-Za-z0-9+.\-]*:")
_HOST_PORT = re.compile(rf"({HOST})(?::([0-9]{{1,5}}))?")
_TEL = re.compile(r"\+?[0-9A-Fa-f*#\-.()]+")
_TEL_SEPARATORS = str.maketrans("", "", "-.()")
# Parameters that must be equal or absent in both for two URIs to be equal (RFC 3261 19.1.4).
_COMPARED_PARAMS = ("user", "ttl", "method", "maddr", "transport")


class SipUri(NamedTuple):
    """One address. A ``tel`` URI has its number as ``user``, without separators, and no host.

    ``host`` is in lower case, IPv6 without brackets. ``params`` names are in lower case.
    """

    scheme: str
    user: str | None
    host: str
    port: int | None = None
    params: Params = NO_PARAMS
    headers: tuple[tuple[str, str], ...] = ()
    password: str | None = None

    @property
    def transport(self) -> str | None:
        """The transport parameter in lower case, None when absent."""
        value = self.params.get("transport")
        return value.lower() if value else None

    @property
    def loose_routing(self) -> bool:
        """Whether the ``lr`` parameter stands there (RFC 3261 19.1.1)."""
        return "lr" in self.params

    @property
    def host_port(self) -> str:
        """Host, and port when one is written, as they are printed."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return host if self.port is None else f"{host}:{self.port}"

    @property
    def address_of_record(self) -> str:
        """``scheme:user@host`` alone: the key under which a user registers (RFC 3261 10.3)."""
        user = "" if self.user is None else f"{_escape(self.user, 'user')}@"
        return f"{self.scheme}:{user}{self.host_port}"

    def __str__(self) -> str:
        """The URI as it goes on the wire."""
        if self.scheme == "tel":
            return f"tel:{self.user}{self.params}"
        parts = [self.scheme, ":"]
        if self.user is not None:
            parts.append(_escape(self.user, "user"))
            if self.password is not None:
                parts += [":", _escape(self.password, "password")]
            parts.append("@")
        parts.append(self.host_port)
        for name, value in self.params.items():
            parts += [";", _escape(name, "param")]
            if value is not None:
                parts += ["=", _escape(value, "param")]
        mark = "?"
        for name, value in self.headers:
            parts += [mark, _escape(name, "header"), "=", _escape(value, "header")]
            mark = "&"
        return "".join(parts)


# One message's URIs are read by the stack, the dialog and the router in turn; targets such as
# trunks come again with each call. Values are immutable, errors are not kept.
@lru_cache(maxsize=2048)
def parse_uri(text: str) -> SipUri:
    """Read a ``sip:``, ``sips:`` or ``tel:`` URI.

    Raises RemoteError: 414 too long, 416 for another scheme, 400 malformed.
    """
    if len(text) > URI_CHARS_MAX:
        raise RemoteError(f"URI of {len(text)} characters, at most {URI_CHARS_MAX}", 414)
    scheme, colon, rest = text.partition(":")
    lower = scheme.lower()
    if lower in ("sip", "sips"):
        return _parse_sip(lower, rest)
    if lower == "tel":
        return _parse_tel(rest)
    if _SCHEME.match(scheme + colon) is None:
        raise RemoteError(f"{text[:40]!r} is not a URI")
    raise RemoteError(f"URI scheme {lower[:20]!r} is not supported", 416)


def _parse_sip(scheme: str, rest: str) -> SipUri:
    user_info, at, tail = rest.rpartition("@") if "@" in rest else ("", "", rest)
    user = password = None
    if at:
        user_text, colon, password_text = user_info.partition(":")
        if not user_text:
            raise RemoteError("URI: no user before '@'")
        user = _unescape(user_text, "user")
        password = _unescape(password_text, "password") if colon else None
    match = _HOST_PORT.match(tail)
    if match is None:
        raise RemoteError(f"URI: {tail[:40]!r} is not a host")
    port = None if match[2] is None else parse_number(match[2], "URI port", PORT_MAX)
    host = match[1].strip("[]").lower()
    params_text, mark, headers_text = tail[match.end() :].partition("?")
    params = _parse_uri_params(params_text) if params_text else NO_PARAMS
    headers = _parse_uri_headers(headers_text) if mark else ()
    return SipUri(scheme, user, host, port, params, headers, password)


def _parse_tel(rest: str) -> SipUri:
    number, semicolon, params = rest.partition(";")
    if _TEL.fullmatch(number) is None:
        raise RemoteError(f"tel URI: {number[:40]!r} is not a number")
    digits = number.translate(_TEL_SEPARATORS)
    return SipUri("tel", digits, "", None, _parse_uri_params(semicolon + params))


def _parse_uri_params(text: str) -> Params:
    if not text:
        return NO_PARAMS
    first, *pieces = text.split(";")
    if first:
        raise RemoteError(f"URI: {first[:20]!r} after the host")
    if len(pieces) > URI_PARAMS_MAX:
        raise RemoteError(f"URI: {len(pieces)} parameters, at most {URI_PARAMS_MAX}")
    items: dict[str, str | None] = {}
    for piece in pieces:
        name, equals, value = piece.partition("=")
        key = _unescape(name, "param").lower()
        if not key or key in items:
            raise RemoteError(f"URI: parameter {key[:20]!r} is empty or stands twice")
        items[key] = _unescape(value, "param") if equals else None
    return Params(items)


def _parse_uri_headers(text: str) -> tuple[tuple[str, str], ...]:
    pieces = text.split("&")
    if len(pieces) > URI_HEADERS_MAX:
        raise RemoteError(f"URI: {len(pieces)} headers, at most {URI_HEADERS_MAX}")
    headers = []
    for piece in pieces:
        name, equals, value = piece.partition("=")
        if not name or not equals:
            raise RemoteError(f"URI: {piece[:20]!r} is not a header")
        headers.append((_unescape(name, "header"), _unescape(value, "header")))
    return tuple(headers)


def _unescape(text: str, part: str) -> str:
    if _SAFE[part].fullmatch(text) is None:
        raise RemoteError(f"URI: illegal character in {part} {text[:40]!r}")
    if "%" not in text:
        return text
    if _BAD_ESCAPE.search(text):
        raise RemoteError(f"URI: broken escape in {part} {text[:40]!r}")
    return _ESCAPES.sub(_unescape_run, text)


def _unescape_run(match: re.Match[str]) -> str:
    """Unescape consecutive ``%XX``, but for what must stay escaped (see the head of this file)."""
    raw = bytes.fromhex(match[0].replace("%", ""))
    decoded = raw.decode("utf-8", "surrogateescape")
    return "".join(_kept(char) for char in decoded)


def _kept(char: str) -> str:
    if char != "%" and char.isprintable():
        return char
    raw = char.encode("utf-8", "surrogateescape")
    return "".join(f"%{byte:02X}" for byte in raw)


def _escape(text: str, part: str) -> str:
    return _UNSAFE[part].sub(_percent, text)


def _percent(match: re.Match[str]) -> str:
    return "".join(f"%{byte:02X}" for byte in match[0].encode("utf-8", "surrogateescape"))


def request_uri(contact: str) -> str:
    """A Contact's URI as a Request-URI, which may have neither headers nor a method parameter
    (RFC 3261 19.1.1, 19.1.5)."""
    if "?" not in contact and ";method" not in contact.lower():
        return contact
    uri = parse_uri(contact)
    return str(uri._replace(params=uri.params.without("method"), headers=()))


def same_uri(one: SipUri, other: SipUri) -> bool:
    """Whether two URIs are equal by RFC 3261 19.1.4.

    Users are case-sensitive, the rest is not; a parameter in only one of them is ignored, unless
    it is user, ttl, method, maddr or transport; headers must be the same. A port that is written
    is not equal to the default one.
    """
    return (
        (one.scheme, one.user, one.password, one.host, one.port)
        == (other.scheme, other.user, other.password, other.host, other.port)
        and _same_params(one.params, other.params)
        and _header_set(one) == _header_set(other)
    )


def _same_params(one: Params, other: Params) -> bool:
    names = {*_COMPARED_PARAMS, *(one.keys() & other.keys())}
    return all(_folded(one.get(name)) == _folded(other.get(name)) for name in names)


def _folded(value: str | None) -> str | None:
    return None if value is None else value.lower()


def _header_set(uri: SipUri) -> list[tuple[str, str]]:
    return sorted((name.lower(), value) for name, value in uri.headers)
