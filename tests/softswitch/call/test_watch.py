"""What is noted of calls: nothing while nobody subscribes, and whose call it is afterwards."""

from __future__ import annotations

import re

import pytest

from softswitch.call import watch as watch_module
from softswitch.ids import Extension
from softswitch.routing.plan import PhoneCaller
from tests.simulation.phone import Calling
from tests.softswitch.call.panel import ACCOUNT, Lamp, World


def state(lamp: Lamp) -> str:
    """The states of the dialogs in the last NOTIFY."""
    return "+".join(re.findall(r"<state>(\w+)</state>", lamp.body))


def test_nothing_is_noted_while_nobody_subscribes() -> None:
    """And the first subscriber still finds the call that is up."""
    world = World("101", "102", "103")
    caller = world.phone("101")
    world.phone("102")
    world.call(caller, "102", talk_s=30)
    world.run(5)
    watch = world.subscriptions.watch
    assert not watch.on
    assert not watch.take_changed()
    lamp = world.panel("103").subscribe("102")
    world.run(1)
    assert state(lamp) == "confirmed"
    world.run(40)
    assert state(lamp) == "terminated"
    assert not watch.calls(PhoneCaller(ACCOUNT, Extension("102")))


def test_many_calls_are_found_a_few_at_a_time(monkeypatch: pytest.MonkeyPatch) -> None:
    """A lamp is right when its turn has come, and one call that ended meanwhile does no harm."""
    monkeypatch.setattr(watch_module, "CALLS_PER_TURN", 1)
    world = World(*map(str, range(101, 110)))
    for number in range(101, 107, 2):
        world.phone(str(number + 1))
        world.call(world.phone(str(number)), str(number + 1), talk_s=6 if number == 103 else 30)
    world.run(5)
    panel = world.panel("109")
    lamps = [panel.subscribe(extension) for extension in ("102", "104", "106")]
    world.run(2)
    assert [state(lamp) for lamp in lamps] == ["confirmed"] * 3
    world.run(4)
    assert state(lamps[1]) == "terminated"


def test_a_transfer_moves_the_light() -> None:
    """Who handed the call on is free, who took it talks, the third one talks all the time."""
    world = World("101", "102", "103", "104")
    caller = world.phone("101")
    world.phone("102")
    world.phone("103")
    panel = world.panel("104")
    lamps = [panel.subscribe(extension) for extension in ("101", "102", "103")]
    caller.call(Calling("102", "", transfer_s=3.0, transfer_to="103"))
    world.run(4)
    assert [state(lamp) for lamp in lamps] == ["confirmed", "confirmed", ""]
    world.run(10)
    assert [state(lamp) for lamp in lamps] == ["terminated", "confirmed", "confirmed"]
    assert "sip:101@" in lamps[1].body


def test_an_attended_transfer_moves_the_light() -> None:
    """With Replaces: the leg goes on in another call."""
    world = World("101", "102", "103", "104")
    caller = world.phone("101")
    world.phone("102")
    world.phone("103")
    panel = world.panel("104")
    lamps = [panel.subscribe(extension) for extension in ("101", "102", "103")]
    caller.call(Calling("102", "", transfer_s=3.0, transfer_to="103", attended=True))
    world.run(30)
    assert [state(lamp) for lamp in lamps[1:]] == ["confirmed", "confirmed"]
    assert state(lamps[0]) == "terminated+terminated"  # both of the calls that it had
