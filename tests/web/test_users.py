"""User management through the forms (S71 to S82)."""

from __future__ import annotations

import re

import pytest
from sqlalchemy import func, select

from softswitch.ids import AccountId
from softswitch.store.models import History, User
from tests.web.client import Browser
from tests.web.world import DOMAIN, OUR_NUMBER, OURS, PASSWORD, STATIC_DOMAIN, World
from web.sessions import STRONG_US

NEW = {
    "name": "Scott",
    "last_name": "Kalniņš",
    "email": "scott@example.com",
    "extension": "701",
    "designated_number": "default",
    "equipment": "sip",
}
FORM, LIST, ANNA = "/settings/users/new", "/settings/users", "/settings/users/usr_ours101"


@pytest.fixture
def world(stored_world: World) -> World:
    """On each kind of database."""
    return stored_world


def create(admin: Browser, **changes: str) -> object:
    return admin.submit(FORM, FORM, {**NEW, **changes})


def stored(world: World, extension: str) -> User | None:
    def read(session):  # type: ignore[no-untyped-def]
        user = session.scalar(select(User).where(User.account == OURS, User.extension == extension))
        if user is not None:
            session.expunge(user)
        return user

    return world.store(read)


def test_list_shows_everybody_by_extension(admin: Browser) -> None:
    """Administrator 100 first (S78), with login, number and equipment."""
    page = admin.get(LIST).text
    rows = re.findall(r"<strong>(\d+)</strong></td>", page)
    assert rows == ["100", "101", "102"]
    assert "Anna Ozola" in page
    assert "883140010000101" in page
    assert "3 of 5 users are in use." in page


def test_a_created_user_is_there_for_the_next_call(admin: Browser) -> None:
    """Stored, in the snapshot, and with what the phone needs on the page (S75)."""
    answer = create(admin)
    assert answer.status == 303
    page = admin.get(answer.location).text
    user = stored(admin.world, "701")
    assert user is not None
    assert re.fullmatch(r"\d{15}", user.sip_login or "")
    assert user.sip_login in page
    assert DOMAIN in page
    assert "User created" in page
    snapshot = admin.world.portal.state.deps.snapshots.current
    assert "701" in snapshot.accounts[AccountId(OURS)].users


def test_the_form_offers_the_next_free_extension(admin: Browser) -> None:
    """So that nobody has to look for one."""
    assert 'id="extension" name="extension" type="text" value="103"' in admin.get(FORM).text


def test_everything_wrong_is_said_beside_its_field_and_input_is_kept(admin: Browser) -> None:
    """422, all problems at once, nothing lost, nothing stored."""
    answer = create(admin, name="", email="nonsense", extension="1", last_name="<Kept & safe>")
    assert answer.status == 422
    for field in ("name", "email", "extension"):
        assert f'id="{field}-error"' in answer.text, field
    assert 'value="&lt;Kept &amp; safe&gt;"' in answer.text
    assert 'value="nonsense"' in answer.text
    assert stored(admin.world, "1") is None


def test_a_duplicate_extension_is_refused_by_name(admin: Browser) -> None:
    """One namespace of users, groups and menus (S73, A28)."""
    assert "101 belongs to user Anna" in create(admin, extension="101").text
    assert "250 belongs to group Managers" in create(admin, extension="250").text


def test_a_foreign_number_cannot_be_designated(admin: Browser) -> None:
    """What is in the body is resolved through the account too."""
    answer = create(admin, designated_number="+37070044961")
    assert answer.status == 422
    assert "Choose one of your numbers." in answer.text


def test_the_sixth_user_is_refused(admin: Browser) -> None:
    """Five are included (S83)."""
    for number in ("701", "702"):
        email = f"{number}@example.com"
        assert create(admin, extension=number, email=email).status == 303
    answer = create(admin, extension="703", email="703@example.com")
    assert answer.status == 422
    assert "All 5 users are in use." in answer.text


