"""A caller and a carrier that do what a test says, and the whole switch between them on a wire that
loses nothing."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TypeVar

from sip.dialog import Dialog
from sip.events import Event, RequestReceived, ResponseReceived
from sip.flow import Address, Flow
from sip.message import Request, Response
from sip.transaction import ClientTransaction, ServerTransaction
from tests.simulation.phone import SDP_TYPE, sdp
from tests.simulation.switch import SimulatedSwitch
from tests.simulation.test_calls import FAR, NEAR, RICH, caller_address, near_snapshot
from tests.simulation.wire import METHODS, StackNode, Wire, make_stack

Fields = Sequence[tuple[str, str]]
E = TypeVar("E", bound=Event)
SOON_S = 0.2  # every message of one exchange has arrived
NUMBER = "+37120000001"  # leads to the carrier


class Agent:
    """A user agent without a will of its own. ``told`` are the events of its stack; ``dialog`` the
    one that the test has made."""

    def __init__(self, wire: Wire, address: Address, *, takes_update: bool = True) -> None:
        self.wire = wire
        self.address = address
        self.flow = Flow("udp", address, NEAR)
        self.contact = f"<sip:agent@{address}>"
        methods = METHODS if takes_update else tuple(m for m in METHODS if m != "UPDATE")
        self.stack = make_stack(f"a{address.host.replace('.', 'x')}", allow=methods)
        self.told: list[Event] = []
        self.dialog: Dialog | None = None
        self._calls = 0
        wire.attach(StackNode(self.stack, lambda event, now_s: self.told.append(event)), address)

    # --- what came --------------------------------------------------------------------------------

    def all(self, kind: type[E]) -> list[E]:
        """Every event of a kind."""
        return [event for event in self.told if isinstance(event, kind)]

    def requests(self, method: str) -> list[Request]:
        """Every request with this method, repetitions left out."""
        return [e.request for e in self.all(RequestReceived) if e.request.method == method]

    def asked(self, method: str) -> ServerTransaction:
        """The latest request with this method, to be answered."""
        found = [e.transaction for e in self.all(RequestReceived) if e.request.method == method]
        return found[-1]

    def responses(self, tx: ClientTransaction) -> list[Response]:
        """What came for a request."""
        return [e.response for e in self.all(ResponseReceived) if e.transaction is tx]

    def statuses(self, tx: ClientTransaction) -> list[int]:
        """Their statuses."""
        return [response.status for response in self.responses(tx)]

    # --- what is sent -----------------------------------------------------------------------------

    def invite(self, *headers: tuple[str, str], body: bytes | None = None) -> ClientTransaction:
        """Call the carrier's number; with an offer unless ``body`` is empty."""
        self._calls += 1
        offer = sdp(self.address.host) if body is None else body
        fields = [
            ("From", f"<sip:phone@{self.address.host}>;tag=f{self._calls}"),
            ("To", f"<sip:{NUMBER}@{NEAR.host}>"),
            ("Call-ID", f"c{self._calls}@{self.address.host}"),
            ("CSeq", "1 INVITE"),
            ("Contact", self.contact),
            *headers,
            *((SDP_TYPE,) if offer else ()),
        ]
        request = Request.build("INVITE", f"sip:{NUMBER}@{NEAR.host}", fields, offer)
        return self.send(request)

    def send(self, request: Request) -> ClientTransaction:
        """Send, and let what comes of it happen."""
        tx = self.stack.request(request, self.flow, self.wire.now_s)
        self.pause()
        return tx

    def ask(self, method: str, *headers: tuple[str, str], body: bytes = b"") -> ClientTransaction:
        """A request within the dialog."""
        assert self.dialog is not None
        fields = (*headers, SDP_TYPE) if body else headers
        return self.send(self.dialog.request(method, fields, body))

    def respond(
        self, tx: ServerTransaction, status: int, *headers: tuple[str, str], body: bytes = b""
    ) -> None:
        """Answer, with a Contact."""
        fields = (("Contact", self.contact), *headers, *((SDP_TYPE,) if body else ()))
        self.stack.respond(tx, status, headers=fields, body=body, now_s=self.wire.now_s)
        self.pause()

    def answer(self, *headers: tuple[str, str], body: bytes | None = None) -> None:
        """200 to the INVITE; the dialog stands."""
        tx = self.asked("INVITE")
        if self.dialog is None:
            self.dialog = Dialog.uas(
                tx.request, local_tag=tx.to_tag, contact=self.contact, flow=self.flow
            )
        self.respond(tx, 200, *headers, body=self.description() if body is None else body)

    def ring(self, status: int, rseq: int = 0, *, body: bytes = b"", tag: str = "") -> None:
        """A provisional answer to the INVITE, a reliable one with ``rseq``; ``tag``: as another
        phone behind a proxy that forks."""
        tx = self.asked("INVITE")
        own = tx.to_tag
        tx.to_tag, tx.copied = tag or own, ""
        reliable = (("Require", "100rel"), ("RSeq", str(rseq))) if rseq else ()
        if self.dialog is None:
            self.dialog = Dialog.uas(
                tx.request, local_tag=tx.to_tag, contact=self.contact, flow=self.flow
            )
        self.respond(tx, status, *reliable, body=body)
        tx.to_tag, tx.copied = own, ""

    def early(self, tx: ClientTransaction) -> None:
        """The dialog of the latest provisional answer stands."""
        response = self.responses(tx)[-1]
        self.dialog = Dialog.uac(tx.request, response, contact=self.contact, flow=self.flow)

    def acknowledge(self, tx: ClientTransaction, body: bytes = b"") -> None:
        """ACK the 2xx of the first INVITE, or of one in the dialog."""
        response = self.responses(tx)[-1]
        if self.dialog is None:
            self.dialog = Dialog.uac(tx.request, response, contact=self.contact, flow=self.flow)
        headers = (SDP_TYPE,) if body else ()
        ack = self.dialog.ack(tx.request.cseq.number, body, headers)
        self.stack.ack(tx, ack, self.flow, self.wire.now_s)
        self.pause()

    def description(self) -> bytes:
        """A description of this agent's."""
        return sdp(self.address.host)

    def answer_again(self, *headers: tuple[str, str], body: bytes | None = None) -> None:
        """200 to a re-INVITE or UPDATE with an offer, whichever came last."""
        offers = [e for e in self.all(RequestReceived) if e.request.method in ("INVITE", "UPDATE")]
        answer = self.description() if body is None else body
        if not offers[-1].transaction.final_status:
            self.respond(offers[-1].transaction, 200, *headers, body=answer)

    def pause(self, seconds: float = SOON_S) -> None:
        """Let time pass."""
        self.wire.run(self.wire.now_s + seconds)


