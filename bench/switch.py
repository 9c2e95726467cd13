"""The switch under measurement: a world large enough, and where its processor time goes."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from typing import Any

from argon2 import PasswordHasher

from bench.measure import GENERATOR_CORE, SERVER_CORE, family, pin, pinned
from bench.sip_load import Outcome, Plan
from tests.live.service import Service
from tests.live.world import Document, account, rate, trunk, world

SWITCH = "127.7.0.1"
CALLER = ("127.7.0.2", 5060)
CALLED = ("127.7.0.3", 5060)
TARGET = (SWITCH, 5060)
PASSWORD = "bench-secret"
LOGIN_FORMAT = "883140{:09d}"
CALLING_ACCOUNT = "000000001"
NUMBER = "+37070044960"


def logins_world(accounts: int, users: int) -> Document:
    """So many accounts of so many users each, the logins numbered from 0 in ``LOGIN_FORMAT``.

    The first account calls to a trunk at ``CALLED`` from a static address, ``CALLER``, and is rich.
    """
    made = [_account(number, users) for number in range(accounts)]
    gate = {
        "extension": "199",
        "name": "Gate",
        "email": "gate@example.com",
        "designated_number": "default",
        "static_ip": {"transport": "udp", "address": CALLER[0], "port": CALLER[1]},
    }
    made[0]["users"].append(gate)
    state = world(*made, trunks=(trunk("carrier", CALLED[0], channels_max=0),), rates=(rate(),))
    state["catalogue"] |= {"included_users": 101, "users_max": 101}
    return state


def _account(number: int, users: int) -> Document:
    made = account(
        f"{number + 1:09d}",
        numbers=(NUMBER,) if number == 0 else (),
        extensions=tuple(str(200 + index) for index in range(users - 1)),
        balance="1000000.00",
    )
    everybody = [made["administrator"], *made["users"]]
    for index, user in enumerate(everybody):
        user["sip"] = {
            "login": LOGIN_FORMAT.format(number * users + index),
            "password": PASSWORD,
        }
    # One hash for all: a thousand argon2id hashes would be what is measured.
    del made["administrator"]["password"]
    made["administrator"]["password_hash"] = _password_hash()
    return made


@cache
def _password_hash() -> str:
    return PasswordHasher().hash(PASSWORD)


def installed(folder: Path, *, workers: int = 1, store: Document | None = None) -> Service:
    """A configuration for measuring: no limits per source, no media timeout; ``store``: keys of
    that section."""
    shutil.rmtree(folder, ignore_errors=True)
    return Service(folder, SWITCH, media={"workers": workers, "timeout_s": 0}, store=store or {})


@contextmanager
def started(service: Service) -> Iterator[Service]:
    """The service, running on the server's core."""
    service.start()
    pin(family(service.pid), SERVER_CORE)
    try:
        yield service
    finally:
        service.close()


def generate(kind: str, rate: float, seconds: float, **plan: Any) -> Outcome:
    """A run of the SIP generator in a process of its own on the generator's core."""
    options = [f"--{name.replace('_', '-')}={value}" for name, value in plan.items()]
    command = [
        *(sys.executable, "-m", "bench.sip_load", kind),
        *(f"--rate={rate}", f"--seconds={seconds}", *options),
    ]
    done = subprocess.run(
        pinned(command, GENERATOR_CORE), capture_output=True, text=True, check=False
    )
    if not done.stdout:
        raise RuntimeError(f"the generator failed: {done.stderr[-2000:]}")
    return Outcome(**json.loads(done.stdout))


def call_plan(rate: float, seconds: float, **more: Any) -> Plan:
    """Calls of the static user to the trunk."""
    return Plan("call", TARGET, rate, seconds, CALLER, CALLED, domain=SWITCH, **more)


def other_threads_ns(pid: int) -> int:
    """What all threads but the main one have run: in the switch these are the database's."""
    total = 0
    for task in os.listdir(f"/proc/{pid}/task"):
        if int(task) != pid:
            total += int(Path(f"/proc/{pid}/task/{task}/schedstat").read_text().split()[0])
    return total


def settle(seconds: float = 1.0) -> None:
    """Let what a run left under way come to an end."""
    time.sleep(seconds)
