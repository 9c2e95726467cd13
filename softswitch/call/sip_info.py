"""INFO inside calls (RFC 6086): digits that phones send as messages go to the other party, as they
came, or into its media.

Digits by INFO are older than Info Packages and belong to none. No package is offered here
(no Recv-Info), so who sends one is told 469.
"""

from __future__ import annotations

import re
from typing import NamedTuple

from sip.events import RequestFailed, ResponseReceived
from sip.message import Request
from sip.stack import Stack
from sip.transaction import Headers, ServerTransaction
from softswitch.call import events as ev
from softswitch.call.addresses import Addresses
from softswitch.call.legs import Feed, Leg, LiveCall

DTMF_TYPES = ("application/dtmf-relay", "application/dtmf")
DTMF_BYTES_MAX = 256
""""Signal=5" and "Duration=160" are 24."""

NO_PACKAGES: Headers = (("Recv-Info", ""),)
ACCEPTED: Headers = (("Accept", ", ".join(DTMF_TYPES)),)

ENDS_DIALOGS = frozenset({401, 407, 408, 481})
"""What the other side's dialog may say without ending the sender's (RFC 5057 5.1)."""

_SIGNAL = re.compile(rb"(?im)^\s*(?:signal\s*=\s*)?([0-9*#A-D]|1[01])\s*$")
_BY_NUMBER = {b"10": "*", b"11": "#"}  # as events are numbered (RFC 4733 3.2)


class SipInfo:
    """Passes digits from one leg of a call to the other. ``feed`` gives an input to a call's
    machine."""

    def __init__(self, stack: Stack, addresses: Addresses, feed: Feed) -> None:
        self._stack = stack
        self._addresses = addresses
        self._feed = feed

    def received(self, live: LiveCall, leg: Leg, tx: ServerTransaction, now_s: float) -> None:
        """An INFO in the dialog of a leg."""
        status, headers = _judged(tx.request)
        side = live.side_of(leg)
        if side is None and status == 200:
            status = 481
        if side is None or status != 200 or not tx.request.body:
            self._stack.respond(tx, status, headers=headers, now_s=now_s)
            return
        other = live.leg(ev.other_side(side))
        if other is None or other.dialog is None or not _takes_info(other):
            self._stack.respond(tx, 200, now_s=now_s)
            self._to_media(live, side, tx.request.body, now_s)
        else:
            self._pass_on(tx, other, now_s)

    def _pass_on(self, tx: ServerTransaction, other: Leg, now_s: float) -> None:
        dialog = other.dialog
        assert dialog is not None, "looked at before"
        if other.trunk is not None:
            dialog.flow = self._addresses.flow_of_carrier(dialog)
        headers = (("Content-Type", tx.request.required("content-type")),)
        request = dialog.request("INFO", headers, tx.request.body)
        sent_by = self._addresses.sent_by(dialog.flow)
        self._stack.request(request, dialog.flow, now_s, _PassedOn(self._stack, tx), sent_by)

    def _to_media(self, live: LiveCall, side: ev.Side, body: bytes, now_s: float) -> None:
        """A digit for a party that takes none by INFO: its media tells it."""
        digit = digit_of(body)
        if digit:
            note = f"digits of the {ev.party_name(side)} come by INFO and go into the media"
            if note not in live.machine.trace:
                live.machine.trace.append(note)
            self._feed(live, ev.DigitSignalled(side, digit), now_s)


def digit_of(body: bytes) -> str:
    """The key of either type of body; "" for a flash and what else is no key."""
    found = _SIGNAL.search(body)
    return "" if found is None else _BY_NUMBER.get(found[1], found[1].decode().upper())


class _PassedOn(NamedTuple):
    """The owner of an INFO to the other side: whose transaction waits for its answer."""

    stack: Stack
    tx: ServerTransaction

    def responded(self, event: ResponseReceived, now_s: float) -> None:
        """The other side's answer goes back, unless it would end the sender's dialog."""
        status = event.response.status
        if status >= 200:
            answer = 200 if status < 300 else 500 if status in ENDS_DIALOGS else status
            self.stack.respond(self.tx, answer, now_s=now_s)

    def failed(self, event: RequestFailed, now_s: float) -> None:
        """No answer."""
        self.stack.respond(self.tx, 500, "The Other Side Does Not Answer", now_s=now_s)


def _judged(request: Request) -> tuple[int, Headers]:
    """200 for digits, or for nothing at all; otherwise what refuses it."""
    if "info-package" in request.headers:
        return 469, NO_PACKAGES
    if not request.body:
        return 200, ()
    if request.content_type not in DTMF_TYPES:
        return 415, ACCEPTED
    return (413 if len(request.body) > DTMF_BYTES_MAX else 200), ()


def _takes_info(leg: Leg) -> bool:
    """Whether the peer has said so (RFC 3261 20.5)."""
    return any("INFO" in line.replace(" ", "").split(",") for line in leg.allow)
