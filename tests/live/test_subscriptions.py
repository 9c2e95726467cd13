"""Lamps of phones that we did not write: calls, registrations, messages, a restart."""

from __future__ import annotations

import re
import sqlite3
from contextlib import closing

import pytest

from tests.live.conftest import Stage
from tests.live.service import DOMAIN, Service, eventually
from tests.live.sipp import Sipp
from tests.live.world import account, login, world

ACCOUNT = "000000212"
CSEQ = re.compile(r"^CSeq: (\d+) NOTIFY\r?$", re.MULTILINE)


def lamp(stage: Stage, service: Service, resource: str, **more: object) -> Sipp:
    """A SIPp of user 100 that subscribes to a user."""
    return stage.caller(service, ACCOUNT, "100", "subscribe", number=resource, **more)


def received(messages: str) -> list[str]:
    """The NOTIFYs that SIPp got, in order, without repetitions."""
    found: dict[str, str] = {}
    for message in messages.split("-----------------------------------------------"):
        if "\nNOTIFY sip:" in message and " received " in message:
            (number,) = CSEQ.findall(message)
            found.setdefault(number, message)
    return list(found.values())


def dialog_states(messages: str) -> list[str]:
    """What a lamp showed, one word a NOTIFY."""
    return [
        "+".join(re.findall(r"<state>(\w+)</state>", notify)) or "idle"
        for notify in received(messages)
    ]


def subscribed(service: Service, count: int) -> list[dict[str, object]]:
    """The subscriptions, waited for."""
    return eventually(lambda: service.show("subscriptions"), lambda rows: len(rows) == count)


def rows_kept(service: Service) -> int:
    """How many subscriptions a crash would leave."""
    with closing(sqlite3.connect(service.folder / "softswitch.db")) as database:
        (count,) = database.execute("SELECT count(*) FROM subscription").fetchone()
    return int(count)


def test_a_lamp_through_a_whole_call(stage: Stage) -> None:
    """Idle, ringing, talking, idle, as dialog-info; shown by ``show`` and counted by ``status``."""
    service = stage.service(world(account()))
    anna = stage.phone(service, ACCOUNT, "101")
    bob = stage.phone(service, ACCOUNT, "102", says="second", answer="manual")
    watching = lamp(stage, service, "102", until="terminated./state")
    (row,) = subscribed(service, 1)
    assert row["account"] == ACCOUNT
    assert (row["extension"], row["package"], row["resource"]) == ("100", "dialog", "102")
    assert str(row["contact"]).startswith(f"sip:{login(ACCOUNT, '100')}@")
    assert row["expires_at"]
    assert "subscriptions: 1" in service.ok("status")
    anna.dial("102")
    bob.wait_for("CALL_INCOMING")
    assert eventually(lambda: "early" in dialog_states(watching.messages()), within_s=2)
    bob.answer()
    anna.wait_for("CALL_ESTABLISHED")
    assert eventually(lambda: "confirmed" in dialog_states(watching.messages()), within_s=2)
    anna.hang_up()
    states = dialog_states(watching.finish())
    assert [state for state in states if state != "trying"] == [
        *("idle", "early", "confirmed", "terminated"),
    ]


def test_an_unregistered_user_is_told_from_an_idle_one(stage: Stage) -> None:
    """open while the phone is there, closed when it has left."""
    service = stage.service(world(account()))
    bob = stage.phone(service, ACCOUNT, "102")
    watching = [
        lamp(stage, service, "102", event=event, until=".closed.")
        for event in ("dialog", "presence")
    ]
    contacts = lamp(stage, service, "102", event="reg", until="state=.init")
    subscribed(service, 3)
    bob.leave()
    for sipp in watching:
        states = [re.findall(r">(open|closed)<", told) for told in received(sipp.finish())]
        assert states == [["open"], ["closed"]]
    assert 'state="active" event="registered"' in received(contacts.finish())[0]


