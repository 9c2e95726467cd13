"""What every new request must pass before the user sees it (RFC 3261 8.2, 16.3)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from sip.errors import RemoteError
from sip.uri import parse_uri

if TYPE_CHECKING:
    from sip.message import Request
    from sip.transaction import Headers

KNOWN_METHODS = frozenset(
    {
        *("ACK", "BYE", "CANCEL", "INFO", "INVITE", "MESSAGE", "NOTIFY", "OPTIONS", "PRACK"),
        *("PUBLISH", "REFER", "REGISTER", "SUBSCRIBE", "UPDATE"),
    }
)
"""The methods of the IANA registry: one of these is 405 when not allowed, any other 501."""

BODY_TYPE = "application/sdp"
"""The one body that an INVITE may have. What other requests carry is not read, so not judged."""


@dataclass(frozen=True, slots=True)
class Refusal:
    """A final answer that the stack gives by itself."""

    status: int
    reason: str | None = None  # the usual phrase when None
    headers: Headers = ()


class Acceptance:
    """Which requests this stack takes: methods, extensions, and well-formed where it matters."""

    def __init__(self, allow: tuple[str, ...], supported: frozenset[str]) -> None:
        self._methods = frozenset(allow)
        self._supported = supported
        self.allow = ", ".join(allow)
        self.supported = ", ".join(sorted(supported))

    def refusal(self, request: Request) -> Refusal | None:
        """Why a request is not for the user, or ``None``; in the order of RFC 3261 8.2."""
        try:
            refusal = self._method_refusal(request)
            if refusal is not None:
                return refusal
            _check_syntax(request)
            return (
                _hops_refusal(request)
                or self._extension_refusal(request)
                or _content_refusal(request)
            )
        except RemoteError as error:
            return Refusal(error.status_hint, reason_of(error))

    def _method_refusal(self, request: Request) -> Refusal | None:
        if request.method in self._methods:
            return None
        status = 405 if request.method in KNOWN_METHODS else 501
        return Refusal(status, None, (("Allow", self.allow),))

    def _extension_refusal(self, request: Request) -> Refusal | None:
        if "require" not in request.headers:
            return None
        unsupported = [tag for tag in request.tokens("require") if tag not in self._supported]
        if not unsupported:
            return None
        return Refusal(420, None, (("Unsupported", ", ".join(unsupported)),))


def _check_syntax(request: Request) -> None:
    """Read what the user will read, so that it never meets the error. Raises RemoteError.

    Inside a dialog only Call-ID and tags are read, by which the dialog is found.
    """
    request.call_id  # noqa: B018  # parsed for its errors
    request.from_tag  # noqa: B018
    if request.to_tag is None:
        parse_uri(request.uri)  # 416 for a foreign scheme
        request.from_  # noqa: B018
        request.to  # noqa: B018


def _hops_refusal(request: Request) -> Refusal | None:
    """A B2BUA sends a new INVITE on, so loops end here as in a proxy (16.3 step 3).

    Any other request has arrived, and so has one in a dialog, which is with us.
    """
    if request.max_forwards != 0 or request.method != "INVITE" or request.to_tag is not None:
        return None
    return Refusal(483)


def _content_refusal(request: Request) -> Refusal | None:
    """A body that is no plain session description (8.2.3)."""
    if request.method != "INVITE" or not request.body:
        return None
    if (request.first("content-encoding") or "identity").strip().lower() != "identity":
        return Refusal(415, None, (("Accept-Encoding", "identity"),))
    if request.content_type != BODY_TYPE:
        return Refusal(415, None, (("Accept", BODY_TYPE),))
    return None


REASON_CHARS_MAX = 100
"""Of the reason phrase that names what was wrong: it must stay one short line."""


def reason_of(error: RemoteError) -> str | None:
    """What was wrong, as the reason phrase of a 400: it helps whoever built the peer (21.4.1)."""
    text = str(error)
    if error.status_hint != 400 or not (text.isascii() and text.isprintable()):
        return None
    return text[:REASON_CHARS_MAX]
