"""Users: the rules of S68 to S88, History, and what a refusal leaves behind."""

from __future__ import annotations

from typing import Any

import pytest
from sqlalchemy import select
from sqlalchemy.orm import Session

from softswitch.admin import users
from softswitch.admin.forms import UserForm, parse_user_form
from softswitch.admin.history import Actor
from softswitch.admin.refusal import Conflict, NotFound, Problem, Refused
from softswitch.secrets import Vault
from softswitch.store.models import Account, History, User
from tests.softswitch.conftest import Applies

ACCOUNT = "000000001"
OTHER = "000000002"
STATE = f"""\
trunks: [{{name: carrier, destination: "sip:192.0.2.9"}}]
catalogue:
  numbers:
  - {{number: "+37167881020", country: LV}}
  - {{number: "+37167881021", country: LV}}
accounts:
- id: "{ACCOUNT}"
  numbers: ["+37167881020"]
  administrator: {{email: admin@example.com, password_hash: ""}}
  users:
  - {{extension: "101", name: Mary, email: mary@example.com}}
  groups: [{{extension: "250", name: Managers, members: ["101"]}}]
- id: "{OTHER}"
  numbers: ["+37167881021"]
  users: [{{extension: "101", name: Ilze, static_ip: {{address: 192.0.2.7}}}}]
"""


@pytest.fixture(autouse=True)
def accounts(applies: Applies) -> None:
    """Two accounts with the same extensions."""
    applies(STATE)


def form(**changed: Any) -> UserForm:
    """A good form, with changes."""
    values = {"name": "Anna", "email": "anna@example.com", "extension": "102", **changed}
    parsed = parse_user_form(values)
    assert isinstance(parsed, UserForm), parsed
    return parsed


def user_of(session: Session, extension: str, account: str = ACCOUNT) -> User:
    """The user with an extension."""
    query = select(User).where(User.account == account, User.extension == extension)
    return session.scalars(query).one()


def refusal(error: pytest.ExceptionInfo[Refused]) -> list[Problem]:
    """What the refusal says."""
    return list(error.value.problems)


def test_a_created_user_has_a_sip_id_and_a_password(
    session: Session, vault: Vault, operator: Actor
) -> None:
    """S75, S76: 15 digits of the operator's block, 16 characters that nobody confuses."""
    user_id = users.create_user(session, vault, operator, ACCOUNT, form())
    anna = session.get_one(User, user_id)
    assert anna.sip_login is not None
    assert (len(anna.sip_login), anna.sip_login[:6]) == (15, "883140")
    password = vault.open(anna.sip_password_sealed)
    assert len(password) == 16
    assert not set(password) & set("0O1lI")


def test_history_tells_who_did_what_and_no_secret(
    session: Session, vault: Vault, operator: Actor
) -> None:
    """S67 and A31."""
    said = form(equipment_password="my-own-password")
    users.create_user(session, vault, operator, ACCOUNT, said)
    row = session.scalars(select(History).order_by(History.id.desc())).first()
    assert row is not None
    assert (row.actor, row.ip, row.account, row.what) == (
        "operator",
        "192.0.2.1",
        ACCOUNT,
        "user created",
    )
    assert row.after is not None
    assert row.after["equipment_password"] == "changed"


@pytest.mark.parametrize(
    ("changed", "field", "message"),
    [
        ({"extension": "101"}, "extension", "101 belongs to user Mary."),
        ({"extension": "250"}, "extension", "250 belongs to group Managers."),
        ({"email": "MARY@example.com"}, "email", "Mary already uses this address."),
        ({"designated_number": "+37167881021"}, "designated_number", "Choose one of your numbers."),
        (
            {"equipment": "static", "static_address": "192.0.2.7"},
            "static_address",
            "This address cannot be used. Contact support.",
        ),
    ],
)
def test_a_form_that_clashes_is_refused_in_words(
    session: Session,
    vault: Vault,
    operator: Actor,
    changed: dict[str, Any],
    field: str,
    message: str,
) -> None:
    """S72, S73; another customer's address is refused without a hint whose it is."""
    with pytest.raises(Refused) as refused:
        users.create_user(session, vault, operator, ACCOUNT, form(**changed))
    assert refusal(refused) == [Problem(field, message)]


def test_all_problems_of_a_form_are_told_at_once(
    session: Session, vault: Vault, operator: Actor
) -> None:
    """A person corrects a form once."""
    said = form(extension="101", email="mary@example.com")
    with pytest.raises(Refused) as refused:
        users.create_user(session, vault, operator, ACCOUNT, said)
    assert [problem.field for problem in refusal(refused)] == ["extension", "email"]


def test_seats_are_limited(session: Session, vault: Vault, operator: Actor) -> None:
    """S83: five users, the administrator among them."""
    for number in range(3):
        said = form(extension=f"12{number}", email=f"u{number}@example.com")
        users.create_user(session, vault, operator, ACCOUNT, said)
    assert users.seats(session, ACCOUNT) == users.Seats(used=5, allowed=5)
    with pytest.raises(Refused) as refused:
        users.create_user(session, vault, operator, ACCOUNT, form())
    assert refusal(refused) == [Problem("", "All 5 users are in use.")]


def test_logins_are_never_given_twice(session: Session, vault: Vault, operator: Actor) -> None:
    """A21: not even after their user was deleted."""
    given = set()
    for _ in range(3):
        user_id = users.create_user(session, vault, operator, ACCOUNT, form())
        given.add(session.get_one(User, user_id).sip_login)
        users.delete_user(session, operator, ACCOUNT, user_id, 1)
    assert len(given) == 3


