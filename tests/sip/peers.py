"""Two stacks back to back over a wire, and the requests that tests send between them."""

from __future__ import annotations

from itertools import count

from sip.dialog import Dialog
from sip.events import Event, RequestReceived, ResponseReceived
from sip.flow import Address, Flow
from sip.message import Request, Response
from sip.transaction import ClientTransaction, ServerTransaction
from tests.simulation.wire import OnEvent, StackNode, Weather, Wire, make_stack

ALICE = Address("192.0.2.1", 5060)
BOB = Address("192.0.2.2", 5060)
_call_numbers = count(1)


def request(method: str, *headers: tuple[str, str], **changes: str) -> Request:
    """A request from Alice to Bob outside dialogs; ``changes`` replace single headers."""
    number = next(_call_numbers)
    fields = {
        "From": f"Alice <sip:alice@192.0.2.1>;tag=a{number}",
        "To": "<sip:bob@192.0.2.2>",
        "Call-ID": f"call{number}@192.0.2.1",
        "CSeq": f"1 {method}",
        "Contact": "<sip:alice@192.0.2.1:5060>",
    }
    fields |= {name.replace("_", "-"): value for name, value in changes.items()}
    return Request.build(method, "sip:bob@192.0.2.2", [*fields.items(), *headers])


def wire_bytes(
    message: Request, branch: str | None = "z9hG4bKone", transport: str = "UDP"
) -> bytes:
    """A request as it comes from Alice, with her Via."""
    copy = message.copy()
    tail = "" if branch is None else f";branch={branch}"
    via = [f"SIP/2.0/{transport} {ALICE}{tail};rport"]
    copy.headers = {"via": via, "max-forwards": ["70"], **copy.headers}
    return bytes(copy)


class Pair:
    """Alice and Bob; what each is told is kept, and ``on_bob`` or ``on_alice`` may react."""

    def __init__(
        self, *, seed: int = 0, weather: Weather | None = None, transport: str = "udp"
    ) -> None:
        self.wire = Wire(seed, weather or Weather())
        self.alice = make_stack("alice")
        self.bob = make_stack("bob")
        self.to_bob = Flow(transport, ALICE, BOB, 0 if transport == "udp" else 1)
        self.to_alice = Flow(transport, BOB, ALICE, self.to_bob.connection)
        self.alice_told: list[Event] = []
        self.bob_told: list[Event] = []
        self.on_alice: OnEvent = _ignore
        self.on_bob: OnEvent = _ignore
        self.wire.attach(StackNode(self.alice, self._tell_alice), ALICE)
        self.wire.attach(StackNode(self.bob, self._tell_bob), BOB)

    def _tell_alice(self, event: Event, now_s: float) -> None:
        self.alice_told.append(event)
        self.on_alice(event, now_s)

    def _tell_bob(self, event: Event, now_s: float) -> None:
        self.bob_told.append(event)
        self.on_bob(event, now_s)

    def send(self, message: Request) -> ClientTransaction:
        """Alice sends a request to Bob."""
        return self.alice.request(message, self.to_bob, self.wire.now_s)

    def answer(self, status: int, *headers: tuple[str, str], body: bytes = b"") -> None:
        """Bob answers the request that he was told last."""
        self.bob.respond(self.received(), status, headers=headers, body=body, now_s=self.wire.now_s)

    def received(self) -> ServerTransaction:
        """The transaction of the request that Bob was told last."""
        told = [event for event in self.bob_told if isinstance(event, RequestReceived)]
        return told[-1].transaction

    def responses(self) -> list[Response]:
        """The responses that Alice was told."""
        return [event.response for event in self.alice_told if isinstance(event, ResponseReceived)]

    def statuses(self) -> list[int]:
        """Their statuses, in order."""
        return [response.status for response in self.responses()]

    def acknowledge(self, tx: ClientTransaction, response: Response) -> Dialog:
        """Alice sends the ACK of a 2xx, and has a dialog."""
        dialog = Dialog.uac(tx.request, response, contact="<sip:alice@192.0.2.1>", flow=self.to_bob)
        ack = dialog.ack(tx.request.cseq.number)
        self.alice.ack(tx, ack, self.to_bob, self.wire.now_s)
        return dialog

    def assert_nothing_left(self) -> None:
        """Every transaction and timer of both is gone."""
        assert (self.alice.transactions, self.bob.transactions) == (0, 0)
        assert (self.alice.timers_armed, self.bob.timers_armed) == (0, 0)


def _ignore(event: Event, now_s: float) -> None:
    del event, now_s
