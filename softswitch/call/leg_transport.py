"""How RTP goes over a leg: its profile, its SRTP keys, RTCP on the same port (RFC 4568, RFC 5761).

Each leg has its own, whatever the other side of the call has. A key that both have agreed on stays
until the peer changes its own; so counters and replay windows go on through holds and transfers.
"""

from __future__ import annotations

from collections.abc import Callable

from rtp.messages import Security
from sip import sdp
from sip.errors import RemoteError

NewKey = Callable[[int], bytes]
"""So many octets that nobody can guess."""

PLAIN, SECURE = "RTP/AVP", "RTP/SAVP"
RTCP_MUX = "a=rtcp-mux"
EVENTS_FMTP = "0-16"
CODECS_OF_TONES = ("PCMA", "PCMU")


class LegTransport:
    """What a leg was shown last, and what of it was agreed."""

    __slots__ = ("_agreed", "_answered", "_events", "_mux", "_new_key", "_shown")

    def __init__(self, new_key: NewKey) -> None:
        self._new_key = new_key
        self._shown: tuple[sdp.Crypto, ...] = ()
        self._answered: tuple[sdp.Crypto, ...] = ()  # the offer to which ``_shown`` is the answer
        self._agreed: tuple[sdp.Crypto, sdp.Crypto] | None = None  # theirs, ours
        self._mux = False
        self._events: sdp.Format | None = None  # that we take although the other side refused them

    def answering(self, offer: sdp.Audio, answer: sdp.Audio) -> sdp.Ours:
        """What is ours in the answer to an offer of this leg: ``answer`` is the other side's."""
        if offer.terms.is_secure:
            self._shown = self._chosen(offer.crypto)
        self._mux = offer.terms.rtcp_mux
        profile, self._events = offer.terms.frame.profile, _events(offer, answer)
        return self._ours(profile, answer, self._events, secure=offer.terms.is_secure)

    def offering(self, offer: sdp.Audio, *, secure: bool) -> sdp.Ours:
        """What is ours in an offer to this leg: ``offer`` is the other side's description."""
        profile = offer.terms.frame.profile
        if secure != offer.terms.is_secure:
            profile = SECURE if secure else PLAIN
        if secure and self._agreed is not None:
            self._shown = self._agreed[1:]
        elif secure and not self._shown:
            self._shown = tuple(
                sdp.Crypto.fresh(tag, suite, self._new_key(octets))
                for tag, (suite, octets) in enumerate(sdp.SUITES.items(), 1)
            )
        # Or its keys, which we make tones of, would end with the first refresh.
        events = self._events
        if events is not None and not _has_room(offer, events):
            events = None
        return self._ours(profile, offer, events, secure=secure)

    def check_answer(self, answer: sdp.Audio, *, secure: bool) -> None:
        """Raises RemoteError (488) when an answer to our offer has another profile than that, or a
        key that was not offered."""
        if answer.terms.is_secure != secure or (secure and self._pair(answer) is None):
            raise RemoteError("the answer has not the RTP profile or key that was offered", 488)

    def security(self, theirs: sdp.Audio) -> tuple[Security, ...]:
        """The keys that are agreed with this description of the peer, () when it is plain.

        One that answers nothing of ours is an offer whose answer is on its way, or comes from
        another call: until it is shown our key, the peer cannot read what it is sent.
        """
        self._agreed = self._pair(theirs)
        if self._agreed is None and theirs.terms.is_secure:
            self._shown = self._chosen(theirs.crypto)
            self._agreed = self._pair(theirs)
        if self._agreed is None:
            return ()
        their, our = self._agreed
        return (Security(our.suite, their.key, our.key),)

    def is_muxed(self, theirs: sdp.Audio) -> bool:
        """Whether RTCP shares the port: whenever the peer offers it, and never by our own wish."""
        self._mux = theirs.terms.rtcp_mux
        return self._mux

    def _chosen(self, offered: tuple[sdp.Crypto, ...]) -> tuple[sdp.Crypto, ...]:
        """The first of these keys, with a fresh one of ours; the pair that is agreed, if it is
        offered again."""
        if self._agreed is not None and self._agreed[0] in offered:
            return self._agreed[1:]
        if offered == self._answered:
            return self._shown
        self._answered = offered
        tag, suite, _ = offered[0]
        return (sdp.Crypto.fresh(tag, suite, self._new_key(sdp.SUITES[suite])),)

    def _pair(self, theirs: sdp.Audio) -> tuple[sdp.Crypto, sdp.Crypto] | None:
        for their in theirs.crypto if theirs.terms.is_secure else ():
            for our in self._shown:
                if our[:2] == their[:2]:
                    return their, our
        return None

    def _ours(
        self, profile: str, other: sdp.Audio, events: sdp.Format | None, *, secure: bool
    ) -> sdp.Ours:
        lines = tuple(each.line() for each in self._shown) if secure else ()
        if self._mux:
            lines = (*lines, RTCP_MUX)
        if not lines and events is None and profile == other.terms.frame.profile:
            return sdp.NOTHING_MORE
        return sdp.Ours(profile, lines, events)


def _has_room(offer: sdp.Audio, events: sdp.Format) -> bool:
    """Whether a description has no telephone events of its own, a codec that we can make tones in,
    and this payload type free."""
    formats = offer.terms.formats
    taken = any(f.is_telephone_event or f.payload_type == events.payload_type for f in formats)
    return not taken and any(f.encoding.upper() in CODECS_OF_TONES for f in formats)


def _events(offer: sdp.Audio, answer: sdp.Audio) -> sdp.Format | None:
    """The telephone events of an offer that the other side refuses, and that we take: it hears the
    tones. None without a codec that we can make them in."""
    answered = answer.terms.formats
    if any(each.is_telephone_event for each in answered):
        return None
    if not any(each.encoding.upper() in CODECS_OF_TONES for each in answered):
        return None
    taken = {each.payload_type for each in answered}
    fitting = (each for each in offer.terms.formats if each.is_telephone_event)
    event = next((f for f in fitting if f.clock_hz == 8000 and f.payload_type not in taken), None)
    return event and sdp.Format(event.payload_type, event.encoding, 8000, EVENTS_FMTP)
