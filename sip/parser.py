"""A message from bytes, or ``RemoteError``: never another exception.

One decode, one split into lines, one header table of raw strings. What every element must be able
to trust is checked here (start line, the five fields that route an answer, Content-Length); all
other values are parsed by those who ask for them.
"""

from __future__ import annotations

import re

from sip.abnf import TOKEN, is_token, parse_number
from sip.errors import RemoteError
from sip.headers import CANONICAL, SINGLE, canonical_name, spelled
from sip.message import Message, Request, Response
from sip.uri import URI_CHARS_MAX

# The largest UDP datagram; streams get the same, since nothing of a call is larger.
MESSAGE_BYTES_MAX = 65535

# The head of RFC 4475's "longreq" has 3.5 kB; browsers' and carriers' heads stay below 16.
HEAD_BYTES_MAX = 32768

# Twice the longest known true line, an Identity header with its certificate's address.
LINE_BYTES_MAX = 8192

# Header lines; true messages have below 60 even with a full Via and Record-Route chain.
HEADERS_MAX = 200

METHOD_CHARS_MAX = 64
REASON_CHARS_MAX = 512

# Known ones need no look at their letters.
_METHODS = frozenset(
    {
        *("ACK", "BYE", "CANCEL", "INFO", "INVITE", "MESSAGE", "NOTIFY", "OPTIONS", "PRACK"),
        *("PUBLISH", "REFER", "REGISTER", "SUBSCRIBE", "UPDATE"),
    }
)

_STATUSES = frozenset(map(str, range(100, 700)))

_MANDATORY = ("via", "from", "to", "call-id", "cseq")
# Without the white space before it: a pattern that began with it would take quadratic time.
_FOLD = re.compile(r"\r\n[ \t]+")


# A CSeq that may be sent back, though its number may be too large; never that of an ACK.
_CSEQ_SHAPE = re.compile(rf"[0-9]{{1,64}}[ \t]+(?!ACK$){TOKEN}")


def parse_message(data: bytes) -> Request | Response:
    """Read one datagram, or one frame of a stream.

    The body is cut to Content-Length, and is the rest of the datagram without one (RFC 3261
    18.3). Raises RemoteError with the status to answer: 400, 414, 505 or 513.
    """
    if len(data) > MESSAGE_BYTES_MAX:
        raise RemoteError(f"{len(data)} bytes, at most {MESSAGE_BYTES_MAX}", 513)
    head, body = split_head(data)
    if len(head) > LINE_BYTES_MAX:
        _check_lengths(head)
    try:
        text, charset = head.decode(), "utf-8"
    except UnicodeDecodeError:
        text, charset = head.decode("latin-1"), "latin-1"
    if "\0" in text:
        text = _without_escaped_nul(text)
    message = _parse_head(text)
    message.charset = charset
    _check_mandatory(message)
    length = message.headers.get("content-length")
    if length is not None and length[0] != str(len(body)):
        body = _cut_body(message, body)
    message.body = body
    return message


def split_head(data: bytes) -> tuple[bytes, bytes]:
    """Head without its blank line, and the rest. Line breaks before it are skipped (RFC 3261 7.5).

    Raises RemoteError when there is no blank line.
    """
    if data[:2] == b"\r\n":
        data = data.lstrip(b"\r\n")
    head, blank, body = data.partition(b"\r\n\r\n")
    if not blank:
        raise RemoteError("no blank line after the header fields")
    return head, body


def _parse_head(text: str) -> Request | Response:
    """Start line and header table, without any check of values.

    Folded lines are rare and a line that begins with white space is an error to ``_parse_lines``,
    so only then it is looked whether unfolding helps: the search costs a tenth of all parsing.
    """
    try:
        return _parse_lines(text)
    except RemoteError:
        unfolded = _FOLD.sub(" ", text)
        if unfolded == text:
            raise
        _check_longest(max(map(len, unfolded.split("\r\n"))))
        return _parse_lines(unfolded)


def _parse_lines(text: str) -> Request | Response:
    lines = text.split("\r\n")
    breaks = len(lines) - 1
    if breaks > HEADERS_MAX:
        raise RemoteError(f"{breaks + 1} header lines, at most {HEADERS_MAX}", 513)
    # A line break that we do not see may be one to the next element: header injection.
    if text.count("\n") != breaks or text.count("\r") != breaks:
        raise RemoteError("a lone CR or LF in the header fields")
    table: dict[str, list[str]] = {}
    message = _parse_start_line(lines[0], table)
    del lines[0]
    known = CANONICAL.get
    for line in lines:
        name, colon, value = line.partition(":")
        if not colon:
            raise RemoteError(f"header line without a colon: {line[:40]!r}")
        key = known(name) or canonical_name(name)
        if key not in table:
            table[key] = [value.strip()]
        elif key in SINGLE:
            raise RemoteError(f"{spelled(key)} stands twice")
        else:
            table[key].append(value.strip())
    return message


