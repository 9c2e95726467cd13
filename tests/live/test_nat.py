"""Phones behind real NAT, and phones that vanish.

The switch is in one network namespace; each phone has a private network of its own, all with the
same addresses, behind a NAT that maps to other ports and forgets a mapping soon.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import pytest

from tests.live import audio, baresip, sipp
from tests.live.conftest import Stage
from tests.live.namespaces import PRIVATE, SWITCH, Home, Internet, internet, why_not
from tests.live.service import DOMAIN, Row, Service, eventually
from tests.live.world import account, login, password, world

ACCOUNT = "000000212"
MAPPING_S = 20  # how long the NATs remember an idle UDP mapping
PROBE_S = 15
SILENCE_S = 40.0
TALK_S = 12.0
COMPARED_S = 11
SAME, OTHER = 0.9, 0.2
MEDIA_TIMEOUT_S = 5
KNOWN_WITHIN_S = 60.0


@dataclass
class Scene:
    """A switch on a public network, and homes behind NATs."""

    stage: Stage
    internet: Internet

    def service(self, *, probe_s: int = PROBE_S) -> Service:
        """A started switch with 101 and 102."""
        folder = self.stage.folder / "service"
        service = Service(
            folder,
            SWITCH,
            self.internet.switch,
            sip={"phone_probe_s": probe_s},
            media={"workers": 0, "timeout_s": MEDIA_TIMEOUT_S},
        )
        self.stage.stack.callback(service.close)
        service.apply(world(account()))
        service.start()
        return service

    def home(self) -> Home:
        """A private network."""
        return self.internet.behind_nat(MAPPING_S)

    def phone(self, home: Home, extension: str, says: str, transport: str = "udp") -> baresip.Phone:
        """A registered baresip behind a NAT; it asks for ``rport`` and sends no keep-alives."""
        line = baresip.Account(
            login(ACCOUNT, extension),
            password(extension),
            f"{SWITCH}:5060",
            DOMAIN,
            transport,
            expires_s=600,
        )
        folder = self.stage.folder / f"phone-{extension}"
        speech = self.stage.speech[says]
        phone = baresip.Phone(line, speech, folder, 5060, PRIVATE, home.phone)
        self.stage.stack.enter_context(phone)
        phone.wait_registered()
        return phone


@pytest.fixture
def scene(stage: Stage) -> Iterator[Scene]:
    """No switch and no phones yet."""
    reason = why_not()
    if reason:
        pytest.skip(reason)
    with internet() as public:
        yield Scene(stage, public)
        stage.stack.close()  # before the namespaces go


def heard(phone: baresip.Phone, spoken: Path) -> float:
    """How much of a recording the phone heard in its last call."""
    played = audio.read_wav(spoken)[: COMPARED_S * audio.RATE_HZ]
    return audio.correlation(audio.read_wav(phone.recording()), played)


def states(service: Service) -> dict[str, str]:
    """What the switch knows of each extension's phone."""
    return {row["extension"]: row["state"] for row in service.show("registrations")}


def test_phones_with_one_private_address_call_each_other_after_silence(scene: Scene) -> None:
    """Two networks are both 192.168.1.0/24. Probes keep the mappings, that the NATs would forget
    after 20 s; RTP goes where it comes from, whatever the descriptions say."""
    service = scene.service()
    homes = scene.home(), scene.home()
    anna = scene.phone(homes[0], "101", "first")
    gate = scene.phone(homes[1], "102", "second")
    rows = service.show("registrations")
    assert {row["source"].rpartition(":")[0] for row in rows} == {home.public for home in homes}
    assert all(f"@{PRIVATE}:5060" in row["contact"] for row in rows)
    assert all(int(row["source"].rpartition(":")[2]) >= 40_000 for row in rows)

    time.sleep(SILENCE_S)
    for caller, callee, number in ((anna, gate, "102"), (gate, anna, "101")):
        caller.dial(number)
        callee.wait_for("CALL_ESTABLISHED")
        time.sleep(TALK_S)
        caller.hang_up()
        callee.wait_for("CALL_CLOSED")
        first, second = scene.stage.speech["first"], scene.stage.speech["second"]
        service.cdrs(ACCOUNT)
        assert heard(gate, first) >= SAME
        assert heard(anna, second) >= SAME
        assert heard(gate, second) < OTHER
        assert heard(anna, first) < OTHER
    causes = [(row["cause"], row["hangup_by"]) for row in service.cdrs(ACCOUNT, 2)]
    assert causes == [("answered", "caller")] * 2


