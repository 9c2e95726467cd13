"""The portal as one site: everything of ``web`` put together."""

from __future__ import annotations

import secrets

from klein import Klein
from twisted.logger import Logger
from twisted.web.server import Site

from web import static_files
from web.deps import PortalDeps
from web.http import Route, klein_app
from web.live_content import LiveContent
from web.render import Renderer
from web.request import PortalRequest
from web.rights import Right
from web.sessions import Sessions
from web.streams import LiveStreams
from web.throttle import SignInThrottle
from web.views import desktop, files, live, overview, preferences, reports, signin, users
from web.visit import PortalState

log = Logger()

# A connection that sends nothing, or has nothing to say any more, is dropped.
CONNECTION_TIMEOUT_S = 60


class Portal:
    """The portal. ``site`` is what listeners serve; ``stop`` ends the open streams."""

    def __init__(self, deps: PortalDeps) -> None:
        static = static_files.load()
        if static.missing:
            log.error(
                "the portal lacks {count} front-end files, run tools/vendor.py: {names}",
                count=len(static.missing),
                names=", ".join(static.missing),
            )
        self.state = _state(deps, static)
        self.routes = routes(demo=bool(deps.demo_logins))
        self.klein: Klein = klein_app(self.state, self.routes)

    def site(self) -> Site:
        """A new site for a listener. Requests are not logged one by one: Twisted's access log was
        measured to cost more than a page."""
        return _QuietSite(
            self.klein.resource(), requestFactory=PortalRequest, timeout=CONNECTION_TIMEOUT_S
        )

    def stop(self) -> None:
        """Close every stream."""
        self.state.streams.stop()


class _QuietSite(Site):
    def log(self, request: object) -> None:
        """Nothing, see ``Portal.site``."""


def routes(*, demo: bool) -> list[Route]:
    """All routes; those of the demo only when it runs."""
    parts = [files, signin, desktop, users, overview, reports, live, preferences]
    found = [route for part in parts for route in part.routes.all]
    return [*found, *(signin.demo_routes.all if demo else [])]


def _state(deps: PortalDeps, static: static_files.StaticFiles) -> PortalState:
    sessions = Sessions(deps.database, deps.monotonic_s, deps.utc_us)
    renderer = Renderer(
        static,
        rights=Right,
        demo_logins=deps.demo_logins,
        sip_domain=deps.sip_domain,
        static_domain=deps.static_domain,
    )
    content = LiveContent(deps, renderer)
    streams = LiveStreams(deps.live, deps.reactor, content.update, sessions.is_in_force)
    sessions.on_close.append(streams.close_session)
    return PortalState(
        deps=deps,
        sessions=sessions,
        throttle=SignInThrottle(),
        renderer=renderer,
        static=static,
        streams=streams,
        visitor_key=secrets.token_bytes(32),
        secure=deps.public_url.startswith("https:"),
    )
