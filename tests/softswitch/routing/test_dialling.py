"""What is dialled or sent, as E.164."""

from __future__ import annotations

import phonenumbers
import pytest
from hypothesis import given
from hypothesis import strategies as st

from softswitch.routing.dialling import DIALLED_MAX, clean, from_carrier, to_e164


@pytest.mark.parametrize(
    ("user", "cleaned"),
    [
        ("101", "101"),
        ("+371 (2) 000-00.00", "+37120000000"),
        ("+37120000000;phone-context=example.com", "+37120000000"),
        ("*98#", "*98#"),
        ("", ""),
        ("1" * (DIALLED_MAX + 1), ""),
    ],
)
def test_clean_removes_separators_and_parameters(user: str, cleaned: str) -> None:
    """Visual separators and user parameters are no part of the number; what is too long is none."""
    assert clean(user) == cleaned


@pytest.mark.parametrize(
    ("dialled", "country", "number"),
    [
        ("+37120000000", "LV", "+37120000000"),
        ("0037120000000", "LV", "+37120000000"),
        ("20000000", "LV", "+37120000000"),
        ("03012345678", "DE", "+493012345678"),
        ("0113712000 0000".replace(" ", ""), "US", "+37120000000"),
        ("2025550123", "US", "+12025550123"),
        ("712345", "AD", "+376712345"),
        ("+0123456789", "LV", None),
        ("+1234567890123456", "LV", None),
        ("+371", "LV", None),
        ("+", "LV", None),
        ("00", "LV", None),
        ("++37120000000", "LV", None),
        ("1800FLOWERS", "US", None),
        ("٢٠٠٠٠٠٠٠", "LV", None),
        ("+٣٧١٢٠٠٠٠٠٠٠", "LV", None),
        ("104", "LV", None),
        ("1042", "DE", None),
        ("12345678901234567890", "LV", None),
        ("99999999", "LV", None),
        ("*98", "LV", None),
        ("20000000", "XX", None),
        ("", "LV", None),
    ],
)
def test_users_dial_plus_00_or_the_national_form(
    dialled: str, country: str, number: str | None
) -> None:
    """Each form becomes E.164, and everything else is refused rather than guessed."""
    assert to_e164(dialled, country) == number


@pytest.mark.parametrize("sent", ["+37167000001", "37167000001", "0037167000001"])
def test_carriers_send_any_presentation(sent: str) -> None:
    """With "+", without it, or with 00: the same number."""
    assert from_carrier(sent) == "+37167000001"


@pytest.mark.parametrize("sent", ["", "anonymous", "0", "0371", "+x", "1234567890123456", "²²²²²²"])
def test_what_is_no_number_from_a_carrier_is_none(sent: str) -> None:
    """Withheld callers and rubbish are no numbers."""
    assert from_carrier(sent) is None


@given(st.text(max_size=80), st.sampled_from(["LV", "DE", "US", "AD", "", "??"]))
def test_nothing_that_is_dialled_raises(text: str, country: str) -> None:
    """Any text is a number in E.164 or none."""
    for number in (to_e164(clean(text), country), from_carrier(clean(text))):
        assert number is None or (number[0] == "+" and 5 <= len(number[1:]) <= 15)
        assert number is None or (number[1:].isascii() and number[1:].isdigit())


@given(st.from_regex(r"[1-9][0-9]{4,14}", fullmatch=True))
def test_international_forms_agree(digits: str) -> None:
    """ "+" and 00 are the same number, from users and carriers alike."""
    assert to_e164(f"+{digits}", "LV") == to_e164(f"00{digits}", "LV") == f"+{digits}"
    assert from_carrier(digits) == from_carrier(f"00{digits}") == f"+{digits}"


@pytest.mark.parametrize("country", ["LV", "LT", "EE", "DE", "GB", "US", "IT", "CZ", "FR"])
def test_example_numbers_are_dialled_nationally(country: str) -> None:
    """The national form of each country's example number reaches that number."""
    example = phonenumbers.example_number(country)
    assert example is not None
    form = phonenumbers.format_number(example, phonenumbers.PhoneNumberFormat.NATIONAL)
    expected = phonenumbers.format_number(example, phonenumbers.PhoneNumberFormat.E164)
    assert to_e164(clean(form), country) == expected