def test_generate_fills_in_a_password_and_keeps_the_form(admin: Browser) -> None:
    """S75: without JavaScript too; nothing is stored yet."""
    answer = create(admin, action="generate")
    assert answer.status == 200
    found = re.search(r'name="equipment_password" type="text" value="([^"]+)"', answer.text)
    assert found is not None
    assert re.fullmatch(r"[a-zA-Z2-9]{16}", found.group(1))
    assert 'value="Scott"' in answer.text
    assert stored(admin.world, "701") is None


def test_a_typed_password_is_what_is_shown_again(admin: Browser) -> None:
    """S76."""
    location = create(admin, equipment_password="Correct-Horse-77").location
    page = admin.submit(f"{_plain(location)}/password", f"{_plain(location)}/password").text
    assert "Correct-Horse-77" in page


def _plain(location: str) -> str:
    return location.partition("?")[0]


def test_a_static_address_user(admin: Browser) -> None:
    """S77: protocol and address, the other domain, no login."""
    answer = create(
        admin, equipment="static", static_transport="tcp", static_address="203.0.113.7",
        static_port="5070", equipment_password="ignored",
    )  # fmt: skip
    assert answer.status == 303
    user = stored(admin.world, "701")
    assert user is not None
    assert (user.static_transport, user.static_address, user.static_port) == (
        "tcp", "203.0.113.7", 5070,
    )  # fmt: skip
    assert user.sip_login is None
    assert STATIC_DOMAIN in admin.get(answer.location).text


@pytest.mark.parametrize("address", ["", "203.0.113", "nonsense"])
def test_a_wrong_static_address_is_said(admin: Browser, address: str) -> None:
    """With the form that is meant."""
    answer = create(admin, equipment="static", static_address=address)
    assert answer.status == 422
    assert "Use the form 203.0.113.7." in answer.text


def test_hidden_fields_of_the_other_equipment_are_not_in_the_way(admin: Browser) -> None:
    """A half-typed address does not stop a SIP ID user."""
    assert create(admin, static_address="203.", static_port="").status == 303


def test_a_changed_user_is_stored(admin: Browser) -> None:
    """And the page says so."""
    fields = {**NEW, "name": "Anne", "extension": "101", "version": "1", "may_sign_in": "on"}
    answer = admin.submit(ANNA, ANNA, fields)
    assert answer.status == 303
    assert "Saved" in admin.get(answer.location).text
    assert getattr(stored(admin.world, "101"), "name", "") == "Anne"


def test_two_people_changing_at_once_do_not_overwrite(admin: Browser) -> None:
    """The second one is told, with 409, and keeps the input."""
    fields = {**NEW, "extension": "101", "version": "1", "may_sign_in": "on"}
    assert admin.submit(ANNA, ANNA, {**fields, "name": "First"}).status == 303
    second = admin.submit(ANNA, ANNA, {**fields, "name": "Second"})
    assert second.status == 409
    assert "Somebody else has changed this meanwhile" in second.text
    assert 'value="Second"' in second.text
    assert getattr(stored(admin.world, "101"), "name", "") == "First"


def test_a_form_without_its_version_is_incomplete(admin: Browser) -> None:
    """400, not a guess."""
    for version in ("", "x", "9" * 30, "٣"):
        fields = {**NEW, "extension": "101", "version": version, "may_sign_in": "on"}
        assert admin.submit(ANNA, ANNA, fields).status == 400


def test_a_new_user_can_be_let_in(admin: Browser) -> None:
    """With a portal password of ten characters; it is never shown again."""
    short = create(admin, may_sign_in="on", portal_password="short")
    assert short.status == 422
    assert "From 10 to 256 characters." in short.text
    assert 'value="short"' not in short.text
    assert create(admin, may_sign_in="on", portal_password=PASSWORD).status == 303
    assert Browser(admin.world).sign_in("scott@example.com", PASSWORD).status == 303


