"""Ports: ranges, shares, pools and their quarantine."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rtp.ports import QUARANTINE_S, PortPool, PortRange

ranges = st.tuples(st.integers(1024, 65535), st.integers(1024, 65535)).filter(
    lambda ends: ends[0] < ends[1]
)


def test_a_range_is_read_and_printed() -> None:
    """The configuration's form."""
    assert PortRange.parse("20000-39999") == PortRange(20000, 39999)
    assert str(PortRange(20000, 39999)) == "20000-39999"


@pytest.mark.parametrize(
    "text", ["", "20000", "a-b", "20000-", "30000-20000", "80-90", "1024-70000"]
)
def test_a_wrong_range_is_refused(text: str) -> None:
    """With a message that says "media ports"."""
    with pytest.raises(ValueError, match="media ports"):
        PortRange.parse(text)


@given(ends=ranges)
def test_pairs_lie_within_the_range(ends: tuple[int, int]) -> None:
    """Every RTP port is even, and it and its RTCP port are in the range."""
    ports = PortRange(*ends)
    for port in (ports.even_ports[:1], ports.even_ports[-1:]):
        for each in port:
            assert each % 2 == 0
            assert ports.first <= each < each + 1 <= ports.last


@given(ends=ranges, parts=st.integers(1, 16))
def test_shares_are_disjoint_and_equal(ends: tuple[int, int], parts: int) -> None:
    """Each worker has the same number of pairs, and no port twice."""
    ports = PortRange(*ends)
    if len(ports.even_ports) < parts:
        with pytest.raises(ValueError, match="workers"):
            ports.split(parts)
        return
    shares = ports.split(parts)
    assert len({len(share.even_ports) for share in shares}) == 1
    taken = [port for share in shares for port in share.even_ports]
    assert len(taken) == len(set(taken)) > len(ports.even_ports) - parts
    assert set(taken) <= set(ports.even_ports)


def test_a_pool_is_exhausted() -> None:
    """Every port once, then none."""
    pool = PortPool([20000, 20002])
    assert [pool.take(0.0), pool.take(0.0), pool.take(0.0)] == [20000, 20002, None]


def test_a_released_port_rests() -> None:
    """It is not given out before its quarantine ended."""
    pool = PortPool([20000])
    port = pool.take(0.0)
    assert port is not None
    pool.give_back(port, 10.0)
    assert pool.take(10.0 + QUARANTINE_S - 0.01) is None
    assert pool.take(10.0 + QUARANTINE_S) == 20000


@given(
    steps=st.lists(st.tuples(st.booleans(), st.floats(0, QUARANTINE_S)), max_size=60),
    size=st.integers(1, 8),
)
def test_no_port_is_given_twice_or_too_early(steps: list[tuple[bool, float]], size: int) -> None:
    """Whatever is taken and given back when."""
    pool = PortPool(range(20000, 20000 + 2 * size, 2))
    now_s = 0.0
    in_use: list[int] = []
    free_from_s: dict[int, float] = {}
    for gives_back, pause_s in steps:
        now_s += pause_s
        if gives_back and in_use:
            port = in_use.pop(0)
            pool.give_back(port, now_s)
            free_from_s[port] = now_s + QUARANTINE_S
        elif (taken := pool.take(now_s)) is not None:
            assert taken not in in_use
            assert free_from_s.get(taken, 0.0) <= now_s
            in_use.append(taken)
    assert len(pool) + len(in_use) == size
