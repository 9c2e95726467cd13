"""SRTP through the call machine: each leg has its own profile and keys."""

from __future__ import annotations

import re
from base64 import b64encode

import pytest

from rtp.messages import PlayTone, SetRemote, StopTone
from sip.flow import Address, Flow
from softswitch.call import events as ev
from softswitch.ids import CallId
from tests.softswitch.call.conversation import (
    ANSWER,
    OFFER,
    Places,
    Talk,
    dial,
    ring,
    sdp,
    target,
)

SUITE = "AES_CM_128_HMAC_SHA1_80"
GCM = "AEAD_AES_128_GCM"


def key(letter: str, octets: int = 30) -> str:
    """A key of this letter."""
    return b64encode(letter.encode() * octets).decode()


def secure(body: bytes, letter: str, *, tag: int = 1, suite: str = SUITE) -> bytes:
    """A description as SRTP with a key."""
    octets = 28 if suite == GCM else 30
    line = f"a=crypto:{tag} {suite} inline:{key(letter, octets)}|2^31\r\n".encode()
    return body.replace(b"RTP/AVP", b"RTP/SAVP") + line


def cryptos(body: bytes) -> list[tuple[str, str, str]]:
    """Tag, suite and key of each line."""
    found = re.findall(rb"a=crypto:(\d+) (\S+) inline:(\S+)\r\n", body)
    return [(tag.decode(), suite.decode(), one.decode()) for tag, suite, one in found]


class TlsPlaces(Places):
    """Phones that are registered over TLS, and trunks that want SRTP if their name says so."""

    def targets(self, step: object) -> ev.Found:
        found = super().targets(step)  # type: ignore[arg-type]
        flow = Flow("tls", Address("127.0.0.1", 5061), Address("192.0.2.9", 5061))
        return ev.Found(
            [
                each._replace(srtp="srtp" in each.name) if each.trunk else each._replace(flow=flow)
                for each in found.targets
            ]
        )


def remotes(talk: Talk) -> dict[str, SetRemote]:
    """What the media plane was told last of each leg."""
    told = (a.command for a in talk.all(ev.Media))
    return {each.leg: each for each in told if isinstance(each, SetRemote)}


def started(offer: bytes, *steps: object, tls: bool = False) -> Talk:
    """A call whose branch is out."""
    talk = Talk(*(steps or (ring(),)), offer=offer)  # type: ignore[arg-type]
    if tls:
        talk.call._directory = talk.call.dialling._directory = TlsPlaces()
    talk.feed(ev.Invited())
    talk.ports()
    return talk


def test_a_secure_caller_talks_to_a_plain_phone() -> None:
    """The phone is offered plain RTP; the caller gets its profile, its tag and a key of ours."""
    talk = started(secure(OFFER, "x", tag=3))
    offer = talk.last(ev.Launch).sdp
    assert b" RTP/AVP 8\r\n" in offer
    assert b"crypto" not in offer
    talk.feed(ev.BranchAnswered(0, ANSWER))
    answer = talk.last(ev.AnswerCaller).sdp
    assert b" RTP/SAVP 8\r\n" in answer
    ((tag, suite, ours),) = cryptos(answer)
    assert (tag, suite) == ("3", SUITE)
    assert remotes(talk)["a"].security == ((SUITE, key("x"), ours),)
    assert remotes(talk)["b:127.0.0.1"].security == ()
    assert "media: caller SRTP, callee plain RTP" in talk.call.trace


def test_early_media_has_the_key_of_the_answer() -> None:
    """A 183 and the 200 after it say the same."""
    talk = started(secure(OFFER, "x"))
    talk.feed(ev.BranchRang(0, 183, ANSWER))
    early = cryptos(talk.last(ev.AnswerCaller).sdp)
    talk.feed(ev.BranchAnswered(0, ANSWER))
    assert cryptos(talk.last(ev.AnswerCaller).sdp) == early
    assert remotes(talk)["a"].security[0].our_key == early[0][2]


def test_a_phone_over_tls_is_offered_what_the_caller_has() -> None:
    """In all our suites, each with its own key; the one that it takes is used."""
    talk = started(secure(OFFER, "x"), tls=True)
    offered = cryptos(talk.last(ev.Launch).sdp)
    assert [suite for _, suite, _ in offered][:3] == [SUITE, "AES_CM_128_HMAC_SHA1_32", GCM]
    assert len({one for *_, one in offered}) == len(offered) == 4
    talk.feed(ev.BranchAnswered(0, secure(ANSWER, "y", tag=3, suite=GCM)))
    assert remotes(talk)["b:127.0.0.1"].security == ((GCM, key("y", 28), offered[2][2]),)
    assert "media: caller SRTP, callee SRTP" in talk.call.trace


