"""Requests of peers, seen from the wire: absorption, answers, ACK, CANCEL, refusals, limits."""

from __future__ import annotations

import pytest

from sip.checks import Refusal
from sip.errors import LocalError, RemoteError
from sip.events import AckReceived, AckTimedOut, CancelReceived, Event, RequestReceived
from sip.flow import Address, Flow
from sip.machines import State
from sip.message import Request, Response
from sip.parser import parse_message
from sip.stack import Limits, Stack
from sip.transaction import ServerTransaction
from tests.sip.answers import answered
from tests.sip.peers import ALICE, BOB, Pair, request, wire_bytes


class Lone:
    """Bob alone: what he receives is written by the test, and what he sends is looked at."""

    def __init__(
        self,
        transport: str = "udp",
        limits: Limits | None = None,
        allow: tuple[str, ...] = ("INVITE", "ACK", "CANCEL", "BYE", "OPTIONS"),
    ) -> None:
        pair = Pair(transport=transport)
        self.flow = pair.to_alice
        self.stack = Stack(
            token=iter(f"bob{number}" for number in range(10_000)).__next__,
            server_name="bob",
            allow=allow,
            supported=frozenset({"replaces", "timer"}),
            limits=limits,
        )
        self.now_s = 0.0

    def receive(self, data: bytes, flow: Flow | None = None) -> list[Event]:
        """Let bytes come in; what the user is told is returned."""
        self.stack.receive(data, flow or self.flow, self.now_s)
        return self.stack.take_events()

    def receive_new(self, message: Request) -> ServerTransaction:
        """Let a request come in that the user is told."""
        (event,) = self.receive(wire_bytes(message))
        assert isinstance(event, RequestReceived)
        return event.transaction

    def sent(self) -> list[Response]:
        """What went out since the last look."""
        messages = [parse_message(data) for data, _ in self.stack.take_outgoing()]
        return [message for message in messages if isinstance(message, Response)]

    def statuses(self) -> list[int]:
        """The statuses of what went out since the last look."""
        return [response.status for response in self.sent()]

    def respond(self, tx: ServerTransaction, status: int) -> None:
        """Let the user answer."""
        self.stack.respond(tx, status, now_s=self.now_s)

    def advance_to(self, now_s: float) -> list[float]:
        """Let time pass; the moments at which something was sent are returned."""
        moments = []
        while (at_s := self.stack.next_deadline_s()) is not None and at_s <= now_s:
            self.now_s = at_s
            self.stack.advance(at_s)
            moments += [at_s] * len(self.sent())
        self.now_s = now_s
        return moments


def ack_for(invite: Request, to_tag: str) -> Request:
    """The ACK of an answer to ``invite``."""
    ack = Request("ACK", invite.uri, {name: list(value) for name, value in invite.headers.items()})
    ack.set("to", f"{invite.required('to')};tag={to_tag}")
    ack.set("cseq", "1 ACK")
    return ack


def cancel_for(invite: Request) -> Request:
    """The CANCEL of ``invite``."""
    cancel = ack_for(invite, "x")
    cancel.method = "CANCEL"
    cancel.set("to", invite.required("to"))
    cancel.set("cseq", "1 CANCEL")
    return cancel


def test_invite_is_answered_with_trying_at_once() -> None:
    """17.2.1; without a To tag, and told to the user once."""
    lone = Lone()
    lone.receive_new(request("INVITE"))
    (trying,) = lone.sent()
    assert (trying.status, trying.to_tag) == (100, None)


def test_a_repeated_request_gets_the_latest_answer_and_is_not_told_again() -> None:
    """Figures 7 and 8."""
    lone = Lone()
    invite = request("INVITE")
    tx = lone.receive_new(invite)
    lone.respond(tx, 183)
    first = lone.stack.take_outgoing()[-1]
    assert lone.receive(wire_bytes(invite)) == []
    assert lone.stack.take_outgoing() == [first]
    options = request("OPTIONS")
    tx = lone.receive_new(options)
    lone.receive(wire_bytes(options))
    assert lone.statuses() == []
    lone.respond(tx, 200)
    lone.receive(wire_bytes(options))
    assert lone.statuses() == [200, 200]
    assert lone.stack.counters.absorbed == 3


