"""The media plane on loopback, through both carriers: real sockets, processes and signals."""

from __future__ import annotations

import os
import signal
import socket
from collections.abc import Callable
from typing import Any

import pytest
from twisted.internet import reactor
from twisted.internet.task import deferLater
from twisted.trial.unittest import TestCase

from rtp.leases import QUARANTINE_MIN_S
from rtp.leg import address_text
from rtp.messages import (
    Allocate,
    Allocated,
    AllocationFailed,
    Bridge,
    Command,
    Format,
    LegPorts,
    LegSpec,
    MediaLost,
    MediaTimedOut,
    Notice,
    PlayTone,
    Release,
    Released,
    SetRemote,
    StopTone,
)
from rtp.packet import RtpPacket
from rtp.rtcp import Report, SenderInfo
from rtp.service import MediaService
from tests.rtp.fakes import voice

HOST = "127.0.50.1"
PHONE_A_HOST = "127.0.50.2"
PHONE_B_HOST = "127.0.50.3"
STRANGER_HOST = "127.0.50.66"
PORTS = "34000-34039"
PATIENCE_S = 10.0
FORMATS = (Format(8, "PCMA", 8000),)


class Phone:
    """One phone's RTP and RTCP sockets."""

    def __init__(self, host: str) -> None:
        self.host = host
        self.rtp = _socket(host)
        self.rtcp = _socket(host)

    def send(self, packet: bytes, port: int, host: str = HOST) -> None:
        self.rtp.sendto(packet, (host, port))

    def heard(self) -> list[bytes]:
        """What came to the RTP socket since the last look."""
        return _drained(self.rtp)

    def close(self) -> None:
        self.rtp.close()
        self.rtcp.close()


def report(ssrc: int) -> bytes:
    """An RTCP sender report."""
    return bytes(Report(ssrc, sender=SenderInfo(1 << 40, 0, 1, 160)))


def _socket(host: str) -> socket.socket:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    made = socket.socket(family, socket.SOCK_DGRAM)
    made.setblocking(False)
    made.bind((host, 0))
    return made


def _drained(sock: socket.socket) -> list[bytes]:
    packets = []
    while True:
        try:
            packets.append(sock.recv(4096))
        except BlockingIOError:
            return packets


