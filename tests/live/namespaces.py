"""Networks of a test's own: Linux network namespaces, and real NAT between them.

    switch --- bridge 203.0.113.0/24 --+-- nat 203.0.113.11 -- 192.168.1.0/24 -- phone 192.168.1.10
    (203.0.113.1)                      +-- nat 203.0.113.12 -- 192.168.1.0/24 -- phone 192.168.1.10

Everything is made inside of namespaces whose names no other process has, and ends with them; the
machine's own network is not touched. The NAT is Linux's (nftables, masquerade to other ports):
what comes back has to come from the address and port that was sent to.
"""

from __future__ import annotations

import ctypes
import os
import socket
import subprocess
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from itertools import count
from pathlib import Path
from threading import Thread

CLONE_NEWNET = 0x40000000
NAMES = Path("/run/netns")
SWITCH = "203.0.113.1"
PRIVATE = "192.168.1.10"
GATEWAY = "192.168.1.1"

RULES = """\
table ip nat {
  chain out {
    type nat hook postrouting priority 100
    oifname "wan" meta l4proto udp masquerade to :40000-59999 random
    oifname "wan" masquerade
  }
}
"""

_numbers = count(1)


class Namespace:
    """One network namespace, with nothing but its loopback."""

    def __init__(self, name: str) -> None:
        self.name = name

    def command(self, words: Sequence[str]) -> list[str]:
        """A command line that runs inside; the process is the command's own, none is between."""
        return ["ip", "netns", "exec", self.name, *words]

    def run(self, *words: str, text: str = "") -> None:
        """Run a command inside; it must succeed."""
        _run(*self.command(words), text=text)

    def link(self, *words: str) -> None:
        """``ip`` about the inside."""
        _run("ip", "-n", self.name, *words)

    def connect(self, address: tuple[str, int], timeout_s: float) -> socket.socket:
        """A TCP connection from inside. A socket stays in the namespace of the thread that made it,
        so one is sent in for it."""
        made: list[socket.socket | OSError] = []

        def enter() -> None:
            libc = ctypes.CDLL(None, use_errno=True)
            with (NAMES / self.name).open() as file:
                if libc.setns(file.fileno(), CLONE_NEWNET):
                    made.append(OSError(ctypes.get_errno(), f"cannot enter {self.name}"))
                    return
            try:
                made.append(socket.create_connection(address, timeout_s))
            except OSError as error:
                made.append(error)

        thread = Thread(target=enter)
        thread.start()
        thread.join()
        (result,) = made
        if isinstance(result, OSError):
            raise result
        return result


class Internet:
    """A public network with the switch in it; what is behind its NATs is added."""

    def __init__(self, stack: ExitStack) -> None:
        self._stack = stack
        self._hosts = count(11)
        self.switch = self._new("switch")
        self.switch.link("link", "add", "public", "type", "bridge")
        self.switch.link("addr", "add", f"{SWITCH}/24", "dev", "public")
        self.switch.link("link", "set", "public", "up")

    def behind_nat(self, mapping_s: int) -> Home:
        """A private network whose NAT forgets a UDP mapping after so many idle seconds."""
        public = f"203.0.113.{next(self._hosts)}"
        nat, phone = self._new("nat"), self._new("phone")
        port = f"n{public.rpartition('.')[2]}"
        nat.link("link", "add", "wan", "type", "veth", "peer", "name", port, "netns",
                 self.switch.name)  # fmt: skip
        self.switch.link("link", "set", port, "master", "public", "up")
        nat.link("link", "add", "lan", "type", "veth", "peer", "name", "eth0", "netns", phone.name)
        for space, device, address in (
            (nat, "wan", public),
            (nat, "lan", GATEWAY),
            (phone, "eth0", PRIVATE),
        ):
            space.link("addr", "add", f"{address}/24", "dev", device)
            space.link("link", "set", device, "up")
        phone.link("route", "add", "default", "via", GATEWAY)
        nat.run("nft", "-f", "-", text=RULES)
        for key in ("nf_conntrack_udp_timeout", "nf_conntrack_udp_timeout_stream"):
            nat.run("sh", "-c", f"echo {mapping_s} > /proc/sys/net/netfilter/{key}")
        nat.run("sh", "-c", "echo 1 > /proc/sys/net/ipv4/ip_forward")
        return Home(public, nat, phone)

    def _new(self, kind: str) -> Namespace:
        return self._stack.enter_context(_namespace(f"ss{os.getpid()}-{next(_numbers)}-{kind}"))


class Home:
    """A NAT's public address, and the phone's namespace behind it."""

    def __init__(self, public: str, nat: Namespace, phone: Namespace) -> None:
        self.public = public
        self.phone = phone
        self._nat = nat

    def unplug(self) -> None:
        """Pull the phone's cable; it is not told."""
        self._nat.link("link", "set", "lan", "down")

    def plug(self) -> None:
        """Put it back."""
        self._nat.link("link", "set", "lan", "up")


@contextmanager
def internet() -> Iterator[Internet]:
    """A public network that is gone afterwards. Raises ``OSError`` where none may be made."""
    with ExitStack() as stack:
        yield Internet(stack)


def why_not() -> str:
    """Why this process may make no namespaces, "" if it may."""
    try:
        with _namespace(f"ss{os.getpid()}-{next(_numbers)}-try"):
            return ""
    except FileNotFoundError:
        raise  # a program is missing: that is for whoever set the machine up
    except OSError as error:
        return f"network namespaces are not permitted here: {error}"


@contextmanager
def _namespace(name: str) -> Iterator[Namespace]:
    _run("ip", "netns", "add", name)
    try:
        _run("ip", "-n", name, "link", "set", "lo", "up")
        yield Namespace(name)
    finally:
        _run("ip", "netns", "delete", name)


def _run(*words: str, text: str = "") -> None:
    done = subprocess.run(words, input=text, capture_output=True, text=True, check=False)
    if done.returncode:
        raise OSError(f"{' '.join(words)}: {done.stderr.strip()}")
