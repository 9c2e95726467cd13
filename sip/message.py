"""Requests and responses: a table of raw header strings, whose values are parsed when asked for.

Parsing everything costs five times what a B2BUA needs of a message; so ``headers`` holds what the
wire said, the typed accessors parse on each call, and three helpers of the hot path (``branch``,
``from_tag``, ``to_tag``) look for their text alone.
"""

from __future__ import annotations

import re
from collections.abc import Iterable

from sip.abnf import TOKEN, parse_number
from sip.errors import LocalError, RemoteError
from sip.headers import CANONICAL, SPELLING, canonical_name, spelled
from sip.reasons import reason_phrase
from sip.values import (
    CSeq,
    NameAddr,
    Via,
    parse_cseq,
    parse_name_addr,
    parse_tokens,
    parse_via,
    split_commas,
)

# RFC 3261 8.1.1.6: never above 255.
MAX_FORWARDS_MAX = 255

# A top Via as nearly everybody writes it, up to its parameters.
_QUICK_SENT_BY = re.compile(r"SIP/2\.0/[A-Z]+ ([A-Za-z0-9.\-]*[A-Za-z0-9](?::[1-9][0-9]{0,4})?);")

# A From or To as nearly everybody writes it: an address in angle brackets, then the tag or nothing.
_QUICK_TAG = re.compile(
    rf'(?:"[^"\\\x00-\x1f\x7f]*"[ \t]*|[^"<>,;\x00-\x1f\x7f]*)'
    rf'<[^<>"\x00-\x20]*>(?:;tag=({TOKEN}))?'
)


class Message:
    """What requests and responses share.

    ``headers`` maps the lower-case long name of a field to its raw values, one a line, in order.
    ``charset`` is the encoding of the head: UTF-8 (RFC 3261 7), or Latin-1 where a device sent
    bytes that are no UTF-8, so that what is sent back has the same bytes.
    """

    __slots__ = ("body", "charset", "headers")

    headers: dict[str, list[str]]
    body: bytes
    charset: str

    def start_line(self) -> str:
        """The first line without its line break."""
        raise NotImplementedError

    # Raw access

    def first(self, name: str) -> str | None:
        """The first raw value of a field, None when absent. ``name``: lower case, long form."""
        values = self.headers.get(name)
        return values[0] if values else None

    def all(self, name: str) -> list[str]:
        """Every raw value of a field, one per line of the wire, in order."""
        return self.headers.get(name, [])

    def values(self, name: str) -> list[str]:
        """Every value of a comma-separated field, lines and commas taken apart."""
        lines = self.headers.get(name)
        if lines is None:
            return []
        what = spelled(name)
        return [value for line in lines for value in split_commas(line, what)]

    def tokens(self, name: str) -> list[str]:
        """The tokens of a list field such as Supported, Allow or Require."""
        what = spelled(name)
        return [token for line in self.all(name) for token in parse_tokens(line, what)]

    def set(self, name: str, *values: str) -> None:
        """Make these the values of a field; none removes it. ``name`` is lower case, long form."""
        if values:
            self.headers[name] = list(values)
        else:
            self.headers.pop(name, None)

    def required(self, name: str) -> str:
        """The first raw value of a field. Raises RemoteError when absent."""
        values = self.headers.get(name)
        if not values:
            raise RemoteError(f"{spelled(name)} is missing")
        return values[0]

    # Hot path: found in the text, without parsing the rest

    @property
    def branch(self) -> str | None:
        """The branch of the top Via."""
        text = self.required("via")
        at = text.find(";branch=")
        if at < 0 or "," in text or '"' in text or " ;" in text or "\t" in text:
            return self.via.branch
        end = text.find(";", at + 8)
        branch = text[at + 8 :] if end < 0 else text[at + 8 : end]
        return branch if branch and " " not in branch else self.via.branch

    @property
    def sent_by(self) -> str:
        """``Via.sent_by`` of the top Via: half of the transaction key (RFC 3261 17.2.3)."""
        match = _QUICK_SENT_BY.match(self.required("via"))
        return self.via.sent_by if match is None else match[1].lower()

    @property
    def from_tag(self) -> str | None:
        """The tag of From."""
        match = _QUICK_TAG.fullmatch(self.required("from"))
        return self.from_.tag if match is None else match[1]

    @property
    def to_tag(self) -> str | None:
        """The tag of To, None before a dialog."""
        match = _QUICK_TAG.fullmatch(self.required("to"))
        return self.to.tag if match is None else match[1]

    # Typed access; each raises RemoteError that begins with the field's name

    @property
    def via(self) -> Via:
        """The top Via."""
        return parse_via(split_commas(self.required("via"), "Via")[0])

    @property
    def vias(self) -> list[Via]:
        """Every Via, the latest hop first."""
        return [parse_via(value) for value in self.values("via")]

    @property
    def from_(self) -> NameAddr:
        """Who asks (RFC 3261 20.20)."""
        return parse_name_addr(self.required("from"), "From")

    @property
    def to(self) -> NameAddr:
        """Whom the request was first meant for (RFC 3261 20.39)."""
        return parse_name_addr(self.required("to"), "To")

    @property
    def call_id(self) -> str:
        """The Call-ID: case-sensitive, visible characters only."""
        text = self.required("call-id")
        if not text or " " in text or "\t" in text or not text.isprintable():
            raise RemoteError(f"Call-ID: malformed {text[:40]!r}")
        return text

    @property
    def cseq(self) -> CSeq:
        """Number and method of the request."""
        return parse_cseq(self.required("cseq"))

    @property
    def contacts(self) -> list[NameAddr]:
        """Every Contact; a REGISTER may have one that ``is_wildcard``."""
        return [parse_name_addr(value, "Contact") for value in self.values("contact")]

    @property
    def routes(self) -> list[NameAddr]:
        """The Route set still to visit, the next hop first."""
        return [parse_name_addr(value, "Route") for value in self.values("route")]

    @property
    def record_routes(self) -> list[NameAddr]:
        """Record-Route in the order of the wire (RFC 3261 12.1 says which side reverses it)."""
        return [parse_name_addr(value, "Record-Route") for value in self.values("record-route")]

    @property
    def max_forwards(self) -> int | None:
        """Hops left, 0 to 255; None when absent, as in RFC 2543."""
        return self._number("max-forwards", MAX_FORWARDS_MAX)

    @property
    def expires(self) -> int | None:
        """Seconds, up to 2**32-1; None when absent.

        RFC 3261 10.3 step 7 has a malformed one read as 3600 in a REGISTER; that is the
        registrar's to do, here it is an error like any other.
        """
        return self._number("expires", 2**32 - 1)

    @property
    def content_length(self) -> int | None:
        """Bytes of the body as announced; None when absent."""
        return self._number("content-length", 2**32 - 1)

    @property
    def content_type(self) -> str | None:
        """Type and subtype in lower case without parameters, None when absent."""
        text = self.first("content-type")
        return None if text is None else text.partition(";")[0].strip(" \t").lower()

    def _number(self, name: str, most: int) -> int | None:
        text = self.first(name)
        return None if text is None else parse_number(text, spelled(name), most)

    # Printing

    def to_bytes(self, via: str = "") -> bytes:
        """The message as it goes on the wire, Content-Length computed, under ``via`` if given.

        Raises LocalError when a line break got into a header: it would be a header of its own.
        """
        lines = [self.start_line()]
        if via:
            lines.append(f"Via: {via}")
        spelling = SPELLING.get
        for key, values in self.headers.items():
            if key != "content-length":
                name = spelling(key) or spelled(key)
                for value in values:
                    lines.append(f"{name}: {value}")
        lines.append(f"Content-Length: {len(self.body)}\r\n\r\n")
        head = "\r\n".join(lines)
        if head.count("\n") != len(lines) + 1 or head.count("\r") != len(lines) + 1:
            raise LocalError("a header value contains a line break")
        return head.encode(self.charset, "replace") + self.body

    def __bytes__(self) -> bytes:
        """Same as ``to_bytes``."""
        return self.to_bytes()


