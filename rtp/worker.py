"""The media plane in a process of its own: ``python -m rtp.worker``, spawned by ``rtp.service``.

Descriptor 0 is the socket to the service; it speaks ``rtp.framing``. There is no configuration but
the arguments, no database and no listening control port. The process ends with its parent.
"""

from __future__ import annotations

import argparse
import ctypes
import gc
import resource
import secrets
import signal
import socket
import sys
import traceback
from collections.abc import Sequence

from rtp.errors import MalformedMessage
from rtp.framing import CommandReader, frame
from rtp.plane import MediaPlane
from rtp.sockets import PacketLoop

CONTROL_DESCRIPTOR = 0
READ_OCTETS = 65536
# Notices that the service does not read: it hangs, or is gone without the socket telling us.
BACKLOG_OCTETS_MAX = 8 << 20
FAILURES_MAX = 100  # of our own code; then a fresh process is the better service
PR_SET_PDEATHSIG = 1
EXIT_DONE = 0
EXIT_GARBAGE = 1


def random_u32() -> int:
    """An unguessable 32-bit number."""
    return secrets.randbits(32)


def raise_descriptor_limit() -> int:
    """Raise RLIMIT_NOFILE to its hard limit and return that."""
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    return hard


class Worker:
    """The loop of one worker process: ports, control socket and deadlines."""

    def __init__(self, control: socket.socket, timeout_s: float) -> None:
        self._control = control
        self._loop = PacketLoop()
        self._reader = CommandReader()
        self._backlog = bytearray()
        self._running = True
        self._failures = 0
        self._plane = MediaPlane(
            wires=self._loop.open_wire,
            timeout_s=timeout_s,
            random_u32=random_u32,
        )
        control.setblocking(False)
        self._loop.watch(control.fileno(), self._read_control)

    def run(self) -> None:
        """Relay until the service closes the socket; ``MalformedMessage`` when it sends garbage."""
        while self._running:
            try:
                self._turn()
            except MalformedMessage:
                raise
            except Exception:
                self._survive_failure()

    def close(self) -> None:
        """Give everything back, as at the end of the process."""
        self._plane.close(self._loop.now_s())
        self._loop.close()
        self._control.close()

    def _turn(self) -> None:
        self._loop.turn(self._wait_s())
        now_s = self._loop.now_s()
        deadline_s = self._plane.next_deadline_s()
        if deadline_s is not None and deadline_s <= now_s:
            self._plane.expire(now_s)
        notices = self._plane.take_notices()
        if notices:
            self._backlog += frame(notices)
        if self._backlog:
            self._write_control()

    def _survive_failure(self) -> None:
        """A bug that one call meets must not end the others; the service logs what is printed."""
        traceback.print_exc()
        self._failures += 1
        if self._failures > FAILURES_MAX:
            raise

    def _wait_s(self) -> float:
        deadline_s = self._plane.next_deadline_s()
        if self._backlog:
            return 0.01  # the socket is full: rare, so it is asked again instead of watched
        if deadline_s is None:
            return -1
        return max(0.0, deadline_s - self._loop.now_s())

    def _read_control(self) -> None:
        try:
            data = self._control.recv(READ_OCTETS)
        except BlockingIOError:
            return
        except OSError:
            data = b""
        if not data:
            self._running = False
            return
        now_s, execute = self._loop.now_s(), self._plane.execute
        for commands in self._reader.feed(data):
            if not commands:
                self._backlog += frame(())  # we live
            for command in commands:
                try:
                    execute(command, now_s)
                except Exception:
                    self._survive_failure()  # the commands after it may be other calls'

    def _write_control(self) -> None:
        try:
            sent = self._control.send(self._backlog)
            del self._backlog[:sent]
        except BlockingIOError:
            pass
        except OSError:
            self._running = False
        if len(self._backlog) > BACKLOG_OCTETS_MAX:
            self._running = False


def die_with_parent() -> None:
    """Have the kernel end this process when its parent ends, should the socket not tell."""
    ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)


def main(arguments: Sequence[str]) -> int:
    """Run one worker; returns its exit status."""
    parser = argparse.ArgumentParser(prog="rtp.worker", description="spawned by the softswitch")
    parser.add_argument("--timeout-s", type=float, required=True)
    options = parser.parse_args(arguments)
    die_with_parent()
    # A terminal's Ctrl-C and systemd's stop reach the workers, too, while the service still ends
    # its calls in order; they end when it closes the socket.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    raise_descriptor_limit()
    worker = Worker(socket.socket(fileno=CONTROL_DESCRIPTOR), options.timeout_s)
    # Each collection is a pause for every stream, with 5,000 calls up one of 30 to 270 ms. Nothing
    # here makes garbage that counting does not free (tested).
    gc.disable()
    try:
        worker.run()
    except MalformedMessage as error:
        sys.stderr.write(f"media worker: the service sent garbage: {error}\n")
        return EXIT_GARBAGE
    finally:
        worker.close()
    return EXIT_DONE


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