class Scene:
    """The caller, the carrier and the switch; ``takes_update``: whether the carrier does."""

    def __init__(self, *, takes_update: bool = True) -> None:
        self.wire = Wire()
        self.switch = SimulatedSwitch(self.wire, NEAR, near_snapshot())
        self.switch.store.fund(RICH, 10_000_000_000)
        self.caller = Agent(self.wire, caller_address(RICH))
        self.carrier = Agent(self.wire, FAR, takes_update=takes_update)
        self.invite: ClientTransaction | None = None

    def talk(self, caller: Fields = (), carrier: Fields = ()) -> None:
        """A call that is up; each side's INVITE or 200 has these fields."""
        self.invite = self.caller.invite(*caller)
        self.carrier.answer(*carrier)
        self.caller.acknowledge(self.invite)

    def told_caller(self) -> Response:
        """The latest answer to the caller's INVITE."""
        assert self.invite is not None
        return self.caller.responses(self.invite)[-1]

    def pause(self, seconds: float) -> None:
        """Let time pass."""
        self.caller.pause(seconds)

    def over(self) -> tuple[int, int]:
        """How many BYEs the caller and the carrier got."""
        return len(self.caller.requests("BYE")), len(self.carrier.requests("BYE"))

    def hang_up(self) -> None:
        """End the call and wait until everything is forgotten; nothing is left over."""
        for agent in (self.caller, self.carrier):
            for event in agent.all(RequestReceived):
                if event.request.method == "BYE" and not event.transaction.final_status:
                    agent.respond(event.transaction, 200)
        if self.over() == (0, 0):
            self.caller.ask("BYE")
            self.carrier.respond(self.carrier.asked("BYE"), 200)
        self.pause(120)
        assert not any(self.switch.leaks().values()), self.switch.leaks()
