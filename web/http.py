"""The thin layer on Klein: routes with methods and policy, the order of checks, error pages.

All use of Klein is here. A route without methods would answer every verb, and one without a policy
everybody, so the decorator asks for both, and a test walks the map.
"""

from __future__ import annotations

import secrets
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote

from klein import Klein
from twisted.internet.defer import CancelledError
from twisted.logger import Logger
from werkzeug.exceptions import HTTPException, MethodNotAllowed
from werkzeug.routing import RequestRedirect

from web import csrf
from web.request import PortalRequest
from web.responses import (
    NO_STORE,
    SECURITY_HEADERS,
    STRICT_TRANSPORT,
    TEXT,
    HttpError,
    Response,
    redirect,
)
from web.rights import Anyone, Policy
from web.visit import PortalState, Visit

log = Logger()

PATH_BYTES_MAX = 2048
REF_BYTES = 4  # of the reference on an error page, enough to find the line in a day's log


@dataclass(frozen=True, slots=True)
class Streaming:
    """A view's answer that goes on: ``serve`` writes to the request and returns at its end."""

    serve: Callable[[], Awaitable[None]]


Answer = Response | Streaming
View = Callable[..., Awaitable[Answer]]


@dataclass(frozen=True, slots=True)
class Route:
    """An address, the verbs that it answers, who may ask, and the view that answers."""

    path: str
    methods: tuple[str, ...]
    policy: Policy
    view: View

    @property
    def endpoint(self) -> str:
        """A name for Klein's map."""
        return f"{'+'.join(self.methods)} {self.path}"


class Routes:
    """A part's routes, in the order in which they are declared."""

    def __init__(self) -> None:
        self.all: list[Route] = []

    def get(self, path: str, *, policy: Policy) -> Callable[[View], View]:
        """Declare a view that reads; HEAD comes with it."""
        return self._route(path, ("GET",), policy)

    def post(self, path: str, *, policy: Policy) -> Callable[[View], View]:
        """Declare a view that changes something."""
        return self._route(path, ("POST",), policy)

    def _route(self, path: str, methods: tuple[str, ...], policy: Policy) -> Callable[[View], View]:
        def declare(view: View) -> View:
            self.all.append(Route(path, methods, policy, view))
            return view

        return declare


def klein_app(state: PortalState, routes: list[Route]) -> Klein:
    """A Klein application that answers ``routes``, and errors with our pages."""
    app = Klein()
    for route in routes:
        _add(app, state, route)

    @app.handle_errors(HTTPException)
    def unrouted(request: PortalRequest, failure: Any) -> bytes:
        return _write(state, request, _unrouted(Visit(state, request), failure.value))

    return app


def _add(app: Klein, state: PortalState, route: Route) -> None:
    async def endpoint(request: PortalRequest, **parts: str) -> bytes | None:
        answer = await _answer(Visit(state, request), route, parts)
        if isinstance(answer, Response):
            return _write(state, request, answer)
        return await _stream(state, request, answer)

    endpoint.__name__ = route.endpoint
    app.route(route.path, methods=list(route.methods), strict_slashes=True)(endpoint)


async def _answer(visit: Visit, route: Route, parts: dict[str, str]) -> Answer:
    """Check, then ask the view; whatever goes wrong becomes a page."""
    try:
        await _check(visit, route)
        return await route.view(visit, **parts)
    except HttpError as error:
        return await error_page(visit, error)
    except _SignInFirst as first:
        return first.response
    except CancelledError:  # the browser has left
        raise
    except Exception:
        reference = secrets.token_hex(REF_BYTES).upper()
        log.failure("page failed {route} {ref}", route=route.endpoint, ref=reference)
        return await error_page(visit, HttpError(500, reference))


class _SignInFirst(Exception):
    def __init__(self, response: Response) -> None:
        super().__init__()
        self.response = response


