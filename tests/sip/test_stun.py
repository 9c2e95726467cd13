"""STUN Binding answers, against RFC 8489 and the vectors of RFC 5769."""

from __future__ import annotations

import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sip.flow import Address
from sip.stun import ATTRIBUTES_MAX, answer

TRANSACTION = bytes.fromhex("b7e7a701bc34d686fa87dfae")  # of RFC 5769
HERE = Address("192.0.2.1", 32853)


def binding(attributes: bytes = b"", kind: int = 1) -> bytes:
    """A message with this body."""
    return struct.pack("!HHI12s", kind, len(attributes), 0x2112A442, TRANSACTION) + attributes


def attribute(kind: int, value: bytes = b"") -> bytes:
    """One attribute, padded."""
    return struct.pack("!HH", kind, len(value)) + value + bytes(-len(value) % 4)


@pytest.mark.parametrize(
    ("source", "mapped"),
    [
        (HERE, "0001a147e112a643"),  # RFC 5769 2.2
        (
            Address("2001:db8:1234:5678:11:2233:4455:6677", 32853),
            "0002a1470113a9faa5d3f179bc25f4b5bed2b9d9",  # RFC 5769 2.3
        ),
    ],
)
def test_a_binding_request_is_told_where_it_came_from(source: Address, mapped: str) -> None:
    """XOR-MAPPED-ADDRESS alone, under the request's transaction id."""
    value = bytes.fromhex(mapped)
    assert answer(binding(), source) == binding(attribute(0x0020, value), 0x0101)


def test_an_interface_of_a_link_local_address_is_left_out() -> None:
    """It means something on this host only."""
    assert answer(binding(), Address("fe80::1%eth0", 1)) == answer(binding(), Address("fe80::1", 1))


def test_attributes_that_may_be_ignored_are() -> None:
    """SOFTWARE and FINGERPRINT, and the credentials that nobody asked for."""
    extra = attribute(0x8022, b"phone") + attribute(0x0006, b"user") + attribute(0x8028, b"abcd")
    assert answer(binding(extra), HERE) == answer(binding(), HERE)


def test_an_attribute_that_must_be_understood_and_is_not_gets_420() -> None:
    """With its number (RFC 8489 6.3.1)."""
    code = attribute(0x0009, b"\0\0\x04\x14Unknown Attribute")
    unknown = attribute(0x000A, bytes.fromhex("00241234"))
    asked = binding(attribute(0x0024, b"1234") + attribute(0x1234))
    assert answer(asked, HERE) == binding(code + unknown, 0x0111)


@pytest.mark.parametrize(
    "data",
    [
        b"",
        binding()[:-1],
        binding() + b"\0",
        binding(kind=0x0011),  # an indication
        binding(kind=0x0101),  # an answer
        binding(b"\0\0"),
        binding(struct.pack("!HH", 0x8022, 8) + b"1234"),
        binding(attribute(0x8022) * (ATTRIBUTES_MAX + 1)),
        binding().replace(bytes.fromhex("2112a442"), bytes(4)),  # RFC 3489
        b"OPTIONS sip:x SIP/2.0\r\n\r\n",
    ],
)
def test_anything_else_gets_no_answer(data: bytes) -> None:
    """Answers to what is none would feed loops."""
    assert answer(data, HERE) is None


@given(st.binary(max_size=80) | st.binary(max_size=60).map(binding))
def test_nothing_raises(data: bytes) -> None:
    """And no answer is much larger than what asked for it."""
    said = answer(data, HERE)
    assert said is None or len(said) <= len(data) + 40