class MediaPlaneCase(TestCase):
    """Starts a service with so many workers and collects its notices."""

    timeout = 60
    workers = 0

    def setUp(self) -> None:
        self.notices: list[Notice] = []
        self.service = self.make_service(60.0)
        self.phone_a = self.make_phone(PHONE_A_HOST)
        self.phone_b = self.make_phone(PHONE_B_HOST)

    def make_service(self, timeout_s: float, ports: str = PORTS) -> MediaService:
        service = MediaService(
            reactor,
            workers=self.workers,
            ports=ports,
            timeout_s=timeout_s,
            on_notice=self.notices.append,
        )
        service.startService()
        self.addCleanup(service.stopService)
        return service

    def make_phone(self, host: str) -> Phone:
        phone = Phone(host)
        self.addCleanup(phone.close)
        return phone

    def send(self, *commands: Command) -> None:
        """Have commands obeyed; what is answered at once is noted with what comes later."""
        self.notices += self.service.send(*commands)

    async def until(self, condition: Callable[[], Any]) -> Any:
        """Wait for something true, and give it."""
        for _ in range(int(PATIENCE_S / 0.01)):
            value = condition()
            if value:
                return value
            await deferLater(reactor, 0.01)  # type: ignore[arg-type]
        raise AssertionError(f"did not happen in {PATIENCE_S} s; told: {self.notices}")

    def told(self, kind: type[Any], call: str = "call") -> Any:
        """The first notice of a kind about a call, ``None`` if there is none yet."""
        for notice in self.notices:
            if isinstance(notice, kind) and call in (
                getattr(notice, "call", ""),
                *getattr(notice, "calls", ()),
            ):
                return notice
        return None

    async def open_call(self, call: str = "call", host: str = HOST) -> tuple[int, int]:
        """A bridged call between the two phones; gives the ports of its legs."""
        self.send(Allocate(call, (LegSpec("a", host), LegSpec("b", host))))
        allocated = await self.until(lambda: self.told(Allocated, call))
        for leg, phone in (("a", self.phone_a), ("b", self.phone_b)):
            self.send(self.remote(call, leg, phone))
        self.send(Bridge(call, "a", "b"))
        await self.settled()
        port_a, port_b = (each.rtp_port for each in allocated.legs)
        return port_a, port_b

    async def settled(self) -> None:
        """Wait until all commands so far were obeyed: they are, in order."""
        fence = f"fence {len(self.notices)}"
        self.send(Allocate(fence, (LegSpec("a", HOST),)))
        await self.until(lambda: self.told(Allocated, fence))
        self.send(StopTone(fence, "a"))
        self.send(Release(fence))
        await self.until(lambda: self.told(Released, fence))

    def remote(self, call: str, leg: str, phone: Phone, **changes: Any) -> SetRemote:
        """What signalling says of a phone."""
        host, port = phone.rtp.getsockname()[:2]
        rtcp_port = phone.rtcp.getsockname()[1]
        return SetRemote(
            call, leg, host, port, host, rtcp_port=rtcp_port, formats=FORMATS, **changes
        )

    async def release(self, call: str = "call") -> Released:
        """Release a call and give its statistics."""
        self.send(Release(call))
        released: Released = await self.until(lambda: self.told(Released, call))
        return released

    async def exchange(self, port_a: int, port_b: int, numbers: range) -> None:
        """Each phone sends its stream; each hears exactly the other's."""
        for number in numbers:
            self.phone_a.send(voice(number), port_a)
            self.phone_b.send(voice(number, ssrc=0xB), port_b)
        heard_a: list[bytes] = []
        heard_b: list[bytes] = []

        def all_came() -> bool:
            heard_a.extend(self.phone_a.heard())
            heard_b.extend(self.phone_b.heard())
            return len(heard_a) >= len(numbers) and len(heard_b) >= len(numbers)

        await self.until(all_came)
        assert heard_a == [voice(number, ssrc=0xB) for number in numbers]
        assert heard_b == [voice(number) for number in numbers]


