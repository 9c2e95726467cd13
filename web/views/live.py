"""The live board and the stream that keeps open pages up to date (portal study R5)."""

from __future__ import annotations

from functools import partial

from web.http import Routes, Streaming
from web.live_content import PAGES, visible_calls
from web.people import people, usage
from web.responses import HttpError, Response
from web.rights import Right
from web.streams import STREAMS_PER_ACCOUNT_MAX
from web.visit import Visit

routes = Routes()

BUSY_RETRY_S = "30"


@routes.get("/reports/live", policy=Right.SIGNED_IN)
async def board(visit: Visit) -> Response:
    """Calls that are up now, and who is free."""
    everybody = people(visit.deps.live, visit.deps.snapshots, visit.account)
    return await visit.page(
        "live/board.html",
        calls=visible_calls(visit.deps, visit.signed_in),
        names={person.extension: person.name for person in everybody},
        people=everybody,
        usage=usage(everybody),
        now_us=visit.deps.utc_us(),
    )


@routes.get("/live/events", policy=Right.SIGNED_IN)
async def events(visit: Visit) -> Streaming:
    """Server-sent events for a page. What they may tell comes from the session alone."""
    session = visit.signed_in
    streams = visit.state.streams
    if streams.count(session.account) >= STREAMS_PER_ACCOUNT_MAX:
        raise HttpError(503, "Too many pages are open.", (("Retry-After", BUSY_RETRY_S),))
    page = visit.query.get("page", "other")
    if page not in PAGES:
        raise HttpError(404)
    return Streaming(partial(streams.serve, visit.request, session, page))
