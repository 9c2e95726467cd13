"""The client's half of registration: every pair of its table, and what each input causes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from itertools import count

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sip.digest import challenge, ha1, parse_authorization, verify
from sip.flow import Address, Flow
from sip.message import Response
from sip.registration import (
    BACK_OFF_MAX_S,
    BACK_OFF_S,
    CHALLENGES_MAX,
    EXPIRES_MAX_S,
    REFUSED_BACK_OFF_S,
    TABLE,
    Binding,
    Input,
    Register,
    Registration,
    State,
)

HERE = Address("192.0.2.1", 5060)
FIRST, SECOND, MOVED = (
    Flow("udp", HERE, Address(host, 5060)) for host in ("192.0.2.8", "192.0.2.9", "192.0.2.10")
)
EXPECTED = """
idle, start -> registering
idle, stop -> ended
registering, 2xx -> registered
registering, challenge -> registering
registering, 423 -> registering
registering, 3xx -> registering
registering, next -> registering
registering, nowhere -> resting
registering, refused -> resting
registering, stop -> leaving
registered, due -> registering
registered, stop -> leaving
resting, due -> registering
resting, stop -> ended
leaving, challenge -> leaving
leaving, 2xx -> ended
leaving, 423 -> ended
leaving, 3xx -> ended
leaving, next -> ended
leaving, nowhere -> ended
leaving, refused -> ended
"""
STATES = {"registering": State.ASKING} | {state.value: state for state in State}
INPUTS = {
    "start": Input.START,
    "due": Input.DUE,
    "stop": Input.STOP,
    "2xx": Input.ACCEPTED,
    "challenge": Input.CHALLENGED,
    "423": Input.BRIEF,
    "3xx": Input.MOVED,
    "next": Input.FAILED,
    "nowhere": Input.NOWHERE,
    "refused": Input.REFUSED,
}


class Carrier:
    """A registration under test, with the places that its names lead to."""

    def __init__(self, *, chance: float = 1.0, expires_s: int = 3600, realm: str = "") -> None:
        self.places: dict[str, Sequence[Flow]] = {
            "sip:sip.example.net": [FIRST],
            "sip:there@192.0.2.10": [MOVED],
        }
        tokens = count()
        self.now_s = 1000.0
        self.machine = Registration(
            Binding("sip:sip.example.net", "user", "line", "auth", "secret", realm, expires_s),
            lambda uri: self.places.get(uri, ()),
            lambda flow: str(flow.local),
            token=lambda: f"t{next(tokens)}",
            chance=lambda: chance,
        )
        self.sent: list[Register] = []

    @property
    def last(self) -> Register:
        """The latest REGISTER."""
        return self.sent[-1]

    def start(self) -> Carrier:
        """Begin."""
        self.sent += self.machine.start(self.now_s)
        return self

    def answer(self, status: int, *headers: tuple[str, str]) -> Carrier:
        """A response to the latest REGISTER."""
        response = Response.build(status, headers)
        number = self.last.request.cseq.number
        self.sent += self.machine.responded(response, number, self.now_s)
        return self

    def silence(self) -> Carrier:
        """No response to it."""
        number = self.last.request.cseq.number
        self.sent += self.machine.failed("no answer", number, self.now_s)
        return self

    def wait(self) -> float:
        """Until the deadline; how long that was."""
        assert self.machine.due_s is not None
        waited_s, self.now_s = self.machine.due_s - self.now_s, self.machine.due_s
        self.sent += self.machine.due(self.now_s)
        return waited_s

    def stop(self) -> Carrier:
        """Take the binding back."""
        self.sent += self.machine.stop(self.now_s)
        return self


def challenged(
    algorithm: str = "MD5", *, nonce: str = "n1", stale: bool = False
) -> tuple[str, str]:
    """A WWW-Authenticate header."""
    return ("WWW-Authenticate", challenge("realm", nonce, algorithm, stale))


def test_the_table_is_what_it_should_be() -> None:
    """Written down once more, in words; what has no line does nothing."""
    expected = {}
    for line in EXPECTED.split("\n"):
        if line:
            before, after = line.split(" -> ")
            state, cause = before.split(", ")
            expected[STATES[state], INPUTS[cause]] = STATES[after]
    assert {pair: row[0] for pair, row in TABLE.items()} == expected


def test_registers_for_the_contact() -> None:
    """To and From are the address of record, the Request-URI has no user (RFC 3261 10.2)."""
    request, flow = Carrier().start().last
    assert (request.uri, flow) == ("sip:sip.example.net", FIRST)
    assert request.to.uri_text == request.from_.uri_text == "sip:user@sip.example.net"
    assert request.contacts[0].uri_text == "sip:line@192.0.2.1:5060"
    assert (request.cseq.number, request.expires) == (1, 3600)
    assert "authorization" not in request.headers


def test_a_user_name_of_any_characters_is_escaped() -> None:
    """Some carriers give e-mail addresses as user names."""
    carrier = Carrier()
    carrier.machine.binding = replace(carrier.machine.binding, username="a b@c")
    assert carrier.start().last.request.to.uri_text == "sip:a%20b%40c@sip.example.net"


@pytest.mark.parametrize("algorithm", ["MD5", "SHA-256"])
@pytest.mark.parametrize(
    ("status", "asks", "answers"),
    [
        (401, "WWW-Authenticate", "authorization"),
        (407, "Proxy-Authenticate", "proxy-authorization"),
    ],
)
def test_answers_a_challenge(algorithm: str, status: int, asks: str, answers: str) -> None:
    """With the digest of the auth user, the next CSeq and the same Call-ID."""
    carrier = Carrier().start()
    first = carrier.last.request
    carrier.answer(status, (asks, challenge("realm", "n1", algorithm)))
    again = carrier.last.request
    given = parse_authorization(again.required(answers))
    assert verify(given, "REGISTER", ha1(algorithm, "auth", "realm", "secret"))
    assert (again.call_id, again.cseq.number) == (first.call_id, 2)


def test_a_wrong_password_rests_long() -> None:
    """The answer was refused: the same one would be again."""
    carrier = Carrier().start().answer(401, challenged()).answer(401, challenged(nonce="n2"))
    assert carrier.machine.state is State.RESTING
    assert carrier.machine.error == "401 Unauthorized"
    assert carrier.wait() == REFUSED_BACK_OFF_S


def test_a_stale_nonce_is_answered_again_but_not_for_ever() -> None:
    """RFC 7616 3.3: stale says that the password is right."""
    carrier = Carrier().start().answer(401, challenged())
    for number in range(CHALLENGES_MAX - 1):
        carrier.answer(401, challenged(nonce=f"s{number}", stale=True))
        assert carrier.machine.state is State.ASKING
    carrier.answer(401, challenged(nonce="last", stale=True))
    assert carrier.machine.state is State.RESTING


def test_another_realm_gets_no_password() -> None:
    """With ``realm`` set, only its challenges are answered."""
    carrier = Carrier(realm="elsewhere").start().answer(401, challenged())
    assert carrier.machine.state is State.RESTING
    assert len(carrier.sent) == 1


def test_refreshes_before_the_end_with_the_old_nonce() -> None:
    """A quarter of the granted time ahead, the nonce counted on."""
    carrier = Carrier().start().answer(401, challenged())
    carrier.answer(200, ("Contact", "<sip:line@192.0.2.1:5060>;expires=1200"))
    assert carrier.machine.state is State.BOUND
    assert carrier.machine.until_s == carrier.now_s + 1200
    assert carrier.wait() == 900
    given = parse_authorization(carrier.last.request.required("authorization"))
    assert (given.nonce, given.nc) == ("n1", 2)
    carrier.answer(401, challenged(nonce="n2"))  # it went out of date: one more turn
    carrier.answer(200)
    assert carrier.machine.state is State.BOUND


@pytest.mark.parametrize(
    ("headers", "granted_s"),
    [
        ((), 3600),
        ((("Expires", "600"),), 600),
        ((("Expires", "600"), ("Contact", "<sip:line@h>;expires=300")), 300),
        ((("Contact", "<sip:other@h>;expires=30, <sip:line@h>;expires=300"),), 300),
        ((("Contact", "<sip:line@h>;expires=99999999999"),), 3600),
        ((("Contact", "<sip:line@h>;expires=4000000000"),), EXPIRES_MAX_S),
        ((("Contact", "<<broken"),), 3600),
    ],
)
def test_the_registrar_says_how_long(headers: tuple[tuple[str, str], ...], granted_s: int) -> None:
    """Our Contact's parameter, else Expires, else what was asked for (RFC 3261 10.2.4)."""
    carrier = Carrier().start().answer(200, *headers)
    assert carrier.machine.until_s - carrier.now_s == granted_s


