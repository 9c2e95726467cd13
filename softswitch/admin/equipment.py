"""What a phone is given to register with: a login of the operator's block and a password."""

from __future__ import annotations

import secrets

from sqlalchemy import select
from sqlalchemy.orm import Session

from softswitch.admin.refusal import refuse
from softswitch.ids import SIP_LOGIN_BLOCK
from softswitch.store.models import Setting, User

SIP_LOGIN_DIGITS = 15
PASSWORD_LENGTH = 16
# Without the characters that people confuse when they read aloud or type from paper.
PASSWORD_ALPHABET = "abcdefghijkmnopqrstuvwxyzABCDEFGHJKLMNPQRSTUVWXYZ23456789"
_COUNTER = "sip_login"
_SERIAL_DIGITS = SIP_LOGIN_DIGITS - len(SIP_LOGIN_BLOCK)
_FIRST_SERIAL = 1_000  # what lies below is left to hand-written state files


def generate_equipment_password() -> str:
    """A password of 16 characters, some 93 bits, without 0, O, 1, l and I."""
    return "".join(secrets.choice(PASSWORD_ALPHABET) for _ in range(PASSWORD_LENGTH))


def new_sip_login(session: Session) -> str:
    """A login that nobody has or ever had (A21): the block and a counter that only rises.

    Raises ``Refused`` when the block's thousand million logins are used up.
    """
    counter = _counter(session)
    serial, retired = int(counter.value["next"]), counter.value["retired"]
    while (login := _login(serial)) in retired or _taken(session, login):
        serial += 1
    if serial >= 10**_SERIAL_DIGITS:
        raise refuse("", "All SIP logins of the operator's block are used.")
    counter.value = {"next": serial + 1, "retired": retired}
    session.flush()
    return login


def retire_sip_login(session: Session, login: str | None) -> None:
    """Its user is gone: it is never given again. One below the counter never is anyhow."""
    if login is None or not login.startswith(SIP_LOGIN_BLOCK) or len(login) != SIP_LOGIN_DIGITS:
        return
    counter = _counter(session)
    serial = int(login.removeprefix(SIP_LOGIN_BLOCK))
    if serial >= int(counter.value["next"]):
        counter.value = {**counter.value, "retired": [*counter.value["retired"], login]}


def _login(serial: int) -> str:
    return f"{SIP_LOGIN_BLOCK}{serial:0{_SERIAL_DIGITS}d}"


def _taken(session: Session, login: str) -> bool:
    return session.scalar(select(User.id).where(User.sip_login == login)) is not None


def _counter(session: Session) -> Setting:
    counter = session.get(Setting, _COUNTER, with_for_update=True)
    if counter is None:
        counter = Setting(name=_COUNTER, value={"next": _FIRST_SERIAL, "retired": []})
        session.add(counter)
    return counter
