"""How the price of a call came about, in words that a customer can check with a pencil."""

from __future__ import annotations

from billing.tariff import Rate
from softswitch.ids import AccountId
from softswitch.routing import free
from softswitch.routing.model import RoutingSnapshot
from web import formats
from web.queries.calls import CallDetails


def explain(snapshot: RoutingSnapshot, account: str, call: CallDetails) -> tuple[str, ...]:
    """Lines about the price. The tariff row is told only while the version that priced the call is
    still the one in force: what a later row says would be another truth."""
    if not call.row.answered:
        return ("Nobody answered, so it costs nothing.",)
    if not call.tariff:
        return ("Calls inside the company and to your own numbers are free.",)
    if call.tariff == free.TARIFF:
        return ("Calls inside the exchange and to emergency services are free.",)
    lines = [f"Tariff {call.tariff}, version {call.tariff_version}."]
    rate = _rate(snapshot, account, call)
    if rate is not None:
        lines.append(_row(rate))
    lines.append(
        f"Talked {formats.duration(call.row.duration_s)}, "
        f"charged for {formats.duration(call.billed_s)}."
    )
    return tuple(lines)


def _rate(snapshot: RoutingSnapshot, account: str, call: CallDetails) -> Rate | None:
    holder = snapshot.accounts.get(AccountId(account))
    if holder is None or holder.tariff is None:
        return None
    direction = "in" if call.row.direction == "in" else "out"
    number = call.row.caller if direction == "in" else call.row.called
    day = formats.day(call.row.started_us, holder.time_zone)
    rate = holder.tariff.find(direction, number, day)
    if rate is None or (rate.tariff, rate.version) != (call.tariff, call.tariff_version):
        return None
    return rate


def _row(rate: Rate) -> str:
    minute = formats.price(rate.per_minute_micros, rate.currency)
    steps = (
        f"in steps of {rate.increment_s} s"
        if rate.initial_s == rate.increment_s
        else f"at least {rate.initial_s} s, then in steps of {rate.increment_s} s"
    )
    parts = [f"{rate.destination}: {minute} a minute, {steps}"]
    if rate.connect_fee_micros:
        parts.append(f"{formats.price(rate.connect_fee_micros, rate.currency)} to connect")
    if rate.free_s:
        parts.append(f"the first {rate.free_s} s free")
    return ", ".join(parts) + "."