def test_an_answer_without_our_contact_is_no_binding() -> None:
    """Expires 0 in a 200 means that it is gone at once."""
    carrier = Carrier().start().answer(200, ("Expires", "0"))
    assert carrier.machine.state is State.RESTING
    assert carrier.machine.due_s is not None


def test_asks_for_longer_when_told_to() -> None:
    """423 with Min-Expires (10.2.8); one that asks for less than we did is a refusal."""
    carrier = Carrier(expires_s=60).start().answer(423, ("Min-Expires", "300"))
    assert carrier.last.request.expires == 300
    carrier.answer(423, ("Min-Expires", "300"))
    assert carrier.machine.state is State.RESTING


def test_follows_a_redirection() -> None:
    """The first Contact that leads anywhere becomes the Request-URI; To stays."""
    carrier = Carrier().start()
    carrier.answer(302, ("Contact", "<sip:nowhere@h>, <sip:there@192.0.2.10>"))
    request, flow = carrier.last
    assert (request.uri, flow) == ("sip:192.0.2.10", MOVED)
    assert request.to.uri_text == "sip:user@sip.example.net"
    for _ in range(5):
        carrier.answer(302, ("Contact", "<sip:there@192.0.2.10>"))
    assert carrier.machine.state is State.RESTING


@pytest.mark.parametrize("status", [408, 500, 503])
def test_tries_the_next_place(status: int) -> None:
    """Silence and 5xx: another candidate of the registrar, which is kept when it is good."""
    carrier = Carrier()
    carrier.places["sip:sip.example.net"] = [FIRST, SECOND]
    carrier.start().answer(status)
    assert carrier.last.flow == SECOND
    carrier.answer(200)
    carrier.wait()
    assert carrier.last.flow == SECOND
    carrier.silence()
    assert carrier.last.flow == FIRST


