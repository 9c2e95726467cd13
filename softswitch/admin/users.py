"""Users of an account: create, change, delete, equipment passwords (S68 to S88)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from softswitch.admin import extensions
from softswitch.admin.equipment import (
    generate_equipment_password,
    new_sip_login,
    retire_sip_login,
)
from softswitch.admin.forms import UserForm
from softswitch.admin.history import Actor, record
from softswitch.admin.references import uses_of_extension
from softswitch.admin.refusal import Conflict, NotFound, Problem, Refused, refuse
from softswitch.fields import EMERGENCY_ALWAYS, EMERGENCY_DEFAULT
from softswitch.ids import random_id
from softswitch.secrets import Vault
from softswitch.store.models import Account, CatalogueNumber, Setting, User

INCLUDED_USERS = 5  # S83, unless the catalogue says otherwise
USERS_MAX = 100  # S87


@dataclass(frozen=True, slots=True)
class Seats:
    """How many users an account has and may have."""

    used: int
    allowed: int

    @property
    def full(self) -> bool:
        """Whether no further user fits."""
        return self.used >= self.allowed


def create_user(
    session: Session,
    vault: Vault,
    by: Actor,
    account_id: str,
    form: UserForm,
    *,
    password_hash: str = "",
) -> str:
    """Create a user and return its id. Raises ``Refused`` with every problem."""
    account = lock_account(session, account_id)
    problems = [*_seat_problems(session, account), *_form_problems(session, account, form, None)]
    if problems:
        raise Refused(problems)
    user = User(id=random_id("usr"), account=account_id, phone="", version=1, sip_login=None)
    user.sip_password_sealed = ""
    _write_form(session, vault, user, form, password_hash)
    session.add(user)
    account.version += 1
    record(session, by, account_id, "user created", user.extension, after=form_record(form))
    session.flush()
    return user.id


def update_user(
    session: Session,
    vault: Vault,
    by: Actor,
    account_id: str,
    user_id: str,
    form: UserForm,
    version: int,
    *,
    password_hash: str = "",
) -> None:
    """Change a user that was read at ``version``. Raises ``Refused``, also ``Conflict``."""
    account = lock_account(session, account_id)
    user = find_user(session, account_id, user_id)
    if user.version != version:
        raise Conflict
    problems = _form_problems(session, account, form, user)
    if problems:
        raise Refused(problems)
    before = user_record(user)
    if user.extension == account.administrator:
        account.administrator = form.extension
    _write_form(session, vault, user, form, password_hash)
    user.version += 1
    account.version += 1
    after = user_record(user) | _password_change(form, password_hash)
    record(session, by, account_id, "user changed", user.extension, before=before, after=after)
    session.flush()


def delete_user(session: Session, by: Actor, account_id: str, user_id: str, version: int) -> None:
    """Delete a user that nothing refers to; the refusal names what does."""
    account = lock_account(session, account_id)
    user = find_user(session, account_id, user_id)
    if user.version != version:
        raise Conflict
    if user.extension == account.administrator:
        raise refuse("", "The administrator cannot be deleted.")
    uses = uses_of_extension(session, account_id, user.extension)
    if uses:
        raise refuse("", f"{user.name} is still used by {', '.join(uses)}.")
    before = user_record(user)
    retire_sip_login(session, user.sip_login)
    session.delete(user)
    account.version += 1
    record(session, by, account_id, "user deleted", before["extension"], before=before)
    session.flush()


def set_default_number(
    session: Session, by: Actor, account_id: str, number: str | None, version: int
) -> None:
    """The number shown for all users without their own (S82). ``version`` is the account's."""
    account = lock_account(session, account_id)
    if account.version != version:
        raise Conflict
    if number is not None and number not in own_numbers(session, account_id):
        raise refuse("default_number", "Choose one of your numbers.")
    before = {"default_number": account.default_number}
    account.default_number = number
    account.version += 1
    after = {"default_number": number}
    record(
        session, by, account_id, "default number changed", account_id, before=before, after=after
    )
    session.flush()


def reveal_equipment_password(
    session: Session, vault: Vault, by: Actor, account_id: str, user_id: str
) -> str:
    """The password of the user's phone (S76). Showing it is itself an entry in History."""
    user = find_user(session, account_id, user_id)
    record(session, by, account_id, "equipment password shown", user.extension)
    session.flush()
    return vault.open(user.sip_password_sealed)


def change_portal_password(
    session: Session, by: Actor, account_id: str, user_id: str, password_hash: str
) -> None:
    """Replace the hash of a user's portal password (hashed by the caller, off the reactor)."""
    user = find_user(session, account_id, user_id)
    user.password_hash = password_hash
    user.version += 1
    after = {"password": True}
    record(session, by, account_id, "portal password changed", user.extension, after=after)
    session.flush()


def seats(session: Session, account_id: str) -> Seats:
    """Users that the account has and may have: included plus bought, at most ``users_max``."""
    account = session.get(Account, account_id)
    if account is None:
        raise NotFound
    used = session.scalar(select(func.count()).where(User.account == account_id)) or 0
    catalogue = _setting(session, "catalogue")
    allowed = int(catalogue.get("included_users", INCLUDED_USERS)) + account.users_bought
    return Seats(used, min(allowed, int(catalogue.get("users_max", USERS_MAX))))


def next_free_extension(session: Session, account_id: str) -> str:
    """The lowest free extension from 100 up, what a new user is offered."""
    return extensions.next_free(session, account_id, emergency_numbers(session))


def emergency_numbers(session: Session) -> frozenset[str]:
    """The configured emergency numbers and those that are always ones."""
    configured = _setting(session, "emergency").get("numbers", EMERGENCY_DEFAULT)
    return EMERGENCY_ALWAYS | frozenset(configured)


