"""A switch on both families: phones on ::1 register, talk with each other and with IPv4 phones."""

from __future__ import annotations

import socket
import time
from collections.abc import Iterator
from dataclasses import dataclass

import pytest

from tests.live.baresip import Phone
from tests.live.conftest import Stage
from tests.live.ports import claimed_block
from tests.live.service import DOMAIN, Service
from tests.live.test_speech import OTHER, SAME, TALK_S, heard
from tests.live.world import account, world
from tests.sip.certificates import issue

ACCOUNT = "000000212"
LOOPBACK = "::1"


@dataclass
class DualStack:
    """A service that listens on IPv4 and on IPv6; ``port`` is its own one on ::1."""

    stage: Stage
    service: Service
    port: int

    def phone(self, extension: str, says: str, transport: str = "udp") -> Phone:
        """A phone on ::1."""
        port = self.port + 1 if transport == "tls" else self.port
        server = f"[{LOOPBACK}]:{port}"
        return self.stage.phone(
            self.service,
            ACCOUNT,
            extension,
            says=says,
            host=LOOPBACK,
            transport=transport,
            server=server,
        )


@pytest.fixture
def dual(stage: Stage) -> Iterator[DualStack]:
    """Started, with one account."""
    with claimed_block() as port:
        service = stage.installed()
        certificate, key = issue(DOMAIN).write(stage.folder)
        both = [service.server, f"[{LOOPBACK}]:{port}"]
        service.configure(
            "sip",
            udp=both,
            tcp=both,
            tls=[f"[{LOOPBACK}]:{port + 1}"],
            certificate=str(certificate),
            private_key=str(key),
        )
        service.apply(world(account()))
        service.start()
        yield DualStack(stage, service, port)


def talk(caller: Phone, called: Phone, number: str) -> None:
    """A call that the caller ends."""
    caller.dial(number)
    caller.wait_for("CALL_ESTABLISHED")
    called.wait_for("CALL_ESTABLISHED")
    time.sleep(TALK_S)
    caller.hang_up()
    called.wait_for("CALL_CLOSED")


@pytest.mark.parametrize("transport", ["udp", "tcp", "tls"])
def test_phones_talk_over_ipv6(stage: Stage, dual: DualStack, transport: str) -> None:
    """Signalling and media, both ways."""
    anna = dual.phone("101", "first", transport)
    gate = dual.phone("102", "second", transport)
    rows = dual.service.show("registrations")
    assert {(row["transport"], row["source"][:6]) for row in rows} == {(transport, "[::1]:")}
    talk(anna, gate, "102")
    assert heard(gate, "first", stage) >= SAME
    assert heard(anna, "second", stage) >= SAME
    assert heard(anna, "first", stage) < OTHER
    (cdr,) = dual.service.cdrs(ACCOUNT)
    assert (cdr["cause"], cdr["hangup_by"]) == ("answered", "caller")


@pytest.mark.parametrize("caller_is_ipv6", [True, False])
def test_families_talk_with_each_other(stage: Stage, dual: DualStack, caller_is_ipv6: bool) -> None:
    """RTP is relayed between them; each phone sees addresses of its own family only."""
    new = dual.phone("101", "first")
    old = stage.phone(dual.service, ACCOUNT, "102", says="second")
    if caller_is_ipv6:
        talk(new, old, "102")
    else:
        talk(old, new, "101")
    assert heard(old, "first", stage) >= SAME
    assert heard(new, "second", stage) >= SAME
    old_log, new_log = old.log.read_text(), new.log.read_text()
    assert ("IN IP4" in old_log, "IN IP6" in old_log) == (True, False)
    assert ("IN IP6" in new_log, "IN IP4" in new_log) == (True, False)


def test_wildcards_of_both_families_share_a_port(stage: Stage) -> None:
    """For UDP and TCP: a dual stack host is two listeners."""
    with claimed_block() as port:
        service = stage.installed()
        both = [f"0.0.0.0:{port}", f"[::]:{port}"]
        service.configure("sip", udp=both, tcp=both)
        checked = service.ok("check")
        assert f"sip tcp [::]:{port}: free" in checked
        service.start()
        for host in ("127.0.0.1", LOOPBACK):
            socket.create_connection((host, port), timeout=5).close()