async def _check(visit: Visit, route: Route) -> None:
    request = visit.request
    if request.too_large:
        raise HttpError(413)
    if len(request.uri) > PATH_BYTES_MAX:
        raise HttpError(414)
    unsafe = request.method not in csrf.SAFE_METHODS
    if unsafe and not _same_origin(visit):
        raise HttpError(403, "This form was not sent by a page of this portal.")
    await _admit(visit, route.policy)
    if unsafe and not _token_matches(visit):
        raise HttpError(403, "This page was open for too long. Load it again and repeat.")


def _same_origin(visit: Visit) -> bool:
    return csrf.is_same_origin(
        visit.header("sec-fetch-site"), visit.header("origin"), visit.header("host")
    )


def _token_matches(visit: Visit) -> bool:
    sent = visit.header("x-csrf-token") or visit.fields.get("csrf", "")
    if visit.session is not None:
        return csrf.unmasked_matches(sent, visit.session.csrf)
    return csrf.visitor_matches(sent, visit.state.visitor_key, visit.cookie(visit.visitor_cookie))


async def _admit(visit: Visit, policy: Policy) -> None:
    cookie = visit.cookie(visit.state.sid_cookie)
    visit.session = await visit.state.sessions.find(cookie) if cookie else None
    if isinstance(policy, Anyone):
        return
    if visit.session is None:
        raise _SignInFirst(_sign_in_first(visit))
    if not visit.may(policy):
        raise HttpError(403)


def _sign_in_first(visit: Visit) -> Response:
    if visit.is_fragment:  # htmx would put the sign-in page into the middle of the old one
        return Response(b"", 401, TEXT, (NO_STORE, ("HX-Redirect", "/login")))
    back = visit.path if visit.request.method == b"GET" and visit.path != "/" else ""
    return redirect(f"/login?next={quote(back, safe='')}" if back else "/login")


async def error_page(visit: Visit, error: HttpError) -> Response:
    """The page of an error, in the shell for those who have signed in. If even that fails (the
    database is away), the page without the shell."""
    page = None
    if visit.session is not None:
        try:
            page = await visit.page(
                "error.html", status=error.status, code=error.status, text=error.text
            )
        except CancelledError:
            raise
        except Exception:
            log.failure("error page without its shell {status}", status=error.status)
    page = page or _bare_error(visit, error)
    for name, value in error.headers:
        page = page.with_header(name, value)
    return page


def _bare_error(visit: Visit, error: HttpError) -> Response:
    visit.session = None
    return visit.render("error_bare.html", status=error.status, code=error.status, text=error.text)


def _unrouted(visit: Visit, error: HTTPException) -> Response:
    if isinstance(error, RequestRedirect):
        return redirect(visit.path.rstrip("/") or "/")
    status = error.code or 500
    headers: tuple[tuple[str, str], ...] = ()
    if isinstance(error, MethodNotAllowed) and error.valid_methods:
        headers = (("Allow", ", ".join(sorted(error.valid_methods))),)
    page = _bare_error(visit, HttpError(status))
    for name, value in headers:
        page = page.with_header(name, value)
    return page


def _write(state: PortalState, request: PortalRequest, response: Response) -> bytes:
    """Put status and headers on the request; Klein writes the body that comes back."""
    request.setResponseCode(response.status)
    _put_headers(state, request, response)
    request.setHeader("Content-Length", str(len(response.body)))
    if response.encoding:
        request.setHeader("Content-Encoding", response.encoding)
    if request.too_large:
        request.setHeader("Connection", "close")
    return response.body


def _put_headers(state: PortalState, request: PortalRequest, response: Response) -> None:
    request.responseHeaders.removeHeader("Server")
    request.setHeader("Content-Type", response.content_type)
    for name, value in SECURITY_HEADERS:
        request.setHeader(name, value)
    if state.secure:
        request.setHeader(*STRICT_TRANSPORT)
    for name, value in response.headers:
        request.responseHeaders.addRawHeader(name, value)


async def _stream(state: PortalState, request: PortalRequest, answer: Streaming) -> bytes | None:
    request.responseHeaders.removeHeader("Server")
    await answer.serve()
    return b""
