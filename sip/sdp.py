"""Session descriptions (RFC 8866) as telephone calls use them: reading, rewriting, making.

A B2BUA looks into a description for its audio and sends it on under its own address. ``parse`` is
the look, ``rewrite`` the sending on; it works on lines, so that what it does not know stays.
Everything is lenient where phones are odd (line ends, unknown lines, missing s= or t=).
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass, field

from sip.abnf import PORT_MAX, parse_number
from sip.errors import RemoteError

# A description of audio has below 2 kB, one of a browser's with video below 8.
SDP_BYTES_MAX = 16384
SDP_LINES_MAX = 400
MEDIA_MAX = 16
FORMATS_MAX = 64
PTIME_MS_MAX = 1000  # longer than any codec's largest packet

DIRECTIONS = ("sendrecv", "sendonly", "recvonly", "inactive")

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
    """One m= section with what it inherits. ``port`` 0: refused or ended."""

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

    @property
    def is_on_hold(self) -> bool:
        """Whether nothing is to be sent there: by direction or, as RFC 2543 did, by 0.0.0.0."""
        return self.direction in ("sendonly", "inactive") or self.connection_host == "0.0.0.0"


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
        """The first audio section that is in use, None when there is none."""
        return next((m for m in self.media if m.kind == "audio" and m.port), None)


@dataclass(slots=True)
class _Section:
    """The lines of one m= section, or of the session before the first one."""

    media_line: str = ""
    connection_host: str = ""
    attributes: list[tuple[str, str]] = field(default_factory=list)

    def attribute(self, name: str) -> str | None:
        return next((value for key, value in self.attributes if key == name), None)

    def direction(self) -> str | None:
        return next((key for key, _ in self.attributes if key in DIRECTIONS), None)


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
            current.attributes.append((name.strip(), rest.strip()))
        elif kind == "o" and not sections:
            origin = _parse_origin(value)
    if len(sections) > MEDIA_MAX:
        raise RemoteError(f"SDP: {len(sections)} media sections, at most {MEDIA_MAX}", 488)
    media = tuple(_parse_media(section, session) for section in sections)
    return SessionDescription(origin, session.connection_host, media)


def _lines(body: bytes) -> list[tuple[str, str]]:
    """Type and value of each line; lines that are none are left out, as phones send some."""
    return [(line[0], line[2:].strip()) for line in _text_lines(body) if line[1:2] == "="]


def _text_lines(body: bytes) -> list[str]:
    """The lines of a description, whatever ends them, without the empty ones."""
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
    kind, port_text, protocol, *formats = _media_fields(section.media_line)
    port = parse_number(port_text.partition("/")[0], "SDP port", PORT_MAX)
    host = section.connection_host or session.connection_host
    if port and not host:
        raise RemoteError("SDP: no connection address (c=)", 488)
    is_rtp = "RTP/" in protocol
    rtcp_port, rtcp_host = _parse_rtcp(section.attribute("rtcp"), port, host)
    return Media(
        kind.lower(),
        port,
        protocol,
        _parse_formats(formats, section) if is_rtp else (),
        host,
        section.direction() or session.direction() or "sendrecv",
        rtcp_port,
        rtcp_host,
        _parse_ptime(section.attribute("ptime")),
        section.attribute("rtcp-mux") is not None,
        " ".join(formats),
    )


def _media_fields(line: str) -> list[str]:
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
    for key, value in section.attributes:
        number, _, rest = value.partition(" ")
        if key == attribute and number.isascii() and number.isdigit() and len(number) <= 3:
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


# Attributes of the transport that we end here: each leg has its own.
_DROPPED = frozenset(
    {
        "rtcp",
        "rtcp-mux",
        "rtcp-mux-only",
        "rtcp-rsize",
        "rtcp-xr",
        "rtcp-fb",
        "candidate",
        "remote-candidates",
        "end-of-candidates",
        "ssrc",
        "ssrc-group",
        "group",
        "mid",
        "msid",
        "msid-semantic",
        "crypto",
        "fingerprint",
        "setup",
        "connection",
        "extmap",
        "extmap-allow-mixed",
        "alt",
        "nortpproxy",
        "direction",
    }
)


def rewrite(
    body: bytes,
    *,
    host: str,
    rtp_port: int,
    session_id: int,
    version: int,
    direction: str | None = None,
) -> bytes:
    """The description as it goes on to the other side of a call.

    o= and s= become ours (topology hiding), c= and the first audio port in use become ``host`` and
    ``rtp_port``, other sections are kept in their place with port 0 (RFC 3264 6), the attributes
    of the old transport are dropped. ``direction`` replaces what the section said, None keeps it.
    Codecs, fmtp and ptime stay as they are. Raises RemoteError 488 without audio, 400 if broken.
    """
    session, *sections = _sections(_text_lines(body))
    audio = next((section for section in sections if _is_live_audio(section[0])), None)
    if audio is None:
        raise RemoteError("SDP: no audio", 488)
    if direction is None and _is_old_hold(audio, session):
        direction = "sendonly"
    out = _opening(host, session_id, version)
    out += [line for line in session if line[:2] == "b="]
    out.append("t=0 0")
    out += [line for line in session if line[:2] == "a=" and _is_kept(line, direction)]
    for section in sections:
        if section is audio:
            out += _moved(section, rtp_port, direction)
        else:
            out.append(_with_port(section[0], 0))
    return _joined(out)


def _opening(host: str, session_id: int, version: int) -> list[str]:
    address = f"IN IP6 {host}" if ":" in host else f"IN IP4 {host}"
    return ["v=0", f"o=- {session_id} {version} {address}", "s=-", f"c={address}"]


def _joined(lines: list[str]) -> bytes:
    return "\r\n".join([*lines, ""]).encode()


def _sections(lines: list[str]) -> list[list[str]]:
    """The session's lines, then those of each m= section, which begin with the m= line."""
    sections: list[list[str]] = [[]]
    for line in lines:
        if line[:2] == "m=":
            sections.append([])
        sections[-1].append(line)
    if len(sections) - 1 > MEDIA_MAX:
        raise RemoteError(f"SDP: {len(sections) - 1} media sections, at most {MEDIA_MAX}", 488)
    return sections


