"""``softswitch``: the operator's command line. Exit codes: 0 done, 1 refused, 2 misused.

Each verb goes through the control socket of the running service, or works on the store itself when
there is none. Whatever an operator can cause ends in lines on standard error, one a problem.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any, NoReturn

import click

from softswitch.admin.refusal import Refused
from softswitch.clock import utc_us
from softswitch.config import Config, ConfigError, find, load
from softswitch.control_socket import ControlError, NotRunning, ask
from softswitch.plan_text import number_line, parse_time, plan_lines
from softswitch.subjects import LIVE, SUBJECTS, table

json_option = click.option("--json", "as_json", is_flag=True, help="Print JSON.")
account_option = click.option("--account", metavar="ID", default="", help="Only this account.")
at_option = click.option("--at", metavar="TIME", default="", help="ISO 8601; UTC without offset.")


class Switch:
    """The configured switch, asked through its socket or, when it does not run, directly."""

    def __init__(self, path: Path | None) -> None:
        self._path = path

    def ask(self, verb: str, **arguments: Any) -> Any:
        """The verb's result; ends the process with exit code 1 if it is refused."""
        config = self._config()
        try:
            answer = ask(config.store.state_dir, verb, arguments)
        except NotRunning:
            return self._ask_store(config, verb, arguments)
        except ControlError as error:
            refused([str(error)])
        if "problems" in answer:
            refused(answer["problems"])
        return answer["result"]

    def _config(self) -> Config:
        try:
            return load(find(self._path))
        except ConfigError as error:
            refused([str(problem) for problem in error.problems])

    def _ask_store(self, config: Config, verb: str, arguments: dict[str, Any]) -> Any:
        if verb == "status" or (verb == "show" and arguments["what"] in LIVE):
            refused(["the service is not running"])
        # Imported only here: database and migrations take a second that scripts, which ask a
        # running service again and again, need not wait.
        from softswitch.cli_local import LocalRefusal, ask_store

        try:
            return ask_store(config, verb, arguments)
        except LocalRefusal as error:
            refused(error.lines)


pass_switch = click.make_pass_decorator(Switch)


def refused(lines: Sequence[str]) -> NoReturn:
    """Say why, one line a problem, and end with exit code 1."""
    for line in lines:
        click.echo(line, err=True)
    raise SystemExit(1)


def say(result: Any, lines: Callable[[], Sequence[str]], as_json: bool) -> None:
    """Print a result as JSON or as lines for a person."""
    if as_json:
        click.echo(json.dumps(result, ensure_ascii=False, indent=2))
    else:
        for line in lines():
            click.echo(line)


@click.group()
@click.option("--config", "path", metavar="FILE", type=click.Path(path_type=Path), default=None)
@click.pass_context
def main(context: click.Context, path: Path | None) -> None:
    """Operate a softswitch. Without --config: ./softswitch.toml, then /etc/softswitch/."""
    context.obj = Switch(path)


@main.command()
@click.argument("files", nargs=-1, required=True, type=click.Path(path_type=Path))
@click.option("--dry-run", is_flag=True, help="Only print what would change.")
@json_option
@pass_switch
def apply(switch: Switch, files: tuple[Path, ...], dry_run: bool, as_json: bool) -> None:
    """Make the store equal to what the state FILES say."""
    paths = [str(file.absolute()) for file in files]
    result = switch.ask("apply", files=paths, dry_run=dry_run)
    say(result["changes"], lambda: result["lines"], as_json)


@main.command()
@click.argument("folder", type=click.Path(path_type=Path))
@account_option
@click.option("--with-secrets", is_flag=True, help="Write SIP passwords too.")
@json_option
@pass_switch
def export(switch: Switch, folder: Path, account: str, with_secrets: bool, as_json: bool) -> None:
    """Write the store as state.yaml and its audio files into FOLDER."""
    where = str(folder.absolute())
    result = switch.ask("export", folder=where, account=account, with_secrets=with_secrets)
    say(result, lambda: [result["file"]], as_json)


@main.command()
@click.argument("what", type=click.Choice(SUBJECTS))
@account_option
@json_option
@pass_switch
def show(switch: Switch, what: str, account: str, as_json: bool) -> None:
    """Print what there is."""
    rows = switch.ask("show", what=what, account=account)
    say(rows, lambda: [table(rows)], as_json)


@main.command()
@json_option
@pass_switch
def status(switch: Switch, as_json: bool) -> None:
    """Whether the service runs; exit code 1 if not."""
    result = switch.ask("status")
    say(result, lambda: list(_status_lines(result)), as_json)


def _status_lines(result: dict[str, Any]) -> Iterator[str]:
    for key, value in result.items():
        if key == "warnings":
            yield from (f"warning: {sentence}" for sentence in value)
        else:
            yield f"{key}: {value}"


@main.command()
@json_option
@pass_switch
def check(switch: Switch, as_json: bool) -> None:
    """What is wrong with configuration and state, port by port."""
    result = switch.ask("check")
    say(result["report"], lambda: result["lines"], as_json)
    if result["report"]["problems"]:
        refused(result["report"]["problems"])


