"""A transfer: one side wants the other one to talk to somebody else (RFC 3515, RFC 3891).

transferor        switch        kept side       new party
    | REFER          |               |
    |--------------->| INVITE        |               |      blind: the new party is dialled
    |                |---------------------------->  |
    | NOTIFY 180, 200|               |   200         |
    |<---------------|<----------------------------  |
    | BYE            | re-INVITE     |               |      each is shown the other's description
    |<---------------|-------------->|               |

With Replaces the new party is in another call of the transferor's already, and is taken over.
"""

from __future__ import annotations

from dataclasses import dataclass

from softswitch.call import events as ev
from softswitch.call.dialling import Names


def names_of(number: int) -> Names:
    """Holds and legs of a call's transfer, counted from 1."""
    return Names(f"t{number}.", f"t{number}")


@dataclass(slots=True)
class Transfer:
    """``side`` asked for it and leaves; ``gone``: it hung up before the new party answered;
    ``has_rung``: the kept side hears ringing."""

    side: ev.Side
    gone: bool = False
    has_rung: bool = False

    @property
    def kept(self) -> ev.Side:
        """The side that stays."""
        return ev.other_side(self.side)
