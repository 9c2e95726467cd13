"""The layer under the views: headers, errors, limits, static files, bytes that nobody expects."""

from __future__ import annotations

import gzip
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from twisted.logger import globalLogPublisher

from tests.web.client import Browser, parse
from tests.web.world import World
from web.request import BODY_BYTES_MAX, BODY_BYTES_SWALLOWED_MAX


def test_pages_carry_the_security_headers(admin: Browser) -> None:
    """A strict policy, nothing cached, nothing sniffed, no server named."""
    answer = admin.get("/")
    policy = answer.header("Content-Security-Policy")
    assert "default-src 'none'" in policy
    assert "unsafe" not in policy
    assert answer.header("X-Content-Type-Options") == "nosniff"
    assert answer.header("Referrer-Policy") == "same-origin"
    assert answer.header("Cache-Control") == "no-store"
    assert answer.header("Server") == ""


def test_answers_have_their_length(admin: Browser) -> None:
    """Not sent in chunks of unknown number."""
    answer = admin.get("/")
    assert int(answer.header("Content-Length")) == len(answer.body)


def test_large_pages_are_compressed_for_those_who_understand(admin: Browser) -> None:
    """And small ones are not."""
    plain, packed = admin.get("/support"), admin.get("/support", Accept_Encoding="gzip, br")
    assert packed.header("Content-Encoding") == "gzip"
    assert int(packed.header("Content-Length")) < len(plain.body) / 2
    assert admin.get("/healthz", Accept_Encoding="gzip").header("Content-Encoding") == ""


def test_head_has_headers_and_no_body(admin: Browser) -> None:
    """The same length as GET would have."""
    answer = admin.send("HEAD", "/support")
    assert answer.status == 200
    assert answer.body == b""
    assert int(answer.header("Content-Length")) > 1000


def test_health_needs_no_sign_in(visitor: Browser) -> None:
    """The loop is alive."""
    assert visitor.get("/healthz").body == b"ok\n"


@pytest.mark.parametrize("path", ["/nothing", "/settings/nothing/at/all", "/%00", "/%ff%fe"])
def test_unknown_addresses_are_not_found(visitor: Browser, path: str) -> None:
    """With our own page, not the library's."""
    answer = visitor.get(path)
    assert answer.status in (400, 404)
    assert "Werkzeug" not in answer.text


def test_a_wrong_verb_is_told_the_right_ones(admin: Browser) -> None:
    """405 with Allow."""
    answer = admin.send("DELETE", "/login", headers={"Sec-Fetch-Site": "same-origin"})
    assert answer.status == 405
    assert answer.header("Allow") == "GET, HEAD, POST"
    assert "Not like that" in answer.text


def test_a_declared_body_above_the_limit_is_refused(admin: Browser) -> None:
    """413, before any of it is parsed."""
    body = b"x=" + b"a" * BODY_BYTES_MAX
    answer = admin.send("POST", "/preferences", body, {"Sec-Fetch-Site": "same-origin"})
    assert answer.status == 413
    assert answer.header("Connection") == "close"


def test_a_chunked_body_above_the_limit_is_refused(admin: Browser) -> None:
    """The length need not be declared for that."""
    chunk = b"8000\r\n" + b"a" * 0x8000 + b"\r\n"
    body = chunk * 3 + b"0\r\n\r\n"
    headers = {"Transfer-Encoding": "chunked", "Sec-Fetch-Site": "same-origin"}
    assert admin.send("POST", "/preferences", body, headers).status == 413


