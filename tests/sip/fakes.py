"""Sockets and connections in memory, for the tests of the rim."""

from __future__ import annotations

import errno
import socket
import struct
from typing import Any

from sip.flow import Address

IP_PKTINFO = 8  # linux/in.h


def error(number: int) -> OSError:
    """An operating system error, as the class that Python makes of its number."""
    return OSError(number, "made up")


class FakeSocket:
    """A UDP socket: ``incoming`` holds what is to be read, an error or (data, address)."""

    def __init__(self, family: int, kind: int) -> None:
        self.family = family
        self.kind = kind
        self.incoming: list[OSError | tuple[bytes, tuple[Any, ...]]] = []
        self.destination = "192.0.2.50"  # what IP_PKTINFO says of the next datagrams
        self.sent: list[tuple[bytes, Address, str | None]] = []  # data, remote, forced source
        self.options: dict[tuple[int, int], int] = {}
        self.busy_ports: set[int] = set()
        self.send_error: OSError | None = None
        self.bound: tuple[Any, ...] | None = None
        self.closed = False

    def setblocking(self, flag: bool) -> None:
        assert not flag

    def setsockopt(self, level: int, name: int, value: int) -> None:
        self.options[level, name] = value

    def bind(self, address: tuple[Any, ...]) -> None:
        if address[1] in self.busy_ports:
            raise error(errno.EADDRINUSE)
        self.bound = (address[0], address[1] or 40000)

    def getsockname(self) -> tuple[Any, ...]:
        assert self.bound is not None
        return self.bound

    def fileno(self) -> int:
        return 7

    def close(self) -> None:
        self.closed = True

    def recvfrom(self, size: int) -> tuple[bytes, tuple[Any, ...]]:
        del size
        if not self.incoming:
            raise error(errno.EAGAIN)
        found = self.incoming.pop(0)
        if isinstance(found, OSError):
            raise found
        return found

    def recvmsg(
        self, size: int, control_bytes: int
    ) -> tuple[bytes, list[tuple[int, int, bytes]], int, tuple[Any, ...]]:
        data, address = self.recvfrom(size)
        assert self._asked_for_destination()
        if self.family == socket.AF_INET6:
            packed = struct.pack("@16si", socket.inet_pton(self.family, self.destination), 2)
            control = (socket.IPPROTO_IPV6, socket.IPV6_PKTINFO, packed)
        else:
            local = socket.inet_pton(self.family, self.destination)
            control = (socket.IPPROTO_IP, IP_PKTINFO, struct.pack("@i4s4s", 2, local, local))
        assert len(control[2]) <= control_bytes
        return data, [control], 0, address

    def sendto(self, data: bytes, address: tuple[str, int]) -> None:
        self._send(data, address, None)

    def sendmsg(
        self,
        buffers: list[bytes],
        control: list[tuple[int, int, bytes]],
        flags: int,
        address: tuple[str, int],
    ) -> None:
        del flags
        source = None
        for _, _, value in control:
            packed = value[:16] if self.family == socket.AF_INET6 else value[4:8]
            source = socket.inet_ntop(self.family, packed)
        self._send(b"".join(buffers), address, source)

    def _send(self, data: bytes, address: tuple[str, int], source: str | None) -> None:
        if self.send_error is not None:
            raise self.send_error
        self.sent.append((data, Address(*address), source))

    def _asked_for_destination(self) -> bool:
        asked = {(socket.IPPROTO_IP, IP_PKTINFO), (socket.IPPROTO_IPV6, socket.IPV6_RECVPKTINFO)}
        return any(self.options.get(option) for option in asked)


class FakeSockets:
    """Makes sockets and keeps them; ``busy_ports`` cannot be bound."""

    def __init__(self) -> None:
        self.made: list[FakeSocket] = []
        self.busy_ports: set[int] = set()

    def __call__(self, family: int, kind: int) -> Any:
        made = FakeSocket(family, kind)
        made.busy_ports = self.busy_ports
        self.made.append(made)
        return made


class FakeTcp:
    """The transport of one TCP connection."""

    def __init__(self, local: Address, remote: Address) -> None:
        self.local = local
        self.remote = remote
        self.written = b""
        self.closing = False
        self.aborted = False
        self.producer: Any = None

    def getHost(self) -> Address:
        return self.local

    def getPeer(self) -> Address:
        return self.remote

    def write(self, data: bytes) -> None:
        self.written += data

    def loseConnection(self) -> None:
        self.closing = True

    def abortConnection(self) -> None:
        self.aborted = True

    def registerProducer(self, producer: Any, streaming: bool) -> None:
        assert streaming
        self.producer = producer

    def unregisterProducer(self) -> None:
        self.producer = None

    def setTcpNoDelay(self, enabled: bool) -> None:
        assert enabled

    def setTcpKeepAlive(self, enabled: bool) -> None:
        assert enabled
