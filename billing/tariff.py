"""Tariff rows and finding the one that prices a call (billing rules 7 to 9, 14)."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import asdict, dataclass
from typing import Any

PREFIX_DIGITS_MAX = 15  # E.164


@dataclass(frozen=True, slots=True)
class Rate:
    """One row of a tariff, with the tariff's name and version so that a CDR can be priced again.

    Amounts in micros of ``currency``; ``direction`` "out", or "in" for paid incoming calls.
    """

    tariff: str
    version: int
    currency: str
    direction: str
    prefix: str
    destination: str
    per_minute_micros: int
    initial_s: int
    increment_s: int
    connect_fee_micros: int = 0
    free_s: int = 0
    grace_s: int = 0
    minimum_micros: int = 0
    surcharge_micros: int = 0
    cost_per_minute_micros: int = 0
    blocked: bool = False
    valid_from: str = "1970-01-01"

    def as_json(self) -> dict[str, Any]:
        """For the hold row and the CDR."""
        return asdict(self)

    @classmethod
    def from_json(cls, data: dict[str, Any]) -> Rate:
        """The inverse of ``as_json``."""
        return cls(**data)


class TariffIndex:
    """All rows of one tariff, ready for longest-prefix search: a look-up for each
    length that its prefixes have."""

    def __init__(self, name: str, currency: str, rates: Iterable[Rate]) -> None:
        self.name = name
        self.currency = currency
        self._rates: dict[tuple[str, str], list[Rate]] = {}
        for rate in rates:
            self._rates.setdefault((rate.direction, rate.prefix), []).append(rate)
        for rows in self._rates.values():
            rows.sort(key=lambda rate: rate.valid_from, reverse=True)
        self._lengths: dict[str, list[int]] = {}  # of a direction's prefixes, the longest first
        for direction, length in sorted({(way, len(prefix)) for way, prefix in self._rates})[::-1]:
            if length <= PREFIX_DIGITS_MAX:
                self._lengths.setdefault(direction, []).append(length)

    def find(self, direction: str, number: str, date: str) -> Rate | None:
        """The row for a number (digits, "+" ignored) on a date (YYYY-MM-DD): the longest prefix
        that has a row in force, the newest of those (rule 8). ``None``: no match, refuse."""
        digits = number.lstrip("+")
        for length in self._lengths.get(direction, ()):
            for rate in self._rates.get((direction, digits[:length]), ()):
                if rate.valid_from <= date:
                    return rate
        return None
