"""What stops a call whatever it is for: the account's status and channels that are all in use.

A full account or number answers 486: people hear "busy", carriers do not try elsewhere, and phones
do not leave the server as they may after 503.
"""

from __future__ import annotations

from softswitch.routing.model import Account, Number
from softswitch.routing.permissions import PERMISSIONS
from softswitch.routing.plan import Refuse
from softswitch.routing.question import Question


def stopped_out(question: Question, account: Account) -> Refuse | None:
    """Why the account's calls to outside numbers do not take place, if they do not."""
    if PERMISSIONS[account.status].outgoing and not account.channels:
        return None  # nearly always
    return blocked_out(question, account) or account_full(question, account)


def stopped_in(question: Question, account: Account, number: Number) -> Refuse | None:
    """Why calls to a number of the account do not take place, if they do not."""
    if PERMISSIONS[account.status].incoming and not (account.channels or number.channels):
        return None  # nearly always
    return (
        blocked_in(question, account)
        or account_full(question, account)
        or number_full(question, number)
    )


def blocked_out(question: Question, account: Account) -> Refuse | None:
    """403 when the account's status allows no calls to outside numbers."""
    permissions = PERMISSIONS[account.status]
    if permissions.outgoing:
        return None
    why = f"account {account.id} is {permissions.why}: no outgoing calls"
    return question.refuse(403, "blocked", why)


def blocked_internal(question: Question, account: Account) -> Refuse | None:
    """403 when the account's status allows no calls between its users."""
    permissions = PERMISSIONS[account.status]
    if permissions.internal:
        return None
    why = f"account {account.id} is {permissions.why}: no internal calls"
    return question.refuse(403, "blocked", why)


def blocked_in(question: Question, account: Account) -> Refuse | None:
    """480, which tells a stranger nothing, when the account's status takes no calls (A32)."""
    permissions = PERMISSIONS[account.status]
    if permissions.incoming:
        return None
    why = f"account {account.id} is {permissions.why}: no incoming calls"
    return question.refuse(480, "blocked", why)


def account_full(question: Question, account: Account) -> Refuse | None:
    """486 when the account has all its channels in use (A24, billing rule 21)."""
    if not 0 < account.channels <= question.state.account_calls(account.id):
        return None
    why = f"all {account.channels} channels of account {account.id} are busy"
    return question.refuse(486, "busy", why)


def number_full(question: Question, number: Number) -> Refuse | None:
    """486 when the number that is called has all its channels in use (A24)."""
    if not 0 < number.channels <= question.state.number_calls(number.number):
        return None
    why = f"all {number.channels} channels of {number.number} are busy"
    return question.refuse(486, "busy", why)
