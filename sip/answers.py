"""Answers to requests, written straight from the request's own fields (RFC 3261 8.2.6, 12.1.1).

A call is answered three times and more, so nothing is built that is printed only: what all answers
of one transaction share is made once, by ``copied_fields``.
"""

from __future__ import annotations

from collections.abc import Collection
from hashlib import blake2b
from typing import TYPE_CHECKING

from sip.errors import LocalError, RemoteError
from sip.reasons import reason_phrase

if TYPE_CHECKING:
    from sip.checks import Refusal
    from sip.message import Request

# Methods whose 1xx and 2xx may make a dialog, so that the route set goes back (RFC 3261 12.1.1,
# RFC 6665, RFC 3515).
_DIALOG_METHODS = frozenset({"INVITE", "SUBSCRIBE", "REFER"})


def copied_fields(request: Request, to: str) -> str:
    """The lines that every answer repeats: Via (all, as the transport stamped them), From, To,
    Call-ID and CSeq. ``to`` is the To of the answer, with our tag.

    The five fields must be there, as ``parse_message`` and ``salvage`` see to; what they say may
    be malformed.
    """
    asked = request.headers
    vias = asked["via"]
    via = vias[0] if len(vias) == 1 else "\r\nVia: ".join(vias)
    return (
        f"Via: {via}\r\nFrom: {asked['from'][0]}\r\nTo: {to}\r\n"
        f"Call-ID: {asked['call-id'][0]}\r\nCSeq: {asked['cseq'][0]}\r\n"
    )


def answer(
    request: Request,
    copied: str,
    status: int,
    reason: str | None = None,
    headers: Collection[tuple[str, str]] = (),
    body: bytes = b"",
) -> bytes:
    """An answer of 101 and up as it goes on the wire; ``copied`` is what ``copied_fields`` made.

    Record-Route goes back in what may make a dialog. Raises LocalError when a line break got into
    a header or the reason: it would be a header of its own.
    """
    more = "".join([f"{name}: {value}\r\n" for name, value in headers])
    phrase = reason_phrase(status) if reason is None else reason
    if "\n" in phrase or "\r" in phrase or more.count("\n") + more.count("\r") != 2 * len(headers):
        raise LocalError("a header value contains a line break")
    if status < 300 and "record-route" in request.headers and request.method in _DIALOG_METHODS:
        routes = "\r\nRecord-Route: ".join(request.headers["record-route"])
        more = f"Record-Route: {routes}\r\n{more}"
    head = f"SIP/2.0 {status} {phrase}\r\n{copied}{more}Content-Length: {len(body)}\r\n\r\n"
    return head.encode(request.charset, "replace") + body


def trying(request: Request) -> bytes:
    """The 100 Trying of an INVITE (17.2.1): no tag, but Timestamp (8.2.6.1)."""
    asked = request.headers
    timestamp = f"Timestamp: {asked['timestamp'][0]}\r\n" if "timestamp" in asked else ""
    copied = copied_fields(request, asked["to"][0])
    head = f"SIP/2.0 100 Trying\r\n{copied}{timestamp}Content-Length: 0\r\n\r\n"
    return head.encode(request.charset, "replace")


def stateless_answer(request: Request, refusal: Refusal) -> bytes:
    """The bytes of a refusal that is the same whenever the request comes, its To tag too."""
    copied = copied_fields(request, _tagged(request))
    return answer(request, copied, refusal.status, refusal.reason, refusal.headers)


def _tagged(request: Request) -> str:
    """To with a tag made from what a repetition has in common with the first (8.2.6.2); with the
    tag that it has. A To that cannot be read goes back as it came, with a 400."""
    to = request.required("to")
    try:
        if request.to_tag is not None:
            return to
    except RemoteError:
        return to
    same = "\n".join(request.required(name) for name in ("via", "call-id", "cseq", "from"))
    return f"{to};tag={blake2b(same.encode('utf-8', 'replace'), digest_size=8).hexdigest()}"
