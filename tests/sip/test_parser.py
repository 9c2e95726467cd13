"""Datagrams into messages, broken ones into RemoteError."""

from __future__ import annotations

import time
from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sip import sdp
from sip.digest import parse_authorization
from sip.errors import RemoteError
from sip.message import Request, Response
from sip.parser import (
    HEAD_BYTES_MAX,
    HEADERS_MAX,
    LINE_BYTES_MAX,
    MESSAGE_BYTES_MAX,
    parse_message,
    salvage,
)
from sip.uri import parse_uri
from sip.values import parse_name_addr, split_commas
from tests.sip.answers import answered
from tests.sip.samples import SDP, invite

INVITE = invite().to_bytes()


def broken(old: bytes, new: bytes) -> bytes:
    """The usual INVITE with one piece of text replaced; the piece must be there."""
    assert old in INVITE
    return INVITE.replace(old, new, 1)


def typed_access(message: Request | Response) -> None:
    """Read every typed value; RemoteError is the only error that may come of it."""
    names = (
        "via vias from_ to call_id cseq contacts max_forwards expires content_length routes "
        "record_routes from_tag to_tag branch sent_by content_type"
    )
    for name in names.split():
        try:
            getattr(message, name)
        except RemoteError:
            continue


@st.composite
def damaged(draw: st.DrawFn) -> bytes:
    """An INVITE with some bytes overwritten, cut out or put in."""
    data = bytearray(INVITE)
    for _ in range(draw(st.integers(1, 4))):
        start = draw(st.integers(0, len(data)))
        end = min(len(data), start + draw(st.integers(0, 6)))
        data[start:end] = draw(st.binary(max_size=4) | st.sampled_from(PIECES))
    return bytes(data)


PIECES = [b"\r\n", b"\r\n ", b"\r\n\r\n", b"\0", b'"', b",", b";", b"<", b">", b":", b"%", b"\xff"]


@given(st.binary(max_size=200) | damaged())
def test_any_bytes_give_a_message_or_a_remote_error(data: bytes) -> None:
    """The invariant of the whole layer, with all typed access and printing."""
    try:
        message = parse_message(data)
    except RemoteError:
        salvaged = salvage(data)
        if salvaged is not None:
            assert salvaged.via.branch
            answer = answered(salvaged, 400, to_tag="t").to_bytes()
            assert answer.startswith(b"SIP/2.0 400 Bad Request\r\nVia: ")
        return
    typed_access(message)
    again = parse_message(message.to_bytes())
    assert again.to_bytes() == message.to_bytes()


def test_reads_a_request() -> None:
    """Start line, fields and body."""
    message = parse_message(INVITE)
    assert isinstance(message, Request)
    assert (message.method, message.uri) == ("INVITE", "sip:bob@biloxi.example.com")
    assert message.body == SDP
    assert message.to_bytes() == INVITE


def test_reads_a_response() -> None:
    """Status and phrase; an empty phrase too."""
    message = parse_message(broken(b"INVITE sip:bob@biloxi.example.com SIP/2.0", b"SIP/2.0 200 "))
    assert isinstance(message, Response)
    assert (message.status, message.reason) == (200, "")


def test_compact_names_and_any_case_are_the_long_names() -> None:
    """RFC 3261 7.3.3 and 7.3.1."""
    data = INVITE
    for name, other in (
        (b"Via", b"v"),
        (b"From", b"F"),
        (b"To", b"t"),
        (b"Call-ID", b"i"),
        (b"Contact", b"m"),
        (b"Supported", b"k"),
        (b"Content-Type", b"c"),
        (b"Content-Length", b"L"),
        (b"CSeq", b"cSeQ"),
        (b"User-Agent", b"USER-AGENT \t"),
    ):
        data = data.replace(b"\r\n" + name + b":", b"\r\n" + other + b":")
    assert parse_message(data).headers == parse_message(INVITE).headers


def test_folded_lines_are_joined_by_a_space() -> None:
    """RFC 3261 7.3.1."""
    message = parse_message(
        broken(b"Supported: replaces, timer", b"Supported: replaces,\r\n\t timer")
    )
    assert message.tokens("supported") == ["replaces", "timer"]


def test_line_breaks_before_the_start_line_are_skipped() -> None:
    """RFC 3261 7.5."""
    assert parse_message(b"\r\n\r\n" + INVITE).to_bytes() == INVITE


def test_body_is_cut_to_content_length() -> None:
    """RFC 3261 18.3: on a datagram what follows is dropped."""
    assert parse_message(INVITE + b"more").body == SDP


def test_version_in_any_case_and_length_with_zeros_are_read() -> None:
    """RFC 3261 7.1 compares the version without case; 0240 is 240."""
    data = broken(b" SIP/2.0\r\n", b" sip/2.0\r\n").replace(b"Length: ", b"Length: 0")
    assert parse_message(data).body == SDP
    assert parse_message(data).to_bytes() == INVITE


def test_without_content_length_the_datagram_is_the_body() -> None:
    """RFC 3261 18.3."""
    data = broken(b"Content-Length: %d\r\n" % len(SDP), b"")
    assert parse_message(data).body == SDP


