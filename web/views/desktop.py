"""The first page after signing in (S53 to S60)."""

from __future__ import annotations

from functools import partial

from web.http import Routes
from web.people import people, usage
from web.queries import desktop as queries
from web.responses import Response
from web.rights import Right
from web.visit import Visit

routes = Routes()


@routes.get("/", policy=Right.SIGNED_IN)
async def desktop(visit: Visit) -> Response:
    """Money, latest calls, who is busy, the numbers."""
    own = visit.own_only
    everybody = people(visit.deps.live, visit.deps.snapshots, visit.account)
    return await visit.page(
        "desktop.html",
        partial(
            queries.load,
            account_id=visit.account,
            own_extension=own,
            now_us=visit.deps.utc_us(),
        ),
        usage=usage(everybody),
    )
