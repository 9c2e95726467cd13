"""Entries as values: sides, the chain, and what the check of a chain finds."""

from __future__ import annotations

import pytest

from billing.ledger import (
    ChainCheck,
    Entry,
    canonical,
    chain_hash,
    customer,
    genesis_hash,
    sides,
)

ACCOUNT = "000000212"
Row = tuple[Entry, bytes, bytes]


def chain(*amounts_micros: int) -> list[Row]:
    """A good chain of so many signed amounts, as it would be stored."""
    rows: list[Row] = []
    previous, balance_micros = genesis_hash(ACCOUNT, "EUR"), 0
    for number, amount_micros in enumerate(amounts_micros, start=1):
        balance_micros += amount_micros
        debit, credit = sides(ACCOUNT, "call" if amount_micros < 0 else "payment", amount_micros)
        entry = Entry(
            account=ACCOUNT,
            number=number,
            key=f"key:{number}",
            kind="call",
            debit=debit,
            credit=credit,
            amount_micros=abs(amount_micros),
            currency="EUR",
            balance_after_micros=balance_micros,
            at_us=number,
            text="Läti",
        )
        own = chain_hash(previous, entry)
        rows.append((entry, previous, own))
        previous = own
    return rows


def problems(rows: list[Row]) -> list[str]:
    """What a walk over the rows finds, as "number: text"."""
    check = ChainCheck(ACCOUNT, "EUR")
    return [f"{found.number}: {found.text}" for row in rows for found in check.add(*row)]


def test_money_that_comes_in_credits_the_customer() -> None:
    """The provider owes the customer what was paid in, and earns what is called away."""
    assert sides(ACCOUNT, "payment", 5) == ("cash", customer(ACCOUNT))
    assert sides(ACCOUNT, "call", -5) == (customer(ACCOUNT), "revenue:calls")


def test_an_unknown_kind_is_a_bug_that_shows() -> None:
    """Every kind of entry has a named other side."""
    with pytest.raises(KeyError):
        sides(ACCOUNT, "gift", 5)


def test_a_good_chain_has_no_problems() -> None:
    """Numbers, hashes and balances follow one another."""
    assert problems(chain(100, -30, -20, 7)) == []


def test_the_canonical_form_is_fixed() -> None:
    """What was hashed once must be spelled the same for ever."""
    assert (
        canonical(chain(100)[0][0])
        == (
            '["000000212",1,"key:1","call","cash","customer:000000212",100,"EUR",100,1,"Läti"]'
        ).encode()
    )


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("amount_micros", 31),
        ("text", "other"),
        ("key", "other"),
        ("at_us", 99),
        ("kind", "fee"),
        ("debit", "customer:000000213"),
        ("credit", "cash"),
        ("currency", "USD"),
        ("balance_after_micros", 71),
    ],
)
def test_a_changed_field_is_found(field: str, value: object) -> None:
    """Every field of an entry is covered by its hash."""
    rows = chain(100, -30, -20)
    entry, previous, own = rows[1]
    rows[1] = (entry._replace(**{field: value}), previous, own)  # type: ignore[arg-type]
    assert "2: was changed after it was written" in problems(rows)


def test_a_changed_entry_with_a_new_hash_is_found_at_the_next() -> None:
    """Who changes one entry would have to rewrite all that follow."""
    rows = chain(100, -30, -20)
    entry, previous, _ = rows[1]
    changed = entry._replace(text="other")
    rows[1] = (changed, previous, chain_hash(previous, changed))
    assert problems(rows) == ["3: does not follow the entry before it"]


def test_a_missing_entry_is_found() -> None:
    """Numbers have no gap."""
    rows = chain(100, -30, -20)
    del rows[1]
    assert "3: entry 2 is missing" in problems(rows)