def test_all_answers_have_one_to_tag() -> None:
    """8.2.6.2; the tag can be read before the first of them."""
    lone = Lone()
    tx = lone.receive_new(request("INVITE"))
    assert tx.to_tag
    lone.sent()
    lone.respond(tx, 180)
    lone.respond(tx, 486)
    assert {response.to_tag for response in lone.sent()} == {tx.to_tag}


def test_in_a_dialog_the_to_tag_is_the_requests_own() -> None:
    """8.2.6.2: no second tag."""
    lone = Lone()
    tx = lone.receive_new(request("BYE", To="<sip:bob@192.0.2.2>;tag=mine"))
    lone.respond(tx, 200)
    (answer,) = lone.sent()
    assert (tx.to_tag, answer.first("to")) == ("mine", "<sip:bob@192.0.2.2>;tag=mine")


def test_a_refusal_is_repeated_until_its_ack() -> None:
    """Timers G and I; the ACK has the INVITE's branch and is not told."""
    lone = Lone()
    invite = request("INVITE")
    tx = lone.receive_new(invite)
    lone.respond(tx, 486)
    lone.sent()
    assert lone.advance_to(8.0) == [0.5, 1.5, 3.5, 7.5]
    assert lone.receive(wire_bytes(ack_for(invite, tx.to_tag))) == []
    assert tx.state is State.CONFIRMED
    assert lone.receive(wire_bytes(invite)) == []
    assert lone.advance_to(13.0) == []
    assert lone.stack.transactions == 0


def test_a_refusal_without_ack_is_given_up_after_timer_h() -> None:
    """Silently: the call was refused anyhow."""
    lone = Lone()
    tx = lone.receive_new(request("INVITE"))
    lone.respond(tx, 486)
    lone.advance_to(40.0)
    assert lone.stack.take_events() == []
    assert lone.stack.transactions == 0


def test_a_2xx_is_repeated_until_its_ack_which_is_told_once() -> None:
    """13.3.1.4, RFC 6026: T1 doubling up to T2, also on streams; the ACK has a new branch."""
    lone = Lone("tcp")
    invite = request("INVITE")
    tx = lone.receive_new(invite)
    lone.respond(tx, 200)
    lone.sent()
    assert lone.advance_to(8.0) == [0.5, 1.5, 3.5, 7.5]
    ack = wire_bytes(ack_for(invite, tx.to_tag), branch="z9hG4bKack")
    (told,) = lone.receive(ack)
    assert isinstance(told, AckReceived)
    assert told.transaction is tx
    assert lone.receive(ack) == []
    assert lone.advance_to(31.9) == []
    assert lone.stack.transactions == 1
    lone.advance_to(32.0)
    assert lone.stack.transactions == 0
    assert lone.stack.take_events() == []


def test_a_repeated_invite_in_accepted_is_absorbed() -> None:
    """RFC 6026's reason to be: it once looked like a new call."""
    lone = Lone()
    invite = request("INVITE")
    lone.respond(lone.receive_new(invite), 200)
    lone.sent()
    assert lone.receive(wire_bytes(invite)) == []
    assert lone.sent() == []


def test_a_2xx_without_ack_is_told_after_64_t1() -> None:
    """The user ends the dialog with BYE (13.3.1.4)."""
    lone = Lone()
    tx = lone.receive_new(request("INVITE"))
    lone.respond(tx, 200)
    lone.advance_to(32.0)
    assert lone.stack.take_events() == [AckTimedOut(tx)]
    assert lone.stack.transactions == 0


def test_an_ack_for_another_dialog_or_number_is_dropped() -> None:
    """Without an answer, whatever it is (17)."""
    lone = Lone()
    invite = request("INVITE")
    tx = lone.receive_new(invite)
    lone.respond(tx, 200)
    lone.sent()
    wrong_tag = ack_for(invite, "other")
    wrong_number = ack_for(invite, tx.to_tag)
    wrong_number.set("cseq", "2 ACK")
    for ack in (wrong_tag, wrong_number):
        assert lone.receive(wire_bytes(ack, branch="z9hG4bKack")) == []
    assert lone.sent() == []
    assert lone.stack.counters.acks_unmatched == 2


