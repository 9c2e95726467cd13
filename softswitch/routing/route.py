"""Where a call goes and why: one pure function, also asked by the route tester.

A phone dials, in this order: an emergency number (A28 keeps extensions clear of them), an extension
of its own account, a number outside. A trunk reaches numbers of ours and nothing else.
"""

from __future__ import annotations

from softswitch.ids import Extension
from softswitch.routing.caller_number import caller_number, emergency_number
from softswitch.routing.dialling import clean, to_e164
from softswitch.routing.free import EMERGENCY, INTERNAL, ON_NET, free_payment
from softswitch.routing.incoming import Path, ring_number, toll_free_payment
from softswitch.routing.inside import describe_extension, not_built, ring_user
from softswitch.routing.limits import account_full, blocked_internal, stopped_out
from softswitch.routing.model import Account, Number, RoutingSnapshot, Trunk, User
from softswitch.routing.numbers import CALLED, CALLER
from softswitch.routing.numbers import incoming as incoming_number
from softswitch.routing.outside import answering_first, dial_outside, say_numbers
from softswitch.routing.permissions import PERMISSIONS
from softswitch.routing.plan import (
    DialTrunks,
    Payment,
    PhoneCaller,
    Plan,
    Record,
    Refuse,
    RingUser,
    RouteRequest,
    RouteState,
    Step,
    TrunkCaller,
)
from softswitch.routing.question import Question

INTERNAL_RING_S = 60  # a colleague's phone; there is no voicemail to go to yet
OUTSIDE_RING_S = 180  # the carrier decides; as timer C of RFC 3261 16.6
SHOWN_MAX = 64  # characters of what was dialled or presented that a record keeps


def route(request: RouteRequest, snapshot: RoutingSnapshot, state: RouteState) -> Plan:
    """Decide about one call. Never raises for anything that a caller dialled or presented."""
    question = Question(snapshot, state, request.at)
    dialled = clean(request.dialled)
    if isinstance(request.caller, TrunkCaller):
        return _from_trunk(question, request.caller, dialled, request)
    plan = _from_phone(question, request.caller, dialled, request.presented)
    return hidden(plan) if request.private else plan


def _from_phone(question: Question, caller: PhoneCaller, dialled: str, presented: str) -> Plan:
    account = question.snapshot.accounts.get(caller.account)
    user = account.users.get(caller.extension) if account is not None else None
    if account is None or user is None:
        why = f"user {caller.extension} of account {caller.account} does not exist any more"
        return _plan(question, (question.refuse(403, "rejected", why),))
    if dialled in question.snapshot.emergency_numbers:
        return _emergency(question, account, user, dialled, presented)
    extension = describe_extension(account, dialled)
    if extension is not None:
        return _internal(question, account, user, dialled, extension)
    number = to_e164(dialled, account.country)
    if number is None:
        return _unknown(question, account, user, dialled)
    question.say(f"dialled {dialled}: no extension of account {account.id}, number {number}")
    return _outside(question, account, user, number, presented)


def _unknown(question: Question, account: Account, user: User, dialled: str) -> Plan:
    shown = dialled[:SHOWN_MAX]
    why = f"{shown!r} is no extension of account {account.id} and no number"
    refusal = question.refuse(404, "no_route", why)
    return _plan(
        question, (refusal,), Record(account.id, "internal", user.extension, shown, user.extension)
    )


def _internal(
    question: Question, account: Account, user: User, dialled: str, extension: tuple[str, str]
) -> Plan:
    kind, name = extension
    question.say(f"dialled {dialled}: extension of {kind} {name}")
    step = _internal_step(question, account, user, Extension(dialled), kind)
    own = user.extension
    record = Record(account.id, "internal", own, dialled, own, dialled)
    return _plan(
        question, (step,), record, free=free_payment(account.id, INTERNAL, account.currency)
    )


def _internal_step(
    question: Question, account: Account, user: User, dialled: Extension, kind: str
) -> Step:
    refusal = blocked_internal(question, account)
    if refusal is not None:
        return refusal
    if dialled == user.extension:
        # Their line is busy with this very call; a voicemail menu will answer here one day.
        return question.refuse(486, "busy", f"user {dialled} called their own extension")
    if kind != "user":
        return not_built(question, kind)
    return account_full(question, account) or ring_user(
        question,
        account,
        dialled,
        caller=user.extension,
        caller_name=user.name,
        timeout_s=INTERNAL_RING_S,
    )


def _emergency(
    question: Question, account: Account, user: User, dialled: str, presented: str
) -> Plan:
    """Its own route, whatever the account's money, block or limits (rule 54's table; only a closed
    account has no emergency calls). It is never charged and never lacks a caller number to go out.
    """
    question.say(f"dialled {dialled}: emergency number")
    permissions = PERMISSIONS[account.status]
    if not permissions.emergency:
        why = f"account {account.id} is {permissions.why}: no emergency calls"
        refusal = question.refuse(403, "blocked", why)
        record = Record(account.id, "out", user.extension, dialled, user.extension)
        return _plan(question, (refusal,), record)
    caller = emergency_number(question, account, user, presented) or ""
    step = _emergency_step(question, dialled, caller)
    record = Record(account.id, "out", caller or user.extension, dialled, user.extension)
    return _plan(
        question, (step,), record, free=free_payment(account.id, EMERGENCY, account.currency)
    )