def own_numbers(session: Session, account_id: str) -> set[str]:
    """The numbers that the account has."""
    rows = select(CatalogueNumber.number).where(CatalogueNumber.account == account_id)
    return set(session.scalars(rows))


def lock_account(session: Session, account_id: str) -> Account:
    """The account's row, locked: commands on one account follow one another."""
    account = session.get(Account, account_id, with_for_update=True)
    if account is None:
        raise NotFound("There is no such account.")
    return account


def find_user(session: Session, account_id: str, user_id: str) -> User:
    """The user, through the tenant: another account's user does not exist here."""
    user = session.get(User, user_id)
    if user is None or user.account != account_id:
        raise NotFound("There is no such user.")
    return user


def form_record(form: UserForm) -> dict[str, Any]:
    """What History keeps of a form; secrets are masked there."""
    return form.model_dump(exclude={"may_sign_in"})


def user_record(user: User) -> dict[str, Any]:
    """What History keeps of a stored user."""
    return {
        "name": user.name,
        "last_name": user.last_name,
        "position": user.position,
        "email": user.email,
        "extension": user.extension,
        "designated_number": user.designated_number,
        "equipment": user.equipment,
        "static_transport": user.static_transport,
        "static_address": user.static_address,
        "static_port": user.static_port,
        "role": user.role,
    }


def _password_change(form: UserForm, password_hash: str) -> dict[str, Any]:
    changed: dict[str, Any] = {}
    if form.equipment_password:
        changed["equipment_password"] = form.equipment_password
    if password_hash:
        changed["password"] = password_hash
    return changed


def _seat_problems(session: Session, account: Account) -> Sequence[Problem]:
    taken = seats(session, account.id)
    if not taken.full:
        return ()
    return (Problem("", f"All {taken.allowed} users are in use."),)


def _form_problems(
    session: Session, account: Account, form: UserForm, user: User | None
) -> list[Problem]:
    """What the form cannot know by itself: the rest of the account and of the switch."""
    return [
        *_extension_problems(session, account, form, user),
        *_email_problems(session, account, form, user),
        *_number_problems(session, account, form),
        *_address_problems(session, form, user),
        *_administrator_problems(account, form, user),
    ]


def _extension_problems(
    session: Session, account: Account, form: UserForm, user: User | None
) -> list[Problem]:
    if user is not None and user.extension == form.extension:
        return []
    text = extensions.refusal(session, account.id, form.extension, emergency_numbers(session))
    if text:
        return [Problem("extension", text)]
    uses = uses_of_extension(session, account.id, user.extension) if user is not None else ()
    if uses:
        return [Problem("extension", f"The old extension is still used by {', '.join(uses)}.")]
    return []


def _email_problems(
    session: Session, account: Account, form: UserForm, user: User | None
) -> list[Problem]:
    same = select(User).where(
        User.account == account.id, func.lower(User.email) == form.email.lower()
    )
    for other in session.scalars(same):
        if user is None or other.id != user.id:
            return [Problem("email", f"{other.name} already uses this address.")]
    return []


def _number_problems(session: Session, account: Account, form: UserForm) -> list[Problem]:
    number = form.designated_number
    if number in ("default", "equipment") or number in own_numbers(session, account.id):
        return []
    return [Problem("designated_number", "Choose one of your numbers.")]


def _address_problems(session: Session, form: UserForm, user: User | None) -> list[Problem]:
    """A source address is one user's in the whole switch (A19); the text gives no hint whose."""
    if form.equipment != "static":
        return []
    same = select(User.id).where(
        User.equipment == "static",
        User.static_address == form.static_address,
        User.static_transport == form.static_transport,
    )
    if all(user is not None and other == user.id for other in session.scalars(same)):
        return []
    return [Problem("static_address", "This address cannot be used. Contact support.")]


def _administrator_problems(account: Account, form: UserForm, user: User | None) -> list[Problem]:
    """The account's administrator stays one and keeps the way in."""
    if user is None or user.extension != account.administrator:
        return []
    if form.role != "administrator":
        return [Problem("role", "The last administrator cannot be demoted.")]
    if user.password_hash and not form.may_sign_in:
        return [Problem("may_sign_in", "The administrator must be able to sign in.")]
    return []


def _write_form(
    session: Session, vault: Vault, user: User, form: UserForm, password_hash: str
) -> None:
    user.name, user.last_name, user.position = form.name, form.last_name, form.position
    user.email, user.extension = form.email, form.extension
    user.designated_number, user.role = form.designated_number, form.role
    user.equipment = form.equipment
    _write_equipment(session, vault, user, form)
    if not form.may_sign_in:
        user.password_hash = ""
    elif password_hash:
        user.password_hash = password_hash
    elif user.password_hash is None:
        user.password_hash = ""


def _write_equipment(session: Session, vault: Vault, user: User, form: UserForm) -> None:
    """A SIP ID user has a login and a password, a static IP user an address; never both."""
    if form.equipment == "static":
        retire_sip_login(session, user.sip_login)
        user.sip_login, user.sip_password_sealed = None, ""
        user.static_transport, user.static_address = form.static_transport, form.static_address
        user.static_port = form.static_port
        return
    user.static_transport, user.static_address, user.static_port = "", "", 0
    if user.sip_login is None:
        user.sip_login = new_sip_login(session)
    if form.equipment_password or not user.sip_password_sealed:
        user.sip_password_sealed = vault.seal(
            form.equipment_password or generate_equipment_password()
        )


def _setting(session: Session, name: str) -> dict[str, Any]:
    row = session.get(Setting, name)
    return row.value if row is not None else {}
