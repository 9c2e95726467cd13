"""Identifiers and how new ones are made. Random ones never repeat."""

from __future__ import annotations

import base64
import os
import secrets
import time
from collections.abc import Callable
from typing import NewType

AccountId = NewType("AccountId", str)  # nine digits, zero-padded (S36)
CallId = NewType("CallId", str)
Extension = NewType("Extension", str)

# The operator's block of the shared code of international networks (A21).
SIP_LOGIN_BLOCK = "883140"


TOKEN_BYTES = 8  # RFC 3261 19.3 asks for 32 bits at least
TOKENS_PER_BLOCK = 512


def random_id(prefix: str) -> str:
    """``prefix_`` and 128 random bits in base32, for URLs and keys ("usr_7kq...")."""
    text = base64.b32encode(secrets.token_bytes(16)).decode().rstrip("=").lower()
    return f"{prefix}_{text}"


class Tokens:
    """Tags, branches and Call-IDs: 64 random bits in hex, read from the system in blocks.

    A system call for each was 3 % of a call's processor time.
    """

    def __init__(self, read: Callable[[int], bytes] = os.urandom) -> None:
        self._read = read
        self._rest: list[str] = []

    def __call__(self) -> str:
        """The next one."""
        if not self._rest:
            block = self._read(TOKEN_BYTES * TOKENS_PER_BLOCK).hex()
            size = 2 * TOKEN_BYTES
            self._rest = [block[at : at + size] for at in range(0, len(block), size)]
        return self._rest.pop()


class CallIds:
    """Ids of call trees for their whole life: the time in ms, then 64 random bits, in hex.

    Ids in the order of their calls keep new rows together in every index that begins with them;
    random ones change a page for each call, and read it first when the tables are large.
    """

    def __init__(self, tokens: Tokens) -> None:
        self._tokens = tokens

    def __call__(self) -> CallId:
        """The id of a call that begins now."""
        return CallId(f"{time.time_ns() // 1_000_000:012x}{self._tokens()}")
