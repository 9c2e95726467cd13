"""What an open page is told: the pieces that change, as htmx partials."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial

from sqlalchemy.orm import Session

from web.deps import CallView, PortalDeps
from web.people import people, usage
from web.queries import desktop, shell
from web.queries.sessions import SignedIn
from web.render import Renderer
from web.rights import own_only

DESKTOP = "desktop"
PAGES = ("board", DESKTOP, "users", "other")


def visible_calls(deps: PortalDeps, session: SignedIn) -> list[CallView]:
    """The calls that are up and that the session may see: all, or those of its own user."""
    calls = list(deps.live.calls(session.account))
    own = own_only(session.role, session.extension)
    if not own:
        return calls
    return [call for call in calls if own in (call.caller_extension, call.called_extension)]


@dataclass(frozen=True, slots=True)
class Stored:
    """What a message takes from the store. ``latest``: for the desktop alone."""

    funds: shell.Funds
    latest: desktop.Latest | None


class LiveContent:
    """Renders one stream's next message."""

    def __init__(self, deps: PortalDeps, renderer: Renderer) -> None:
        self._deps = deps
        self._renderer = renderer

    async def update(self, session: SignedIn, page: str) -> str:
        """The partials of a page, and those of the frame that every page has."""
        deps = self._deps
        stored = await deps.database.read(partial(_read, signed_in=session, page=page))
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
            funds=stored.funds,
            latest=stored.latest,
            now_us=deps.utc_us(),
        )


def _read(session: Session, signed_in: SignedIn, page: str) -> Stored:
    """One unit of work for one message."""
    account = signed_in.account
    own = own_only(signed_in.role, signed_in.extension)
    latest = desktop.latest(session, account, own) if page == DESKTOP else None
    return Stored(shell.live_funds(session, account), latest)