def test_ringing_is_repeated_every_minute() -> None:
    """13.3.1.1: a proxy between would give the call up after three."""
    lone = Lone()
    tx = lone.receive_new(request("INVITE"))
    lone.respond(tx, 180)
    lone.sent()
    assert lone.advance_to(130.0) == [60.0, 120.0]


def test_cancel_is_answered_and_told_once() -> None:
    """9.2: 200 each time it comes, with the INVITE's To tag."""
    lone = Lone()
    invite = request("INVITE")
    tx = lone.receive_new(invite)
    lone.sent()
    (told,) = lone.receive(wire_bytes(cancel_for(invite)))
    assert isinstance(told, CancelReceived)
    assert told.transaction is tx
    assert lone.receive(wire_bytes(cancel_for(invite))) == []
    answers = lone.sent()
    assert [(answer.status, answer.to_tag) for answer in answers] == [(200, tx.to_tag)] * 2
    assert [str(answer.cseq) for answer in answers] == ["1 CANCEL"] * 2


def test_cancel_after_the_answer_changes_nothing() -> None:
    """9.2: it is answered 200 and not told."""
    lone = Lone()
    invite = request("INVITE")
    lone.respond(lone.receive_new(invite), 200)
    lone.sent()
    assert lone.receive(wire_bytes(cancel_for(invite))) == []
    assert lone.statuses() == [200]


def test_cancel_that_matches_nothing_gets_481() -> None:
    """By branch, and by sent-by."""
    lone = Lone()
    invite = request("INVITE")
    lone.receive_new(invite)
    lone.sent()
    lone.receive(wire_bytes(cancel_for(invite), branch="z9hG4bKother"))
    other_host = wire_bytes(cancel_for(invite)).replace(
        b"192.0.2.1:5060;branch", b"a.example;branch"
    )
    lone.receive(other_host)
    assert lone.statuses() == [481, 481]


def test_a_caller_of_rfc_2543_is_matched_without_cookie() -> None:
    """17.2.3: repetition, CANCEL and ACK of a refusal, whose To tag is ours."""
    lone = Lone()
    invite = request("INVITE")
    (told,) = lone.receive(wire_bytes(invite, branch=None))
    assert isinstance(told, RequestReceived)
    assert lone.receive(wire_bytes(invite, branch=None)) == []
    (cancelled,) = lone.receive(wire_bytes(cancel_for(invite), branch=None))
    assert isinstance(cancelled, CancelReceived)
    lone.respond(told.transaction, 487)
    lone.receive(wire_bytes(ack_for(invite, "somebody-else's"), branch=None))
    assert told.transaction.state is State.COMPLETED
    lone.receive(wire_bytes(ack_for(invite, told.transaction.to_tag), branch=None))
    assert told.transaction.state is State.CONFIRMED


def test_a_request_that_took_two_paths_is_served_once() -> None:
    """8.2.2.2: 482 for the second, while the first is remembered."""
    lone = Lone()
    invite = request("INVITE")
    tx = lone.receive_new(invite)
    lone.sent()
    assert lone.receive(wire_bytes(invite, branch="z9hG4bKtwo")) == []
    assert lone.statuses() == [482]
    lone.respond(tx, 486)
    lone.advance_to(40.0)
    assert len(lone.receive(wire_bytes(invite, branch="z9hG4bKthree"))) == 1


def with_body(body: str, content_type: str, *headers: tuple[str, str]) -> Request:
    """An INVITE with a body of a type."""
    invite = request("INVITE", ("Content-Type", content_type), *headers)
    invite.body = body.encode()
    return invite


@pytest.mark.parametrize("content_type", ["application/sdp", "Application/SDP ; charset=utf-8"])
def test_a_session_description_is_for_the_user(content_type: str) -> None:
    """Whatever the case and the parameters of its type."""
    assert len(Lone().receive(wire_bytes(with_body("v=0", content_type)))) == 1


@pytest.mark.parametrize(
    "accept", ["text/plain, Application/SDP ;q=0.1", "application/*", "*/*", "a/b, */*;q=0.1,"]
)
def test_an_invite_that_takes_a_session_description_is_for_the_user(accept: str) -> None:
    """RFC 3261 20.1: by name, or by a range of types."""
    assert len(Lone().receive(wire_bytes(request("INVITE", ("Accept", accept))))) == 1


