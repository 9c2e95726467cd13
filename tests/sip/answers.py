"""Answers of peers, for tests: what ``sip.answers`` writes, read again."""

from __future__ import annotations

from collections.abc import Collection

from sip.answers import answer, copied_fields
from sip.message import Request, Response
from sip.parser import parse_message


def answered(
    request: Request,
    status: int,
    reason: str | None = None,
    *,
    to_tag: str,
    headers: Collection[tuple[str, str]] = (),
    body: bytes = b"",
) -> Response:
    """The answer to a request; ``to_tag`` is added unless To has a tag."""
    to = request.required("to")
    copied = copied_fields(request, to if ";tag=" in to else f"{to};tag={to_tag}")
    message = parse_message(answer(request, copied, status, reason, headers, body))
    assert isinstance(message, Response)
    return message