class Request(Message):
    """A request. ``uri`` is the Request-URI as it was written; ``sip.uri.parse_uri`` reads it."""

    __slots__ = ("method", "uri")

    def __init__(
        self,
        method: str,
        uri: str,
        headers: dict[str, list[str]],
        body: bytes = b"",
        charset: str = "utf-8",
    ) -> None:
        self.method = method
        self.uri = uri
        self.headers = headers
        self.body = body
        self.charset = charset

    @classmethod
    def build(
        cls, method: str, uri: str, headers: Iterable[tuple[str, str]], body: bytes = b""
    ) -> Request:
        """A new request with these fields, in any spelling and in this order."""
        return cls(method, uri, header_table(headers), body)

    def start_line(self) -> str:
        """``METHOD uri SIP/2.0``."""
        return f"{self.method} {self.uri} SIP/2.0"

    def copy(self) -> Request:
        """A copy whose fields can be changed without touching this request."""
        headers = {name: list(values) for name, values in self.headers.items()}
        return Request(self.method, self.uri, headers, self.body, self.charset)

    def stamp_source(self, host: str, port: int) -> None:
        """Write into the top Via where the request came from.

        ``received`` when the sent-by host differs from ``host``, or when ``rport`` asks for it,
        which then gets ``port`` (RFC 3261 18.2.1, RFC 3581 4). Raises RemoteError.
        """
        top, *others = split_commas(self.required("via"), "Via")
        via = parse_via(top)
        params = via.params.without("received")  # only we know
        if "rport" in params:
            params = params.with_param("rport", str(port)).with_param("received", host)
        elif via.host != host:
            params = params.with_param("received", host)
        stamped = Via(via.transport, via.host, via.port, params)
        self.headers["via"][:1] = [str(stamped), *others]

    def __repr__(self) -> str:
        return f"<Request {self.method} {self.uri}>"


class Response(Message):
    """A response: ``status`` 100 to 699 and its ``reason`` phrase, which may be empty."""

    __slots__ = ("reason", "status")

    def __init__(
        self,
        status: int,
        reason: str,
        headers: dict[str, list[str]],
        body: bytes = b"",
        charset: str = "utf-8",
    ) -> None:
        self.status = status
        self.reason = reason
        self.headers = headers
        self.body = body
        self.charset = charset

    @classmethod
    def build(
        cls,
        status: int,
        headers: Iterable[tuple[str, str]],
        body: bytes = b"",
        reason: str | None = None,
    ) -> Response:
        """A new response with these fields; the usual phrase unless ``reason`` is given."""
        phrase = reason_phrase(status) if reason is None else reason
        return cls(status, phrase, header_table(headers), body)

    def start_line(self) -> str:
        """``SIP/2.0 status reason``."""
        return f"SIP/2.0 {self.status} {self.reason}"

    def __repr__(self) -> str:
        return f"<Response {self.status} {self.reason}>"


def header_table(headers: Iterable[tuple[str, str]]) -> dict[str, list[str]]:
    """The header table of these fields, whose names may be in any spelling."""
    table: dict[str, list[str]] = {}
    for name, value in headers:
        key = CANONICAL.get(name) or canonical_name(name)
        table.setdefault(key, []).append(value)
    return table
