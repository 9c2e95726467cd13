"""What the billing tests share: rates, an account with money, and short ways to hold and settle."""

from __future__ import annotations

from dataclasses import dataclass

from sqlalchemy import Connection, Engine, text
from sqlalchemy.orm import Session

from billing.cdr import CallRecord, Charge, Settlement
from billing.credit import HoldRequest
from billing.rating import opening_slice
from billing.repository import Posting, open_account, post
from billing.tariff import Rate
from softswitch.store.models import Account

ACCOUNT = "000000212"
OTHER = "000000213"
START_US = 1_700_000_000_000_000


def make_rate(intervals: tuple[int, int] = (60, 60), **terms: int) -> Rate:
    """0.06 a minute to Latvia, if nothing else is said."""
    initial_s, increment_s = intervals
    terms.setdefault("per_minute_micros", 60_000)
    terms.setdefault("cost_per_minute_micros", 20_000)
    return Rate(
        tariff="standard",
        version=3,
        currency="EUR",
        direction="out",
        prefix="371",
        destination="Latvia",
        initial_s=initial_s,
        increment_s=increment_s,
        **terms,  # type: ignore[arg-type]
    )


def make_account(session: Session, account: str, currency: str = "EUR") -> None:
    """An active account without money."""
    session.add(
        Account(
            id=account,
            company=f"Company {account}",
            user_type="organization",
            vat_number="",
            country="LV",
            address="",
            time_zone="Europe/Riga",
            language="en",
            tariff=None,
            currency=currency,
            opening_balance_micros=0,
            channels=0,
            daily_spend_micros=0,
            fraud_checks=True,
            users_bought=0,
            activated=True,
            blocked="",
            recording=False,
            default_number=None,
            administrator="100",
            created_us=START_US,
            version=1,
        )
    )
    session.flush()
    open_account(session.connection(), account, currency)


def top_up(connection: Connection, micros: int, account: str = ACCOUNT, key: str = "first") -> None:
    """Pay money in."""
    post(connection, Posting(account, f"payment:{key}", "payment", micros, "", START_US))


def make_record(account: str = ACCOUNT, **fields: object) -> CallRecord:
    """An outgoing call of the account."""
    return CallRecord(
        account=account,
        direction="out",
        caller="+37070044960",
        called="+37129999999",
        currency="EUR",
        started_us=START_US,
        **fields,  # type: ignore[arg-type]
    )


def make_request(
    call_id: str, rate: Rate | None = None, account: str = ACCOUNT, leg: str = "b1"
) -> HoldRequest:
    """What the call path asks before a leg starts."""
    rate = rate or make_rate()
    amounts = opening_slice(rate)
    return HoldRequest(
        id=f"{call_id}:{leg}",
        call_id=call_id,
        account=account,
        rate=rate,
        first_micros=amounts.first_micros,
        slice_micros=amounts.want_micros,
        records=(make_record(account),),
        now_us=START_US,
    )


def make_settlement(
    call_id: str, duration_s: int, rate: Rate | None = None, account: str = ACCOUNT
) -> Settlement:
    """The end of a call that was up for so long, 0: it was not answered."""
    ended_us = START_US + (10 + duration_s) * 1_000_000
    record = make_record(
        account,
        answered_us=START_US + 10_000_000 if duration_s else None,
        ended_us=ended_us,
        duration_s=duration_s,
        cause="answered" if duration_s else "no_answer",
        hangup_by="caller",
        trace=("to Latvia by carrier",),
    )
    charge = Charge(f"{call_id}:b1", account, rate or make_rate(), duration_s)
    return Settlement(call_id, ended_us, (charge,), (record,))


def make_accounts(engine: Engine, micros: int, other_micros: int = 1_000_000_000) -> None:
    """The two accounts, with so much money each."""
    with engine.begin() as connection:
        add_accounts(connection, micros, other_micros)


def add_accounts(connection: Connection, micros: int, other_micros: int = 1_000_000_000) -> None:
    """``make_accounts`` within a transaction of the test's."""
    with Session(connection, join_transaction_mode="create_savepoint") as session:
        for account in (ACCOUNT, OTHER):
            make_account(session, account)
        session.commit()
    if micros:
        top_up(connection, micros)
    if other_micros:
        top_up(connection, other_micros, OTHER, "other")


@dataclass(frozen=True)
class Pool:
    """An account's money as the database has it."""

    balance: int
    reserved: int


def pool(connection: Connection, account: str = ACCOUNT) -> Pool:
    """Read it."""
    row = connection.execute(
        text("SELECT balance_micros, reserved_micros FROM balance WHERE account = :account"),
        {"account": account},
    ).one()
    return Pool(*row)


def count_rows(connection: Connection, table: str) -> int:
    """How many rows a table has."""
    return int(connection.execute(text(f"SELECT count(*) FROM {table}")).scalar_one())
