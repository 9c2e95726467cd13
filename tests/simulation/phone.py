"""Phones of the simulation: user agents on our own stack, whose users do as a script says.

The stack under them is tested by itself; here it is the other end of the switch's dialogs.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from sip.dialog import Dialog
from sip.errors import RemoteError
from sip.events import (
    AckReceived,
    AckTimedOut,
    CancelReceived,
    Event,
    RequestFailed,
    RequestReceived,
    ResponseReceived,
)
from sip.flow import Address, Flow
from sip.message import Request, Response
from sip.reliable import rseq_of
from sip.transaction import ClientTransaction, ServerTransaction
from tests.simulation.wire import METHODS, StackNode, Wire, make_stack

Fields = tuple[tuple[str, str], ...]
RSEQ = 100  # of the phones that ring reliably

SDP_TYPE = ("Content-Type", "application/sdp")


def sdp(host: str, direction: str = "sendrecv") -> bytes:
    """G.711 at this phone."""
    return (
        f"v=0\r\no=- 1 1 IN IP4 {host}\r\ns=-\r\nc=IN IP4 {host}\r\nt=0 0\r\n"
        f"m=audio 4000 RTP/AVP 8\r\na={direction}\r\n"
    ).encode()


@dataclass(frozen=True)
class Answering:
    """What a called phone does: ring, then answer with ``status`` after a while (0: never), and
    once it talks hang up after ``hang_up_s`` (0: leave that to the caller). ``reliable``: it rings
    with early media until its PRACK comes; ``fields`` are added to each 2xx."""

    status: int = 200
    ring_s: float = 0.3
    hang_up_s: float = 0.0
    reinvite_s: float = 0.0
    reliable: bool = False
    fields: Fields = ()


@dataclass(frozen=True)
class Calling:
    """What a caller does: cancel after ``cancel_s`` (0: wait), hold after ``reinvite_s``, hang up
    ``talk_s`` after the answer (0: leave that to the other side). ``transfer_s`` after the answer
    it hands the other side on to ``transfer_to``; with ``attended`` it calls that number first.
    ``fields`` are added to its INVITE, and to an UPDATE every ``refresh_s``."""

    number: str
    kind: str
    talk_s: float = 0.0
    cancel_s: float = 0.0
    reinvite_s: float = 0.0
    transfer_s: float = 0.0
    transfer_to: str = ""
    attended: bool = False
    fields: Fields = ()
    refresh_s: float = 0.0


class Party:
    """One phone's side of one call."""

    def __init__(self, phone: Phone, *, hang_up_s: float, reinvite_s: float) -> None:
        self.phone = phone
        self.dialog: Dialog | None = None
        self.outcome = ""
        self.progress: list[str] = []  # of a transfer, as NOTIFY tells it
        self.invite: ClientTransaction | None = None
        self.incoming: ServerTransaction | None = None
        self.has_hung_up = False
        self.fields: Fields = ()
        self._hang_up_s = hang_up_s
        self._reinvite_s = reinvite_s
        self._is_reinviting = False
        self._is_over = False

    def enter(self, dialog: Dialog) -> None:
        """The dialog stands, from the answer on: a BYE may overtake the ACK."""
        self.dialog = dialog
        self.phone.dialogs[dialog.call_id, dialog.local_tag] = self

    def talk(self) -> None:
        """The answer is acknowledged; do what the script says."""
        if self._hang_up_s:
            self.phone.later(self._hang_up_s, self.hang_up)
        if self._reinvite_s:
            self.phone.later(self._reinvite_s, self.reinvite)

    def hang_up(self) -> None:
        """Send BYE, unless the call is over."""
        if self._is_over or self.dialog is None:
            return
        self._is_over = self.has_hung_up = True
        self.phone.send(self.dialog.request("BYE"), self, self.dialog.flow)

    def reinvite(self) -> None:
        """Put the other side on hold."""
        if self._is_over or self.dialog is None or self._is_reinviting:
            return
        self._is_reinviting = True
        body = sdp(self.phone.address.host, "sendonly")
        self.phone.send(self.dialog.request("INVITE", (SDP_TYPE,), body), self, self.dialog.flow)

    def asked(self, tx: ServerTransaction, request: Request) -> None:
        """A request within the dialog."""
        assert self.dialog is not None
        try:
            self.dialog.accepts(request)
        except RemoteError as error:
            self.phone.respond(tx, error.status_hint)
            return
        if request.method == "BYE":
            self._is_over = True
            self.phone.respond(tx, 200)
        elif request.method == "NOTIFY":
            self.progress.append(request.body.decode().split()[1])
            self.phone.respond(tx, 200)
        elif request.method == "UPDATE" and not request.body:
            self.phone.respond(tx, 200, self.fields)
        elif self._is_reinviting:
            self.phone.respond(tx, 491)
        else:
            self.phone.answer(tx, sdp(self.phone.address.host, "recvonly"), self.fields)

    def answered(self, event: ResponseReceived) -> None:
        """A final response to a request within the dialog."""
        method = event.transaction.request.method
        if method == "UPDATE" and event.response.status in (408, 481):
            self.hang_up()
        if method == "INVITE" and event.response.status >= 200:
            self._is_reinviting = False
            if event.response.status < 300:
                assert self.dialog is not None
                ack = self.dialog.ack(event.transaction.request.cseq.number)
                self.phone.stack.ack(
                    event.transaction, ack, self.dialog.flow, self.phone.wire.now_s
                )
            elif event.response.status in (408, 481):
                self.hang_up()

    def closed(self) -> bool:
        """Whether this side knows that the call is over."""
        return self._is_over or self.dialog is None


