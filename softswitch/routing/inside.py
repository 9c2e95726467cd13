"""Calls within an account: what an extension is and whether its user's phones can ring."""

from __future__ import annotations

from softswitch.ids import Extension
from softswitch.routing.model import Account
from softswitch.routing.plan import Refuse, RingUser
from softswitch.routing.question import Question

# Targets that later parts of the switch will serve, as the trace names them.
NOT_BUILT = {
    "group": "call groups are",
    "ivr": "voice menus are",
    "voicemail": "voicemail is",
}


def ring_user(
    question: Question,
    account: Account,
    extension: Extension,
    *,
    caller: str,
    caller_name: str = "",
    timeout_s: int,
) -> RingUser | Refuse:
    """Ring a user of the account, or 404 for no such user and 480 for one without a phone."""
    if extension not in account.users:
        return question.refuse(404, "no_route", f"no user {extension} in account {account.id}")
    if not question.state.reachable(account.id, extension):
        return question.refuse(480, "unreachable", f"user {extension} has no registered phone")
    return RingUser(account.id, extension, caller, caller_name, timeout_s)


def not_built(question: Question, kind: str) -> Refuse:
    """The answer of targets whose part of the switch is not there yet."""
    return question.refuse(501, "failed", f"{NOT_BUILT[kind]} not built yet")


def describe_extension(account: Account, dialled: str) -> tuple[str, str] | None:
    """What an extension is in its account: kind (user, group or ivr) and name."""
    extension = Extension(dialled)
    if (user := account.users.get(extension)) is not None:
        return "user", user.name
    if (group := account.groups.get(extension)) is not None:
        return "group", group.name
    for ivr in account.ivrs.values():
        if ivr.extension == extension:
            return "ivr", ivr.name
    return None
