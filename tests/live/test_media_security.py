"""SRTP phones with plain and with SRTP phones, keys pressed through the switch, music on hold."""

from __future__ import annotations

import time

import pytest

from media.dtmf_detect import ToneDetector
from tests.live import audio
from tests.live.conftest import Stage
from tests.live.test_speech import ACCOUNT, SAME, TALK_S, heard
from tests.live.test_tls import Secure, secure
from tests.live.world import account, login, password, world

__all__ = ["secure"]

HOLD_S = 9.0  # a phone's speech has 14, then it hangs up


@pytest.mark.parametrize("other", ["", "srtp-mand"], ids=["plain", "srtp"])
def test_a_phone_that_insists_on_srtp_talks(stage: Stage, secure: Secure, other: str) -> None:
    """Calling and called; the other phone has plain RTP, or SRTP with keys of its own."""
    service = secure.service
    over_tls = {"transport": "tls", "server": secure.server}
    anna = stage.phone(service, ACCOUNT, "101", encryption="srtp-mand", **over_tls)
    more = over_tls if other else {}
    gate = stage.phone(service, ACCOUNT, "102", says="second", encryption=other, **more)
    for caller, called, number in ((anna, gate, "102"), (gate, anna, "101")):
        caller.dial(number)
        caller.wait_for("CALL_ESTABLISHED")
        called.wait_for("CALL_ESTABLISHED")
        time.sleep(TALK_S)
        called.hang_up()
        caller.wait_for("CALL_CLOSED")
        assert heard(gate, "first", stage) >= SAME
        assert heard(anna, "second", stage) >= SAME
    for cdr in service.cdrs(ACCOUNT, 2):
        legs = [leg["media"] for leg in cdr["legs"] if "media" in leg]
        assert sorted(leg["encrypted"] for leg in legs) == sorted([True, bool(other)])
        # baresip opens its NAT with an RTCP packet "PING" that it does not seal.
        assert all(leg["unauthenticated"] <= 1 for leg in legs)
        assert any(line.startswith("media: ") and "SRTP" in line for line in cdr["trace"])


def test_who_is_held_is_sent_music_until_the_resume(stage: Stage) -> None:
    """Fifty packets a second in place of the holder's, in a stream that the phone follows.

    How it sounds is compared in ``tests/rtp``: this phone records nothing after a re-INVITE.
    """
    service = stage.service(world(account()))
    anna = stage.phone(service, ACCOUNT, "101", says="first")
    gate = stage.phone(service, ACCOUNT, "102", says="second")
    anna.dial("102")
    anna.wait_for("CALL_ESTABLISHED")
    gate.wait_for("CALL_ESTABLISHED")
    time.sleep(1.0)
    anna.hold()
    time.sleep(HOLD_S)
    anna.resume()
    time.sleep(2.0)
    anna.hang_up()
    gate.wait_for("CALL_CLOSED")
    (cdr,) = service.cdrs(ACCOUNT)
    holder, held = (leg["media"] for leg in cdr["legs"])
    assert held["remote_lost"] == 0
    music = held["packets_sent"] - holder["packets_received"]
    assert 50 * (HOLD_S - 1) <= music <= 50 * (HOLD_S + 0.5)
    log = gate.log.read_text(errors="replace")
    assert log.count("SSRC changed") == 2  # to the music, and back
    assert "discard" not in log


def test_a_key_is_heard_as_a_tone_where_there_are_no_events(stage: Stage) -> None:
    """The phone sends RFC 4733; the other side has G.711 alone and sends back what it hears."""
    service = stage.service(world(account()))
    host = stage.network.host()
    mine = {"user": login(ACCOUNT, "102"), "password": password("102")}
    stage.peer("register", host, remote=service.server, **mine).finish()
    stage.peer("answer", host)
    anna = stage.phone(service, ACCOUNT, "101", says="first")
    anna.dial("102")
    anna.wait_for("CALL_ESTABLISHED")
    time.sleep(1.0)
    for digit in "159#":
        anna.press(digit)
        time.sleep(0.8)
    anna.hang_up()
    anna.wait_for("CALL_CLOSED")
    recorded = audio.read_wav(anna.recording()).astype("<i2").tobytes()
    assert ToneDetector().feed(recorded) == "159#"


@pytest.mark.parametrize("codec", ["G722/16000/1", "opus/48000/2"])
def test_codecs_that_we_do_not_know_are_relayed(stage: Stage, codec: str) -> None:
    """Two phones that both have it; the figures of both legs are those of a good call."""
    service = stage.service(world(account()))
    anna = stage.phone(service, ACCOUNT, "101", says="first", codecs=codec)
    stage.phone(service, ACCOUNT, "102", says="second", codecs=codec)
    anna.dial("102")
    anna.wait_for("CALL_ESTABLISHED")
    time.sleep(4.0)
    anna.hang_up()
    (cdr,) = service.cdrs(ACCOUNT)
    for leg in cdr["legs"]:
        assert leg["media"]["packets_received"] > 150
        assert leg["media"]["packets_lost"] == 0
