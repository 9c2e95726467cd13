"""Identifiers and how new ones are made. Random ones never repeat and tell nothing."""

from __future__ import annotations

import base64
import secrets
from typing import NewType

AccountId = NewType("AccountId", str)  # nine digits, zero-padded (S36)
CallId = NewType("CallId", str)
Extension = NewType("Extension", str)

# The operator's block of the shared code of international networks (A21).
SIP_LOGIN_BLOCK = "883140"


def random_id(prefix: str) -> str:
    """``prefix_`` and 128 random bits in base32, for URLs and keys ("usr_7kq...")."""
    text = base64.b32encode(secrets.token_bytes(16)).decode().rstrip("=").lower()
    return f"{prefix}_{text}"


def new_call_id() -> CallId:
    """The id of a call tree for its whole life."""
    return CallId(secrets.token_hex(12))
