"""The torture messages of RFC 4475 and RFC 5118 as bytes into a whole switch: the whole answer.

They come from a stranger over UDP, so what is well-formed and could make a call or a registration
is challenged. Where an RFC leaves a choice, the notes say which one was taken. What is read of each
message is shown by ``tests/sip/test_torture.py``.
"""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from sip import digest
from sip.errors import RemoteError
from sip.flow import Address, Flow
from sip.message import Response
from sip.parser import parse_message, salvage
from tests.simulation.devices import (
    LOGINS,
    PASSWORD,
    STATIC,
    SWITCH,
    UDP_PHONE,
    snapshot,
)
from tests.simulation.rim import RimNode
from tests.simulation.switch import NONCE_SECRET, REALM, SimulatedSwitch
from tests.simulation.wire import Node, Wire

VECTORS = Path(__file__).parent.parent / "sip" / "vectors"
STRANGER = "192.0.2.77"
HOSTS = (
    *("example.com", "example.org", "example.net", "chair-dnrc.example.com"),
    *("registrar.example.com", "2001:db8::10"),
)

SILENCE: tuple[int, ...] = ()

ANSWERS: dict[str, tuple[int, ...]] = {
    # RFC 4475 3.1.1, valid
    "wsinv": (100, 481),  # its To has a tag, of a dialog that is not here
    "intmeth": (501,),
    "esc01": (100, 407),
    "escnull": (401,),
    "esc02": (501,),
    "lwsdisp": (200,),
    "longreq": (100, 407),
    "dblreq": (401,),  # what follows a message in a datagram is not looked at
    "semiuri": (200,),
    "transports": (200,),
    "mpart01": (407,),
    "unreason": SILENCE,  # responses to nothing that we asked
    "noreason": SILENCE,
    # 3.1.2, invalid
    "badinv01": SILENCE,  # its Via says neither where to nor which transaction
    "clerr": (400,),
    "ncl": (400,),
    "scalar02": (400,),
    "scalarlg": SILENCE,
    "quotbal": (400,),
    "ltgtruri": (400,),
    "lwsruri": (400,),
    "lwsstart": (400,),
    "trws": (400,),
    "escruri": (100, 407),  # headers in a Request-URI are not acted upon
    "baddate": (100, 407),  # Date is not looked at
    "regbadct": (401,),  # 400 once it is known who asks: test_a_bad_contact_of_a_known_phone
    "badaspec": (400,),
    "baddn": (400,),
    "badvers": (505,),
    "mismatch01": (400,),
    "mismatch02": (400,),
    "bigcode": SILENCE,
    # 3.2, transactions
    "badbranch": (200,),  # matched as RFC 2543 does
    # 3.3, application
    "insuf": SILENCE,  # an answer without From, To and Call-ID would be broken itself
    "unkscm": (416,),
    "novelsc": (416,),
    "unksm2": (404,),  # To is no address of ours
    "bext01": (420,),
    "invut": (415,),
    "regaut01": (401,),
    "multi01": (400,),
    "mcl01": (400,),
    "bcast": SILENCE,
    "zeromf": (200,),  # it has arrived: Max-Forwards is for who sends it on
    "cparam01": (401,),
    "cparam02": (401,),
    "regescrt": (401,),
    "sdp01": (406,),
    # 3.4
    "inv2543": (100, 407),
    # RFC 5118 4.1 to 4.10
    "ipv6-good": (401,),
    "ipv6-bad": (400,),
    "port-ambiguous": (404,),  # all of it is the address, which is not ours
    "port-unambiguous": (401,),
    "via-received-param-with-delim": (481,),
    "via-received-param-no-delim": (481,),
    "ipv6-in-sdp": (100, 407),
    "mult-ip-in-sdp": (100, 407),
    "mult-ip-in-header": (481,),
    "ipv4-mapped-ipv6": (100, 407),
    "ipv6-bug-abnf-3-colons": (200,),
    "ipv6-correct-abnf-2-colons": (200,),
}

UNREADABLE_TO = ('"Mr. J. User <', "Watson, Thomas")
"""Goes back as it came: nobody knows what a tag behind it would be."""

SAYS = {  # header and value, or the reason phrase, that make an answer whole
    "intmeth": ("allow", "INVITE"),
    "bext01": ("unsupported", "nothingSupportsThis, nothingSupportsThisEither"),
    "invut": ("accept", "application/sdp"),
    "sdp01": ("server", "switch"),
    "escnull": ("www-authenticate", "Digest realm="),
    "esc01": ("proxy-authenticate", "Digest realm="),
    "lwsdisp": ("allow", "INVITE"),
}


class Switch(SimulatedSwitch):
    """A switch with its rim, whose answers are read at once."""

    def __init__(self) -> None:
        super().__init__(Wire(), SWITCH, snapshot(), hosts=HOSTS)

    def _node(self) -> Node:
        self.rim = RimNode(self.stack, self.address, self._told)
        return self.rim

    def flush(self) -> None:
        """The rim tells and sends."""
        self.rim.service.flush()

    def answers(self, data: bytes, transport: str = "udp", host: str = STRANGER) -> list[bytes]:
        """What comes back at once."""
        flow = Flow(transport, SWITCH, Address(host, 5060), int(transport == "tcp"))
        self.rim.receive(data, flow, self.wire.now_s)
        return [answer for answer, _ in self.rim.take_outgoing()]


