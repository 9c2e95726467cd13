"""What a crash or a lost database costs: nothing twice, nothing for ever."""

from __future__ import annotations

import os
import signal
import sqlite3
import time
from contextlib import closing
from decimal import Decimal
from pathlib import Path

import pytest

from tests.live.baresip import Phone
from tests.live.conftest import Stage
from tests.live.service import Service, eventually
from tests.live.sipp import Sipp
from tests.live.world import account, rate, trunk, world

ACCOUNT = "000000212"
OUTSIDE = "+37120000001"
BY_THE_SECOND = rate(per_minute="0.60", initial_s=1, increment_s=1)  # 0.01 a second
LOCKED_S = 8.0  # longer than a call-path transaction may wait


def talking(stage: Stage, **media: int) -> tuple[Service, Sipp, Phone]:
    """A service with a call to a carrier that has been answered."""
    host = stage.network.host()
    state = world(account(), trunks=(trunk("carrier", host),), rates=(BY_THE_SECOND,))
    service = stage.service(state, media=media)
    carrier = stage.peer("answer", host)
    anna = stage.phone(service, ACCOUNT, "101")
    anna.dial(OUTSIDE)
    anna.wait_for("CALL_ESTABLISHED")
    return service, carrier, anna


def charges(service: Service) -> list[Decimal]:
    """What the ledger says that calls cost so far."""
    amounts = [Decimal(row["amount"]) for row in service.show("ledger", ACCOUNT)]
    return [amount for amount in amounts if amount < 0]


def worker_pids(service: Service) -> set[int]:
    """The media workers of the service that run now."""
    tasks = Path(f"/proc/{service.pid}/task")
    found = {int(pid) for task in tasks.iterdir() for pid in _children(task)}
    return {pid for pid in found if b"rtp.worker" in _command_line(pid)}


def _children(task: Path) -> list[str]:
    return (task / "children").read_text().split()


def _command_line(pid: int) -> bytes:
    try:
        return Path(f"/proc/{pid}/cmdline").read_bytes()
    except FileNotFoundError:
        return b""


@pytest.mark.parametrize("workers", [0, 1], ids=["in process", "worker process"])
def test_kill_9_in_a_call(stage: Stage, workers: int) -> None:
    """After kill -9 and a restart the call is closed, charged once, and holds nothing."""
    service, _, _ = talking(stage, workers=workers)
    time.sleep(8)
    service.kill()
    service.start()

    (cdr,) = service.cdrs(ACCOUNT)
    # Counted to the last time that media was seen, told every five seconds.
    assert 2 <= cdr["duration_s"] <= 10
    assert cdr["hangup_by"] == "switch"
    assert cdr["ended_at"] is not None
    assert Decimal(cdr["price"]) == Decimal(cdr["billed_s"]) / 100
    assert charges(service) == [-Decimal(cdr["price"])]
    assert service.balance(ACCOUNT) == Decimal("50.00") - Decimal(cdr["price"])
    assert service.reserved(ACCOUNT) == 0
    assert service.show("calls") == []

    service.kill()
    service.start()
    assert len(service.show("cdrs", ACCOUNT)) == 1
    assert len(charges(service)) == 1
    service.ok("ledger", "verify")


def test_the_end_of_a_call_while_the_database_is_locked(stage: Stage) -> None:
    """A call that ends while nothing can be written is settled once, when writing works again."""
    service, carrier, anna = talking(stage)
    time.sleep(3)
    with closing(sqlite3.connect(service.folder / "softswitch.db", isolation_level=None)) as lock:
        lock.execute("BEGIN IMMEDIATE")
        anna.hang_up()
        carrier.finish()
        time.sleep(LOCKED_S)
        lock.execute("ROLLBACK")
    (cdr,) = service.cdrs(ACCOUNT, within_s=30)
    assert 3 <= cdr["duration_s"] <= 5
    assert charges(service) == [-Decimal(cdr["price"])]
    assert service.reserved(ACCOUNT) == 0
    service.ok("ledger", "verify")


def test_sigterm_ends_calls_in_order(stage: Stage) -> None:
    """SIGTERM in a call: BYE to both sides, the call settled, exit code 0."""
    service, carrier, _ = talking(stage)
    time.sleep(2)
    assert service.stop() == 0
    carrier.finish()
    (cdr,) = service.cdrs(ACCOUNT)
    assert cdr["hangup_by"] == "switch"
    assert charges(service) == [-Decimal(cdr["price"])]
    assert service.reserved(ACCOUNT) == 0


def test_a_media_worker_dies(stage: Stage) -> None:
    """The calls of a dead worker end and are settled; the next call has media again."""
    service, carrier, _ = talking(stage, workers=1)
    before = worker_pids(service)
    assert len(before) == 1
    for pid in before:
        os.kill(pid, signal.SIGKILL)
    carrier.finish()
    assert len(service.cdrs(ACCOUNT)) == 1
    after = eventually(lambda: worker_pids(service), lambda found: bool(found - before))
    assert len(after - before) == 1