@main.command()
@click.argument("caller", metavar="FROM")
@click.argument("dialled", metavar="TO")
@at_option
@click.option("--account", metavar="ID", default="", help="FROM is an extension of this account.")
@json_option
@pass_switch
def route(switch: Switch, caller: str, dialled: str, at: str, account: str, as_json: bool) -> None:
    """What would happen to a call, and why. FROM: an extension, a SIP login, a trunk, a number."""
    arguments = {"from": caller, "to": dialled, "at": at, "account": account}
    result = switch.ask("route", **arguments)
    say(result, lambda: plan_lines(result), as_json)


@main.group()
def trunk() -> None:
    """Carriers."""


@trunk.command("test")
@click.argument("name")
@click.argument("number")
@click.option("--caller", metavar="NUMBER", default="", help="A caller's number, too.")
@click.option("--in", "is_in", is_flag=True, help="As the carrier sends it; else as we do.")
@json_option
@pass_switch
def trunk_test(
    switch: Switch, name: str, number: str, caller: str, is_in: bool, as_json: bool
) -> None:
    """What the trunk's rules make of a number, and which of them."""
    arguments = {"name": name, "number": number, "caller": caller, "in": is_in}
    rows = switch.ask("trunk test", **arguments)
    say(rows, lambda: [number_line(row) for row in rows], as_json)


@main.group()
def ledger() -> None:
    """The ledger."""


@ledger.command("verify")
@account_option
@json_option
@pass_switch
def ledger_verify(switch: Switch, account: str, as_json: bool) -> None:
    """Check every chain, balance and reservation; exit code 1 if something does not add up."""
    result = switch.ask("ledger verify", account=account)
    say(result, lambda: [f"{result['accounts']} accounts verified"], as_json)
    if result["problems"]:
        refused([f"{p['account']} entry {p['entry']}: {p['problem']}" for p in result["problems"]])


@main.group()
def jobs() -> None:
    """Periodic work."""


@jobs.command("run")
@click.argument("name")
@at_option
@json_option
@pass_switch
def jobs_run(switch: Switch, name: str, at: str, as_json: bool) -> None:
    """Run a job now, as if it were TIME."""
    try:
        at_us = int(parse_time(at).timestamp() * 1_000_000) if at else utc_us()
    except Refused as error:
        refused([str(error)])
    result = switch.ask("jobs run", name=name, at_us=at_us)
    say(result, lambda: [f"{result['job']}: {result['done']} done"], as_json)


@main.group()
def account() -> None:
    """One account."""


@account.command("block")
@click.argument("account_id", metavar="ID")
@click.option("--reason", default="operator", show_default=True, help="operator, fraud or closed")
@json_option
@pass_switch
def account_block(switch: Switch, account_id: str, reason: str, as_json: bool) -> None:
    """Block an account."""
    result = switch.ask("account block", account=account_id, reason=reason)
    say(result, lambda: [f"{account_id} is blocked"], as_json)


@account.command("unblock")
@click.argument("account_id", metavar="ID")
@json_option
@pass_switch
def account_unblock(switch: Switch, account_id: str, as_json: bool) -> None:
    """Lift an account's block."""
    result = switch.ask("account unblock", account=account_id)
    say(result, lambda: [f"{account_id} is not blocked"], as_json)


def _money_command(name: str, text: str) -> None:
    """``account credit`` and ``account refund`` differ in one word."""

    @account.command(name, help=text)
    @click.argument("account_id", metavar="ID")
    @click.argument("amount")
    @click.option("--text", "why", default="", help="What stands in the ledger.")
    @click.option("--key", default="", help="Posts only once for the same key.")
    @json_option
    @pass_switch
    def command(
        switch: Switch, account_id: str, amount: str, why: str, key: str, as_json: bool
    ) -> None:
        result = switch.ask(f"account {name}", account=account_id, amount=amount, text=why, key=key)
        say(result, lambda: [f"{account_id} has {result['balance']}"], as_json)


_money_command("credit", "Add AMOUNT to the balance.")
_money_command("refund", "Pay AMOUNT back: take it from the balance.")


@main.group()
def bans() -> None:
    """Sources, and logins at a source, that are banned."""


@bans.command("list")
@json_option
@pass_switch
def bans_list(switch: Switch, as_json: bool) -> None:
    """Print what is banned, why and until when."""
    rows = switch.ask("bans list")
    say(rows, lambda: [table(rows)], as_json)


@bans.command("lift")
@click.argument("source")
@click.argument("login", default="")
@json_option
@pass_switch
def bans_lift(switch: Switch, source: str, login: str, as_json: bool) -> None:
    """Lift every ban at the address SOURCE, or only that of LOGIN there."""
    result = switch.ask("bans lift", source=source, login=login)
    whom = f"{login} at {source}" if login else source
    say(result, lambda: [f"{whom} is not banned any more"], as_json)


def _unbuilt_import(name: str) -> None:
    """A verb of the contract whose part comes later says so instead of being unknown."""

    @main.group(name, help=f"Import of {name} (not built yet).")
    def group() -> None: ...

    @group.command(
        "import", help="Not built yet.", context_settings={"ignore_unknown_options": True}
    )
    @click.argument("arguments", nargs=-1, type=click.UNPROCESSED)
    def command(arguments: tuple[str, ...]) -> None:
        refused([f"{name} import is not built yet"])


_unbuilt_import("rates")
_unbuilt_import("bank")


if __name__ == "__main__":
    main()
