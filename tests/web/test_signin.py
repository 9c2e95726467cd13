"""Signing in and out: same answers, throttle, cookies, expiry."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.web.client import Browser
from tests.web.world import OURS, PASSWORD, World, make_world
from web.sessions import ABSOLUTE_US, IDLE_US
from web.throttle import FREE_FAILURES
from web.views.signin import safe_next

WRONG = "E-mail or password is not right."


@pytest.fixture
def world(stored_world: World) -> World:
    """On each kind of database."""
    return stored_world


def test_right_password_opens_the_desktop(visitor: Browser) -> None:
    """Sign in, and the first page is there."""
    answer = visitor.sign_in()
    assert (answer.status, answer.location) == (303, "/")
    assert "Payment statistics" in visitor.get("/").text


def test_email_is_compared_in_lower_case(visitor: Browser) -> None:
    """People write their address as they like."""
    assert visitor.sign_in(" Anton@Ours.example.COM ").status == 303


@pytest.mark.parametrize(
    "email", ["anton@ours.example.com", "nobody@example.com", "mary@ours.example.com", ""]
)
def test_every_wrong_pair_gets_the_same_answer(visitor: Browser, email: str) -> None:
    """Wrong password, unknown address, user without a password: one sentence, no password back."""
    answer = visitor.sign_in(email, "not the password")
    assert answer.status == 422
    assert WRONG in answer.text
    assert "not the password" not in answer.text


def test_a_password_is_hashed_for_an_unknown_address_too(
    visitor: Browser, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The same work is done, so time does not tell."""
    checked: list[str] = []
    monkeypatch.setattr(
        "web.passwords.verify_password", lambda hashed, _: bool(checked.append(hashed))
    )
    visitor.sign_in("anton@ours.example.com")
    visitor.sign_in("nobody@example.com")
    assert len(checked) == 2
    assert checked[1].startswith("$argon2id$v=19$m=65536,t=3,p=4$")


def test_failures_slow_down_and_the_right_password_must_wait_too(visitor: Browser) -> None:
    """After the free failures a try is answered 429 until the time is over."""
    for _ in range(FREE_FAILURES):
        assert visitor.sign_in(password="wrong").status == 422
    refused = visitor.sign_in()
    assert refused.status == 429
    assert int(refused.header("Retry-After")) > 0
    visitor.world.clock.advance(int(refused.header("Retry-After")))
    assert visitor.sign_in().status == 303


def test_cookie_on_http_is_closed_to_scripts(visitor: Browser) -> None:
    """HttpOnly and SameSite=Lax; Secure only where the portal is on https."""
    answer = visitor.sign_in()
    cookie = next(c for c in answer.headers.getRawHeaders("Set-Cookie") or [] if c[:4] == "sid=")
    assert "HttpOnly" in cookie
    assert "SameSite=Lax" in cookie
    assert "Secure" not in cookie


def test_cookie_on_https_is_bound_to_the_host(tmp_path: Path) -> None:
    """The prefix makes browsers refuse it without Secure, with a domain or another path."""
    browser = Browser(make_world(tmp_path, public_url="https://portal.test"))
    answer = browser.sign_in()
    cookies = answer.headers.getRawHeaders("Set-Cookie") or []
    assert any(c.startswith("__Host-sid=") and "; Secure" in c for c in cookies)
    assert "max-age=31536000" in answer.header("Strict-Transport-Security")


def test_signing_in_makes_a_new_session(world: World) -> None:
    """A cookie that was planted before is worth nothing after."""
    browser = Browser(world, cookies={"sid": "x" * 43})
    browser.sign_in()
    first = browser.cookies["sid"]
    assert first != "x" * 43
    assert Browser(world, cookies={"sid": "x" * 43}).get("/").status == 303


def test_signing_out_ends_the_session(admin: Browser) -> None:
    """The old cookie is refused, also from the memory of the portal."""
    old = dict(admin.cookies)
    assert admin.submit("/", "/logout").location == "/login"
    assert Browser(admin.world, cookies=old).get("/").location == "/login"


@pytest.mark.parametrize("limit_us", [IDLE_US, ABSOLUTE_US])
def test_sessions_expire(admin: Browser, limit_us: int) -> None:
    """Unused for too long, or used for too long."""
    step = IDLE_US - 1 if limit_us == ABSOLUTE_US else IDLE_US
    spent = 0
    while spent < limit_us:
        admin.world.now_us += step
        admin.world.clock.advance(step / 1_000_000)
        spent += step
        if spent < limit_us:
            assert admin.get("/").status == 200
    assert admin.get("/").status == 303


def test_a_deleted_users_session_ends(admin: Browser, user: Browser) -> None:
    """When the portal looks again, at the latest after half a minute."""
    assert admin.submit(
        "/settings/users/usr_ours101", "/settings/users/usr_ours101/delete", {"version": "1"}
    ).status in (303, 409)  # fmt: skip
    admin.world.store(lambda session: _delete(session))
    user.world.clock.advance(60)
    assert user.get("/").status == 303


def _delete(session: object) -> None:
    from sqlalchemy import delete

    from softswitch.store.models import Session, User

    session.execute(delete(Session).where(Session.user == "usr_ours101"))  # type: ignore[attr-defined]
    session.execute(delete(User).where(User.id == "usr_ours101"))  # type: ignore[attr-defined]


def test_only_a_digest_of_the_cookie_is_stored(admin: Browser) -> None:
    """A copy of the database opens no session."""
    from sqlalchemy import select

    from softswitch.store.models import Session

    stored = admin.world.store(lambda session: session.scalars(select(Session.id_hash)).all())
    assert admin.cookies["sid"] not in stored
    assert len(stored) == 1


def test_going_on_to_where_one_wanted(visitor: Browser) -> None:
    """The page that was asked for comes after signing in."""
    asked = visitor.get("/reports/calls")
    assert asked.location == "/login?next=%2Freports%2Fcalls"
    token = visitor.get(asked.location).token
    fields = {"email": "anton@ours.example.com", "password": PASSWORD, "next": "/reports/calls"}
    assert visitor.post("/login", {"csrf": token, **fields}).location == "/reports/calls"


@pytest.mark.parametrize(
    "target",
    ["https://evil.example", "//evil.example", "/\\evil.example", "javascript:x", "", "evil"],
)
def test_going_on_never_leaves_the_portal(target: str) -> None:
    """An open redirect would lend our name to others."""
    assert safe_next(target) == "/"


def test_who_has_signed_in_needs_no_sign_in_page(admin: Browser) -> None:
    """It sends on."""
    assert admin.get("/login").location == "/"


def test_account_of_the_session_decides(world: World) -> None:
    """The other account's administrator sees the other company."""
    browser = Browser(world)
    browser.sign_in("anton@theirs.example.com")
    page = browser.get("/").text
    assert "Another company" in page
    assert OURS not in page
