"""What views return, and the errors that they raise. Nothing here touches a socket."""

from __future__ import annotations

from dataclasses import dataclass

HTML = "text/html; charset=utf-8"
TEXT = "text/plain; charset=utf-8"

CONTENT_SECURITY_POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; "
    "font-src 'self'; connect-src 'self'; media-src 'self' blob:; worker-src 'self'; "
    "form-action 'self'; frame-ancestors 'none'; base-uri 'none'; manifest-src 'self'"
)
SECURITY_HEADERS = (
    ("Content-Security-Policy", CONTENT_SECURITY_POLICY),
    ("X-Content-Type-Options", "nosniff"),
    ("Referrer-Policy", "same-origin"),
    ("Cross-Origin-Opener-Policy", "same-origin"),
    ("Permissions-Policy", "microphone=(self), camera=(), geolocation=()"),
)
STRICT_TRANSPORT = ("Strict-Transport-Security", "max-age=31536000")
NO_STORE = ("Cache-Control", "no-store")
IMMUTABLE = ("Cache-Control", "public, max-age=31536000, immutable")


@dataclass(frozen=True, slots=True)
class Response:
    """A whole answer. ``encoding`` is set when ``body`` is compressed already."""

    body: bytes
    status: int = 200
    content_type: str = HTML
    headers: tuple[tuple[str, str], ...] = (NO_STORE,)
    encoding: str = ""

    def with_header(self, name: str, value: str) -> Response:
        """The same answer with one more header."""
        return Response(
            self.body,
            self.status,
            self.content_type,
            (*self.headers, (name, value)),
            self.encoding,
        )


def redirect(location: str) -> Response:
    """See other: after a form was obeyed, or to the page that is meant."""
    return Response(b"", 303, TEXT, (NO_STORE, ("Location", location)))


class HttpError(Exception):
    """An error page. ``text`` is a sentence for the person; ``headers`` are added."""

    def __init__(
        self, status: int, text: str = "", headers: tuple[tuple[str, str], ...] = ()
    ) -> None:
        super().__init__(status, text)
        self.status = status
        self.text = text
        self.headers = headers


def not_found() -> HttpError:
    """Not there, or not this account's: the two cannot be told apart."""
    return HttpError(404)
