"""The control socket: its answers, its rights, and what a bad request does."""

from __future__ import annotations

import json
import socket
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from twisted.internet.defer import Deferred
from twisted.internet.selectreactor import SelectReactor

from softswitch import control_socket
from softswitch.commands import Commands
from softswitch.config import Config, StoreConfig
from softswitch.control import ControlServer
from softswitch.control_socket import ControlError, NotRunning
from softswitch.route_question import NobodyRegistered
from softswitch.secrets import Vault
from softswitch.snapshot import SnapshotHolder
from softswitch.store.database import Database
from softswitch.verbs import Site

CALL = {"call_id": "c1", "account": "000000212", "direction": "internal"}
PHONE = {"account": "000000213", "extension": "101"}
SUBSCRIPTION = {"account": PHONE["account"], "package": "dialog", "resource": "102"}


TRUNK: dict[str, Any] = {"name": "carrier", "state": "up"}


class FakeLive:
    """One call of one account, one phone of another."""

    def calls(self) -> list[object]:
        """One."""
        return [CALL]

    def registrations(self) -> list[object]:
        """One."""
        return [PHONE]

    def call_report(self, account: str | None) -> Callable[[], list[dict[str, Any]]]:
        """The call."""
        return lambda: [CALL] if account in (None, CALL["account"]) else []

    def registration_report(self, account: str | None) -> Callable[[], list[dict[str, Any]]]:
        """The phone."""
        return lambda: [PHONE] if account in (None, PHONE["account"]) else []

    @property
    def subscription_count(self) -> int:
        """One."""
        return 1

    def subscription_report(self, account: str | None) -> Callable[[], list[dict[str, Any]]]:
        """The phone's."""
        return lambda: [SUBSCRIPTION] if account in (None, PHONE["account"]) else []

    def trunk_report(self) -> Callable[[], list[dict[str, Any]]]:
        """One carrier."""
        return lambda: [TRUNK]


class FakeBans:
    """One source is banned."""

    def __init__(self) -> None:
        self.banned = {"198.51.100.9"}

    def later_report(self) -> Callable[[], list[dict[str, Any]]]:
        """The sources."""
        return lambda: [{"source": source} for source in self.banned]

    def lift(self, source: str, login: str) -> int:
        """Only as a whole."""
        found = not login and source in self.banned
        self.banned.discard(source)
        return int(found)


@pytest.fixture
def snapshots() -> SnapshotHolder:
    """The snapshot in force."""
    return SnapshotHolder()


@pytest.fixture
def server(
    database: Database, vault: Vault, snapshots: SnapshotHolder, state_dir: Path
) -> ControlServer:
    """A server that was not started: it answers, but has no socket."""
    config = Config(store=StoreConfig(state_dir=state_dir))
    commands = Commands(database, snapshots, vault, config.sip.domain)
    site = Site(config, vault, running=True)
    return ControlServer(
        object(),
        site,
        database,
        commands,
        snapshots,
        FakeLive(),
        NobodyRegistered,
        lambda: {"transactions": 3},
        lambda: ("the certificate ends soon",),
        FakeBans(),
    )


def asked(server: ControlServer, request: bytes) -> dict[str, Any]:
    """The answer to a request line."""
    found: list[bytes] = []
    Deferred.fromCoroutine(server.answer(request)).addCallback(found.append)
    (answer,) = found
    assert b"\n" not in answer
    document = json.loads(answer)
    assert isinstance(document, dict)
    return document


def verb(server: ControlServer, name: str, **arguments: Any) -> Any:
    """The result of a verb."""
    answer = asked(server, json.dumps({"verb": name, "arguments": arguments}).encode())
    assert "result" in answer, answer
    return answer["result"]


def test_an_applied_file_is_in_force_when_the_answer_comes(
    server: ControlServer, snapshots: SnapshotHolder, example: Path
) -> None:
    """The next call obeys."""
    result = verb(server, "apply", files=[str(example)])
    assert "+ user 101 of 000000212" in result["lines"]
    assert "000000212" in snapshots.current.accounts
    assert verb(server, "apply", files=[str(example)])["changes"] == []


def test_a_dry_run_changes_nothing(
    server: ControlServer, snapshots: SnapshotHolder, example: Path
) -> None:
    """It reads only."""
    before = snapshots.current
    assert verb(server, "apply", files=[str(example)], dry_run=True)["changes"]
    assert snapshots.current is before
    assert verb(server, "show", what="accounts") == []


def test_a_blocked_account_is_blocked_for_the_next_call(
    server: ControlServer, snapshots: SnapshotHolder, example: Path
) -> None:
    """Through the store into the snapshot."""
    verb(server, "apply", files=[str(example)])
    verb(server, "account block", account="000000212", reason="fraud")
    (account,) = snapshots.current.accounts.values()
    assert account.status == "blocked_fraud"


def test_live_data_comes_from_memory(server: ControlServer) -> None:
    """Filtered by account."""
    assert verb(server, "show", what="calls") == [CALL]
    assert verb(server, "show", what="calls", account="000000213") == []
    assert verb(server, "show", what="registrations", account="000000213") == [PHONE]
    assert verb(server, "show", what="trunks") == [TRUNK]
    assert verb(server, "show", what="subscriptions") == [SUBSCRIPTION]
    assert verb(server, "show", what="subscriptions", account="000000212") == []


def test_status_counts(server: ControlServer) -> None:
    """What a script waits for."""
    status = verb(server, "status")
    assert (status["running"], status["calls"], status["registrations"]) == (True, 1, 1)
    assert (status["subscriptions"], status["transactions"]) == (1, 3)
    assert status["warnings"] == ["the certificate ends soon"]


