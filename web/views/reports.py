"""Reports: the list of calls with its filter, and one call (S61, S62)."""

from __future__ import annotations

from datetime import date
from functools import partial

from sqlalchemy.orm import Session

from softswitch.store.models import Account
from web import formats
from web.http import Routes
from web.price_words import explain
from web.queries import calls, numbers
from web.report_filter import DIRECTIONS, RESULTS, ReportFilter, read_filter
from web.responses import Response, not_found
from web.rights import Right
from web.visit import Visit

routes = Routes()


@routes.get("/reports/calls", policy=Right.SIGNED_IN)
async def listing(visit: Visit) -> Response:
    """The calls that the filter in the address lets through, newest first."""
    own = visit.own_only
    after = visit.query.get("after", "")
    read = partial(
        _list, account_id=visit.account, query=visit.query, own=own, now_us=visit.deps.utc_us()
    )
    return await visit.page(
        "reports/calls.html",
        partial(read, after=after),
        directions=DIRECTIONS,
        results=RESULTS,
        after=after,
    )


@routes.get("/reports/calls/<call_id>", policy=Right.SIGNED_IN)
async def call(visit: Visit, call_id: str) -> Response:
    """One call: who, when, which phones, what it cost, and why it went where it went."""
    own = visit.own_only
    details = await visit.read(calls.details, visit.account, call_id, own)
    if details is None:
        raise not_found()
    words = explain(visit.deps.snapshots.current, visit.account, details)
    return await visit.page("reports/call.html", call=details, price_words=words)


class CallList:
    """What the list page shows."""

    def __init__(self, chosen: ReportFilter, page: calls.CallPage, offered: calls.Choices) -> None:
        self.chosen = chosen
        self.page = page
        self.offered = offered


def _list(
    session: Session,
    account_id: str,
    query: dict[str, str],
    own: str,
    now_us: int,
    after: str,
) -> CallList:
    account = session.get_one(Account, account_id)
    today: date = formats.local_time(now_us, account.time_zone).date()
    chosen = read_filter(query, today)
    wanted = chosen.restriction(account.time_zone, own, partial(_members, session, account_id))
    offered = calls.choices(session, account_id, numbers.choices(session, account_id))
    return CallList(chosen, calls.page(session, account_id, wanted, after), offered)


def _members(session: Session, account_id: str, extension: str) -> tuple[str, ...]:
    return calls.group_members(session, account_id, extension)
