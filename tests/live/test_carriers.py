"""Carriers as they are: registrars, challenges, networks, number rules, identity, dead ones."""

from __future__ import annotations

from typing import Any

from tests.live.conftest import Stage
from tests.live.service import Service, eventually
from tests.live.world import account, trunk, world

ACCOUNT = "000000212"
OUTSIDE = "+37120000001"
NUMBER = "+37070044960"
USER, PASSWORD = "trunkuser", "Trunk-secret"


def carrier(service: Service, name: str) -> dict[str, Any]:
    """The trunk as ``show trunks`` has it."""
    return next(row for row in service.show("trunks") if row["name"] == name)


def registering(host: str, **more: Any) -> dict[str, Any]:
    """A trunk that we register with at one port, and call at another."""
    known = {
        "ip": [],
        "registrar": f"sip:{host}",
        "destination": f"sip:{host}:5062",
        "username": USER,
        "password": PASSWORD,
    }
    return trunk("carrier", host, **(known | more))


def test_a_carrier_that_wants_to_be_registered_with(stage: Stage) -> None:
    """REGISTER and INVITE are proved by digest; calls come from the registrar's address alone; the
    binding is taken back at the end, and the password is nowhere to be read."""
    host, stranger = stage.network.host(), stage.network.host()
    service = stage.installed()
    service.apply(world(account(), trunks=(registering(host),)))
    registrar = stage.peer("registrar", host, user=USER, timeout_s=60)
    service.start()
    assert eventually(lambda: carrier(service, "carrier")["registered_until"])

    callee = stage.peer("answer_proved", host, port=5062, media_port=6010, user=USER)
    stage.caller(service, ACCOUNT, "101", "phone_call", number=OUTSIDE).finish()
    callee.finish()
    assert service.cdrs(ACCOUNT)[0]["cause"] == "answered"

    anna = stage.phone(service, ACCOUNT, "101")
    ringing = stage.carrier_call(
        service, host, "trunk_call", user="+37129999999", number=NUMBER, port=5064, media_port=6020
    )
    anna.wait_for("CALL_ESTABLISHED")
    ringing.finish()
    stage.carrier_call(service, stranger, "stranger_refused", number=NUMBER, code=407).finish()

    assert service.stop() == 0
    registrar.finish()
    assert PASSWORD not in service.log.read_text()
    assert PASSWORD.encode() not in (service.folder / "softswitch.db").read_bytes()
    service.ok("export", str(service.folder / "bare"))
    assert PASSWORD not in (service.folder / "bare" / "state.yaml").read_text()
    service.ok("export", str(service.folder / "whole"), "--with-secrets")
    assert PASSWORD in (service.folder / "whole" / "state.yaml").read_text()


def test_a_dead_carrier_is_taken_out_and_comes_back(stage: Stage) -> None:
    """Unanswered OPTIONS: calls go to the next one at once. Any answer, even 404, is life."""
    first, second = stage.network.host(), stage.network.host()
    trunks = (trunk("first", first, probe_s=1), trunk("second", second))
    service = stage.service(world(account(), trunks=trunks))
    down = eventually(
        lambda: carrier(service, "first"), lambda row: row["state"] == "down", within_s=20
    )
    assert down["last_error"] == "no answer to OPTIONS"
    assert down["since"] is not None

    answering = stage.peer("answer", second)
    stage.caller(service, ACCOUNT, "101", "phone_call", number=OUTSIDE).finish()
    answering.finish()
    (cdr,) = service.cdrs(ACCOUNT)
    assert f"trunk first left out: down since {down['since']}" in cdr["trace"]
    assert not any("silent" in line for line in cdr["trace"])

    stage.peer("options", first, code=404, calls=50, timeout_s=60)
    back = eventually(
        lambda: carrier(service, "first"), lambda row: row["state"] == "up", within_s=20
    )
    assert back["state"] == "up"
    said = service.log.read_text()
    assert said.count(f"trunk first at {first}:5060 is down") == 1
    assert said.count(f"trunk first at {first}:5060 is up") == 1


