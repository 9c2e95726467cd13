"""Amounts: integer micros with a currency (billing rules 1 and 2). Never float."""

from __future__ import annotations

import re
from dataclasses import dataclass
from decimal import Decimal

MICROS = 1_000_000
AMOUNT_MICROS_MAX = 10**15  # a thousand million units: far above any balance, far below 2**63
# No exponent, no NaN, no blanks or underscores: Decimal would take them. Length bounds the work.
_AMOUNT = re.compile(r"-?[0-9]{1,30}(\.[0-9]{1,30})?")


class MoneyError(ValueError):
    """Not an amount that we accept; the text says why and is fit for a person."""


class CurrencyMismatch(ValueError):
    """Two currencies met in one sum: always a bug or a configuration error."""


@dataclass(frozen=True, slots=True, order=False)
class Money:
    """A signed amount. ``micros`` are millionths of the currency's unit."""

    micros: int
    currency: str

    def __add__(self, other: Money) -> Money:
        return Money(self.micros + self._same(other), self.currency)

    def __sub__(self, other: Money) -> Money:
        return Money(self.micros - self._same(other), self.currency)

    def __neg__(self) -> Money:
        return Money(-self.micros, self.currency)

    def __lt__(self, other: Money) -> bool:
        return self.micros < self._same(other)

    def __le__(self, other: Money) -> bool:
        return self.micros <= self._same(other)

    def _same(self, other: Money) -> int:
        if other.currency != self.currency:
            raise CurrencyMismatch(f"{self.currency} and {other.currency} in one sum")
        return other.micros

    def __str__(self) -> str:
        return f"{format_micros(self.micros)} {self.currency}"


def parse_micros(text: str, *, negative: bool = False) -> int:
    """A decimal string ("0.06") as micros. Raises ``MoneyError`` on anything else, on more than six
    decimals, on a negative amount unless allowed, and above ``AMOUNT_MICROS_MAX``."""
    if not _AMOUNT.fullmatch(text):
        raise MoneyError(f"{text!r} is not an amount like 12.50")
    value = Decimal(text)
    if abs(value) > AMOUNT_MICROS_MAX // MICROS:
        raise MoneyError(f"{text} is too large: at most {AMOUNT_MICROS_MAX // MICROS}")
    scaled = value * MICROS
    if scaled != scaled.to_integral_value():
        raise MoneyError(f"{text} has more than six decimals")
    if scaled < 0 and not negative:
        raise MoneyError(f"{text} is negative")
    return int(scaled)


def format_micros(micros: int, *, decimals_min: int = 2) -> str:
    """Micros as a decimal string: at least two decimals, no more than needed ("0.12", "0.065")."""
    sign = "-" if micros < 0 else ""
    whole, rest = divmod(abs(micros), MICROS)
    digits = f"{rest:06d}".rstrip("0").ljust(decimals_min, "0")
    return f"{sign}{whole}.{digits}" if digits else f"{sign}{whole}"
