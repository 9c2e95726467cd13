"""Voice messages: who is told how many there are, and what stays of them."""

from __future__ import annotations

from twisted.internet.defer import Deferred

from sip.state_documents import Messages
from softswitch.call.phone_states import PhoneStates
from softswitch.ids import Extension
from softswitch.routing.plan import PhoneCaller
from tests.softswitch.call.panel import ACCOUNT, World


def test_messages_light_the_own_lamp_only() -> None:
    """0 at first; told on change; another's mailbox is 403."""
    world = World("101", "102")
    panel = world.panel("101")
    lamp, others = (
        panel.subscribe("101", "message-summary"),
        panel.subscribe("102", "message-summary"),
    )
    world.run(1)
    assert others.statuses == [403]
    assert "Voice-Message: 0/0 (0/0)" in lamp.body
    world.switch.states.waiting.put(PhoneCaller(ACCOUNT, Extension("101")), Messages(2, 1))
    world.switch.states.waiting.put(PhoneCaller(ACCOUNT, Extension("102")), Messages(7, 0))
    world.run(1)
    assert "Messages-Waiting: yes\r\n" in lamp.body
    assert "Voice-Message: 2/1 (0/0)" in lamp.body
    assert len(lamp.notifies) == 2


def test_messages_outlive_a_restart() -> None:
    """The counts are in the store."""
    world = World("101")
    user = PhoneCaller(ACCOUNT, Extension("101"))
    world.switch.states.waiting.put(user, Messages(3, 4))
    world.switch.states.waiting.put(user, Messages(3, 5))
    states: PhoneStates = World("101").switch.states
    states.waiting._database = world.switch.store
    Deferred.fromCoroutine(states.waiting.load())
    world.run(1)
    assert states.waiting.count(user) == Messages(3, 5)
