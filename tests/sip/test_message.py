"""Messages: raw table, typed access, hot-path helpers, printing, answers."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sip.answers import stateless_answer, trying
from sip.checks import Refusal
from sip.errors import LocalError, RemoteError
from sip.message import Message, Request, Response
from sip.parser import parse_message
from sip.values import parse_via
from tests.sip.answers import answered
from tests.sip.samples import (
    extension_names,
    header_values,
    invite,
    name_addrs,
    tokens,
    vias,
)


@given(
    st.lists(st.tuples(extension_names, header_values), max_size=5),
    st.binary(max_size=60),
    st.lists(vias.map(str), min_size=1, max_size=3),
    name_addrs.map(str),
)
def test_round_trip(
    extra: list[tuple[str, str]], body: bytes, via_list: list[str], sender: str
) -> None:
    """A request that was printed is read back with the same fields and body."""
    headers = [("Via", via) for via in via_list]
    headers += [("From", sender), ("To", "<sip:b@h>"), ("Call-ID", "c"), ("CSeq", "1 INVITE")]
    built = Request.build("INVITE", "sip:b@h", [*headers, *extra], body)
    read = parse_message(built.to_bytes())
    assert isinstance(read, Request)
    assert read.body == body
    assert read.headers.pop("content-length") == [str(len(body))]
    assert read.headers == built.headers
    assert (read.method, read.uri) == (built.method, built.uri)


def test_typed_access_reads_what_the_wire_said() -> None:
    """Each accessor parses its own field."""
    request = invite()
    assert request.via.host == "192.0.2.101"
    assert [via.branch for via in request.vias] == [
        "z9hG4bK74bf9a8c1d2e3f",
        "z9hG4bK8a7b6c5d4e3f2a1b.0",
    ]
    assert request.from_.display == "Alice"
    assert request.to.uri.user == "bob"
    assert request.call_id == "3848276298220188511@atlanta.example.com"
    assert (request.cseq.number, request.cseq.method) == (1, "INVITE")
    assert request.contacts[0].uri.transport == "udp"
    assert request.max_forwards == 70
    assert request.record_routes[0].uri.loose_routing
    assert request.routes == []
    assert (request.expires, request.content_length) == (None, None)
    assert request.tokens("supported") == ["replaces", "timer"]
    assert request.content_type == "application/sdp"


@pytest.mark.parametrize(
    ("field", "value", "accessor"),
    [
        ("Via", "nonsense", "via"),
        ("From", "nonsense", "from_"),
        ("To", '"open', "to"),
        ("Call-ID", "two words", "call_id"),
        ("CSeq", "one INVITE", "cseq"),
        ("Contact", "<sip:a@b>,", "contacts"),
        ("Max-Forwards", "256", "max_forwards"),
        ("Expires", "soon", "expires"),
        ("Content-Length", "-1", "content_length"),
        ("Route", "<", "routes"),
    ],
)
def test_errors_begin_with_the_fields_name(field: str, value: str, accessor: str) -> None:
    """So that a log line or a reason phrase tells what was wrong."""
    request = invite((field, value))
    with pytest.raises(RemoteError, match=f"^{field}"):
        getattr(request, accessor)


def test_missing_field_is_named() -> None:
    """Not a KeyError."""
    with pytest.raises(RemoteError, match=r"^From is missing"):
        _ = invite(("From", None)).from_


HIDDEN_TAGS = [
    '<sip:a@b>;x=">;tag=evil";tag=good',
    '<sip:a@b>;x=">;tag=evil;y="',
    '">;tag=evil" <sip:a@b>;tag=good',
    "<sip:a@b;tag=evil>",
    "<sip:a@b;tag=evil>;tag=good",
    "sip:a@b;tag=good",
    "<sip:a@b> ; TAG = good",
    "<sip:a@b>;tag",
    "<sip:a@b>;mytag=evil",
]


@given(name_addrs.map(str) | st.sampled_from(HIDDEN_TAGS))
def test_quick_tags_agree_with_the_parser(text: str) -> None:
    """The hot path finds the tag that the full parse finds, whatever stands around it."""
    request = invite(("From", text), ("To", text))
    assert request.from_tag == request.from_.tag
    assert request.to_tag == request.to.tag


@given(vias.map(str), st.sampled_from([";", " ; ", "\t;"]), tokens)
def test_quick_branch_and_sent_by_agree_with_the_parser(via: str, sign: str, branch: str) -> None:
    """The hot path finds what the full parse of the top Via finds."""
    text = via if ";branch=" in via else f"{via}{sign}branch={branch}"
    request = invite(("Via", f"{text}, SIP/2.0/UDP other;branch=z9hG4bKevil"))
    assert request.branch == request.via.branch
    assert request.sent_by == request.via.sent_by
    request = invite(("Via", text))
    assert request.branch == request.via.branch
    assert request.sent_by == request.via.sent_by


def test_a_branch_of_the_next_hop_is_not_the_top_one() -> None:
    """An RFC 2543 Via without branch is followed by one with it on the same line."""
    request = invite(("Via", "SIP/2.0/UDP old, SIP/2.0/UDP new;branch=z9hG4bK1"))
    assert request.branch is None


def test_prints_usual_names_and_computes_content_length() -> None:
    """Whatever spelling and length were given."""
    request = Request.build(
        "OPTIONS",
        "sip:h",
        [("v", "SIP/2.0/UDP h"), ("cALL-iD", "x"), ("l", "999"), ("x-my-own", "1")],
        b"four",
    )
    assert bytes(request) == (
        b"OPTIONS sip:h SIP/2.0\r\nVia: SIP/2.0/UDP h\r\nCall-ID: x\r\nX-My-Own: 1\r\n"
        b"Content-Length: 4\r\n\r\nfour"
    )


@pytest.mark.parametrize("value", ["a\r\nVia: evil", "a\nb", "a\rb"])
def test_never_prints_a_line_break_inside_a_value(value: str) -> None:
    """Header injection is a bug of ours, and loud."""
    with pytest.raises(LocalError, match="line break"):
        invite(("Subject", value)).to_bytes()


def test_answer_copies_what_the_rfc_wants() -> None:
    """RFC 3261 8.2.6.2 and 12.1.1: 180 copies Record-Route and gets a To tag."""
    answer = answered(invite(), 180, to_tag="ours", headers=[("m", "<sip:sw@h>")])
    assert answer.reason == "Ringing"
    assert answer.all("via") == invite().all("via")
    assert answer.to_tag == "ours"
    assert answer.first("record-route") == "<sip:192.0.2.7;lr>"
    assert answer.first("contact") == "<sip:sw@h>"
    assert isinstance(parse_message(answer.to_bytes()), Response)


def test_trying_has_no_tag_and_copies_timestamp() -> None:
    """RFC 3261 8.2.6.1."""
    answer = parse_message(trying(invite(("Timestamp", "54"))))
    assert answer.to_tag is None
    assert answer.first("timestamp") == "54"
    assert answer.first("record-route") is None


def test_a_to_tag_that_is_there_stays() -> None:
    """Inside a dialog the answer's To is the request's."""
    request = invite(("To", "<sip:b@h>;tag=old"))
    assert answered(request, 200, to_tag="new").to_tag == "old"


def test_malformed_to_goes_back_as_it_came() -> None:
    """The 400 that says so must not fail for the same reason."""
    request = invite(("To", '"Mr. J. User <sip:j.user@example.com>;x="'))
    answer = parse_message(stateless_answer(request, Refusal(400)))
    assert answer.all("to") == request.all("to")


def test_a_line_break_in_an_answer_is_our_own_bug() -> None:
    """It would be a header of its own."""
    for header, reason in ((("Reason", "a\r\nX: y"), None), (("Reason", "a"), "OK\r\nX: y")):
        with pytest.raises(LocalError):
            answered(invite(), 486, reason, to_tag="t", headers=[header])


def test_failure_has_no_record_route() -> None:
    """Only what may make a dialog needs the route set."""
    answer = answered(invite(), 486, "Occupied", to_tag="t")
    assert answer.first("record-route") is None
    assert answer.start_line() == "SIP/2.0 486 Occupied"


def test_answering_leaves_the_request_alone() -> None:
    """Adding to a copied field must not add to the request's list."""
    request = invite()
    answered(request, 200, to_tag="t", headers=[("Via", "SIP/2.0/UDP more")])
    assert len(request.all("via")) == 2