def test_backs_off_with_chance_up_to_a_limit() -> None:
    """Doubled each time; half of it is chance."""
    for chance, least in ((1.0, 1.0), (0.0, 0.5)):
        carrier = Carrier(chance=chance).start()
        waits = []
        for _ in range(9):
            carrier.silence()
            waits.append(carrier.wait())
        assert waits[:3] == [BACK_OFF_S * least * factor for factor in (1, 2, 4)]
        assert waits[-1] == BACK_OFF_MAX_S * least


def test_obeys_retry_after() -> None:
    """Within our own limit."""
    carrier = Carrier().start().answer(503, ("Retry-After", "120 (busy)"))
    assert carrier.wait() == 120
    carrier.answer(503, ("Retry-After", "86400"))
    assert carrier.wait() == BACK_OFF_MAX_S


def test_waits_for_a_name_to_resolve() -> None:
    """No place: the back-off, and another look."""
    carrier = Carrier()
    carrier.places.clear()
    carrier.start()
    assert (carrier.machine.state, carrier.sent) == (State.RESTING, [])
    carrier.places["sip:sip.example.net"] = [FIRST]
    carrier.wait()
    assert carrier.machine.state is State.ASKING


def test_takes_the_binding_back() -> None:
    """Expires 0, proved where asked; nobody's answer is waited for beyond one."""
    carrier = Carrier().start().answer(200).stop()
    assert carrier.last.request.expires == 0
    carrier.answer(401, challenged())
    assert "authorization" in carrier.last.request.headers
    carrier.silence()
    assert (carrier.machine.state, carrier.machine.until_s) == (State.ENDED, 0)


def test_a_late_answer_is_ignored() -> None:
    """The number says to which REGISTER it belongs."""
    carrier = Carrier().start().answer(401, challenged())
    carrier.machine.responded(Response.build(403, ()), 1, carrier.now_s)
    assert carrier.machine.state is State.ASKING


STATUSES = st.sampled_from([200, 202, 301, 302, 401, 403, 404, 407, 408, 423, 500, 503, 600])
HEADERS = st.sampled_from(
    [
        challenged(),
        challenged(stale=True),
        ("Proxy-Authenticate", 'Digest realm="r", nonce="n", qop="auth-int"'),
        ("WWW-Authenticate", "Basic x"),
        ("Contact", "<sip:line@h>;expires=0"),
        ("Contact", "<sip:there@192.0.2.10>"),
        ("Contact", "*"),
        ("Contact", "<<"),
        ("Min-Expires", "7200"),
        ("Min-Expires", "-1"),
        ("Retry-After", "ten"),
        ("Expires", "5"),
    ]
)
STEPS = st.one_of(
    st.tuples(STATUSES, st.lists(HEADERS, max_size=3)),
    st.sampled_from(["silence", "wait", "stop"]),
)


@given(st.lists(STEPS, max_size=30))
def test_nothing_a_registrar_sends_breaks_it(steps: list[object]) -> None:
    """After any story it is over, waits for an answer, or has a deadline."""
    carrier = Carrier().start()
    for step in steps:
        if step == "silence":
            carrier.silence()
        elif step == "stop":
            carrier.stop()
        elif step == "wait":
            if carrier.machine.due_s is not None:
                carrier.wait()
        else:
            status, headers = step  # type: ignore[misc]
            carrier.answer(status, *headers)
        state, due_s = carrier.machine.state, carrier.machine.due_s
        assert (due_s is not None) == (state in (State.BOUND, State.RESTING))
