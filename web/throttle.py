"""Slows down guessing of portal passwords. Pure: the caller passes ``now_s``.

Counted per e-mail address, per network (/24 or /64) and for the whole portal. Five failures are
free; then every failure doubles the wait; twenty lock password sign-in for a quarter of an hour.
"""

from __future__ import annotations

from collections import OrderedDict
from dataclasses import dataclass
from ipaddress import ip_address, ip_network

FREE_FAILURES = 5
LOCK_FAILURES = 20
LOCK_S = 15 * 60.0
FIRST_DELAY_S = 2.0
FORGET_S = 60 * 60.0  # without a failure for so long, a key starts anew
KEYS_MAX = 10_000  # least recently seen are forgotten first; about 2 MB
NETWORK_FACTOR = 4  # an office behind one address has more people, and so more failures
PORTAL_FACTOR = 200  # a spread attack on the whole portal; then all password sign-ins slow down


@dataclass(slots=True)
class _Failures:
    count: int
    last_s: float
    free_at_s: float


class SignInThrottle:
    """Remembers failures. Ask ``wait_s`` before a try, tell ``failed`` or ``succeeded`` after."""

    def __init__(self) -> None:
        self._failures: OrderedDict[str, _Failures] = OrderedDict()

    def wait_s(self, email: str, address: str, now_s: float) -> float:
        """Seconds until the next try is allowed; 0.0: now."""
        keys = _keys(email, address)
        return max(0.0, *(self._free_at_s(key, now_s) - now_s for key, _ in keys))

    def failed(self, email: str, address: str, now_s: float) -> None:
        """A wrong e-mail address or password."""
        for key, factor in _keys(email, address):
            entry = self._current(key, now_s)
            entry.count += 1
            entry.last_s = now_s
            entry.free_at_s = now_s + _delay_s(entry.count // factor)
            self._failures[key] = entry
            self._failures.move_to_end(key)
        while len(self._failures) > KEYS_MAX:
            self._failures.popitem(last=False)

    def succeeded(self, email: str) -> None:
        """The right password: this address's failures are forgotten, its network's are not."""
        self._failures.pop(f"email:{email}", None)

    def _current(self, key: str, now_s: float) -> _Failures:
        entry = self._failures.get(key)
        if entry is None or now_s - entry.last_s > FORGET_S:
            return _Failures(0, now_s, now_s)
        return entry

    def _free_at_s(self, key: str, now_s: float) -> float:
        return self._current(key, now_s).free_at_s


def _delay_s(failures: int) -> float:
    if failures < FREE_FAILURES:
        return 0.0
    if failures >= LOCK_FAILURES:
        return LOCK_S
    return min(LOCK_S, FIRST_DELAY_S * 2.0 ** (failures - FREE_FAILURES))


def _keys(email: str, address: str) -> tuple[tuple[str, int], ...]:
    return (
        (f"email:{email}", 1),
        (f"network:{network_of(address)}", NETWORK_FACTOR),
        ("portal", PORTAL_FACTOR),
    )


def network_of(address: str) -> str:
    """The /24 or /64 that an address is in: what one attacker gets cheaply."""
    try:
        version = ip_address(address).version
    except ValueError:
        return address
    return str(ip_network(f"{address}/{24 if version == 4 else 64}", strict=False))
