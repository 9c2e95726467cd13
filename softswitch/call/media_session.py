"""The media of one call as its two sides have agreed on it: what each is shown of the other, and
what the media plane is told of both (RFC 3264).

Ports are named by *leg*: "a" faces the caller, "b:<local address>" all branches that leave from
that address.
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
BRANCH_PREFIX = "b:"
SESSION_VERSION_FIRST = 1


def branch_leg(local_host: str) -> str:
    """The leg of the branches that leave from a local address."""
    return BRANCH_PREFIX + local_host


class Caller(NamedTuple):
    """The calling side: the address its SIP came to (media is bound there) and came from."""

    local_host: str
    signalling_host: str


class MediaSession:
    """Ports, descriptions and the relay between them.

    ``media_host`` gives the address that SDP shows for a local one. ``allocated`` is whether ports
    were asked for that have to be released.
    """

    __slots__ = ("_branch_host", "_branch_leg", "_bridged", "_call_id", "_caller", "_media_host",
                 "_parties", "_ports", "_session_id", "_talking", "_version",
                 "allocated")  # fmt: skip

    def __init__(self, call_id: CallId, caller: Caller, media_host: Callable[[str], str]) -> None:
        self.allocated = False
        self._call_id = call_id
        self._session_id = int(call_id[:8], 16)
        self._version = SESSION_VERSION_FIRST
        self._caller = caller
        self._media_host = media_host
        self._ports: dict[str, int] = {}
        self._parties: dict[ev.Side, Party] = {}
        self._branch_leg = ""
        self._branch_host = ""
        self._bridged = ""
        self._talking = False

    # --- ports ------------------------------------------------------------------------------------

    def allocate(self, local_hosts: Iterable[str]) -> list[ev.Action]:
        """Ask for the ports that are missing: the caller's, and one for each local address that
        branches leave from."""
        missing = [] if self.allocated else [LegSpec(CALLER_LEG, self._caller.local_host)]
        for host in dict.fromkeys(local_hosts):
            leg = branch_leg(host)
            if leg not in self._ports:
                missing.append(LegSpec(leg, host))
        if not missing:
            return []
        self.allocated = True
        return [ev.AllocateMedia(tuple(missing))]

    def opened(self, legs: Iterable[LegPorts]) -> None:
        """The ports are there."""
        self._ports.update(legs)

    def leg(self, side: ev.Side) -> str:
        """The leg that faces a side of the connected call."""
        return CALLER_LEG if side == "a" else self._branch_leg

    # --- descriptions -----------------------------------------------------------------------------

    def read(self, side: ev.Side, sdp: bytes) -> None:
        """A side's description is in force with the next ``connect`` or ``update``. Raises
        RemoteError when it cannot be carried; the one before it stays."""
        self._parties[side] = self._party(sdp)

    def agree(self, side: ev.Side, sdp: bytes, other_sdp: bytes) -> list[ev.Action]:
        """A new pair of descriptions is in force; one that we cannot read leaves the old."""
        try:
            parties = {side: self._party(sdp), ev.other_side(side): self._party(other_sdp)}
        except RemoteError:
            return []
        self._parties.update(parties)
        return self.update()

    def next_version(self) -> None:
        """What is shown from here on is a change (RFC 3264 8)."""
        self._version += 1

    def shown(self, sdp: bytes, leg: str) -> bytes:
        """An SDP as it is shown to the side that the ports of ``leg`` face."""
        if not sdp:
            return b""
        local_host = (
            self._caller.local_host if leg == CALLER_LEG else leg.removeprefix(BRANCH_PREFIX)
        )
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

    def connect(self, leg: str, signalling_host: str, *, talking: bool) -> list[ev.Action]:
        """Relay between the caller and a branch. ``talking``: it answered, so who should send and
        does not is missed; in early media nobody is."""
        self._branch_leg, self._branch_host, self._talking = leg, signalling_host, talking
        return self.update()

    def update(self) -> list[ev.Action]:
        """Tell the media plane of both sides as they are now."""
        caller, branch = self._parties.get("a"), self._parties.get("b")
        talking = self._talking
        actions: list[ev.Action] = []
        if caller is not None:
            host = self._caller.signalling_host
            remote = set_remote(self._call_id, CALLER_LEG, caller, host, talking, branch)
            actions.append(ev.Media(remote))
        if branch is not None:
            leg, host = self._branch_leg, self._branch_host
            remote = set_remote(self._call_id, leg, branch, host, talking, caller)
            actions.append(ev.Media(remote))
        if self._bridged != self._branch_leg:
            self._bridged = self._branch_leg
            actions.append(ev.Media(Bridge(self._call_id, CALLER_LEG, self._branch_leg)))
        return actions
