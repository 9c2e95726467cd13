"""Slowing down guesses, with time passed in."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from web.throttle import (
    FORGET_S,
    FREE_FAILURES,
    KEYS_MAX,
    LOCK_FAILURES,
    LOCK_S,
    NETWORK_FACTOR,
    SignInThrottle,
    network_of,
)

ANNA, HOME, ELSEWHERE = "anna@example.com", "192.0.2.10", "198.51.100.1"


def after(failures: int, email: str = ANNA, address: str = HOME) -> SignInThrottle:
    """A throttle that has seen so many failures at second 0."""
    throttle = SignInThrottle()
    for _ in range(failures):
        throttle.failed(email, address, 0.0)
    return throttle


def test_the_first_failures_are_free() -> None:
    """People mistype."""
    assert after(FREE_FAILURES - 1).wait_s(ANNA, HOME, 0.0) == 0.0


def test_then_every_failure_doubles_the_wait() -> None:
    """2 s, 4 s, 8 s."""
    waits = [after(FREE_FAILURES + more).wait_s(ANNA, HOME, 0.0) for more in range(3)]
    assert waits == [2.0, 4.0, 8.0]


def test_many_failures_lock_for_a_quarter_of_an_hour() -> None:
    """From anywhere: an address book of proxies does not help."""
    throttle = after(LOCK_FAILURES)
    assert throttle.wait_s(ANNA, ELSEWHERE, 0.0) == LOCK_S
    assert throttle.wait_s(ANNA, ELSEWHERE, LOCK_S) == 0.0


def test_guessing_at_many_addresses_from_one_network_is_slowed_down() -> None:
    """One password against a list of people."""
    throttle = SignInThrottle()
    for index in range(FREE_FAILURES * NETWORK_FACTOR):
        throttle.failed(f"user{index}@example.com", f"192.0.2.{index}", 0.0)
    assert throttle.wait_s("next@example.com", HOME, 0.0) > 0
    assert throttle.wait_s("next@example.com", ELSEWHERE, 0.0) == 0.0


def test_the_right_password_clears_the_persons_failures() -> None:
    """But not the network's."""
    throttle = after(FREE_FAILURES - 1)
    throttle.succeeded(ANNA)
    throttle.failed(ANNA, HOME, 0.0)
    assert throttle.wait_s(ANNA, HOME, 0.0) == 0.0


def test_failures_are_forgotten() -> None:
    """After an hour without one."""
    throttle = after(FREE_FAILURES)
    throttle.failed(ANNA, HOME, FORGET_S + 1)
    assert throttle.wait_s(ANNA, HOME, FORGET_S + 1) == 0.0


def test_memory_is_bounded() -> None:
    """However many addresses are tried."""
    throttle = SignInThrottle()
    for index in range(KEYS_MAX + 50):
        throttle.failed(f"user{index}@example.com", HOME, 0.0)
    assert len(throttle._failures) <= KEYS_MAX


def test_networks() -> None:
    """/24 and /64; what is no address stands for itself."""
    assert network_of("192.0.2.77") == "192.0.2.0/24"
    assert network_of("2001:db8:1:2:3::4") == "2001:db8:1:2::/64"
    assert network_of("unix") == "unix"


@given(st.lists(st.booleans(), max_size=60))
def test_the_wait_is_never_longer_than_the_lock(tries: list[bool]) -> None:
    """Whatever the order of failures and successes."""
    throttle = SignInThrottle()
    for right in tries:
        if right:
            throttle.succeeded(ANNA)
        else:
            throttle.failed(ANNA, HOME, 0.0)
        assert 0.0 <= throttle.wait_s(ANNA, HOME, 0.0) <= LOCK_S
