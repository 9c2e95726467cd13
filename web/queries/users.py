"""Users for the list and for their form (S71 to S82)."""

from __future__ import annotations

from dataclasses import dataclass

from sqlalchemy import Integer, cast, select
from sqlalchemy.orm import Session

from softswitch.admin import users as admin
from softswitch.admin.references import uses_of_extension
from softswitch.store.models import Account, User
from web.queries import numbers


@dataclass(frozen=True, slots=True)
class UserRow:
    """A user in the list. ``designated_number`` as stored: default, equipment or a number."""

    id: str
    extension: str
    name: str
    last_name: str
    position: str
    email: str
    designated_number: str
    equipment: str
    sip_login: str
    static_transport: str
    static_address: str
    static_port: int
    role: str
    may_sign_in: bool
    is_administrator: bool
    version: int

    @property
    def full_name(self) -> str:
        """First and last name."""
        return f"{self.name} {self.last_name}".strip()


@dataclass(frozen=True, slots=True)
class UserList:
    """All users, how many there may be, and the default designated number ("": none)."""

    users: tuple[UserRow, ...]
    seats_used: int
    seats_allowed: int
    default_number: str


@dataclass(frozen=True, slots=True)
class UserSetup:
    """What the form needs beside what is typed in it. ``user`` ``None``: a new one."""

    user: UserRow | None
    numbers: tuple[str, ...]
    default_number: str
    free_extension: str
    seats_used: int
    seats_allowed: int


@dataclass(frozen=True, slots=True)
class Deletion:
    """A user and what refers to it, in words."""

    user: UserRow
    uses: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class DefaultNumber:
    """The default designated number, what can be chosen, and the version of the account."""

    current: str
    numbers: tuple[str, ...]
    version: int


def listing(session: Session, account_id: str) -> UserList:
    """Every user by extension."""
    account = session.get_one(Account, account_id)
    seats = admin.seats(session, account_id)
    # As numbers, or 1000 would stand before 101.
    order = cast(User.extension, Integer)
    rows = session.scalars(select(User).where(User.account == account_id).order_by(order))
    return UserList(
        users=tuple(_row(user, account) for user in rows),
        seats_used=seats.used,
        seats_allowed=seats.allowed,
        default_number=account.default_number or "",
    )


def setup(session: Session, account_id: str, user_id: str | None) -> UserSetup | None:
    """For the form of a user, or of a new one; ``None`` when there is no such user."""
    account = session.get_one(Account, account_id)
    user = _find(session, account_id, user_id) if user_id is not None else None
    if user_id is not None and user is None:
        return None
    seats = admin.seats(session, account_id)
    return UserSetup(
        user=_row(user, account) if user is not None else None,
        numbers=tuple(numbers.choices(session, account_id)),
        default_number=account.default_number or "",
        free_extension=admin.next_free_extension(session, account_id) if user is None else "",
        seats_used=seats.used,
        seats_allowed=seats.allowed,
    )


def deletion(session: Session, account_id: str, user_id: str) -> Deletion | None:
    """A user with what would be in the way of deleting it."""
    account = session.get_one(Account, account_id)
    user = _find(session, account_id, user_id)
    if user is None:
        return None
    return Deletion(_row(user, account), uses_of_extension(session, account_id, user.extension))


def default_number(session: Session, account_id: str) -> DefaultNumber:
    """For the window of the default designated number (S82)."""
    account = session.get_one(Account, account_id)
    return DefaultNumber(
        account.default_number or "",
        tuple(numbers.choices(session, account_id)),
        account.version,
    )


def _find(session: Session, account_id: str, user_id: str) -> User | None:
    return session.scalar(select(User).where(User.account == account_id, User.id == user_id))


def _row(user: User, account: Account) -> UserRow:
    return UserRow(
        id=user.id,
        extension=user.extension,
        name=user.name,
        last_name=user.last_name,
        position=user.position,
        email=user.email,
        designated_number=user.designated_number,
        equipment=user.equipment,
        sip_login=user.sip_login or "",
        static_transport=user.static_transport,
        static_address=user.static_address,
        static_port=user.static_port,
        role=user.role,
        may_sign_in=bool(user.password_hash),
        is_administrator=user.extension == account.administrator,
        version=user.version,
    )
