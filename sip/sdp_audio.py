"""The audio of a description that goes through the switch: read and sent on by one look at it.

What a phone writes differs from call to call in its o= line, its address, its ports and some
attributes of a transport that does not go on; the rest, codecs above all, comes again with each
call of the model. So a description of the usual form is cut at these, and ``parse`` and ``frame``
are asked only for a rest that is new. Whatever has another form is read by them whole.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import lru_cache
from typing import NamedTuple

from sip.abnf import PORT_MAX
from sip.errors import RemoteError
from sip.sdp_crypto import Crypto
from sip.sdp_reading import NULL_HOST, SECURE_RTP, Format, parse
from sip.sdp_writing import Frame, frame

USUAL_BYTES_MAX = 2048  # of a description of the usual form: it has a tenth of that to a half
# Rests kept: as many as there are models of phones and carriers' gateways, times the codecs that
# they are set to and answer with. 512 of the greatest size take 3 MB.
TERMS_CACHED = 512

# Up to the port of the first media section, which is audio. No other line may say an address.
_USUAL = re.compile(
    rb"v=0\r\no=[^\r\n]*+\r\ns=[^\r\n]*+\r\nc=IN IP4 ([0-9.]{1,15})\r\n"
    rb"((?:[abt]=[^\r\n]*+\r\n)*+m=audio )([1-9][0-9]{0,4})( .*)",
    re.DOTALL,
)
_RTCP = re.compile(rb"\r\na=rtcp:([0-9]{1,5})(?: IN IP4 [0-9.]{1,15})?\r\n")
# Attributes that are new in each call; nobody reads their values and ``frame`` drops them.
_CHANGING = re.compile(rb"(\r\na=(?:rtcp|ssrc|candidate|ice-ufrag|ice-pwd|fingerprint):)[^\r\n]*+")
_NULL = NULL_HOST.encode()


@dataclass(frozen=True, slots=True, eq=False)
class Terms:
    """What a description says of its audio but for place and keys: ``formats``, ``direction`` as it
    is meant, the ``frame`` in which it goes on, whether RTCP may come to the RTP port. Compared by
    identity: each is kept once."""

    formats: tuple[Format, ...]
    direction: str
    frame: Frame
    rtcp_mux: bool = False

    @property
    def is_secure(self) -> bool:
        """Whether it is SRTP."""
        return self.frame.profile in SECURE_RTP


class Audio(NamedTuple):
    """The audio of a description that a call can carry: where it is, and on which terms; of SRTP
    the keys that we can use."""

    host: str
    port: int
    rtcp_port: int
    terms: Terms
    crypto: tuple[Crypto, ...] = ()


def read_audio(body: bytes) -> Audio:
    """The first live audio over RTP of a description.

    Raises RemoteError: 488 when there is none (no audio line, a refused one, another profile, SRTP
    without a key that we can use) or the description cannot be used, 400 when it is broken.
    """
    is_short = len(body) <= USUAL_BYTES_MAX and b"crypto:" not in body  # keys are read whole
    usual = _USUAL.fullmatch(body) if is_short else None
    if usual is not None:
        host, before, digits, after = usual.groups()
        port = int(digits)
        rtcp_port = min(port + 1, PORT_MAX) if b"rtcp:" not in after else _said_rtcp_port(after)
        if port <= PORT_MAX and rtcp_port <= PORT_MAX and host != _NULL:
            terms = _terms(before, _CHANGING.sub(rb"\1", after))
            if terms is not None:
                return Audio(host.decode(), port, rtcp_port, terms)
    return read_whole(body)


def read_whole(body: bytes) -> Audio:
    """``read_audio`` for descriptions of any form."""
    media = parse(body).audio
    if media is None:
        raise RemoteError("no audio over RTP/AVP, or RTP/SAVP with a=crypto, in the SDP", 488)
    terms = Terms(media.formats, media.direction, frame(body), media.rtcp_mux)
    return Audio(media.connection_host, media.port, media.rtcp_port, terms, media.crypto)


def _said_rtcp_port(after: bytes) -> int:
    """The port in a=rtcp of the usual form, in the only section; otherwise one that is none."""
    rtcp = _RTCP.search(after)
    if rtcp is None or after.count(b"rtcp:") > 1 or b"\nm=" in after or b"\rm=" in after:
        return PORT_MAX + 1
    return int(rtcp[1])


@lru_cache(maxsize=TERMS_CACHED)
def _terms(before: bytes, after: bytes) -> Terms | None:
    """The terms of all descriptions with this text before and after the port of their audio, and
    no address between. None when they are to be read whole: the text itself says where the audio
    is, or has to be refused."""
    if b"\nc=" in after or b"\rc=" in after:
        return None
    example = b"v=0\r\no=-\r\ns=-\r\nc=IN IP4 192.0.2.1\r\n%b4%b" % (before, after)
    try:
        description = parse(example)
    except RemoteError:
        return None
    media = description.audio
    if media is None or media is not description.media[0]:
        return None
    return Terms(media.formats, media.direction, frame(example), media.rtcp_mux)
