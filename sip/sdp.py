"""Session descriptions (RFC 8866) as telephone calls use them.

A B2BUA looks into a description for its audio and sends it on under its own address: ``read_audio``
is the look, the ``Frame`` that it finds the sending on; ``parse`` reads all of a description,
``build_audio`` makes one of our own.
"""

from sip.sdp_audio import TERMS_CACHED, Audio, Terms, read_audio
from sip.sdp_crypto import SUITES, Crypto, parse_crypto
from sip.sdp_reading import (
    DIRECTIONS,
    FORMATS_MAX,
    MEDIA_MAX,
    PLAIN_RTP,
    SDP_BYTES_MAX,
    SDP_LINES_MAX,
    SECURE_RTP,
    Format,
    Media,
    Origin,
    SessionDescription,
    parse,
)
from sip.sdp_writing import (
    G711_FORMATS,
    NOTHING_MORE,
    Frame,
    Ours,
    build_audio,
    frame,
    g711_formats,
    with_direction,
)

__all__ = [
    "DIRECTIONS",
    "FORMATS_MAX",
    "G711_FORMATS",
    "MEDIA_MAX",
    "NOTHING_MORE",
    "PLAIN_RTP",
    "SDP_BYTES_MAX",
    "SDP_LINES_MAX",
    "SECURE_RTP",
    "SUITES",
    "TERMS_CACHED",
    "Audio",
    "Crypto",
    "Format",
    "Frame",
    "Media",
    "Origin",
    "Ours",
    "SessionDescription",
    "Terms",
    "build_audio",
    "frame",
    "g711_formats",
    "parse",
    "parse_crypto",
    "read_audio",
    "with_direction",
]