def test_deleting_asks_first_and_then_deletes(admin: Browser) -> None:
    """The question names the user; the answer is obeyed."""
    page = f"{ANNA}/delete"
    admin.world.store(lambda session: _retarget(session))
    assert "Delete Anna Ozola?" in admin.get(page).text
    assert admin.submit(page, page, {"version": "1"}).location == "/settings/users?done=deleted"
    assert stored(admin.world, "101") is None


def _retarget(session) -> None:  # type: ignore[no-untyped-def]
    from softswitch.store.models import CallFlow

    session.get_one(CallFlow, OUR_NUMBER).to = {"user": "100"}


def test_a_user_in_use_is_not_deleted_and_its_uses_are_named(admin: Browser) -> None:
    """Neither by the page nor around it."""
    page = f"{ANNA}/delete"
    shown = admin.get(page).text
    assert f"the call flow of {OUR_NUMBER}" in shown
    assert 'value="Delete' not in shown
    token = admin.get("/").token
    answer = admin.post(page, {"csrf": token, "version": "1"})
    assert answer.status == 409
    assert stored(admin.world, "101") is not None


def test_the_administrator_cannot_be_deleted(admin: Browser) -> None:
    """S78: there always is one."""
    page = "/settings/users/usr_ours100/delete"
    token = admin.get("/").token
    assert admin.post(page, {"csrf": token, "version": "1"}).status == 409
    assert stored(admin.world, "100") is not None


def test_showing_a_password_is_written_to_history(admin: Browser) -> None:
    """Who saw it, from where."""
    page = f"{ANNA}/password"
    assert "Sip-secret-ours-101" in admin.submit(page, page).text

    def entries(session):  # type: ignore[no-untyped-def]
        query = select(History.actor, History.ip).where(History.what.like("%password shown%"))
        return [tuple(row) for row in session.execute(query)]

    assert admin.world.store(entries) == [("anton@ours.example.com", admin.address)]


def test_an_old_session_gives_its_password_again_before_it_sees_one(admin: Browser) -> None:
    """Step-up: wrong is refused, right is enough for ten minutes."""
    page = f"{ANNA}/password"
    admin.world.now_us += STRONG_US
    assert "Your password" in admin.get(page).text
    wrong = admin.submit(page, page, {"password": "wrong"})
    assert wrong.status == 422
    assert "Sip-secret" not in wrong.text
    assert "Sip-secret-ours-101" in admin.submit(page, page, {"password": PASSWORD}).text
    assert "Sip-secret-ours-101" in admin.submit(page, page).text


def test_guessing_at_the_step_up_is_slowed_down_too(admin: Browser) -> None:
    """By the same throttle as sign-in."""
    page = f"{ANNA}/password"
    admin.world.now_us += STRONG_US
    answers = [admin.submit(page, page, {"password": "wrong"}).text for _ in range(6)]
    assert "Too many tries" in answers[-1]


def test_default_designated_number_is_chosen(admin: Browser) -> None:
    """S82: the window, the list, none."""
    page = "/settings/default-number"
    assert OUR_NUMBER in admin.get(page).text
    answer = admin.submit(page, page, {"version": "1", "default_number": ""})
    assert answer.location == "/settings/users?done=default"
    assert "none chosen" in admin.get(LIST).text


def test_default_designated_number_must_be_ours(admin: Browser) -> None:
    """Another account's number is refused."""
    page = "/settings/default-number"
    answer = admin.submit(page, page, {"version": "1", "default_number": "+37070044961"})
    assert answer.status == 422


def test_nothing_of_a_refused_form_is_in_the_store(admin: Browser) -> None:
    """No user, no history, no used-up login."""

    def count(session):  # type: ignore[no-untyped-def]
        return session.scalar(select(func.count()).select_from(History))

    before = admin.world.store(count)
    create(admin, email="")
    assert admin.world.store(count) == before
