"""What in an account refers to an extension or a number, in words a refusal can name."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from sqlalchemy import select
from sqlalchemy.orm import Session

from softswitch.store.models import CallFlow, Group, Ivr

EXTENSION_TARGETS = ("user", "group", "voicemail")


def uses_of_extension(session: Session, account_id: str, extension: str) -> tuple[str, ...]:
    """Groups, menus and call flows that name the extension of a user or group."""
    return tuple(_uses(session, account_id, extension))


def _uses(session: Session, account_id: str, extension: str) -> Iterator[str]:
    for group in session.scalars(select(Group).where(Group.account == account_id)):
        if extension in group.members:
            yield f"group {group.name}"
    for ivr in session.scalars(select(Ivr).where(Ivr.account == account_id)):
        targets = [*ivr.keys.values(), (ivr.inactivity or {}).get("to")]
        if any(names_extension(target, extension) for target in targets):
            yield f"menu {ivr.name}"
    for flow in session.scalars(select(CallFlow).where(CallFlow.account == account_id)):
        targets = [flow.to, *flow.redirects, flow.otherwise]
        if any(names_extension(target, extension) for target in targets):
            yield f"the call flow of {flow.number}"


def names_extension(target: dict[str, Any] | None, extension: str) -> bool:
    """Whether a target leads to the extension."""
    return target is not None and any(target.get(kind) == extension for kind in EXTENSION_TARGETS)
