"""Two people talk through the switch and hear each other, and nobody else."""

from __future__ import annotations

import time

import pytest

from tests.live import audio
from tests.live.baresip import Phone
from tests.live.conftest import Stage
from tests.live.service import eventually
from tests.live.world import account, login, password, world

ACCOUNT = "000000212"
TALK_S = 12.0
COMPARED_S = 11  # less than the talk: the ends of a call are ragged
SAME, OTHER = 0.9, 0.2


def heard(phone: Phone, spoken: str, stage: Stage) -> float:
    """How much of a recording the phone heard in its last call."""
    played = audio.read_wav(stage.speech[spoken])[: COMPARED_S * audio.RATE_HZ]
    return audio.correlation(audio.read_wav(phone.recording()), played)


@pytest.mark.parametrize("workers", [0, 1], ids=["in process", "worker process"])
@pytest.mark.parametrize("transport", ["udp", "tcp"])
def test_phones_hear_each_other(stage: Stage, transport: str, workers: int) -> None:
    """Each phone records what the other plays, through either media carrier."""
    service = stage.service(world(account()), media={"workers": workers})
    anna = stage.phone(service, ACCOUNT, "101", says="first", transport=transport)
    gate = stage.phone(service, ACCOUNT, "102", says="second", transport=transport)
    assert {row["transport"] for row in service.show("registrations")} == {transport}

    anna.dial("102")
    anna.wait_for("CALL_ESTABLISHED")
    gate.wait_for("CALL_ESTABLISHED")
    time.sleep(TALK_S)
    anna.hang_up()
    gate.wait_for("CALL_CLOSED")
    (cdr,) = service.cdrs(ACCOUNT)

    assert heard(gate, "first", stage) >= SAME
    assert heard(anna, "second", stage) >= SAME
    assert heard(gate, "second", stage) < OTHER
    assert heard(anna, "first", stage) < OTHER
    assert (cdr["direction"], cdr["cause"], cdr["hangup_by"]) == ("internal", "answered", "caller")
    assert TALK_S - 1 <= cdr["duration_s"] <= TALK_S + 3
    assert cdr["price"] in (None, "0", "0.00")


@pytest.mark.parametrize("workers", [0, 1], ids=["in process", "worker process"])
@pytest.mark.parametrize("transport", ["udp", "tcp"])
def test_a_sipp_phone_talks_with_a_baresip_phone(
    stage: Stage, transport: str, workers: int
) -> None:
    """SIPp registers with digest, is called by extension, and its speech arrives at baresip."""
    service = stage.service(world(account()), media={"workers": workers})
    host = stage.network.host()
    login_102 = {"user": login(ACCOUNT, "102"), "password": password("102")}
    stage.peer("register", host, remote=service.server, transport=transport, **login_102).finish()
    called = stage.peer(
        "answer", host, transport=transport, play=audio.to_alaw(stage.speech["second"])
    )
    anna = stage.phone(service, ACCOUNT, "101", says="first", transport=transport)

    anna.dial("102")
    anna.wait_for("CALL_ESTABLISHED")
    time.sleep(TALK_S)
    anna.hang_up()
    called.finish()
    service.cdrs(ACCOUNT)

    assert heard(anna, "second", stage) >= SAME
    assert heard(anna, "first", stage) < OTHER


def test_a_sipp_phone_calls_and_hears_its_echo_from_baresip_side(stage: Stage) -> None:
    """SIPp calls baresip with digest; what baresip says comes back through both legs."""
    service = stage.service(world(account()), media={"workers": 1})
    anna = stage.phone(service, ACCOUNT, "101", says="first")
    caller = stage.caller(
        service, ACCOUNT, "102", "phone_call", number="101", talk_ms=int(TALK_S * 1000)
    )
    anna.wait_for("CALL_ESTABLISHED")
    caller.finish()
    anna.wait_for("CALL_CLOSED")
    service.cdrs(ACCOUNT)

    # SIPp sends back what it gets: the speech crossed the switch in both directions.
    assert heard(anna, "first", stage) >= SAME


def test_same_extensions_of_two_accounts_never_meet(stage: Stage) -> None:
    """An extension reaches the user of the caller's own account, or nobody."""
    other = "000000213"
    service = stage.service(world(account(ACCOUNT), account(other, numbers=("+37070044961",))))
    mine = stage.phone(service, ACCOUNT, "101")
    my_gate = stage.phone(service, ACCOUNT, "102")
    their_gate = stage.phone(service, other, "102")

    mine.dial("102")
    my_gate.wait_for("CALL_ESTABLISHED")
    mine.hang_up()
    my_gate.wait_for("CALL_CLOSED")
    my_gate.leave()
    eventually(
        lambda: service.show("registrations", ACCOUNT),
        lambda rows: {row["extension"] for row in rows} == {"101"},
    )
    mine.dial("102")
    mine.wait_for("CALL_CLOSED")

    causes = [row["cause"] for row in service.cdrs(ACCOUNT, 2)]
    assert sorted(causes) == ["answered", "unreachable"]
    assert service.show("cdrs", other) == []
    assert their_gate.calls_seen() == 0
