"""Services, payments, support: what there is to read of them so far."""

from __future__ import annotations

from datetime import date
from functools import partial

from sqlalchemy.orm import Session

from softswitch.store.models import Account
from web import formats
from web.http import Routes
from web.queries import fees, numbers, payments
from web.report_filter import Period, read_period
from web.responses import Response
from web.rights import Right
from web.visit import Visit

routes = Routes()

NUMBER_CHARS_MAX = 18  # of a ledger entry's number; more would not fit the column


@routes.get("/services", policy=Right.ACCOUNT_READ)
async def services(visit: Visit) -> Response:
    """What the account has, and what each of it costs a month (S15 to S17)."""
    return await visit.page("services.html", partial(_services, account_id=visit.account))


@routes.get("/payments", policy=Right.ACCOUNT_READ)
async def movements(visit: Visit) -> Response:
    """Every movement of the balance in a period (S41)."""
    before = visit.query.get("before", "")
    known = before.isascii() and before.isdigit() and len(before) <= NUMBER_CHARS_MAX
    read = partial(
        _movements,
        account_id=visit.account,
        query=visit.query,
        before=int(before) if known else 0,
        now_us=visit.deps.utc_us(),
    )
    return await visit.page("payments.html", read, before=known)


@routes.get("/support", policy=Right.SIGNED_IN)
async def support(visit: Visit) -> Response:
    """Whom to call, and answers to the first questions (S51)."""
    return await visit.page("support.html")


def _services(
    session: Session, account_id: str
) -> tuple[fees.Fees, list[numbers.NumberRow], fees.Counts]:
    owned = numbers.owned(session, account_id)
    counts = fees.counts(session, account_id)
    return fees.monthly(session, account_id, owned), owned, counts


def _movements(
    session: Session, account_id: str, query: dict[str, str], before: int, now_us: int
) -> tuple[Period, payments.Movements]:
    account = session.get_one(Account, account_id)
    today: date = formats.local_time(now_us, account.time_zone).date()
    period = read_period(query, today)
    from_us, to_us = period.bounds_us(account.time_zone)
    return period, payments.page(session, account_id, from_us, to_us, before)
