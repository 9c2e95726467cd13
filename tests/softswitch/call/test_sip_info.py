"""INFO inside calls: digits reach the other party, or are answered and dropped."""

from __future__ import annotations

import pytest

from sip.dialog import Dialog
from sip.events import ResponseReceived
from sip.flow import Address, Flow
from sip.message import Request
from sip.parser import parse_message
from softswitch.call.sip_info import digit_of
from tests.simulation.phone import Answering, Calling, Party, Phone
from tests.simulation.switch import SimulatedSwitch
from tests.simulation.wire import Wire
from tests.softswitch.call.test_instant_messages import ACCOUNT, DESK, GATE, SWITCH, snapshot

RELAY = ("Content-Type", "application/dtmf-relay")
FIVE = b"Signal=5\r\nDuration=160\r\n"


class Outcome:
    """The owner of a request: what was answered."""

    status = 0
    fields: dict[str, list[str]]

    def answered(self, event: ResponseReceived) -> None:
        """Keep the final answer."""
        self.status, self.fields = event.response.status, event.response.headers


class Talk:
    """101 has called 102. The caller's INVITE has no Allow; the called phone's 200 has INFO."""

    def __init__(self, ring_s: float = 0.3) -> None:
        self.wire = Wire()
        self.wire.log = []
        self.switch = SimulatedSwitch(self.wire, SWITCH, snapshot())
        self.switch.store.fund(ACCOUNT, 1_000_000)
        self.desk = Phone(self.wire, Address(DESK, 5060), SWITCH, Answering)
        self.gate = Phone(self.wire, Address(GATE, 5060), SWITCH, lambda: Answering(ring_s=ring_s))
        self.caller = self.desk.call(Calling("102", "plain"))
        self.wire.run(2.0)

    @property
    def callee(self) -> Party:
        """The called side."""
        return self.gate.parties[0]

    def info(
        self, party: Party, body: bytes = FIVE, *fields: tuple[str, str], method: str = "INFO"
    ) -> Outcome:
        """Send INFO in a party's dialog, and wait for the answer."""
        assert party.dialog is not None
        request = party.dialog.request(method, fields or (RELAY,), body)
        return self.ask(party.phone, request)

    def ask(self, phone: Phone, request: Request) -> Outcome:
        """Send a request."""
        outcome = Outcome()
        phone.stack.request(request, phone.flow, self.wire.now_s, outcome)
        self.wire.run(self.wire.now_s + 1)
        return outcome

    def passed_on(self, host: str) -> list[Request]:
        """The INFOs that the switch sent to a phone."""
        assert self.wire.log is not None
        sent = [
            parse_message(data)
            for _, data, flow in self.wire.log
            if flow.remote.host == host and data.startswith(b"INFO")
        ]
        return [request for request in sent if isinstance(request, Request)]

    def trace(self) -> str:
        """What the call's record says, once it is over."""
        self.caller.hang_up()
        self.wire.run(self.wire.now_s + 40)
        assert not any(self.switch.leaks().values())
        return str(self.switch.store.rows("SELECT trace FROM cdr")[0][0])


@pytest.mark.parametrize("kind", ["application/dtmf-relay", "Application/DTMF"])
def test_digit_goes_to_the_party_that_takes_info(kind: str) -> None:
    """Word for word, in its own dialog; its answer goes back."""
    talk = Talk()
    outcome = talk.info(talk.caller, FIVE, ("Content-Type", kind))
    assert outcome.status == 200
    (info,) = talk.passed_on(GATE)
    assert (info.body, info.required("content-type")) == (FIVE, kind)
    dialog = talk.callee.dialog
    assert dialog is not None
    assert info.call_id == dialog.call_id
    assert "dropped" not in talk.trace()


def test_digit_for_a_party_without_info_goes_into_its_media() -> None:
    """Each press; the trace says so once."""
    talk = Talk()
    assert [talk.info(talk.callee).status for _ in range(3)] == [200, 200, 200]
    assert talk.passed_on(DESK) == []
    assert talk.switch.media.digits == "555"
    assert talk.trace().count("digits of the callee come by INFO and go into the media") == 1