@pytest.mark.parametrize("method", ["BYE", "OPTIONS"])
def test_a_request_that_has_arrived_needs_no_hops(method: str) -> None:
    """Only what we send on can loop."""
    lone = Lone()
    assert len(lone.receive(wire_bytes(request(method, Max_Forwards="0")))) == 1


@pytest.mark.parametrize(
    ("message", "status", "header"),
    [
        (request("PUBLISH"), 405, ("allow", "INVITE, ACK, CANCEL, BYE, OPTIONS")),
        (request("DANCE"), 501, ("allow", "INVITE, ACK, CANCEL, BYE, OPTIONS")),
        (request("INVITE", Max_Forwards="0"), 483, None),
        (request("INVITE", Require="replaces, 100rel"), 420, ("unsupported", "100rel")),
        (with_body("hello", "text/plain"), 415, ("accept", "application/sdp")),
        (with_body("v=0", "multipart/mixed;boundary=b"), 415, ("accept", "application/sdp")),
        (
            with_body("v=0", "application/sdp", ("Content-Encoding", "gzip")),
            415,
            ("accept-encoding", "identity"),
        ),
        (request("INVITE", ("Accept", "text/plain, text/*;q=0.5")), 406, None),
        (request("INVITE", ("Accept", "")), 406, None),
        (request("INVITE", From="<sip:alice@192.0.2.1"), 400, None),
        (request("INVITE", To="<>"), 400, None),
    ],
)
def test_what_no_user_should_see_is_refused(
    message: Request, status: int, header: tuple[str, str] | None
) -> None:
    """8.2 in its order; nothing is kept, and a repetition gets the same bytes."""
    lone = Lone()
    assert lone.receive(wire_bytes(message)) == []
    assert lone.receive(wire_bytes(message)) == []
    first, second = lone.stack.take_outgoing()
    assert first == second
    answer = parse_message(first[0])
    assert isinstance(answer, Response)
    assert answer.status == status
    assert answer.to_tag
    if header is not None:
        assert answer.first(header[0]) == header[1]
    assert (lone.stack.transactions, lone.stack.counters.refused) == (0, 2)


@pytest.mark.parametrize(
    ("before", "after", "status"),
    [
        (b"sip:bob@192.0.2.2 SIP", b"http://bob@192.0.2.2 SIP", 416),
        (b"SIP/2.0\r\n", b"SIP/3.0\r\n", 505),
        (b"1 INVITE", b"1 OPTIONS", 400),
        (b"Max-Forwards: 70", b"To: <sip:somebody@192.0.2.2>", 400),
        (b"Content-Length: 0", b"Content-Length: 5", 400),
    ],
)
def test_broken_requests_are_refused_when_it_is_clear_whom_to_answer(
    before: bytes, after: bytes, status: int
) -> None:
    """Statelessly, with the status that fits."""
    lone = Lone()
    assert lone.receive(wire_bytes(request("INVITE")).replace(before, after, 1)) == []
    assert lone.statuses() == [status]
    assert lone.stack.transactions == 0


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"\r\n\r\n",
        b"\x00\x01\x02",
        b"INVITE sip:x SIP/2.0\r\n\r\n",
        wire_bytes(request("ACK")).replace(b"SIP/2.0\r\n", b"SIP/3.0\r\n", 1),
        wire_bytes(request("ACK", CSeq="1 INVITE")),
        b"SIP/2.0 200 OK\r\nVia: x\r\n\r\n",
    ],
)
def test_what_cannot_be_answered_is_dropped(data: bytes) -> None:
    """Silence, and no exception; nothing ever answers an ACK."""
    lone = Lone()
    assert lone.receive(data) == []
    assert lone.sent() == []


def test_options_without_hops_left_is_for_us() -> None:
    """Section 11; every other method gets 483."""
    lone = Lone()
    lone.receive_new(request("OPTIONS", Max_Forwards="0"))


def test_an_answer_to_options_says_what_we_can() -> None:
    """11.2 and 13.3.1.4."""
    lone = Lone()
    lone.respond(lone.receive_new(request("OPTIONS")), 200)
    (answer,) = lone.sent()
    assert answer.first("allow") == "INVITE, ACK, CANCEL, BYE, OPTIONS"
    assert answer.first("supported") == "replaces, timer"
    assert answer.first("server") == "bob"


