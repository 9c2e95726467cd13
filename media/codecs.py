"""G.711 both ways between 8 kHz linear PCM and payloads of RTP (RFC 3551 section 4.5.14)."""

from __future__ import annotations

from collections.abc import Callable

from media.pcm import SAMPLE_OCTETS, audioop

Transcode = Callable[[bytes], bytes]


def encode_pcmu(pcm: bytes) -> bytes:
    """mu-law, one octet a sample."""
    return audioop.lin2ulaw(pcm, SAMPLE_OCTETS)


def decode_pcmu(payload: bytes) -> bytes:
    """Linear PCM of mu-law."""
    return audioop.ulaw2lin(payload, SAMPLE_OCTETS)


def encode_pcma(pcm: bytes) -> bytes:
    """A-law, one octet a sample."""
    return audioop.lin2alaw(pcm, SAMPLE_OCTETS)


def decode_pcma(payload: bytes) -> bytes:
    """Linear PCM of A-law."""
    return audioop.alaw2lin(payload, SAMPLE_OCTETS)


_CODECS: dict[str, tuple[Transcode, Transcode]] = {
    "PCMU": (encode_pcmu, decode_pcmu),
    "PCMA": (encode_pcma, decode_pcma),
}


def encoder(encoding: str) -> Transcode | None:
    """From PCM to the codec of this SDP encoding name, ``None`` if there is none."""
    codec = _CODECS.get(encoding.upper())
    return codec[0] if codec else None


def decoder(encoding: str) -> Transcode | None:
    """From the codec of this SDP encoding name to PCM, ``None`` if there is none."""
    codec = _CODECS.get(encoding.upper())
    return codec[1] if codec else None
