"""How soon a saved account is obeyed, on both databases, and what calls feel of a mass apply."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from bench import switch
from bench.measure import median, percentile
from bench.report import Row
from softswitch.control_socket import ask
from tests.conftest import postgresql_cluster
from tests.live.service import Service
from tests.live.world import Document

ACCOUNTS, USERS = 1000, 20
COMMANDS = 60
CALL_RATE = 20.0
MASS_SECONDS = 60.0  # longer than an apply of all accounts takes


class Asked:
    """A running switch, asked over its control socket; each answer comes when calls obey."""

    def __init__(self, service: Service) -> None:
        self._state_dir = service.folder / "state"

    def took_ms(self, verb: str, **arguments: Any) -> float:
        """From the command's start to its answer; the snapshot has been swapped by then."""
        began_s = time.monotonic()
        answer = ask(self._state_dir, verb, arguments)
        if "problems" in answer:
            raise RuntimeError(str(answer["problems"]))
        return (time.monotonic() - began_s) * 1000


def obeyed_rows(service: Service, store: str, world: Document) -> Iterator[Row]:
    """Blocking and unblocking an account, and a state file of one account that changes a user."""
    asked = Asked(service)

    def block(number: int) -> float:
        verb = "account unblock" if number % 2 else "account block"
        return asked.took_ms(verb, account=world["accounts"][5 + number // 2]["id"])

    def save(number: int) -> float:
        account = dict(world["accounts"][5 + number])
        account["company"] = f"Renamed {number}"
        path = service.write_state({"accounts": [account]})
        return asked.took_ms("apply", files=[str(path)])

    yield obeyed_row("account block", store, block)
    yield obeyed_row("apply of one account", store, save)


def obeyed_row(work: str, store: str, command: Callable[[int], float]) -> Row:
    """The median of many, and their 95th percentile."""
    command(0)
    command(1)
    took_ms = sorted(command(2 + number) for number in range(COMMANDS))
    load = f"{store}, {ACCOUNTS} accounts of {USERS} users"
    remark = f"p95 {percentile(took_ms, 0.95):.0f} ms, at most {took_ms[-1]:.0f} ms"
    return Row(f"obeyed: {work}", "softswitch", load, median(took_ms), "ms", remark)


def mass_row(service: Service, store: str, world: Document) -> Row:
    """The longest that a call waited for its answer while all accounts were applied."""
    for account in world["accounts"]:
        account["company"] = "Renamed again"
        for user in account["users"]:
            user["last_name"] = "Renamed"
    path = service.write_state(world)
    took_ms: list[float] = []
    asked = Asked(service)
    applying = threading.Thread(
        target=lambda: took_ms.append(asked.took_ms("apply", files=[str(path)]))
    )
    applying.start()
    outcome = switch.generate(
        "call",
        CALL_RATE,
        MASS_SECONDS,
        target="{}:{}".format(*switch.TARGET),
        domain=switch.SWITCH,
    )
    applying.join()
    load = f"{store}, {CALL_RATE:g} calls/s beside an apply of {ACCOUNTS} accounts"
    remark = f"apply took {took_ms[0] / 1000:.0f} s; {outcome.failed} calls failed"
    return Row(
        "answer during a mass apply", "softswitch", load, outcome.setup_ms_max, "ms at most", remark
    )


def measure(folder: Path) -> list[Row]:
    """All rows."""
    return list(_rows(folder))


def _rows(folder: Path) -> Iterator[Row]:
    yield from _store_rows(folder / "commands", "SQLite", {})
    with postgresql_cluster() as cluster:
        cluster.execute("CREATE DATABASE bench")
        yield from _store_rows(folder / "commands-pg", "PostgreSQL", {"url": cluster.url("bench")})


def _store_rows(folder: Path, store: str, section: Document) -> Iterator[Row]:
    world = switch.logins_world(ACCOUNTS, USERS)
    service = switch.installed(folder, store=section)
    service.apply(world)
    with switch.started(service):
        yield from obeyed_rows(service, store, world)
        yield mass_row(service, store, world)
