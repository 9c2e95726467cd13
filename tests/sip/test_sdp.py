"""Session descriptions: reading, sending on, making."""

from __future__ import annotations

from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sip import sdp
from sip.errors import RemoteError
from sip.sdp import Format
from tests.sip.samples import SDP

BROWSER = b"""v=0\r
o=- 4611731400430051336 2 IN IP4 127.0.0.1\r
s=secret name\r
i=about\r
u=http://inside.example\r
e=me@inside.example\r
c=IN IP4 10.0.0.5\r
b=AS:84\r
t=0 0\r
a=group:BUNDLE 0 1\r
a=ice-lite\r
a=sendonly\r
a=X-vendor: kept\r
m=audio 5004/2 RTP/AVP 111 0\r
c=IN IP4 10.0.0.6\r
b=TIAS:64000\r
i=line\r
a=rtcp:5005 IN IP4 10.0.0.6\r
a=rtcp-mux\r
a=candidate:1 1 UDP 2130706431 10.0.0.6 5004 typ host\r
a=ice-ufrag:abcd\r
a=ssrc:1 cname:x\r
a=mid:0\r
a=crypto:1 AES_CM_128_HMAC_SHA1_80 inline:x\r
a=rtpmap:111 opus/48000/2\r
a=fmtp:111 minptime=10;useinbandfec=1\r
a=maxptime:60\r
m=video 5006 RTP/AVP 96\r
a=rtpmap:96 VP8/90000\r
"""


def sent_on(body: bytes, direction: str | None = None) -> bytes:
    """The description as our other side would get it."""
    return sdp.frame(body, direction).filled("198.51.100.7", 30002, 7, 3)


def audio(body: bytes) -> sdp.Media:
    """The audio of a description that has one."""
    found = sdp.parse(body).audio
    assert found is not None
    return found


def test_reads_a_phones_offer() -> None:
    """Formats with their maps, address, direction and packet time."""
    description = sdp.parse(SDP)
    assert description.origin == sdp.Origin("alice", "2890844526", "2890844526", "192.0.2.101")
    media = description.audio
    assert media is not None
    assert (media.port, media.protocol, media.connection_host) == (49172, "RTP/AVP", "192.0.2.101")
    assert media.formats == (
        Format(8, "PCMA", 8000),
        Format(0, "PCMU", 8000),
        Format(101, "telephone-event", 8000, "0-16"),
    )
    assert [f.is_telephone_event for f in media.formats] == [False, False, True]
    assert (media.ptime_ms, media.direction, media.rtcp_port) == (20, "sendrecv", 49173)


def test_media_overrides_what_the_session_says_and_inherits_the_rest() -> None:
    """RFC 8866 5.7 and 6.7."""
    first, second = sdp.parse(BROWSER).media
    assert (first.connection_host, second.connection_host) == ("10.0.0.6", "10.0.0.5")
    assert (first.direction, second.direction) == ("sendonly", "sendonly")
    assert (first.rtcp_port, first.rtcp_host, first.rtcp_mux) == (5005, "10.0.0.6", True)
    assert first.formats[0] == Format(111, "opus", 48000, "minptime=10;useinbandfec=1", 2)
    override = BROWSER.replace(b"a=maxptime:60", b"a=recvonly")
    assert sdp.parse(override).media[0].direction == "recvonly"


def test_static_formats_need_no_map() -> None:
    """RFC 3551 6; an unknown dynamic one has no name."""
    media = audio(b"v=0\r\nc=IN IP4 h\r\nm=audio 4 RTP/AVP 18 9 99\r\n")
    assert [(f.encoding, f.clock_hz) for f in media.formats] == [
        ("G729", 8000),
        ("G722", 8000),
        ("", 0),
    ]


def test_lenient_where_phones_are_odd() -> None:
    """Bare line feeds, missing s= and t=, junk lines, broken maps and packet times."""
    media = audio(
        b"v=0\nc=IN IP4 192.0.2.1/127\njunk\n\nm=audio 4 RTP/AVP 0 98\n"
        b"a=rtpmap:98 ?\na=rtpmap:x\na=ptime:20.0\n"
    )
    assert media.connection_host == "192.0.2.1"
    assert media.formats[1] == Format(98, "", 0)
    assert media.ptime_ms is None


