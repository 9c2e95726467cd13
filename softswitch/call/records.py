"""From a call to what is written of it: hold requests, the settlement, the CDRs."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from billing.cdr import CallRecord, Settlement
from billing.cdr import Charge as SettledCharge
from billing.credit import HoldRequest, Moved
from billing.rating import chargeable_s, opening_slice
from rtp.messages import LegStatistics
from softswitch.call.b2bua import Call
from softswitch.call.branches import Branch
from softswitch.ids import AccountId
from softswitch.routing.plan import Payment

TRACE_LINES_MAX = (
    200  # a call has some ten; one that loops through redirects must not fill the disk
)

Currencies = Mapping[AccountId, str]


def hold_request(
    call: Call, hold: str, payment: Payment, *, started_us: int, now_us: int, currencies: Currencies
) -> HoldRequest:
    """What to reserve before a leg starts, with the records as known so far."""
    amounts = opening_slice(payment.rate)
    return HoldRequest(
        id=hold,
        call_id=call.id,
        account=payment.account,
        rate=payment.rate,
        first_micros=amounts.first_micros,
        slice_micros=amounts.want_micros,
        records=call_records(call, started_us=started_us, currencies=currencies),
        now_us=now_us,
    )


def moved(call: Call, hold: str, *, started_us: int, currencies: Currencies) -> Moved:
    """A leg of another call that goes on in this one."""
    return Moved(hold, call.id, call_records(call, started_us=started_us, currencies=currencies))


def settlement(call: Call, *, started_us: int, currencies: Currencies) -> Settlement:
    """Everything that the end of the call changes. The call must have ended."""
    assert call.ended_s is not None
    return Settlement(
        call_id=call.id,
        ended_us=_wall_us(call, started_us, call.ended_s),
        charges=tuple(
            SettledCharge(
                hold_id=charge.hold,
                account=charge.payment.account,
                rate=charge.payment.rate,
                duration_s=charge.duration_s(),
                trusted=charge.trusted,
            )
            for charge in (*call.charges.values(), *call.charges.voided)
        ),
        records=call_records(call, started_us=started_us, currencies=currencies),
    )


def call_records(call: Call, *, started_us: int, currencies: Currencies) -> tuple[CallRecord, ...]:
    """One record for every account that took part. Wall times are derived from monotonic ones, so
    that a step of the clock changes no duration."""
    answered_us = ended_us = None
    duration_s = 0
    if call.answered_s is not None:
        answered_us = _wall_us(call, started_us, call.answered_s)
        if call.ended_s is not None:
            duration_s = chargeable_s(call.answered_s, call.ended_s)
    if call.ended_s is not None:
        ended_us = _wall_us(call, started_us, call.ended_s)
    legs = [_caller_leg(call)]
    legs.extend(_branch_leg(call, branch) for branch in call.branches)
    return tuple(
        CallRecord(
            account=record.account,
            direction=record.direction,
            caller=record.caller,
            called=record.called,
            caller_extension=record.caller_extension,
            called_extension=record.called_extension,
            currency=currencies[record.account],
            started_us=started_us,
            answered_us=answered_us,
            ended_us=ended_us or 0,
            duration_s=duration_s,
            cause=call.cause,
            hangup_by=call.hangup_by,
            legs=legs,
            trace=call.trace[:TRACE_LINES_MAX],
        )
        for record in call.records
    )


def _wall_us(call: Call, started_us: int, at_s: float) -> int:
    return started_us + round((at_s - call.started_s) * 1_000_000)


def _caller_leg(call: Call) -> dict[str, Any]:
    ended_s = call.ended_s if call.caller_ended_s is None else call.caller_ended_s
    return {
        "leg": "a",
        "name": "caller",
        "status": call.status,
        "started_ms": 0,
        "rang_ms": None,
        "answered_ms": _since_start_ms(call, call.answered_s),
        "ended_ms": _since_start_ms(call, ended_s),
        **_quality(call, "a"),
    }


def _branch_leg(call: Call, branch: Branch) -> dict[str, Any]:
    return {
        "leg": f"b{branch.number}",
        "name": branch.target.name,
        "status": branch.status,
        "started_ms": _since_start_ms(call, branch.started_s),
        "rang_ms": _since_start_ms(call, branch.rang_s),
        "answered_ms": _since_start_ms(call, branch.answered_s),
        "ended_ms": _since_start_ms(call, branch.ended_s),
        **(_quality(call, branch.leg) if branch.answered_s is not None else {}),
    }


def _since_start_ms(call: Call, at_s: float | None) -> int | None:
    return None if at_s is None else round((at_s - call.started_s) * 1000)


def _quality(call: Call, leg: str) -> dict[str, Any]:
    """What was measured of a leg's media, if any flowed."""
    for statistics in call.statistics:
        if statistics.leg == leg and (statistics.packets_received or statistics.packets_sent):
            return {"media": _statistics(statistics)}
    return {}


def _statistics(leg: LegStatistics) -> dict[str, Any]:
    return {
        "packets_received": leg.packets_received,
        "packets_sent": leg.packets_sent,
        "packets_lost": leg.packets_lost,
        "jitter_ms": leg.jitter_ms,
        "round_trip_ms": leg.round_trip_ms,
        "remote_lost": leg.remote_lost,
        "mos": leg.mos,
        "source": leg.source,
        "strangers": leg.strangers,
        "encrypted": leg.encrypted,
        "unauthenticated": leg.unauthenticated,
    }
