"""Ports: ranges and shares."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rtp.ports import PortRange

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
