"""STUN as a keep-alive on SIP's own UDP port (RFC 5626 4.4.2): Binding answers (RFC 8489)."""

from __future__ import annotations

import struct
from ipaddress import ip_address

from sip.flow import Address

MAGIC_COOKIE = 0x2112A442
BINDING_REQUEST = 0x0001
BINDING_SUCCESS = 0x0101
BINDING_ERROR = 0x0111

ERROR_CODE = 0x0009
UNKNOWN_ATTRIBUTES = 0x000A
XOR_MAPPED_ADDRESS = 0x0020

UNKNOWN_ATTRIBUTE = 420

_HEADER = struct.Struct("!HHI12s")  # type, octets of attributes, cookie, transaction id
_ATTRIBUTE = struct.Struct("!HH")
_OPTIONAL_FROM = 0x8000  # attributes from here on may be ignored (RFC 8489 14)
# What a keep-alive must not carry and we need not check: USERNAME, MESSAGE-INTEGRITY, REALM, NONCE,
# MESSAGE-INTEGRITY-SHA256, PASSWORD-ALGORITHM, USERHASH. No credentials are asked for here.
_UNCHECKED = frozenset({0x0006, 0x0008, 0x0014, 0x0015, 0x001C, 0x001D, 0x001E})

ATTRIBUTES_MAX = 32
"""No request has so many; each costs a turn of a loop."""


def answer(data: bytes, source: Address) -> bytes | None:
    """The answer to a Binding request from ``source``; ``None`` for anything else, which gets none.

    An attribute that has to be understood and is not gets 420 (RFC 8489 6.3.1).
    """
    if len(data) < _HEADER.size:
        return None
    kind, size, cookie, transaction = _HEADER.unpack_from(data)
    if kind != BINDING_REQUEST or cookie != MAGIC_COOKIE or size != len(data) - _HEADER.size:
        return None
    kinds = _attribute_kinds(data)
    if kinds is None:
        return None
    unknown = [kind for kind in kinds if kind < _OPTIONAL_FROM and kind not in _UNCHECKED]
    if unknown:
        return _message(BINDING_ERROR, transaction, _error(unknown))
    mapped = _attribute(XOR_MAPPED_ADDRESS, _xored(source, transaction))
    return _message(BINDING_SUCCESS, transaction, mapped)


def _attribute_kinds(data: bytes) -> list[int] | None:
    """The kinds of all attributes, ``None`` when they do not fill the message exactly."""
    kinds: list[int] = []
    at = _HEADER.size
    while at < len(data):
        if len(data) - at < _ATTRIBUTE.size or len(kinds) == ATTRIBUTES_MAX:
            return None
        kind, size = _ATTRIBUTE.unpack_from(data, at)
        at += _ATTRIBUTE.size + size + -size % 4
        kinds.append(kind)
    return kinds if at == len(data) else None


def _message(kind: int, transaction: bytes, attributes: bytes) -> bytes:
    return _HEADER.pack(kind, len(attributes), MAGIC_COOKIE, transaction) + attributes


def _attribute(kind: int, value: bytes) -> bytes:
    return _ATTRIBUTE.pack(kind, len(value)) + value + bytes(-len(value) % 4)


def _xored(source: Address, transaction: bytes) -> bytes:
    """RFC 8489 14.2. A link-local address comes with its interface, which stays here."""
    packed = ip_address(source.host.partition("%")[0]).packed
    mask = (MAGIC_COOKIE.to_bytes(4, "big") + transaction)[: len(packed)]
    family = 1 if len(packed) == 4 else 2
    host = bytes(octet ^ key for octet, key in zip(packed, mask, strict=True))
    return struct.pack("!xBH", family, source.port ^ (MAGIC_COOKIE >> 16)) + host


def _error(unknown: list[int]) -> bytes:
    reason = struct.pack("!xxBB", *divmod(UNKNOWN_ATTRIBUTE, 100)) + b"Unknown Attribute"
    kinds = b"".join(kind.to_bytes(2, "big") for kind in unknown)
    return _attribute(ERROR_CODE, reason) + _attribute(UNKNOWN_ATTRIBUTES, kinds)
