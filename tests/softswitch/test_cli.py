"""The command line without a service: outputs, exit codes, and no traceback for any mistake."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result
from sqlalchemy import create_engine, insert

from softswitch.cli import main
from softswitch.cli_local import ask_store
from softswitch.clock import utc_us
from softswitch.config import load
from softswitch.store.models import Ban

FIELDS = {
    "accounts": {"account", "company", "status", "balance", "currency"},
    "balance": {
        "account", "currency", "balance", "reserved", "available", "credit_limit", "status",
    },
    "ledger": {"id", "account", "key", "kind", "amount", "balance_after", "at"},
    "numbers": {"number", "account", "status", "monthly_fee", "bought_at", "delete_at"},
}  # fmt: skip


@pytest.fixture
def config(tmp_path: Path, migrated_sqlite: Path) -> Path:
    """A configuration whose store is in the test's folder."""
    var = tmp_path / "var"
    var.mkdir()
    (var / "softswitch.db").write_bytes(migrated_sqlite.read_bytes())
    path = tmp_path / "softswitch.toml"
    path.write_text(
        f'[store]\nurl = "sqlite:///{var}/softswitch.db"\nstate_dir = "{var}"\n'
        '[sip]\nudp = ["127.0.0.1:15061"]\ntcp = []\n'
        '[web]\nlisten = ["127.0.0.1:18081"]\n[media]\nports = "28000-28007"\n'
    )
    return path


@pytest.fixture
def applied(config: Path, example: Path) -> Path:
    """The same, with the contract's example in the store."""
    assert run(config, "apply", str(example)).exit_code == 0
    return config


def run(config: Path, *arguments: str) -> Result:
    """One command; an exception that is not an exit fails the test."""
    result = CliRunner().invoke(main, ["--config", str(config), *arguments])
    assert result.exception is None or isinstance(result.exception, SystemExit), result.exc_info
    return result


def as_json(config: Path, *arguments: str) -> Any:
    """What a command prints with --json."""
    result = run(config, *arguments, "--json")
    assert result.exit_code == 0, result.stderr
    return json.loads(result.stdout)


def test_apply_prints_the_difference(config: Path, example: Path) -> None:
    """Dry, wet, and again."""
    dry = run(config, "apply", str(example), "--dry-run")
    wet = run(config, "apply", str(example))
    assert dry.stdout == wet.stdout
    assert "+ account 000000212\n" in wet.stdout
    assert run(config, "apply", str(example)).stdout == "nothing to change\n"
    assert as_json(config, "apply", str(example)) == []


def test_a_bad_file_is_refused_with_all_its_problems(config: Path, tmp_path: Path) -> None:
    """Exit code 1, one line a problem on standard error, nothing on standard output."""
    path = tmp_path / "bad.yaml"
    path.write_text("trunk: []\nroute: []\n")
    result = run(config, "apply", str(path))
    assert (result.exit_code, result.stdout) == (1, "")
    assert result.stderr.splitlines() == [
        f'{path}:1: unknown key "trunk", the nearest known key is "trunks"',
        f'{path}:2: unknown key "route", the nearest known key is "routes"',
    ]


@pytest.mark.parametrize("what", sorted(FIELDS))
def test_show_has_the_contracts_fields(applied: Path, what: str) -> None:
    """At least these."""
    rows = as_json(applied, "show", what)
    assert rows
    assert FIELDS[what] <= set(rows[0])
    assert rows[0]["account"] in run(applied, "show", what, "--account", "000000212").stdout


@pytest.mark.parametrize("what", ["cdrs", "recordings", "voicemails", "mails"])
def test_what_there_is_none_of_is_an_empty_array(applied: Path, what: str) -> None:
    """Also of parts that are not built yet."""
    assert as_json(applied, "show", what) == []
    assert run(applied, "show", what).stdout == "none\n"


@pytest.mark.parametrize("arguments", [("show", "calls"), ("show", "registrations"), ("status",)])
def test_live_data_needs_the_service(applied: Path, arguments: tuple[str, ...]) -> None:
    """Exit code 1 and one line."""
    result = run(applied, *arguments, "--json")
    assert (result.exit_code, result.stdout) == (1, "")
    assert result.stderr == "the service is not running\n"


def test_check_lists_ports_and_what_is_not_built(applied: Path) -> None:
    """Exit code 0: the operator has made no mistake."""
    report = as_json(applied, "check")
    assert report["problems"] == []
    assert [port["state"] for port in report["ports"]] == ["free", "free", "8 of 8 free"]
    assert "account 000000212: menu Main: calls to it get 501" in report["notes"]