def _check_lengths(head: bytes) -> None:
    if len(head) > HEAD_BYTES_MAX:
        raise RemoteError(f"{len(head)} bytes of header fields, at most {HEAD_BYTES_MAX}", 513)
    _check_longest(max(map(len, head.split(b"\r\n"))))


def _check_longest(longest: int) -> None:
    if longest > LINE_BYTES_MAX:
        raise RemoteError(f"a line of {longest} bytes, at most {LINE_BYTES_MAX}", 513)


def _without_escaped_nul(text: str) -> str:
    """Drop NUL where RFC 3261 allows it, as a quoted-pair, since no store can keep it."""
    text = text.replace("\\\0", "")
    if "\0" in text:
        raise RemoteError("NUL in the header fields")
    return text


def _parse_start_line(line: str, table: dict[str, list[str]]) -> Request | Response:
    first, _, rest = line.partition(" ")
    if first == "SIP/2.0" or first.upper() == "SIP/2.0":
        return _parse_status_line(rest, table)
    uri, _, version = rest.partition(" ")
    if version != "SIP/2.0":
        _check_version(version)
    if first not in _METHODS and (len(first) > METHOD_CHARS_MAX or not is_token(first)):
        raise RemoteError(f"start line: {first[:40]!r} is not a method")
    if not uri or uri[0] == "<" or not uri.isprintable():
        raise RemoteError(f"start line: {uri[:40]!r} is not a Request-URI")
    if len(uri) > URI_CHARS_MAX:
        raise RemoteError(f"Request-URI of {len(uri)} characters, at most {URI_CHARS_MAX}", 414)
    return Request(first, uri, table)


def _check_version(version: str) -> None:
    """Versions are compared without case (RFC 3261 7.1); a foreign one is 505, other text 400."""
    if version.upper() == "SIP/2.0":
        return
    if re.fullmatch(r"SIP/[0-9]{1,9}\.[0-9]{1,9}", version, re.IGNORECASE):
        raise RemoteError(f"start line: version {version} is not supported", 505)
    raise RemoteError(f"start line: {version[:40]!r} where SIP/2.0 should stand")


def _parse_status_line(rest: str, table: dict[str, list[str]]) -> Response:
    code, _, reason = rest.partition(" ")
    status = int(code) if code in _STATUSES else parse_number(code, "status line", 699)
    if status < 100 or len(code) != 3:
        raise RemoteError(f"status line: {code!r} is not a status code")
    return Response(status, reason[:REASON_CHARS_MAX], table)


def _check_mandatory(message: Request | Response) -> None:
    """RFC 3261 8.1.1: the fields without which no transaction and no answer is possible, and that
    CSeq names the method. Max-Forwards is left out, as RFC 2543 did."""
    headers = message.headers
    for name in _MANDATORY:
        if name not in headers or not headers[name][0]:
            raise RemoteError(f"{spelled(name)} is missing")
    number, _, written = headers["cseq"][0].partition(" ")
    if number.isdigit() and number.isascii() and len(number) < 10:
        if isinstance(message, Request):
            if written == message.method:
                return  # as nearly everybody writes it
        elif written in _METHODS:
            return
    written = message.cseq.method
    if isinstance(message, Request) and written != message.method:
        raise RemoteError(f"CSeq: {written[:40]} does not match the method {message.method[:40]}")


def _cut_body(message: Message, body: bytes) -> bytes:
    length = message.content_length
    assert length is not None, "the field is there"
    if length > len(body):
        raise RemoteError(f"Content-Length: {length}, but the body has {len(body)} bytes")
    return body[:length]


def salvage(data: bytes) -> Request | None:
    """What can be read of a broken request: enough to answer it statelessly, or None.

    It is answered (by ``sip.answers``, with the ``status_hint`` of the error) when its top Via can
    be parsed and From, To, Call-ID and CSeq stand there; for anything else, for ACK and for
    responses silence is right (RFC 3261 8.2.2, 17).
    """
    text = data[:HEAD_BYTES_MAX].lstrip(b"\r\n").partition(b"\r\n\r\n")[0].decode("latin-1")
    lines = _FOLD.sub(" ", text).split("\r\n")[: HEADERS_MAX + 1]
    method, _, rest = lines[0].partition(" ")
    if method == "ACK" or not is_token(method):
        return None
    request = Request(method, rest.partition(" ")[0], _readable_headers(lines[1:]), b"", "latin-1")
    return request if _can_be_answered(request) else None


def _readable_headers(lines: list[str]) -> dict[str, list[str]]:
    """The known fields on readable lines; of a field that may stand once, the first."""
    table: dict[str, list[str]] = {}
    for line in lines:
        name, colon, value = line.partition(":")
        key = CANONICAL.get(name.rstrip(" \t"))
        if not colon or key is None or not value.isprintable():
            continue
        if key not in SINGLE or key not in table:
            table.setdefault(key, []).append(value.strip())
    return table


def _can_be_answered(request: Request) -> bool:
    if not all(request.first(name) for name in _MANDATORY):
        return False
    if _CSEQ_SHAPE.fullmatch(request.required("cseq")) is None:
        return False
    try:
        return request.via.branch is not None
    except RemoteError:
        return False
