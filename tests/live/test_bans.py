"""Bans as an office, a scanner and an operator meet them."""

from __future__ import annotations

import json
import socket
from typing import Any

from tests.live.conftest import Stage
from tests.live.ports import claimed_block
from tests.live.service import DOMAIN, Service
from tests.live.world import account, login, password, world

ACCOUNT = "000000212"
OFFICE = "127.0.0.1"  # from where every baresip sends
SWEEP = 500


def bans(service: Service) -> list[dict[str, Any]]:
    """``bans list --json``."""
    rows: list[dict[str, Any]] = json.loads(service.ok("bans", "list", "--json"))
    return rows


def status(service: Service) -> dict[str, Any]:
    """``status --json``."""
    found: dict[str, Any] = json.loads(service.ok("status", "--json"))
    return found


def register(host: str, user: str, number: int) -> bytes:
    """A REGISTER without credentials, as scanners send it."""
    return (
        f"REGISTER sip:{DOMAIN} SIP/2.0\r\nVia: SIP/2.0/UDP {host}:5060;branch=z9hG4bK{number}\r\n"
        f"Max-Forwards: 70\r\nFrom: <sip:{user}@{DOMAIN}>;tag={number}\r\n"
        f"To: <sip:{user}@{DOMAIN}>\r\nCall-ID: {number}@{host}\r\nCSeq: 1 REGISTER\r\n"
        f"Contact: <sip:{user}@{host}:5060>\r\nContent-Length: 0\r\n\r\n"
    ).encode()


class Scanner:
    """A socket that asks for one login after the other and counts what it hears."""

    def __init__(self, stage: Stage, host: str, server: str) -> None:
        self.host = host
        self._server = (server.split(":")[0], 5060)
        self._socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        stage.stack.enter_context(self._socket)
        self._socket.bind((host, 5060))
        self._socket.settimeout(0.5)
        self._sent = 0

    def answers(self, logins: range) -> int:
        """How many of these requests are answered."""
        heard = 0
        for user in logins:
            self._sent += 1
            self._socket.sendto(register(self.host, str(user), self._sent), self._server)
            if heard == user - logins.start:  # after the first silence it only sends
                heard += self._hears()
        while self._hears():
            heard += 1
        return heard

    def _hears(self) -> bool:
        try:
            self._socket.recv(65_535)
        except TimeoutError:
            return False
        return True


def test_one_wrong_password_does_not_lock_the_office_out(stage: Stage) -> None:
    """Its phone is banned and is told why; another one behind that address registers and calls
    before, meanwhile and afterwards; a lift lets the phone try again at once."""
    service = stage.service(
        world(account(extensions=("101", "102", "103"))), limits={"ban_after": 5, "ban_s": 300}
    )
    boris = stage.phone(service, ACCOUNT, "102")
    block = stage.stack.enter_context(claimed_block())
    numbers = iter(range(block, block + 50))

    def tries(code: int, secret: str = "wrong") -> str:
        return stage.peer(
            "register",
            OFFICE,
            remote=service.server,
            user=login(ACCOUNT, "103"),
            password=secret,
            code=code,
            port=next(numbers),
        ).finish()

    for _ in range(5):
        tries(401)
    assert "wrong passwords" in tries(403)
    tries(403, secret=password("103"))

    (ban,) = bans(service)
    assert (ban["kind"], ban["source"], ban["login"]) == ("login", OFFICE, login(ACCOUNT, "103"))
    assert ban["reason"] == "wrong passwords"
    assert ban["since"] < ban["until"]

    anna = stage.phone(service, ACCOUNT, "101")
    boris.dial("101")
    boris.wait_for("CALL_ESTABLISHED")
    boris.hang_up()
    anna.leave()
    assert {row["extension"] for row in service.show("registrations")} == {"102"}
    assert service.output().count("ban began") == 1

    service.ok("bans", "lift", OFFICE, login(ACCOUNT, "103"))
    tries(200, secret=password("103"))
    assert bans(service) == []
    assert service.command("bans", "lift", OFFICE).returncode == 1


def test_a_sweep_gets_silence_over_a_restart_until_it_is_lifted(stage: Stage) -> None:
    """A few answers, then none; the ban is listed, is there after a restart, and a lift ends it."""
    service = stage.service(world(account()))
    scanner = Scanner(stage, stage.network.host(), service.server)
    assert scanner.answers(range(1000, 1000 + SWEEP)) == 10

    (ban,) = bans(service)
    assert (ban["kind"], ban["source"], ban["login"]) == ("source", scanner.host, None)
    assert ban["reason"] == "many unknown logins or hosts"
    assert status(service)["requests_dropped_banned"] == SWEEP - 10
    assert service.output().count("ban began") == 1

    assert service.stop() == 0
    assert bans(service) == [ban], "the store has it too"
    service.start()
    assert bans(service) == [ban]
    assert scanner.answers(range(3)) == 0

    service.ok("bans", "lift", scanner.host)
    assert bans(service) == []
    assert scanner.answers(range(3)) == 3


def test_trusted_sources_are_never_banned(stage: Stage) -> None:
    """Whatever they send."""
    host = stage.network.host()
    service = stage.service(world(account()), limits={"trusted_sources": [f"{host}/32"]})
    scanner = Scanner(stage, host, service.server)
    assert scanner.answers(range(1000, 1050)) == 50
    assert bans(service) == []
