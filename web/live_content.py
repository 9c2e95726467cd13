"""What an open page is told: the pieces that change, as htmx partials."""

from __future__ import annotations

from web.deps import CallView, PortalDeps
from web.people import people, usage
from web.queries import shell
from web.queries.sessions import SignedIn
from web.render import Renderer
from web.rights import Right, has_right

PAGES = ("board", "desktop", "users", "other")


def visible_calls(deps: PortalDeps, session: SignedIn) -> list[CallView]:
    """The calls that are up and that the session may see: all, or those of its own user."""
    calls = list(deps.live.calls(session.account))
    if has_right(session.role, Right.CALLS_READ):
        return calls
    own = session.extension
    return [call for call in calls if own in (call.caller_extension, call.called_extension)]


class LiveContent:
    """Renders one stream's next message."""

    def __init__(self, deps: PortalDeps, renderer: Renderer) -> None:
        self._deps = deps
        self._renderer = renderer

    async def update(self, session: SignedIn, page: str) -> str:
        """The partials of a page, and those of the top menu that every page has."""
        deps = self._deps
        balance_micros, currency = await deps.database.read(shell.balance, session.account)
        everybody = people(deps.live, deps.snapshots, session.account)
        calls = visible_calls(deps, session)
        return self._renderer.text(
            "live/update.html",
            page=page,
            calls=calls,
            names={person.extension: person.name for person in everybody},
            people=everybody,
            usage=usage(everybody),
            live_calls=len(calls),
            balance_micros=balance_micros,
            currency=currency,
            now_us=deps.utc_us(),
        )
