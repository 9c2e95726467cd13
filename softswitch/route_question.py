"""``softswitch route FROM TO``: asks the function that calls are routed by."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from billing.money import format_micros
from softswitch.admin.refusal import refuse
from softswitch.ids import AccountId, Extension
from softswitch.routing.model import RoutingSnapshot
from softswitch.routing.plan import (
    DialTrunks,
    Payment,
    PhoneCaller,
    Plan,
    RingUser,
    RouteRequest,
    RouteState,
    Step,
    TrunkCaller,
)
from softswitch.routing.route import route


class NobodyRegistered:
    """The state of a switch that is not running: only static addresses can ring."""

    def __init__(self, snapshot: RoutingSnapshot) -> None:
        self._snapshot = snapshot

    def reachable(self, account: AccountId, extension: Extension) -> bool:
        """Whether the user has a static address."""
        found = self._snapshot.accounts.get(account)
        user = found.users.get(extension) if found else None
        return user is not None and user.static is not None

    def account_calls(self, account: AccountId) -> int:
        """None."""
        return 0

    def number_calls(self, number: str) -> int:
        """None."""
        return 0

    def trunk_calls(self, trunk: str) -> int:
        """None."""
        return 0

    def trunk_busy(self, trunk: str) -> None:
        """Never."""

    def trunk_down(self, trunk: str) -> None:
        """Nobody looks."""


def ask(
    snapshot: RoutingSnapshot,
    state: RouteState,
    caller: str,
    dialled: str,
    at: datetime,
    account: str | None,
) -> dict[str, Any]:
    """What would happen to the call, as JSON. Raises ``Refused`` for a caller there is not."""
    who, presented = find_caller(snapshot, caller, account)
    return plan_json(route(RouteRequest(who, dialled, presented, at), snapshot, state))


def find_caller(
    snapshot: RoutingSnapshot, caller: str, account: str | None
) -> tuple[PhoneCaller | TrunkCaller, str]:
    """Who FROM is: an extension of ``account``, a SIP login, a trunk, or a number outside."""
    if account is not None:
        return _extension(snapshot, AccountId(account), Extension(caller)), ""
    login = snapshot.logins.get(caller)
    if login is not None:
        return PhoneCaller(login.account, login.extension), ""
    if caller in snapshot.trunks:
        return TrunkCaller(caller), ""
    if caller.lstrip("+").isdigit() and snapshot.trunks:
        return TrunkCaller(next(iter(snapshot.trunks))), caller
    raise refuse("from", f"{caller} is not a SIP login, a trunk or a number; give --account")


def _extension(snapshot: RoutingSnapshot, account: AccountId, extension: Extension) -> PhoneCaller:
    found = snapshot.accounts.get(account)
    if found is None:
        raise refuse("account", f"account {account} does not exist")
    if extension not in found.users:
        raise refuse("from", f"{extension} is not a user of account {account}")
    return PhoneCaller(account, extension)


def plan_json(plan: Plan) -> dict[str, Any]:
    """A plan for ``--json``: trace, steps and records."""
    return {
        "trace": list(plan.trace),
        "steps": [_step(step) for step in plan.steps],
        "records": [
            {
                "account": record.account,
                "direction": record.direction,
                "from": record.caller,
                "to": record.called,
            }
            for record in plan.records
        ],
        "incoming": _payment(plan.incoming),
    }


def _step(step: Step) -> dict[str, Any]:
    if isinstance(step, RingUser):
        return {
            "step": "ring",
            "account": step.account,
            "extension": step.extension,
            "caller": step.caller,
            "timeout_s": step.timeout_s,
        }
    if isinstance(step, DialTrunks):
        return {
            "step": "dial",
            "number": step.number,
            "trunks": list(step.trunks),
            "caller": step.caller,
            "payment": _payment(step.payment),
            "timeout_s": step.timeout_s,
            "emergency": step.emergency,
            "private": step.private,
        }
    return {"step": "refuse", "status": step.status, "cause": step.cause, "reason": step.reason}


def _payment(payment: Payment | None) -> dict[str, Any] | None:
    if payment is None:
        return None
    rate = payment.rate
    return {
        "account": payment.account,
        "tariff": rate.tariff,
        "version": rate.version,
        "prefix": rate.prefix,
        "destination": rate.destination,
        "per_minute": format_micros(rate.per_minute_micros),
        "initial_s": rate.initial_s,
        "increment_s": rate.increment_s,
        "currency": rate.currency,
    }