def test_check_names_an_address_that_is_not_ours(applied: Path) -> None:
    """Exit code 1, and which listener."""
    applied.write_text(applied.read_text().replace("127.0.0.1:15061", "192.0.2.1:15061"))
    result = run(applied, "check")
    assert result.exit_code == 1
    assert "sip udp 192.0.2.1:15061: not an address of this host" in result.stderr.splitlines()


def test_route_prints_trace_and_steps(applied: Path) -> None:
    """For people and for scripts; the time is the operator's to choose."""
    arguments = ("route", "101", "+37120000001", "--account", "000000212")
    plan = as_json(applied, *arguments, "--at", "2026-01-31T09:00:00Z")
    (step,) = plan["steps"]
    assert (step["step"], step["number"], step["trunks"]) == ("dial", "+37120000001", ["carrier"])
    assert step["payment"]["per_minute"] == "0.06"
    assert plan["trace"][0] in run(applied, *arguments).stdout


def test_route_takes_logins_trunks_and_numbers(applied: Path) -> None:
    """FROM says who calls."""
    assert as_json(applied, "route", "883140000000101", "102")["steps"][0]["step"] == "ring"
    from_trunk = as_json(applied, "route", "carrier", "+37070044960")["trace"]
    from_number = as_json(applied, "route", "+37120000001", "+37070044960")["trace"]
    assert from_trunk[0] == "call from trunk carrier, caller withheld, to +37070044960"
    assert from_number[0] == "call from trunk carrier, caller +37120000001, to +37070044960"
    assert from_trunk[1:] == from_number[1:]
    refused = run(applied, "route", "nobody", "102")
    assert refused.exit_code == 1
    assert refused.stderr == "nobody is not a SIP login, a trunk or a number; give --account\n"


def test_money_and_blocks(applied: Path) -> None:
    """The verbs of one account."""
    assert as_json(applied, "account", "credit", "000000212", "5.5", "--key", "a") == {
        "account": "000000212",
        "balance": "55.50",
    }
    assert run(applied, "account", "refund", "000000212", "100").stderr == (
        "Only 55.50 EUR are available.\n"
    )
    assert run(applied, "account", "block", "000000212").exit_code == 0
    assert as_json(applied, "show", "accounts")[0]["status"] == "blocked_operator"
    assert run(applied, "account", "unblock", "000000212").exit_code == 0
    assert run(applied, "ledger", "verify").stdout == "1 accounts verified\n"


def test_bans_without_a_service_are_those_of_the_store(applied: Path) -> None:
    """Listed while they last, and lifted by login or by source."""
    url = load(applied).store.url
    hour_us = 3_600_000_000
    with create_engine(url).begin() as connection:
        for source, login, until_us in (
            ("203.0.113.7", "883", utc_us() + hour_us),
            ("203.0.113.7", "884", utc_us() + hour_us),
            ("203.0.113.8", "", utc_us() - hour_us),
        ):
            connection.execute(
                insert(Ban).values(source=source, login=login, reason="wrong passwords",
                                   since_us=0, until_us=until_us, times=1, proved=True)
            )  # fmt: skip
    rows = as_json(applied, "bans", "list")
    assert [(row["kind"], row["source"], row["login"]) for row in rows] == [
        ("login", "203.0.113.7", "883"),
        ("login", "203.0.113.7", "884"),
    ]
    lifted = as_json(applied, "bans", "lift", "203.0.113.7", "883")
    assert lifted == {"source": "203.0.113.7", "login": "883", "lifted": 1}
    said = run(applied, "bans", "lift", "203.0.113.7").stdout
    assert said == "203.0.113.7 is not banned any more\n"
    assert run(applied, "bans", "list").stdout == "none\n"


def test_jobs_and_bans(applied: Path) -> None:
    """Time is an argument; nothing is banned."""
    job = as_json(applied, "jobs", "run", "expire-sessions", "--at", "2030-01-01T00:00:00Z")
    assert job == {"job": "expire-sessions", "done": 0}
    assert as_json(applied, "bans", "list") == []
    assert run(applied, "bans", "lift", "192.0.2.1").stderr == "192.0.2.1 is not banned\n"


@pytest.mark.parametrize("name", ["rates", "bank"])
def test_imports_say_that_they_are_not_built(config: Path, name: str) -> None:
    """Known, and refused in one line."""
    result = run(config, name, "import", "file.csv", "--json")
    assert (result.exit_code, result.stderr) == (1, f"{name} import is not built yet\n")


@pytest.mark.parametrize("arguments", [("dance",), ("show", "elephants"), ("apply",), ("route",)])
def test_a_wrong_command_line_is_exit_code_2(config: Path, arguments: tuple[str, ...]) -> None:
    """As every Unix program."""
    assert run(config, *arguments).exit_code == 2


