"""Reading session descriptions (RFC 8866): the values, and ``parse``. Used through ``sip.sdp``.

Lenient where phones are odd: line ends, unknown lines, missing s= or t=, broken rtpmaps.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass, field

from sip.abnf import PORT_MAX, parse_number
from sip.errors import RemoteError
from sip.sdp_crypto import Crypto, parse_crypto

# A description of audio has below 2 kB, one of a browser's with video below 8.
SDP_BYTES_MAX = 16384
SDP_LINES_MAX = 400
MEDIA_MAX = 16
FORMATS_MAX = 64
PTIME_MS_MAX = 1000  # longer than any codec's largest packet

DIRECTIONS = ("sendrecv", "sendonly", "recvonly", "inactive")

# What a party that is held by its null address can still mean.
HELD = {"sendrecv": "sendonly", "recvonly": "inactive"}
NULL_HOST = "0.0.0.0"

PLAIN_RTP = ("RTP/AVP", "RTP/AVPF")
SECURE_RTP = ("RTP/SAVP", "RTP/SAVPF")  # with keys in a=crypto; DTLS is not spoken

# Formats with a fixed meaning (RFC 3551 6) that need no rtpmap.
STATIC_FORMATS = {
    0: ("PCMU", 8000),
    3: ("GSM", 8000),
    4: ("G723", 8000),
    5: ("DVI4", 8000),
    6: ("DVI4", 16000),
    7: ("LPC", 8000),
    8: ("PCMA", 8000),
    9: ("G722", 8000),  # the clock is 8000 for historical reasons, the samples come at 16000
    10: ("L16", 44100),
    11: ("L16", 44100),
    12: ("QCELP", 8000),
    13: ("CN", 8000),
    14: ("MPA", 90000),
    15: ("G728", 8000),
    16: ("DVI4", 11025),
    17: ("DVI4", 22050),
    18: ("G729", 8000),
}

_HOST = re.compile(r"[0-9A-Za-z.:_\-]{1,255}")
_ENCODING = re.compile(r"[A-Za-z0-9_.\-+]{1,32}")


@dataclass(frozen=True, slots=True)
class Format:
    """One RTP payload type. ``encoding`` as written; ``clock_hz`` 0 when nobody says."""

    payload_type: int
    encoding: str
    clock_hz: int
    fmtp: str = ""
    channels: int = 1

    @property
    def is_telephone_event(self) -> bool:
        """Whether it carries key presses (RFC 4733)."""
        return self.encoding.lower() == "telephone-event"


@dataclass(frozen=True, slots=True)
class Media:
    """One m= section with what it inherits. ``port`` 0: refused or ended.

    ``direction`` is what is meant: hold by the address 0.0.0.0, as in RFC 2543, reads as sendonly
    or inactive (RFC 3264 8.4). ``crypto``: the keys of a secure profile that we can use.
    """

    kind: str
    port: int
    protocol: str
    formats: tuple[Format, ...]
    connection_host: str
    direction: str = "sendrecv"
    rtcp_port: int = 0
    rtcp_host: str = ""
    ptime_ms: int | None = None
    rtcp_mux: bool = False
    formats_text: str = ""
    crypto: tuple[Crypto, ...] = ()

    @property
    def is_live_audio(self) -> bool:
        """Whether this is audio that we can carry, and in use."""
        is_ours = self.protocol in PLAIN_RTP or bool(self.crypto)
        return self.kind == "audio" and self.port != 0 and is_ours

    @property
    def is_on_hold(self) -> bool:
        """Whether nothing is to be sent there."""
        return self.direction in ("sendonly", "inactive")


@dataclass(frozen=True, slots=True)
class Origin:
    """The o= line (RFC 8866 5.2). A higher ``version`` tells that the description changed."""

    user: str
    session_id: str
    version: str
    host: str


@dataclass(frozen=True, slots=True)
class SessionDescription:
    """A whole description."""

    origin: Origin | None
    connection_host: str
    media: tuple[Media, ...]

    @property
    def audio(self) -> Media | None:
        """The first section of audio over RTP that is in use, None when there is none: plain, or
        with keys that we can use."""
        return next((media for media in self.media if media.is_live_audio), None)


@dataclass(slots=True)
class _Section:
    """The lines of one m= section, or of the session before the first one."""

    media_line: str = ""
    connection_host: str = ""
    attributes: dict[str, list[str]] = field(default_factory=dict)

    def attribute(self, name: str) -> str | None:
        return self.attributes.get(name, (None,))[0]

    def direction(self) -> str | None:
        return next((name for name in self.attributes if name in DIRECTIONS), None)


def parse(body: bytes) -> SessionDescription:
    """Read a description. Raises RemoteError: 488 when it can be read but not used, else 400."""
    session = _Section()
    sections: list[_Section] = []
    origin = None
    current = session
    for kind, value in _lines(body):
        if kind == "m":
            current = _Section(value)
            sections.append(current)
        elif kind == "c":
            current.connection_host = _parse_connection(value)
        elif kind == "a":
            name, _, rest = value.partition(":")
            current.attributes.setdefault(name, []).append(rest.strip())
        elif kind == "o" and not sections:
            origin = _parse_origin(value)
    if len(sections) > MEDIA_MAX:
        raise RemoteError(f"SDP: {len(sections)} media sections, at most {MEDIA_MAX}", 488)
    media = tuple(_parse_media(section, session) for section in sections)
    return SessionDescription(origin, session.connection_host, media)


def _lines(body: bytes) -> list[tuple[str, str]]:
    """Type and value of each line; lines that are none are left out, as phones send some."""
    return [(line[0], line[2:].strip()) for line in text_lines(body) if line[1:2] == "="]


def text_lines(body: bytes) -> list[str]:
    """The lines of a description, whatever ends them, without the empty ones.

    Raises RemoteError: 400 when it is no description, 488 when it is too large.
    """
    if len(body) > SDP_BYTES_MAX:
        raise RemoteError(f"SDP: {len(body)} bytes, at most {SDP_BYTES_MAX}", 488)
    text = body.decode("utf-8", "replace").replace("\r\n", "\n").replace("\r", "\n")
    lines = [line for line in text.split("\n") if line]
    if len(lines) > SDP_LINES_MAX:
        raise RemoteError(f"SDP: {len(lines)} lines, at most {SDP_LINES_MAX}", 488)
    if not lines or not lines[0].startswith("v="):
        raise RemoteError("SDP: does not begin with v=")
    return lines


def _parse_origin(value: str) -> Origin | None:
    parts = value.split()
    return Origin(parts[0], parts[1], parts[2], parts[5]) if len(parts) == 6 else None


def _parse_connection(value: str) -> str:
    parts = value.split()
    if len(parts) != 3 or parts[0] != "IN" or parts[1] not in ("IP4", "IP6"):
        raise RemoteError(f"SDP: malformed c={value[:40]!r}")
    host = parts[2].partition("/")[0]
    if _HOST.fullmatch(host) is None:
        raise RemoteError(f"SDP: {host[:40]!r} is not a host")
    return host


def _parse_media(section: _Section, session: _Section) -> Media:
    kind, port_text, protocol, *formats = media_fields(section.media_line)
    port = parse_number(port_text.partition("/")[0], "SDP port", PORT_MAX)
    host = section.connection_host or session.connection_host
    if port and not host:
        raise RemoteError("SDP: no connection address (c=)", 488)
    direction = section.direction() or session.direction() or "sendrecv"
    if host == NULL_HOST:
        direction = HELD.get(direction, direction)
    is_rtp = "RTP/" in protocol
    rtcp_port, rtcp_host = _parse_rtcp(section.attribute("rtcp"), port, host)
    return Media(
        kind.lower(),
        port,
        protocol,
        _parse_formats(formats, section) if is_rtp else (),
        host,
        direction,
        rtcp_port,
        rtcp_host,
        _parse_ptime(section.attribute("ptime")),
        section.attribute("rtcp-mux") is not None,
        " ".join(formats),
        usable_crypto(section.attributes.get("crypto", ())) if protocol in SECURE_RTP else (),
    )


def usable_crypto(values: Iterable[str]) -> tuple[Crypto, ...]:
    """Of some a=crypto lines those that we can use, in their order."""
    return tuple(crypto for value in values if (crypto := parse_crypto(value)) is not None)


def media_fields(line: str) -> list[str]:
    """Kind, port, protocol and formats of an m= line, given without its m=. Raises RemoteError."""
    fields = line.split()
    if len(fields) < 4:
        raise RemoteError(f"SDP: malformed m={line[:40]!r}")
    if len(fields) - 3 > FORMATS_MAX:
        raise RemoteError(f"SDP: {len(fields) - 3} formats, at most {FORMATS_MAX}", 488)
    return fields


def _parse_rtcp(value: str | None, port: int, host: str) -> tuple[int, str]:
    """Port and host of RTCP (RFC 3605): the next port on the same host unless a=rtcp says more."""
    if not value:
        return (min(port + 1, PORT_MAX) if port else 0), host
    number, *rest = value.split()
    named = rest[2] if len(rest) == 3 and _HOST.fullmatch(rest[2]) else host
    return parse_number(number, "SDP a=rtcp", PORT_MAX), named


def _parse_ptime(value: str | None) -> int | None:
    """Milliseconds a packet; what is not a sensible whole number is as good as not said."""
    number = _small_number(value or "")
    return number if 0 < number <= PTIME_MS_MAX else None


def _parse_formats(names: list[str], section: _Section) -> tuple[Format, ...]:
    maps = _by_payload_type(section, "rtpmap")
    fmtp = _by_payload_type(section, "fmtp")
    formats = []
    for name in names:
        payload_type = parse_number(name, "SDP payload type", 127, 488)
        if payload_type in maps:
            encoding, clock_hz, channels = _parse_rtpmap(maps[payload_type])
        else:
            encoding, clock_hz = STATIC_FORMATS.get(payload_type, ("", 0))
            channels = 1
        formats.append(
            Format(payload_type, encoding, clock_hz, fmtp.get(payload_type, ""), channels)
        )
    return tuple(formats)


def _by_payload_type(section: _Section, attribute: str) -> dict[int, str]:
    table: dict[int, str] = {}
    for value in section.attributes.get(attribute, ()):
        number, _, rest = value.partition(" ")
        if number.isascii() and number.isdigit() and len(number) <= 3:
            table.setdefault(int(number), rest.strip())  # the first one counts
    return table


def _parse_rtpmap(value: str) -> tuple[str, int, int]:
    """Encoding, clock rate in Hz (0: not said) and channels.

    A broken rtpmap makes its own format unusable, not the call.
    """
    encoding, _, rest = value.partition("/")
    clock, _, channels = rest.partition("/")
    if _ENCODING.fullmatch(encoding) is None:
        return "", 0, 1
    return encoding, _small_number(clock), _small_number(channels) or 1


def _small_number(text: str) -> int:
    """A number of at most seven digits, 0 for anything else."""
    text = text.strip()
    return int(text) if text.isascii() and text.isdigit() and len(text) <= 7 else 0
