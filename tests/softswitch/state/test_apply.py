"""``apply``: the store becomes what the files say, and every mistake is told at once."""

from __future__ import annotations

from pathlib import Path

import pytest
from sqlalchemy import func, select
from sqlalchemy.orm import Session

from billing.repository import verify
from softswitch.admin.history import Actor
from softswitch.problems import FileProblems
from softswitch.secrets import Vault, verify_password
from softswitch.state.read import read_state
from softswitch.store import models, queries
from softswitch.store.base import billing_tables
from tests.softswitch.conftest import Applies

ACCOUNT = "000000212"


def refusal(applies: Applies, *said: Path | str) -> list[str]:
    """What is said against files, as ``line: text``."""
    with pytest.raises(FileProblems) as refused:
        applies(*said)
    return [f"{problem.line}: {problem.text}" for problem in refused.value.problems]


def account(body: str) -> str:
    """A file with one account. Its keys begin in line 3."""
    return f'accounts:\n- id: "{ACCOUNT}"\n' + "".join(
        f"  {line}\n" for line in body.strip("\n").split("\n")
    )


def test_the_contracts_example_is_accepted(applies: Applies, example: Path) -> None:
    """Every object of it is added, and said so."""
    lines = applies(example).lines()
    assert "+ user 101 of 000000212" in lines
    assert "+ call flow +37070044960 of 000000212" in lines
    assert "+ rate out 371 from 2016-01-01 of standard" in lines


def test_applying_again_changes_nothing(applies: Applies, example: Path, session: Session) -> None:
    """Not a row, not a version, not a History entry."""
    applies(example)
    before = [(a.id, a.version) for a in session.scalars(select(models.Account))]
    entries = session.scalar(select(func.count()).select_from(models.History))
    assert applies(example).lines() == ["nothing to change"]
    assert [(a.id, a.version) for a in session.scalars(select(models.Account))] == before
    assert session.scalar(select(func.count()).select_from(models.History)) == entries


def test_a_dry_run_tells_the_difference_and_writes_nothing(
    applies: Applies, example: Path, session: Session, state_dir: Path
) -> None:
    """Not even a prompt file."""
    told = applies(example, dry_run=True).lines()
    assert session.scalar(select(func.count()).select_from(models.Account)) == 0
    assert not state_dir.exists()
    assert applies(example).lines() == told


def test_the_opening_balance_is_posted_once(
    applies: Applies, example: Path, session: Session
) -> None:
    """A later apply, also with another sum, posts nothing."""
    applies(example)
    example.write_text(example.read_text().replace('"50.00"', '"70.00"'))
    assert applies(example).lines() == ["nothing to change"]
    (entry,) = queries.ledger(session)
    assert (entry["key"], entry["amount"]) == (f"opening:{ACCOUNT}", "50.00")
    assert queries.balance(session)[0]["balance"] == "50.00"
    assert verify(session.connection()) == []


def test_an_absent_key_is_left_alone(applies: Applies, example: Path, session: Session) -> None:
    """Of the account, of a single object in it and of an object in a list."""
    applies(example)
    changed = applies(
        account(
            """
company: Our company
limits: {channels: 7}
administrator: {position: Director}
users:
- {extension: "101", position: Sales}
- {extension: "102"}
"""
        )
    )
    assert changed.lines() == [
        "~ account 000000212: company My company -> Our company, limits "
        "(channels 0, daily_spend 0.00, fraud yes) -> "
        "(channels 7, daily_spend 0.00, fraud yes)",
        "~ administrator 100 of 000000212: position none -> Director",
        "~ user 101 of 000000212: position none -> Sales",
    ]
    anna = session.scalars(select(models.User).where(models.User.extension == "101")).one()
    assert (anna.name, anna.position, anna.email) == ("Anna", "Sales", "anna@example.com")