@pytest.mark.parametrize(
    "answer", [ANSWER, secure(ANSWER, "y", tag=9), secure(ANSWER, "y", tag=1, suite=GCM)]
)
def test_an_answer_to_another_offer_is_refused(answer: bytes) -> None:
    """Another profile, tag or suite than was offered: nothing is said without its key."""
    talk = started(secure(OFFER, "x"), tls=True)
    talk.feed(ev.BranchAnswered(0, answer))
    assert talk.last(ev.AnswerCaller).status == 488
    assert talk.all(ev.ByeBranch)


def test_a_phone_that_refuses_is_asked_once_more_with_the_other_profile() -> None:
    """Whether it insists on SRTP or lacks it; then 488 is its word."""
    talk = started(OFFER)
    talk.feed(ev.BranchFailed(0, 488, "Not Acceptable Here"))
    assert b" RTP/SAVP 8\r\n" in talk.last(ev.Launch).sdp
    talk.feed(ev.BranchFailed(1, 488, "Not Acceptable Here"))
    assert len(talk.all(ev.Launch)) == 2
    assert talk.last(ev.AnswerCaller).status == 488
    talk = started(secure(OFFER, "x"), tls=True)
    talk.feed(ev.BranchFailed(0, 488, "Not Acceptable Here"))
    assert b" RTP/AVP 8\r\n" in talk.last(ev.Launch).sdp


@pytest.mark.parametrize("offer", [OFFER, secure(OFFER, "x")])
def test_a_trunk_is_offered_what_is_configured(offer: bytes) -> None:
    """Plain RTP, or SRTP with ``srtp``; a refusal is final."""
    talk = started(offer, dial("plain", payment=None), tls=True)
    assert b" RTP/AVP 8\r\n" in talk.last(ev.Launch).sdp
    talk = started(offer, dial("srtp", payment=None), tls=True)
    assert b" RTP/SAVP 8\r\n" in talk.last(ev.Launch).sdp
    talk.feed(ev.BranchFailed(0, 488, "Not Acceptable Here"))
    assert len(talk.all(ev.Launch)) == 1


def test_hold_keeps_the_keys_that_are_offered_again() -> None:
    """Rollover counters go on with them; a new key of the phone gets a new one of ours."""
    talk = started(secure(OFFER, "x"))
    talk.feed(ev.BranchAnswered(0, ANSWER))
    before = remotes(talk)["a"].security
    talk.feed(ev.Reoffered("a", secure(sdp(4000, "sendonly"), "x")))
    assert b" RTP/AVP 8\r\n" in talk.last(ev.SendReoffer).sdp
    talk.feed(ev.ReofferAnswered(200, sdp(5000, "recvonly"), "OK"))
    assert remotes(talk)["a"].security == before
    talk.feed(ev.ReofferAcked(b""))
    talk.feed(ev.Reoffered("a", secure(OFFER, "z")))
    talk.feed(ev.ReofferAnswered(200, ANSWER, "OK"))
    ((_, _, ours),) = cryptos(talk.last(ev.AnswerReoffer).sdp)
    assert remotes(talk)["a"].security == ((SUITE, key("z"), ours),)
    assert ours != before[0].our_key


def test_a_change_of_the_other_side_offers_the_agreed_key() -> None:
    """The secure side is shown what it has agreed to."""
    talk = started(secure(OFFER, "x"))
    talk.feed(ev.BranchAnswered(0, ANSWER))
    agreed = cryptos(talk.last(ev.AnswerCaller).sdp)
    talk.feed(ev.Reoffered("b", sdp(5002)))
    assert cryptos(talk.last(ev.SendReoffer).sdp) == agreed
    assert b" RTP/SAVP 8\r\n" in talk.last(ev.SendReoffer).sdp


def test_rtcp_shares_the_port_of_a_side_that_offers_it() -> None:
    """Its answer says so, the other side hears nothing of it."""
    talk = started(OFFER + b"a=rtcp-mux\r\n")
    assert b"rtcp-mux" not in talk.last(ev.Launch).sdp
    talk.feed(ev.BranchAnswered(0, ANSWER))
    assert b"a=rtcp-mux\r\n" in talk.last(ev.AnswerCaller).sdp
    assert remotes(talk)["a"].rtcp_mux
    assert not remotes(talk)["b:127.0.0.1"].rtcp_mux
    talk.feed(ev.Reoffered("b", sdp(5002)))
    assert b"a=rtcp-mux\r\n" in talk.last(ev.SendReoffer).sdp


EVENTS = b"a=rtpmap:101 telephone-event/8000\r\na=fmtp:101 0-16\r\n"