class Caller(Party):
    """The calling side."""

    def __init__(self, phone: Phone, script: Calling) -> None:
        super().__init__(phone, hang_up_s=script.talk_s, reinvite_s=script.reinvite_s)
        self.script = script
        self._is_cancelled = False
        self._early: Dialog | None = None
        self._rseq = 0

    def cancel(self) -> None:
        """Give up before the answer; or, if it has just come, hang up."""
        assert self.invite is not None
        if not self.outcome:
            self._is_cancelled = True
            self.phone.stack.cancel(self.invite, self.phone.wire.now_s)

    def answered(self, event: ResponseReceived) -> None:
        """A response to the first INVITE, or to one within the dialog."""
        if event.transaction is not self.invite:
            super().answered(event)
            return
        status = event.response.status
        if status < 200:
            self.acknowledge(event.transaction, event.response)
            return
        self.outcome = str(status)
        if status >= 300:
            return
        dialog = self._early or self._dialog(event.transaction, event.response)
        self.phone.stack.ack(
            event.transaction, dialog.ack(1), self.phone.flow, self.phone.wire.now_s
        )
        self.enter(dialog)
        self.talk()
        if self._is_cancelled:
            self.hang_up()
        if self.script.transfer_s:
            self.phone.later(self.script.transfer_s, self.transfer)
        if self.script.refresh_s:
            self.phone.later(self.script.refresh_s, self.refresh)

    def _dialog(self, tx: ClientTransaction, response: Response) -> Dialog:
        return Dialog.uac(tx.request, response, contact=self.phone.contact, flow=self.phone.flow)

    def acknowledge(self, tx: ClientTransaction, response: Response) -> None:
        """PRACK a reliable provisional, each once and in order."""
        rseq = rseq_of(response)
        if rseq is None or (self._rseq and rseq != self._rseq + 1):
            return
        self._rseq = rseq
        self._early = self._early or self._dialog(tx, response)
        prack = self._early.request("PRACK", [("RAck", f"{rseq} 1 INVITE")])
        self.phone.send(prack, self, self.phone.flow)

    def refresh(self) -> None:
        """Keep the session alive by UPDATE, until the call is over."""
        if not self._is_over and self.dialog is not None:
            update = self.dialog.request("UPDATE", self.script.fields)
            self.phone.send(update, self, self.dialog.flow)
            self.phone.later(self.script.refresh_s, self.refresh)

    def transfer(self) -> None:
        """Hand the other side on: at once, or once the second call is answered."""
        if self._is_over:
            return
        script = self.script
        if not script.attended:
            self.refer(f"<sip:{script.transfer_to}@{self.phone.flow.remote.host}>")
            return
        second = self.phone.call(Calling(script.transfer_to, script.kind))
        self.phone.later(6.0, lambda: self.join(second))

    def join(self, second: Caller) -> None:
        """Let the two talk to each other; without a second one the first is told good-bye."""
        other = second.dialog
        if other is None or second.closed():
            second.cancel()
            self.hang_up()
            return
        replaces = f"{other.call_id}%3Bto-tag%3D{other.remote_tag}%3Bfrom-tag%3D{other.local_tag}"
        number, host = self.script.transfer_to, self.phone.flow.remote.host
        self.refer(f"<sip:{number}@{host}?Replaces={replaces.replace('@', '%40')}>")
        self.phone.later(40.0, second.hang_up)

    def refer(self, refer_to: str) -> None:
        """Send REFER; if nothing comes of it, hang up in a while."""
        assert self.dialog is not None
        request = self.dialog.request("REFER", [("Refer-To", refer_to)])
        self.phone.send(request, self, self.dialog.flow)
        self.phone.later(40.0, self.hang_up)


