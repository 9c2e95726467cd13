"""An RTP load generator: N calls of G.711 both ways through a relay, loss and delay of each packet.

One process on one core carries more than a thousand calls: packets lie in one array that numpy
fills for a whole slot of a millisecond, ``sendmmsg`` sends a slot and ``recvmmsg`` takes a batch,
each by one call into libc. Delay is measured from the moment a batch is given to the kernel to the
kernel's own receive timestamp, so the generator's lateness in reading does not count.

Call ``i`` sends from socket ``i % SOCKETS`` of each side; both sides are told in ``Call`` where the
relay wants their packets.
"""

from __future__ import annotations

import ctypes
import gc
import json
import select
import socket
import sys
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from bench.sip_messages import Address

PACKETS_PER_S = 50
PTIME_S = 1 / PACKETS_PER_S
SLOTS = 20  # a packet time is cut into slots of a millisecond, so that calls do not send in step
PAYLOAD = 160
PACKET = 12 + PAYLOAD
SOCKETS = 4
SEND_BATCH = 32  # stamped together: on this kernel a batch takes about 60 us
READ_BATCH = 256
BUFFER_BYTES = 16 << 20
SO_TIMESTAMPNS = 35
SO_RCVBUFFORCE, SO_SNDBUFFORCE = 33, 32
CONTROL = 32  # cmsghdr 16, timespec 16
MAGIC = 0x534F4654

_LIBC = ctypes.CDLL(None, use_errno=True)

# What of a packet this generator writes and reads; the rest is silence.
WIRE = np.dtype(
    {
        "names": ["first", "sequence", "timestamp", "ssrc", "magic", "stream", "number", "sent_ns"],
        "formats": [">u2", ">u2", ">u4", ">u4", ">u4", ">u4", ">u4", ">u8"],
        "offsets": [0, 2, 4, 8, 12, 16, 20, 24],
        "itemsize": PACKET,
    }
)
CONTROL_WIRE = np.dtype(
    {"names": ["s", "ns"], "formats": ["<i8", "<i8"], "offsets": [16, 24], "itemsize": CONTROL}
)
NAME_WIRE = np.dtype([("family", "<u2"), ("port", ">u2"), ("host", "u1", 4), ("zero", "u1", 8)])


class _Iovec(ctypes.Structure):
    _fields_ = (("base", ctypes.c_void_p), ("length", ctypes.c_size_t))


class _Msghdr(ctypes.Structure):
    _fields_ = (
        ("name", ctypes.c_void_p),
        ("name_length", ctypes.c_uint32),
        ("vectors", ctypes.c_void_p),
        ("vector_count", ctypes.c_size_t),
        ("control", ctypes.c_void_p),
        ("control_length", ctypes.c_size_t),
        ("flags", ctypes.c_int),
    )


class _Mmsghdr(ctypes.Structure):
    _fields_ = (("header", _Msghdr), ("length", ctypes.c_uint32))


HEADER_WIRE = np.dtype(
    {
        "names": ["control_length"],
        "formats": ["<u8"],
        "offsets": [_Msghdr.control_length.offset],
        "itemsize": ctypes.sizeof(_Mmsghdr),
    }
)


@dataclass(frozen=True)
class Call:
    """Where the relay wants the packets of the caller's side and of the called side."""

    caller_to: Address
    called_to: Address


@dataclass(frozen=True)
class Outcome:
    """One run. Delays in microseconds, relay and kernel together."""

    calls: int
    seconds: float
    sent: int
    received: int
    lost: int
    astray: int  # came out on the wrong side or twice
    silent_streams: int
    delay_us_p50: float
    delay_us_p99: float
    delay_us_max: float
    lag_ms: float

    @property
    def loss(self) -> float:
        """The share that did not come."""
        return self.lost / self.sent if self.sent else 1.0

    @property
    def packets_per_s(self) -> float:
        """What the relay was given."""
        return self.sent / self.seconds

    def clean(self, loss_max: float = 0.0001, delay_us_max: float = 20_000) -> bool:
        """Whether the relay kept up: a packet later than the next one counts as kept waiting."""
        return (
            self.loss <= loss_max
            and self.silent_streams == 0
            and self.delay_us_p99 < delay_us_max
            and self.lag_ms < 40
        )