def _emergency_step(question: Question, dialled: str, caller: str) -> DialTrunks | Refuse:
    snapshot = question.snapshot
    named, said = snapshot.emergency_trunks, "emergency trunks"
    if not named:
        named, said = snapshot.routes.get("", ()), 'no emergency trunks, those of route ""'
    trunks = tuple(name for name in named if name in snapshot.trunks)
    if not trunks:
        return question.refuse(404, "no_route", "no trunk for emergency calls")
    question.say(f"{said}: {', '.join(trunks)}; not charged")
    trunks = answering_first(question, trunks)
    say_numbers(question, trunks, dialled, caller)
    return DialTrunks(dialled, trunks, caller, None, OUTSIDE_RING_S, emergency=True)


def _outside(question: Question, account: Account, user: User, number: str, presented: str) -> Plan:
    refusal = stopped_out(question, account)
    caller = None if refusal else caller_number(question, account, user, presented)
    if caller is None:
        refusal = refusal or question.refuse(403, "rejected", "no caller number")
        record = Record(account.id, "out", user.extension, number, user.extension)
        return _plan(question, (refusal,), record)
    record = Record(account.id, "out", caller, number, user.extension)
    ours = question.working_number(number)
    if ours is not None:
        return _on_net(question, account, ours, caller, record)
    step = dial_outside(question, account, number, caller, OUTSIDE_RING_S)
    return _plan(question, (step,), record)


def _on_net(
    question: Question, account: Account, number: Number, caller: str, record: Record
) -> Plan:
    """To a number of ours without a trunk: zero for the caller (rule 10), "in" for the callee. A
    call to a number of the caller's own account is one internal record."""
    question.say(f"{number.number} is a number of ours: no trunk, no charge")
    incoming = ring_number(question, number, caller, Path(accounts=frozenset({account.id})))
    free = free_payment(account.id, ON_NET, account.currency)
    if isinstance(incoming, Refuse):
        return _plan(question, (incoming,), record, number=number.number, free=free)
    if number.account == account.id:
        called = incoming.record.called_extension
        records = [record._replace(direction="internal", called_extension=called)]
    else:
        records = [record, incoming.record]
    return _plan(question, incoming.steps, *records, number=number.number, free=free)


def _from_trunk(
    question: Question, caller: TrunkCaller, dialled: str, request: RouteRequest
) -> Plan:
    trunk = question.snapshot.trunks.get(caller.trunk)
    if trunk is None:
        why = f"trunk {caller.trunk} does not exist any more"
        return _plan(question, (question.refuse(403, "rejected", why),))
    called = _called_by_carrier(question, trunk, dialled)
    number = question.working_number(called) if called is not None else None
    if number is None:
        called_text, reason = dialled[:SHOWN_MAX], _not_ours(question, called)
        why = f"call from trunk {caller.trunk} to {called_text!r}: {reason}"
        return _plan(question, (question.refuse(404, "no_route", why),))
    known = _presented_by_carrier(trunk, request.presented)
    shown = "" if request.private else known
    question.say(
        f"call from trunk {caller.trunk}, caller {shown or 'withheld'}, to {number.number}"
    )
    incoming = ring_number(question, number, shown)
    if isinstance(incoming, Refuse):
        record = Record(number.account, "in", shown, number.number)
        return _plan(question, (incoming,), record, number=number.number)
    payment = toll_free_payment(question, number, known)
    if isinstance(payment, Refuse):
        return _plan(question, (payment,), incoming.record, number=number.number)
    return _plan(question, incoming.steps, incoming.record, number=number.number, incoming=payment)


def _not_ours(question: Question, called: str | None) -> str:
    if called is None:
        return "no telephone number"
    known = question.snapshot.numbers.get(called)
    return "no number of ours" if known is None else f"the number is {known.status}"


def _called_by_carrier(question: Question, trunk: Trunk, dialled: str) -> str | None:
    read = incoming_number(trunk, dialled, CALLED)
    if trunk.inbound_numbers:
        question.say(
            f"trunk {trunk.name} sent {dialled[:SHOWN_MAX]!r}: {read.number} ({read.rule})"
        )
    return read.number


def _presented_by_carrier(trunk: Trunk, presented: str) -> str:
    """E.164, or a short number as sent; "" for a caller who is withheld or no number at all."""
    sent = clean(presented)
    number = incoming_number(trunk, sent, CALLER).number
    return number or (sent if sent.isdecimal() and sent.isascii() else "")


def hidden(plan: Plan) -> Plan:
    """The plan for a caller who asks not to be shown: phones see nobody, trunks that are not
    trusted neither, nor do the records of whom they call. Whoever takes an emergency call sees the
    number (RFC 3323 leaves it to the law, which asks for it)."""
    owner = plan.records[0].account if plan.records else None
    return plan._replace(
        steps=tuple(_hidden(step) for step in plan.steps),
        records=tuple(
            record if record.account == owner else record._replace(caller="")
            for record in plan.records
        ),
        trace=(*plan.trace, "the caller asks not to be shown"),
    )


def _hidden(step: Step) -> Step:
    if isinstance(step, RingUser):
        joins = tuple(record._replace(caller="") for record in step.joins)
        return step._replace(caller="", caller_name="", joins=joins)
    if isinstance(step, DialTrunks) and not step.emergency:
        return step._replace(private=True)
    return step


def _plan(
    question: Question,
    steps: tuple[Step, ...],
    *records: Record,
    number: str | None = None,
    incoming: Payment | None = None,
    free: Payment | None = None,
) -> Plan:
    return Plan(steps, tuple(question.trace), records, incoming, number, free)