class CarrierTests:
    """What both carriers do alike; ``InProcess`` and ``InWorkers`` run it."""

    workers = 0

    async def test_relays_both_ways(self: Any) -> None:
        """Hundreds of packets each way, each as it was, in order; statistics at the end."""
        port_a, port_b = await self.open_call()
        for start in range(0, 300, 50):
            await self.exchange(port_a, port_b, range(start, start + 50))
        released = await self.release()
        for leg in released.legs:
            assert (leg.packets_received, leg.packets_sent) == (300, 300)
            assert (leg.packets_lost, leg.strangers) == (0, 0)
        assert released.legs[0].source == address_text(self.phone_a.rtp.getsockname())

    async def test_a_stranger_is_never_relayed(self: Any) -> None:
        """Whether it sends first, together with the phone, or later."""
        stranger = self.make_phone(STRANGER_HOST)
        noise = voice(7, ssrc=0xBAD)
        port_a, port_b = await self.open_call()
        for _ in range(5):
            stranger.send(noise, port_a)
        self.phone_a.send(voice(0), port_a)
        for _ in range(5):
            stranger.send(noise, port_a)
        await self.until(lambda: self.phone_b.heard())
        for _ in range(5):
            stranger.send(noise, port_a)
        await self.exchange(port_a, port_b, range(1, 20))
        assert stranger.heard() == []
        released = await self.release()
        assert released.legs[0].packets_received == 20
        assert released.legs[0].strangers >= 5

    async def test_follows_a_new_negotiation(self: Any) -> None:
        """After a re-INVITE with another address the port, unchanged, serves the new source."""
        port_a, port_b = await self.open_call()
        await self.exchange(port_a, port_b, range(10))
        old, self.phone_a = self.phone_a, self.make_phone("127.0.50.4")
        self.send(self.remote("call", "a", self.phone_a))
        await self.settled()
        await self.exchange(port_a, port_b, range(10, 20))
        old.send(voice(99), port_a)
        await self.exchange(port_a, port_b, range(20, 30))
        assert old.heard() == []

    async def test_a_phone_that_moves_to_another_port_is_found_there(self: Any) -> None:
        """Although it goes on from the old one until it has the answer."""
        port_a, port_b = await self.open_call()
        await self.exchange(port_a, port_b, range(10))
        old, self.phone_a = self.phone_a, self.make_phone(PHONE_A_HOST)
        self.send(self.remote("call", "a", self.phone_a))
        for number in range(10, 15):
            old.send(voice(number), port_a)
        await self.settled()
        for number in range(15, 20):
            old.send(voice(number), port_a)
        self.phone_a.send(voice(20), port_a)
        await self.until(lambda: self.phone_b.heard()[-1:] == [voice(20)])
        await self.exchange(port_a, port_b, range(21, 30))

    async def test_a_phone_that_is_gone_does_not_stop_the_relay(self: Any) -> None:
        """Its closed port answers with ICMP; who comes back there is heard again."""
        port_a, port_b = await self.open_call()
        await self.exchange(port_a, port_b, range(10))
        address = self.phone_a.rtp.getsockname()
        self.phone_a.rtp.close()
        for number in range(10, 20):
            self.phone_b.send(voice(number, ssrc=0xB), port_b)
            await deferLater(reactor, 0.002)
        self.phone_a.rtp = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.phone_a.rtp.setblocking(False)
        self.phone_a.rtp.bind(address)
        self.phone_a.send(voice(10), port_a)
        await self.until(lambda: self.phone_b.heard())
        await self.exchange(port_a, port_b, range(20, 30))

    async def test_relays_rtcp(self: Any) -> None:
        """From the odd port to the phone's RTCP port."""
        port_a, _ = await self.open_call()
        self.phone_a.rtcp.sendto(report(0xA), (HOST, port_a + 1))
        heard = await self.until(lambda: _drained(self.phone_b.rtcp))
        assert heard == [report(0xA)]

    async def test_plays_a_tone(self: Any) -> None:
        """At the pace of a phone: half a second of it takes half a second."""
        await self.open_call()
        packets: list[bytes] = []
        began_s = reactor.seconds()  # type: ignore[attr-defined]
        self.send(PlayTone("call", "a", "busy", duration_s=0.5))

        def all_came() -> bool:
            packets.extend(self.phone_a.heard())
            return len(packets) >= 25

        await self.until(all_came)
        took_s = reactor.seconds() - began_s  # type: ignore[attr-defined]
        assert took_s > 0.45
        assert len({RtpPacket.parse(packet).ssrc for packet in packets}) == 1

    async def test_serves_ipv6(self: Any) -> None:
        """The same on ::1."""
        self.phone_a, self.phone_b = self.make_phone("::1"), self.make_phone("::1")
        port_a, port_b = await self.open_call(host="::1")
        self.phone_a.send(voice(1), port_a, "::1")
        heard = await self.until(self.phone_b.heard)
        self.phone_b.send(voice(2), port_b, "::1")
        assert heard == [voice(1)]
        await self.until(self.phone_a.heard)

    async def test_a_released_port_is_deaf(self: Any) -> None:
        """It stays bound for the next call; what comes to it goes nowhere."""
        port_a, port_b = await self.open_call()
        await self.exchange(port_a, port_b, range(10))
        await self.release()
        for number in range(10, 20):
            self.phone_a.send(voice(number), port_a)
        await self.settled()
        assert self.phone_b.heard() == []

    async def test_nothing_of_the_last_call_reaches_the_next_one(self: Any) -> None:
        """Neither a packet that was queued while the port rested, nor who was latched to before."""
        self.service = self.make_service(60.0, "34040-34045")
        ports = await self.open_call()
        await self.exchange(*ports, range(10))
        await self.release()
        late = voice(99, ssrc=0xBAD)
        for port in ports:
            for phone in (self.phone_a, self.phone_b):
                phone.send(late, port)
                phone.rtcp.sendto(report(0xBAD), (HOST, port + 1))
        await deferLater(reactor, QUARANTINE_MIN_S)
        # The same two phones call on, each from the other side, and meet one of those ports.
        self.phone_a, self.phone_b = self.phone_b, self.phone_a
        again = await self.open_call("again")
        assert set(again) & set(ports)
        await self.exchange(*again, range(10))
        assert _drained(self.phone_a.rtcp) == _drained(self.phone_b.rtcp) == []
        released = await self.release("again")
        for leg in released.legs:
            assert (leg.packets_received, leg.strangers) == (10, 0)

    async def test_an_address_that_is_not_ours_is_refused(self: Any) -> None:
        """With the address in the reason."""
        self.send(Allocate("call", (LegSpec("a", "192.0.2.1"),)))
        failed = await self.until(lambda: self.told(AllocationFailed))
        assert "cannot bind 192.0.2.1" in failed.reason

    async def test_ports_of_others_are_left_alone(self: Any) -> None:
        """A port that somebody holds is skipped, until there is none left."""
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as other:
            other.bind((HOST, 34001))
            for number in range(21):
                self.send(Allocate(str(number), (LegSpec("a", HOST),)))
            await self.until(lambda: self.told(AllocationFailed, "20"))
        ports = [leg.rtp_port for each in self.notices for leg in getattr(each, "legs", ())]
        assert len(ports) == 19
        assert LegPorts("a", 34000) not in ports

    async def test_silence_is_told(self: Any) -> None:
        """A leg that should send and does not, within the sweep's second."""
        self.service = self.make_service(1.0)
        await self.open_call()
        self.send(self.remote("call", "a", self.phone_a, expects_media=True))
        timed_out = await self.until(lambda: self.told(MediaTimedOut))
        assert timed_out.leg == "a"


