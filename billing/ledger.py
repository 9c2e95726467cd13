"""Ledger entries as values: double entry, numbered per account, chained by hash (billing rule 3).

An entry is one transfer between two ledger accounts. Every entry concerns one customer, whose
chain it belongs to: ``number`` counts that customer's entries from 1 without a gap, and ``hash``
covers the entry and the hash before it, so that a row that was changed, removed or put in is found.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from hashlib import sha256
from typing import NamedTuple

_encode = json.JSONEncoder(ensure_ascii=False, separators=(",", ":")).encode
# Where the other half of a customer's entry goes, by its kind.
CONTRA_ACCOUNTS = {
    "call": "revenue:calls",
    "opening": "opening",
    "payment": "cash",
    "refund": "cash",
    "credit": "adjustments",
    "adjustment": "adjustments",
    "fee": "revenue:fees",
}


class Entry(NamedTuple):
    """One row of the ledger without its place in the chain. ``amount_micros`` is positive; debit
    and credit tell its direction. ``balance_after_micros`` is the customer's. The order of the
    fields is that of the hash and of the table: it must not change."""

    account: str
    number: int
    key: str
    kind: str
    debit: str
    credit: str
    amount_micros: int
    currency: str
    balance_after_micros: int
    at_us: int
    text: str

    @property
    def signed_micros(self) -> int:
        """What the entry adds to the customer's balance."""
        return self.amount_micros if self.credit == customer(self.account) else -self.amount_micros


@dataclass(frozen=True, slots=True)
class Problem:
    """Something that does not add up. ``number``: the entry, 0 for the account as a whole."""

    account: str
    number: int
    text: str


def customer(account: str) -> str:
    """The ledger account of a customer: what the provider owes them."""
    return f"customer:{account}"


def sides(account: str, kind: str, amount_micros: int) -> tuple[str, str]:
    """Debit and credit of an entry that changes the customer's balance by a signed amount.
    Raises ``KeyError`` for a kind that is not in ``CONTRA_ACCOUNTS``."""
    contra = CONTRA_ACCOUNTS[kind]
    own = customer(account)
    return (contra, own) if amount_micros > 0 else (own, contra)


def genesis_hash(account: str, currency: str) -> bytes:
    """What the first entry of an account follows."""
    return sha256(f"{account}|{currency}".encode()).digest()


def canonical(entry: Entry) -> bytes:
    """The one spelling of an entry that is hashed: a JSON array of its fields in their order."""
    return _encode(entry).encode()


def chain_hash(previous: bytes, entry: Entry) -> bytes:
    """The hash of an entry after the one with the hash ``previous``."""
    return sha256(previous + canonical(entry)).digest()


@dataclass(slots=True)
class ChainCheck:
    """Walks one account's entries in the order of their numbers and notes what is wrong."""

    account: str
    currency: str
    entries: int = 0
    balance_micros: int = 0
    head: bytes = b""

    def __post_init__(self) -> None:
        self.head = genesis_hash(self.account, self.currency)

    def add(self, entry: Entry, previous: bytes, own: bytes) -> list[Problem]:
        """Take the next entry as stored, with the two hashes stored beside it."""
        problems = list(self._problems(entry, previous, own))
        self.entries = entry.number
        self.balance_micros += entry.signed_micros
        self.head = own
        return [Problem(self.account, entry.number, text) for text in problems]

    def _problems(self, entry: Entry, previous: bytes, own: bytes) -> list[str]:
        balance_micros = self.balance_micros + entry.signed_micros
        found = []
        if entry.number != self.entries + 1:
            found.append(f"entry {self.entries + 1} is missing")
        if previous != self.head:
            found.append("does not follow the entry before it")
        if chain_hash(previous, entry) != own:
            found.append("was changed after it was written")
        if customer(self.account) not in (entry.debit, entry.credit):
            found.append("does not concern this customer")
        if entry.currency != self.currency:
            found.append(f"is in {entry.currency}, the account in {self.currency}")
        if entry.balance_after_micros != balance_micros:
            found.append("says another balance than the entries so far add up to")
        return found