def test_a_source_beyond_its_limit_gets_503_and_others_do_not() -> None:
    """Bounded memory; an end of a transaction makes room again."""
    lone = Lone(limits=Limits(transactions_per_source_max=2))
    for number in range(3):
        lone.receive(wire_bytes(request("OPTIONS"), branch=f"z9hG4bK{number}"))
    (refusal,) = lone.sent()
    assert (refusal.status, refusal.first("retry-after")) == (503, "10")
    other = lone.flow._replace(remote=BOB)
    (told,) = lone.receive(wire_bytes(request("OPTIONS"), branch="z9hG4bKother"), other)
    assert isinstance(told, RequestReceived)
    lone.respond(told.transaction, 200)
    lone.advance_to(32.0)
    assert lone.stack.counters.overload == 1


def test_limits_hold_in_all_and_spare_trusted_sources() -> None:
    """A trunk may fill what a stranger may not, up to the total."""
    limits = Limits(transactions_max=3, transactions_per_source_max=1, trusted=ALICE.host.__eq__)
    lone = Lone(limits=limits)
    for number in range(4):
        lone.receive(wire_bytes(request("OPTIONS"), branch=f"z9hG4bK{number}"))
    assert lone.statuses() == [503]
    assert lone.stack.transactions == 3


def test_a_flood_is_dropped_unread_and_only_for_its_source() -> None:
    """So many requests a second from one host; the next second begins anew."""
    lone = Lone(limits=Limits(requests_per_source_s=2))
    for number in range(5):
        lone.receive(wire_bytes(request("OPTIONS"), branch=f"z9hG4bK{number}"))
    assert (lone.stack.transactions, lone.stack.counters.over_rate) == (2, 3)
    assert lone.sent() == []
    other = lone.flow._replace(remote=BOB)
    assert len(lone.receive(wire_bytes(request("OPTIONS"), branch="z9hG4bKother"), other)) == 1
    lone.now_s = 1.0
    assert len(lone.receive(wire_bytes(request("OPTIONS"), branch="z9hG4bKlater"))) == 1


def test_requests_of_a_banned_source_are_dropped_unread() -> None:
    """From the moment at which it is in the table until it is out; answers to us are read: whoever
    forges requests in a carrier's name must not cut it off."""
    banned: set[str] = set()
    lone = Lone(limits=Limits(banned=banned))
    banned.add(ALICE.host)
    for data in (wire_bytes(request("OPTIONS")), b"REGISTER garbage", b"\0\1"):
        assert lone.receive(data) == []
    assert (lone.sent(), lone.stack.transactions) == ([], 0)
    broken = wire_bytes(request("OPTIONS"))
    lone.stack.refuse_malformed(broken, lone.flow, RemoteError("of a stream"))
    assert lone.sent() == []
    assert (lone.stack.counters.banned, lone.stack.counters.malformed) == (4, 0)
    lone.receive(bytes(answered(parse_request(), 200, to_tag="x")))
    assert lone.stack.counters.responses_unmatched == 1
    banned.clear()
    lone.receive_new(request("OPTIONS"))


def test_the_count_by_source_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    """Forged sources beyond it are dropped within that second; who was counted before goes on, and
    so do trusted ones."""
    monkeypatch.setattr("sip.limits.RATE_SOURCES_MAX", 3)
    limits = Limits(requests_per_source_s=9, trusted="192.0.2.9".__eq__)
    lone = Lone(limits=limits)
    hosts = ["192.0.2.1", "192.0.2.5", "192.0.2.6", "192.0.2.7", "192.0.2.1", "192.0.2.9"]
    told = []
    for number, host in enumerate(hosts):
        data = wire_bytes(request("OPTIONS"), branch=f"z9hG4bK{number}")
        flow = lone.flow._replace(remote=Address(host, 5060))
        told.append(len(lone.receive(data, flow)))
    assert told == [1, 1, 1, 0, 1, 1]
    assert len(lone.stack._rate._counts) == 3


def looping(uri: str, *lower: str) -> bytes:
    """An INVITE that went through a proxy, which put its Via on top of these."""
    proxy = "SIP/2.0/UDP proxy.example;branch=z9hG4bKproxy;rport"
    message = request("INVITE")
    message.uri = uri
    message.headers = {"via": [proxy, *lower], "max-forwards": ["60"], **message.headers}
    return bytes(message)


