"""SDP between two legs: what the media plane is told and what the other side is shown (RFC 3264).

The switch relays whatever codec the two phones agree on, so an offer is passed on with only the
address, the port and the origin replaced. What cannot be carried is refused with 488.
"""

from __future__ import annotations

from dataclasses import dataclass

from rtp.messages import Format, SetRemote
from sip import sdp
from sip.errors import RemoteError

SENDRECV = "sendrecv"
NOT_ACCEPTABLE_HERE = 488


@dataclass(frozen=True, slots=True)
class Party:
    """One side's media as its latest SDP tells it."""

    host: str
    port: int
    rtcp_port: int
    direction: str
    formats: tuple[Format, ...]

    @property
    def sends(self) -> bool:
        """Whether this party may send to us."""
        return self.direction in (SENDRECV, "sendonly")

    @property
    def receives(self) -> bool:
        """Whether this party wants to hear something."""
        return self.direction in (SENDRECV, "recvonly")


def read_party(body: bytes) -> Party:
    """What an offer or answer says of the sender's audio.

    Raises RemoteError (488) when there is no audio that we can carry: no audio line, a refused one
    (port 0), or a profile that is not plain RTP.
    """
    description = sdp.parse(body)
    for media in description.media:
        if media.kind == "audio" and media.port and media.protocol in ("RTP/AVP", "RTP/AVPF"):
            return Party(
                host=media.connection_host,
                port=media.port,
                rtcp_port=media.rtcp_port,
                direction=media.direction,
                formats=tuple(
                    Format(item.payload_type, item.encoding, item.clock_hz)
                    for item in media.formats
                ),
            )
    raise RemoteError("no audio over RTP/AVP in the session description", NOT_ACCEPTABLE_HERE)


def set_remote(
    call: str, leg: str, party: Party, *, signalling_host: str, talking: bool, other: Party | None
) -> SetRemote:
    """The media plane's view of a party. The media timeout watches it only while both sides are
    sendrecv in an answered call: who holds or is held may be silent."""
    both_ways = other is not None and party.direction == other.direction == SENDRECV
    return SetRemote(
        call=call,
        leg=leg,
        host=party.host,
        port=party.port,
        signalling_host=signalling_host,
        rtcp_port=party.rtcp_port,
        formats=party.formats,
        sends=party.sends,
        receives=party.receives,
        expects_media=talking and both_ways,
    )


def shown_to_peer(body: bytes, *, host: str, rtp_port: int, session_id: int, version: int) -> bytes:
    """A party's SDP as the other side sees it: our address and port, our origin line."""
    return sdp.rewrite(body, host=host, rtp_port=rtp_port, session_id=session_id, version=version)
