"""How a trunk writes telephone numbers: what goes out to a carrier, and what its own mean.

Inside the switch a number is E.164 with "+". Going out, the first rule of ``outbound_numbers`` that
fits brings it into its preset's form, strips and prepends; coming in, the first of
``inbound_numbers`` strips and prepends, and what is left is read as its preset says. Where no rule
fits, ``number_format`` alone decides.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import NamedTuple, Protocol

import phonenumbers

from softswitch.routing.dialling import from_carrier, to_e164

CALLED, CALLER = "called", "caller"
NATIONAL = "national"
PRESETS = ("e164", "plain", NATIONAL)
PATTERNS_CACHED = 4096  # as many rules as all trunks have
NATIONAL_CACHED = 8192  # answers kept: phonenumberslite takes some 100 us for one


@dataclass(frozen=True, slots=True)
class NumberRule:
    """One row. ``match``: how the number begins, "X" for any digit, "$" where it must end; "" fits
    all. ``of``: called | caller | both. ``preset`` "": the number as it stands."""

    match: str = ""
    of: str = "both"
    preset: str = ""
    strip: int = 0
    prepend: str = ""

    def fits(self, number: str, of: str) -> bool:
        """Whether the rule is for this number, called or caller."""
        return self.of in ("both", of) and _pattern(self.match).match(number) is not None

    def edit(self, number: str) -> str:
        """Strip from the left, then prepend."""
        return self.prepend + number[self.strip :]

    def __str__(self) -> str:
        """In words, for traces: ``match "+371", strip 4, prepend "0"``."""
        said = [f'match "{self.match}"' if self.match else "any number"]
        if self.of != "both":
            said.append(f"of {self.of}")
        if self.preset:
            said.append(self.preset)
        if self.strip:
            said.append(f"strip {self.strip}")
        if self.prepend:
            said.append(f'prepend "{self.prepend}"')
        return ", ".join(said)


class WritesNumbers(Protocol):
    """A trunk, as far as its numbers go."""

    @property
    def number_format(self) -> str:
        """A preset."""

    @property
    def country(self) -> str:
        """ISO 3166, for the preset ``national``; "" when there is none."""

    @property
    def outbound_numbers(self) -> tuple[NumberRule, ...]:
        """In order; the first that fits."""

    @property
    def inbound_numbers(self) -> tuple[NumberRule, ...]:
        """In order; the first that fits."""


class Written(NamedTuple):
    """A number in its new form, and ``rule``, in words, that made it. ``number`` ``None``: what
    came in is no telephone number."""

    number: str | None
    rule: str


def outgoing(trunk: WritesNumbers, number: str, of: str) -> Written:
    """A number of the switch as the trunk wants it. A short one (112) is no E.164 number: only a
    rule that matches it by name changes it."""
    if trunk.outbound_numbers:
        for index, rule in enumerate(trunk.outbound_numbers, 1):
            if rule.fits(number, of) and (rule.match or number.startswith("+")):
                formed = _in_form(number, rule.preset, trunk.country)
                return Written(rule.edit(formed), f"outbound rule {index}: {rule}")
    formed = _in_form(number, trunk.number_format, trunk.country)
    return Written(formed, f"number_format {trunk.number_format}")


def sent(trunk: WritesNumbers, number: str, of: str) -> str:
    """``outgoing``'s number alone, at once where there are no rules: calls take this way."""
    if trunk.outbound_numbers or trunk.number_format == NATIONAL:
        return outgoing(trunk, number, of).number or ""
    return number.removeprefix("+") if trunk.number_format == "plain" else number


def incoming(trunk: WritesNumbers, sent: str, of: str) -> Written:
    """What a cleaned number of the trunk means, in E.164."""
    if trunk.inbound_numbers:
        for index, rule in enumerate(trunk.inbound_numbers, 1):
            if rule.fits(sent, of):
                preset = rule.preset or trunk.number_format
                number = _read(rule.edit(sent), preset, trunk.country)
                return Written(number, f"inbound rule {index}: {rule}")
    number = _read(sent, trunk.number_format, trunk.country)
    return Written(number, f"number_format {trunk.number_format}")


class HasPreset(Protocol):
    """A rule, here or in a state file."""

    @property
    def preset(self) -> str:
        """One of ``PRESETS``, or ""."""


def needs_country(number_format: str, rules: Sequence[HasPreset]) -> bool:
    """Whether the preset ``national`` is used."""
    return number_format == NATIONAL or any(rule.preset == NATIONAL for rule in rules)


def _in_form(number: str, preset: str, country: str) -> str:
    if preset == "plain":
        return number.removeprefix("+")
    if preset == NATIONAL and number.startswith("+"):
        return _national(number, country)
    return number


def _read(sent: str, preset: str, country: str) -> str | None:
    """E.164, whether it came with "+", "00" or plain; national forms are tried first where they
    are the rule, since "20000001" would be a number of another country otherwise."""
    if preset == NATIONAL:
        return to_e164(sent, country) or from_carrier(sent)
    return from_carrier(sent)


@lru_cache(maxsize=NATIONAL_CACHED)
def _national(number: str, country: str) -> str:
    """As it is dialled in the country: numbers of other countries with its international prefix."""
    try:
        parsed = phonenumbers.parse(number, None)
    except phonenumbers.NumberParseException:
        return number
    if parsed.country_code == phonenumbers.country_code_for_region(country):
        text = phonenumbers.format_number(parsed, phonenumbers.PhoneNumberFormat.NATIONAL)
    else:
        text = phonenumbers.format_out_of_country_calling_number(parsed, country)
    return str(phonenumbers.normalize_diallable_chars_only(text))


@lru_cache(maxsize=PATTERNS_CACHED)
def _pattern(match: str) -> re.Pattern[str]:
    end = r"\Z" if match.endswith("$") else ""
    return re.compile(re.escape(match.removesuffix("$")).replace("X", "[0-9]") + end)