@pytest.mark.parametrize("signal", ["SIGTERM", "SIGKILL"])
def test_a_restart_in_the_middle(stage: Stage, signal: str) -> None:
    """The subscription goes on: the state anew, numbers that rise, and the next call is told."""
    service = stage.service(world(account()))
    bob = stage.phone(service, ACCOUNT, "102", says="second")
    anna = stage.phone(service, ACCOUNT, "101")
    watching = lamp(stage, service, "102", until="terminated./state")
    subscribed(service, 1)
    assert eventually(lambda: len(received(watching.messages())) == 1)
    if signal == "SIGTERM":
        assert service.stop() == 0
    else:
        assert eventually(lambda: rows_kept(service) == 1)
        service.kill()
    service.start()
    assert len(service.show("subscriptions")) == 1
    assert eventually(lambda: len(received(watching.messages())) == 2)
    anna.dial("102")
    anna.wait_for("CALL_ESTABLISHED")
    assert eventually(lambda: "confirmed" in dialog_states(watching.messages()), within_s=3)
    anna.hang_up()
    messages = watching.finish()
    numbers = [int(number) for told in received(messages) for number in CSEQ.findall(told)]
    assert numbers == sorted(set(numbers))
    assert dialog_states(messages)[:2] == ["idle", "idle"]
    assert bob.calls_seen() == 1


def test_481_ends_it(stage: Stage) -> None:
    """A phone that does not know the subscription is not told again."""
    service = stage.service(world(account()))
    lamp(stage, service, "102", code=481, until="active").finish()
    assert subscribed(service, 0) == []


def test_a_closed_connection_ends_it(stage: Stage) -> None:
    """A phone over TCP that is gone leaves nothing."""
    service = stage.service(world(account()))
    watching = lamp(stage, service, "102", transport="tcp", until="terminated./state")
    subscribed(service, 1)
    watching.__exit__()
    assert subscribed(service, 0) == []


@pytest.mark.parametrize(("resource", "code"), [("555", 404), ("102", 403)])
def test_refusals(stage: Stage, resource: str, code: int) -> None:
    """Nobody, and another's mailbox."""
    service = stage.service(world(account()))
    sipp = lamp(stage, service, resource, event="message-summary", timeout_s=5)
    assert eventually(lambda: f"SIP/2.0 {code}" in sipp.messages())
    assert service.show("subscriptions") == []


def test_baresip_follows_the_presence_of_a_contact(stage: Stage) -> None:
    """Offline while nobody is registered, online afterwards, as its address book shows."""
    service = stage.service(world(account()))
    contact = f'"Bob" <sip:102@{DOMAIN}>;presence=p2p\n'
    anna = stage.phone(service, ACCOUNT, "101", modules=("contact", "presence"), contacts=contact)
    (row,) = subscribed(service, 1)
    assert (row["package"], row["resource"]) == ("presence", "102")
    assert eventually(lambda: "Offline" in anna.address_book()), anna.address_book()
    bob = stage.phone(service, ACCOUNT, "102", says="second")
    assert eventually(lambda: "Online" in anna.address_book()), anna.address_book()
    bob.leave()
    assert eventually(lambda: "Offline" in anna.address_book()), anna.address_book()


def test_messages_are_told_to_who_asks_and_to_who_does_not(stage: Stage) -> None:
    """SIPp subscribes to its own mailbox by its login; baresip registers, and allows NOTIFY."""
    service = stage.service(world(account()))
    asking = lamp(
        stage, service, login(ACCOUNT, "100"), event="message-summary", until="Voice-Message"
    )
    (told,) = received(asking.finish())
    assert "Messages-Waiting: no" in told
    assert f"Message-Account: sip:{login(ACCOUNT, '100')}@{DOMAIN}" in told
    (row,) = service.show("subscriptions")
    assert (row["package"], row["resource"]) == ("message-summary", "100")
    anna = stage.phone(service, ACCOUNT, "101")
    assert eventually(lambda: "Voice-Message: 0/0 (0/0)" in anna.output())
    assert f"Message-Account: sip:{login(ACCOUNT, '101')}@{DOMAIN}" in anna.output()
