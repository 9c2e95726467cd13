"""The torture messages of RFC 4475, each with what this layer makes of it.

The files in ``vectors`` have the RFC's names and faults. Where the RFC leaves a choice, the tables
here say which one was taken.
"""

from __future__ import annotations

from pathlib import Path

import pytest

from sip import sdp
from sip.errors import RemoteError
from sip.message import Request, Response
from sip.parser import parse_message, salvage
from sip.uri import parse_uri

VECTORS = Path(__file__).parent / "vectors"
VALID = sorted(path.stem for path in (VECTORS / "valid").iterdir())
TYPED = (
    *("via", "vias", "from_", "to", "call_id", "cseq", "contacts", "routes", "record_routes"),
    *("max_forwards", "expires"),
)

# Refused as a whole: the status, and whether a request can be answered at all.
REFUSED = {
    "badvers": (505, True),
    "bigcode": (400, False),
    "clerr": (400, True),
    "insuf": (400, False),  # without From, To and Call-ID there is no way to answer
    "ltgtruri": (400, True),
    "lwsruri": (400, True),
    "lwsstart": (400, True),
    "mcl01": (400, True),
    "mismatch01": (400, True),
    "mismatch02": (400, True),
    "multi01": (400, True),
    "ncl": (400, True),
    "scalar02": (400, True),
    "scalarlg": (400, False),  # a response: dropped
    "trws": (400, True),
}

# Read, but a value is refused when it is asked for: the accessors that raise.
BAD_VALUES = {
    "badaspec": {"to"},
    "baddn": {"from_", "to"},
    "badinv01": {"via", "vias", "contacts"},
    "quotbal": {"to"},
    "regbadct": {"contacts"},
}

# Read and usable: the RFC lets an element ignore the fault.
TOLERATED = {
    "baddate": "Date is not looked at",
    "escruri": "headers in a Request-URI are not acted upon",
}


def load(name: str) -> bytes:
    """The bytes of one vector."""
    (path,) = VECTORS.glob(f"*/{name}.dat")
    return path.read_bytes()


def typed_errors(name: str) -> set[str]:
    """The accessors that raise for this message."""
    message = parse_message(load(name))
    wrong = set()
    for accessor in TYPED:
        try:
            getattr(message, accessor)
        except RemoteError:
            wrong.add(accessor)
    return wrong


def request(name: str) -> Request:
    """A vector that is a request."""
    message = parse_message(load(name))
    assert isinstance(message, Request)
    return message


def test_every_invalid_vector_has_its_verdict() -> None:
    """A file without an expectation would be tested by nobody."""
    files = {path.stem for path in (VECTORS / "invalid").iterdir()}
    assert files == REFUSED.keys() | BAD_VALUES.keys() | TOLERATED.keys()


@pytest.mark.parametrize("name", VALID)
def test_valid_messages_are_read_whole_and_survive_printing(name: str) -> None:
    """Every typed value can be read, and printing and reading again changes nothing."""
    assert typed_errors(name) == set()
    message = parse_message(load(name))
    again = parse_message(message.to_bytes())
    assert again.headers | {"content-length": []} == message.headers | {"content-length": []}
    assert again.body == message.body


@pytest.mark.parametrize("name", REFUSED)
def test_broken_messages_are_refused_with_their_status(name: str) -> None:
    """And answered only if there is a way back."""
    status, answerable = REFUSED[name]
    with pytest.raises(RemoteError) as caught:
        parse_message(load(name))
    assert caught.value.status_hint == status
    assert (salvage(load(name)) is not None) == answerable


@pytest.mark.parametrize("name", BAD_VALUES)
def test_broken_values_are_refused_when_asked_for(name: str) -> None:
    """The stack asks for them before its user sees the request."""
    assert typed_errors(name) == BAD_VALUES[name]


@pytest.mark.parametrize("name", TOLERATED)
def test_tolerated_messages_are_read(name: str) -> None:
    """Being liberal here costs nothing."""
    assert typed_errors(name) == set()


