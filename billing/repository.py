"""The ledger's SQL: an account's balance, posting to it, and checking that it all adds up.

Functions take a SQLAlchemy ``Connection`` inside a transaction of the caller's; with a ``Session``,
flush it and give ``session.connection()``. Who changes an account's money locks its ``balance`` row
first and so has its chain for himself.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection, text

from billing.ledger import ChainCheck, Entry, Problem, chain_hash, genesis_hash, sides
from billing.sql import ManyRows, Prepared, Row

VERIFY_ROWS_PER_FETCH = 1000  # bounds the memory that checking a long ledger takes


class LedgerError(Exception):
    """The ledger cannot take this entry; the text says why."""


@dataclass(frozen=True, slots=True)
class Posted:
    """A new entry: its row id and the customer's balance after it."""

    entry_id: int
    balance_after_micros: int


@dataclass(frozen=True, slots=True)
class AlreadyPosted:
    """The key had been used for this very entry; nothing has changed."""

    entry_id: int
    balance_after_micros: int


@dataclass(frozen=True, slots=True)
class NotCovered:
    """The entry would take more than is available; nothing has changed."""

    available_micros: int


@dataclass(frozen=True, slots=True)
class Posting:
    """What to post. ``amount_micros`` is signed, from the customer's point of view, never 0;
    ``key`` names the business event, once for ever; ``kind`` is one of
    ``billing.ledger.CONTRA_ACCOUNTS``."""

    account: str
    key: str
    kind: str
    amount_micros: int
    text: str
    at_us: int


@dataclass(slots=True)
class Balance:
    """A locked ``balance`` row, and what becomes of it until it is stored."""

    account: str
    currency: str
    balance_micros: int
    reserved_micros: int
    credit_limit_micros: int
    entries: int
    head: bytes

    @property
    def available_micros(self) -> int:
        """Rule 15's sum."""
        return self.balance_micros + self.credit_limit_micros - self.reserved_micros


# Locked in the order of their names, so that two batches cannot each wait for the other.
_LOCK = ManyRows(
    "SELECT account, currency, balance_micros, reserved_micros, credit_limit_micros, entries,"
    " head_hash FROM balance WHERE account IN ({rows}) ORDER BY account",
    pads=True,
    locks=True,
)
_OPEN = Prepared(
    "INSERT INTO balance (account, currency, balance_micros, reserved_micros, credit_limit_micros,"
    " entries, head_hash) VALUES (:account, :currency, 0, 0, 0, 0, :head)"
    " ON CONFLICT (account) DO NOTHING"
)
_CREDIT_LIMIT = Prepared(
    "UPDATE balance SET credit_limit_micros = :credit_limit WHERE account = :account"
)
_BY_KEY = Prepared(
    "SELECT id, account, credit, debit, amount_micros, balance_after_micros"
    " FROM ledger WHERE key = :key"
)
_INSERT = (
    "INSERT INTO ledger (account, number, key, kind, debit, credit, amount_micros, currency,"
    " balance_after_micros, at_us, text, previous_hash, hash) VALUES {rows}"
)
INSERT_ENTRIES = ManyRows(_INSERT, columns=13)
_INSERT_ENTRY = ManyRows(f"{_INSERT} RETURNING id", columns=13)
_CHANGE = Prepared(
    "UPDATE balance SET balance_micros = :balance, reserved_micros = :reserved,"
    " entries = :entries, head_hash = :head WHERE account = :account"
)


def open_account(conn: Connection, account: str, currency: str) -> None:
    """Give an account a pool of its own in its currency; without effect if it has one."""
    head = genesis_hash(account, currency)
    _OPEN.run(conn, {"account": account, "currency": currency, "head": head})


def set_credit_limit(conn: Connection, account: str, credit_limit_micros: int) -> None:
    """How far the balance may go below zero."""
    _CREDIT_LIMIT.run(conn, {"account": account, "credit_limit": credit_limit_micros})


def lock_balance(conn: Connection, account: str) -> Balance | None:
    """The account's pool, which is the caller's alone until the transaction ends."""
    return next(iter(lock_balances(conn, [account])), None)


def lock_balances(conn: Connection, accounts: Iterable[str]) -> list[Balance]:
    """The pools of these accounts, as far as they have one; the caller's alone likewise."""
    rows = _LOCK.fetch(conn, [(account,) for account in sorted(accounts)])
    return [_balance(row) for row in rows]


def store_balances(conn: Connection, balances: Iterable[Balance]) -> None:
    """Write back what became of locked pools."""
    _CHANGE.run_many(
        conn,
        [
            {
                "account": held.account,
                "balance": held.balance_micros,
                "reserved": held.reserved_micros,
                "entries": held.entries,
                "head": held.head,
            }
            for held in balances
        ],
    )


def post(conn: Connection, posting: Posting) -> Posted | AlreadyPosted:
    """Add an entry to the account's chain and change its balance; once per key (rule 3).

    Raises ``LedgerError`` for an amount of 0, an account that has no balance, and a key that was
    used for something else.
    """
    held = _locked(conn, posting)
    return _earlier(conn, posting) or _append(conn, held, posting)


def post_covered(conn: Connection, posting: Posting) -> Posted | AlreadyPosted | NotCovered:
    """Like ``post``, but refuses what the account cannot pay beside its reservations."""
    held = _locked(conn, posting)
    earlier = _earlier(conn, posting)
    if earlier is not None:
        return earlier
    if held.available_micros + posting.amount_micros < 0:
        return NotCovered(held.available_micros)
    return _append(conn, held, posting)


