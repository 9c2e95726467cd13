"""Every mistake of a state file has its sentence and its line."""

from __future__ import annotations

from pathlib import Path

import pytest

from softswitch.problems import FileProblems
from softswitch.state.apply import read_files
from softswitch.state.check import Elsewhere, findings
from softswitch.state.merge import overlay
from softswitch.state.model import State

PROVIDER = """\
trunks: [{name: carrier, destination: "sip:192.0.2.9"}]
tariffs: [{name: standard}, {name: dollars, currency: USD}]
catalogue: {numbers: [{number: "+37070044960", country: LT}]}
accounts:
- id: "000000212"
"""


def said(folder: Path, text: str) -> list[str]:
    """What is said about a file by itself and about the state that it would make."""
    path = folder / "state.yaml"
    path.write_text(text)
    try:
        wish = read_files([path])
        wanted = overlay(State(), wish.state)
        found = findings(wanted, ELSEWHERE, State(), complete=not wish.problems)
        told = (wish.problem(place, text) for place, text in found)
        problems = tuple(sorted({*wish.problems, *told}))
    except FileProblems as error:
        problems = error.problems
    return [f"{problem.line}: {problem.text}" for problem in problems]


ELSEWHERE = Elsewhere(
    logins={"taken": "000000300"},
    addresses={("udp", "192.0.2.7"): "000000300"},
    owners={"+37167881020": "000000300"},
    currencies={"000000212": "EUR"},
)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("trunk: []", 'unknown key "trunk", the nearest known key is "trunks"'),
        ("accounts: {}", "accounts: must be a list"),
        ("accounts: [{}]", "id: is missing"),
        ("accounts: [{id: 212}]", 'id: write it in quotes, like "212"'),
        ('emergency: {numbers: ["1"]}', "numbers: '1' is not a number of 2 to 6 digits"),
        ("emergency: {trunks: [x]}", "trunk x does not exist"),
        ('routes: [{prefix: "", trunks: [x]}]', "trunk x does not exist"),
        ('routes: [{prefix: ""}]', "trunks: is missing"),
        ("trunks: [{name: a}]", "destination: is missing"),
        ("trunks: [{name: a, registrar: h}]", "username: is missing, the registrar needs it"),
        (
            'trunks: [{name: a, destination: "sip:h", number_format: national}]',
            "country: is missing, national numbers need it",
        ),
        (
            'trunks: [{name: a, destination: "sip:h", outbound_numbers: [{match: "371x"}]}]',
            "match: '371x' is not the beginning of a number like \"+371\" or \"00XX\", "
            "with $ where the number ends",
        ),
        (
            'trunks: [{name: a, destination: "sip:h", probe_s: -1}]',
            "probe_s: must be at least 0",
        ),
        (
            'trunks: [{name: a, destination: "sip:h;transport=ws"}]',
            "destination: 'sip:h;transport=ws' is not an address like"
            " sip:203.0.113.9:5060;transport=udp",
        ),
        (
            'trunks: [{name: a, destination: "sip:h", ip: [300.0.0.1]}]',
            "ip: 300.0.0.1 is not an address or network like 203.0.113.0/24",
        ),
        (
            'tariffs: [{name: t, rates: [{prefix: "1", per_minute: 0.06}]}]',
            'per_minute: write amounts in quotes, like "0.06"',
        ),
        (
            'tariffs: [{name: t, rates: [{prefix: "1", per_minute: "0.0000001"}]}]',
            "per_minute: 0.0000001 has more than six decimals",
        ),
        (
            'tariffs: [{name: t, rates: [{prefix: "1", per_minute: "-1"}]}]',
            "per_minute: -1 is negative",
        ),
        (
            'tariffs: [{name: t, rates: [{prefix: "1", per_minute: "1", initial_s: 0}]}]',
            "initial_s: must be at least 1",
        ),
        (
            'tariffs: [{name: t, rates: [{prefix: "1", per_minute: "1", valid_from: "2016-13"}]}]',
            "valid_from: 2016-13 is not a date like 2016-01-31",
        ),
        ('catalogue: {numbers: [{number: "112", country: LT}]}',
         "number: 112 is not a number like +37070044960"),
        ('catalogue: {numbers: [{number: "+37070044960"}]}', "country: is missing"),
        (
            'catalogue: {numbers: [{number: "+37070044960", country: XX}]}',
            "country: XX is not a country code like LV",
        ),
    ],
)  # fmt: skip
def test_mistakes_of_the_provider(tmp_path: Path, text: str, expected: str) -> None:
    """Keys, references and amounts."""
    assert said(tmp_path, text) == [f"1: {expected}"]


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ("compny: X", 'unknown key "compny", the nearest known key is "company"'),
        ("time_zone: Riga", "time_zone: Riga is not a time zone like Europe/Riga"),
        ("activated: 1", "activated: must be true or false"),
        ("user_type: firm", "user_type: 'firm' is not one of 'organization' or 'individual'"),
        ("tariff: cheap", "tariff cheap does not exist"),
        ("tariff: dollars", "tariff dollars is in USD, the account in EUR"),
        ('numbers: ["+37160000000"]', "number +37160000000 is not in the catalogue"),
        ('default_number: "+37070044960"', "number +37070044960 is not one of the account's"),
        ('administrator: {password: "short"}', "password: needs at least 10 characters"),
        ('administrator: {password_hash: "x"}', "password_hash: is not an argon2id hash"),
        ('administrator: {email: "x"}', "email: x is not an e-mail address"),
        ('users: [{extension: "1", name: A}]', "extension: An extension has 2 to 6 digits."),
        ('users: [{extension: "012", name: A}]', "extension: An extension cannot begin with 0."),
        (
            'users: [{extension: "1120", name: A}]',
            "extension: An extension cannot begin with the emergency number 112.",
        ),
        ('users: [{extension: "*12", name: A}]', "extension: An extension has 2 to 6 digits."),
        ("users: [{extension: 101, name: A}]", 'extension: write it in quotes, like "101"'),
        ('users: [{extension: "101"}]', "name: is missing"),
        ('users: [{extension: "100", name: A}]', "100 belongs to the administrator"),
        (
            'users: [{extension: "101", name: A, sip: {login: taken}}]',
            "login taken is used already in account 000000300",
        ),
        (
            'users: [{extension: "101", name: A, static_ip: {address: 192.0.2.7}}]',
            "address 192.0.2.7 is used already in account 000000300",
        ),
        (
            'users: [{extension: "101", name: A, static_ip: {address: localhost}}]',
            "address: Use the form 203.0.113.7.",
        ),
        (
            'users: [{extension: "101", name: A, sip: {}, static_ip: {address: 192.0.2.8}}]',
            "users: a user has sip or static_ip, not both",
        ),
        (
            'users: [{extension: "101", name: A, designated_number: "+37160000000"}]',
            "number +37160000000 is not one of the account's",
        ),
        ('groups: [{extension: "250", name: G, members: ["105"]}]', "user 105 does not exist"),
        ('groups: [{extension: "250", name: G, queue_max: 0}]', "queue_max: must be at least 1"),
        ('groups: [{extension: "100", name: G}]', "100 belongs to the administrator"),
        ('ivrs: [{name: Main, keys: {"1": {ivr: Night}}}]', "menu Night does not exist"),
        (
            'ivrs: [{name: Main, keys: {"x": {hangup: true}}}]',
            "keys: x is not a key of a telephone",
        ),
        (
            'ivrs: [{name: Main, keys: {"1": {user: "100", hangup: true}}}]',
            "1: a target is one of user, group, ivr, voicemail, external, hangup",
        ),
        (
            'call_flows: [{number: "+37070044960", to: {user: "100"}}]',
            "number +37070044960 is not one of the account's",
        ),
        (
            'call_flows: [{number: "+37070044960", to: {user: "100"}, timeout_s: 21}]\n'
            '  numbers: ["+37070044960"]',
            "timeout_s: must be a multiple of 5",
        ),
        (
            'call_flows: [{number: "+37070044960", to: {user: "100"}, period: never}]\n'
            '  numbers: ["+37070044960"]',
            "period: 'never' is not one of 'always'",
        ),
        (
            'call_flows: [{number: "+37070044960", to: {user: "100"}, '
            'period: {from: 9, to: "18:00"}}]',
            'from: write it in quotes, like "9"',
        ),
        (
            'call_flows: [{number: "+37070044960", to: {user: "100"}, '
            "period: {from: 18:00, to: 18:00}}]",
            "period: Choose two different times.",
        ),
    ],
)
def test_mistakes_of_an_account(tmp_path: Path, line: str, expected: str) -> None:
    """Fields, the namespace of extensions, what is unique in the switch, targets."""
    found = said(tmp_path, f"{PROVIDER}  {line}\n")
    assert found == [f"6: {expected}"]