def test_a_routing_question_uses_the_snapshot_in_force(
    server: ControlServer, example: Path
) -> None:
    """The same function as a call."""
    verb(server, "apply", files=[str(example)])
    arguments = {"from": "101", "to": "102", "account": "000000212"}
    plan = verb(server, "route", **arguments)
    assert [step["step"] for step in plan["steps"]] == ["ring"]


@pytest.mark.parametrize(
    ("request_line", "problem"),
    [
        (b"hello", "the request is not JSON"),
        (b"\xff\xfe", "the request is not JSON"),
        (b"[" * 100_000, "the request is not JSON"),
        (b"[]", "the request is not an object with a verb and arguments"),
        (b'{"verb": "show", "arguments": []}',
         "the request is not an object with a verb and arguments"),
        (b'{"verb": "dance"}', "dance is not a verb of this service"),
        (b'{"verb": "apply"}', "give 1 to 1000 files"),
        (b'{"verb": "show", "arguments": {"what": 5}}', "what must be text"),
        (b'{"verb": "account block", "arguments": {"account": "1"}}',
         "There is no such account."),
        (b'{"verb": "route", "arguments": {"from": "1", "at": "noon"}}',
         "noon is not a time like 2026-01-31T09:00:00Z"),
        (b'{"verb": "jobs run", "arguments": {"name": "x"}}',
         "x is not a job, the jobs are expire-bindings, expire-sessions"),
        (b'{"verb": "bans lift", "arguments": {"source": "192.0.2.1"}}',
         "192.0.2.1 is not banned"),
    ],
)  # fmt: skip
def test_a_bad_request_is_one_problem(
    server: ControlServer, request_line: bytes, problem: str
) -> None:
    """Never an exception, never silence."""
    assert asked(server, request_line) == {"problems": [problem]}


def test_all_problems_of_a_file_come_back(server: ControlServer, tmp_path: Path) -> None:
    """With file and line, as without a service."""
    path = tmp_path / "bad.yaml"
    path.write_text("trunk: []\nroute: []\n")
    answer = asked(
        server, json.dumps({"verb": "apply", "arguments": {"files": [str(path)]}}).encode()
    )
    assert answer["problems"] == [
        f'{path}:1: unknown key "trunk", the nearest known key is "trunks"',
        f'{path}:2: unknown key "route", the nearest known key is "routes"',
    ]


def test_bans_are_those_of_the_running_service(server: ControlServer) -> None:
    """Listed and lifted in memory; addresses in any spelling; what is not banned is told."""
    assert verb(server, "bans list") == [{"source": "198.51.100.9"}]
    lifted = verb(server, "bans lift", source="198.51.100.9")
    assert lifted == {"source": "198.51.100.9", "login": None, "lifted": 1}
    assert verb(server, "bans list") == []
    request = b'{"verb": "bans lift", "arguments": {"source": "2001:DB8::1", "login": "883"}}'
    assert asked(server, request) == {"problems": ["883 at 2001:db8::1 is not banned"]}


@pytest.fixture
def listening(server: ControlServer, state_dir: Path) -> Iterator[Callable[[], None]]:
    """The server on a real socket; call the value to have the reactor turn."""
    state_dir.mkdir(exist_ok=True)
    reactor = SelectReactor()
    server._reactor = reactor
    server.startService()
    yield lambda: reactor.iterate(0.01)
    server.stopService()
    reactor.iterate(0)
    reactor.iterate(0)
    assert not (state_dir / "control.sock").exists()


def test_the_socket_is_for_the_owner_alone(listening: Callable[[], None], state_dir: Path) -> None:
    """Mode 0600: whoever can open it is the operator."""
    assert (state_dir / "control.sock").stat().st_mode & 0o777 == 0o600


def test_the_client_gets_its_answer(listening: Callable[[], None], state_dir: Path) -> None:
    """Over the socket, with the client that the command line uses."""
    with ThreadPoolExecutor(1) as pool:
        answer = pool.submit(control_socket.ask, state_dir, "bans list", {})
        while not answer.done():
            listening()
    assert answer.result() == {"result": [{"source": "198.51.100.9"}]}


def test_only_one_service_has_a_state_folder(
    listening: Callable[[], None], server: ControlServer, state_dir: Path
) -> None:
    """A second one is told so."""
    with pytest.raises(ControlError, match=f"another softswitch runs on {state_dir}"):
        control_socket.make_way(state_dir)


def test_what_a_crash_left_is_replaced(tmp_path: Path) -> None:
    """A socket file that nobody listens on."""
    with socket.socket(socket.AF_UNIX) as crashed:
        crashed.bind(str(tmp_path / "control.sock"))
    control_socket.make_way(tmp_path)
    assert not (tmp_path / "control.sock").exists()


def test_a_deep_state_folder_has_an_address_too(tmp_path: Path) -> None:
    """A Unix socket's address has 108 bytes, a path may have more."""
    folder = tmp_path / ("x" * 120)
    folder.mkdir()
    with socket.socket(socket.AF_UNIX) as listening, control_socket.address_of(folder) as address:
        listening.bind(address)
        listening.listen()
        assert control_socket.is_running(folder)


def test_without_a_service_the_client_knows(tmp_path: Path) -> None:
    """No folder, no socket, nobody behind the socket."""
    for folder in (tmp_path / "none", tmp_path):
        with pytest.raises(NotRunning):
            control_socket.ask(folder, "status", {})


def test_money_moves_and_the_ledger_adds_up(server: ControlServer, example: Path) -> None:
    """Credit, look, verify."""
    verb(server, "apply", files=[str(example)])
    verb(server, "account credit", account="000000212", amount="1")
    assert verb(server, "show", what="balance")[0]["balance"] == "51.00"
    assert verb(server, "ledger verify") == {"accounts": 1, "problems": []}