def test_what_a_list_lacks_is_removed(applies: Applies, example: Path, session: Session) -> None:
    """The list of a named account is the whole list; other accounts are left alone."""
    applies(example)
    applies('accounts: [{id: "000000300", users: []}]')
    done = applies(account('call_flows: []\nivrs: []\ngroups: []\nusers: [{extension: "101"}]\n'))
    assert done.lines() == [
        "- user 102 of 000000212",
        "- group 250 of 000000212",
        "- menu Main of 000000212",
        "- call flow +37070044960 of 000000212",
    ]
    assert len(session.scalars(select(models.Account)).all()) == 2


def test_removing_what_is_in_use_is_refused(applies: Applies, example: Path) -> None:
    """Each use is named, with the line of the list that lacks the object."""
    applies(example)
    assert refusal(applies, account('users: [{extension: "101"}]\nnumbers: []')) == [
        "3: user 102 cannot be removed, it is used by call_flows +37070044960",
        "3: user 102 cannot be removed, it is used by groups 250",
        "4: number +37070044960 cannot be removed, it is used by call_flows +37070044960",
        "4: number +37070044960 cannot be removed, it is used by default_number",
    ]


def test_the_portal_password_is_kept_as_a_hash(
    applies: Applies, example: Path, session: Session, vault: Vault
) -> None:
    """And the SIP password sealed."""
    applies(example)
    admin = session.scalars(select(models.User).where(models.User.extension == "100")).one()
    assert verify_password(admin.password_hash, "correct horse battery")
    assert vault.open(admin.sip_password_sealed) == "Sip-secret-100"


def test_secrets_are_not_in_the_difference_nor_in_history(
    applies: Applies, example: Path, session: Session
) -> None:
    """Both say "changed"."""
    applies(example)
    text = example.read_text().replace("Sip-secret-101", "Sip-secret-999")
    example.write_text(text.replace("correct horse battery", "another good password"))
    assert applies(example).lines() == [
        "~ administrator 100 of 000000212: password_hash changed -> changed",
        "~ user 101 of 000000212: sip_password changed -> changed",
    ]
    kept = [row.after for row in session.scalars(select(models.History)) if row.after]
    assert {"sip_password": "changed"} in kept
    assert "Sip-secret" not in str(kept)


def test_a_new_user_without_equipment_gets_a_sip_id(
    applies: Applies, session: Session, vault: Vault
) -> None:
    """A login of the operator's block and a password, which a second apply leaves alone."""
    said = account('users: [{extension: "101", name: Anna}]')
    applies(said)
    anna = session.scalars(select(models.User).where(models.User.extension == "101")).one()
    assert anna.sip_login is not None
    assert anna.sip_login.startswith("883140")
    assert len(anna.sip_login) == 15
    assert len(vault.open(anna.sip_password_sealed)) == 16
    assert applies(said).lines() == ["nothing to change"]


def test_naming_one_kind_of_equipment_takes_the_other_away(
    applies: Applies, session: Session
) -> None:
    """A user has a SIP ID or a static address, never both."""
    applies(account('users: [{extension: "101", name: A, sip: {login: "anna"}}]'))
    applies(account('users: [{extension: "101", static_ip: {address: 192.0.2.7}}]'))
    anna = session.scalars(select(models.User).where(models.User.extension == "101")).one()
    assert (anna.equipment, anna.sip_login, anna.static_address) == ("static", None, "192.0.2.7")


def test_a_sip_login_may_change_hands_in_one_apply(applies: Applies, session: Session) -> None:
    """Logins are unique at every moment, so the order of writing matters."""
    applies(
        account(
            'users:\n- {extension: "101", name: A, sip: {login: one}}\n'
            '- {extension: "102", name: B, sip: {login: two}}'
        )
    )
    applies(
        account(
            'users:\n- {extension: "101", sip: {login: two}}\n'
            '- {extension: "102", sip: {login: one}}'
        )
    )
    rows = session.execute(select(models.User.extension, models.User.sip_login))
    assert {extension: login for extension, login in rows if extension != "100"} == {
        "101": "two",
        "102": "one",
    }


