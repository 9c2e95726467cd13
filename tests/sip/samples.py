"""Messages and Hypothesis strategies that several SIP tests share."""

from __future__ import annotations

from hypothesis import strategies as st

from sip.headers import SINGLE
from sip.message import Request
from sip.params import Params
from sip.uri import SipUri
from sip.values import NameAddr, Via

SDP = (
    b"v=0\r\no=alice 2890844526 2890844526 IN IP4 192.0.2.101\r\ns=-\r\nc=IN IP4 192.0.2.101\r\n"
    b"t=0 0\r\nm=audio 49172 RTP/AVP 8 0 101\r\na=rtpmap:8 PCMA/8000\r\na=rtpmap:0 PCMU/8000\r\n"
    b"a=rtpmap:101 telephone-event/8000\r\na=fmtp:101 0-16\r\na=ptime:20\r\na=sendrecv\r\n"
)

INVITE_HEADERS = [
    ("Via", "SIP/2.0/UDP 192.0.2.101:5060;rport;branch=z9hG4bK74bf9a8c1d2e3f"),
    ("Via", "SIP/2.0/UDP 192.0.2.7:5060;received=192.0.2.7;branch=z9hG4bK8a7b6c5d4e3f2a1b.0"),
    ("Record-Route", "<sip:192.0.2.7;lr>"),
    ("Max-Forwards", "70"),
    ("From", '"Alice" <sip:alice@atlanta.example.com>;tag=9fxced76sl'),
    ("To", "Bob <sip:bob@biloxi.example.com>"),
    ("Call-ID", "3848276298220188511@atlanta.example.com"),
    ("CSeq", "1 INVITE"),
    ("Contact", "<sip:alice@192.0.2.101:5060;transport=udp>"),
    ("Allow", "INVITE, ACK, CANCEL, BYE, OPTIONS, INFO, UPDATE, REFER, NOTIFY"),
    ("Supported", "replaces, timer"),
    ("User-Agent", "Example-Phone/1.2.3"),
    ("Content-Type", "application/sdp"),
]


def invite(*changes: tuple[str, str | None], body: bytes = SDP) -> Request:
    """The usual INVITE, some fields replaced, or left out where the value is None."""
    changed = dict(changes)
    headers = [(name, changed.pop(name, value)) for name, value in INVITE_HEADERS]
    kept = [(name, value) for name, value in [*headers, *changed.items()] if value is not None]
    return Request.build("INVITE", "sip:bob@biloxi.example.com", kept, body)


TOKEN_CHARS = "abcXYZ019-.!%*_+`'~"
tokens = st.text(TOKEN_CHARS, min_size=1, max_size=12)
hosts = st.sampled_from(["example.com", "192.0.2.1", "2001:db8::1", "a", "x-1.example", "::1"])
ports = st.none() | st.integers(0, 65535)
quoted = st.text(st.sampled_from('ab ;,<>"\\=é'), max_size=8).map(
    lambda text: '"' + text.replace("\\", "\\\\").replace('"', '\\"') + '"'
)
param_values = st.none() | tokens | quoted
params = st.dictionaries(tokens.map(str.lower), param_values, max_size=4).map(Params)

# Everything but the percent sign and what cannot be shown, which stay escaped in a SipUri.
readable = st.characters(exclude_categories=("C", "Z"), exclude_characters="%") | st.just(" ")
uri_text = st.text(readable, min_size=1, max_size=10)
uri_params = st.dictionaries(uri_text.map(str.lower), st.none() | uri_text, max_size=3).map(Params)
uri_headers = st.lists(st.tuples(uri_text, st.text(readable, max_size=6)), max_size=3).map(tuple)


@st.composite
def sip_uris(draw: st.DrawFn) -> SipUri:
    """Any SIP or SIPS URI in the normal form that ``parse_uri`` gives."""
    user = draw(st.none() | uri_text)
    password = None if user is None else draw(st.none() | st.text(readable, max_size=6))
    scheme = draw(st.sampled_from(["sip", "sips"]))
    return SipUri(
        scheme, user, draw(hosts), draw(ports), draw(uri_params), draw(uri_headers), password
    )


vias = st.builds(Via, tokens.map(str.upper), hosts, ports, params)
displays = st.text(
    st.characters(codec="utf-8", exclude_categories=("C", "Zl", "Zp")), max_size=12
).filter(str.isprintable)
name_addrs = st.builds(NameAddr, displays, sip_uris().map(str), params)

header_values = st.text(
    st.characters(codec="utf-8", exclude_categories=("C", "Zl", "Zp", "Zs")), max_size=20
)
extension_names = tokens.map(str.lower).filter(
    lambda name: len(name) > 1 and name not in SINGLE and name != "via"
)
