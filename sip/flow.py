"""Where a message came from or goes to: one transport association (RFC 5626 calls it a flow)."""

from functools import lru_cache
from ipaddress import ip_address
from typing import NamedTuple

HOSTS_CACHED = 4096  # parsed hosts: those of carriers come again and again


class Address(NamedTuple):
    """A numeric host (IPv4 or IPv6 without brackets) and a port."""

    host: str
    port: int

    def __str__(self) -> str:
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"


class Flow(NamedTuple):
    """One association with a peer.

    ``local`` is the address that the peer sent to (known by IP_PKTINFO on a wildcard listener), so
    that answers and new requests leave from it. ``connection`` numbers a stream connection of this
    process, 0 for UDP; a stream flow whose number is 0 is opened by the transport when first used.
    ``host`` is the name that the certificate of a peer has to show to whom TLS is opened ("": its
    address).
    """

    transport: str  # "udp" | "tcp" | "tls"
    local: Address
    remote: Address
    connection: int = 0
    host: str = ""

    @property
    def reliable(self) -> bool:
        """Whether the transport retransmits by itself, so that SIP timers A, E and G rest."""
        return self.transport != "udp"


@lru_cache(maxsize=HOSTS_CACHED)
def is_address(host: str) -> bool:
    """Whether a host is numeric, so that nothing has to be resolved."""
    try:
        ip_address(host)
    except ValueError:
        return False
    return True
