"""The live board and its stream of events."""

from __future__ import annotations

from twisted.internet.testing import StringTransport

from tests.web.client import Browser
from tests.web.world import OTHERS, OURS, FakeCall, FakePhone, add_call
from web import streams
from web.streams import GATHER_S, HEARTBEAT_S, STREAMS_PER_SESSION_MAX


def listen(browser: Browser, page: str = "board") -> StringTransport:
    """Open the stream of a page, and forget its first message."""
    cookies = "; ".join(f"{name}={value}" for name, value in browser.cookies.items())
    request = (
        f"GET /live/events?page={page} HTTP/1.1\r\nHost: portal.test\r\nCookie: {cookies}\r\n\r\n"
    )
    connection = browser.connect(request.encode())
    assert b"text/event-stream" in connection.value(), connection.value()
    connection.clear()
    return connection


def call_comes(browser: Browser, account: str = OURS, **changes: str) -> None:
    """A call comes up, and the portal has had its moment to gather changes."""
    live = browser.world.live
    live.up.setdefault(account, []).append(FakeCall(**changes))  # type: ignore[arg-type]
    live.tell(account)
    browser.world.clock.advance(GATHER_S)


def test_board_shows_calls_and_people(admin: Browser) -> None:
    """Without JavaScript, from memory."""
    admin.world.live.up[OURS] = [FakeCall("c1")]
    admin.world.live.phones[OURS] = [FakePhone("101"), FakePhone("100")]
    page = admin.get("/reports/live").text
    assert "Talking" in page
    assert "0:50" in page
    assert "1 call" in page
    assert "Desk phone 3" in page
    assert "2 busy, 1 free, 0 offline" in page


def test_board_shows_who_has_only_a_dead_phone_as_offline(admin: Browser) -> None:
    """It would not ring."""
    admin.world.live.phones[OURS] = [FakePhone("101", state="dead"), FakePhone("100")]
    assert "0 busy, 1 free, 2 offline" in admin.get("/reports/live").text


def test_board_says_when_it_is_quiet(admin: Browser) -> None:
    """One sentence instead of an empty table."""
    assert "Nobody is on the phone right now." in admin.get("/reports/live").text


def test_a_change_is_told_at_once(admin: Browser) -> None:
    """As partials for the board, the pill and the balance."""
    stream = listen(admin)
    call_comes(admin, call_id="c7")
    told = stream.value().decode()
    assert "data: <hx-partial" in told
    assert 'hx-target="#live-calls"' in told
    assert "call-c7-internal" in told
    assert 'hx-target=".st-live-balance"' in told


def test_other_pages_are_told_only_what_they_show(admin: Browser) -> None:
    """The pill and the balance."""
    stream = listen(admin, "other")
    call_comes(admin)
    told = stream.value().decode()
    assert "#live-pill" in told
    assert "#live-calls" not in told


def test_the_desktop_is_told_of_the_newest_call(admin: Browser) -> None:
    """Its list and its meter, as soon as the call is written."""
    stream = listen(admin, "desktop")
    admin.world.store(lambda session: add_call(session, OURS, "just-now", ago_s=1))
    admin.world.live.tell(OURS)
    admin.world.clock.advance(GATHER_S)
    told = stream.value().decode()
    assert "/reports/calls/just-now" in told
    assert 'hx-target="#usage"' in told


def test_a_plain_users_desktop_is_told_of_the_own_calls(user: Browser) -> None:
    """Anna, 101, learns nothing of a call between others."""
    stream = listen(user, "desktop")
    admin_calls = {"caller_extension": "100", "called_extension": "102"}
    user.world.store(lambda session: add_call(session, OURS, "others", ago_s=1, **admin_calls))
    user.world.live.tell(OURS)
    user.world.clock.advance(GATHER_S)
    told = stream.value().decode()
    assert "/reports/calls/ours-out" in told
    assert "/reports/calls/others" not in told


