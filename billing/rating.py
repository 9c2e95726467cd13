"""What a call costs (billing rules 2, 5, 6 and 7) and how long an amount lasts. Pure arithmetic.

Everything is exact: a price is kept as a number of sixtieths of a micro (a rate per minute times
whole seconds) until it is rounded, once. ``charge`` never falls when a call gets longer (rule 60),
which is what makes "the price of the last second reserved" an upper bound of the final price.
"""

from __future__ import annotations

import math
from typing import NamedTuple

from billing.tariff import Rate

SLICE_S = 60  # rule 16: how much is reserved ahead
PRICE_STEP_MICROS = 100  # rule 2: the price of a call has four decimals
# Monotonic clocks are floats: after a year of uptime a difference of two readings is off by up to
# 8 ns. A call that was up for 60.000000008 s has not begun its 61st second.
CLOCK_NOISE_S = 1e-6
_PER_MINUTE = 60


class Price(NamedTuple):
    """What a leg costs: the seconds that were paid for, the price, and what the carrier takes."""

    billed_s: int
    price_micros: int
    cost_micros: int


class Slice(NamedTuple):
    """An amount to reserve: ``want_micros`` if the pool has it, ``first_micros`` at least."""

    first_micros: int
    want_micros: int


def chargeable_s(answered_s: float, ended_s: float) -> int:
    """Whole seconds, rounded up, from answer to the end of the leg, both monotonic (rule 5)."""
    return max(0, math.ceil(ended_s - answered_s - CLOCK_NOISE_S))


def charge(rate: Rate, duration_s: int) -> Price:
    """The price of a leg that was answered for ``duration_s`` whole seconds; 0 costs nothing.

    Rule 7's order: grace, free seconds, intervals, price, connect fee, minimum, surcharge. The
    carrier knows nothing of grace and free seconds: its cost is for the intervals from the answer.
    """
    if duration_s <= 0:
        return Price(0, 0, 0)
    carrier_sixtieths = rate.cost_per_minute_micros * _intervals_s(rate, duration_s)
    cost_micros = _rounded(carrier_sixtieths)
    if duration_s < rate.grace_s:
        return Price(0, 0, cost_micros)
    billed_s = _intervals_s(rate, duration_s - rate.free_s)
    talk = rate.per_minute_micros * billed_s + rate.connect_fee_micros * _PER_MINUTE
    total = max(talk, rate.minimum_micros * _PER_MINUTE) + rate.surcharge_micros * _PER_MINUTE
    return Price(billed_s, _rounded(total), cost_micros)


def reserve_for_s(rate: Rate, seconds: int) -> int:
    """Micros that cover every call of up to ``seconds``, whenever it ends (rule 19)."""
    return charge(rate, seconds).price_micros


def first_reserve_micros(rate: Rate) -> int:
    """The least that lets a call start: connect fee and interval 1, with what a minimum or a
    surcharge adds (rule 15). Free seconds come before the interval; if the grace period is longer
    than both, the price of the first second that is not free."""
    return reserve_for_s(rate, _first_paid_s(rate))


def paid_until_s(rate: Rate, reserved_micros: int) -> int | None:
    """How many seconds an answered leg may last so that it costs at most ``reserved_micros``.

    ``None``: for ever, the rate takes nothing more however long it lasts. 0: not even one second.
    """
    free_s = max(rate.grace_s - 1, 0)
    # Rounded up to its limit: x sixtieths round to at most R steps of 100 micros when
    # x < (R + 1/2) * 6000.
    step = PRICE_STEP_MICROS * _PER_MINUTE
    budget = reserved_micros // PRICE_STEP_MICROS * step + step // 2 - 1
    budget -= rate.surcharge_micros * _PER_MINUTE
    fixed = max(rate.connect_fee_micros, rate.minimum_micros) * _PER_MINUTE
    if reserved_micros < 0 or budget < fixed:
        return free_s
    if rate.per_minute_micros == 0:
        return None
    budget -= rate.connect_fee_micros * _PER_MINUTE
    paid_s = _whole_intervals_s(rate, budget // rate.per_minute_micros)
    return max(free_s, rate.free_s + paid_s)


def opening_slice(rate: Rate) -> Slice:
    """What to reserve before the INVITE goes out (rule 15)."""
    first = first_reserve_micros(rate)
    return Slice(first, max(first, reserve_for_s(rate, rate.free_s + SLICE_S)))


def next_slice(rate: Rate, reserved_micros: int) -> Slice | None:
    """What to add to a reservation before it runs out (rule 16): one more interval at least, a
    slice if possible. ``None``: nothing more is needed, however long the call lasts."""
    paid_s = paid_until_s(rate, reserved_micros)
    if paid_s is None:
        return None
    first = reserve_for_s(rate, paid_s + 1) - reserved_micros
    return Slice(first, max(first, reserve_for_s(rate, paid_s + SLICE_S) - reserved_micros))


def _first_paid_s(rate: Rate) -> int:
    return max(rate.free_s + rate.initial_s, rate.grace_s)


def _intervals_s(rate: Rate, seconds: int) -> int:
    """Seconds rounded up to the first interval and then to whole further ones (rule 6)."""
    if seconds <= 0:
        return 0
    further = max(0, seconds - rate.initial_s)
    return rate.initial_s + -(-further // rate.increment_s) * rate.increment_s


def _whole_intervals_s(rate: Rate, seconds: int) -> int:
    """Seconds rounded down to intervals that are wholly covered."""
    if seconds < rate.initial_s:
        return 0
    return rate.initial_s + (seconds - rate.initial_s) // rate.increment_s * rate.increment_s


def _rounded(sixtieths: int) -> int:
    """Sixtieths of a micro to the price step, HALF_UP: the one rounding of a call (rule 2)."""
    step = PRICE_STEP_MICROS * _PER_MINUTE
    return (sixtieths + step // 2) // step * PRICE_STEP_MICROS
