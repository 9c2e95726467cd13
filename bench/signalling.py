"""Processor time of a registration and of a call: the switch, Kamailio, Sippy B2BUA.

A call of ours is priced and goes to a trunk, its credit is held, media ports are allocated, and a
CDR is written. Kamailio's and Sippy's are forwarded, nothing more.
"""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from pathlib import Path

from bench import switch
from bench.measure import RUNS, SERVER_CORE, family, metered
from bench.peers import signalling as peers
from bench.report import Row
from bench.sip_load import Outcome
from bench.switch import CALLED, LOGIN_FORMAT, PASSWORD, SWITCH, TARGET
from tests.live.service import Service

SECONDS = 8.0
WARM_UP_S = 2.0
START_S = 2.0
USERS = 10_000
ACCOUNTS = 100
CALL_RATES = (200, 1000)
SIPPY_RATES = (200,)  # one core of it ends at about 300 calls a second
REGISTER_RATES = (1000,)


@dataclass(frozen=True)
class Sample:
    """One run: what each unit cost, how much of it the database threads took, what came of it."""

    cpu_us: float
    database_us: float
    outcome: Outcome


def sample(pids: Callable[[], list[int]], load: Callable[[float], Outcome], main: int) -> Sample:
    """A run after a short one that warms up; the database threads are those of process ``main``."""
    load(WARM_UP_S)
    watched = pids()
    before_ns = switch.other_threads_ns(main)
    with metered(watched) as used:
        outcome = load(SECONDS)
        # What is written behind belongs to the calls that caused it.
        time.sleep(1.0)
        usage = used()
    units = max(1, outcome.done)
    database_us = (switch.other_threads_ns(main) - before_ns) / units / 1000
    return Sample(usage.cpu_s / units * 1e6, database_us, outcome)


def row(work: str, subject: str, rate: float, samples: list[Sample], *, database: bool) -> Row:
    """The median of the samples as a row."""
    middle = sorted(samples, key=lambda one: one.cpu_us)[len(samples) // 2]
    remarks = [f"answer p50 {middle.outcome.setup_ms_p50} ms, p99 {middle.outcome.setup_ms_p99} ms"]
    if database:
        remarks.append(f"database threads {middle.database_us:.0f} us")
    if not all(one.outcome.clean for one in samples):
        failed = sum(one.outcome.failed for one in samples)
        late = sum(one.outcome.retransmissions for one in samples)
        remarks.append(
            f"not clean: {failed} failed, {late} retransmissions, {middle.outcome.codes}"
        )
    return Row(work, subject, f"{rate:g}/s", middle.cpu_us, "us", "; ".join(remarks))


def call_load(rate: float, target: tuple[str, int]) -> Callable[[float], Outcome]:
    """Complete calls at a rate."""
    address = "{}:{}".format(*target)
    return lambda seconds: switch.generate("call", rate, seconds, target=address, domain=target[0])


def register_load(rate: float) -> Callable[[float], Outcome]:
    """Registrations with digest at a rate, over all users in turn."""
    return lambda seconds: switch.generate(
        "register",
        rate,
        seconds,
        target="{}:{}".format(*TARGET),
        domain=SWITCH,
        user_format=LOGIN_FORMAT,
        password=PASSWORD,
        users=USERS,
    )


def own_rows(folder: Path) -> Iterator[Row]:
    """The switch."""
    service = switch.installed(folder / "switch")
    service.apply(switch.logins_world(ACCOUNTS, USERS // ACCOUNTS))
    with switch.started(service):
        for rate in REGISTER_RATES:
            yield own_row(service, "REGISTER with digest", rate, register_load(rate))
        for rate in CALL_RATES:
            yield own_row(service, "call", rate, call_load(rate, TARGET))


def own_row(service: Service, work: str, rate: float, load: Callable[[float], Outcome]) -> Row:
    """One figure of the running switch."""
    pid = service.pid
    samples = [sample(lambda: family(pid), load, pid) for _ in range(RUNS)]
    return row(work, "softswitch", rate, samples, database=True)


@contextmanager
def measured_peer(started: AbstractContextManager[subprocess.Popen[bytes]]) -> Iterator[int]:
    """The pid of a peer that has had time to start."""
    with started as process:
        time.sleep(START_S)
        if process.poll() is not None:
            raise RuntimeError(f"{process.args} did not stay up")
        yield process.pid


def peer_rows(folder: Path) -> Iterator[Row]:
    """Kamailio and Sippy, where they are to be had."""
    yield from _kamailio_rows(folder)
    yield from _sippy_rows(folder)


def _sippy_rows(folder: Path) -> Iterator[Row]:
    target = (SWITCH, 5064)
    try:
        with measured_peer(peers.sippy(target, CALLED, SERVER_CORE, folder)) as pid:
            for rate in SIPPY_RATES:
                load = call_load(rate, target)
                samples = [sample(lambda: family(pid), load, pid) for _ in range(RUNS)]
                yield row("call", "sippy b2bua", rate, samples, database=False)
    except (OSError, subprocess.CalledProcessError) as error:
        print(f"sippy was not measured: {error}", file=sys.stderr)


def _kamailio_rows(folder: Path) -> Iterator[Row]:
    try:
        with measured_peer(peers.kamailio(TARGET, CALLED, SERVER_CORE, folder)) as pid:
            works = [("REGISTER with digest", rate, register_load(rate)) for rate in REGISTER_RATES]
            works += [("call", rate, call_load(rate, TARGET)) for rate in CALL_RATES]
            for work, rate, load in works:
                samples = [sample(lambda: family(pid), load, pid) for _ in range(RUNS)]
                yield row(work, "kamailio", rate, samples, database=False)
    except OSError as error:
        print(f"kamailio was not measured: {error}", file=sys.stderr)


def measure(folder: Path) -> list[Row]:
    """All rows, with how the switch compares."""
    rows = [*own_rows(folder), *peer_rows(folder)]
    return rows + list(ratios(rows))


def ratios(rows: list[Row]) -> Iterator[Row]:
    """The switch's cost as a share of each peer's at the same rate."""
    own = {(one.work, one.load): one.figure for one in rows if one.subject == "softswitch"}
    for one in rows:
        if one.subject != "softswitch" and (one.work, one.load) in own:
            ratio = own[one.work, one.load] / one.figure
            yield Row(one.work, f"softswitch / {one.subject}", one.load, ratio, "times")
