"""Answers that leave nothing behind (RFC 3261 8.2.7)."""

from __future__ import annotations

from hashlib import blake2b
from typing import TYPE_CHECKING

from sip.message import Response

if TYPE_CHECKING:
    from sip.checks import Refusal
    from sip.message import Request


def stateless_answer(request: Request, refusal: Refusal) -> bytes:
    """The bytes of an answer that is the same each time this request comes, To tag included."""
    response = Response.answering(
        request, refusal.status, refusal.reason, to_tag=_tag(request), headers=refusal.headers
    )
    return bytes(response)


def _tag(request: Request) -> str:
    """A To tag made from what a repetition has in common with the first (8.2.6.2)."""
    same = "\n".join(request.required(name) for name in ("via", "call-id", "cseq", "from"))
    return blake2b(same.encode("utf-8", "replace"), digest_size=8).hexdigest()