def test_numbers_of_another_account_are_refused(tmp_path: Path) -> None:
    """One number, one owner."""
    text = PROVIDER.replace("+37070044960", "+37167881020") + '  numbers: ["+37167881020"]\n'
    assert said(tmp_path, text) == ["6: number +37167881020 is used already in account 000000300"]


def test_extensions_are_one_namespace(tmp_path: Path) -> None:
    """Users, groups and menus of an account."""
    text = PROVIDER + (
        '  users: [{extension: "101", name: A}]\n'
        '  groups: [{extension: "101", name: G}]\n'
        '  ivrs: [{name: M, extension: "101"}]\n'
    )
    assert said(tmp_path, text) == [
        "7: 101 belongs to user A",
        "8: 101 belongs to user A",
    ]


def test_the_providers_emergency_numbers_count(tmp_path: Path) -> None:
    """A28, also for numbers that are not emergency numbers everywhere."""
    text = 'emergency: {numbers: ["110"]}\n' + PROVIDER + '  users: [{extension: "110", name: A}]\n'
    assert said(tmp_path, text) == ["7: An extension cannot begin with the emergency number 110."]


def test_seats_are_counted_with_the_administrator(tmp_path: Path) -> None:
    """S83: five users, bought ones on top, never above the catalogue's maximum."""
    users = ", ".join(f'{{extension: "10{n}", name: A}}' for n in range(1, 6))
    text = f"{PROVIDER}  users: [{users}]\n"
    assert said(tmp_path, text) == ["6: 6 users with the administrator, but only 5 are paid for"]
    assert said(tmp_path, text + "  users_bought: 1\n") == []


