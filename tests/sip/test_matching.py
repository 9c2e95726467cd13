"""Keys of transactions (RFC 3261 17.1.3, 17.2.3) and where answers go (18.2, RFC 3581)."""

from __future__ import annotations

import pytest

from sip.flow import Address, Flow
from sip.matching import reply_flow, sent_by, server_key, stamp_source
from sip.message import Request
from tests.sip.peers import request

FLOW = Flow("udp", Address("192.0.2.2", 5060), Address("192.0.2.1", 5060))


def with_via(via: str, **changes: str) -> Request:
    """A request whose only Via is this."""
    message = request("INVITE", **changes)
    message.set("via", via)
    return message


def test_branch_and_sent_by_are_compared_without_case() -> None:
    """A token and a host name (7.3.1, 19.1.4)."""
    first = with_via("SIP/2.0/UDP Host.Example:5060;branch=z9hG4bKabc")
    second = with_via("SIP/2.0/UDP host.example:5060;rport;branch=Z9hg4BKABC")
    assert server_key(first, "INVITE") == server_key(second, "INVITE")


@pytest.mark.parametrize(
    "via",
    [
        "SIP/2.0/UDP a.example:5060;branch=z9hG4bKother",
        "SIP/2.0/UDP b.example:5060;branch=z9hG4bKabc",
        "SIP/2.0/UDP a.example:5061;branch=z9hG4bKabc",
        "SIP/2.0/UDP a.example;branch=z9hG4bKabc",
    ],
)
def test_another_branch_host_or_port_is_another_transaction(via: str) -> None:
    """Two elements may make the same branch (17.2.3)."""
    first = with_via("SIP/2.0/UDP a.example:5060;branch=z9hG4bKabc")
    assert server_key(first, "INVITE") != server_key(with_via(via), "INVITE")


def test_the_method_is_part_of_the_key() -> None:
    """A CANCEL has the branch of its INVITE."""
    message = with_via("SIP/2.0/UDP a.example;branch=z9hG4bKabc")
    assert server_key(message, "INVITE") != server_key(message, "CANCEL")


@pytest.mark.parametrize(
    "via",
    [
        "SIP / 2.0 / UDP  a.example : 5060 ;branch=z9hG4bKabc",
        "SIP/2.0/UDP a.example:5060 ; branch=z9hG4bKabc",
        "SIP/2.0/UDP a.example:5060;branch=z9hG4bKabc, SIP/2.0/UDP b.example;branch=z9hG4bKx",
    ],
)
def test_unusual_spelling_is_the_same_hop(via: str) -> None:
    """White space, and a list on one line."""
    plain = with_via("SIP/2.0/UDP a.example:5060;branch=z9hG4bKabc")
    assert sent_by(with_via(via)) == "a.example:5060"
    assert server_key(with_via(via), "INVITE") == server_key(plain, "INVITE")


def test_without_the_cookie_the_whole_request_is_the_key() -> None:
    """RFC 2543 (17.2.3): Request-URI, From tag, Call-ID, CSeq and Via all count; the To tag of an
    ACK does not."""
    old = with_via("SIP/2.0/UDP a.example;branch=1", Call_ID="c", From="<sip:a@b>;tag=1")
    same = with_via("SIP/2.0/UDP a.example;branch=1", Call_ID="c", From="<sip:a@b>;tag=1")
    same.set("to", "<sip:bob@192.0.2.2>;tag=x")
    assert server_key(old, "INVITE") == server_key(same, "INVITE")
    for name, value in (
        ("via", "SIP/2.0/UDP a.example;branch=2"),
        ("call-id", "d"),
        ("from", "<sip:a@b>;tag=2"),
        ("cseq", "2 INVITE"),
    ):
        other = old.copy()
        other.set(name, value)
        assert server_key(other, "INVITE") != server_key(old, "INVITE")


@pytest.mark.parametrize(
    ("via", "stamped"),
    [
        ("192.0.2.1:5060;branch=z1", "192.0.2.1:5060;branch=z1"),
        ("192.0.2.1;branch=z1", "192.0.2.1;branch=z1"),
        ("192.0.2.10:5060;branch=z1", "192.0.2.10:5060;branch=z1;received=192.0.2.1"),
        ("10.0.0.1:5060;branch=z1", "10.0.0.1:5060;branch=z1;received=192.0.2.1"),
        ("a;rport;branch=z1", "a;rport=5060;branch=z1;received=192.0.2.1"),
        ("a;branch=z1;rport", "a;branch=z1;rport=5060;received=192.0.2.1"),
        ("a;branch=z1;rport=1", "a;branch=z1;rport=5060;received=192.0.2.1"),
        ("a;branch=z1;received=9.9.9.9", "a;branch=z1;received=192.0.2.1"),
        ("a;rportable;branch=z1", "a;rportable;branch=z1;received=192.0.2.1"),
    ],
)
def test_where_a_request_came_from_is_written_into_its_via(via: str, stamped: str) -> None:
    """18.2.1 and RFC 3581 4; what the peer says about itself does not count."""
    message = with_via(f"SIP/2.0/UDP {via}")
    stamp_source(message, FLOW)
    assert message.first("via") == f"SIP/2.0/UDP {stamped}"


@pytest.mark.parametrize(
    ("via", "source_port", "answered_port"),
    [
        ("192.0.2.1:5062;branch=z1;rport", 40000, 40000),  # asked for
        ("192.0.2.1:5062;branch=z1", 40000, 5062),  # listens elsewhere than it sends from
        ("192.0.2.1;branch=z1", 40000, 5060),
        ("10.0.0.1:5062;branch=z1", 40000, 40000),  # behind NAT
        ("192.0.2.1:70000;branch=z1", 40000, 5060),  # no port at all
    ],
)
def test_answers_go_to_the_port_that_the_peer_listens_on(
    via: str, source_port: int, answered_port: int
) -> None:
    """18.2.2 and RFC 3581 4."""
    flow = FLOW._replace(remote=Address("192.0.2.1", source_port))
    message = with_via(f"SIP/2.0/UDP {via}")
    stamp_source(message, flow)
    assert reply_flow(message, flow) == flow._replace(remote=Address("192.0.2.1", answered_port))


def test_answers_on_a_stream_stay_on_it() -> None:
    """18.2.2, first rule."""
    flow = Flow("tcp", FLOW.local, Address("192.0.2.1", 40000), 7)
    message = with_via("SIP/2.0/TCP 192.0.2.1:5060;branch=z1")
    assert reply_flow(message, flow) is flow


def test_ipv6_addresses_stand_in_brackets() -> None:
    """The host is compared without them."""
    flow = Flow("udp", Address("2001:db8::2", 5060), Address("2001:db8::1", 40000))
    message = with_via("SIP/2.0/UDP [2001:db8::1]:5070;branch=z1")
    stamp_source(message, flow)
    assert "received" not in message.required("via")
    assert reply_flow(message, flow).remote == Address("2001:db8::1", 5070)
