"""A worker runs without the cycle collector, whose pauses would be heard: it must need none."""

from __future__ import annotations

import gc
import socket
import time

from rtp.framing import CommandReader, frame
from rtp.messages import (
    Bridge,
    Format,
    LegAt,
    OpenPorts,
    PlaneCommand,
    PlayTone,
    Release,
    SetRemote,
    StopTone,
    UsePorts,
)
from rtp.plane import MediaPlane
from rtp.rtcp import Report, SenderInfo
from rtp.sockets import PacketLoop
from tests.rtp.fakes import voice

HOST = "127.0.50.7"
PORTS = (34200, 34202)


class Worker:
    """What a worker consists of, in this process."""

    def __init__(self) -> None:
        self.loop = PacketLoop()
        self.plane = MediaPlane(wires=self.loop.open_wire, timeout_s=60, random_u32=lambda: 7)
        self.reader = CommandReader()

    def obey(self, *commands: PlaneCommand) -> None:
        for batch in self.reader.feed(frame(commands)):
            for command in batch:
                self.plane.execute(command, self.loop.now_s())
        self.turn()

    def turn(self) -> None:
        for _ in range(4):
            self.loop.turn(0)
        self.plane.expire(self.loop.now_s() + 10)
        frame(self.plane.take_notices())

    def call(self, phones: list[socket.socket]) -> None:
        """A call with all that there is: voice, RTCP, a stranger, a tone before its end."""
        names = ("a", "b")
        at = tuple(LegAt(leg, HOST, port) for leg, port in zip(names, PORTS, strict=True))
        self.obey(UsePorts("call", at))
        for leg, phone in zip(names, phones, strict=True):
            host, port = phone.getsockname()
            self.obey(SetRemote("call", leg, host, port, host, 0, (Format(8, "PCMA", 8000),)))
        self.obey(Bridge("call", *names))
        for number in range(5):
            for phone, port in zip(phones, PORTS, strict=True):
                phone.sendto(voice(number), (HOST, port))
                phone.sendto(b"noise", (HOST, port))
                report = Report(0xA, sender=SenderInfo(number << 20, 0, 1, 160))
                phone.sendto(bytes(report), (HOST, port + 1))
                phones[0].sendto(voice(number), (HOST, PORTS[1]))
            self.turn()
        self.obey(PlayTone("call", "a", "busy"))
        time.sleep(0.03)
        self.turn()
        self.obey(StopTone("call", "a"))
        self.obey(Release("call"))


def test_a_call_leaves_no_cycle() -> None:
    """Everything of it is freed by counting."""
    worker = Worker()
    phones = [socket.socket(socket.AF_INET, socket.SOCK_DGRAM) for _ in PORTS]
    for phone in phones:
        phone.bind((HOST, 0))
    worker.obey(OpenPorts(HOST, PORTS))
    worker.call(phones)  # what is made once
    gc.collect()
    gc.disable()
    try:
        for _ in range(5):
            worker.call(phones)
        assert gc.collect() == 0
    finally:
        gc.enable()
        worker.plane.close(worker.loop.now_s())
        worker.loop.close()
        for phone in phones:
            phone.close()
