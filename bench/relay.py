"""Relayed RTP: processor time of a packet, the delay added, and how many calls one core carries.

The relay has the server's core; twistd and the generator have the other. Calls of the switch are
real ones, set up over SIP and held; rtpengine's are set up over its control protocol.
"""

from __future__ import annotations

import json
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict
from http.client import HTTPConnection
from pathlib import Path
from threading import Event, Thread

from bench import switch
from bench.measure import GENERATOR_CORE, RUNS, SERVER_CORE, family, metered, pin, pinned
from bench.peers import rtpengine
from bench.report import Row
from bench.rtp_load import SOCKETS, Call, Outcome
from bench.sip_load import Calls

CALLER_MEDIA = ("127.7.0.2", 40000)
CALLED_MEDIA = ("127.7.0.3", 42000)
CALLS = 1200  # more than one core carries
SETUP_RATE = 60.0
SECONDS = 5.0
WARM_UP_S = 2.0
FIXED = (100, 400)
FIRST_TRY = 400
PRECISION = 0.05
TRIES = 2  # a neighbour on the machine spoils a run now and then
PAGES_PER_S = 10


class Relay:
    """A relay under measurement: its calls, and the processes that carry them."""

    def __init__(self, name: str, calls: Sequence[Call], pids: Callable[[], list[int]]) -> None:
        self.name = name
        self._calls = calls
        self._pids = pids

    def run(self, count: int) -> tuple[Outcome, float]:
        """Packets through the first so many calls; the outcome and microseconds per packet."""
        plan = {
            "calls": [(one.caller_to, one.called_to) for one in self._calls[:count]],
            "caller": CALLER_MEDIA,
            "called": CALLED_MEDIA,
            "seconds": SECONDS,
            "warm_up_s": WARM_UP_S,
        }
        command = pinned([sys.executable, "-m", "bench.rtp_load"], GENERATOR_CORE)
        with metered(self._pids()) as used:
            done = subprocess.run(
                command, input=json.dumps(plan), capture_output=True, text=True, check=True
            )
            usage = used()
        outcome = Outcome(**json.loads(done.stdout))
        packets = outcome.packets_per_s * (SECONDS + WARM_UP_S)
        return outcome, usage.cpu_s / packets * 1e6

    def fixed(self, count: int) -> Row:
        """The cost of a packet with so many calls, median of the runs."""
        runs = sorted((self.run(count) for _ in range(RUNS)), key=lambda run: run[1])
        outcome, cost_us = runs[len(runs) // 2]
        return Row("relayed packet", self.name, f"{count} calls", cost_us, "us", _remark(outcome))

    def capacity(self) -> Row:
        """The most calls without loss and with p99 below a packet time, to ``PRECISION``."""
        good, bad = 0, len(self._calls) + 1
        count, best = FIRST_TRY, None
        while bad - good > max(1, good * PRECISION):
            clean = self._clean(count)
            if clean is None:
                bad = count
            else:
                good, best = count, clean
            count = min(int(good * 1.4), len(self._calls)) if bad > len(self._calls) else 0
            count = count if count > good else (good + bad) // 2
            if good == len(self._calls):
                break
        remark = _remark(best) if best else "not even one"
        return Row("calls on one core", self.name, "", good, "calls", remark)

    def _clean(self, count: int) -> Outcome | None:
        for _ in range(TRIES):
            outcome, _ = self.run(count)
            if outcome.clean():
                return outcome
        return None


def _remark(outcome: Outcome) -> str:
    return (
        f"delay p50 {outcome.delay_us_p50 / 1000:.2f} ms, p99 {outcome.delay_us_p99 / 1000:.2f} ms,"
        f" lost {outcome.lost} of {outcome.sent}"
    )


@contextmanager
def own(folder: Path) -> Iterator[tuple[Relay, str]]:
    """The switch with one worker and all calls up, and the portal's address."""
    service = switch.installed(folder / "switch", workers=1)
    service.apply(switch.logins_world(1, 20))
    with switch.started(service):
        workers = [pid for pid in family(service.pid) if pid != service.pid]
        pin([service.pid], GENERATOR_CORE)
        pin(workers, SERVER_CORE)
        plan = switch.call_plan(
            SETUP_RATE,
            CALLS / SETUP_RATE,
            keep=True,
            media_ports=(CALLER_MEDIA[1], CALLED_MEDIA[1], SOCKETS),
        )
        load = Calls(plan)
        outcome = load.run()
        if outcome.failed:
            raise RuntimeError(f"calls were not set up: {asdict(outcome)}")
        calls = [Call(*load.legs[unit]) for unit in sorted(load.legs)]
        try:
            yield Relay("softswitch", calls, lambda: workers), service.url
        finally:
            load.close()


@contextmanager
def peer(folder: Path) -> Iterator[Relay]:
    """rtpengine with all calls up."""
    with rtpengine.started(SERVER_CORE, folder) as process:
        time.sleep(1.0)
        calls = rtpengine.calls(CALLS, CALLER_MEDIA, CALLED_MEDIA)
        yield Relay("rtpengine", calls, lambda: family(process.pid))


@contextmanager
def pages(url: str) -> Iterator[None]:
    """Somebody who looks at the portal's pages all the time."""
    host, _, port = url.removeprefix("http://").partition(":")
    over = Event()

    def look() -> None:
        while not over.wait(1 / PAGES_PER_S):
            connection = HTTPConnection(host, int(port), timeout=10)
            connection.request("GET", "/sign-in")
            connection.getresponse().read()
            connection.close()

    viewer = Thread(target=look)
    viewer.start()
    try:
        yield
    finally:
        over.set()
        viewer.join()


def measure(folder: Path) -> list[Row]:
    """All rows."""
    rows: list[Row] = []
    with own(folder) as (relay, url):
        rows += [relay.fixed(count) for count in FIXED]
        capacity = relay.capacity()
        rows.append(capacity)
        half = max(1, int(capacity.figure / 2))
        with pages(url):
            outcome, _ = relay.run(half)
        load = f"{half} calls, {PAGES_PER_S} pages/s"
        remark = _remark(outcome)
        rows.append(Row("delay p99", "softswitch", load, outcome.delay_us_p99 / 1000, "ms", remark))
    try:
        with peer(folder) as relay:
            rows += [relay.fixed(count) for count in FIXED]
            rows.append(relay.capacity())
    except OSError as error:
        print(f"rtpengine was not measured: {error}", file=sys.stderr)
        return rows
    ratio = capacity.figure / rows[-1].figure
    return [*rows, Row("calls on one core", "softswitch / rtpengine", "", ratio, "times")]