def open_socket(address: Address) -> socket.socket:
    """A socket with room for a burst and kernel timestamps."""
    opened = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    for option in (SO_RCVBUFFORCE, SO_SNDBUFFORCE):
        try:
            opened.setsockopt(socket.SOL_SOCKET, option, BUFFER_BYTES)
        except OSError:  # not root: the system's limit has to do
            plain = socket.SO_RCVBUF if option == SO_RCVBUFFORCE else socket.SO_SNDBUF
            opened.setsockopt(socket.SOL_SOCKET, plain, BUFFER_BYTES)
    opened.setsockopt(socket.SOL_SOCKET, SO_TIMESTAMPNS, 1)
    opened.bind(address)
    opened.setblocking(False)
    return opened


class Batch:
    """Arrays of messages for sendmmsg or recvmmsg, laid out once."""

    def __init__(self, count: int, *, names: bool, control: bool) -> None:
        self.packets = np.zeros(count, WIRE)
        self.names = np.zeros(count, NAME_WIRE)
        self.control = np.zeros(count, CONTROL_WIRE)
        self.headers = (_Mmsghdr * count)()
        self._vectors = (_Iovec * count)()
        for index in range(count):
            vector = self._vectors[index]
            vector.base = self.packets.ctypes.data + index * PACKET
            vector.length = PACKET
            header = self.headers[index].header
            header.vectors = ctypes.addressof(vector)
            header.vector_count = 1
            if names:
                header.name = self.names.ctypes.data + index * NAME_WIRE.itemsize
                header.name_length = NAME_WIRE.itemsize
            if control:
                header.control = self.control.ctypes.data + index * CONTROL
                header.control_length = CONTROL

        self.control_lengths = np.frombuffer(self.headers, HEADER_WIRE)["control_length"]

    def at(self, index: int) -> Any:
        """The messages from one on, as libc wants them."""
        return ctypes.byref(self.headers, index * ctypes.sizeof(_Mmsghdr))


class Group:
    """The streams that one socket sends in one slot."""

    def __init__(self, descriptor: int, streams: Sequence[int], targets: Sequence[Address]) -> None:
        self._descriptor = descriptor
        self._batch = Batch(len(streams), names=True, control=False)
        packets, names = self._batch.packets, self._batch.names
        packets["first"] = 0x8008  # version 2, PCMA
        packets["ssrc"] = np.asarray(streams) + 0x10000000
        packets["magic"] = MAGIC
        packets["stream"] = streams
        names["family"] = socket.AF_INET
        names["port"] = [port for _, port in targets]
        names["host"] = [[int(part) for part in host.split(".")] for host, _ in targets]
        self.size = len(streams)

    def send(self, number: int) -> None:
        """Send packet ``number`` of every stream of the group."""
        packets = self._batch.packets
        packets["sequence"] = number & 0xFFFF
        packets["timestamp"] = (number * PAYLOAD) & 0xFFFFFFFF
        packets["number"] = number
        for first in range(0, self.size, SEND_BATCH):
            count = min(SEND_BATCH, self.size - first)
            packets["sent_ns"][first : first + count] = time.time_ns()
            done = 0
            while done < count:
                sent = _LIBC.sendmmsg(
                    self._descriptor, self._batch.at(first + done), count - done, 0
                )
                done += sent if sent > 0 else 1  # a refused packet counts as lost


class Reader:
    """Takes what comes to one side and counts it."""

    def __init__(self, streams: int, side: int) -> None:
        self._batch = Batch(READ_BATCH, names=False, control=True)
        self._side = side
        self.received = np.zeros(streams, np.int64)
        self.astray = 0
        self.delays_us: list[np.ndarray[Any, np.dtype[np.float64]]] = []

    def read(self, descriptor: int, first_number: int, last_number: int) -> None:
        """Read one batch; packets of the measured time are those numbered first to last."""
        batch = self._batch
        batch.control_lengths[:] = CONTROL
        count = _LIBC.recvmmsg(descriptor, batch.at(0), READ_BATCH, socket.MSG_DONTWAIT, None)
        if count <= 0:
            return
        packets = batch.packets[:count]
        stream = packets["stream"].astype(np.int64)
        number = packets["number"].astype(np.int64)
        # Stream 2i is the caller's of call i and must come out at the called side.
        ours = (packets["magic"] == MAGIC) & ((stream & 1) == 1 - self._side)
        self.astray += int(count - np.count_nonzero(ours))
        chosen = ours & (number >= first_number) & (number < last_number)
        np.add.at(self.received, stream[chosen], 1)
        stamps = batch.control[:count]
        arrived_ns = stamps["s"] * 1_000_000_000 + stamps["ns"]
        delay = arrived_ns[chosen] - packets["sent_ns"][chosen].astype(np.int64)
        self.delays_us.append(delay / 1000.0)


