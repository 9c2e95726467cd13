"""Field types of the one rule book: configuration, state file, forms and API share them.

Every type refuses with a sentence that a person understands.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Collection
from ipaddress import ip_address, ip_network
from typing import Annotated, Any
from zoneinfo import available_timezones

import phonenumbers
from pydantic import AfterValidator, BeforeValidator, Field, PlainSerializer, StringConstraints

from billing.money import MoneyError, format_micros, parse_micros

EXTENSION_DIGITS_MIN = 2
EXTENSION_DIGITS_MAX = 6  # the column's width; more than any account of users_max needs
# Never an extension's beginning, whatever the provider configures (A28).
EMERGENCY_ALWAYS = frozenset({"112", "911"})
EMERGENCY_DEFAULT = ("112",)  # until the provider names others
EQUIPMENT_PASSWORD_MIN = 12  # portal.md U2
EQUIPMENT_PASSWORD_MAX = 64  # what phones let people type
EMAIL_MAX = 254  # RFC 5321 4.5.3.1.3, less the angle brackets

_EXTENSION = re.compile(r"[0-9]{2,6}")
_E164 = re.compile(r"\+[1-9][0-9]{6,14}")
_EMAIL = re.compile(r"[^@\s\x00-\x1f]{1,64}@[^@\s.\x00-\x1f]+(\.[^@\s.\x00-\x1f]+)*")
_HOST = re.compile(r"(?!-)[A-Za-z0-9-]{1,63}(\.[A-Za-z0-9-]{1,63})*")
_DATE = re.compile(r"[0-9]{4}-(0[1-9]|1[0-2])-(0[1-9]|[12][0-9]|3[01])")
_CLOCK = re.compile(r"([01][0-9]|2[0-3]):[0-5][0-9]")
_CURRENCY = re.compile(r"[A-Z]{3}")
_CONTROL = re.compile(r"[\x00-\x1f\x7f]")


def extension_problem(text: str, emergency: Collection[str] = EMERGENCY_ALWAYS) -> str | None:
    """Why ``text`` cannot be an extension (A28), or ``None``."""
    if not _EXTENSION.fullmatch(text):
        return "An extension has 2 to 6 digits."
    if text.startswith("0"):
        return "An extension cannot begin with 0."
    for number in sorted({*emergency, *EMERGENCY_ALWAYS}):
        if text.startswith(number):
            return f"An extension cannot begin with the emergency number {number}."
    return None


def quoted(value: Any) -> Any:
    """Text only: YAML reads ``101`` as a number and ``0.06`` as a fraction that is not exact."""
    if isinstance(value, bool | int | float):
        raise ValueError(f'write it in quotes, like "{value}"')
    return value


def shaped(pattern: str, words: str) -> AfterValidator:
    """Text of a form; what has another one "is not ``words``"."""
    form = re.compile(pattern)

    def check(text: str) -> str:
        if not form.fullmatch(text):
            raise ValueError(f"{text!r} is not {words}")
        return text

    return AfterValidator(check)


def _printable(text: str) -> str:
    if _CONTROL.search(text):
        raise ValueError("must not contain control characters")
    return text


def _extension(text: str) -> str:
    problem = extension_problem(text)
    if problem:
        raise ValueError(problem)
    return text


def _e164(text: str) -> str:
    if not _E164.fullmatch(text):
        raise ValueError(f"{text} is not a number like +37070044960")
    return text


def _email(text: str) -> str:
    if len(text) > EMAIL_MAX or not _EMAIL.fullmatch(text):
        raise ValueError(f"{text} is not an e-mail address")
    return text


def _hostname(text: str) -> str:
    if len(text) > 253 or not _HOST.fullmatch(text):
        raise ValueError(f"{text} is not a host name")
    return text.lower()


def _address(text: str) -> str:
    try:
        return str(ip_address(text))
    except ValueError:
        raise ValueError("Use the form 203.0.113.7.") from None


def _network(text: str) -> str:
    try:
        network = ip_network(text)
    except ValueError:
        raise ValueError(f"{text} is not an address or network like 203.0.113.0/24") from None
    single = network.prefixlen == network.max_prefixlen
    return str(network.network_address) if single else str(network)


def _country(text: str) -> str:
    if text not in phonenumbers.SUPPORTED_REGIONS:
        raise ValueError(f"{text} is not a country code like LV")
    return text


def _time_zone(text: str) -> str:
    if text not in TIME_ZONES:
        raise ValueError(f"{text} is not a time zone like Europe/Riga")
    return text


def _date(text: str) -> str:
    if not _DATE.fullmatch(text):
        raise ValueError(f"{text} is not a date like 2016-01-31")
    return text


def _clock(text: str) -> str:
    if not _CLOCK.fullmatch(text):
        raise ValueError("Write the time like 09:00.")
    return text


def _currency(text: str) -> str:
    if not _CURRENCY.fullmatch(text):
        raise ValueError(f"{text} is not a currency like EUR")
    return text


def _micros(value: Any) -> int:
    return _amount(value, negative=False)


def _signed_micros(value: Any) -> int:
    return _amount(value, negative=True)


def _amount(value: Any, *, negative: bool) -> int:
    if not isinstance(value, str):
        raise ValueError(f'write amounts in quotes, like "{value}"')
    try:
        return parse_micros(value, negative=negative)
    except MoneyError as error:
        raise ValueError(str(error)) from None


def _or_empty(check: Callable[[str], str]) -> AfterValidator:
    """The same check for a text that may be empty. A union would report both of its branches."""
    return AfterValidator(lambda text: check(text) if text else "")


def _designated(text: str) -> str:
    return text if text in ("default", "equipment") else _e164(text)


TIME_ZONES = frozenset(available_timezones())

Text = Annotated[str, BeforeValidator(quoted), AfterValidator(_printable)]
Name = Annotated[Text, StringConstraints(min_length=1, max_length=80, strip_whitespace=True)]
OptionalName = Annotated[Text, StringConstraints(max_length=80, strip_whitespace=True)]
ObjectName = Annotated[Text, StringConstraints(min_length=1, max_length=64, strip_whitespace=True)]
ExtensionText = Annotated[Text, AfterValidator(_extension)]
E164 = Annotated[Text, AfterValidator(_e164)]
OptionalE164 = Annotated[Text, _or_empty(_e164)]
DesignatedNumber = Annotated[Text, AfterValidator(_designated)]  # default | equipment | E.164
Email = Annotated[Text, AfterValidator(_email)]
OptionalEmail = Annotated[Text, _or_empty(_email)]
Hostname = Annotated[Text, AfterValidator(_hostname)]
Address = Annotated[Text, AfterValidator(_address)]
OptionalAddress = Annotated[Text, _or_empty(_address)]
Network = Annotated[Text, AfterValidator(_network)]
Country = Annotated[Text, AfterValidator(_country)]
OptionalCountry = Annotated[Text, _or_empty(_country)]
TimeZone = Annotated[Text, AfterValidator(_time_zone)]
DateText = Annotated[Text, AfterValidator(_date)]
ClockText = Annotated[Text, AfterValidator(_clock)]
Currency = Annotated[Text, AfterValidator(_currency)]
Whole = Annotated[int, Field(strict=True)]
Switch = Annotated[bool, Field(strict=True)]
# Decimal strings outside, micros inside.
Micros = Annotated[int, BeforeValidator(_micros), PlainSerializer(format_micros, return_type=str)]
SignedMicros = Annotated[
    int, BeforeValidator(_signed_micros), PlainSerializer(format_micros, return_type=str)
]
