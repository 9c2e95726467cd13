"""What every new request must pass before the user sees it (RFC 3261 8.2, 16.3)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

from sip.errors import RemoteError
from sip.uri import parse_uri
from sip.usual_address import read_address

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
"""The one body of a session's requests. What others carry is not read, so not judged."""

_DESCRIBED = frozenset({"INVITE", "UPDATE", "PRACK"})

_USUAL_TYPE = [BODY_TYPE]
_RANGES = frozenset({BODY_TYPE, "application/*", "*/*"})


class Accepted(NamedTuple):
    """A request for the user; ``to_tag`` is there inside a dialog."""

    to_tag: str | None


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

    def judge(self, request: Request) -> Accepted | Refusal:
        """What a new request is to the user, or why it is not for him; in the order of RFC 3261
        8.2."""
        try:
            method = request.method
            if method not in self._methods:
                status = 405 if method in KNOWN_METHODS else 501
                return Refusal(status, None, (("Allow", self.allow),))
            to_tag = _checked_to_tag(request)
            headers = request.headers
            if method == "INVITE" and to_tag is None and request.max_forwards == 0:
                # A B2BUA sends a new INVITE on, so loops end here as in a proxy (16.3 step 3). Any
                # other request has arrived, and so has one in a dialog, which is with us.
                return Refusal(483)
            refusal = self._extension_refusal(request) if "require" in headers else None
            if refusal is None and request.body and method in _DESCRIBED:
                refusal = _content_refusal(request)
            if refusal is None and method == "INVITE" and "accept" in headers:
                refusal = None if _takes_answer(request) else Refusal(406)
            return refusal or Accepted(to_tag)
        except RemoteError as error:
            return Refusal(error.status_hint, reason_of(error))

    def _extension_refusal(self, request: Request) -> Refusal | None:
        unsupported = [tag for tag in request.tokens("require") if tag not in self._supported]
        if not unsupported:
            return None
        return Refusal(420, None, (("Unsupported", ", ".join(unsupported)),))


def _checked_to_tag(request: Request) -> str | None:
    """The To tag, when all that the user will read can be read. Raises RemoteError.

    Inside a dialog only Call-ID and tags are read, by which the dialog is found.
    """
    request.call_id  # noqa: B018  # parsed for its errors
    to_tag = request.to_tag
    if to_tag is not None:
        request.from_tag  # noqa: B018
        return to_tag
    parse_uri(request.uri)  # 416 for a foreign scheme
    read_address(request.headers["from"][0], "From")
    read_address(request.headers["to"][0], "To")
    return None


def _content_refusal(request: Request) -> Refusal | None:
    """A body that is no plain session description (8.2.3)."""
    if request.headers.get("content-type") == _USUAL_TYPE and (
        "content-encoding" not in request.headers
    ):
        return None
    if (request.first("content-encoding") or "identity").strip().lower() != "identity":
        return Refusal(415, None, (("Accept-Encoding", "identity"),))
    if request.content_type != BODY_TYPE:
        return Refusal(415, None, (("Accept", BODY_TYPE),))
    return None


def _takes_answer(request: Request) -> bool:
    """Whether Accept has room for the session description of our 2xx (20.1); an empty one has for
    nothing. Read loosely: no call should fail for a comma too many in what few peers send."""
    ranges = ",".join(request.all("accept")).split(",")
    return not _RANGES.isdisjoint(each.partition(";")[0].strip().lower() for each in ranges)


REASON_CHARS_MAX = 100
"""Of the reason phrase that names what was wrong: it must stay one short line."""


def reason_of(error: RemoteError) -> str | None:
    """What was wrong, as the reason phrase of a 400: it helps whoever built the peer (21.4.1)."""
    text = str(error)
    if error.status_hint != 400 or not (text.isascii() and text.isprintable()):
        return None
    return text[:REASON_CHARS_MAX]
