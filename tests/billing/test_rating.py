"""What calls cost: billing rules 5 to 7 by example, monotony and reservations by property."""

from __future__ import annotations

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from billing.money import parse_micros
from billing.rating import (
    charge,
    chargeable_s,
    first_reserve_micros,
    next_slice,
    opening_slice,
    paid_until_s,
    reserve_for_s,
)
from billing.tariff import Rate
from tests.billing.samples import make_rate

amounts = st.integers(0, 5_000_000)
seconds = st.integers(0, 200)
durations = st.integers(0, 20_000)


@st.composite
def rates(draw: st.DrawFn) -> Rate:
    """Any terms that a tariff row may have, the odd ones often."""
    return make_rate(
        (draw(st.integers(1, 200)), draw(st.integers(1, 200))),
        per_minute_micros=draw(st.one_of(st.just(0), st.integers(0, 300), amounts)),
        connect_fee_micros=draw(st.one_of(st.just(0), amounts)),
        minimum_micros=draw(st.one_of(st.just(0), amounts)),
        surcharge_micros=draw(st.one_of(st.just(0), amounts)),
        free_s=draw(st.one_of(st.just(0), seconds)),
        grace_s=draw(st.one_of(st.just(0), seconds)),
    )


@pytest.mark.parametrize(
    ("intervals", "billed_s", "price"),
    [
        ((60, 60), 120, "0.1200"),
        ((60, 1), 61, "0.0610"),
        ((30, 6), 66, "0.0660"),
        ((1, 1), 61, "0.0610"),
    ],
)
def test_61_seconds_at_six_cents_cost_what_rule_6_says(
    intervals: tuple[int, int], billed_s: int, price: str
) -> None:
    """The four examples of rule 6."""
    charged = charge(make_rate(intervals), 61)
    assert (charged.billed_s, charged.price_micros) == (billed_s, parse_micros(price))


def test_a_call_of_nothing_costs_nothing() -> None:
    """Ringing and unanswered calls are free, whatever the connect fee and the minimum (rule 5)."""
    rate = make_rate(connect_fee_micros=500_000, minimum_micros=1_000_000, surcharge_micros=7)
    assert charge(rate, 0).price_micros == 0
    assert charge(rate, 0).cost_micros == 0


@pytest.mark.parametrize(
    ("terms", "duration_s", "billed_s", "price_micros"),
    [
        ({"grace_s": 10}, 9, 0, 0),
        ({"grace_s": 10}, 10, 60, 60_000),
        ({"free_s": 30}, 30, 0, 0),
        ({"free_s": 30}, 31, 60, 60_000),
        ({"free_s": 30, "connect_fee_micros": 50_000}, 30, 0, 50_000),
        ({"connect_fee_micros": 50_000}, 5, 60, 110_000),
        ({"minimum_micros": 100_000}, 5, 60, 100_000),
        ({"minimum_micros": 100_000, "connect_fee_micros": 50_000}, 5, 60, 110_000),
        ({"minimum_micros": 100_000, "surcharge_micros": 10_000}, 5, 60, 110_000),
        ({"grace_s": 10, "connect_fee_micros": 50_000, "surcharge_micros": 10_000}, 9, 0, 0),
    ],
)
def test_the_terms_of_a_row_apply_in_the_order_of_rule_7(
    terms: dict[str, int], duration_s: int, billed_s: int, price_micros: int
) -> None:
    """Grace, free seconds, intervals, price, connect fee, minimum, surcharge."""
    charged = charge(make_rate(**terms), duration_s)
    assert (charged.billed_s, charged.price_micros) == (billed_s, price_micros)


@pytest.mark.parametrize(
    ("per_minute_micros", "price_micros"), [(2_999, 0), (3_000, 100), (8_999, 100), (9_000, 200)]
)
def test_the_price_is_rounded_half_up_to_four_decimals(
    per_minute_micros: int, price_micros: int
) -> None:
    """One second costs a sixtieth: 49.98 micros round down to 0, 50 round up to 0.0001."""
    rate = make_rate((1, 1), per_minute_micros=per_minute_micros)
    assert charge(rate, 1).price_micros == price_micros


def test_parts_are_rounded_together_once() -> None:
    """Half a step of talk and half a step of connect fee make a whole step, not two."""
    rate = make_rate((60, 60), per_minute_micros=50, connect_fee_micros=50)
    assert charge(rate, 1).price_micros == 100


