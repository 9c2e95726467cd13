"""Messages, and digits as messages, to a phone that we did not write."""

from __future__ import annotations

import pytest

from tests.live.conftest import Stage
from tests.live.service import eventually
from tests.live.world import account, world

ACCOUNT = "000000212"
TEXT = "The parcel is at the gate."


@pytest.mark.parametrize("transport", ["udp", "tcp"])
def test_message_reaches_the_phone_of_an_extension(stage: Stage, transport: str) -> None:
    """From the sender's extension; the phone's 200 goes back."""
    service = stage.service(world(account()))
    gate = stage.phone(service, ACCOUNT, "102", transport=transport)
    stage.caller(service, ACCOUNT, "101", "phone_message", number="102").finish()
    shown = eventually(lambda: gate.log.read_text(errors="replace"), lambda log: TEXT in log)
    assert TEXT in shown
    assert "sip:101@" in shown
    assert service.show("cdrs", ACCOUNT) == []


@pytest.mark.parametrize(("number", "code"), [("102", 480), ("199", 404), ("+37120000001", 403)])
def test_message_that_nobody_can_get(stage: Stage, number: str, code: int) -> None:
    """A phone that is off, an extension that nobody has, a number outside."""
    service = stage.service(world(account()))
    stage.caller(service, ACCOUNT, "101", "phone_message", number=number, code=code).finish()


def test_digit_by_info_reaches_the_other_phone(stage: Stage) -> None:
    """baresip says in its Allow that it takes INFO, and tells what it got."""
    service = stage.service(world(account()))
    gate = stage.phone(service, ACCOUNT, "102")
    stage.caller(service, ACCOUNT, "101", "phone_call_digits", number="102").finish()
    assert "received DTMF: '5'" in gate.log.read_text(errors="replace")
    (cdr,) = service.cdrs(ACCOUNT)
    assert "INFO" not in str(cdr["trace"])