@pytest.mark.parametrize(
    ("direction", "host", "held"),
    [
        ("sendrecv", "h", False),
        ("recvonly", "h", False),
        ("sendonly", "h", True),
        ("inactive", "h", True),
        ("sendrecv", "0.0.0.0", True),
    ],
)
def test_hold(direction: str, host: str, held: bool) -> None:
    """RFC 3264 8.4, and the 0.0.0.0 of RFC 2543."""
    body = f"v=0\r\nc=IN IP4 {host}\r\nm=audio 4 RTP/AVP 0\r\na={direction}\r\n".encode()
    assert audio(body).is_on_hold == held


@pytest.mark.parametrize(
    ("body", "status"),
    [
        (b"", 400),
        (b"\r\n\r\n", 400),
        (b"<xml/>", 400),
        (b"v=0\r\nc=IN IP4\r\n", 400),
        (b"v=0\r\nc=IN IP4 a b\r\n", 400),
        (b"v=0\r\nc=IN IP9 h\r\n", 400),
        (b"v=0\r\nc=IN IP4 <h>\r\n", 400),
        (b"v=0\r\nm=audio\r\n", 400),
        (b"v=0\r\nm=audio x RTP/AVP 0\r\n", 400),
        (b"v=0\r\nc=IN IP4 h\r\nm=audio 65536 RTP/AVP 0\r\n", 400),
        (b"v=0\r\nc=IN IP4 h\r\nm=audio 4 RTP/AVP PCMU\r\n", 488),
        (b"v=0\r\nm=audio 4 RTP/AVP 0\r\n", 488),
        (b"v=0\r\n" + b"m=audio 0 RTP/AVP 0\r\n" * (sdp.MEDIA_MAX + 1), 488),
        (b"v=0\r\nc=IN IP4 h\r\nm=audio 4 RTP/AVP" + b" 0" * (sdp.FORMATS_MAX + 1), 488),
        (b"v=0\r\n" + b"a=x\r\n" * sdp.SDP_LINES_MAX, 488),
        (b"v=0\r\na=" + b"x" * sdp.SDP_BYTES_MAX, 488),
    ],
)
def test_unusable_descriptions_are_refused(body: bytes, status: int) -> None:
    """400 when it is none, 488 when it is one that we cannot use."""
    with pytest.raises(RemoteError) as caught:
        sdp.parse(body)
    assert caught.value.status_hint == status


sdp_lines = st.sampled_from(BROWSER.split(b"\r\n") + SDP.split(b"\r\n")) | st.binary(max_size=12)


@given(st.lists(sdp_lines, max_size=20).map(lambda lines: b"v=0\r\n" + b"\r\n".join(lines)))
def test_any_bytes_give_a_description_or_a_remote_error(body: bytes) -> None:
    """And what is sent on can be read again, with our address and port."""
    with suppress(RemoteError):
        sdp.parse(body)
    try:
        out = sent_on(body)
        media = audio(out)
    except RemoteError:
        return
    assert (media.connection_host, media.port) == ("198.51.100.7", 30002)


def test_sends_a_phones_offer_on_under_our_address() -> None:
    """Codecs, fmtp and ptime as they are; o=, c= and the port ours."""
    expected = SDP.replace(
        b"o=alice 2890844526 2890844526 IN IP4 192.0.2.101", b"o=- 7 3 IN IP4 198.51.100.7"
    )
    expected = expected.replace(b"192.0.2.101", b"198.51.100.7").replace(b"49172", b"30002")
    assert sent_on(SDP) == expected


def test_hides_the_inside_and_drops_the_old_transport() -> None:
    """No address, name, ICE, SRTP or grouping of the one side reaches the other."""
    assert sent_on(BROWSER).decode().split("\r\n") == [
        "v=0",
        "o=- 7 3 IN IP4 198.51.100.7",
        "s=-",
        "c=IN IP4 198.51.100.7",
        "b=AS:84",
        "t=0 0",
        "a=sendonly",
        "a=X-vendor: kept",
        "m=audio 30002 RTP/AVP 111 0",
        "b=TIAS:64000",
        "a=rtpmap:111 opus/48000/2",
        "a=fmtp:111 minptime=10;useinbandfec=1",
        "a=maxptime:60",
        "m=video 0 RTP/AVP 96",
        "",
    ]


def test_direction_can_be_replaced() -> None:
    """At both levels, so that only one is left."""
    out = sent_on(BROWSER, "inactive")
    assert out.count(b"a=inactive\r\n") == 1
    assert b"a=sendonly" not in out
    assert audio(out).direction == "inactive"


