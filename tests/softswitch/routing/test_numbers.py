"""How trunks write numbers: presets, rules, and both directions."""

from __future__ import annotations

from dataclasses import replace

import phonenumbers
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from softswitch.routing.model import Trunk
from softswitch.routing.numbers import (
    CALLED,
    CALLER,
    PRESETS,
    NumberRule,
    incoming,
    needs_country,
    outgoing,
)
from tests.softswitch.routing.world import RIGA_NUMBER, TRUNKS, dial, ring, snapshot

LATVIA = Trunk("carrier", (), "sip:192.0.2.9", "e164", 0, country="LV")
LAT, GER = "+37120000001", "+493012345678"


@pytest.mark.parametrize(
    ("preset", "country", "number", "sent"),
    [
        ("e164", "", LAT, LAT),
        ("plain", "", LAT, "37120000001"),
        ("national", "LV", LAT, "20000001"),
        ("national", "LV", GER, "00493012345678"),
        ("national", "DE", GER, "03012345678"),
        ("national", "US", "+16502530000", "6502530000"),
        ("national", "US", GER, "011493012345678"),
        *((preset, "LV", "112", "112") for preset in PRESETS),
    ],
)
def test_presets(preset: str, country: str, number: str, sent: str) -> None:
    """Going out in the preset's form, coming in the same number again."""
    trunk = replace(LATVIA, number_format=preset, country=country)
    assert outgoing(trunk, number, CALLED).number == sent
    if number != "112":
        assert incoming(trunk, sent, CALLED).number == number


@pytest.mark.parametrize(
    ("rule", "number", "of", "sent"),
    [
        (NumberRule("+371", strip=4, prepend="0"), LAT, CALLED, "020000001"),
        (NumberRule("+371", strip=4), GER, CALLED, GER),
        (NumberRule("+371", CALLED, strip=4), LAT, CALLER, LAT),
        (NumberRule("+371", CALLER, strip=4), LAT, CALLER, "20000001"),
        (NumberRule("+3712XXXXXXX$", strip=1), LAT, CALLED, LAT[1:]),
        (NumberRule("+3712XXXXXX$", strip=1), LAT, CALLED, LAT),
        (NumberRule(preset="national", prepend="9"), LAT, CALLED, "920000001"),
        (NumberRule(preset="plain", prepend="00"), GER, CALLED, "00493012345678"),
        (NumberRule(prepend="77"), "112", CALLED, "112"),
        (NumberRule("112$", prepend="77"), "112", CALLED, "77112"),
    ],
)
def test_rules_going_out(rule: NumberRule, number: str, of: str, sent: str) -> None:
    """Match the number of the switch, then preset, strip, prepend. Short numbers are changed only
    by a rule that names them."""
    trunk = replace(LATVIA, outbound_numbers=(rule,))
    assert outgoing(trunk, number, of).number == sent


def test_the_first_rule_that_fits_decides_and_is_named() -> None:
    """In the order of the file."""
    rules = (NumberRule("+372", preset="plain"), NumberRule("+37", strip=1), NumberRule(strip=2))
    trunk = replace(LATVIA, outbound_numbers=rules)
    written = outgoing(trunk, LAT, CALLED)
    assert written.number == LAT[1:]
    assert written.rule == 'outbound rule 2: match "+37", strip 1'
    assert outgoing(replace(trunk, outbound_numbers=()), LAT, CALLED).rule == "number_format e164"


@pytest.mark.parametrize(
    ("rule", "sent", "number"),
    [
        (NumberRule("99", strip=2), "9937120000001", LAT),
        (NumberRule("2", prepend="+371"), "20000001", LAT),
        (NumberRule(preset="national"), "20000001", LAT),
        (NumberRule("0", strip=1, preset="plain"), "037120000001", LAT),
        (NumberRule("X", prepend="+"), "anonymous", None),
        (NumberRule(strip=32), LAT, None),
    ],
)
def test_rules_coming_in(rule: NumberRule, sent: str, number: str | None) -> None:
    """Match what was sent, strip, prepend, and read the rest as the preset says."""
    assert incoming(replace(LATVIA, inbound_numbers=(rule,)), sent, CALLED).number == number


@given(
    st.sampled_from(["LV", "LT", "EE", "DE", "GB", "US", "RU", "FR"]),
    st.integers(0, 99_999),
    st.sampled_from(PRESETS),
)
def test_what_goes_out_comes_in_again(country: str, ending: int, preset: str) -> None:
    """For every valid number of a country and every preset."""
    example = phonenumbers.example_number(country)
    number = f"+{example.country_code}{example.national_number // 100_000}{ending:05d}"
    assume(phonenumbers.is_valid_number(phonenumbers.parse(number, None)))
    trunk = replace(LATVIA, number_format=preset, country=country)
    sent = outgoing(trunk, number, CALLED).number
    assert incoming(trunk, sent or "", CALLED).number == number


RULES = st.builds(
    NumberRule,
    match=st.from_regex(r"\+?[0-9X*#]{0,4}\$?", fullmatch=True),
    of=st.sampled_from(["both", "called", "caller"]),
    preset=st.sampled_from(["", *PRESETS]),
    strip=st.integers(0, 32),
    prepend=st.from_regex(r"\+?[0-9]{0,6}", fullmatch=True),
)


@given(st.lists(RULES, max_size=4), st.text(max_size=30), st.sampled_from([CALLED, CALLER]))
def test_nothing_that_is_sent_breaks_the_rules(rules: list[NumberRule], sent: str, of: str) -> None:
    """Whatever a carrier sends is E.164 afterwards, or no number."""
    trunk = replace(LATVIA, inbound_numbers=tuple(rules))
    number = incoming(trunk, sent, of).number
    assert number is None or (number.startswith("+") and number[1:].isdigit())


def test_national_numbers_need_a_country() -> None:
    """As the format, or in any rule."""
    assert needs_country("national", ())
    assert needs_country("e164", (NumberRule(), NumberRule(preset="national")))
    assert not needs_country("plain", (NumberRule(preset="e164"),))


def with_rules(**changes: object) -> dict[str, Trunk]:
    """The usual trunks, the first with rules."""
    return {**TRUNKS, "carrier": replace(TRUNKS["carrier"], **changes)}  # type: ignore[arg-type]


def test_the_trace_says_what_goes_out() -> None:
    """For trunks that have rules."""
    rules = (NumberRule("+371", preset="plain"),)
    plan = dial(LAT, world=snapshot(trunks=with_rules(outbound_numbers=rules)))
    said = 'outbound rule 1: match "+371", plain'
    assert f"trunk carrier is sent 37120000001 ({said})" in plan.trace
    assert f"trunk carrier is shown {RIGA_NUMBER[1:]} ({said})" in plan.trace
    assert not any(line.startswith("trunk second is") for line in plan.trace)


def test_a_number_comes_in_by_rules() -> None:
    """The called number and the caller's, each by its own."""
    rules = (
        NumberRule("8", CALLED, strip=1, prepend="+371"),
        NumberRule("0", CALLER, strip=1, prepend="+49"),
    )
    world = snapshot(trunks=with_rules(inbound_numbers=rules))
    plan = ring("8" + RIGA_NUMBER.removeprefix("+371"), world=world, presented="03012345678")
    assert (plan.records[0].called, plan.records[0].caller) == (RIGA_NUMBER, "+493012345678")
    assert "inbound rule 1" in plan.trace[0]
