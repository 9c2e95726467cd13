"""SDP between two legs: what the media plane is told and what the other side is shown (RFC 3264).

The switch relays whatever codec the two phones agree on, so an offer is passed on with only the
address, the port and the origin replaced. What cannot be carried is refused with 488.
"""

from __future__ import annotations

from functools import lru_cache
from typing import NamedTuple

from rtp.messages import Format, Security, SetRemote
from sip import sdp

SENDRECV = "sendrecv"
INACTIVE = "inactive"
HOLDING = ("sendonly", INACTIVE)


class Abilities(NamedTuple):
    """The media plane's view of a party's terms. ``sends``: it may send to us; ``receives``: it
    wants to hear something."""

    formats: tuple[Format, ...]
    sends: bool
    receives: bool


class Party(NamedTuple):
    """One side's media as its latest SDP, ``body``, tells it."""

    body: bytes
    audio: sdp.Audio
    abilities: Abilities


def read_party(body: bytes) -> Party:
    """What an offer or answer says of the sender's audio. Raises RemoteError (488) when there is
    none that we can carry."""
    audio = sdp.read_audio(body)
    return Party(body, audio, _abilities(audio.terms))


# Terms that are kept come again. Those of odd descriptions do not: 512 of the greatest take 16 MB.
@lru_cache(maxsize=sdp.TERMS_CACHED)
def _abilities(terms: sdp.Terms) -> Abilities:
    formats = tuple(Format(f.payload_type, f.encoding, f.clock_hz) for f in terms.formats)
    sends = terms.direction in (SENDRECV, "sendonly")
    return Abilities(formats, sends, terms.direction in (SENDRECV, "recvonly"))


def fitting(direction: str, offered: str) -> str:
    """An answer's direction as it fits the offered one (RFC 3264 6.1): the other side was shown
    more than was offered when it is to hear music."""
    sends = direction in (SENDRECV, "sendonly") and offered in (SENDRECV, "recvonly")
    receives = direction in (SENDRECV, "recvonly") and offered in (SENDRECV, "sendonly")
    return {(True, True): SENDRECV, (True, False): "sendonly", (False, True): "recvonly"}.get(
        (sends, receives), INACTIVE
    )


def set_remote(
    call: str,
    leg: str,
    party: Party,
    signalling_host: str,
    talking: bool,
    other: Party | None,
    *,
    rtcp_mux: bool,
    security: tuple[Security, ...],
) -> SetRemote:
    """The media plane's view of a party. The media timeout watches it only while both sides are
    sendrecv in an answered call: who holds or is held may be silent."""
    host, port, rtcp_port, terms, _ = party.audio
    expects_media = (
        talking and other is not None and terms.direction == other.audio.terms.direction == SENDRECV
    )
    return SetRemote(
        *(call, leg, host, port, signalling_host, rtcp_port, *party.abilities, expects_media),
        rtcp_mux=rtcp_mux,
        security=security,
    )
