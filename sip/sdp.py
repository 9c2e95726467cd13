"""Session descriptions (RFC 8866) as telephone calls use them.

A B2BUA looks into a description for its audio and sends it on under its own address: ``parse`` is
the look, ``rewrite`` the sending on, ``build_audio`` makes one of our own.
"""

from sip.sdp_reading import (
    DIRECTIONS,
    FORMATS_MAX,
    MEDIA_MAX,
    PLAIN_RTP,
    SDP_BYTES_MAX,
    SDP_LINES_MAX,
    Format,
    Media,
    Origin,
    SessionDescription,
    parse,
)
from sip.sdp_writing import G711_FORMATS, build_audio, g711_formats, rewrite, with_direction

__all__ = [
    "DIRECTIONS",
    "FORMATS_MAX",
    "G711_FORMATS",
    "MEDIA_MAX",
    "PLAIN_RTP",
    "SDP_BYTES_MAX",
    "SDP_LINES_MAX",
    "Format",
    "Media",
    "Origin",
    "SessionDescription",
    "build_audio",
    "g711_formats",
    "parse",
    "rewrite",
    "with_direction",
]
