"""SRTP and SRTCP of one leg (RFC 3711, RFC 7714), with libsrtp: packets opened and sealed.

Each direction has a key of its own, and under it each SSRC its rollover counter and replay window;
they live as long as the key does.
"""

from __future__ import annotations

from base64 import b64decode

from pylibsrtp import Error, Policy, Session

from rtp.messages import Security
from rtp.packet import PAYLOAD_TYPE_MASK, RTCP_PAYLOAD_TYPES
from rtp.wire import Packet

# pylibsrtp works in a buffer of 1500 octets, which seals with up to 148 more.
OPENED_OCTETS_MAX = 1500
SEALED_FROM_OCTETS_MAX = OPENED_OCTETS_MAX - 148
RTCP_OCTETS_MIN = 8

PROFILES: dict[str, int] = {
    "AES_CM_128_HMAC_SHA1_80": Policy.SRTP_PROFILE_AES128_CM_SHA1_80,
    "AES_CM_128_HMAC_SHA1_32": Policy.SRTP_PROFILE_AES128_CM_SHA1_32,
    "AEAD_AES_128_GCM": Policy.SRTP_PROFILE_AEAD_AES_128_GCM,
    "AEAD_AES_256_GCM": Policy.SRTP_PROFILE_AEAD_AES_256_GCM,
}


class SrtpChannel:
    """The keys of one leg at work. ``before``: the leg's channel so far; a direction whose key is
    the same goes on in it."""

    __slots__ = ("_inbound", "_outbound", "_security")

    def __init__(self, security: Security, before: SrtpChannel | None) -> None:
        self._security = suite, their_key, our_key = security
        old = before._security if before else None
        if before and old and (old.suite, old.their_key) == (suite, their_key):
            self._inbound: Session = before._inbound
        else:
            self._inbound = _session(suite, their_key, Policy.SSRC_ANY_INBOUND)
        if before and old and (old.suite, old.our_key) == (suite, our_key):
            self._outbound: Session = before._outbound
        else:
            self._outbound = _session(suite, our_key, Policy.SSRC_ANY_OUTBOUND)

    def open(self, packet: Packet) -> bytes | None:
        """The RTP or RTCP in a packet of the peer, ``None`` when it does not authenticate, was here
        before, or is none."""
        octets = bytes(packet)
        if not RTCP_OCTETS_MIN <= len(octets) <= OPENED_OCTETS_MAX:
            return None
        session = self._inbound
        unprotect = session.unprotect_rtcp if is_rtcp(octets) else session.unprotect
        try:
            opened: bytes = unprotect(octets)
        except Error:
            return None
        return opened

    def seal(self, packet: Packet) -> bytes | None:
        """A packet for the peer; ``None`` when it is too long, or one with its number has gone."""
        octets = bytes(packet)
        if len(octets) > SEALED_FROM_OCTETS_MAX:
            return None
        session = self._outbound
        protect = session.protect_rtcp if is_rtcp(octets) else session.protect
        try:
            sealed: bytes = protect(octets)
        except Error:
            return None
        return sealed


def is_rtcp(packet: Packet) -> bool:
    """Whether a packet is RTCP and not RTP, by its second octet (RFC 5761 section 4)."""
    return packet[1] & PAYLOAD_TYPE_MASK in RTCP_PAYLOAD_TYPES


def _session(suite: str, key: str, ssrc_type: int) -> Session:
    return Session(Policy(b64decode(key), ssrc_type, srtp_profile=PROFILES[suite]))
