"""Serial number arithmetic (RFC 1982) for RTP's 16-bit sequence and 32-bit timestamps."""

from __future__ import annotations

SEQUENCE_MODULUS = 1 << 16
TIMESTAMP_MODULUS = 1 << 32


def sequence_distance(newer: int, older: int) -> int:
    """Steps from ``older`` to ``newer``, -32768 to 32767: negative when ``newer`` came before."""
    difference = (newer - older) % SEQUENCE_MODULUS
    return difference if difference < SEQUENCE_MODULUS // 2 else difference - SEQUENCE_MODULUS


def sequence_after(sequence: int, steps: int = 1) -> int:
    """The sequence number ``steps`` later, wrapped to 16 bits."""
    return (sequence + steps) % SEQUENCE_MODULUS


def timestamp_after(timestamp: int, ticks: int) -> int:
    """The timestamp ``ticks`` later, wrapped to 32 bits."""
    return (timestamp + ticks) % TIMESTAMP_MODULUS


def timestamp_distance(newer: int, older: int) -> int:
    """Ticks from ``older`` to ``newer``, negative when ``newer`` came before."""
    difference = (newer - older) % TIMESTAMP_MODULUS
    return difference if difference < TIMESTAMP_MODULUS // 2 else difference - TIMESTAMP_MODULUS