@pytest.mark.parametrize(
    ("via", "stamped"),
    [
        ("SIP/2.0/UDP h;branch=1", "SIP/2.0/UDP h;branch=1;received=192.0.2.9"),
        ("SIP/2.0/UDP 192.0.2.9:5;branch=1", "SIP/2.0/UDP 192.0.2.9:5;branch=1"),
        ("SIP/2.0/UDP h;rport;branch=1", "SIP/2.0/UDP h;rport=99;received=192.0.2.9;branch=1"),
        (
            "SIP/2.0/UDP 192.0.2.9;branch=1;rport",
            "SIP/2.0/UDP 192.0.2.9;branch=1;rport=99;received=192.0.2.9",
        ),
        (
            "SIP/2.0/UDP h;rport=1;received=6.6.6.6;branch=1",
            "SIP/2.0/UDP h;rport=99;branch=1;received=192.0.2.9",
        ),
    ],
)
def test_source_is_stamped_into_the_top_via(via: str, stamped: str) -> None:
    """RFC 3261 18.2.1 and RFC 3581 4; what the sender claims about itself is overwritten."""
    request = invite(("Via", via))
    request.headers["via"] = [f"{via}, SIP/2.0/UDP second", "SIP/2.0/UDP third"]
    request.stamp_source("192.0.2.9", 99)
    assert request.vias == [
        parse_via(stamped),
        parse_via("SIP/2.0/UDP second"),
        parse_via("SIP/2.0/UDP third"),
    ]
    single = invite(("Via", via))
    single.headers["via"] = [via]
    single.stamp_source("192.0.2.9", 99)
    assert single.via == request.via


def test_latin_1_head_is_answered_in_its_own_bytes() -> None:
    """A device that sends no UTF-8 gets its own From back, byte for byte."""
    data = invite(("From", "Jos\u00e9 <sip:j@h>;tag=1")).to_bytes()
    request = parse_message(data.replace("é".encode(), b"\xe9"))
    assert isinstance(request, Request)
    assert request.from_.display == "José"
    answer = answered(request, 200, to_tag="t", headers=[("Subject", "☎")])
    assert b"From: Jos\xe9 <sip:j@h>;tag=1" in answer.to_bytes()


def test_copies_are_independent() -> None:
    """Forking changes one branch's fields only."""
    request = invite()
    copy = request.copy()
    copy.set("route", "<sip:p;lr>")
    copy.set("contact")
    copy.headers["via"].append("SIP/2.0/UDP x")
    assert request.headers == invite().headers


def test_start_line_of_a_bare_message_is_not_defined() -> None:
    """Message is what Request and Response share, not a message."""
    with pytest.raises(NotImplementedError):
        Message().start_line()


def test_unknown_statuses_get_the_phrase_of_their_class() -> None:
    """No status is without a phrase."""
    assert Response.build(499, []).reason == "Request Failure"
    assert repr(Response.build(200, [])) == "<Response 200 OK>"
    assert repr(invite()) == "<Request INVITE sip:bob@biloxi.example.com>"
