"""Keys in session descriptions: a=crypto of SDES (RFC 4568), as telephones use it."""

from __future__ import annotations

from base64 import b64decode, b64encode
from binascii import Error as Base64Error
from typing import NamedTuple

# Octets of master key and salt together (RFC 4568 6.2, RFC 7714 14.2), in the order of our offers:
# what every phone has comes first.
SUITES = {
    "AES_CM_128_HMAC_SHA1_80": 30,
    "AES_CM_128_HMAC_SHA1_32": 30,
    "AEAD_AES_128_GCM": 28,
    "AEAD_AES_256_GCM": 44,
}
TAG_DIGITS_MAX = 9  # RFC 4568 9.1
VALUE_CHARS_MAX = 256  # a line has some 90


class Crypto(NamedTuple):
    """One a=crypto line: ``key`` is master key and salt in base64."""

    tag: int
    suite: str
    key: str

    @classmethod
    def fresh(cls, tag: int, suite: str, octets: bytes) -> Crypto:
        """A line of our own, with these random octets as its key."""
        return cls(tag, suite, b64encode(octets).decode())

    def line(self) -> str:
        """As it stands in a description."""
        return f"a=crypto:{self.tag} {self.suite} inline:{self.key}"


def parse_crypto(value: str) -> Crypto | None:
    """The line with this value, ``None`` when we cannot do what it asks for.

    That is an unknown suite, several keys or an MKI to tell them apart, and session parameters that
    switch something off (RFC 4568 6.3); the lifetime of a key is longer than any call, and the
    replay window (WSH) is a hint.
    """
    tag, suite, keys, *parameters = [*value[:VALUE_CHARS_MAX].split(), "", "", ""]
    method, _, key_info = keys.partition(":")
    key, *key_options = key_info.split("|")
    if suite not in SUITES or method != "inline" or ";" in keys:
        return None
    if not (tag.isascii() and tag.isdigit()) or len(tag) > TAG_DIGITS_MAX:
        return None
    if any(":" in each for each in key_options):
        return None
    if any(each and not each.startswith("WSH=") for each in parameters):
        return None
    return Crypto(int(tag), suite, key) if _is_key(key, SUITES[suite]) else None


def _is_key(text: str, octets: int) -> bool:
    try:
        return len(b64decode(text, validate=True)) == octets
    except (Base64Error, ValueError):
        return False