def _is_live_audio(media_line: str) -> bool:
    kind, port, *_ = _media_fields(media_line[2:])
    return kind.lower() == "audio" and parse_number(port.partition("/")[0], "SDP port") != 0


def _is_old_hold(audio: list[str], session: list[str]) -> bool:
    """Hold by 0.0.0.0 (RFC 2543, RFC 3264 8.4): our address would end it, a direction keeps it."""
    lines = [line for line in (*session, *audio) if line[:2] == "c="]
    return bool(lines) and lines[-1].rstrip().endswith(" 0.0.0.0")


def _is_kept(attribute_line: str, direction: str | None) -> bool:
    name = attribute_line[2:].partition(":")[0].strip()
    if name in _DROPPED or name.startswith("ice-"):
        return False
    return direction is None or name not in DIRECTIONS


def _moved(section: list[str], rtp_port: int, direction: str | None) -> list[str]:
    out = [_with_port(section[0], rtp_port)]
    for line in section[1:]:
        kind = line[:2]
        if kind == "b=" or (kind == "a=" and _is_kept(line, direction)):
            out.append(line)
    if direction is not None:
        out.append(f"a={direction}")
    return out


def _with_port(media_line: str, port: int) -> str:
    kind, _, *rest = _media_fields(media_line[2:])
    return f"m={kind} {port} {' '.join(rest)}"


# What we can make ourselves: tones and announcements in G.711, with key presses.
G711_FORMATS = (
    Format(8, "PCMA", 8000),
    Format(0, "PCMU", 8000),
    Format(101, "telephone-event", 8000, "0-16"),
)


def g711_formats(offered: Iterable[Format]) -> tuple[Format, ...]:
    """What of an offer we can talk ourselves, the offerer's order and payload types kept.

    One G.711 codec, the first that is offered, and telephone-event at 8000 Hz; empty when neither
    PCMA nor PCMU is offered, which is to be answered with 488.
    """
    formats = tuple(offered)
    codec = next((f for f in formats if f.encoding.upper() in ("PCMA", "PCMU")), None)
    if codec is None:
        return ()
    events = (f for f in formats if f.is_telephone_event and f.clock_hz == 8000)
    return (codec, *(Format(f.payload_type, f.encoding, 8000, "0-16") for f in list(events)[:1]))


def build_audio(
    *,
    host: str,
    rtp_port: int,
    session_id: int,
    version: int,
    formats: Iterable[Format] = G711_FORMATS,
    direction: str = "sendrecv",
    ptime_ms: int = 20,
    answering: SessionDescription | None = None,
) -> bytes:
    """A description of our own, as offer or, with ``answering``, as the answer to that offer.

    An answer has a section for each of the offer's (RFC 3264 6): those that are not its first live
    audio get port 0.
    """
    audio = _audio_lines(rtp_port, tuple(formats), direction, ptime_ms)
    out = [*_opening(host, session_id, version), "t=0 0"]
    if answering is None:
        return _joined(out + audio)
    for media in answering.media:
        refused = [f"m={media.kind} 0 {media.protocol} {media.formats_text}"]
        out += audio if media is answering.audio else refused
    return _joined(out)


def _audio_lines(
    rtp_port: int, formats: tuple[Format, ...], direction: str, ptime_ms: int
) -> list[str]:
    names = " ".join(str(f.payload_type) for f in formats)
    lines = [f"m=audio {rtp_port} RTP/AVP {names}"]
    for f in formats:
        lines.append(f"a=rtpmap:{f.payload_type} {f.encoding}/{f.clock_hz}")
        if f.fmtp:
            lines.append(f"a=fmtp:{f.payload_type} {f.fmtp}")
    return [*lines, f"a=ptime:{ptime_ms}", f"a={direction}"]
