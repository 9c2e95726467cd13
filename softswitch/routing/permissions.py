"""What an account's status allows its calls (billing rule 54's table, rules 10 and 15)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from softswitch.routing.model import Account


@dataclass(frozen=True, slots=True)
class Permissions:
    """One row: which calls take place. ``why`` completes "account 000000212 is ..."."""

    why: str
    incoming: bool
    outgoing: bool
    internal: bool
    emergency: bool = True


# "blocked for money" and "low" come from the balance. A snapshot does not know it, the hold does;
# they stand here so that the table is whole for whoever passes them.
PERMISSIONS: Mapping[str, Permissions] = {
    "active": Permissions("active", True, True, True),
    "low": Permissions("active, low balance", True, True, True),
    "not_activated": Permissions("not activated", False, False, False),
    "blocked_money": Permissions("blocked for money", False, False, False),
    "blocked_operator": Permissions("blocked by the operator", False, False, False),
    "blocked_fraud": Permissions("blocked for fraud", True, False, True),
    "closed": Permissions("closed", False, False, False, emergency=False),
}


def why_stopped(account: Account | None, *, incoming: bool) -> str | None:
    """Why a paid call that is up may not go on past what is paid for (rule 55), or ``None``."""
    if account is None:
        return "the account was removed"
    permissions = PERMISSIONS[account.status]
    if permissions.incoming if incoming else permissions.outgoing:
        return None
    return f"account {account.id} is {permissions.why}"
