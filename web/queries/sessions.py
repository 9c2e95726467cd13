"""Portal sessions and who may sign in."""

from __future__ import annotations

from dataclasses import dataclass

from sqlalchemy import delete, func, select, update
from sqlalchemy.orm import Session

from softswitch.store.models import Account, User
from softswitch.store.models import Session as SessionRow

# One address may belong to users of several accounts; more than so many are not tried.
CANDIDATES_MAX = 5


@dataclass(frozen=True, slots=True)
class SignedIn:
    """Who is behind a session. ``account`` is the tenant of everything that the session may see."""

    id_hash: str
    user: str
    account: str
    extension: str
    email: str
    role: str
    csrf: str
    created_us: int
    seen_us: int
    strong_us: int


@dataclass(frozen=True, slots=True)
class Candidate:
    """A user whose e-mail address was given at sign-in."""

    user: str
    password_hash: str


def candidates(session: Session, email: str) -> list[Candidate]:
    """Users with this address (compared in lower case) who can sign in."""
    rows = session.execute(
        select(User.id, User.password_hash)
        .join(Account, Account.id == User.account)
        .where(func.lower(User.email) == email, User.password_hash != "")
        .order_by(User.id)
        .limit(CANDIDATES_MAX)
    )
    return [Candidate(*row) for row in rows]


def password_hash(session: Session, account: str, user: str) -> str:
    """The user's own hash, for the step-up; "" when the user has none."""
    found = session.scalar(
        select(User.password_hash).where(User.account == account, User.id == user)
    )
    return found or ""


def user_at(session: Session, account: str, extension: str) -> str | None:
    """The id of the user with an extension."""
    return session.scalar(
        select(User.id).where(User.account == account, User.extension == extension)
    )


def find(session: Session, id_hash: str) -> SignedIn | None:
    """The session, with the user's role and extension as they are now."""
    row = session.execute(
        select(
            SessionRow.id_hash,
            SessionRow.user,
            SessionRow.account,
            User.extension,
            User.email,
            User.role,
            SessionRow.csrf,
            SessionRow.created_us,
            SessionRow.seen_us,
            SessionRow.strong_us,
        )
        .join(User, User.id == SessionRow.user)
        .where(SessionRow.id_hash == id_hash)
    ).one_or_none()
    return SignedIn(**row._mapping) if row else None


def create(
    session: Session, id_hash: str, user: str, csrf: str, now_us: int, ip: str, agent: str
) -> SignedIn | None:
    """Open a session; ``None`` when the user has gone meanwhile."""
    owner = session.get(User, user)
    if owner is None:
        return None
    session.add(
        SessionRow(
            id_hash=id_hash,
            user=owner.id,
            account=owner.account,
            csrf=csrf,
            created_us=now_us,
            seen_us=now_us,
            strong_us=now_us,
            ip=ip,
            agent=agent,
        )
    )
    session.flush()
    return find(session, id_hash)


def touch(session: Session, id_hash: str, now_us: int) -> None:
    """Note that the session is in use."""
    session.execute(update(SessionRow).where(SessionRow.id_hash == id_hash).values(seen_us=now_us))


def strengthen(session: Session, id_hash: str, now_us: int) -> None:
    """Note that the password was given just now."""
    session.execute(
        update(SessionRow).where(SessionRow.id_hash == id_hash).values(strong_us=now_us)
    )


def close(session: Session, id_hash: str) -> None:
    """End a session."""
    session.execute(delete(SessionRow).where(SessionRow.id_hash == id_hash))


def close_expired(session: Session, idle_before_us: int, created_before_us: int) -> None:
    """End sessions that were not used or have lasted for too long."""
    session.execute(
        delete(SessionRow).where(
            (SessionRow.seen_us < idle_before_us) | (SessionRow.created_us < created_before_us)
        )
    )
