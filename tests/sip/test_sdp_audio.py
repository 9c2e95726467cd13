"""Reading audio by its usual form: the whole grammar is the judge."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sip import sdp, sdp_audio
from sip.errors import RemoteError
from tests.sip.samples import SDP

PLAIN = (
    b"v=0\r\no=- 1 1 IN IP4 192.0.2.9\r\ns=-\r\nc=IN IP4 192.0.2.9\r\nt=0 0\r\n"
    b"m=audio 4000 RTP/AVP 8 0 101\r\na=rtpmap:101 telephone-event/8000\r\na=sendrecv\r\n"
)


def told(read: Callable[[bytes], sdp.Audio], body: bytes) -> object:
    """All that a reader of audio says of a description, or how it refuses it."""
    try:
        audio = read(body)
    except RemoteError as error:
        return str(error), error.status_hint
    terms = audio.terms
    shown = terms.frame.filled("198.51.100.7", 30002, 7, 3)
    return audio[:3], audio.crypto, terms.formats, terms.direction, terms.rtcp_mux, shown


LINES = (
    b"o=alice 1 2 IN IP4 192.0.2.1",
    b"o=",
    b"s=-",
    b"s= 0.0.0.0",
    b"i=line",
    b"c=IN IP4 192.0.2.1",
    b"c=IN IP4 0.0.0.0",
    b"c=IN IP4 0.0.0.0/127",
    b"c=IN IP6 ::1",
    b"b=AS:84",
    b"t=0 0",
    b"a=sendonly",
    b"a=recvonly ",
    b"a= inactive",
    b"a=rtcp:5005",
    b"a= rtcp:5 IN IP4 192.0.2.7",
    b"a=rtcp:5006 IN IP4 192.0.2.7",
    b"a=rtcp:05007",
    b"a=rtcp:0",
    b"a=rtcp:",
    b"a=rtcp:65536",
    b"a=rtcp:x",
    b"a=xrtcp:5",
    b"a=rtcp-mux",
    b"a=candidate:1 1 UDP 1 10.0.0.6 5004 typ host",
    b"a=ice-ufrag:abcd",
    b"a=crypto:1 m=audio",
    b"a=crypto:1 AES_CM_128_HMAC_SHA1_80 inline:" + b"QUJD" * 10,
    b"a=crypto:2 AES_CM_128_HMAC_SHA1_32 inline:" + b"QUJD" * 10 + b"|2^20|1:4",
    b"m=audio 4000 RTP/SAVPF 8",
    b"a=ssrc:1 cname:x",
    b"a=ptime:20",
    b"a=rtpmap:101 telephone-event/8000",
    b"a=rtpmap:8 broken",
    b"a=fmtp:101 0-16;c=1",
    b"m=audio 0 RTP/AVP 0",
    b"m=audio 4000 RTP/AVP 8 0 101",
    b"m=audio 4000/2 RTP/AVPF 8 101",
    b"m=audio 65535 RTP/AVP 0",
    b"m=audio 65536 RTP/AVP 0",
    b"m=audio 4000 RTP/SAVP 0",
    b"m=audio 4000  RTP/AVP\t18 ",
    b"m=audio 4000 RTP/AVP PCMU",
    b"m=audio 4000 RTP/AVP",
    b"m=video 5006 RTP/AVP 96",
)
ENDS = (b"\r\n", b"\r\n", b"\r\n", b"\n", b"\r", b"\r\n\r\n", b"")
line = st.sampled_from(LINES) | st.sampled_from(SDP.split(b"\r\n")) | st.binary(max_size=8)
ended = st.tuples(line, st.sampled_from(ENDS)).map(b"".join)


@given(
    st.sampled_from([b"", b"v=0\r\n", PLAIN, SDP, PLAIN[: PLAIN.index(b"t=")]]),
    st.lists(ended, max_size=8).map(b"".join),
    st.integers(0, 400),
    st.binary(max_size=3),
)
def test_the_usual_form_is_read_as_the_grammar_reads_it(
    start: bytes, rest: bytes, at: int, junk: bytes
) -> None:
    """Values, refusals and the description that goes on are the same, whatever is in it."""
    body = start + rest
    for sent in (body, body[:at] + junk + body[at + 1 :]):
        assert told(sdp.read_audio, sent) == told(sdp_audio.read_whole, sent)


@pytest.mark.parametrize("line", LINES)
@pytest.mark.parametrize("before", [b"t=0 0\r\n", b"m=audio", b"a=sendrecv", b""])
def test_one_odd_line_is_read_as_the_grammar_reads_it(line: bytes, before: bytes) -> None:
    """At each place of a usual description: in the session, in its media, and behind."""
    sent = PLAIN.replace(before, line + b"\r\n" + before) if before else PLAIN + line + b"\r\n"
    assert told(sdp.read_audio, sent) == told(sdp_audio.read_whole, sent)


def test_a_model_of_phone_is_read_once() -> None:
    """Another session, address and port have the same terms; only the rest is kept."""
    other = PLAIN.replace(b"192.0.2.9", b"10.0.0.7").replace(b"4000", b"5002").replace(b"- 1", b"x")
    one, two = sdp.read_audio(PLAIN), sdp.read_audio(other)
    assert one.terms is two.terms
    assert (two.host, two.port, two.rtcp_port) == ("10.0.0.7", 5002, 5003)


def test_what_is_new_in_each_call_is_no_new_model() -> None:
    """RTCP's port is read; synchronization sources and candidates are dropped anyway."""
    rest = b"a=rtcp:%d IN IP4 192.0.2.9\r\na=ssrc:%d cname:x\r\na=candidate:%d 1 UDP 1 h 9\r\n"
    one, two = (sdp.read_audio(PLAIN + rest % (5000 + i, i, i)) for i in range(2))
    assert one.terms is two.terms
    assert (one.rtcp_port, two.rtcp_port) == (5000, 5001)


def test_limits_count_the_whole_description() -> None:
    """One line too many is one too many in the usual form too."""
    lines = sdp.SDP_LINES_MAX - PLAIN.count(b"\n")
    full = PLAIN + b"a=x\n" * lines
    assert sdp.read_audio(full).port == 4000
    with pytest.raises(RemoteError, match="at most"):
        sdp.read_audio(full + b"a=x\n")
