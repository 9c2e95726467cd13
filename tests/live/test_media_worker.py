"""The worker process by itself: how it ends, and that nothing but its socket rules it."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from rtp.framing import frame
from rtp.messages import LegAt, OpenPorts, Release, UsePorts

ROOT = Path(__file__).resolve().parents[2]
HOST = "127.0.50.5"
PORT = 34100
COMMAND = [sys.executable, "-m", "rtp.worker", "--timeout-s", "60"]
PATIENCE_S = 10.0

# A parent that starts a worker as the service does, says its process id, and waits.
PARENT = f"""
import socket, subprocess, sys, time
ours, theirs = socket.socketpair()
child = subprocess.Popen({COMMAND!r}, stdin=theirs.fileno())
theirs.close()
print(child.pid, flush=True)
time.sleep(600)
"""


@contextmanager
def worker() -> Iterator[tuple[subprocess.Popen[bytes], socket.socket]]:
    """A worker and our end of its socket."""
    ours, theirs = socket.socketpair()
    ours.settimeout(PATIENCE_S)
    with ours:
        process = subprocess.Popen(
            COMMAND, stdin=theirs.fileno(), stderr=subprocess.PIPE, cwd=ROOT, bufsize=0
        )
        theirs.close()
        try:
            yield process, ours
        finally:
            process.kill()
            process.communicate()


def wait_until(condition: Callable[[], bool]) -> None:
    """Wait for something true."""
    deadline_s = time.monotonic() + PATIENCE_S
    while not condition():
        assert time.monotonic() < deadline_s, "did not happen"
        time.sleep(0.02)


def answered(ours: socket.socket) -> bytes:
    """The worker's answer to a call: it runs."""
    ours.sendall(frame((OpenPorts(HOST, (PORT,)), UsePorts("1", (LegAt("a", HOST, PORT),)))))
    return ours.recv(4096)


def test_ends_in_order_when_the_service_hangs_up() -> None:
    """Exit status 0 and nothing printed, with a call open."""
    with worker() as (process, ours):
        assert b"PortsOpened" in answered(ours)
        ours.close()
        assert process.wait(PATIENCE_S) == 0
        assert process.stderr is not None
        assert process.stderr.read() == b""


@pytest.mark.parametrize(
    "garbage",
    [b"\x00\x00\x00\x02{}", b"GET / HTTP/1.1\r\n\r\n", b"\x00\x00\x00\x04\xff\xff\xff\xff"],
)
def test_garbage_is_said_and_ends_it(garbage: bytes) -> None:
    """One line, exit status 1."""
    with worker() as (process, ours):
        ours.sendall(garbage)
        assert process.wait(PATIENCE_S) == 1
        assert process.stderr is not None
        lines = process.stderr.read().decode().splitlines()
    assert len(lines) == 1
    assert lines[0].startswith("media worker: the service sent garbage: ")


def test_signals_for_the_service_do_not_end_it() -> None:
    """Ctrl-C and systemd's SIGTERM reach it, too; its calls last until the service has ended."""
    with worker() as (process, ours):
        answered(ours)
        process.send_signal(signal.SIGINT)
        process.send_signal(signal.SIGTERM)
        ours.sendall(frame((Release("1"),)))
        assert b"Released" in ours.recv(4096)
        assert process.poll() is None


def test_says_that_it_lives() -> None:
    """An empty frame is answered by one, with nothing else to say."""
    with worker() as (_, ours):
        ours.sendall(frame(()))
        assert ours.recv(4096) == frame(())


def test_has_no_port_beside_its_calls() -> None:
    """Its only sockets are the control socket and the pairs that it was told to open."""
    with worker() as (process, ours):
        answered(ours)
        sockets = [
            link
            for entry in Path(f"/proc/{process.pid}/fd").iterdir()
            if (link := os.readlink(entry)).startswith("socket:")
        ]
        assert len(sockets) == 3


def test_dies_with_a_parent_that_is_killed() -> None:
    """No orphan keeps the ports."""
    with subprocess.Popen(
        [sys.executable, "-c", PARENT], stdout=subprocess.PIPE, cwd=ROOT
    ) as parent:
        assert parent.stdout is not None
        pid = int(parent.stdout.readline())
        assert Path(f"/proc/{pid}").exists()
        parent.kill()
        wait_until(lambda: not _is_running(pid))


def _is_running(pid: int) -> bool:
    try:
        state = Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0]
    except OSError:
        return False
    return state != "Z"