def test_a_login_from_a_state_file_is_not_given_again(
    session: Session, vault: Vault, operator: Actor, applies: Applies
) -> None:
    """Neither while it is in use nor after it was removed."""
    counted = users.create_user(session, vault, operator, ACCOUNT, form())
    login = session.get_one(User, counted).sip_login
    assert login is not None
    taken, retired = f"{int(login) + 1}", f"{int(login) + 2}"
    people = (
        f'{{extension: "101", sip: {{login: "{taken}"}}}}, {{extension: "102"}}, '
        f'{{extension: "103", name: X, sip: {{login: "{retired}"}}}}'
    )
    applies(f'accounts: [{{id: "{ACCOUNT}", users: [{people}]}}]')
    people = '{extension: "101"}, {extension: "102"}'
    applies(f'accounts: [{{id: "{ACCOUNT}", users: [{people}]}}]')
    said = form(extension="104", email="x@example.com")
    new = users.create_user(session, vault, operator, ACCOUNT, said)
    assert session.get_one(User, new).sip_login == f"{int(login) + 3}"


def test_an_update_keeps_the_password_unless_a_new_one_is_given(
    session: Session, vault: Vault, operator: Actor
) -> None:
    """S76: typed or kept; the login is read-only."""
    mary = user_of(session, "101")
    login, password = mary.sip_login, vault.open(mary.sip_password_sealed)
    said = {"extension": "101", "email": "mary@example.com", "name": "Mary Ann"}
    users.update_user(session, vault, operator, ACCOUNT, mary.id, form(**said), mary.version)
    assert (mary.name, mary.sip_login) == ("Mary Ann", login)
    assert vault.open(mary.sip_password_sealed) == password
    own = form(**said, equipment_password="typed by hand")
    users.update_user(session, vault, operator, ACCOUNT, mary.id, own, mary.version)
    assert vault.open(mary.sip_password_sealed) == "typed by hand"


def test_who_read_an_older_state_is_told(session: Session, vault: Vault, operator: Actor) -> None:
    """Two people at one form: the second does not undo the first."""
    mary = user_of(session, "101")
    version = mary.version
    said = form(extension="101", email="mary@example.com")
    users.update_user(session, vault, operator, ACCOUNT, mary.id, said, version)
    with pytest.raises(Conflict):
        users.update_user(session, vault, operator, ACCOUNT, mary.id, said, version)
    with pytest.raises(Conflict):
        users.delete_user(session, operator, ACCOUNT, mary.id, version)


def test_a_user_that_is_used_cannot_be_deleted_or_renumbered(
    session: Session, vault: Vault, operator: Actor
) -> None:
    """The refusal names what uses it."""
    mary = user_of(session, "101")
    with pytest.raises(Refused, match=r"Mary is still used by group Managers\."):
        users.delete_user(session, operator, ACCOUNT, mary.id, mary.version)
    said = form(extension="109", email="mary@example.com")
    with pytest.raises(Refused, match=r"The old extension is still used by group Managers\."):
        users.update_user(session, vault, operator, ACCOUNT, mary.id, said, mary.version)


def test_the_administrator_stays(session: Session, vault: Vault, operator: Actor) -> None:
    """He can be renumbered, but neither deleted nor demoted."""
    admin = user_of(session, "100")
    with pytest.raises(Refused, match=r"The administrator cannot be deleted\."):
        users.delete_user(session, operator, ACCOUNT, admin.id, admin.version)
    said = form(extension="100", email="admin@example.com")
    with pytest.raises(Refused, match=r"The last administrator cannot be demoted\."):
        users.update_user(session, vault, operator, ACCOUNT, admin.id, said, admin.version)
    said = form(extension="900", email="admin@example.com", role="administrator")
    users.update_user(session, vault, operator, ACCOUNT, admin.id, said, admin.version)
    assert session.get_one(Account, ACCOUNT).administrator == "900"


def test_another_accounts_user_does_not_exist(
    session: Session, vault: Vault, operator: Actor
) -> None:
    """Isolation: the same answer as for an id that nobody has."""
    ilze = user_of(session, "101", OTHER)
    for user_id in (ilze.id, "usr_nobody"):
        with pytest.raises(NotFound, match=r"There is no such user\."):
            users.delete_user(session, operator, ACCOUNT, user_id, 1)
        with pytest.raises(NotFound):
            users.reveal_equipment_password(session, vault, operator, ACCOUNT, user_id)


def test_the_default_number_is_one_of_the_accounts(session: Session, operator: Actor) -> None:
    """S82."""
    account = session.get_one(Account, ACCOUNT)
    with pytest.raises(Refused, match=r"Choose one of your numbers\."):
        users.set_default_number(session, operator, ACCOUNT, "+37167881021", account.version)
    users.set_default_number(session, operator, ACCOUNT, "+37167881020", account.version)
    assert account.default_number == "+37167881020"


def test_showing_a_password_is_an_entry_in_history(
    session: Session, vault: Vault, operator: Actor
) -> None:
    """S76 with A31."""
    mary = user_of(session, "101")
    shown = users.reveal_equipment_password(session, vault, operator, ACCOUNT, mary.id)
    assert shown == vault.open(mary.sip_password_sealed)
    rows = session.scalars(select(History).where(History.account == ACCOUNT))
    assert "equipment password shown" in [row.what for row in rows]


def test_the_lowest_free_extension_is_offered(session: Session) -> None:
    """Past the administrator's and everybody's."""
    assert users.next_free_extension(session, ACCOUNT) == "102"


def test_a_version_is_raised_with_every_change(
    session: Session, vault: Vault, operator: Actor
) -> None:
    """The account's too: the snapshot in force is known by it."""
    before = session.get_one(Account, ACCOUNT).version
    users.create_user(session, vault, operator, ACCOUNT, form())
    assert session.get_one(Account, ACCOUNT).version == before + 1