def test_a_bad_configuration_is_told_line_by_line(config: Path) -> None:
    """Before anything is opened."""
    config.write_text("[sip]\nudpp = []\ndrain_s = -1\n")
    result = run(config, "show", "accounts")
    assert result.exit_code == 1
    assert result.stderr.splitlines() == [
        f'{config}:2: unknown key "udpp", the nearest known key is "udp"',
        f"{config}:3: drain_s: must be at least 0",
    ]


def test_a_store_that_cannot_be_reached_is_one_line(config: Path, tmp_path: Path) -> None:
    """Whichever it is."""
    config.write_text(f'[store]\nurl = "sqlite:////nowhere/x.db"\nstate_dir = "{tmp_path}/var"\n')
    result = run(config, "show", "accounts")
    assert result.exit_code == 1
    assert result.stderr == "cannot open the database sqlite:////nowhere/x.db: no folder /nowhere\n"


def test_a_lost_key_file_is_one_line(applied: Path, tmp_path: Path) -> None:
    """Passwords that do not open are no traceback."""
    (tmp_path / "var" / "keys" / "secrets.key").write_bytes(b"o" * 32)
    result = run(applied, "export", str(tmp_path / "out"))
    assert result.exit_code == 1
    assert result.stderr == "a sealed password does not open with the key file\n"


def test_a_ledger_of_nobody_is_not_verified(applied: Path) -> None:
    """A script that misspells the account must not read that all is well."""
    result = run(applied, "ledger", "verify", "--account", "000000404")
    assert result.exit_code == 1
    assert result.stderr == "account 000000404 does not exist\n"


def test_export_names_its_file(applied: Path, tmp_path: Path) -> None:
    """And applying that changes nothing."""
    folder = tmp_path / "out"
    assert as_json(applied, "export", str(folder)) == {"file": str(folder / "state.yaml")}
    assert run(applied, "apply", str(folder / "state.yaml")).stdout == "nothing to change\n"


def test_the_module_runs_as_a_program(applied: Path) -> None:
    """``python -m softswitch.cli``, as scripts call it: output, errors and exit code."""
    command = [sys.executable, "-m", "softswitch.cli", "--config", str(applied)]
    shown = subprocess.run([*command, "show", "accounts", "--json"], capture_output=True, text=True)
    assert shown.returncode == 0, shown.stderr
    assert json.loads(shown.stdout)[0]["account"] == "000000212"
    refused = subprocess.run([*command, "status"], capture_output=True, text=True)
    assert (refused.returncode, refused.stderr) == (1, "the service is not running\n")


def test_the_demo_is_accepted(config: Path) -> None:
    """``make run`` loads it: 16.27, and a flow that rings Anna, then Mary."""
    demo = Path(__file__).parents[2] / "demo" / "state.yaml"
    assert run(config, "apply", str(demo)).exit_code == 0
    assert as_json(config, "show", "balance", "--account", "000000212")[0]["balance"] == "16.27"
    arguments = {"from": "loopback-carrier", "to": "+37070044960"}
    plan = ask_store(load(config), "route", arguments)
    assert "333" in " ".join(plan["trace"])


def test_a_trunk_tells_what_it_makes_of_a_number(applied: Path) -> None:
    """Which rule, in both directions; a trunk that does not exist is one line."""
    rows = as_json(
        applied, "trunk", "test", "carrier", "+371 2000-0001", "--caller", "+37070044960"
    )
    assert rows == [
        {"of": of, "given": given, "number": number, "rule": "number_format e164"}
        for of, given, number in (
            ("called", "+371 2000-0001", "+37120000001"),
            ("caller", "+37070044960", "+37070044960"),
        )
    ]
    told = run(applied, "trunk", "test", "carrier", "0037120000001", "--in").stdout
    assert told == "called 0037120000001 -> +37120000001 (number_format e164)\n"
    told = run(applied, "trunk", "test", "carrier", "nobody", "--in").stdout
    assert told == "called nobody -> no telephone number (number_format e164)\n"
    refused = run(applied, "trunk", "test", "other", "112")
    assert (refused.exit_code, refused.stderr) == (1, "trunk other does not exist\n")


def test_live_trunks_need_the_service(applied: Path) -> None:
    """Nobody else knows how carriers do."""
    refused = run(applied, "show", "trunks", "--json")
    assert (refused.exit_code, refused.stderr) == (1, "the service is not running\n")


def test_a_registering_trunk_without_a_password_is_noted(config: Path, tmp_path: Path) -> None:
    """As after applying an export without secrets: accepted, and told."""
    state = tmp_path / "lines.yaml"
    state.write_text('trunks: [{name: lines, registrar: "sip:sip.example.net", username: u}]')
    assert run(config, "apply", str(state)).exit_code == 0
    report = as_json(config, "check")
    assert report["problems"] == []
    assert report["notes"] == ["trunk lines: has no password yet, so its registrar will refuse it"]
