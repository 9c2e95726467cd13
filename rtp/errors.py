"""Errors of the media plane, each named after whose fault it is."""

from __future__ import annotations


class MalformedPacket(Exception):
    """What a peer sent is not the RTP or RTCP that it looks like: normal life, dropped."""


class MalformedMessage(Exception):
    """The other end of a worker's control socket sent what is not a message: a bug, it ends."""


class CannotBind(Exception):
    """A local address cannot be bound; ``in_use`` when another port may do better."""

    def __init__(self, reason: str, *, in_use: bool) -> None:
        super().__init__(reason)
        self.in_use = in_use