def test_a_callers_key_presses_are_taken_though_the_other_side_lacks_them() -> None:
    """It hears the tones instead; only if those can be made, and only who offered them."""
    offer = OFFER.replace(b"AVP 8", b"AVP 8 101") + EVENTS
    talk = started(offer)
    talk.feed(ev.BranchAnswered(0, ANSWER))
    answer = talk.last(ev.AnswerCaller).sdp
    assert b"RTP/AVP 8 101\r\n" in answer
    assert b"a=rtpmap:101 telephone-event/8000\r\n" in answer
    talk.feed(ev.CallerAcked(b""))
    talk.feed(ev.RefreshDue("a"), 60)
    assert b"a=rtpmap:101 telephone-event/8000\r\n" in talk.last(ev.SendReoffer).sdp
    talk = started(offer)
    talk.feed(ev.BranchAnswered(0, ANSWER.replace(b" 8\r\n", b" 18\r\n")))
    assert b"telephone-event" not in talk.last(ev.AnswerCaller).sdp
    talk = started(OFFER)
    talk.feed(ev.BranchAnswered(0, ANSWER))
    assert b"telephone-event" not in talk.last(ev.AnswerCaller).sdp


# --- music ----------------------------------------------------------------------------------------


def tones(talk: Talk) -> list[object]:
    """Tones begun and ended."""
    told = (a.command for a in talk.all(ev.Media))
    return [each for each in told if isinstance(each, (PlayTone, StopTone))]


def changed(talk: Talk, side: ev.Side, offer: str, answer: str) -> None:
    """A re-INVITE that the other side answers."""
    mine, other = (4000, 5000) if side == "a" else (5000, 4000)
    talk.feed(ev.Reoffered(side, sdp(mine, offer)))
    talk.feed(ev.ReofferAnswered(200, sdp(other, answer), "OK"))
    talk.feed(ev.ReofferAcked(b""))


@pytest.mark.parametrize("held_by", ["sendonly", "inactive"])
def test_who_is_held_hears_music_until_it_is_resumed(held_by: str) -> None:
    """It is asked to listen, and the holder gets an answer that fits its offer."""
    talk = Talk(ring()).answered()
    changed(talk, "a", held_by, "recvonly")
    assert b"a=sendonly\r\n" in talk.last(ev.SendReoffer).sdp
    fits = b"a=inactive\r\n" if held_by == "inactive" else b"a=recvonly\r\n"
    assert fits in talk.last(ev.AnswerReoffer).sdp
    leg = "b:127.0.0.1"
    assert tones(talk) == [PlayTone(talk.call.id, leg, "hold")]
    changed(talk, "a", "sendrecv", "sendrecv")
    assert tones(talk)[1:] == [StopTone(talk.call.id, leg)]


def test_a_refused_hold_has_no_music() -> None:
    """Nothing is agreed."""
    talk = Talk(ring()).answered()
    talk.feed(ev.Reoffered("a", sdp(4000, "sendonly")))
    talk.feed(ev.ReofferAnswered(500, b"", "no"))
    assert tones(talk) == []


def test_who_only_listens_hears_the_other_side() -> None:
    """An offer of recvonly is no hold, and its answer is none either."""
    talk = Talk(ring()).answered()
    changed(talk, "a", "recvonly", "sendonly")
    assert tones(talk) == []


def test_both_may_hold() -> None:
    """Then nobody listens, until one resumes."""
    talk = Talk(ring()).answered()
    changed(talk, "a", "sendonly", "recvonly")
    changed(talk, "b", "inactive", "inactive")
    leg = "b:127.0.0.1"
    assert tones(talk)[1:] == [StopTone(talk.call.id, leg)]
    changed(talk, "b", "recvonly", "sendonly")
    assert tones(talk)[2:] == [PlayTone(talk.call.id, leg, "hold")]


def test_a_carrier_may_have_music_of_its_own() -> None:
    """Ours plays only while nothing comes from it."""
    talk = Talk(dial("carrier", payment=None)).answered()
    changed(talk, "b", "sendonly", "recvonly")
    assert tones(talk) == [PlayTone(talk.call.id, "a", "hold", unless_heard=True)]
    changed(talk, "b", "sendrecv", "sendrecv")
    changed(talk, "b", "inactive", "recvonly")
    assert tones(talk)[-1] == PlayTone(talk.call.id, "a", "hold")


def test_a_secure_party_that_joins_is_sent_nothing_that_others_can_read() -> None:
    """From the first moment; then it is shown our key in the re-INVITE."""
    talk = Talk(ring()).answered()
    joining = ev.Handover(
        CallId("000000000002"), target("user 105"), secure(sdp(6000), "j"), (), ()
    )
    talk.feed(ev.Joined("b", joining))
    talk.ports()
    (before,) = remotes(talk)["t1:127.0.0.1"].security
    assert before.their_key == key("j")
    asked = talk.last(ev.SendReoffer)
    assert asked.side == "b"
    assert cryptos(asked.sdp) == [("1", SUITE, before.our_key)]
    talk.feed(ev.ReofferAnswered(200, secure(sdp(6000), "k"), "OK"))
    assert remotes(talk)["t1:127.0.0.1"].security == ((SUITE, key("k"), before.our_key),)
    assert "media: caller plain RTP, callee SRTP" in talk.call.trace
