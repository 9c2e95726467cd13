"""One request as a view sees it: who asks, what was sent, and the ways to answer."""

from __future__ import annotations

import secrets
from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from typing import Any, TypeVar

from sqlalchemy.orm import Session
from twisted.internet.defer import Deferred

from softswitch.admin.history import Actor
from web import csrf
from web.deps import PortalDeps
from web.forms import BadForm, Fields, parse_urlencoded, single_values
from web.queries import shell
from web.queries.sessions import SignedIn
from web.render import Renderer
from web.request import PortalRequest
from web.responses import HttpError, Response
from web.rights import Right, has_right, own_only
from web.sessions import Sessions
from web.static_files import StaticFiles
from web.streams import LiveStreams
from web.throttle import SignInThrottle

T = TypeVar("T")

THEMES = ("auto", "light", "dark")
SID = "sid"
SECURE_SID = "__Host-sid"  # the prefix binds the cookie to this host and to https


@dataclass(frozen=True, slots=True)
class PortalState:
    """What lives as long as the portal does."""

    deps: PortalDeps
    sessions: Sessions
    throttle: SignInThrottle
    renderer: Renderer
    static: StaticFiles
    streams: LiveStreams
    visitor_key: bytes
    secure: bool

    @property
    def sid_cookie(self) -> str:
        """The session cookie's name."""
        return SECURE_SID if self.secure else SID


class Visit:
    """A request, parsed as far as the view asks."""

    def __init__(self, state: PortalState, request: PortalRequest) -> None:
        self.state = state
        self.deps = state.deps
        self.request = request
        self.session: SignedIn | None = None
        self._new_cookies: list[str] = []

    @property
    def signed_in(self) -> SignedIn:
        """The session; only in views whose policy asks for one."""
        assert self.session is not None, "the route's policy let a visitor in"
        return self.session

    @property
    def account(self) -> str:
        """The tenant: from the session, never from what was sent."""
        return self.signed_in.account

    def may(self, right: Right) -> bool:
        """Whether who asks has a right."""
        return self.session is not None and has_right(self.session.role, right)

    @property
    def own_only(self) -> str:
        """The one user whose calls may be seen, "" when those of the whole account may."""
        return own_only(self.signed_in.role, self.signed_in.extension)

    @cached_property
    def path(self) -> str:
        """The path as sent."""
        raw: bytes = self.request.path
        return raw.decode("ascii", "replace")

    @cached_property
    def query(self) -> dict[str, str]:
        """The query string's fields."""
        _, _, raw = self.request.uri.partition(b"?")
        return single_values(self._parsed(raw))

    @cached_property
    def fields(self) -> dict[str, str]:
        """The form's fields."""
        return single_values(self._parsed(bytes(self.request.body)))

    @staticmethod
    def _parsed(raw: bytes) -> Fields:
        try:
            return parse_urlencoded(raw)
        except BadForm as error:
            raise HttpError(400, "This form has too many fields.") from error

    def header(self, name: str) -> str | None:
        """A request header, the first of that name."""
        value: str | None = self.request.getHeader(name)
        return value

    def cookie(self, name: str) -> str:
        """A cookie's value, "" when it was not sent."""
        raw: bytes = self.request.received_cookies.get(name.encode(), b"")
        return raw.decode("ascii", "replace")

    @cached_property
    def address(self) -> str:
        """Where the request comes from."""
        peer = self.request.getClientAddress()
        return str(getattr(peer, "host", "") or "")

    @property
    def actor(self) -> Actor:
        """Who acts, for commands that write History."""
        session = self.signed_in
        return Actor(session.email, self.address, self.deps.utc_us())

    async def read(self, fn: Callable[..., T], *args: Any) -> T:
        """A unit of work that reads: ``fn(session, *args)``."""
        return await self.deps.database.read(fn, *args)

    def command(self, fn: Callable[..., T], *args: Any) -> Deferred[T]:
        """A write command for this account. It runs to its end even if the browser leaves: Klein
        then cancels the view, which stops waiting, and nothing more."""
        return self.deps.commands.run(fn, *args, account=self.account)

    async def page(
        self,
        template: str,
        read: Callable[[Session], T] | None = None,
        *,
        status: int = 200,
        **values: Any,
    ) -> Response:
        """A signed-in page: the shell and ``data = read(session)`` in one unit of work."""
        frame, data = await self.read(_framed, self.account, self.signed_in.user, read)
        return self.render(template, status=status, shell=frame, data=data, **values)

    def render(self, template: str, *, status: int = 200, **values: Any) -> Response:
        """A page, with what every page needs."""
        live_calls = len(self.deps.live.calls(self.account)) if self.session else 0
        response = self.state.renderer.page(
            template,
            status=status,
            compress="gzip" in (self.header("accept-encoding") or ""),
            visit=self,
            live_calls=live_calls,
            **values,
        )
        return self.with_cookies(response)

    def with_cookies(self, response: Response) -> Response:
        """The answer with the cookies that this visit sets."""
        for cookie in self._new_cookies:
            response = response.with_header("Set-Cookie", cookie)
        self._new_cookies.clear()
        return response

    def set_cookie(
        self, name: str, value: str, *, max_age_s: int | None = None, same_site: str = "Lax"
    ) -> None:
        """A cookie of ours: never readable by scripts, only over https when the portal is."""
        age = "" if max_age_s is None else f"; Max-Age={max_age_s}"
        secure = "; Secure" if self.state.secure else ""
        self._new_cookies.append(
            f"{name}={value}; Path=/; HttpOnly; SameSite={same_site}{secure}{age}"
        )

    @cached_property
    def csrf(self) -> str:
        """The token that this page's forms carry."""
        if self.session is not None:
            return csrf.mask(self.session.csrf, secrets.token_bytes(csrf.TOKEN_BYTES))
        cookie = self.cookie(self.visitor_cookie)
        if not cookie:
            cookie = secrets.token_urlsafe(16)
            self.set_cookie(self.visitor_cookie, cookie, same_site="Strict")
        return csrf.visitor_token(self.state.visitor_key, cookie)

    @property
    def visitor_cookie(self) -> str:
        """The name of the cookie that the sign-in form's token fits."""
        return "__Host-visitor" if self.state.secure else "visitor"

    @property
    def theme(self) -> str:
        """auto | light | dark"""
        chosen = self.cookie("theme")
        return chosen if chosen in THEMES else "auto"

    @property
    def menu_small(self) -> bool:
        """Whether the sidebar is minimised."""
        return self.cookie("menu") == "small"

    @property
    def is_fragment(self) -> bool:
        """Whether htmx asks; it gets the same page and takes a part of it."""
        return self.header("hx-request") == "true"


def _framed(
    session: Session, account: str, user: str, read: Callable[[Session], T] | None
) -> tuple[shell.Shell, T | None]:
    return shell.load(session, account, user), read(session) if read else None