def test_our_own_request_that_comes_back_is_a_loop() -> None:
    """482 while ours is up and when it is for the same user; for another one somebody forwarded it
    (16.3 step 4). What cannot be read below the top is not ours."""
    lone = Lone()
    sent = lone.stack.request(request("INVITE"), lone.flow, 0.0)
    ours = sent.via
    lone.sent()
    bob, carol = "sip:bob@192.0.2.2", "sip:carol@192.0.2.2"
    assert lone.receive(looping(bob, ours)) == []
    assert lone.statuses() == [482]
    assert lone.receive(looping(bob, f"SIP/2.0/UDP a;branch=z9hG4bKa, {ours}")) == []
    assert lone.statuses() == [482]
    for harmless in (looping(carol, ours), looping(bob, "SIP/2.0/UDP b;branch=x"),
                     looping(bob, "nonsense")):  # fmt: skip
        lone.stack._servers._by_key.clear()
        (event,) = lone.receive(harmless)
        assert isinstance(event, RequestReceived)


def test_responses_and_trusted_sources_have_no_rate() -> None:
    """A trunk sends what it has to, and answers are asked for."""
    limits = Limits(requests_per_source_s=1, trusted=ALICE.host.__eq__)
    lone = Lone(limits=limits)
    for number in range(3):
        lone.receive(wire_bytes(request("OPTIONS"), branch=f"z9hG4bK{number}"))
    answer = bytes(answered(parse_request(), 200, to_tag="x"))
    for _ in range(3):
        lone.receive(answer, lone.flow._replace(remote=BOB))
    assert lone.stack.transactions == 3
    assert lone.stack.counters.responses_unmatched == 3


def parse_request() -> Request:
    """A request with a Via."""
    message = parse_message(wire_bytes(request("OPTIONS")))
    assert isinstance(message, Request)
    return message


def test_everything_of_a_finished_transaction_is_freed() -> None:
    """Also the indexes by source, dialog and merged request."""
    lone = Lone()
    for status in (200, 486):
        lone.respond(lone.receive_new(request("INVITE", Contact=f"<sip:{status}@x>")), status)
        lone.advance_to(lone.now_s + 64)
        lone.stack.take_events()
    servers = lone.stack._servers
    for index in (servers._by_key, servers._by_ack, servers._by_merge, servers._per_source):
        assert index == {}
    assert lone.stack.timers_armed == 0


def test_a_second_final_answer_is_our_own_bug() -> None:
    """LocalError, and nothing is sent or changed."""
    lone = Lone()
    tx = lone.receive_new(request("INVITE"))
    lone.respond(tx, 486)
    lone.sent()
    for status in (180, 200, 603):
        with pytest.raises(LocalError):
            lone.respond(tx, status)
    with pytest.raises(LocalError):
        lone.respond(tx, 99)
    assert (lone.sent(), tx.final_status, tx.state) == ([], 486, State.COMPLETED)


def test_a_register_that_is_refused_at_the_gate_leaves_nothing_behind() -> None:
    """8.2.7: a challenge needs no memory, so a flood of REGISTERs without credentials has none.
    Whoever the gate lets in, and every other method, becomes a transaction."""
    lone = Lone(allow=("REGISTER", "OPTIONS"))
    asked: list[str] = []

    def gate(challenged: Request, flow: Flow, now_s: float) -> Refusal | None:
        asked.append(challenged.method)
        shows = challenged.first("authorization")
        return None if shows else Refusal(401, None, (("WWW-Authenticate", "Digest x"),))

    lone.stack.ask_first(gate)
    register = wire_bytes(request("REGISTER"), branch="z9hG4bKone")
    for _ in range(2):  # a repetition is challenged again
        assert lone.receive(register) == []
        (answer,) = lone.sent()
        assert answer.status == 401
        assert answer.first("www-authenticate") == "Digest x"
    assert lone.stack.transactions == lone.stack.timers_armed == 0
    proved = request("REGISTER", Authorization="Digest y")
    assert len(lone.receive(wire_bytes(proved, branch="z9hG4bKtwo"))) == 1
    assert len(lone.receive(wire_bytes(request("OPTIONS"), branch="z9hG4bKthree"))) == 1
    assert asked == ["REGISTER"] * 3