@pytest.mark.parametrize(
    ("body", "digit"),
    [
        (FIVE, "5"),
        (b"Duration=250\r\nSignal= *\r\n", "*"),
        (b"signal=11\nDuration=100", "#"),
        (b"Signal=10", "*"),
        (b"d", "D"),
        (b" 7\r\n", "7"),
        (b"Signal=16\r\nDuration=200", ""),
        (b"Signal=\xff", ""),
        (b"55", ""),
        (b"", ""),
    ],
)
def test_the_key_of_a_body(body: bytes, digit: str) -> None:
    """Both types; a flash is no key."""
    assert digit_of(body) == digit


@pytest.mark.parametrize(
    ("body", "fields", "status", "name", "value"),
    [
        (b"x", (("Info-Package", "nothing"), RELAY), 469, "recv-info", ""),
        (b"", (("Info-Package", "nothing"),), 469, "recv-info", ""),
        (
            b"<x/>",
            (("Content-Type", "application/media_control+xml"),),
            415,
            "accept",
            "application/dtmf-relay, application/dtmf",
        ),
        (
            b"x",
            (("Subject", "no type"),),
            415,
            "accept",
            "application/dtmf-relay, application/dtmf",
        ),
        (b"5" * 257, (RELAY,), 413, "server", "switch"),
        (b"", (("Subject", "is it there"),), 200, "server", "switch"),
    ],
)
def test_other_infos_are_refused(
    body: bytes, fields: tuple[tuple[str, str], ...], status: int, name: str, value: str
) -> None:
    """RFC 6086 4.2.2: 469 for a package that nobody offered, 415 for what is not understood; an
    empty one is as good as a ping."""
    talk = Talk()
    outcome = talk.info(talk.caller, body, *fields)
    assert (outcome.status, outcome.fields[name]) == (status, [value])
    assert talk.passed_on(GATE) == []


def test_refusal_of_the_other_side_does_not_end_the_senders_dialog() -> None:
    """Its 481 is about its own dialog (RFC 5057 5.1)."""
    talk = Talk()
    talk.gate.dialogs.clear()
    assert talk.info(talk.caller).status == 500


def test_silence_of_the_other_side_is_answered() -> None:
    """By 500, which most senders do not wait for; nothing is left of it, and the call goes on."""
    talk = Talk()
    del talk.wire._hosts[talk.gate.address]
    talk.info(talk.caller)
    assert talk.switch.stack.transactions > 0
    talk.wire.run(talk.wire.now_s + 80)
    assert talk.switch.stack.transactions == 0
    assert any(data.startswith(b"SIP/2.0 500 The Other Side") for _, data, _ in talk.wire.log or ())
    assert talk.switch.calls.calls_up == 1


def test_digit_before_the_answer_is_dropped() -> None:
    """There is nobody yet to pass it to."""
    talk = Talk(ring_s=30)
    assert talk.caller.invite is not None
    (ringing,) = [
        message
        for _, data, flow in talk.wire.log or ()
        if flow.remote.host == DESK and (message := parse_message(data)).start_line()[8:11] == "180"
    ]
    dialog = Dialog.uac(
        talk.caller.invite.request,
        ringing,  # type: ignore[arg-type]
        contact=talk.desk.contact,
        flow=Flow("udp", talk.desk.address, SWITCH),
    )
    outcome = talk.ask(talk.desk, dialog.request("INFO", (RELAY,), FIVE))
    assert outcome.status == 200
    assert talk.passed_on(GATE) == []


def test_info_outside_a_call_is_for_no_call() -> None:
    """481, in a dialog that is over and without one; a MESSAGE in a dialog is told where to go."""
    talk = Talk()
    outcome = talk.info(talk.caller, b"hello", ("Content-Type", "text/plain"), method="MESSAGE")
    assert outcome.status == 403
    fields = [
        ("From", "<sip:101@x>;tag=f"),
        ("To", "<sip:102@x>"),
        ("Call-ID", "none"),
        ("CSeq", "1 INFO"),
        RELAY,
    ]
    request = Request.build("INFO", f"sip:102@{SWITCH.host}", fields, FIVE)
    assert talk.ask(talk.desk, request).status == 481
    again = request.copy()
    again.set("to", "<sip:102@x>;tag=gone")
    again.set("cseq", "2 INFO")
    assert talk.ask(talk.desk, again).status == 481
