"""Answers that the stack writes by itself: refusals that leave nothing behind, and 100 Trying."""

from __future__ import annotations

from hashlib import blake2b
from typing import TYPE_CHECKING

from sip.message import Response

if TYPE_CHECKING:
    from sip.checks import Refusal
    from sip.message import Request


def stateless_answer(request: Request, refusal: Refusal) -> bytes:
    """The bytes of an answer that is the same whenever the request comes, its To tag too."""
    response = Response.answering(
        request, refusal.status, refusal.reason, to_tag=_tag(request), headers=refusal.headers
    )
    return bytes(response)


def _tag(request: Request) -> str:
    """A To tag made from what a repetition has in common with the first (8.2.6.2)."""
    same = "\n".join(request.required(name) for name in ("via", "call-id", "cseq", "from"))
    return blake2b(same.encode("utf-8", "replace"), digest_size=8).hexdigest()


def trying(request: Request) -> bytes:
    """The 100 Trying of an INVITE (17.2.1), written straight from the request's fields.

    It goes out for every call before anything else is done, so it costs as little as can be.
    """
    asked = request.headers
    vias = "\r\nVia: ".join(asked["via"])
    timestamp = f"Timestamp: {asked['timestamp'][0]}\r\n" if "timestamp" in asked else ""
    return (
        f"SIP/2.0 100 Trying\r\nVia: {vias}\r\nFrom: {asked['from'][0]}\r\nTo: {asked['to'][0]}\r\n"
        f"Call-ID: {asked['call-id'][0]}\r\nCSeq: {asked['cseq'][0]}\r\n{timestamp}"
        "Content-Length: 0\r\n\r\n"
    ).encode(request.charset, "replace")
