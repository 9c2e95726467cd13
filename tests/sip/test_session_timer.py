"""RFC 4028 as a function of messages and time."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sip import session_timer
from sip.errors import RemoteError
from sip.message import Request, Response
from sip.session_timer import INTERVAL_MIN_S, INTERVAL_S, Session, SessionExpires

Fields = dict[str, str]


def request(fields: Fields) -> Request:
    """An INVITE with nothing but these fields."""
    return Request.build("INVITE", "sip:a@b", list(fields.items()))


def response(status: int = 200, **fields: str) -> Response:
    """A response with nothing but these fields."""
    named = [(name.replace("_", "-"), value) for name, value in fields.items()]
    return Response.build(status, named)


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("1800", SessionExpires(1800)),
        ("90 ; refresher=uac", SessionExpires(90, "uac")),
        ("4294967295;Refresher=UAS;x=y", SessionExpires(4294967295, "uas")),
    ],
)
def test_reads_session_expires(text: str, value: SessionExpires) -> None:
    """Spaces, case and unknown parameters do not matter."""
    assert session_timer.read_session_expires(request({"Session-Expires": text})) == value


@pytest.mark.parametrize("text", ["", "soon", "-1", "1800;refresher=proxy", "4294967296", "90;;"])
def test_refuses_a_malformed_session_expires(text: str) -> None:
    """It is the peer's fault, and never another exception."""
    with pytest.raises(RemoteError):
        session_timer.read_session_expires(request({"Session-Expires": text}))


@given(st.builds(SessionExpires, st.integers(0, 2**32 - 1), st.sampled_from(["", "uac", "uas"])))
def test_session_expires_is_read_as_it_was_written(value: SessionExpires) -> None:
    """Round trip, also in the compact form."""
    assert session_timer.read_session_expires(request({"x": str(value)})) == value


@given(st.text(max_size=40), st.text(max_size=40), st.text(max_size=40))
def test_nothing_raises_but_remote_error(expires: str, least: str, supported: str) -> None:
    """Whatever stands in the three fields."""
    fields = {"Session-Expires": expires, "Min-SE": least, "Supported": supported}
    try:
        session_timer.is_too_small(request(fields))
        session_timer.answer(request(fields))
    except RemoteError:
        pass
    told = Response.build(422, list(fields.items()))
    session_timer.agreed(told, 0.0)
    session_timer.wanted(told)


@pytest.mark.parametrize(
    ("fields", "too_small"),
    [
        ({"Supported": "timer", "Session-Expires": "89"}, True),
        ({"Supported": "timer", "Session-Expires": "90"}, False),
        ({"Require": "timer", "Session-Expires": "1"}, True),
        ({"Session-Expires": "1"}, False),  # a proxy's: its UAC would not understand 422
        ({"Supported": "timer"}, False),
    ],
)
def test_422_is_for_who_knows_timers(fields: Fields, too_small: bool) -> None:
    """RFC 4028 9."""
    assert session_timer.is_too_small(request(fields)) is too_small


TABLE_2 = [
    # who supports, who the request says refreshes -> what the 2xx says, and Require
    ({}, None),
    ({"Supported": "100rel"}, None),
    ({"Supported": "timer"}, ("1800;refresher=uac", True)),
    ({"Supported": "timer", "Min-SE": "3600"}, ("3600;refresher=uac", True)),
    ({"Supported": "timer", "Session-Expires": "600"}, ("600;refresher=uac", True)),
    ({"Supported": "timer", "Session-Expires": "600;refresher=uac"}, ("600;refresher=uac", True)),
    ({"Supported": "timer", "Session-Expires": "600;refresher=uas"}, ("600;refresher=uas", True)),
    ({"Supported": "timer", "Session-Expires": "7200"}, ("1800;refresher=uac", True)),
    (
        {"Supported": "timer", "Session-Expires": "7200", "Min-SE": "3600"},
        ("3600;refresher=uac", True),
    ),
    ({"Session-Expires": "600"}, ("600;refresher=uas", False)),
    ({"Session-Expires": "600;refresher=uac"}, ("600;refresher=uas", False)),
    ({"Session-Expires": "10"}, ("90;refresher=uas", False)),
]


@pytest.mark.parametrize(("fields", "said"), TABLE_2)
def test_what_a_2xx_of_ours_says(fields: Fields, said: tuple[str, bool] | None) -> None:
    """RFC 4028 9 and its table 2: the refresher, a shorter interval but never below Min-SE."""
    answer = session_timer.answer(request(fields))
    if said is None:
        assert answer is None
        return
    assert answer is not None
    assert (dict(answer.headers)["Session-Expires"], answer.is_required) == said
    assert ("Require", "timer") in answer.headers or not answer.is_required
    assert answer.begun(5.0).is_ours is ("uas" in said[0])


@given(
    st.integers(90, 2**32 - 1), st.integers(0, 2**32 - 1), st.sampled_from(["", ";refresher=uas"])
)
def test_the_interval_is_never_raised_nor_below_the_minimum(
    asked_s: int, least_s: int, refresher: str
) -> None:
    """RFC 4028 9: a UAS may only shorten it, down to the request's Min-SE."""
    fields = {
        "Supported": "timer",
        "Session-Expires": f"{asked_s}{refresher}",
        "Min-SE": str(min(least_s, asked_s)),
    }
    answer = session_timer.answer(request(fields))
    assert answer is not None
    assert max(INTERVAL_MIN_S, min(least_s, asked_s)) <= answer.expires.interval_s <= asked_s


@pytest.mark.parametrize(
    ("text", "session"),
    [
        (None, None),
        ("nonsense", None),
        ("600;refresher=uac", Session(600, True, 7.0)),
        ("600;refresher=uas", Session(600, False, 7.0)),
        ("600", Session(600, True, 7.0)),
        ("5;refresher=uas", Session(90, False, 7.0)),
    ],
)
def test_what_we_take_as_uac(text: str | None, session: Session | None) -> None:
    """RFC 4028 7.2: without Session-Expires there is no timer."""
    fields = {} if text is None else {"Session_Expires": text}
    assert session_timer.agreed(response(**fields), 7.0) == session


def test_when_what_is_due() -> None:
    """RFC 4028 10: refreshed at half; given up 32 s or a third of the interval before its end."""
    assert Session(1800, True, 100.0).due_s == 1000.0
    assert Session(1800, False, 100.0).due_s == 1868.0
    assert Session(90, False, 0.0).over_s == 60.0
    ours = Session(90, True, 0.0)
    assert (ours.due_s, ours.over_s) == (45.0, 60.0)
    assert ours.retry_s(45.0) == 55.0
    assert ours.retry_s(55.0) == 60.0


def test_a_refresh_asks_for_the_same_again() -> None:
    """RFC 4028 7.4: interval and refresher stay; a 422 has raised the least."""
    assert str(Session(600, True, 0.0).asked(90)) == "600;refresher=uac"
    assert str(Session(600, False, 0.0).asked(900)) == "900;refresher=uas"


@pytest.mark.parametrize(
    ("text", "least_s"), [(None, None), ("x", None), ("30", 90), ("3600", 3600)]
)
def test_what_a_422_asks_for(text: str | None, least_s: int | None) -> None:
    """RFC 4028 7.3."""
    fields = {} if text is None else {"Min_SE": text}
    assert session_timer.wanted(response(422, **fields)) == least_s


def test_what_we_ask_for_is_what_the_rfc_recommends() -> None:
    """RFC 4028 4: 30 minutes; the minimum is an absolute one."""
    assert (INTERVAL_S, INTERVAL_MIN_S) == (1800, 90)
