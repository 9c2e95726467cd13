"""Ports for media: a range from the configuration, split among workers, and pools of even ports."""

from __future__ import annotations

import re
from collections import deque
from collections.abc import Iterable
from dataclasses import dataclass

# Packets of an ended call are under way for a moment after it; they must not reach the next call on
# that port. Longer would cost ports: at 50 calls a second and two legs each, 5 s rest 500 of them.
QUARANTINE_S = 5.0
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


class PortPool:
    """Even ports that may be taken; those given back rest for ``QUARANTINE_S``, oldest first."""

    def __init__(self, ports: Iterable[int]) -> None:
        self._free: deque[tuple[float, int]] = deque((float("-inf"), port) for port in ports)
        assert all(port % 2 == 0 for _, port in self._free), "RTP ports are even"

    def __len__(self) -> int:
        return len(self._free)

    def take(self, now_s: float) -> int | None:
        """A port, or ``None`` when all are in use or in quarantine."""
        if not self._free or self._free[0][0] > now_s:
            return None
        return self._free.popleft()[1]

    def give_back(self, port: int, now_s: float) -> None:
        """Return a port that was taken; it rests before it is used again."""
        assert port % 2 == 0, "RTP ports are even"
        self._free.append((now_s + QUARANTINE_S, port))
