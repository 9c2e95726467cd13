"""The number that a call out shows: designated, the equipment's own, or the default (S74, S79-S82).

No number that is not the account's ever leaves the switch.
"""

from __future__ import annotations

from softswitch.routing.dialling import clean, from_carrier, to_e164
from softswitch.routing.model import Account, User
from softswitch.routing.question import Question

ON_EQUIPMENT = "equipment"
DEFAULT = "default"


def caller_number(question: Question, account: Account, user: User, presented: str) -> str | None:
    """The number for a user's call, ``None`` when there is none (A23). ``presented`` is what the
    equipment sent (A22)."""
    if user.designated_number == DEFAULT:
        return default_number(question, account, f"user {user.extension} has no own number")
    if user.designated_number == ON_EQUIPMENT:
        return _from_equipment(question, account, presented)
    if question.owns(account, user.designated_number):
        question.say(
            f"caller number {user.designated_number}: designated number of user {user.extension}"
        )
        return user.designated_number
    why = f"designated number {user.designated_number} is not a working number of the account"
    return default_number(question, account, why)


def default_number(question: Question, account: Account, why: str) -> str | None:
    """The account's default designated number (S82) as long as it is the account's."""
    number = account.default_number
    if number is None:
        question.say(f"no caller number: {why}, and the account has no default number")
        return None
    if not question.owns(account, number):
        question.say(f"no caller number: {why}, and default {number} is not a working number")
        return None
    question.say(f"caller number {number}: default designated number, because {why}")
    return number


def emergency_number(
    question: Question, account: Account, user: User, presented: str
) -> str | None:
    """As ``caller_number``, else any number of the account: the call goes out in any case (A23)."""
    number = caller_number(question, account, user, presented)
    if number is not None:
        return number
    owned = sorted(number for number in account.numbers if question.owns(account, number))
    if not owned:
        return None
    question.say(f"caller number {owned[0]}: a number of the account, for an emergency call")
    return owned[0]


def forwarded_number(question: Question, account: Account, called: str) -> str:
    """The number that a forwarded call shows: the account's default, else the number that was
    called, which is the account's too. The original caller's is not ours to show."""
    if account.default_number is not None and question.owns(account, account.default_number):
        question.say(f"caller number {account.default_number}: default designated number")
        return account.default_number
    question.say(f"caller number {called}: the number that was called")
    return called


def _from_equipment(question: Question, account: Account, presented: str) -> str | None:
    if not presented:
        return default_number(question, account, "the equipment sent no number")
    sent = clean(presented)
    # Some equipment sends the international form without "+". The comparison with the account's
    # own numbers makes it safe to try both readings.
    for number in (to_e164(sent, account.country), from_carrier(sent)):
        if number is not None and question.owns(account, number):
            question.say(f"caller number {number}: sent by the equipment, a number of the account")
            return number
    why = f"the equipment sent {sent[:32]!r}, which is not a number of the account"
    return default_number(question, account, why)
