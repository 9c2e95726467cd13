"""A call to a number of ours, from a trunk or from another account: the number's call flow.

The main target and the redirects are tried one after another, each for the flow's timeout (A5);
outside the period only ``otherwise`` is, by default the administrator (A6). What cannot be tried is
left out and the trace says why.
"""

from __future__ import annotations

from typing import NamedTuple

from softswitch.ids import AccountId, Extension
from softswitch.routing.caller_number import forwarded_number
from softswitch.routing.inside import NOT_BUILT, not_built, ring_user
from softswitch.routing.limits import blocked_out, stopped_in
from softswitch.routing.model import Account, CallFlow, Number, Target
from softswitch.routing.outside import dial_outside, find_rate
from softswitch.routing.periods import describe, describe_time, includes
from softswitch.routing.plan import Payment, Record, Refuse, RingUser, Step
from softswitch.routing.question import Question

DEFAULT_TIMEOUT_S = 30  # of a number without a call flow (A8)
FORWARDS_MAX = 5  # numbers of ours that one call may pass through; longer is a mistake or abuse


class Incoming(NamedTuple):
    """What a call to a number of ours leads to, and its owner's record."""

    steps: tuple[Step, ...]
    record: Record


class Path(NamedTuple):
    """The numbers of ours that a call came through, and the accounts that have a record of it."""

    numbers: tuple[str, ...] = ()
    accounts: frozenset[AccountId] = frozenset()

    def through(self, number: Number) -> Path:
        """The path with one more number."""
        return Path((*self.numbers, number.number), self.accounts | {number.account})


FROM_OUTSIDE = Path()  # a trunk's call: its first number of ours is yet to come


class Call(NamedTuple):
    """The call as one number's flow sees it. ``caller`` is E.164, or as the carrier sent it, ""
    if withheld; ``path`` ends with the number itself."""

    caller: str
    called: str
    path: Path


def ring_number(
    question: Question, number: Number, caller: str, path: Path = FROM_OUTSIDE
) -> Incoming | Refuse:
    """Follow the flow of a working number. ``path``: the call's way here, if not from a trunk."""
    account = question.snapshot.accounts.get(number.account)
    if account is None:
        return question.refuse(404, "no_route", f"{number.number} belongs to no account")
    question.say(f"{number.number}: {number.kind} number of account {account.id}")
    refusal = stopped_in(question, account, number)
    if refusal is not None:
        return refusal
    call = Call(caller, number.number, path.through(number))
    steps = _steps(question, account, call)
    first = _first_extension(account, steps)
    return Incoming(steps, Record(account.id, "in", caller, number.number, "", first))


def _first_extension(account: Account, steps: tuple[Step, ...]) -> str:
    """The account's user who is rung first; who answers is known later."""
    for step in steps:
        if isinstance(step, RingUser) and step.account == account.id:
            return step.extension
    return ""


def toll_free_payment(question: Question, number: Number, caller: str) -> Payment | Refuse | None:
    """What the owner of a toll-free number pays for a call from a carrier, by the caller's prefix
    (rule 11). The caller learns nothing of it but 480. Calls within the switch are free (rule 10).
    """
    account = question.snapshot.accounts[number.account]
    if number.kind != "toll_free":
        return None
    rate = find_rate(question, account, "in", caller if caller.startswith("+") else "")
    if isinstance(rate, Refuse):
        return rate._replace(status=480)
    return Payment(account.id, rate)


def _steps(question: Question, account: Account, call: Call) -> tuple[Step, ...]:
    """The steps of the flow; when nothing in it can be tried, the first reason why, as 480."""
    targets, timeout_s = _targets(question, account, call.called)
    steps: list[Step] = []
    left_out: list[Refuse] = []
    for target in targets:
        found = _try(question, account, target, call, timeout_s)
        if isinstance(found, Refuse) and not _is_final(target):
            left_out.append(found)
            continue
        steps += [found] if isinstance(found, Refuse) else found
        if isinstance(steps[-1], Refuse):
            break
    return tuple(steps) or (left_out[0]._replace(status=480),)


def _targets(question: Question, account: Account, called: str) -> tuple[tuple[Target, ...], int]:
    """Whom the flow names at this time, in order, and how long each is tried."""
    administrator: Target = {"user": account.administrator}
    flow = account.flows.get(called)
    if flow is None:
        question.say(f"{called} has no call flow: administrator")
        return (administrator,), DEFAULT_TIMEOUT_S
    if _applies(question, account, flow):
        return (flow.to, *flow.redirects), flow.timeout_s
    return (administrator if flow.otherwise is None else flow.otherwise,), flow.timeout_s


def _applies(question: Question, account: Account, flow: CallFlow) -> bool:
    if flow.period is None:
        question.say(f"call flow of {flow.number}: always")
        return True
    local = question.local_time(account)
    within = includes(flow.period, local)
    verb, then = ("includes", "call flow") if within else ("does not include", "otherwise")
    time = f"{describe_time(local)} {account.time_zone}"
    question.say(f"period {describe(flow.period)} {verb} {time}: {then}")
    return within


def _is_final(target: Target) -> bool:
    """Whether the target's refusal answers the call; that of other targets is passed over."""
    kind = next(iter(target))
    return kind == "hangup" or kind in NOT_BUILT


def _try(
    question: Question, account: Account, target: Target, call: Call, timeout_s: int
) -> list[Step] | Refuse:
    ((kind, value),) = target.items()
    question.say(f"target {kind} {value}" if kind != "hangup" else "target hangup")
    if kind == "hangup":
        return question.refuse(603, "rejected", "the call flow hangs up")
    if kind in NOT_BUILT:
        return not_built(question, kind)
    if kind == "external":
        return _forward(question, account, value, call, timeout_s)
    found = ring_user(question, account, Extension(value), caller=call.caller, timeout_s=timeout_s)
    return found if isinstance(found, Refuse) else [found]


def _forward(
    question: Question, account: Account, number: str, call: Call, timeout_s: int
) -> list[Step] | Refuse:
    """An outside target, paid by the account that forwards (rule 12)."""
    refusal = blocked_out(question, account)
    if refusal is not None:
        return refusal
    ours = question.working_number(number)
    if ours is not None:
        return _forward_on_net(question, ours, call)
    caller = forwarded_number(question, account, call.called)
    step = dial_outside(question, account, number, caller, timeout_s)
    return step if isinstance(step, Refuse) else [step]


def _forward_on_net(question: Question, number: Number, call: Call) -> list[Step] | Refuse:
    """A forward to another number of ours stays in the switch, is free (rule 10) and shows the
    original caller."""
    numbers = call.path.numbers
    if number.number in numbers or len(numbers) >= FORWARDS_MAX:
        why = f"{number.number} would make the call go in circles"
        return question.refuse(482, "failed", why)
    onward = ring_number(question, number, call.caller, call.path)
    if isinstance(onward, Refuse):
        return onward
    if number.account in call.path.accounts:
        return list(onward.steps)
    return [_joined(step, onward.record) for step in onward.steps]


def _joined(step: Step, record: Record) -> Step:
    """The step with the record of the account that it brings into the call."""
    return step if isinstance(step, Refuse) else step._replace(joins=(record, *step.joins))
