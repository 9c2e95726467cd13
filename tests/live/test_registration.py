"""Phones of others register: digest, transports, wrong passwords, restarts."""

from __future__ import annotations

import pytest

from tests.live.conftest import Stage
from tests.live.service import Service, eventually
from tests.live.world import account, login, password, world

ACCOUNT = "000000212"


def extensions_registered(service: Service) -> set[str]:
    """Who has a binding now."""
    return {row["extension"] for row in service.show("registrations", ACCOUNT)}


@pytest.mark.parametrize("transport", ["udp", "tcp"])
def test_baresip_registers_and_leaves(stage: Stage, transport: str) -> None:
    """The binding is shown with its source and transport, and goes when the phone leaves."""
    service = stage.service(world(account()))
    phone = stage.phone(service, ACCOUNT, "101", transport=transport)

    (row,) = service.show("registrations")
    assert row["account"] == ACCOUNT
    assert row["extension"] == "101"
    assert row["login"] == login(ACCOUNT, "101")
    assert row["transport"] == transport
    assert row["source"].startswith("127.0.0.1")
    assert "baresip" in row["user_agent"]

    phone.leave()
    assert eventually(lambda: not service.show("registrations"))


@pytest.mark.parametrize("transport", ["udp", "tcp"])
def test_sipp_registers_with_digest(stage: Stage, transport: str) -> None:
    """Challenged with two algorithms it answers the one that it knows, and is bound at once."""
    service = stage.service(world(account()), sip={"digest": ["MD5", "SHA-256"]})
    messages = stage.peer(
        "register",
        remote=service.server,
        transport=transport,
        user=login(ACCOUNT, "102"),
        password=password("102"),
    ).finish()
    assert messages.count("SIP/2.0 401") == 1
    assert extensions_registered(service) == {"102"}


@pytest.mark.parametrize(
    ("user", "secret"),
    [(login(ACCOUNT, "102"), "wrong"), (login("000000999", "102"), password("102"))],
    ids=["wrong password", "unknown login"],
)
def test_bad_credentials_are_challenged_again(stage: Stage, user: str, secret: str) -> None:
    """A wrong password and an unknown login get the same answer: 401 once more, no binding."""
    service = stage.service(world(account()))
    stage.peer("register", remote=service.server, user=user, password=secret, code=401).finish()
    assert extensions_registered(service) == set()


def test_registrations_outlive_a_restart(stage: Stage) -> None:
    """After a restart the phone is called where it registered before."""
    service = stage.service(world(account()))
    host = stage.network.host()
    stage.peer(
        "register",
        host,
        remote=service.server,
        user=login(ACCOUNT, "102"),
        password=password("102"),
    ).finish()
    assert service.stop() == 0
    service.start()
    assert extensions_registered(service) == {"102"}

    called = stage.peer("answer", host)
    anna = stage.phone(service, ACCOUNT, "101")
    anna.dial("102")
    anna.wait_for("CALL_ESTABLISHED")
    anna.hang_up()
    called.finish()


def test_a_call_without_credentials_is_challenged(stage: Stage) -> None:
    """Somebody who is neither user nor trunk gets a challenge, not a call."""
    service = stage.service(world(account()))
    stage.peer("stranger_refused", remote=service.server, number="101", code=407).finish()
    assert service.show("cdrs") == []
