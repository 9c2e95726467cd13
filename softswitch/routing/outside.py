"""A call to a number outside the switch: what it costs and which trunks take it.

Used for what users dial and for what call flows forward to (billing rule 12).
"""

from __future__ import annotations

from collections.abc import Iterable
from functools import lru_cache

from billing.money import format_micros
from billing.tariff import Rate
from softswitch.routing.model import Account
from softswitch.routing.numbers import CALLED, CALLER, outgoing
from softswitch.routing.plan import DialTrunks, Payment, Refuse
from softswitch.routing.question import Question

ROWS_DESCRIBED = 4096  # trace lines kept: tariff rows that the calls of a busy hour are priced by


def dial_outside(
    question: Question, account: Account, number: str, caller: str, timeout_s: int
) -> DialTrunks | Refuse:
    """The step for an E.164 number that is not ours, paid by the account; the account's permission
    is the caller's business."""
    rate = find_rate(question, account, "out", number)
    if isinstance(rate, Refuse):
        return rate
    trunks = trunks_for(question, number)
    if isinstance(trunks, Refuse):
        return trunks
    say_numbers(question, trunks, number, caller)
    return DialTrunks(number, trunks, caller, Payment(account.id, rate), timeout_s)


def find_rate(question: Question, account: Account, direction: str, number: str) -> Rate | Refuse:
    """The row that prices a call at its start, by the account's date (rules 8 and 9). No row is a
    refusal, never a free call."""
    if account.tariff is None:
        return question.refuse(404, "no_route", f"account {account.id} has no tariff")
    date = question.local_time(account).date().isoformat()
    rate = account.tariff.find(direction, number, date)
    name = account.tariff.name
    if rate is None:
        shown = number or "a withheld number"
        why = f'tariff {name} has no row "{direction}" for {shown} on {date}'
        return question.refuse(404, "no_route", why)
    if rate.blocked:
        why = f'tariff {name} blocks prefix "{rate.prefix}" ({rate.destination})'
        return question.refuse(403, "blocked", why)
    question.say(
        _describe(
            rate.tariff,
            rate.version,
            rate.prefix,
            rate.destination,
            rate.per_minute_micros,
            rate.currency,
            rate.initial_s,
            rate.increment_s,
        )
    )
    return rate


@lru_cache(maxsize=ROWS_DESCRIBED)
def _describe(
    tariff: str,
    version: int,
    prefix: str,
    destination: str,
    per_minute_micros: int,
    currency: str,
    initial_s: int,
    increment_s: int,
) -> str:
    """For the trace: what a row is and costs."""
    return (
        f'tariff {tariff} version {version}: prefix "{prefix}" {destination}, '
        f"{format_micros(per_minute_micros)} {currency} a minute, {initial_s}/{increment_s}"
    )


def trunks_for(question: Question, number: str) -> tuple[str, ...] | Refuse:
    """The trunks of the longest route prefix that have a channel free, in order."""
    snapshot = question.snapshot
    routes, digits = snapshot.routes, number.removeprefix("+")
    for length in snapshot.route_lengths:
        prefix = digits[:length]
        names = routes.get(prefix)
        if names is not None:
            question.say(f'longest route prefix "{prefix}": trunks {", ".join(names)}')
            return _with_free_channel(question, names)
    return question.refuse(404, "no_route", f"no route for {number}")


def say_numbers(question: Question, trunks: Iterable[str], number: str, caller: str) -> None:
    """Tell the trace what goes out to trunks that have rules for it."""
    for name in trunks:
        trunk = question.snapshot.trunks[name]
        if trunk.outbound_numbers:
            called = outgoing(trunk, number, CALLED)
            question.say(f"trunk {name} is sent {called.number} ({called.rule})")
            if caller:
                shown = outgoing(trunk, caller, CALLER)
                question.say(f"trunk {name} is shown {shown.number} ({shown.rule})")


def answering_first(question: Question, names: tuple[str, ...]) -> tuple[str, ...]:
    """All of them, for an emergency call, but those that are down behind the others."""
    down = {name: since for name in names if (since := question.state.trunk_down(name)) is not None}
    for name, since in down.items():
        question.say(f"trunk {name} is {since}: tried last")
    return (*(name for name in names if name not in down), *down)


def _with_free_channel(question: Question, names: tuple[str, ...]) -> tuple[str, ...] | Refuse:
    """Those that can take the call. One that is down is passed over as long as another is left;
    the last way is tried all the same: a call that would be refused loses nothing."""
    free = [name for name in names if _has_free_channel(question, name)]
    down = {name: since for name in free if (since := question.state.trunk_down(name)) is not None}
    answering = tuple(name for name in free if name not in down)
    for name, since in down.items():
        if answering:
            question.say(f"trunk {name} left out: {since}")
        else:
            question.say(f"trunk {name} is {since}, tried all the same: no other is left")
    found = answering or tuple(free)
    return found or question.refuse(503, "failed", "no trunk of the route has a free channel")


def _has_free_channel(question: Question, name: str) -> bool:
    trunk = question.snapshot.trunks.get(name)
    if trunk is None:
        question.say(f"trunk {name} left out: it does not exist")
        return False
    if 0 < trunk.channels_max <= question.state.trunk_calls(name):
        question.say(f"trunk {name} left out: all {trunk.channels_max} channels are busy")
        return False
    busy = question.state.trunk_busy(name)
    if busy is not None:
        question.say(f"trunk {name} left out: {busy}")
    return busy is None
