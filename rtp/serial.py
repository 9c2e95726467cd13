"""Serial number arithmetic of RFC 1982 for RTP's 16-bit sequence and 32-bit timestamps."""

from __future__ import annotations

SEQUENCE_MODULUS = 1 << 16
TIMESTAMP_MODULUS = 1 << 32


def _distance(newer: int, older: int, modulus: int) -> int:
    difference = (newer - older) % modulus
    return difference if difference < modulus // 2 else difference - modulus


def sequence_distance(newer: int, older: int) -> int:
    """Steps from ``older`` to ``newer``, -32768 to 32767: negative when ``newer`` came before."""
    return _distance(newer, older, SEQUENCE_MODULUS)


def timestamp_distance(newer: int, older: int) -> int:
    """Ticks from ``older`` to ``newer``, negative when ``newer`` is the earlier one."""
    return _distance(newer, older, TIMESTAMP_MODULUS)


def sequence_after(sequence: int, steps: int = 1) -> int:
    """The sequence number ``steps`` later, wrapped to 16 bits."""
    return (sequence + steps) % SEQUENCE_MODULUS


def timestamp_after(timestamp: int, ticks: int) -> int:
    """The timestamp ``ticks`` later, wrapped to 32 bits."""
    return (timestamp + ticks) % TIMESTAMP_MODULUS


def extend_sequence(sequence: int, near: int) -> int:
    """The extended sequence number closest to ``near`` whose low 16 bits are ``sequence``."""
    return near + sequence_distance(sequence, near % SEQUENCE_MODULUS)
