"""Ports for media: a range from the configuration, split among workers."""

from __future__ import annotations

import re
from dataclasses import dataclass

PORT_LOWEST = 1024
PORT_HIGHEST = 65535

_RANGE = re.compile(r"\s*(\d{1,5})\s*-\s*(\d{1,5})\s*")


@dataclass(frozen=True, slots=True)
class PortRange:
    """UDP ports ``first`` to ``last``, both included; RTP takes the even, RTCP the odd ones."""

    first: int
    last: int

    def __post_init__(self) -> None:
        if not PORT_LOWEST <= self.first < self.last <= PORT_HIGHEST:
            raise ValueError(f"media ports {self} must rise within {PORT_LOWEST} to {PORT_HIGHEST}")

    @classmethod
    def parse(cls, text: str) -> PortRange:
        """The range in "20000-39999"; ``ValueError`` says what is wrong with it."""
        match = _RANGE.fullmatch(text)
        if match is None:
            raise ValueError(f'media ports "{text}" are not of the form "20000-39999"')
        return cls(int(match[1]), int(match[2]))

    def __str__(self) -> str:
        return f"{self.first}-{self.last}"

    @property
    def even_ports(self) -> range:
        """The RTP ports whose RTCP port is within the range, too."""
        return range(self.first + self.first % 2, self.last, 2)

    def split(self, parts: int) -> tuple[PortRange, ...]:
        """Equal shares for ``parts`` workers; ``ValueError`` when there is not a pair for each."""
        pairs = len(self.even_ports)
        share = pairs // parts
        if share == 0:
            raise ValueError(f"media ports {self} have {pairs} pairs for {parts} workers")
        begin = self.even_ports.start
        return tuple(
            PortRange(begin + 2 * share * part, begin + 2 * share * (part + 1) - 1)
            for part in range(parts)
        )
