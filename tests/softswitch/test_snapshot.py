"""The routing snapshot: what it holds, and how one account is exchanged in it."""

from __future__ import annotations

import hashlib
from pathlib import Path

import pytest
from sqlalchemy import select, update
from sqlalchemy.orm import Session

from softswitch.ids import AccountId, Extension
from softswitch.routing.model import Period, RoutingSnapshot, StaticAddress
from softswitch.secrets import Vault
from softswitch.snapshot import (
    SnapshotHolder,
    build,
    build_with_versions,
    period_of,
    read_parts,
    with_accounts,
)
from softswitch.store.models import Account, CatalogueNumber, User
from tests.softswitch.conftest import Applies

ACCOUNT = AccountId("000000212")
REALM = "login.example.net"


@pytest.fixture
def snapshot(applies: Applies, example: Path, session: Session, vault: Vault) -> RoutingSnapshot:
    """Of the contract's example and a second account."""
    applies(example, 'accounts: [{id: "000000300", administrator: {sip: {login: other}}}]')
    return build(session, vault, REALM)


def test_it_holds_what_calls_need(snapshot: RoutingSnapshot) -> None:
    """Users, numbers, flows, trunks, tariffs of the contract's example."""
    account = snapshot.accounts[ACCOUNT]
    assert account.users[Extension("102")].static == StaticAddress("udp", "127.0.0.21", 5060)
    assert snapshot.static_users[("udp", "127.0.0.21")] == (ACCOUNT, Extension("102"))
    assert account.flows["+37070044960"].to == {"ivr": "Main"}
    assert account.groups[Extension("250")].members == ("101", "102")
    assert account.tariff is not None
    rate = account.tariff.find("out", "+37120000000", "2026-01-31")
    assert rate is not None
    assert rate.per_minute_micros == 60_000
    assert snapshot.numbers["+37070044960"].account == ACCOUNT
    assert snapshot.trunk_hosts == {"127.0.0.9": "carrier"}
    assert snapshot.routes == {"": ("carrier",)}
    assert snapshot.emergency_trunks == ("carrier",)
    assert snapshot.brand == "SmartTel+"


def test_digests_are_those_of_rfc_7616(snapshot: RoutingSnapshot) -> None:
    """H(A1) of login, realm and password for both algorithms."""
    a1 = f"883140000000101:{REALM}:Sip-secret-101".encode()
    assert snapshot.logins["883140000000101"].ha1 == {
        "MD5": hashlib.md5(a1).hexdigest(),
        "SHA-256": hashlib.sha256(a1).hexdigest(),
    }


def test_one_account_is_exchanged_and_nothing_else(
    snapshot: RoutingSnapshot, session: Session, vault: Vault
) -> None:
    """Old logins, addresses and numbers of the account leave, the other account stays."""
    user = update(User).where(User.account == ACCOUNT)
    session.execute(user.where(User.extension == "101").values(sip_login="new"))
    session.execute(user.where(User.extension == "102").values(static_address="127.0.0.99"))
    session.execute(update(CatalogueNumber).values(status="reserved"))
    after = with_accounts(snapshot, read_parts(session, vault, REALM, [ACCOUNT]))
    assert set(after.logins) == {"883140000000100", "new", "other"}
    assert list(after.static_users) == [("udp", "127.0.0.99")]
    assert after.numbers == {}
    other = AccountId("000000300")
    assert after.accounts[other] is snapshot.accounts[other]
    assert "883140000000101" in snapshot.logins


def test_exchanging_equals_building_anew(
    snapshot: RoutingSnapshot, session: Session, vault: Vault
) -> None:
    """Whatever way a change takes, calls see the same."""
    session.execute(update(Account).values(company="X", blocked="fraud", channels=3))
    accounts = [AccountId(account) for account in session.scalars(select(Account.id))]
    exchanged = with_accounts(snapshot, read_parts(session, vault, REALM, accounts))
    whole = build(session, vault, REALM)
    for part in ("logins", "static_users", "numbers"):
        assert getattr(exchanged, part) == getattr(whole, part)
    assert exchanged.accounts[ACCOUNT].status == whole.accounts[ACCOUNT].status == "blocked_fraud"


def test_a_late_older_state_does_not_undo_a_newer_one(
    snapshot: RoutingSnapshot, session: Session, vault: Vault
) -> None:
    """Two commands may finish in one order and be published in the other."""
    holder = SnapshotHolder()
    older, versions = build_with_versions(session, vault, REALM)
    old_parts = read_parts(session, vault, REALM, [ACCOUNT])
    holder.publish(older, versions)
    session.execute(update(Account).values(channels=9, version=Account.version + 1))
    holder.publish_accounts(read_parts(session, vault, REALM, [ACCOUNT]))
    holder.publish_accounts(old_parts)
    assert holder.current.accounts[ACCOUNT].channels == 9
    assert holder.publish(older, versions) == (ACCOUNT,)


def test_periods_are_minutes_and_weekdays() -> None:
    """Monday is 0."""
    document = {"from": "09:30", "to": "18:00", "days": ["mon", "fri"]}
    assert period_of(document) == Period(frozenset({0, 4}), 570, 1080)
    assert period_of("always") is None
