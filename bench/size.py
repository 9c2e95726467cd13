"""Memory of bindings and calls, the time to start with many users, and how soon a change counts."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path

from bench import switch
from bench.measure import RUNS, family, median, memory_bytes
from bench.report import Row
from bench.sip_load import Calls
from bench.switch import LOGIN_FORMAT, PASSWORD, SWITCH, TARGET
from tests.live.service import Service

BINDINGS = 10_000
REGISTER_RATE = 500.0
CALLS = 500
CALL_RATE = 50.0
ACCOUNTS, USERS = 1000, 20


def binding_row(service: Service) -> Row:
    """What a registered phone takes."""
    before = memory_bytes(family(service.pid))
    outcome = switch.generate(
        "register",
        REGISTER_RATE,
        BINDINGS / REGISTER_RATE,
        target="{}:{}".format(*TARGET),
        domain=SWITCH,
        user_format=LOGIN_FORMAT,
        password=PASSWORD,
        users=BINDINGS,
    )
    switch.settle(15.0)  # until timers of the last transactions are over
    each = (memory_bytes(family(service.pid)) - before) / max(1, outcome.done)
    return Row("memory of a binding", "softswitch", f"{outcome.done} bindings", each, "bytes")


def call_row(service: Service) -> Row:
    """What a call that stands takes, in all processes of the service."""
    before = memory_bytes(family(service.pid))
    load = Calls(switch.call_plan(CALL_RATE, CALLS / CALL_RATE, keep=True))
    outcome = load.run()
    switch.settle(40.0)
    each = (memory_bytes(family(service.pid)) - before) / max(1, outcome.done)
    load.hang_up_all(5.0)
    load.close()
    return Row("memory of a call", "softswitch", f"{outcome.done} calls", each, "bytes")


def start_row(service: Service) -> Row:
    """From the command to "softswitch ready"."""
    took_s = []
    for _ in range(RUNS):
        began_s = time.monotonic()
        service.start()
        took_s.append(time.monotonic() - began_s)
        service.stop()
    load = f"{ACCOUNTS} accounts of {USERS} users"
    return Row("start", "softswitch", load, median(took_s), "s")


def measure(folder: Path) -> list[Row]:
    """All rows."""
    return list(_rows(folder))


def _rows(folder: Path) -> Iterator[Row]:
    service = switch.installed(folder / "memory")
    service.apply(switch.logins_world(BINDINGS // 100, 100))
    with switch.started(service):
        yield binding_row(service)
        yield call_row(service)
    service = switch.installed(folder / "start")
    service.apply(switch.logins_world(ACCOUNTS, USERS))
    yield start_row(service)