class RtpLoad:
    """The sockets of both sides and the streams of all calls."""

    def __init__(self, calls: Sequence[Call], caller: Address, called: Address) -> None:
        self._calls = len(calls)
        sides = [
            [open_socket((host, port + 2 * index)) for index in range(SOCKETS)]
            for host, port in (caller, called)
        ]
        self._sides = sides
        self._readers = [Reader(2 * len(calls), side) for side in (0, 1)]
        self._slots: list[list[Group]] = [[] for _ in range(SLOTS)]
        for slot in range(SLOTS):
            for index in range(SOCKETS):
                chosen = [
                    number
                    for number in range(len(calls))
                    if number % SOCKETS == index and (number // SOCKETS) % SLOTS == slot
                ]
                if chosen:
                    self._add(slot, index, chosen, calls)

    def _add(self, slot: int, index: int, chosen: list[int], calls: Sequence[Call]) -> None:
        for side in (0, 1):
            streams = [2 * number + side for number in chosen]
            targets = [
                calls[number].called_to if side else calls[number].caller_to for number in chosen
            ]
            descriptor = self._sides[side][index].fileno()
            self._slots[slot].append(Group(descriptor, streams, targets))

    def run(self, seconds: float, warm_up_s: float = 2.0) -> Outcome:
        """Send for the warm-up and so many seconds; only the latter count."""
        gc.disable()
        poller = select.epoll()
        reader_of: dict[int, Reader] = {}
        for side, sockets in enumerate(self._sides):
            for opened in sockets:
                poller.register(opened.fileno(), select.EPOLLIN)
                reader_of[opened.fileno()] = self._readers[side]
        warm, measured = int(warm_up_s * PACKETS_PER_S), int(seconds * PACKETS_PER_S)
        turns, worst_lag_s = (warm + measured) * SLOTS, 0.0
        slot_s = PTIME_S / SLOTS
        began_s = time.monotonic()
        turn, end_s = 0, began_s + turns * slot_s + 0.5
        while (now_s := time.monotonic()) < end_s:
            while turn < turns and (due_s := began_s + turn * slot_s) <= now_s:
                if turn >= warm * SLOTS:
                    worst_lag_s = max(worst_lag_s, now_s - due_s)
                number, slot = divmod(turn, SLOTS)
                for group in self._slots[slot]:
                    group.send(number)
                turn += 1
                now_s = time.monotonic()
                if turn % 4 == 0:
                    break  # let what has come be read before catching up
            wait_s = max(0.0, began_s + turn * slot_s - now_s) if turn < turns else 0.01
            for descriptor, _ in poller.poll(wait_s):
                reader_of[descriptor].read(descriptor, warm, warm + measured)
        return self._outcome(seconds, measured, worst_lag_s)

    def _outcome(self, seconds: float, measured: int, worst_lag_s: float) -> Outcome:
        received = self._readers[0].received + self._readers[1].received
        sent = 2 * self._calls * measured
        delays = [part for reader in self._readers for part in reader.delays_us]
        every = np.concatenate(delays) if delays else np.zeros(1)
        total = int(received.sum())
        repeated = int(np.maximum(received - measured, 0).sum())
        return Outcome(
            calls=self._calls,
            seconds=seconds,
            sent=sent,
            received=total,
            lost=int(np.maximum(measured - received, 0).sum()),
            astray=repeated + sum(reader.astray for reader in self._readers),
            silent_streams=int(np.count_nonzero(received == 0)),
            delay_us_p50=round(float(np.percentile(every, 50)), 1),
            delay_us_p99=round(float(np.percentile(every, 99)), 1),
            delay_us_max=round(float(every.max()), 1),
            lag_ms=round(worst_lag_s * 1000, 2),
        )

    def close(self) -> None:
        """Close all sockets."""
        for side in self._sides:
            for opened in side:
                opened.close()


def main() -> int:
    """Read one JSON object {calls: [[[host, port], [host, port]], ...], ...} and run it."""
    plan = json.load(sys.stdin)
    calls = [Call(tuple(caller_to), tuple(called_to)) for caller_to, called_to in plan["calls"]]
    load = RtpLoad(calls, tuple(plan["caller"]), tuple(plan["called"]))
    outcome = load.run(plan["seconds"], plan["warm_up_s"])
    load.close()
    print(json.dumps(asdict(outcome)))
    return 0


if __name__ == "__main__":
    sys.exit(main())