class Phone:
    """One user agent. ``behaviour`` says what it does with each call that comes."""

    METHODS = METHODS

    def __init__(
        self, wire: Wire, address: Address, switch: Address, behaviour: Callable[[], Answering]
    ) -> None:
        self.wire = wire
        self.address = address
        self.flow = Flow("udp", address, switch)
        self.contact = f"<sip:phone@{address}>"
        self.stack = make_stack(f"p{address.host.replace('.', 'x')}", allow=self.METHODS)
        self.dialogs: dict[tuple[str, str], Party] = {}
        self.parties: list[Party] = []
        self.unacknowledged: dict[tuple[str, str], ServerTransaction] = {}
        self._behaviour = behaviour
        self._calls = 0
        wire.attach(StackNode(self.stack, self._told), address)

    def later(self, delay_s: float, action: Callable[[], None]) -> None:
        """Do something in a while."""
        self.wire.call_later(delay_s, action)

    def call(self, script: Calling) -> Caller:
        """Call a number."""
        self._calls += 1
        host = self.flow.remote.host
        request = Request.build(
            "INVITE",
            f"sip:{script.number}@{host}",
            [
                ("From", f"<sip:phone@{self.address.host}>;tag=f{self._calls}"),
                ("To", f"<sip:{script.number}@{host}>"),
                ("Call-ID", f"c{self._calls}@{self.address.host}"),
                ("CSeq", "1 INVITE"),
                ("Contact", self.contact),
                *script.fields,
                SDP_TYPE,
            ],
            sdp(self.address.host),
        )
        party = Caller(self, script)
        self.parties.append(party)
        party.invite = self.send(request, party, self.flow)
        if script.cancel_s:
            self.later(script.cancel_s, party.cancel)
        return party

    def send(self, request: Request, party: Party, flow: Flow) -> ClientTransaction:
        """Send a request of a party's."""
        return self.stack.request(request, flow, self.wire.now_s, party)

    def respond(self, tx: ServerTransaction, status: int, fields: Fields = ()) -> None:
        """Answer unless it was answered."""
        if tx.final_status == 0:
            self.stack.respond(tx, status, headers=fields, now_s=self.wire.now_s)

    def answer(self, tx: ServerTransaction, body: bytes, fields: Fields = ()) -> None:
        """200 with a description."""
        headers = (("Contact", self.contact), SDP_TYPE, *fields)
        if tx.final_status == 0:
            self.stack.respond(tx, 200, headers=headers, body=body, now_s=self.wire.now_s)

    def _told(self, event: Event, now_s: float) -> None:
        _EVENTS[type(event)](self, event)

    def _request(self, event: RequestReceived) -> None:
        tx, request = event.transaction, event.request
        party = self.dialogs.get((request.call_id, request.to_tag or ""))
        if party is not None:
            party.asked(tx, request)
        elif request.method == "INVITE" and request.to_tag is None:
            self._called(tx)
        elif request.method == "PRACK":
            found = self.unacknowledged.pop((request.call_id, request.to_tag or ""), None)
            self.respond(tx, 481 if found is None else 200)
        else:
            self.respond(tx, 481)

    def _called(self, tx: ServerTransaction) -> None:
        script = self._behaviour()
        key = (tx.request.call_id, tx.to_tag)
        if script.reliable:
            self.unacknowledged[key] = tx
            self._ring_reliably(key, 0.5)
        else:
            self.stack.respond(tx, 180, headers=(("Contact", self.contact),), now_s=self.wire.now_s)
        party = Party(self, hang_up_s=script.hang_up_s, reinvite_s=script.reinvite_s)
        self.parties.append(party)
        party.fields = script.fields
        tx.owner = party

        def decide() -> None:
            if key in self.unacknowledged:  # a 2xx must wait for the PRACK (RFC 3262 3)
                if tx.final_status == 0:
                    self.later(0.5, decide)
            elif script.status == 200:
                self._answer_first(tx, party)
            else:
                self.respond(tx, script.status)

        if script.status:
            self.later(script.ring_s, decide)

    def _ring_reliably(self, key: tuple[str, str], interval_s: float) -> None:
        """183 with early media, again and again until its PRACK, or 504 after 64*T1."""
        tx = self.unacknowledged.get(key)
        if tx is None:
            return
        if interval_s > 32 or tx.final_status:
            del self.unacknowledged[key]
            self.respond(tx, 504)
            return
        reliable = (("Require", "100rel"), ("RSeq", str(RSEQ)))
        headers = (("Contact", self.contact), SDP_TYPE, *reliable)
        body = sdp(self.address.host)
        self.stack.respond(tx, 183, headers=headers, body=body, now_s=self.wire.now_s)
        self.later(interval_s, lambda: self._ring_reliably(key, 2 * interval_s))

    def _answer_first(self, tx: ServerTransaction, party: Party) -> None:
        if tx.final_status == 0:
            self.answer(tx, sdp(self.address.host), party.fields)
            party.enter(
                Dialog.uas(tx.request, local_tag=tx.to_tag, contact=self.contact, flow=tx.flow)
            )

    def _acked(self, event: AckReceived | AckTimedOut) -> None:
        party = event.transaction.owner
        if isinstance(party, Party):
            party.talk()

    def _cancelled(self, event: CancelReceived) -> None:
        self.respond(event.transaction, 487)

    def _response(self, event: ResponseReceived) -> None:
        party: Any = event.transaction.owner
        party.answered(event)

    def _failed(self, event: RequestFailed) -> None:
        party: Any = event.transaction.owner
        if isinstance(party, Caller) and event.transaction is party.invite:
            party.outcome = event.cause


_EVENTS: dict[type, Callable[[Phone, Any], None]] = {
    RequestReceived: Phone._request,
    AckReceived: Phone._acked,
    AckTimedOut: Phone._acked,
    CancelReceived: Phone._cancelled,
    ResponseReceived: Phone._response,
    RequestFailed: Phone._failed,
}