def test_accounts_cannot_claim_one_login(tmp_path: Path) -> None:
    """Logins are unique in the whole switch (S75), also within the files."""
    text = """\
accounts:
- id: "000000001"
  administrator: {sip: {login: same}}
- id: "000000002"
  administrator: {sip: {login: same}}
"""
    assert said(tmp_path, text) == ["5: login same is used already in account 000000001"]


def test_all_mistakes_are_told_at_once(tmp_path: Path) -> None:
    """Each with its own line."""
    text = PROVIDER + "  country: XX\n  language: english\n  users:\n  - {name: A}\n  colour: red\n"
    assert [line.split(":")[0] for line in said(tmp_path, text)] == ["6", "7", "9", "10"]


def test_mistakes_of_form_do_not_hide_what_refers_to_nothing(tmp_path: Path) -> None:
    """A person mends a file once, not once for each kind of mistake."""
    text = PROVIDER + "  country: XX\n  tariff: golden\n  colour: red\n"
    assert said(tmp_path, text) == [
        "6: country: XX is not a country code like LV",
        "7: tariff golden does not exist",
        '8: unknown key "colour", the nearest known key is "country"',
    ]


def test_a_misspelt_list_does_not_make_its_objects_seem_unknown(tmp_path: Path) -> None:
    """The account's tariff is there, under a key that we cannot read."""
    text = """\
tarifs: [{name: gold}]
accounts:
- id: "000000212"
  tariff: gold
"""
    assert said(tmp_path, text) == ['1: unknown key "tarifs", the nearest known key is "tariffs"']


def test_trunks_cannot_claim_one_address(tmp_path: Path) -> None:
    """The second one is refused at its line; a narrower network is another one."""
    text = """\
trunks:
- {name: a, destination: "sip:h", ip: ["192.0.2.9", "198.51.100.0/24"]}
- name: b
  destination: "sip:h"
  ip:
  - "2001:db8::9"
  - "192.0.2.9/32"
  - "198.51.100.128/25"
- {name: c, destination: "sip:h", ip: ["198.51.100.0/24"]}
"""
    assert said(tmp_path, text) == [
        "7: 192.0.2.9 is an address of trunk a",
        "9: 198.51.100.0/24 is an address of trunk a",
    ]


def test_trunks_of_one_registrar_are_told_apart_by_their_contact(tmp_path: Path) -> None:
    """Calls to them name it."""
    text = """\
trunks:
- {name: a, registrar: "sip:h", username: u, contact_user: one, ip: ["192.0.2.9"]}
- {name: b, registrar: "sip:h", username: u, contact_user: %s, ip: ["192.0.2.9"]}
"""
    assert said(tmp_path, text % "two") == []
    assert said(tmp_path, text % "one") == ["3: 192.0.2.9 is an address of trunk a"]