def test_a_burst_is_one_message(admin: Browser) -> None:
    """Changes are gathered for a moment."""
    stream = listen(admin)
    for _ in range(20):
        admin.world.live.tell(OURS)
    admin.world.clock.advance(GATHER_S)
    assert stream.value().count(b'hx-target="#live-calls"') == 1


def test_another_accounts_calls_are_not_told(admin: Browser) -> None:
    """Topics come from the session."""
    stream = listen(admin)
    call_comes(admin, OTHERS, call_id="foreign")
    assert stream.value() == b""
    call_comes(admin, OURS, call_id="own")
    assert b"own" in stream.value()
    assert b"foreign" not in stream.value()


def test_a_plain_user_is_told_of_the_own_calls(user: Browser) -> None:
    """Colleagues' calls stay theirs."""
    stream = listen(user)
    call_comes(user, call_id="not-mine", caller_extension="100", called_extension="102")
    assert b"not-mine" not in stream.value()
    call_comes(user, call_id="mine")
    assert b"call-mine-internal" in stream.value()


def test_silence_has_a_heartbeat(admin: Browser) -> None:
    """So that proxies keep the connection."""
    stream = listen(admin)
    admin.world.clock.advance(HEARTBEAT_S)
    assert b": \n\n" in stream.value()


def test_signing_out_ends_the_stream(admin: Browser) -> None:
    """At once, and nothing more is told."""
    stream = listen(admin)
    admin.submit("/", "/logout")
    assert stream.value().endswith(b"0\r\n\r\n")
    length = len(stream.value())
    call_comes(admin)
    assert len(stream.value()) == length


def test_an_expired_session_ends_its_stream(admin: Browser) -> None:
    """Found out with the heartbeat."""
    from web.sessions import IDLE_US

    stream = listen(admin)
    admin.world.now_us += IDLE_US
    admin.world.clock.advance(HEARTBEAT_S)
    assert stream.value().endswith(b"0\r\n\r\n")


def test_a_browser_that_leaves_is_forgotten(admin: Browser) -> None:
    """No subscription, no timer, no stream stays behind."""
    from twisted.internet.error import ConnectionDone
    from twisted.python.failure import Failure

    stream = listen(admin)
    stream.protocol.connectionLost(Failure(ConnectionDone()))
    assert admin.world.portal.state.streams.count(OURS) == 0
    assert admin.world.live.subscribers[OURS] == []


def test_a_browser_that_does_not_read_gets_the_newest_state_later(admin: Browser) -> None:
    """Not every state in between."""
    stream = listen(admin)
    stream.producer.pauseProducing()
    call_comes(admin, call_id="c1")
    call_comes(admin, call_id="c2")
    assert stream.value() == b""
    stream.producer.resumeProducing()
    assert stream.value().count(b'hx-target="#live-calls"') == 1
    assert b"call-c2-internal" in stream.value()


def test_a_session_keeps_a_limited_number_of_streams(admin: Browser) -> None:
    """The oldest tab goes."""
    first = listen(admin)
    for _ in range(STREAMS_PER_SESSION_MAX):
        listen(admin)
    assert first.value().endswith(b"0\r\n\r\n")
    assert admin.world.portal.state.streams.count(OURS) == STREAMS_PER_SESSION_MAX


def test_an_account_keeps_a_limited_number_of_streams(admin: Browser, monkeypatch) -> None:  # type: ignore[no-untyped-def]
    """Then the answer is "later", and the streams that are open go on."""
    monkeypatch.setattr("web.views.live.STREAMS_PER_ACCOUNT_MAX", 1)
    listen(admin)
    answer = admin.get("/live/events?page=board")
    assert answer.status == 503
    assert answer.header("Retry-After")
    assert streams.STREAMS_PER_ACCOUNT_MAX > 1


def test_unknown_pages_have_no_stream(admin: Browser) -> None:
    """404."""
    assert admin.get("/live/events?page=nothing").status == 404


def test_stopping_the_portal_ends_every_stream(admin: Browser) -> None:
    """So that the service can end."""
    stream = listen(admin)
    admin.world.portal.stop()
    assert stream.value().endswith(b"0\r\n\r\n")