def test_wsinv() -> None:
    """3.1.1.1: folding, compact names, escapes and white space everywhere."""
    message = request("wsinv")
    assert message.to_tag == "1918181833n"
    assert message.from_.display == 'J Rosenberg \\"'
    assert message.from_tag == "98asjd8"
    assert message.max_forwards == 68
    assert [via.branch for via in message.vias] == ["390skdjuw", "z9hG4bK9ikj8", "z9hG4bK30239"]
    assert message.vias[1].transport == "TCP"
    assert message.first("subject") == ""
    assert message.first("newfangledheader") == "newfangled value continued newfangled value"
    assert message.contacts[0].display == 'Quoted string ""'
    assert message.contacts[0].params["q"] == "0.33"
    audio = sdp.parse(message.body).audio
    assert audio is not None
    assert audio.port == 49217


def test_intmeth() -> None:
    """3.1.1.2: every allowed character; the escaped NUL is not kept."""
    message = request("intmeth")
    assert message.method == "!interesting-Method0123456789_*+`.%indeed'~"
    uri = parse_uri(message.uri)
    assert uri.user == "1_unusual.URI~(to-be!sure)&isn't+it$/crazy?,/;;*"
    assert uri.password == "&it+has=1,weird!*pas$wo~d_too.(doesn't-it)"
    assert message.to.display == "BEL: NUL: DEL:"
    assert message.from_tag == "_token~1'+`*%!-."


def test_esc01() -> None:
    """3.1.1.3: an escaped URI inside a user, escapes in parameters."""
    message = request("esc01")
    assert parse_uri(message.uri).user == "sips:user@example.com"
    assert message.to.uri.user == "user"
    assert message.from_.uri.user == "I have spaces"
    contact = message.contacts[0].uri
    assert contact.user == "caller"
    assert contact.loose_routing
    assert contact.params["name"] == "value%2541"


def test_escnull() -> None:
    """3.1.1.4: one and two escaped NULs are two different users."""
    users = [contact.uri.user for contact in request("escnull").contacts]
    assert users == ["%00", "%00%00"]


def test_esc02() -> None:
    """3.1.1.5: a percent sign in a method or name is no escape."""
    message = request("esc02")
    assert message.method == "RE%47IST%45R"
    assert len(message.contacts) == 2
    assert message.first("c%6fntact") == "<sip:alias2@host2.example.com>"
    assert message.to.display == "%Z%45"


def test_dblreq() -> None:
    """3.1.1.8: what follows a complete request in a datagram is dropped."""
    message = request("dblreq")
    assert (message.method, message.body) == ("REGISTER", b"")


def test_semiuri() -> None:
    """3.1.1.9: a semicolon in a user is no parameter."""
    assert parse_uri(request("semiuri").uri).user == "user;par=u@example.net"


def test_transports() -> None:
    """3.1.1.10: unknown transports in a Via are read."""
    names = [via.transport for via in request("transports").vias]
    assert names == ["UDP", "SCTP", "TLS", "UNKNOWN", "TCP"]


def test_mpart01() -> None:
    """3.1.1.11: a blank line and NUL in a body are the body's."""
    message = request("mpart01")
    assert message.body.endswith(b"--7a9cbec02ceef655--\r\n")
    assert b"\0" in message.body


def test_unreason_and_noreason() -> None:
    """3.1.1.12 and 13: phrases of UTF-8 and of nothing."""
    unusual, empty = parse_message(load("unreason")), parse_message(load("noreason"))
    assert isinstance(unusual, Response)
    assert isinstance(empty, Response)
    assert unusual.reason == "= 2**3 * 5**2 но сто девяносто девять - простое"
    assert empty.reason == ""


def test_foreign_schemes() -> None:
    """3.3.2 to 3.3.4: a Request-URI of a foreign scheme is 416."""
    for name in ("unkscm", "novelsc"):
        with pytest.raises(RemoteError) as caught:
            parse_uri(request(name).uri)
        assert caught.value.status_hint == 416


def test_contact_parameters() -> None:
    """3.3.12 and 13: outside brackets the parameter is the header's, inside the URI's."""
    assert "unknownparam" in request("cparam01").contacts[0].params
    assert "unknownparam" in request("cparam02").contacts[0].uri.params


def test_regescrt() -> None:
    """3.3.14: a header in a Contact URI is kept for later use."""
    headers = request("regescrt").contacts[0].uri.headers
    assert headers == (("Route", "<sip:sip.example.com>"),)


def test_rfc_2543_request() -> None:
    """3.4: no tag, no branch, no Max-Forwards."""
    message = request("inv2543")
    assert (message.from_tag, message.branch, message.max_forwards) == (None, None, None)
