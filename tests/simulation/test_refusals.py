"""Each class of bad input and its defined answer, from a caller who is known, by a whole switch.

The table is the one of ``docs/sip.md``, "Bad input": a row there names its case here.
"""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.simulation.devices import STATIC, SWITCH
from tests.simulation.test_torture import STRANGER, Switch, statuses

SDP = (
    b"v=0\r\no=- 1 1 IN IP4 10.1.0.2\r\ns=-\r\nc=IN IP4 10.1.0.2\r\nt=0 0\r\n"
    b"m=audio 4000 RTP/AVP 8\r\n"
)


def message(method: str, tag: str = "", body: bytes = b"", extra: bytes = b"") -> bytes:
    """A request that is good, from the phone that is known by its address."""
    content = b"Content-Type: application/sdp\r\n" if body else b""
    return (
        f"{method} sip:102@{SWITCH.host} SIP/2.0\r\n"
        f"Via: SIP/2.0/UDP {STATIC.host}:5060;branch=z9hG4bKone;rport\r\n"
        "Max-Forwards: 70\r\n"
        f"From: <sip:101@{STATIC.host}>;tag=f\r\n"
        f"To: <sip:102@{SWITCH.host}>{tag}\r\n"
        f"Call-ID: bad@{STATIC.host}\r\n"
        f"CSeq: 1 {method}\r\n"
        f"Contact: <sip:101@{STATIC.host}>\r\n"
    ).encode() + b"%s%sContent-Length: %d\r\n\r\n%s" % (extra, content, len(body), body)


INVITE = message("INVITE", body=SDP)


def changed(old: bytes, new: bytes, data: bytes = INVITE) -> bytes:
    """The INVITE, or another request, with one fault."""
    assert old in data
    return data.replace(old, new, 1)


def described(body: bytes) -> bytes:
    """The INVITE with another description."""
    return message("INVITE", body=body)


SILENCE: tuple[int, ...] = ()
TRYING = 100
TAKEN = (TRYING, 480)  # as the good one: nobody has registered as 102

