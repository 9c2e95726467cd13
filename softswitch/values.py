"""Small values that configuration and listeners speak of."""

from __future__ import annotations

from dataclasses import dataclass
from ipaddress import IPv6Address, ip_address

PORT_MAX = 65_535
MEDIA_PORT_MIN = 1024  # below it ports are the system's
MEDIA_PORTS_MIN = 8  # two calls: two legs of an RTP and an RTCP port each


@dataclass(frozen=True, slots=True)
class Endpoint:
    """An IP address and a port."""

    host: str
    port: int

    @classmethod
    def parse(cls, text: str) -> Endpoint:
        """``127.0.0.1:5060`` or ``[::1]:5060``. Raises ``ValueError`` with a sentence."""
        host, colon, port = text.rpartition(":")
        try:
            address = ip_address(host.removeprefix("[").removesuffix("]"))
            number = int(port) if port.isascii() and port.isdigit() else 0
        except ValueError:
            raise ValueError(f"{text} is not an address like 127.0.0.1:5060") from None
        if not colon or isinstance(address, IPv6Address) != host.startswith("["):
            raise ValueError(f"{text} is not an address like 127.0.0.1:5060")
        if not 0 < number <= PORT_MAX:
            raise ValueError(f"{text}: a port is from 1 to {PORT_MAX}")
        return cls(str(address), number)

    def __str__(self) -> str:
        """The form that ``parse`` reads."""
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"


@dataclass(frozen=True, slots=True)
class PortRange:
    """UDP ports for media, both ends included."""

    first: int
    last: int

    @classmethod
    def parse(cls, text: str) -> PortRange:
        """``20000-39999``. Raises ``ValueError`` with a sentence."""
        first, _, last = text.partition("-")
        if not (first.isascii() and first.isdigit() and last.isascii() and last.isdigit()):
            raise ValueError(f"{text} is not a port range like 20000-39999")
        low, high = int(first), int(last)
        if low < MEDIA_PORT_MIN or high > PORT_MAX:
            raise ValueError(f"{text}: media ports are from {MEDIA_PORT_MIN} to {PORT_MAX}")
        if high - low + 1 < MEDIA_PORTS_MIN:
            raise ValueError(f"{text}: at least {MEDIA_PORTS_MIN} ports are needed")
        return cls(low, high)

    def __str__(self) -> str:
        """The form that ``parse`` reads."""
        return f"{self.first}-{self.last}"
