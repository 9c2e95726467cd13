"""The media of one call as its two sides have agreed on it: what each is shown of the other, and
what the media plane is told of both (RFC 3264).

Ports are named by *leg*: "a" faces the caller, "b:<local address>" all branches of the call's plan
that leave from that address; those of a transfer have its name instead of the letter.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import NamedTuple

from rtp.messages import Bridge, LegPorts, LegSpec
from sip.errors import RemoteError
from softswitch.call import events as ev
from softswitch.call.negotiation import Party, read_party, set_remote
from softswitch.ids import CallId

CALLER_LEG = "a"
SESSION_VERSION_FIRST = 1


def _local_host(leg: str) -> str:
    return leg.partition(":")[2]


class Caller(NamedTuple):
    """The calling side: the address its SIP came to (media is bound there) and came from."""

    local_host: str
    signalling_host: str


class MediaSession:
    """Ports, descriptions and the relay between them.

    ``media_host`` gives the address that SDP shows for a local one. ``allocated`` is whether ports
    were asked for that have to be released.
    """

    __slots__ = ("_bridged", "_call_id", "_caller", "_hosts", "_legs", "_media_host", "_parties",
                 "_ports", "_session_id", "_talking", "_version",
                 "allocated")  # fmt: skip

    def __init__(self, call_id: CallId, caller: Caller, media_host: Callable[[str], str]) -> None:
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
        self._bridged: tuple[str, str] | None = None
        self._talking = False

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
        """A side's description is in force with the next ``connect`` or ``update``. Raises
        RemoteError when it cannot be carried; the one before it stays."""
        self._parties[side] = self._party(sdp)

    def agree(self, side: ev.Side, sdp: bytes, other_sdp: bytes) -> list[ev.Action]:
        """A new pair of descriptions is in force; one that we cannot read leaves the old."""
        other = ev.other_side(side)
        try:
            parties = {side: self._party(sdp), other: self._party(other_sdp)}
        except RemoteError:
            return []
        self._parties.update(parties)
        return self.update()

    def description(self, side: ev.Side) -> bytes:
        """The latest description of a side, as it sent it."""
        return self._parties[side].body

    def next_version(self) -> None:
        """What is shown from here on is a change (RFC 3264 8)."""
        self._version += 1

    def shown(self, sdp: bytes, leg: str) -> bytes:
        """An SDP as it is shown to the side that the ports of ``leg`` face."""
        if not sdp:
            return b""
        local_host = self._caller.local_host if leg == CALLER_LEG else _local_host(leg)
        return self._party(sdp).audio.terms.frame.filled(
            self._media_host(local_host), self._ports[leg], self._session_id, self._version
        )

    def _party(self, sdp: bytes) -> Party:
        """What an SDP says; those in force were read before, and a 200 repeats its 183's."""
        for party in self._parties.values():
            if party.body == sdp:
                return party
        return read_party(sdp)

    # --- the relay --------------------------------------------------------------------------------

    def connect(
        self, side: ev.Side, leg: str, signalling_host: str, *, talking: bool
    ) -> list[ev.Action]:
        """Relay between the two sides, of which one now has this leg. ``talking``: it answered, so
        who should send and does not is missed; in early media nobody is."""
        self._legs[side], self._hosts[side], self._talking = leg, signalling_host, talking
        return self.update()

    def update(self) -> list[ev.Action]:
        """Tell the media plane of both sides as they are now."""
        caller, called = self._parties.get("a"), self._parties.get("b")
        legs, hosts, talking = self._legs, self._hosts, self._talking
        actions: list[ev.Action] = []
        if caller is not None:
            remote = set_remote(self._call_id, legs["a"], caller, hosts["a"], talking, called)
            actions.append(ev.Media(remote))
        if called is not None:
            remote = set_remote(self._call_id, legs["b"], called, hosts["b"], talking, caller)
            actions.append(ev.Media(remote))
        pair = (legs["a"], legs["b"])
        if self._bridged != pair:
            self._bridged = pair
            actions.append(ev.Media(Bridge(self._call_id, *pair)))
        return actions
