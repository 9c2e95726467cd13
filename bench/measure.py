"""Processor time, memory and cores of processes, from /proc; medians."""

from __future__ import annotations

import contextlib
import os
import platform
import statistics
import subprocess
import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

SERVER_CORE = 0
GENERATOR_CORE = 1
RUNS = 3

T = TypeVar("T")


@dataclass(frozen=True)
class Usage:
    """What a group of processes used between two looks."""

    cpu_s: float
    wall_s: float

    @property
    def share(self) -> float:
        """Of one core."""
        return self.cpu_s / self.wall_s


def family(pid: int) -> list[int]:
    """A process and everything that descends from it."""
    found = [pid]
    for task in _tasks(pid):
        with contextlib.suppress(OSError):
            children = (task / "children").read_text().split()
            found += [member for child in children for member in family(int(child))]
    return found


def cpu_ns(pids: Iterable[int]) -> int:
    """Time that the threads of these processes have run, kernel work included."""
    total = 0
    for pid in pids:
        for task in _tasks(pid):
            with contextlib.suppress(OSError):
                total += int((task / "schedstat").read_text().split()[0])
    return total


def _tasks(pid: int) -> list[Path]:
    try:
        return list(Path(f"/proc/{pid}/task").iterdir())
    except OSError:
        return []


def memory_bytes(pids: Iterable[int]) -> int:
    """Proportional set size: what these processes would give back."""
    total_kb = 0
    for pid in pids:
        for line in Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines():
            if line.startswith("Pss:"):
                total_kb += int(line.split()[1])
    return total_kb * 1024


@contextlib.contextmanager
def metered(pids: Iterable[int]) -> Iterator[Callable[[], Usage]]:
    """``with metered(pids) as used: ...; used()`` gives the usage since the entry."""
    watched = list(pids)
    cpu, wall = cpu_ns(watched), time.monotonic()

    def used() -> Usage:
        return Usage((cpu_ns(watched) - cpu) / 1e9, time.monotonic() - wall)

    yield used


def pin(pids: Iterable[int], core: int) -> None:
    """Keep all threads of these processes on one core."""
    for pid in pids:
        for task in _tasks(pid):
            with contextlib.suppress(OSError):
                os.sched_setaffinity(int(task.name), {core})


def pinned(command: list[str], core: int) -> list[str]:
    """The command, started on one core."""
    return ["taskset", "-c", str(core), *command]


@contextlib.contextmanager
def running(
    command: list[str], core: int, log: Path, **options: object
) -> Iterator[subprocess.Popen[bytes]]:
    """A server of others in the foreground on one core; ended by its pid."""
    log.parent.mkdir(parents=True, exist_ok=True)
    with log.open("ab") as output:
        process = subprocess.Popen(
            pinned(command, core),
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            **options,  # type: ignore[call-overload]
        )
    try:
        yield process
    finally:
        descendants = family(process.pid)
        process.terminate()
        try:
            process.wait(10)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
        for pid in descendants[1:]:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, 9)


def median_of(run: Callable[[], T], key: Callable[[T], float], runs: int = RUNS) -> T:
    """The run whose figure is the median of all."""
    results = sorted((run() for _ in range(runs)), key=key)
    return results[len(results) // 2]


def percentile(sorted_values: list[float], share: float) -> float:
    """Nearest-rank percentile of values in order; 0.0 of none."""
    if not sorted_values:
        return 0.0
    return sorted_values[min(len(sorted_values) - 1, int(len(sorted_values) * share))]


def median(values: Iterable[float]) -> float:
    """The median of some values."""
    return statistics.median(values)


def machine() -> str:
    """One line about where the figures come from."""
    model = "unknown processor"
    with contextlib.suppress(OSError):
        for line in Path("/proc/cpuinfo").read_text().splitlines():
            if line.startswith("model name"):
                model = line.partition(":")[2].strip()
                break
    cores = len(os.sched_getaffinity(0))
    return (
        f"{model}, {cores} cores used, Linux {platform.release()}, "
        f"Python {platform.python_version()}"
    )
