"""How values are written for people."""

from __future__ import annotations

from datetime import date

import pytest
from hypothesis import given
from hypothesis import strategies as st

from billing.money import format_micros
from web import formats
from web.forms import FIELDS_MAX, BadForm, parse_urlencoded


@pytest.mark.parametrize(
    ("micros", "text"),
    [(16_270_000, "€ 16.27"), (0, "€ 0.00"), (-5_000_000, "−€ 5.00"), (10**12, "€ 1,000,000.00")],
)
def test_money_has_two_decimals(micros: int, text: str) -> None:
    """S53, with a space that does not break."""
    assert formats.money(micros, "EUR") == text.replace(" ", "\xa0")


@pytest.mark.parametrize(
    ("micros", "text"), [(120_000, "€ 0.12"), (61_000, "€ 0.0610"), (100, "€ 0.0001")]
)
def test_prices_of_calls_have_up_to_four(micros: int, text: str) -> None:
    """Billing rule 1."""
    assert formats.price(micros, "EUR") == text.replace(" ", "\xa0")


@given(st.integers(-(10**15), 10**15).map(lambda hundredths: hundredths * 100))
def test_prices_are_exact(micros: int) -> None:
    """No binary fraction comes between."""
    shown = (
        formats.price(micros, "EUR")
        .replace("€\xa0", "")
        .replace(",", "")
        .replace(formats.MINUS, "-")
    )
    assert format_micros(micros) == (shown.rstrip("0") if _has_spare_zeros(shown) else shown)


def _has_spare_zeros(shown: str) -> bool:
    return len(shown.split(".")[1]) > 2 and shown.endswith("0")


@pytest.mark.parametrize(
    ("number", "text"),
    [
        ("+37070044960", "+370 (700) 449-60"),  # S21
        ("+420234261998", "+420 (2) 34-26-19-98"),  # S20
        ("+37167881020", "+371 (67) 88-10-20"),
        ("101", "101"),
        ("", ""),
        ("+1", "+1"),
        ("+++", "+++"),
    ],
)
def test_numbers_are_written_as_in_the_manual(number: str, text: str) -> None:
    """Country, area in brackets, dashes; anything else as it is."""
    assert formats.phone(number) == text


@given(st.text(max_size=20))
def test_no_text_breaks_the_number_format(text: str) -> None:
    """Callers send whatever they like."""
    assert isinstance(formats.phone(f"+{text}"), str)


@pytest.mark.parametrize(("seconds", "text"), [(0, "0:00"), (61, "1:01"), (3723, "1:02:03")])
def test_durations(seconds: int, text: str) -> None:
    """Minutes without a leading zero, hours when there are any."""
    assert formats.duration(seconds) == text


def test_a_day_in_a_time_zone_may_have_23_hours() -> None:
    """Summer time began in Riga on 27 March 2016."""
    first = formats.day_start_us(date(2016, 3, 27), "Europe/Riga")
    assert formats.day_end_us(date(2016, 3, 27), "Europe/Riga") - first == 23 * 3_600_000_000


@given(st.binary(max_size=400))
def test_no_bytes_break_the_form_parser(body: bytes) -> None:
    """A form, or ``BadForm``; and never a control character."""
    try:
        fields = parse_urlencoded(body)
    except BadForm:
        assert body.count(b"&") >= FIELDS_MAX
        return
    for name, values in fields.items():
        assert all(c >= " " for text in (name, *values) for c in text)


def test_forms_keep_every_value_and_every_letter() -> None:
    """Repeated fields, plus signs, other scripts."""
    fields = parse_urlencoded(b"a=1&a=2&name=B%C4%93rzi%C5%86a+M&empty=&bare")
    assert fields == {"a": ["1", "2"], "name": ["Bērziņa M"], "empty": [""], "bare": [""]}