def test_numbers_become_active_and_leave_into_quarantine(
    applies: Applies, example: Path, session: Session, operator: Actor
) -> None:
    """S58, S59; reserved while the account is not activated."""
    applies(example)
    number = session.get_one(models.CatalogueNumber, "+37070044960")
    assert (number.status, number.account, number.bought_us) == ("active", ACCOUNT, operator.at_us)
    applies(account("activated: false"))
    assert session.get_one(models.CatalogueNumber, "+37070044960").status == "reserved"
    applies(account("numbers: []\ndefault_number: ~\ncall_flows: []"))
    number = session.get_one(models.CatalogueNumber, "+37070044960")
    assert (number.status, number.account) == ("quarantine", None)


def test_changing_a_rate_raises_the_tariffs_version(
    applies: Applies, example: Path, session: Session
) -> None:
    """CDRs name the version that priced them (billing rule 9)."""
    applies(example)
    version = select(billing_tables.tariff.c.version)
    before = session.scalar(version)
    example.write_text(example.read_text().replace('per_minute: "0.06"', 'per_minute: "0.07"'))
    assert applies(example).lines() == [
        "~ rate out 371 from 2016-01-01 of standard: per_minute 0.06 -> 0.07"
    ]
    assert session.scalar(version) != before


def test_several_files_are_one_state(applies: Applies, tmp_path: Path) -> None:
    """An account may be spread over files; a file may refer to what another brings."""
    first, second = tmp_path / "a.yaml", tmp_path / "b.yaml"
    first.write_text('accounts: [{id: "000000212", tariff: cheap, company: X}]')
    second.write_text('tariffs: [{name: cheap}]\naccounts: [{id: "000000212", country: LV}]')
    assert applies(first, second).lines() == [
        "+ tariff cheap",
        "+ account 000000212",
        "+ administrator 100 of 000000212",
    ]
    assert applies(second, first).lines() == ["nothing to change"]


def test_files_that_say_the_same_key_are_refused(applies: Applies, tmp_path: Path) -> None:
    """Nobody can tell which is meant."""
    first, second = tmp_path / "a.yaml", tmp_path / "b.yaml"
    first.write_text('accounts: [{id: "000000212", company: X}]')
    second.write_text('tariffs: [{name: t}, {name: t}]\naccounts: [{id: "000000212", company: Y}]')
    assert refusal(applies, first, second) == [
        '1: "company" is given in two files',
        "1: t is listed twice",
    ]


def test_problems_of_all_files_are_told_together(applies: Applies, tmp_path: Path) -> None:
    """Also when one of them is not even YAML."""
    paths = [tmp_path / name for name in ("a.yaml", "b.yaml", "c.yaml")]
    paths[0].write_text("trunk: []")
    paths[1].write_text("a: [")
    told = refusal(applies, *paths)
    assert told[0] == '1: unknown key "trunk", the nearest known key is "trunks"'
    assert told[-1] == "0: No such file or directory"
    assert len(told) == 3


def test_nothing_is_applied_when_anything_is_wrong(
    applies: Applies, example: Path, session: Session
) -> None:
    """One bad key, no account."""
    example.write_text(example.read_text().replace("queue_max: 99", "queue_max: 100"))
    assert refusal(applies, example) == ["51: queue_max: must be at most 99"]
    assert session.scalar(select(func.count()).select_from(models.Account)) == 0


def test_what_the_store_gives_back_is_what_was_said(
    applies: Applies, example: Path, session: Session, vault: Vault
) -> None:
    """Reading is the inverse of writing."""
    applies(example)
    state = read_state(session, vault, [ACCOUNT])
    (stored,) = state.accounts
    assert stored.ivrs[0].keys["2"].document() == {"group": "250"}
    assert stored.call_flows[0].otherwise is not None
    assert stored.limits.fraud is True
    assert state.catalogue.numbers[0].monthly_fee == 1_300_000
