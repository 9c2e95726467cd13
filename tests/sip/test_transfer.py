"""Refer-To and Replaces as phones write them."""

from __future__ import annotations

import pytest

from sip.errors import RemoteError
from sip.message import Request
from sip.transfer import ReferTo, Replaces, parse_refer_to, parse_replaces, referred_by


def refer(*values: str) -> Request:
    """A REFER with these Refer-To fields."""
    return Request.build("REFER", "sip:x@h", [("Refer-To", value) for value in values])


@pytest.mark.parametrize(
    ("value", "meant"),
    [
        ("<sip:102@switch>", ReferTo("102", "switch")),
        ("sip:+37120000000@switch", ReferTo("+37120000000", "switch")),
        ('"Bob" <sip:102@switch;method=INVITE>', ReferTo("102", "switch")),
        ("<sip:switch>", ReferTo("", "switch")),
        (
            "<sip:102@switch?Replaces=a%40b%3Bto-tag%3Dt1%3Bfrom-tag%3Df1&Subject=x>",
            ReferTo("102", "switch", Replaces("a@b", "t1", "f1")),
        ),
        (
            "<sip:102@switch?Replaces=c%3Bfrom-tag%3Df%3Bto-tag%3Dt%3Bearly-only>",
            ReferTo("102", "switch", Replaces("c", "t", "f", True)),
        ),
    ],
)
def test_the_target_of_a_transfer(value: str, meant: ReferTo) -> None:
    """A user, and perhaps the dialog that the new call is to take over."""
    assert parse_refer_to(refer(value)) == meant


@pytest.mark.parametrize(
    ("values", "status"),
    [
        ((), 400),
        (("<sip:a@b>", "<sip:c@d>"), 400),
        (("<sip:a@b>, <sip:c@d>",), 400),
        (("<http://example.com/>",), 416),
        (("<sip:a@b;method=BYE>",), 501),
        (("<sip:a@b?Replaces=x>",), 400),
        (("<sip:a@b?Replaces=x%3Bto-tag%3D1>",), 400),
        (("<sip:a@b?Replaces=x%3Bto-tag%3D1%3Bto-tag%3D2%3Bfrom-tag%3D3>",), 400),
        (("<>",), 400),
    ],
)
def test_what_is_no_target_is_refused(values: tuple[str, ...], status: int) -> None:
    """RFC 3515 2.4.1: exactly one Refer-To; methods other than INVITE are not ours to do."""
    with pytest.raises(RemoteError) as refused:
        parse_refer_to(refer(*values))
    assert refused.value.status_hint == status


def test_replaces_without_call_id_is_malformed() -> None:
    """RFC 3891 6.1."""
    with pytest.raises(RemoteError):
        parse_replaces(";to-tag=1;from-tag=2")


@pytest.mark.parametrize(
    ("value", "passed_on"),
    [
        ('"Boss" <sip:boss@example.com;x=1>;cid="2@h"', "<sip:boss@example.com;x=1>"),
        ("sip:boss@example.com", "<sip:boss@example.com>"),
    ],
)
def test_who_sends_the_call_on_is_passed_on(value: str, passed_on: str) -> None:
    """RFC 3892 4.1; without the token, whose body stays behind."""
    request = Request.build("REFER", "sip:x@h", [("b", value)])
    assert referred_by(request) == passed_on
    assert referred_by(refer()) == ""


def test_two_referred_by_are_malformed() -> None:
    """RFC 3892 3."""
    fields = [("Referred-By", "<sip:a@b>")] * 2
    with pytest.raises(RemoteError):
        referred_by(Request.build("REFER", "sip:x@h", fields))
