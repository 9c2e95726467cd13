"""The media of one call as its two sides have agreed on it: what each is shown of the other, and
what the media plane is told of both (RFC 3264).

Ports are named by *leg*: "a" faces the caller, "b:<local address>" all branches of the call's plan
that leave from that address; those of a transfer have its name instead of the letter.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import NamedTuple

from rtp.messages import Bridge, LegPorts, LegSpec, PlayTone, SetRemote, StopTone
from sip.errors import RemoteError
from sip.sdp import Audio, Ours, with_direction
from softswitch.call import events as ev
from softswitch.call.branches import Branch
from softswitch.call.leg_transport import LegTransport, NewKey
from softswitch.call.negotiation import HOLDING, INACTIVE, Party, fitting, read_party, set_remote
from softswitch.ids import CallId

CALLER_LEG = "a"
SESSION_VERSION_FIRST = 1


def _local_host(leg: str) -> str:
    return leg.partition(":")[2]


class Caller(NamedTuple):
    """The calling side: the address its SIP came to (media is bound there) and came from, whether
    it came over TLS, and from a carrier."""

    local_host: str
    signalling_host: str
    is_secure: bool = False
    is_trunk: bool = False


class MediaSession:
    """Ports, descriptions and the relay between them.

    ``media_host`` gives the address that SDP shows for a local one. ``allocated`` is whether ports
    were asked for that have to be released. ``new_key`` gives octets that nobody can guess.
    """

    __slots__ = ("_bridged", "_call_id", "_caller", "_holding", "_hosts", "_legs", "_media_host",
                 "_music", "_new_key", "_parties", "_ports", "_session_id", "_talking",
                 "_transports", "_trunks", "_version", "allocated")  # fmt: skip

    def __init__(
        self,
        call_id: CallId,
        caller: Caller,
        media_host: Callable[[str], str],
        new_key: NewKey,
    ) -> None:
        self.allocated = False
        self._call_id = call_id
        self._session_id = int(call_id[-8:], 16)  # its head is the time, and so not unique
        self._version = SESSION_VERSION_FIRST
        self._caller = caller
        self._media_host = media_host
        self._ports: dict[str, int] = {}
        self._parties: dict[ev.Side, Party] = {}
        self._legs: dict[ev.Side, str] = {"a": CALLER_LEG}
        self._hosts: dict[ev.Side, str] = {"a": caller.signalling_host}
        self._trunks: dict[ev.Side, bool] = {"a": caller.is_trunk}
        self._bridged: tuple[str, str] | None = None
        self._talking = False
        self._new_key = new_key
        self._transports: dict[str, LegTransport] = {}
        self._holding: set[ev.Side] = set()
        self._music: frozenset[PlayTone] = frozenset()

    # --- ports ------------------------------------------------------------------------------------

    def allocate(self, legs: Iterable[str]) -> list[ev.Action]:
        """Ask for the ports that are missing: the caller's, and those of these legs."""
        missing = [] if self.allocated else [LegSpec(CALLER_LEG, self._caller.local_host)]
        for leg in dict.fromkeys(legs):
            if leg not in self._ports:
                missing.append(LegSpec(leg, _local_host(leg)))
        if not missing:
            return []
        self.allocated = True
        return [ev.AllocateMedia(tuple(missing))]

    def opened(self, legs: Iterable[LegPorts]) -> None:
        """The ports are there."""
        self._ports.update(legs)

    def leg(self, side: ev.Side) -> str:
        """The leg that faces a side of the connected call."""
        return self._legs[side]

    # --- descriptions -----------------------------------------------------------------------------

    def read(self, side: ev.Side, sdp: bytes) -> None:
        """A side's offer is in force with the next ``connect`` or ``update``. Raises RemoteError
        when it cannot be carried; the one before it stays."""
        self._parties[side] = self._party(sdp)

    def read_answer(self, side: ev.Side, sdp: bytes, branch: Branch | None = None) -> None:
        """``read`` for the answer to an offer of ours to this branch, or to the side as it is."""
        self.check_answer(side, sdp, branch)
        self._parties[side] = self._party(sdp)

    def check_answer(self, side: ev.Side, sdp: bytes, branch: Branch | None = None) -> None:
        """Raises RemoteError when an answer cannot be carried, or is none to what was offered."""
        audio = self._party(sdp).audio
        leg = branch.leg if branch else self._legs[side]
        secure = branch.secure if branch else self._has_security(leg, audio)
        if secure or audio.terms.is_secure:
            self._transport(leg).check_answer(audio, secure=secure)

    def agree(self, side: ev.Side, offer: bytes, answer: bytes) -> list[ev.Action]:
        """What a side offered and the other one answered is in force; what we cannot read leaves
        the old."""
        other = ev.other_side(side)
        try:
            offered, answered = self._party(offer), self._party(answer)
        except RemoteError:
            return []
        self._parties.update({side: offered, other: answered})
        self._note_hold(side, offered.audio.terms.direction, answered.audio.terms.direction)
        return self.update()

    def is_secure(self, sdp: bytes) -> bool:
        """Whether a description is of SRTP."""
        return self._party(sdp).audio.terms.is_secure

    def transports(self) -> str:
        """For the trace: how RTP goes to each side; "" when it is plain to both."""
        how = {side: party.audio.terms.is_secure for side, party in self._parties.items()}
        if not any(how.values()):
            return ""
        said = (f"{ev.party_name(s)} {'SRTP' if how[s] else 'plain RTP'}" for s in sorted(how))
        return "media: " + ", ".join(said)

    def description(self, side: ev.Side) -> bytes:
        """The latest description of a side, as it sent it."""
        return self._parties[side].body

    def next_version(self) -> None:
        """What is shown from here on is a change (RFC 3264 8)."""
        self._version += 1

    def shown(
        self, sdp: bytes, leg: str, *, answering: bytes = b"", secure: bool | None = None
    ) -> bytes:
        """An SDP as it is shown to the side that the ports of ``leg`` face.

        ``answering``: it is the answer to that offer of the side. An offer is of SRTP if ``secure``
        says so; by default as the side has it already.
        """
        if not sdp:
            return b""
        local_host = self._caller.local_host if leg == CALLER_LEG else _local_host(leg)
        audio = self._party(sdp).audio
        if answering:
            offer = self._party(answering).audio
            ours = self._transport(leg).answering(offer, audio)
            direction = fitting(audio.terms.direction, offer.terms.direction)
        else:
            ours = self._offering(audio, leg, secure)
            # Who holds has no need to hear; who is held should, so it is asked to listen.
            said = audio.terms.direction
            direction = "sendonly" if said == INACTIVE else said
        shown = audio.terms.frame.filled(
            self._media_host(local_host), self._ports[leg], self._session_id, self._version, ours
        )
        if direction == audio.terms.direction:
            return shown
        return with_direction(shown, direction)

    def _offering(self, audio: Audio, leg: str, secure: bool | None) -> Ours:
        if secure is None:
            secure = self._has_security(leg, audio)
        return self._transport(leg).offering(audio, secure=secure)

    def _has_security(self, leg: str, audio: Audio) -> bool:
        """Whether the side of a leg has SRTP; one that has said nothing yet is offered it if the
        other side has it and nobody can read the keys on their way."""
        for side, name in self._legs.items():
            if name == leg and side in self._parties:
                return self._parties[side].audio.terms.is_secure
        return audio.terms.is_secure and leg == CALLER_LEG and self._caller.is_secure

    def _transport(self, leg: str) -> LegTransport:
        transport = self._transports.get(leg)
        if transport is None:
            transport = self._transports[leg] = LegTransport(self._new_key)
        return transport

    def _party(self, sdp: bytes) -> Party:
        """What an SDP says; those in force were read before, and a 200 repeats its 183's."""
        for party in self._parties.values():
            if party.body == sdp:
                return party
        return read_party(sdp)

    # --- the relay --------------------------------------------------------------------------------

    def connect(self, side: ev.Side, branch: Branch, *, talking: bool) -> list[ev.Action]:
        """Relay between the two sides, of which one now is this branch. ``talking``: it answered,
        so who should send and does not is missed; in early media nobody is."""
        self._legs[side], self._hosts[side] = branch.leg, branch.target.flow.remote.host
        self._trunks[side] = branch.target.trunk is not None
        self._holding.discard(side)
        self._talking = talking
        return self.update()

    def update(self) -> list[ev.Action]:
        """Tell the media plane of both sides as they are now."""
        actions: list[ev.Action] = [ev.Media(self._remote(side)) for side in sorted(self._parties)]
        pair = (self._legs["a"], self._legs["b"])
        if self._bridged != pair:
            self._bridged = pair
            actions.append(ev.Media(Bridge(self._call_id, *pair)))
        return [*actions, *self._change_music()] if self._holding or self._music else actions

    def _remote(self, side: ev.Side) -> SetRemote:
        party, leg = self._parties[side], self._legs[side]
        transport = self._transport(leg)
        return set_remote(
            self._call_id,
            leg,
            party,
            self._hosts[side],
            self._talking,
            self._parties.get(ev.other_side(side)),
            rtcp_mux=transport.is_muxed(party.audio),
            security=transport.security(party.audio),
        )

    # --- hold -------------------------------------------------------------------------------------

    def _note_hold(self, side: ev.Side, offered: str, answered: str) -> None:
        """Who holds: who offers not to listen, and who answers so although it could."""
        _set(self._holding, side, offered in HOLDING)
        if answered not in HOLDING or offered != "recvonly":
            _set(self._holding, ev.other_side(side), answered in HOLDING)

    def _change_music(self) -> list[ev.Action]:
        """Let who is held hear music, and nobody else."""
        wanted = frozenset(
            self._hold_music(side)
            for side in self._holding
            if self._parties[ev.other_side(side)].abilities.receives
        )
        heard, self._music = self._music, wanted
        legs = {tone.leg for tone in wanted}
        stopped = [StopTone(tone.call, tone.leg) for tone in heard if tone.leg not in legs]
        return [*map(ev.Media, stopped), *map(ev.Media, wanted - heard)]

    def _hold_music(self, side: ev.Side) -> PlayTone:
        """What the other side hears. A carrier may have music of its own."""
        own = self._trunks[side] and self._parties[side].abilities.sends
        return PlayTone(self._call_id, self._legs[ev.other_side(side)], "hold", unless_heard=own)

    def music_again(self) -> list[ev.Action]:
        """Something else was played instead, and is over."""
        return [ev.Media(tone) for tone in self._music]


def _set(sides: set[ev.Side], side: ev.Side, is_in: bool) -> None:
    if is_in:
        sides.add(side)
    else:
        sides.discard(side)
