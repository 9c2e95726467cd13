"""What bans are decided on: wrong passwords by source and login, and what each source tried."""

from __future__ import annotations

from collections import OrderedDict
from math import ceil

ENTRIES_MAX = 10_000  # sources and logins remembered; a scan of more pushes out the oldest
DECAY_S = 60.0  # one failure is forgiven each minute
TRIED_SOURCES_MAX = 5_000  # whose tried logins are remembered
# Phones register again within an hour (registrar.EXPIRES_MAX_S) and each time prove their source:
# within twice that an address with phones behind it has at least one success.
WINDOW_S = 7200.0


class FailureCounts:
    """Recent failures of each (source host, login), in bounded memory.

    The count falls by one every ``decay_s``, a part of one counting as one, and ends with a
    success.
    """

    def __init__(self, entries_max: int = ENTRIES_MAX, decay_s: float = DECAY_S) -> None:
        self._entries_max = entries_max
        self._decay_s = decay_s
        self._entries: OrderedDict[tuple[str, str], tuple[float, float]] = OrderedDict()

    def __len__(self) -> int:
        return len(self._entries)

    def add(self, host: str, login: str, now_s: float) -> int:
        """Count one failure; how many there are now, at least 1."""
        key = host, login
        level = self._level(key, now_s) + 1
        self._entries[key] = (level, now_s)
        self._entries.move_to_end(key)
        if len(self._entries) > self._entries_max:
            self._entries.popitem(last=False)
        return ceil(level)

    def count(self, host: str, login: str, now_s: float) -> int:
        """Failures that are not forgiven yet."""
        return ceil(self._level((host, login), now_s))

    def forgive(self, host: str, login: str) -> None:
        """The right password came: forget the wrong ones."""
        self._entries.pop((host, login), None)

    def _level(self, key: tuple[str, str], now_s: float) -> float:
        level, at_s = self._entries.get(key, (0.0, now_s))
        return max(0.0, level - (now_s - at_s) / self._decay_s)


class Tried:
    """Different names that each source has tried within ``WINDOW_S``, in bounded memory."""

    def __init__(self, sources_max: int = TRIED_SOURCES_MAX) -> None:
        self._sources_max = sources_max
        self._names: OrderedDict[str, dict[str, float]] = OrderedDict()

    def __len__(self) -> int:
        return sum(map(len, self._names.values()))

    def add(self, source: str, name: str, most: int, now_s: float) -> int:
        """Note a try; how many different ones there are, ``most`` at most."""
        names = self._names.pop(source, {})
        names = {old: at_s for old, at_s in names.items() if now_s - at_s < WINDOW_S}
        if len(names) < most:
            names[name] = now_s
        self._names[source] = names
        if len(self._names) > self._sources_max:
            self._names.popitem(last=False)
        return len(names)

    def forget(self, source: str) -> None:
        """Begin anew for a source."""
        self._names.pop(source, None)
