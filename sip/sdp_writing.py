"""Session descriptions that we send: a party's under our address, or our own.

Used through ``sip.sdp``. A party's is edited as text, line by line, so that what we do not know
stays as it is; ``sip.sdp_audio`` keeps the result, a ``Frame``, for the next call of such a phone.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple

from sip.abnf import PORT_MAX, parse_number
from sip.errors import RemoteError
from sip.sdp_reading import (
    DIRECTIONS,
    HELD,
    MEDIA_MAX,
    NULL_HOST,
    PLAIN_RTP,
    SECURE_RTP,
    Format,
    SessionDescription,
    media_fields,
    text_lines,
    usable_crypto,
)

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


class Ours(NamedTuple):
    """What is ours in a description beside the place: the ``profile`` when it is another than the
    party's, ``attributes`` of the transport, and ``events`` to be taken though the party has none.
    """

    profile: str = ""
    attributes: tuple[str, ...] = ()
    events: Format | None = None


NOTHING_MORE = Ours()


class Frame(NamedTuple):
    """A party's description as it goes on, around what is ours: up to the port of its audio, the
    profile there, its formats and bandwidth, and from there to the end."""

    before: str
    profile: str
    formats: str
    bandwidth: str
    after: str

    def filled(
        self, host: str, rtp_port: int, session_id: int, version: int, ours: Ours = NOTHING_MORE
    ) -> bytes:
        """The whole description: o= and s= are ours (topology hiding), so are c= and the port."""
        opening = _opening(host, session_id, version)
        before, profile, formats, bandwidth, after = self
        if ours is not NOTHING_MORE:
            lines = list(ours.attributes)
            if ours.events is not None:
                formats = f"{formats} {ours.events.payload_type}"
                lines += _format_lines(ours.events)
            profile = ours.profile or profile
            after = "".join([f"\r\n{line}" for line in lines]) + after
        return f"{opening}{before}{rtp_port} {profile}{formats}{bandwidth}{after}".encode()


def frame(body: bytes, direction: str | None = None) -> Frame:
    """What stays of a description when it goes on to the other side of a call.

    The port of the first live audio over RTP is left open; other sections are kept in their
    place with port 0 (RFC 3264 6), and the attributes of the old transport are dropped.
    ``direction`` replaces what the section said, None keeps it. Codecs, fmtp and ptime stay as
    they are.

    Raises RemoteError: 488 without audio that we can carry, 400 when it is broken.
    """
    session, *sections = _sections(text_lines(body))
    audio = next((section for section in sections if _is_live_audio(section)), None)
    if audio is None:
        raise RemoteError("SDP: no audio over RTP that we can carry", 488)
    if direction is None and _is_held_by_null_host(audio, session):
        direction = HELD.get(_said_direction(audio, session))
    at = sections.index(audio)
    before = [line for line in session if line[:2] == "b="]
    before.append("t=0 0")
    before += [line for line in session if line[:2] == "a=" and _is_kept(line, direction)]
    before += [_refused(section) for section in sections[:at]]
    kind, _, profile, *formats = media_fields(audio[0][2:])
    bandwidth = [line for line in audio[1:] if line[:2] == "b="]
    after = _kept_attributes(audio, direction)
    after += [_refused(section) for section in sections[at + 1 :]]
    return Frame(
        "\r\n".join([*before, f"m={kind} "]),
        profile,
        "".join(f" {each}" for each in formats),
        "".join(f"\r\n{line}" for line in bandwidth),
        "".join(f"\r\n{line}" for line in after) + "\r\n",
    )


def with_direction(body: bytes, direction: str) -> bytes:
    """The description with this direction in all its sections, whatever it said before; a hold by
    the null address stays one. Raises RemoteError when it is broken."""
    session, *sections = _sections(text_lines(body))
    out = [line for line in session if _is_no_direction(line)]
    for section in sections:
        out += [line for line in section if _is_no_direction(line)]
        out.append(f"a={direction}")
    return "\r\n".join([*out, ""]).encode()


def _is_no_direction(line: str) -> bool:
    return line[:2] != "a=" or line[2:].strip() not in DIRECTIONS


def _opening(host: str, session_id: int, version: int) -> str:
    address = f"IN IP6 {host}" if ":" in host else f"IN IP4 {host}"
    return f"v=0\r\no=- {session_id} {version} {address}\r\ns=-\r\nc={address}\r\n"


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


def _is_live_audio(section: list[str]) -> bool:
    """As ``Media.is_live_audio``, from the text alone."""
    kind, port, protocol, *_ = media_fields(section[0][2:])
    if kind.lower() != "audio" or parse_number(port.partition("/")[0], "SDP port", PORT_MAX) == 0:
        return False
    if protocol in SECURE_RTP:
        named = (line[2:].strip().partition(":") for line in section if line[:2] == "a=")
        return bool(usable_crypto(value.strip() for name, _, value in named if name == "crypto"))
    return protocol in PLAIN_RTP


def _is_held_by_null_host(audio: list[str], session: list[str]) -> bool:
    """Our own address in c= would end such a hold; a direction has to keep it."""
    lines = [line for line in (*session, *audio) if line[:2] == "c="]
    return bool(lines) and lines[-1].rstrip().endswith(f" {NULL_HOST}")


def _said_direction(audio: list[str], session: list[str]) -> str:
    said = (line[2:].strip() for line in (*audio, *session) if line[:2] == "a=")
    return next((name for name in said if name in DIRECTIONS), "sendrecv")


def _is_kept(attribute_line: str, direction: str | None) -> bool:
    name = attribute_line[2:].partition(":")[0].strip()
    if name in _DROPPED or name.startswith("ice-"):
        return False
    return direction is None or name not in DIRECTIONS


def _kept_attributes(section: list[str], direction: str | None) -> list[str]:
    kept = [line for line in section[1:] if line[:2] == "a=" and _is_kept(line, direction)]
    return kept if direction is None else [*kept, f"a={direction}"]


def _refused(section: list[str]) -> str:
    kind, _, *rest = media_fields(section[0][2:])
    return f"m={kind} 0 {' '.join(rest)}"


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
    lines = ["t=0 0"]
    if answering is None:
        lines += audio
    else:
        for media in answering.media:
            refused = [f"m={media.kind} 0 {media.protocol} {media.formats_text}"]
            lines += audio if media is answering.audio else refused
    return (_opening(host, session_id, version) + "\r\n".join([*lines, ""])).encode()


def _audio_lines(
    rtp_port: int, formats: tuple[Format, ...], direction: str, ptime_ms: int
) -> list[str]:
    names = " ".join(str(f.payload_type) for f in formats)
    lines = [f"m=audio {rtp_port} RTP/AVP {names}"]
    for f in formats:
        lines += _format_lines(f)
    return [*lines, f"a=ptime:{ptime_ms}", f"a={direction}"]


def _format_lines(f: Format) -> list[str]:
    rtpmap = f"a=rtpmap:{f.payload_type} {f.encoding}/{f.clock_hz}"
    return [rtpmap, f"a=fmtp:{f.payload_type} {f.fmtp}"] if f.fmtp else [rtpmap]
