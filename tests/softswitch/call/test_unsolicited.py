"""NOTIFY for phones that never subscribe."""

from __future__ import annotations

from sip.state_documents import Messages
from softswitch.ids import Extension
from softswitch.routing.plan import PhoneCaller
from tests.softswitch.call.panel import ACCOUNT, World, register


def test_phones_that_allow_notify_are_told_of_messages_unasked() -> None:
    """Once when they register, at each change, and not when they subscribe."""
    world = World("101")
    ivo, user = world.panel("150"), PhoneCaller(ACCOUNT, Extension("150"))
    waiting = world.switch.states.waiting
    register(ivo, 600)
    world.run(1)
    assert ivo.unsolicited == []  # it did not say that it takes NOTIFY
    register(ivo, 600, ("Allow", "INVITE, NOTIFY"))
    register(ivo, 600, ("Allow", "INVITE, NOTIFY"))
    world.run(1)
    assert [n.first("event") for n in ivo.unsolicited] == ["message-summary"]
    assert ivo.unsolicited[0].uri == "sip:ivo@10.0.1.50:5060"
    waiting.put(user, Messages(1, 0))
    world.run(1)
    assert b"Voice-Message: 1/0" in ivo.unsolicited[-1].body
    ivo.subscribe("150", "message-summary")
    world.run(1)
    waiting.put(user, Messages(2, 0))
    world.run(1)
    assert len(ivo.unsolicited) == 2
    register(ivo, 0)
    waiting.put(user, Messages(3, 0))
    world.run(1)
    assert len(ivo.unsolicited) == 2


def test_a_phone_that_is_gone_is_forgotten() -> None:
    """Contacts that no longer stand are not remembered."""
    world = World("101")
    ivo = world.panel("150")
    register(ivo, 600, ("Allow", "INVITE, NOTIFY"))
    world.run(1)
    register(ivo, 0, ("Allow", "INVITE, NOTIFY"))
    world.run(1)
    assert world.switch.states._unsolicited._takers == {}
    assert len(ivo.unsolicited) == 1