def test_an_endless_body_is_cut_off(admin: Browser) -> None:
    """Beyond what is swallowed, the connection is closed."""
    head = b"POST /login HTTP/1.1\r\nHost: portal.test\r\nTransfer-Encoding: chunked\r\n\r\n"
    connection = admin.connect(head)
    chunk = b"10000\r\n" + b"a" * 0x10000 + b"\r\n"
    for _ in range(BODY_BYTES_SWALLOWED_MAX // 0x10000 + 1):
        connection.protocol.dataReceived(chunk)
    assert parse(connection.value()).status == 413
    assert connection.disconnecting


def test_a_failure_has_a_page_with_a_reference_and_a_log_entry(
    admin: Browser, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The reference on the page is the one in the log, and no traceback is shown."""
    events: list[dict[str, Any]] = []
    monkeypatch.setattr("web.queries.desktop.load", _fail)
    globalLogPublisher.addObserver(events.append)
    try:
        answer = admin.get("/")
    finally:
        globalLogPublisher.removeObserver(events.append)
    references = [event["ref"] for event in events if "ref" in event]
    assert answer.status == 500
    assert len(references) == 1
    assert references[0] in answer.text
    assert "secret detail" not in answer.text


def _fail(*args: object, **kwargs: object) -> None:
    raise RuntimeError("secret detail")


def test_a_failure_of_the_store_still_has_a_page(
    admin: Browser, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Without the shell, which needs the store."""
    monkeypatch.setattr("web.queries.shell.load", _fail)
    answer = admin.get("/")
    assert answer.status == 500
    assert "Something went wrong" in answer.text


def test_static_files_are_kept_for_ever(visitor: Browser) -> None:
    """Under an address that names their content."""
    url = visitor.world.portal.state.static.url("css/tokens.css")
    answer = visitor.get(url, Accept_Encoding="gzip")
    assert answer.status == 200
    assert "immutable" in answer.header("Cache-Control")
    assert b"--st-accent" in answer.body
    assert answer.header("Content-Type") == "text/css; charset=utf-8"


@pytest.mark.parametrize(
    "path",
    ["/static/", "/static/0000000000/css/tokens.css", "/static/{}/", "/static/{}/css",
     "/static/{}/../app.py", "/static/{}/%2e%2e/app.py", "/static/{}/vendor/axe.js"],
)  # fmt: skip
def test_static_gives_its_files_and_nothing_else(visitor: Browser, path: str) -> None:
    """No listing, no way out, no other version, nothing of the tests'."""
    answer = visitor.get(path.format(visitor.world.portal.state.static.hash))
    assert answer.status == 404


def test_htmx_is_told_to_leave_when_the_session_is_over(visitor: Browser) -> None:
    """Instead of putting the sign-in page into the middle of the old one."""
    answer = visitor.get("/reports/calls", HX_Request="true")
    assert (answer.status, answer.header("HX-Redirect")) == (401, "/login")


@pytest.mark.parametrize(
    "body",
    [b"\xff\xfe=%ff%00", b"csrf=%", b"=&=&&&", b"a" * 1000, b"csrf=%F0%9F%92%A9", b"csrf"],
)
def test_strange_bytes_in_forms_are_refused_not_failed(admin: Browser, body: bytes) -> None:
    """403 for the missing token, never 500."""
    answer = admin.send("POST", "/preferences", body, {"Sec-Fetch-Site": "same-origin"})
    assert answer.status == 403


def test_too_many_fields_are_refused(admin: Browser) -> None:
    """Before a dictionary of them is made."""
    body = b"&".join(b"f%d=1" % index for index in range(1000))
    answer = admin.send("POST", "/preferences", body, {"Sec-Fetch-Site": "same-origin"})
    assert answer.status == 400


@settings(
    max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(body=st.binary(max_size=300), query=st.binary(max_size=60))
def test_no_bytes_make_the_portal_fail(admin: Browser, body: bytes, query: bytes) -> None:
    """Whatever is sent to a form or in a query, the answer is not a 500."""
    token = admin.get("/support").token.encode()
    headers = {"Sec-Fetch-Site": "same-origin"}
    posted = admin.send("POST", "/settings/users/new", b"csrf=" + token + b"&" + body, headers)
    assert posted.status in (200, 400, 422)
    text = "".join(chr(c) for c in query if 33 <= c < 127)
    assert admin.get(f"/reports/calls?{text}").status in (200, 400)


def test_bytes_that_are_no_http_close_the_connection(visitor: Browser) -> None:
    """And nothing else."""
    assert visitor.raw(b"\x16\x03\x01\x02\x00 \r\n\r\n").startswith(b"HTTP/1.1 400")


def test_gzip_is_reproducible(world: World) -> None:
    """No time in it: the same page has the same bytes."""
    static = world.portal.state.static
    file = static.find(static.hash, "css/components.css")
    assert file is not None
    assert gzip.decompress(file.compressed) == file.content