def test_hold_by_null_address_becomes_a_direction() -> None:
    """Our own address in c= would have ended the hold."""
    held = SDP.replace(b"192.0.2.101", b"0.0.0.0")
    for said, meant in (
        ("sendrecv", "sendonly"),
        ("sendonly", "sendonly"),
        ("recvonly", "inactive"),
        ("inactive", "inactive"),
    ):
        offer = held.replace(b"sendrecv", said.encode())
        assert audio(offer).direction == meant
        assert audio(sent_on(offer)).direction == meant
    media_level = SDP.replace(b"RTP/AVP 8 0 101\r\n", b"RTP/AVP 8 0 101\r\nc=IN IP4 192.0.2.5\r\n")
    assert audio(sent_on(media_level.replace(b"192.0.2.101", b"0.0.0.0"))).direction == "sendrecv"


def test_the_first_live_audio_is_the_one() -> None:
    """Refused and encrypted audio keeps its place with port 0."""
    sections = b"m=audio 2 RTP/SAVP 0\r\nm=audio 6 RTP/AVP 8\r\nm=audio 8 RTP/AVP 0\r\n"
    body = b"v=0\r\nc=IN IP4 h\r\n" + sections
    media = sdp.parse(sent_on(body)).media
    assert [(m.port, m.protocol) for m in media] == [
        (0, "RTP/SAVP"),
        (30002, "RTP/AVP"),
        (0, "RTP/AVP"),
    ]


def test_too_many_sections_are_not_sent_on() -> None:
    """The same limit as for reading."""
    with pytest.raises(RemoteError, match="at most"):
        sent_on(SDP + b"m=audio 0 RTP/AVP 0\r\n" * sdp.MEDIA_MAX)


@pytest.mark.parametrize(
    "body",
    [
        b"v=0\r\nm=audio 4 RTP/SAVP 0\r\n",
        b"v=0\r\nm=video 4 RTP/AVP 0\r\n",
        b"v=0\r\nm=audio 0 RTP/AVP 0\r\n",
    ],
)
def test_without_audio_nothing_is_sent_on(body: bytes) -> None:
    """488: we carry audio calls."""
    with pytest.raises(RemoteError, match="no audio") as caught:
        sent_on(body)
    assert caught.value.status_hint == 488


def test_ipv6_addresses_say_so() -> None:
    """IP6 instead of IP4."""
    out = sdp.frame(SDP).filled("2001:db8::1", 4, 1, 1)
    assert b"o=- 1 1 IN IP6 2001:db8::1\r\n" in out
    assert b"c=IN IP6 2001:db8::1\r\n" in out


def test_own_offer_is_what_it_says() -> None:
    """PCMA, PCMU and key presses, read back by our own parser."""
    out = sdp.build_audio(host="h", rtp_port=4, session_id=1, version=1, direction="sendonly")
    media = audio(out)
    assert media.formats == sdp.G711_FORMATS
    assert (media.port, media.direction, media.ptime_ms) == (4, "sendonly", 20)


def test_own_answer_mirrors_the_offers_sections() -> None:
    """RFC 3264 6: the same number of sections, ours alive, the others refused."""
    body = SDP.replace(b"m=audio", b"m=video 9 RTP/AVP 96\r\nm=audio") + b"m=image 5 udptl t38\r\n"
    offer = sdp.parse(body)
    assert offer.audio is not None
    formats = sdp.g711_formats(offer.audio.formats)
    out = sdp.build_audio(
        host="h", rtp_port=4, session_id=1, version=1, formats=formats, answering=offer
    )
    media = sdp.parse(out).media
    assert [(m.kind, m.port) for m in media] == [("video", 0), ("audio", 4), ("image", 0)]
    assert b"m=image 0 udptl t38\r\n" in out
    assert [f.payload_type for f in media[1].formats] == [8, 101]


def test_own_answer_keeps_the_offerers_order_and_numbers() -> None:
    """The first G.711 codec offered, key presses under the offered payload type."""
    events = Format(96, "telephone-event", 8000)
    wide = Format(97, "telephone-event", 16000)
    offered = [Format(9, "G722", 8000), Format(0, "PCMU", 8000), wide, events]
    assert sdp.g711_formats(offered) == (
        Format(0, "PCMU", 8000),
        Format(96, "telephone-event", 8000, "0-16"),
    )
    assert sdp.g711_formats([Format(9, "G722", 8000), events]) == ()
