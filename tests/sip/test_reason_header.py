"""Reason (RFC 3326) and Warning (RFC 3261 20.43) as text."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sip.message import Response
from sip.reason_header import is_reason_value, read_reason, reason_value
from sip.warning import Warning, read_warning


def response(name: str, *lines: str) -> Response:
    """A response with these lines of one field."""
    return Response.build(486, [(name, line) for line in lines])


@pytest.mark.parametrize(
    ("lines", "reason"),
    [
        (["Q.850;cause=17"], "Q.850 ;cause=17"),
        (
            ['q.850 ; cause = 16 ; text = "Normal, clearing"'],
            'Q.850 ;cause=16 ;text="Normal, clearing"',
        ),
        (["SIP;cause=600;text=Busy"], 'SIP ;cause=600 ;text="Busy"'),
        (["SIP;cause=486, Q.850;cause=17;x=y"], "Q.850 ;cause=17"),
        (["SIP;cause=486", "Q.850;cause=17"], "Q.850 ;cause=17"),
        (["X.1;cause=3"], ""),
        (["Q.850;text=only"], ""),
        (["Q.850;cause=1000"], ""),
        (["nonsense at all"], ""),
        ([], ""),
    ],
)
def test_the_networks_cause_is_what_counts(lines: list[str], reason: str) -> None:
    """Of several reasons the Q.850 one; what cannot be read is none."""
    assert read_reason(response("Reason", *lines)) == reason
    assert is_reason_value(reason) is bool(reason)


@given(st.integers(1, 699), st.text(max_size=200))
def test_a_reason_of_ours_can_be_read(cause: int, text: str) -> None:
    """Round trip: it is one line, and reads as it was written."""
    value = reason_value(cause, text)
    assert "\n" not in value
    assert "\r" not in value
    assert read_reason(response("Reason", value)) == value


@given(st.text(max_size=80))
def test_no_reason_and_no_warning_raises(text: str) -> None:
    """Whatever stands there."""
    read_reason(response("Reason", text))
    read_warning(response("Warning", text))


@pytest.mark.parametrize(
    ("text", "warning"),
    [
        ('305 isi.edu "Incompatible media format"', Warning(305, "Incompatible media format")),
        ('199 a "x", 304 [::1]:5060 "y"', Warning(304, "y")),
        ("305 isi.edu", None),
    ],
)
def test_reads_the_warning_about_the_session(text: str, warning: Warning | None) -> None:
    """The 3xx codes are those of sessions."""
    assert read_warning(response("Warning", text)) == warning


@given(st.integers(300, 399), st.text(max_size=100))
def test_a_warning_of_ours_can_be_read(code: int, text: str) -> None:
    """Round trip, hosts of both families."""
    for host in ("192.0.2.1", "2001:db8::1"):
        read = read_warning(response("Warning", Warning(code, text).value(host)))
        assert read is not None
        assert read.code == code
