"""Unsafe requests need the browser's word and the page's token."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from tests.web.client import Browser
from web import csrf

THEME = {"theme": "dark"}


def test_a_form_of_ours_is_obeyed(admin: Browser) -> None:
    """Both locks open."""
    assert admin.submit("/", "/preferences", THEME).status == 303


def test_without_a_token_it_is_refused(admin: Browser) -> None:
    """The browser's word alone is not enough."""
    assert admin.post("/preferences", THEME).status == 403


def test_another_sessions_token_is_refused(admin: Browser, user: Browser) -> None:
    """Tokens belong to their session."""
    token = user.get("/").token
    assert admin.post("/preferences", {"csrf": token, **THEME}).status == 403


def test_from_another_site_it_is_refused(admin: Browser) -> None:
    """Even with the right token."""
    token = admin.get("/").token
    for site in ("cross-site", "same-site", "none"):
        answer = admin.post("/preferences", {"csrf": token, **THEME}, Sec_Fetch_Site=site)
        assert answer.status == 403, site


def test_without_fetch_metadata_the_origin_must_be_ours(admin: Browser) -> None:
    """Old browsers, and browsers on plain http, send only Origin."""
    body = f"csrf={admin.get('/').token}&theme=dark".encode()
    for origin, status in (
        ("http://portal.test", 303), ("http://evil.test", 403), ("null", 403), (None, 403),
    ):  # fmt: skip
        headers = {"Origin": origin} if origin else {}
        assert admin.send("POST", "/preferences", body, headers).status == status, origin


def test_the_token_may_come_in_a_header(admin: Browser) -> None:
    """As htmx and uploads send it."""
    token = admin.get("/").token
    assert admin.post("/preferences", THEME, X_CSRF_Token=token).status == 303


def test_sign_in_needs_the_visitors_own_token(visitor: Browser) -> None:
    """Nobody is signed in by a foreign page, into the attacker's account."""
    token = Browser(visitor.world).get("/login").token
    visitor.get("/login")
    assert visitor.post("/login", {"csrf": token, "email": "x", "password": "y"}).status == 403


def test_tokens_differ_on_every_page(admin: Browser) -> None:
    """Compression of the page then tells nothing of them."""
    assert admin.get("/").token != admin.get("/").token


@given(st.binary(min_size=32, max_size=32), st.binary(min_size=32, max_size=32))
def test_masked_tokens_match_their_own_only(token: bytes, pad: bytes) -> None:
    """Whatever the pad."""
    sent = csrf.mask(token.hex(), pad)
    assert csrf.unmasked_matches(sent, token.hex())
    other = bytes([token[0] ^ 1, *token[1:]])
    assert not csrf.unmasked_matches(sent, other.hex())


@given(st.text(max_size=200))
def test_malformed_tokens_are_just_wrong(sent: str) -> None:
    """Never an exception."""
    assert not csrf.unmasked_matches(sent, "00" * 32)
    assert not csrf.visitor_matches(sent, b"key", "cookie")
