"""Loopback addresses and ports that belong to one test, so that tests run side by side.

Linux answers on all of 127.0.0.0/8. A test takes a /24 of it for itself: its switch and its trunks
get one address each and use the usual ports. baresip sends RTP from an unbound socket, which on
loopback leaves from 127.0.0.1 whatever its SDP says: phones therefore share that address and take a
block of ports each.
"""

from __future__ import annotations

import random
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from itertools import count

CLAIM_PORT = 9  # "discard": nobody else binds it on loopback
CLAIM_TRIES_MAX = 100
BLOCK_PORTS = 50
BLOCKS_FIRST_PORT = 10_000  # up to 19,999: below the switch's media ports and the ephemeral ones
BLOCKS = 200


@dataclass
class Network:
    """A claimed 127.x.y.0/24. ``host()`` gives the next unused address of it."""

    prefix: str
    _next: Iterator[int] = field(default_factory=lambda: count(1))

    def host(self) -> str:
        """An address that no other part of this test uses."""
        number = next(self._next)
        assert number < 254, "a test needs fewer than 254 addresses"
        return f"{self.prefix}.{number}"


@contextmanager
def claimed_network() -> Iterator[Network]:
    """A /24 of 127.0.0.0/8 that no other process on this machine has claimed this way."""
    for _ in range(CLAIM_TRIES_MAX):
        # The second byte starts at 16: 127.0 to 127.15 are left to people and to benchmarks.
        prefix = f"127.{random.randint(16, 250)}.{random.randint(0, 255)}"
        claim = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        try:
            claim.bind((f"{prefix}.254", CLAIM_PORT))
        except OSError:
            claim.close()
            continue
        with claim:
            yield Network(prefix)
        return
    raise RuntimeError(f"no free loopback network after {CLAIM_TRIES_MAX} tries")


@contextmanager
def claimed_block() -> Iterator[int]:
    """The first of ``BLOCK_PORTS`` ports of 127.0.0.1 that nobody else has claimed this way."""
    for _ in range(CLAIM_TRIES_MAX):
        first = BLOCKS_FIRST_PORT + BLOCK_PORTS * random.randrange(BLOCKS)
        claim = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        try:
            claim.bind(("127.0.0.1", first + BLOCK_PORTS - 1))
        except OSError:
            claim.close()
            continue
        with claim:
            yield first
        return
    raise RuntimeError(f"no free block of ports after {CLAIM_TRIES_MAX} tries")
