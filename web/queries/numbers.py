"""The account's numbers and where their calls go (S57 to S60, S114)."""

from __future__ import annotations

from dataclasses import dataclass

from sqlalchemy import select
from sqlalchemy.orm import Session

from softswitch.store.models import CallFlow, CatalogueNumber, Document, Group, User

OWNED = ("reserved", "active", "awaiting_deletion")


@dataclass(frozen=True, slots=True)
class NumberRow:
    """A number of the account. ``routing``: the first target in words, "" when there is no call
    flow and the administrator is called."""

    number: str
    kind: str
    city: str
    status: str
    monthly_micros: int
    bought_us: int | None
    delete_us: int | None
    routing: str


def owned(session: Session, account: str) -> list[NumberRow]:
    """Every number of the account, in order."""
    routing = _targets(session, account)
    query = (
        select(CatalogueNumber)
        .where(CatalogueNumber.account == account, CatalogueNumber.status.in_(OWNED))
        .order_by(CatalogueNumber.number)
    )
    return [
        NumberRow(
            number=row.number,
            kind=row.kind,
            city=row.city,
            status=row.status,
            monthly_micros=row.monthly_fee_micros,
            bought_us=row.bought_us,
            delete_us=row.delete_us,
            routing=routing.get(row.number, ""),
        )
        for row in session.scalars(query)
    ]


def choices(session: Session, account: str) -> list[str]:
    """The numbers that can be shown for calls."""
    return [row.number for row in owned(session, account)]


def _targets(session: Session, account: str) -> dict[str, str]:
    names = _names(session, account)
    flows = session.execute(select(CallFlow.number, CallFlow.to).where(CallFlow.account == account))
    return {number: describe(target, names) for number, target in flows}


def _names(session: Session, account: str) -> dict[str, str]:
    users = session.execute(
        select(User.extension, User.name, User.last_name).where(User.account == account)
    )
    groups = session.execute(select(Group.extension, Group.name).where(Group.account == account))
    named = {extension: f"{name} {last_name}".strip() for extension, name, last_name in users}
    return named | {row.extension: row.name for row in groups}


def describe(target: Document, names: dict[str, str]) -> str:
    """A target of the state file in words ("Anna (101)", "Voicemail of Anna (101)")."""
    kind, value = next(iter(target.items()), ("hangup", True))
    named = f"{names[value]} ({value})" if value in names else str(value)
    words = {
        "user": named,
        "group": f"Group {named}",
        "ivr": f"IVR {value}",
        "voicemail": f"Voicemail of {named}",
        "external": str(value),
        "hangup": "Hang up",
    }
    return words.get(kind, kind)