def test_the_carrier_is_paid_for_every_interval() -> None:
    """The carrier's cost knows nothing of the grace and free seconds that the customer gets."""
    rate = make_rate(grace_s=100, free_s=100)
    assert charge(rate, 61).price_micros == 0
    assert charge(rate, 61).cost_micros == 40_000


@pytest.mark.parametrize(
    ("answered_s", "ended_s", "whole_s"),
    [
        (0.0, 0.0, 0),
        (0.0, 0.001, 1),
        (0.0, 1.0, 1),
        (0.0, 60.001, 61),
        (5.0, 4.0, 0),
        (1_234_567.891, 1_234_567.891 + 60, 60),
    ],
)
def test_whole_seconds_are_rounded_up(answered_s: float, ended_s: float, whole_s: int) -> None:
    """Every begun second counts (rule 5)."""
    assert chargeable_s(answered_s, ended_s) == whole_s


@given(st.floats(0, 3e8), st.integers(0, 20_000))
def test_the_noise_of_a_float_clock_begins_no_second(answered_s: float, duration_s: int) -> None:
    """A whole number of seconds stays it, up to nine years of uptime."""
    assert chargeable_s(answered_s, answered_s + duration_s) == duration_s


@given(rates(), durations, st.integers(0, 500))
def test_a_longer_call_never_costs_less(rate: Rate, duration_s: int, more_s: int) -> None:
    """Rule 60: the price is monotone in the duration, and so are billed seconds and cost."""
    shorter, longer = charge(rate, duration_s), charge(rate, duration_s + more_s)
    assert longer.price_micros >= shorter.price_micros
    assert longer.cost_micros >= shorter.cost_micros
    assert longer.billed_s >= shorter.billed_s


@given(rates(), st.integers(0, 50_000_000))
@example(make_rate((1, 1), per_minute_micros=1), 100)
@example(make_rate(minimum_micros=1_000), 999)
@example(make_rate(minimum_micros=50), 99)
@example(make_rate(grace_s=200, free_s=10), 0)
def test_a_reservation_lasts_exactly_as_long_as_it_pays(rate: Rate, reserved_micros: int) -> None:
    """The price of the paid time is within the reservation, a second more is not."""
    paid_s = paid_until_s(rate, reserved_micros)
    if paid_s is None:
        assert charge(rate, 10**9).price_micros <= reserved_micros
        return
    assert charge(rate, paid_s).price_micros <= reserved_micros
    assert charge(rate, paid_s + 1).price_micros > reserved_micros


@given(rates(), st.integers(1, 20_000))
def test_what_is_reserved_for_a_time_lasts_it(rate: Rate, wanted_s: int) -> None:
    """Reserving for a duration and asking how long it lasts are inverse."""
    paid_s = paid_until_s(rate, reserve_for_s(rate, wanted_s))
    assert paid_s is None or paid_s >= wanted_s


@given(rates())
def test_the_first_reservation_covers_the_first_interval(rate: Rate) -> None:
    """Whenever a call ends within free seconds and interval 1, its price is reserved (rule 15)."""
    reserved_micros = first_reserve_micros(rate)
    for duration_s in range(rate.free_s + rate.initial_s + 1):
        assert charge(rate, duration_s).price_micros <= reserved_micros


@given(rates(), st.integers(1, 20))
def test_slices_carry_a_call_on_without_end(rate: Rate, slices: int) -> None:
    """Every slice, large or small, pays for at least one more second (rule 16)."""
    reserved_micros = opening_slice(rate).first_micros
    for number in range(slices):
        paid_s = paid_until_s(rate, reserved_micros)
        amounts = next_slice(rate, reserved_micros)
        if paid_s is None or amounts is None:
            assert paid_s is amounts is None
            return
        assert amounts.want_micros >= amounts.first_micros > 0
        reserved_micros += amounts.first_micros if number % 2 else amounts.want_micros
        longer_s = paid_until_s(rate, reserved_micros)
        assert longer_s is None or longer_s > paid_s


def test_the_opening_slice_is_a_minute_or_the_first_interval() -> None:
    """Slices are 60 s; a longer first interval is taken whole."""
    assert opening_slice(make_rate((1, 1))).first_micros == 1_000
    assert opening_slice(make_rate((1, 1))).want_micros == 60_000
    assert opening_slice(make_rate((180, 60))).want_micros == 180_000


def test_a_free_rate_needs_no_reservation_and_lasts_for_ever() -> None:
    """Rows of price 0 (rule 10)."""
    rate = make_rate(per_minute_micros=0)
    assert opening_slice(rate).want_micros == 0
    assert paid_until_s(rate, 0) is None
    assert next_slice(rate, 0) is None