def test_a_carrier_dies_in_the_middle_of_a_failover(stage: Stage) -> None:
    """Its silence in calls counts too: the first call waits for it, the third one does not."""
    first, second = stage.network.host(), stage.network.host()
    trunks = (trunk("first", first, probe_s=3600), trunk("second", second))
    service = stage.service(world(account(), trunks=trunks))
    answering = stage.peer("answer", second, calls=3, timeout_s=60)
    for _ in range(3):
        stage.caller(service, ACCOUNT, "101", "phone_call", number=OUTSIDE).finish()
    answering.finish()
    rows = service.cdrs(ACCOUNT, 3)
    silent = [any("trunk first: silent" in line for line in row["trace"]) for row in rows]
    assert silent.count(True) == 2
    assert carrier(service, "first")["last_error"] == "a call got no answer"


def test_a_carrier_of_a_whole_network(stage: Stage) -> None:
    """Any of its addresses brings calls; the narrower network of another trunk wins."""
    inside, host = stage.network.host(), stage.network.host()
    network = inside.rsplit(".", 1)[0] + ".0/24"
    wide = trunk("wide", host, ip=[network])
    narrow = trunk(
        "narrow", host, ip=[f"{inside}/32"], inbound_numbers=[{"prepend": "37", "of": "called"}]
    )
    service = stage.service(world(account(), trunks=(wide, narrow)))
    anna = stage.phone(service, ACCOUNT, "101")
    for source, number in ((host, NUMBER), (inside, NUMBER.removeprefix("+37"))):
        caller = stage.carrier_call(
            service, source, "trunk_call", user="+37129999999", number=number
        )
        anna.wait_for("CALL_ESTABLISHED")
        caller.finish()
        anna.wait_for("CALL_CLOSED")
    assert [row["to"] for row in service.cdrs(ACCOUNT, 2)] == [NUMBER, NUMBER]


def test_numbers_are_written_as_the_carrier_wants(stage: Stage) -> None:
    """National called numbers, plain callers' out; a trunk's own form in; the tester says so."""
    host = stage.network.host()
    rules = {
        "country": "LV",
        "outbound_numbers": [
            {"match": "+371", "of": "called", "preset": "national", "prepend": "9"},
            {"of": "caller", "preset": "plain"},
        ],
        "inbound_numbers": [{"match": "0", "strip": 1, "prepend": "+3707", "of": "called"}],
        "trusted": True,
        "remote_party_id": True,
    }
    service = stage.service(world(account(), trunks=(trunk("carrier", host, **rules),)))
    answering = stage.peer("answer", host)
    stage.caller(service, ACCOUNT, "101", "phone_call", number=OUTSIDE).finish()
    sent = answering.finish()
    assert f"INVITE sip:920000001@{host}:5060 SIP/2.0" in sent
    shown = f"<sip:37070044960@{service.host}>"
    assert f"P-Asserted-Identity: {shown}" in sent
    assert f"Remote-Party-ID: {shown};party=calling;screen=yes;privacy=off" in sent

    anna = stage.phone(service, ACCOUNT, "101")
    ringing = stage.carrier_call(
        service, host, "trunk_call", user="+37129999999", number="00044960"
    )
    anna.wait_for("CALL_ESTABLISHED")
    ringing.finish()

    told = service.ok("trunk", "test", "carrier", OUTSIDE, "--caller", NUMBER)
    assert "called +37120000001 -> 920000001 (outbound rule 1" in told
    assert "caller +37070044960 -> 37070044960 (outbound rule 2" in told
    told = service.ok("trunk", "test", "carrier", "00044960", "--in")
    assert f"-> {NUMBER} (inbound rule 1" in told


def test_a_withheld_caller_stays_unknown_to_phones(stage: Stage) -> None:
    """Privacy: id of a trusted carrier: the phone and the record see nobody."""
    host = stage.network.host()
    service = stage.service(world(account(), trunks=(trunk("carrier", host, trusted=True),)))
    anna = stage.phone(service, ACCOUNT, "101")
    caller = stage.carrier_call(
        service, host, "trunk_call_withheld", user="+37129999999", number=NUMBER
    )
    anna.wait_for("CALL_ESTABLISHED")
    caller.finish()
    (cdr,) = service.cdrs(ACCOUNT)
    assert cdr["from"] == ""
    log = anna.log.read_text(errors="replace")
    assert "anonymous.invalid" in log
    assert "+37129999999" not in log