def load(name: str) -> bytes:
    """The bytes of one vector."""
    (path,) = VECTORS.glob(f"*/{name}.dat")
    return path.read_bytes()


def statuses(answers: list[bytes]) -> tuple[int, ...]:
    """Their status codes."""
    return tuple(int(answer.split(b" ", 2)[1]) for answer in answers)


def test_every_vector_has_its_answer() -> None:
    """A file without an expectation would be tested by nobody."""
    assert {path.stem for path in VECTORS.glob("*/*.dat")} == ANSWERS.keys()


@pytest.mark.parametrize("name", ANSWERS)
def test_the_whole_answer(name: str) -> None:
    """The status, and the fields by which the peer finds its transaction, as it wrote them."""
    data = load(name)
    answers = Switch().answers(data)
    assert statuses(answers) == ANSWERS[name]
    for answer in answers:
        assert_repeats(data, answer)
    if name in SAYS:
        header, value = SAYS[name]
        final = parse_message(answers[-1])
        assert isinstance(final, Response)
        assert (final.first(header) or "").startswith(value)


def assert_repeats(data: bytes, answer: bytes) -> None:
    """RFC 3261 8.2.6.2: From, Call-ID, CSeq and every Via are repeated, To gets a tag (17.2.1: not
    in a 100); and nothing else came in with them."""
    asked, given = salvage_any(data), _fields(answer)
    for name in ("from", "call-id", "cseq"):
        assert given[name] == asked[name][:1]
    assert len(given["via"]) == len(asked["via"])
    assert given["via"][1:] == asked["via"][1:]
    assert given["via"][0].startswith(asked["via"][0].partition(";")[0])
    assert f";received={STRANGER}" in given["via"][0]
    (to,) = given["to"]
    assert to.startswith(asked["to"][0])
    if not answer.startswith(b"SIP/2.0 100") and not any(broken in to for broken in UNREADABLE_TO):
        assert re.search(r";\s*tag\s*=", to)


def salvage_any(data: bytes) -> dict[str, list[str]]:
    """The fields of a request, of a broken one too."""
    try:
        return parse_message(data).headers
    except RemoteError:
        request = salvage(data)
        assert request is not None
        return request.headers


def _fields(answer: bytes) -> dict[str, list[str]]:
    found: dict[str, list[str]] = {}
    head = answer.partition(b"\r\n\r\n")[0]
    try:
        text = head.decode()
    except UnicodeDecodeError:
        text = head.decode("latin-1")
    for line in text.split("\r\n")[1:]:
        name, _, value = line.partition(":")
        found.setdefault(name.lower(), []).append(value.strip())
    return found


def test_on_a_stream_the_second_request_is_one() -> None:
    """3.1.1.8: what a datagram ends is the next message of a stream."""
    assert statuses(Switch().answers(load("dblreq"), "tcp")) == (401, 100, 407)


def test_on_a_stream_a_length_without_an_end_waits() -> None:
    """3.1.2.2: 9999 bytes were promised; the connection is closed when they do not come."""
    switch = Switch()
    assert switch.answers(load("clerr"), "tcp") == []
    switch.wire.run(until_s=60)
    assert switch.rim.service.connections == 0


@pytest.mark.parametrize("name", ["ncl", "mcl01"])
def test_a_stream_that_cannot_be_framed_is_answered_and_closed(name: str) -> None:
    """RFC 3261 18.3."""
    switch = Switch()
    assert statuses(switch.answers(load(name), "tcp")) == (400,)
    assert switch.rim.service.connections == 0


def test_requests_with_an_empty_branch_are_not_one_request() -> None:
    """3.2.1: the magic cookie and nothing after it names no transaction, so the rules of RFC 2543
    tell two requests of one peer apart."""
    switch, first = Switch(), load("badbranch")
    second = first.replace(b"Call-ID: ", b"Call-ID: other-")
    answers = switch.answers(first) + switch.answers(second)
    assert statuses(answers) == (200, 200)
    assert b"\r\nCall-ID: other-" in answers[1]


def test_a_call_of_rfc_2543_without_contact_is_refused_when_the_caller_is_known() -> None:
    """3.4.1: no dialog of RFC 3261 comes of it, so it is told why."""
    answers = Switch().answers(load("inv2543"), host=STATIC.host)
    assert statuses(answers) == (100, 400)
    assert b"400 Contact: 0 usable values" in answers[1]


def test_a_bad_contact_of_a_known_phone() -> None:
    """3.1.2.13: headers of a URI outside angle brackets are 400, and nothing is bound."""
    switch, login = Switch(), LOGINS[UDP_PHONE].encode()
    asked = digest.Challenge(
        REALM, digest.Nonces(NONCE_SECRET).issue(0.0, STRANGER), "MD5", "auth", None, False
    )
    value = digest.answer(asked, "REGISTER", "sip:example.com", LOGINS[UDP_PHONE], PASSWORD, "c", 1)
    data = load("regbadct").replace(b"sip:caller@", b"sip:user@")
    data = data.replace(b"sip:user@example.net", b"<sip:%s@example.com>" % login)
    data = data.replace(b"To: sip:user@example.com", b"To: <sip:%s@example.com>" % login)
    data = data.replace(b"Contact:", b"Authorization: %s\r\nContact:" % value.encode())
    answers = switch.answers(data)
    assert statuses(answers) == (400,)
    assert b"SIP/2.0 400 Contact" in answers[0]
    assert len(switch.registrar) == 0
