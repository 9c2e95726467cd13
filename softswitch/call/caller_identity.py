"""Who calls, as phones and carriers are told: From, P-Asserted-Identity, Remote-Party-ID, Privacy.

RFC 3323 4.1.1.3 gives the anonymous From; RFC 3325 7 and 9.3 let the asserted identity of a caller
who does not want to be shown go to elements of our trust domain alone.

When a forwarded call will show its original caller, Diversion (RFC 5806) and History-Info
(RFC 7044) belong here too.
"""

from __future__ import annotations

from typing import NamedTuple

from sip.abnf import quote
from softswitch.routing.model import Trunk

ANONYMOUS = '"Anonymous" <sip:anonymous@anonymous.invalid>'
Headers = tuple[tuple[str, str], ...]
PRIVACY: Headers = (("Privacy", "id"),)


class Sender(NamedTuple):
    """The From value without its tag, and the headers beside it."""

    caller: str
    headers: Headers


def identity(trunk: Trunk, number: str, host: str, *, private: bool) -> Sender:
    """What a trunk is told of a caller. ``number``: as the trunk writes it, "" when there is none;
    ``host``: ours, as it knows us."""
    address = name_addr("", number, host)
    if private or not number:
        known = _asserted(trunk, address, "full") if number and trunk.trusted else ()
        return Sender(ANONYMOUS, (*known, *PRIVACY))
    if not trunk.trusted and not trunk.remote_party_id:
        return Sender(address, ())
    return Sender(address, _asserted(trunk, address, "off"))


def _asserted(trunk: Trunk, address: str, privacy: str) -> Headers:
    headers: Headers = ()
    if trunk.trusted:
        headers += (("P-Asserted-Identity", address),)
    if trunk.remote_party_id:
        party = f"{address};party=calling;screen=yes;privacy={privacy}"
        headers += (("Remote-Party-ID", party),)
    return headers


def name_addr(display: str, user: str, host: str) -> str:
    """An address for From; the anonymous one without a user."""
    if not user:
        return ANONYMOUS
    shown = f"[{host}]" if ":" in host else host
    address = f"<sip:{user}@{shown}>"
    return f"{quote(display)} {address}" if display else address
