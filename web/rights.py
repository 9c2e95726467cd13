"""Who may do what: rights bound to roles in one table, which menu, buttons and routes read."""

from __future__ import annotations

from enum import StrEnum


class Right(StrEnum):
    """What a route asks for."""

    SIGNED_IN = "signed_in"  # everybody who has signed in
    ACCOUNT_READ = "account.read"
    USERS_WRITE = "users.write"
    CALLS_READ = "calls.read"  # all of the account's calls; without it, one's own


class Anyone(StrEnum):
    """The policy of routes that need no sign-in."""

    ANYONE = "anyone"


ANYONE = Anyone.ANYONE
Policy = Right | Anyone

ROLES: dict[str, frozenset[Right]] = {
    "administrator": frozenset(Right),
    "user": frozenset({Right.SIGNED_IN}),
}


def own_only(role: str, extension: str) -> str:
    """The one user whose calls may be seen, "" when those of the whole account may."""
    return "" if has_right(role, Right.CALLS_READ) else extension


def has_right(role: str, right: Right) -> bool:
    """Whether a role includes a right; an unknown role includes none."""
    return right in ROLES.get(role, frozenset())
