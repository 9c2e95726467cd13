"""One namespace of extensions per account: users, groups, menus (A28)."""

from __future__ import annotations

from collections.abc import Collection

from sqlalchemy import select
from sqlalchemy.orm import Session

from softswitch.fields import extension_problem
from softswitch.store.models import Group, Ivr, User

FIRST_OFFERED = 100  # the administrator's (S78), so a new user of a new account is offered 101


def owners(session: Session, account_id: str) -> dict[str, str]:
    """Who has each extension, in words ("group Managers")."""
    taken: dict[str, str] = {}
    for kind, model in (("user", User), ("group", Group), ("menu", Ivr)):
        rows = select(model.extension, model.name).where(model.account == account_id)
        for extension, name in session.execute(rows):
            if extension:
                taken[extension] = f"{kind} {name}"
    return taken


def refusal(
    session: Session, account_id: str, extension: str, emergency: Collection[str]
) -> str | None:
    """Why the extension cannot be given to a new object, or ``None``."""
    problem = extension_problem(extension, emergency)
    if problem:
        return problem
    owner = owners(session, account_id).get(extension)
    return f"{extension} belongs to {owner}." if owner else None


def next_free(session: Session, account_id: str, emergency: Collection[str]) -> str:
    """The lowest free extension from ``FIRST_OFFERED`` up."""
    taken = owners(session, account_id)
    number = FIRST_OFFERED
    while str(number) in taken or extension_problem(str(number), emergency):
        number += 1
    return str(number)