CASES: dict[str, tuple[bytes, tuple[int, ...]]] = {
    "good": (INVITE, TAKEN),
    # Framing
    "no blank line": (INVITE.partition(b"\r\n\r\n")[0], (400,)),
    "lone LF": (changed(b"Max-Forwards", b"X: a\nY: b\r\nMax-Forwards"), (400,)),
    "line without colon": (changed(b"Max-Forwards", b"nothing\r\nMax-Forwards"), (400,)),
    "NUL in a header": (changed(b"Max-Forwards", b"X: \0\r\nMax-Forwards"), (400,)),
    "binary in a header": (changed(b"Max-Forwards", b"Z: \xff\xfe\r\nMax-Forwards"), TAKEN),
    "line too long": (changed(b"Max-Forwards", b"X: %s\r\nMax-Forwards" % (b"x" * 9000)), (513,)),
    "headers too many": (changed(b"Content-Type", b"X: y\r\n" * 201 + b"Content-Type"), (513,)),
    "nothing": (b"\xff" * 50, SILENCE),
    # Lengths and numbers
    "length too large": (changed(b"Content-Length: ", b"Content-Length: 9"), (400,)),
    "length negative": (changed(b"Content-Length: ", b"Content-Length: -"), (400,)),
    "length twice": (changed(b"Content-Length", b"l: 1\r\nContent-Length"), (400,)),
    "CSeq too large": (changed(b"CSeq: 1 ", b"CSeq: 4294967296 "), (400,)),
    "CSeq negative": (changed(b"CSeq: 1 ", b"CSeq: -1 "), SILENCE),  # no answer could repeat it
    "CSeq of another method": (changed(b"1 INVITE", b"1 BYE"), (400,)),
    "Max-Forwards too large": (changed(b"Forwards: 70", b"Forwards: 256"), (400,)),
    "Max-Forwards negative": (changed(b"Forwards: 70", b"Forwards: -1"), (400,)),
    # Start line
    "version": (changed(b"SIP/2.0\r", b"SIP/3.0\r"), (505,)),
    "no version": (changed(b" SIP/2.0\r", b" HTTP\r"), (400,)),
    "unknown method": (message("DANCE"), (501,)),
    "method not allowed": (message("PUBLISH"), (405,)),
    "unknown scheme": (changed(b"INVITE sip:", b"INVITE foo:"), (416,)),
    "URI too long": (changed(b"sip:102@", b"sip:%s@" % (b"1" * 2100)), (414,)),
    "URI escape": (changed(b"sip:102@", b"sip:%zz@"), (400,)),
    "foreign domain": (changed(b"@10.0.0.1 SIP", b"@elsewhere.example SIP"), (TRYING, 404)),
    # Fields that route
    "no Via": (changed(b"Via", b"X"), SILENCE),
    "Via without branch": (changed(b";branch=z9hG4bKone", b""), TAKEN),  # RFC 2543
    "Via transport": (changed(b"SIP/2.0/UDP", b"SIP/2.0/FOO"), TAKEN),  # only read
    "Via port": (changed(b":5060;branch", b":99999;branch"), TAKEN),  # as if it were 5060
    "no From": (changed(b"From", b"X"), SILENCE),
    "From twice": (changed(b"To:", b"From: <sip:x@y>\r\nTo:"), (400,)),
    "From quote": (changed(b"From: <", b'From: "open <'), (400,)),
    "Call-ID with a space": (changed(b"bad@", b"ba d@"), (400,)),
    "no Contact": (changed(b"Contact", b"X"), (TRYING, 400)),
    "two Contacts": (changed(b"Contact", b"m: <sip:x@y>\r\nContact"), (TRYING, 400)),
    # Wishes
    "extension required": (message("INVITE", extra=b"Require: precondition\r\n"), (420,)),
    "no hops left": (changed(b"Forwards: 70", b"Forwards: 0"), (483,)),
    "body of another type": (changed(b"application/sdp", b"text/plain"), (415,)),
    "encoded body": (message("INVITE", body=SDP, extra=b"Content-Encoding: gzip\r\n"), (415,)),
    "Accept": (message("INVITE", extra=b"Accept: text/plain\r\n"), (406,)),
    # Descriptions
    "no description": (described(b"<xml/>"), (TRYING, 400)),
    "nothing we can carry": (described(SDP.replace(b"RTP/AVP", b"RTP/SAVP")), (TRYING, 488)),
    "no address": (described(SDP.replace(b"c=IN IP4 10.1.0.2\r\n", b"")), (TRYING, 488)),
    # Dialogs
    "BYE of no dialog": (message("BYE", ";tag=x"), (481,)),
    "BYE without tag": (message("BYE"), (481,)),
    "re-INVITE of no dialog": (message("INVITE", ";tag=x", SDP), (TRYING, 481)),
    "REFER of no dialog": (message("REFER", ";tag=x"), (481,)),
    "CANCEL of nothing": (message("CANCEL"), (481,)),
    "ACK of nothing": (message("ACK", ";tag=x"), SILENCE),
    "broken ACK": (changed(b"To: <", b'To: "open <', message("ACK", ";tag=x")), SILENCE),
}


@pytest.mark.parametrize("name", CASES)
def test_the_defined_answer(name: str) -> None:
    """At once, and no call begins."""
    data, expected = CASES[name]
    switch = Switch()
    assert statuses(switch.answers(data, host=STATIC.host)) == expected


def test_every_case_is_in_the_table() -> None:
    """What is defined is written down."""
    page = (Path(__file__).parent.parent.parent / "docs" / "sip.md").read_text()
    table = page.partition("## Bad input\n")[2].partition("\n## ")[0]
    assert [name for name in CASES if name != "good" and name not in table] == []


def test_the_same_request_by_two_paths_is_a_loop() -> None:
    """RFC 3261 8.2.2.2."""
    switch = Switch()
    switch.answers(INVITE, host=STATIC.host)
    again = changed(b"z9hG4bKone", b"z9hG4bKother")
    assert statuses(switch.answers(again, host=STATIC.host)) == (482,)


def test_a_stranger_is_asked_who_he_is_before_his_description_is_looked_at() -> None:
    """RFC 3261 8.2: authentication comes before content."""
    assert statuses(Switch().answers(described(b"<xml/>"), host=STRANGER)) == (100, 407)