def entry_row(held: Balance, posting: Posting) -> Row:
    """The entry that follows the pool's last one, as a row for ``INSERT_ENTRIES``; the pool goes
    on from it. The caller knows the posting's key to be new."""
    debit, credit = sides(posting.account, posting.kind, posting.amount_micros)
    entry = Entry(
        account=posting.account,
        number=held.entries + 1,
        key=posting.key,
        kind=posting.kind,
        debit=debit,
        credit=credit,
        amount_micros=abs(posting.amount_micros),
        currency=held.currency,
        balance_after_micros=held.balance_micros + posting.amount_micros,
        at_us=posting.at_us,
        text=posting.text,
    )
    previous, head = held.head, chain_hash(held.head, entry)
    held.balance_micros, held.entries = entry.balance_after_micros, entry.number
    held.head = head
    return (*entry, previous, head)


def verify(conn: Connection, account: str | None = None) -> list[Problem]:
    """Everything in the ledger and the pools that does not add up; empty when all is well.

    Finds entries that were changed, removed, put in or cut off at the end, balances that are not
    the sum of their entries, and reservations that are not the sum of their holds. Give it one
    consistent reading transaction.
    """
    balances = _balances(conn, account)
    checks = {name: ChainCheck(name, row.currency) for name, row in balances.items()}
    problems: list[Problem] = []
    for entry, previous, own in _entries(conn, account):
        check = checks.get(entry.account)
        if check is None:
            problems.append(Problem(entry.account, entry.number, "its account has no balance"))
        else:
            problems += check.add(entry, previous, own)
    held = _held(conn)
    for name, row in balances.items():
        problems += [Problem(name, 0, fault) for fault in _faults(row, checks[name], held)]
    return problems


def _balance(row: Any) -> Balance:
    """A row of ``_LOCK``'s columns, as a driver returns it."""
    account, currency, balance, reserved, credit_limit, entries, head = row
    return Balance(account, currency, balance, reserved, credit_limit, entries, bytes(head))


def _locked(conn: Connection, posting: Posting) -> Balance:
    if posting.amount_micros == 0:
        raise LedgerError(f"{posting.key}: an entry of nothing")
    held = lock_balance(conn, posting.account)
    if held is None:
        raise LedgerError(f"{posting.key}: account {posting.account} has no balance")
    return held


def _earlier(conn: Connection, posting: Posting) -> AlreadyPosted | None:
    row = _BY_KEY.run(conn, {"key": posting.key}).fetchone()
    if row is None:
        return None
    entry_id, account, credit, debit, amount_micros, balance_after_micros = row
    same = (account, debit, credit) == (
        posting.account,
        *sides(posting.account, posting.kind, posting.amount_micros),
    )
    if not same or amount_micros != abs(posting.amount_micros):
        raise LedgerError(f"{posting.key} was posted before with other contents")
    return AlreadyPosted(entry_id, balance_after_micros)


def _append(conn: Connection, held: Balance, posting: Posting) -> Posted:
    row = entry_row(held, posting)
    ((entry_id,),) = _INSERT_ENTRY.fetch(conn, [row])
    store_balances(conn, [held])
    return Posted(entry_id, held.balance_micros)


def _balances(conn: Connection, account: str | None) -> dict[str, Balance]:
    sql = (
        "SELECT account, currency, balance_micros, reserved_micros, credit_limit_micros, entries,"
        " head_hash FROM balance"
    )
    rows = _select(conn, sql, account, "ORDER BY account")
    return {row[0]: _balance(row) for row in rows}


def _entries(conn: Connection, account: str | None) -> Iterator[tuple[Entry, bytes, bytes]]:
    sql = (
        "SELECT account, number, key, kind, debit, credit, amount_micros, currency,"
        " balance_after_micros, at_us, text, previous_hash, hash FROM ledger"
    )
    for row in _select(conn, sql, account, "ORDER BY account, number"):
        yield Entry(*row[:11]), bytes(row[11]), bytes(row[12])


def _select(conn: Connection, sql: str, account: str | None, order: str) -> Any:
    where = "" if account is None else "WHERE account = :account"
    statement = text(f"{sql} {where} {order}").execution_options(yield_per=VERIFY_ROWS_PER_FETCH)
    return conn.execute(statement, {} if account is None else {"account": account})


def _held(conn: Connection) -> dict[str, int]:
    rows = conn.execute(text("SELECT account, SUM(amount_micros) FROM hold GROUP BY account"))
    return {account: int(total) for account, total in rows}


def _faults(row: Balance, check: ChainCheck, held: dict[str, int]) -> list[str]:
    found = []
    if row.entries != check.entries:
        found.append(f"has {check.entries} entries instead of {row.entries}")
    elif row.head != check.head:
        found.append("its last entry is not the one that was written last")
    if row.balance_micros != check.balance_micros:
        found.append(
            f"balance {row.balance_micros} is not {check.balance_micros}, the sum of its entries"
        )
    reserved_micros = held.get(row.account, 0)
    if row.reserved_micros != reserved_micros:
        found.append(
            f"reserved {row.reserved_micros} is not {reserved_micros}, the sum of its holds"
        )
    return found