def test_without_probes_the_nat_forgets_the_phone(scene: Scene) -> None:
    """What the probes are for: the same phone, the same silence, and the call does not arrive."""
    service = scene.service(probe_s=0)
    anna = scene.phone(scene.home(), "101", "first")
    gate = scene.phone(scene.home(), "102", "second")
    time.sleep(SILENCE_S)
    anna.dial("102")
    time.sleep(5)
    anna.hang_up()
    service.cdrs(ACCOUNT)
    assert gate.calls_seen() == 0
    assert states(service) == {"101": "registered", "102": "registered"}


def test_phone_that_does_not_ask_for_rport_is_reached_too(scene: Scene) -> None:
    """Its Via says 192.168.1.10:5060, its requests come from another address and port: answers and
    calls go there (SIPp sends no ``rport``)."""
    service = scene.service()
    home = scene.home()
    anna = scene.phone(scene.home(), "101", "first")
    peer = sipp.Peer(
        "register",
        PRIVATE,
        f"{SWITCH}:5060",
        DOMAIN,
        login(ACCOUNT, "102"),
        password("102"),
        expires_s=600,
        namespace=home.phone,
    )
    said = sipp.run(peer, scene.stage.folder / "sipp-register")
    assert f"received={home.public}" in said
    assert "rport" not in said
    play = audio.to_alaw(scene.stage.speech["second"])
    waiting = replace(peer, scenario="answer_probed", remote="", play=play, calls=100, timeout_s=90)
    with sipp.Sipp(waiting, scene.stage.folder / "sipp-answer") as called:
        time.sleep(SILENCE_S)
        assert called.messages().count("\nOPTIONS sip:") >= 2
        anna.dial("102")
        anna.wait_for("CALL_ESTABLISHED")
        time.sleep(TALK_S)
        anna.hang_up()
        service.cdrs(ACCOUNT)
        assert eventually(lambda: "\nBYE sip:" in called.messages())
    assert heard(anna, scene.stage.speech["second"]) >= SAME
    assert heard(anna, scene.stage.speech["first"]) < OTHER


def test_phone_that_vanishes_is_noticed_and_comes_back(scene: Scene) -> None:
    """Its cable is pulled in a call: the call ends for want of RTP, the registration is dead within
    60 s, calls to it are refused at once; with the cable back it can be called again."""
    service = scene.service()
    home = scene.home()
    anna = scene.phone(scene.home(), "101", "first")
    gate = scene.phone(home, "102", "second")
    anna.dial("102")
    gate.wait_for("CALL_ESTABLISHED")
    time.sleep(3)

    home.unplug()
    pulled_s = time.monotonic()
    anna.wait_for("CALL_CLOSED", timeout_s=MEDIA_TIMEOUT_S + 10)
    (cut,) = service.cdrs(ACCOUNT)
    assert (cut["cause"], cut["hangup_by"]) == ("answered", "switch")
    assert cut["duration_s"] <= 3 + MEDIA_TIMEOUT_S + 5
    seen = eventually(
        lambda: states(service), lambda found: found["102"] == "dead", within_s=KNOWN_WITHIN_S
    )
    assert seen == {"101": "registered", "102": "dead"}
    assert time.monotonic() - pulled_s <= KNOWN_WITHIN_S

    anna.dial("102")
    anna.wait_for("CALL_CLOSED", timeout_s=3)
    refused = next(row for row in service.cdrs(ACCOUNT, 2) if row != cut)
    assert refused["cause"] == "unreachable"

    home.plug()
    seen = eventually(
        lambda: states(service),
        lambda found: found["102"] == "registered",
        within_s=PROBE_S + 5,
    )
    assert seen == {"101": "registered", "102": "registered"}
    anna.dial("102")
    gate.wait_for("CALL_ESTABLISHED")


@pytest.mark.parametrize("transport", ["udp", "tcp"])
def test_phone_that_vanishes_at_rest_is_noticed(scene: Scene, transport: str) -> None:
    """Nobody calls it; the list of registrations says so all the same. A connection whose other end
    is gone looks as before for a quarter of an hour."""
    service = scene.service()
    home = scene.home()
    scene.phone(home, "102", "second", transport)
    time.sleep(2 * PROBE_S)
    assert states(service) == {"102": "registered"}
    home.unplug()
    rows: list[Row] = eventually(
        lambda: service.show("registrations"),
        lambda found: found[0]["state"] == "dead",
        within_s=KNOWN_WITHIN_S,
    )
    assert [row["state"] for row in rows] == ["dead"]
