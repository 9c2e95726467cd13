"""Who does it, and the History row that says so (S67, A31)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from sqlalchemy.orm import Session

from softswitch.store.models import History

SECRET_FIELDS = frozenset({"equipment_password", "password", "password_hash", "sip_password"})
MASK = "changed"  # what History shows of a secret


@dataclass(frozen=True, slots=True)
class Actor:
    """Who acts: a user's e-mail, or ``operator``; ``ip`` where from, ``at_us`` when (UTC)."""

    name: str
    ip: str
    at_us: int


def record(
    session: Session,
    by: Actor,
    account: str | None,
    what: str,
    thing: str,
    *,
    before: Mapping[str, Any] | None = None,
    after: Mapping[str, Any] | None = None,
) -> None:
    """Append a row. Of ``before`` and ``after`` only what differs is kept, secrets masked."""
    old, new = differing(before, after)
    session.add(
        History(
            account=account,
            at_us=by.at_us,
            actor=by.name[:80],
            ip=by.ip[:45],
            what=what,
            object=thing[:80],
            before=old,
            after=new,
        )
    )


def differing(
    before: Mapping[str, Any] | None, after: Mapping[str, Any] | None
) -> tuple[dict[str, Any] | None, dict[str, Any] | None]:
    """Both sides reduced to the fields that differ, with secrets masked."""
    old, new = before or {}, after or {}
    changed = [key for key in {**old, **new} if old.get(key) != new.get(key)]
    return (
        {key: _shown(key, old[key]) for key in changed if key in old} or None,
        {key: _shown(key, new[key]) for key in changed if key in new} or None,
    )


def _shown(key: str, value: Any) -> Any:
    return MASK if key in SECRET_FIELDS and value else value