@pytest.mark.parametrize(
    ("data", "status", "said"),
    [
        (b"", 400, "blank line"),
        (b"\0\0\0\0", 400, "blank line"),
        (INVITE.partition(b"\r\n\r\n")[0], 400, "blank line"),
        (broken(b"INVITE sip", b"INV(TE sip"), 400, "not a method"),
        (broken(b"INVITE sip", b"I" * 65 + b" sip"), 400, "not a method"),
        (broken(b"SIP/2.0\r\n", b"SIP/3.0\r\n"), 505, "SIP/3.0"),
        (broken(b"SIP/2.0\r\n", b"HTTP/1.1\r\n"), 400, "HTTP/1.1"),
        (broken(b"sip:bob@biloxi.example.com SIP", b"SIP"), 400, "SIP/2.0 should stand"),
        (broken(b"sip:bob@", b"sip:" + b"b" * 2048 + b"@"), 414, "Request-URI"),
        (broken(b"INVITE sip:bob@biloxi.example.com SIP/2.0", b"SIP/2.0 99 x"), 400, "status"),
        (broken(b"INVITE sip:bob@biloxi.example.com SIP/2.0", b"SIP/2.0 0200 x"), 400, "status"),
        (broken(b"INVITE sip:bob@biloxi.example.com SIP/2.0", b"SIP/2.0 700 x"), 400, "status"),
        (broken(b"Supported:", b"Supported"), 400, "without a colon"),
        (broken(b"Supported:", b"Sup ported:"), 400, "'Sup ported'"),
        (broken(b"Supported:", b"S" * 129 + b":"), 400, "not the name"),
        (broken(b"Supported:", b"To:"), 400, "To stands twice"),
        (broken(b"Supported:", b"i:"), 400, "Call-ID stands twice"),
        (broken(b"Call-ID:", b"X:"), 400, "Call-ID is missing"),
        (broken(b"From: ", b"From: \r\nX: "), 400, "From is missing"),
        (broken(b"1 INVITE", b"1 BYE"), 400, "does not match"),
        (broken(b"1 INVITE", b"2147483648 INVITE"), 400, "CSeq"),
        (broken(b"1 INVITE", "٣ INVITE".encode()), 400, "CSeq"),
        (broken(b"Example-Phone", b"a\nVia: evil"), 400, "lone CR or LF"),
        (broken(b"Example-Phone", b"a\rVia: evil"), 400, "lone CR or LF"),
        (broken(b"Example-Phone", b"a\0b"), 400, "NUL"),
        (INVITE[:-1], 400, "Content-Length: "),
        (broken(b"Content-Length: ", b"Content-Length: -"), 400, "Content-Length: "),
        (b"x" * (MESSAGE_BYTES_MAX + 1), 513, "at most 65535"),
        (broken(b"Supported:", b"X: " + b"x" * LINE_BYTES_MAX + b"\r\nk:"), 513, "a line of"),
        (broken(b"Supported:", b"X: " + b"folded\r\n " * 2000 + b"\r\nk:"), 513, "a line of"),
        (broken(b"Supported:", b"X: y\r\n" * HEADERS_MAX + b"k:"), 513, "header lines"),
        (
            broken(b"Supported:", (b"X: " + b"x" * 8000 + b"\r\n") * 5 + b"k:"),
            513,
            f"at most {HEAD_BYTES_MAX}",
        ),
    ],
)
def test_refusals_say_what_is_wrong(data: bytes, status: int, said: str) -> None:
    """The status that RFC 3261 asks for, and a sentence for the log."""
    with pytest.raises(RemoteError) as caught:
        parse_message(data)
    assert said in str(caught.value)
    assert caught.value.status_hint == status


def test_broken_request_can_be_answered_from_what_is_readable() -> None:
    """The stateless 400 needs Via, From, To, Call-ID and CSeq (RFC 3261 8.2.6.2)."""
    request = salvage(broken(b"Supported: replaces", b"Supported \x01 replaces"))
    assert request is not None
    answer = parse_message(answered(request, 400, to_tag="t").to_bytes())
    assert answer.via == parse_message(INVITE).via
    assert answer.call_id == "3848276298220188511@atlanta.example.com"


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"\xff" * 50,
        broken(b"INVITE sip", b"ACK sip").replace(b"1 INVITE", b"2 ACK"),
        broken(b"INVITE sip:bob@biloxi.example.com SIP/2.0", b"SIP/2.0 200 OK"),
        broken(b"From:", b"X:"),
        broken(b"Via: SIP/2.0/UDP 192.0.2.101:5060", b"Via: ;;"),
        broken(b";branch=z9hG4bK74bf9a8c1d2e3f", b""),
        broken(b"1 INVITE", b"1 ACK"),
    ],
)
def test_silence_for_what_cannot_or_must_not_be_answered(data: bytes) -> None:
    """ACK and responses are never answered, nor what has no way back."""
    assert salvage(data) is None


@pytest.mark.parametrize(
    "filler",
    [b" ", b"\t", b"\r\n ", b'"', b"<", b",", b";", b"\\", b"(", b";a", b'"\\', b"%", b"a=", b"@"],
)
def test_hostile_repetition_takes_linear_time(filler: bytes) -> None:
    """No field of the greatest size may take a pattern into quadratic or exponential search."""
    value = (filler * 8000)[:8000]
    fields = (b"From: ", b"Via: ", b"Contact: ", b"To: ")
    begun = time.process_time()
    for field in fields:
        data = broken(field, field + value)
        try:
            typed_access(parse_message(data))
        except RemoteError:
            salvage(data)
    for parse, begin in (
        (parse_authorization, "Digest a="),
        (parse_uri, "sip:"),
        (parse_name_addr, "<sip:a@b>;a="),
        (split_commas, '"a",'),
    ):
        with suppress(RemoteError):
            parse(begin + value.decode()[:2000])
    with suppress(RemoteError):
        sdp.parse(b"v=0\r\nm=audio 4 RTP/AVP 0\r\na=rtpmap:" + value)
    assert time.process_time() - begun < 1.0