class InProcess(CarrierTests, MediaPlaneCase):
    """The plane in this process."""

    workers = 0


class InWorkers(CarrierTests, MediaPlaneCase):
    """The plane in a child process."""

    workers = 1

    async def test_a_killed_worker_loses_its_calls_and_is_replaced(self) -> None:
        """``MediaLost`` names the call, its release is answered, and a new call has sound."""
        await self.open_call()
        (pid,) = self.service.worker_pids
        os.kill(pid, signal.SIGKILL)
        lost = await self.until(lambda: self.told(MediaLost))
        assert lost.calls == ("call",)
        released = await self.release()
        assert released == Released("call")
        await self.until(lambda: self.service.worker_pids)
        assert self.service.worker_pids != (pid,)
        port_a, port_b = await self.open_call("next")
        await self.exchange(port_a, port_b, range(20))
        self.flushLoggedErrors()

    async def test_a_worker_that_hangs_is_replaced(self) -> None:
        """Stopped by a signal it keeps its sockets and says nothing: its calls are lost."""
        await self.open_call()
        (pid,) = self.service.worker_pids
        os.kill(pid, signal.SIGSTOP)
        lost = await self.until(lambda: self.told(MediaLost))
        assert "call" in lost.calls
        await self.until(lambda: self.service.worker_pids not in ((), (pid,)))
        port_a, port_b = await self.open_call("next")
        await self.exchange(port_a, port_b, range(20))
        self.flushLoggedErrors()

    async def test_stopping_the_service_ends_the_worker(self) -> None:
        """And with it every port."""
        port_a, _ = await self.open_call()
        (pid,) = self.service.worker_pids
        await self.service.stopService()
        with pytest.raises(ProcessLookupError):
            os.kill(pid, 0)
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as free:
            free.bind((HOST, port_a))
