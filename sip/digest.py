"""Digest authentication (RFC 3261 22, RFC 7616, RFC 8760), both sides, without state but the nc's.

Deliberate limits, each with its reason:

- ``qop=auth`` only. ``auth-int`` would hash bodies that a B2BUA or an ALG on the way rewrites.
- The RFC 2069 form without qop is accepted: old phones and ATAs send it although qop was offered
  (RFC 3261 22.4 point 8 keeps it legal). It has no nonce count: ``nc`` reads as 1, so that a nonce
  so used is good for one request, and the next one is challenged as stale.
- ``-sess`` algorithms are refused: their key lasts for the session, which would need state for
  every login, and no phone needs them.
- The ``uri`` parameter is hashed as it was sent. It is not compared as text with the Request-URI,
  which proxies rewrite (RFC 3261 22.4, RFC 7616 3.4.6 let the server decide); ``uri_fits`` says
  whether they name the same host, for callers who want it.
"""

from __future__ import annotations

import hashlib
import hmac
import re
from collections import OrderedDict
from collections.abc import Mapping
from dataclasses import dataclass
from enum import Enum
from functools import lru_cache
from itertools import count
from operator import itemgetter
from typing import NamedTuple

from sip.abnf import quote
from sip.errors import RemoteError
from sip.uri import parse_uri
from sip.values import parse_auth

# A nonce lives long enough for a phone to reuse it over a few refreshes of its registration, and
# short enough that a captured one is of little use.
NONCE_LIFE_S = 300

# Nonces whose counts are remembered: a busy switch issues fewer in a nonce's life, and forgetting
# the oldest costs its owner one more challenge, marked stale, so no password is asked for.
NONCE_COUNTS_MAX = 50_000

# Requests of one phone that overtake each other on UDP: RFC 7616 3.4 leaves the window open.
NC_WINDOW = 32

# Longest values that a digest header of a true device carries.
AUTH_PARAM_CHARS_MAX = 512

# Methods with URIs whose hash is kept: every phone registers at the one domain.
HA2_CACHED = 1024

_HASHES = {"MD5": hashlib.md5, "SHA-256": hashlib.sha256}
ALGORITHMS = tuple(_HASHES)


def _hex(algorithm: str, text: str) -> str:
    digest = _HASHES[algorithm](text.encode("utf-8", "replace"), usedforsecurity=False)
    return digest.hexdigest()


@lru_cache(maxsize=HA2_CACHED)
def _ha2(algorithm: str, method: str, uri: str) -> str:
    return _hex(algorithm, f"{method}:{uri}")


def ha1(algorithm: str, login: str, realm: str, password: str) -> str:
    """H(login:realm:password) in lower-case hex: what the switch keeps instead of the password."""
    return _hex(algorithm, f"{login}:{realm}:{password}")


_NC = re.compile("[0-9A-Fa-f]{1,8}")

# Of a nonce: milliseconds of 48 bits last for nine thousand years; a seal of 128 bits.
_STAMP_CHARS = 12
_SEAL_CHARS = 32


class NonceState(Enum):
    """What a nonce that came back is."""

    VALID = "valid"
    STALE = "stale"  # ours, but too old: challenge with stale=true, the password is not asked for
    FORGED = "forged"  # not ours: challenge anew


class Nonces:
    """Issues nonces that prove themselves: the time, a number and a keyed hash of both in hex.
    Stores nothing. The number makes those of one millisecond differ; the key, which nobody else
    knows, makes them impossible to guess.

    The hash is also over the ``source`` that asks, when it is given: a nonce that comes back from
    there shows that its address is not forged, and another address cannot use it.
    """

    def __init__(self, key: bytes, life_s: float = NONCE_LIFE_S) -> None:
        if not 16 <= len(key) <= 64:
            raise ValueError(f"a key of {len(key)} bytes, 16 to 64")
        self._key = key
        self._life_s = life_s
        self._numbers = count()

    def issue(self, now_s: float, source: str = "") -> str:
        """A new nonce."""
        text = f"{int(now_s * 1000):0{_STAMP_CHARS}x}{next(self._numbers):x}"
        return text + self._seal(text, source)

    def check(self, nonce: str, now_s: float, source: str = "") -> NonceState:
        """Whether this nonce is ours and still good. One from the future is as good as forged."""
        text, seal = nonce[:-_SEAL_CHARS], nonce[-_SEAL_CHARS:]
        if not nonce.isascii() or not hmac.compare_digest(self._seal(text, source), seal):
            return NonceState.FORGED
        age_s = now_s - int(text[:_STAMP_CHARS], 16) / 1000
        if age_s < -1:
            return NonceState.FORGED
        return NonceState.VALID if age_s <= self._life_s else NonceState.STALE

    def _seal(self, text: str, source: str) -> str:
        # The space, which no source has, keeps a part of the text from being taken for one of it.
        # BLAKE2's own keyed mode (RFC 7693 2.9): a tenth of what HMAC-SHA-256 costs here.
        return hashlib.blake2b(
            f"{text} {source}".encode(), digest_size=_SEAL_CHARS // 2, key=self._key
        ).hexdigest()


class NonceCounts:
    """Refuses replays: remembers, for the latest nonces, which counts were used.

    A count may come out of order within NC_WINDOW, since parallel requests overtake each other.
    Retransmissions are absorbed by the transaction layer before they come here.
    """

    def __init__(self, nonces_max: int = NONCE_COUNTS_MAX) -> None:
        self._nonces_max = nonces_max
        self._seen: OrderedDict[str, tuple[int, int]] = OrderedDict()  # highest nc, bits below it

    def __len__(self) -> int:
        return len(self._seen)

    def accept(self, nonce: str, count: int) -> bool:
        """Note that ``count`` was used with this nonce; False when it was before, or is too old."""
        highest, bits = self._seen.pop(nonce, (0, 0))
        accepted, highest, bits = _slide(highest, bits, count)
        self._seen[nonce] = (highest, bits)
        if len(self._seen) > self._nonces_max:
            self._seen.popitem(last=False)
        return accepted


def _slide(highest: int, bits: int, count: int) -> tuple[bool, int, int]:
    """The sliding window of RFC 4303 3.4.3: bit n says that ``highest - n`` was used."""
    if count > highest:
        ahead = count - highest
        bits = (bits << ahead) & (2**NC_WINDOW - 1) if ahead < NC_WINDOW else 0
        return True, count, bits | 1
    behind = highest - count
    if count < 1 or behind >= NC_WINDOW or bits >> behind & 1:
        return False, highest, bits
    return True, highest, bits | 1 << behind


def challenge(realm: str, nonce: str, algorithm: str, stale: bool = False) -> str:
    """A WWW-Authenticate or Proxy-Authenticate value. One per algorithm, the preferred first."""
    before, after = _around_nonce(realm, algorithm, stale)
    return before + quote(nonce) + after


@lru_cache(maxsize=16)  # one realm, two algorithms
def _around_nonce(realm: str, algorithm: str, stale: bool) -> tuple[str, str]:
    ending = ", stale=true" if stale else ""
    return f"Digest realm={quote(realm)}, nonce=", f', algorithm={algorithm}, qop="auth"{ending}'


class Credentials(NamedTuple):
    """The answer to a challenge as a phone sends it. ``qop`` and ``cnonce`` empty in RFC 2069.

    ``nc`` is the nonce count, 1 without qop, ``nc_text`` as written (it is hashed so).
    """

    username: str
    realm: str
    nonce: str
    uri: str
    response: str
    algorithm: str
    qop: str = ""
    cnonce: str = ""
    nc: int = 1
    nc_text: str = ""


_CREDENTIALS = ("username", "realm", "nonce", "uri", "response", "cnonce", "nc", "qop", "algorithm")
_proof = itemgetter(*_CREDENTIALS[:5])
_count = itemgetter(*_CREDENTIALS[5:7])


def parse_authorization(text: str) -> Credentials:
    """Read an Authorization or Proxy-Authorization value.

    Raises RemoteError: 400 malformed, 401 for another scheme, algorithm (-sess included) or qop,
    since a new challenge tells the phone what we take.
    """
    value = parse_auth(text, "Authorization")
    if value.scheme.lower() != "digest":
        raise RemoteError(f"Authorization: scheme {value.scheme[:20]!r} is not supported", 401)
    params = value.params
    if len(text) > AUTH_PARAM_CHARS_MAX:  # else no part of it can be
        for name in _CREDENTIALS:
            _param(params, name, "")
    qop = params.get("qop", "").lower()
    if qop not in ("", "auth"):
        raise RemoteError(f"Authorization: qop {qop[:20]!r} is not supported", 401)
    try:
        username, realm, nonce, uri, response = _proof(params)
        cnonce, nc_text = _count(params) if qop else ("", "")
    except KeyError as error:
        raise RemoteError(f"Authorization: {error.args[0]} is missing") from None
    nc = _parse_nc(nc_text) if qop else 1
    algorithm = _algorithm(params)
    return Credentials(
        username, realm, nonce, uri, response.lower(), algorithm, qop, cnonce, nc, nc_text
    )


def _param(params: Mapping[str, str], name: str, default: str | None = None) -> str:
    text = params.get(name, default)
    if text is None:
        raise RemoteError(f"Authorization: {name} is missing")
    if len(text) > AUTH_PARAM_CHARS_MAX:
        raise RemoteError(f"Authorization: {name} of {len(text)} characters")
    return text


def _algorithm(params: Mapping[str, str]) -> str:
    name = _param(params, "algorithm", "MD5").upper()
    if name not in _HASHES:
        raise RemoteError(f"algorithm {name[:20]!r} is not supported", 401)
    return name


def _parse_nc(text: str) -> int:
    """Eight hex digits (RFC 7616 3.4); fewer are taken, as some phones do not pad."""
    if _NC.fullmatch(text) is None:
        raise RemoteError(f"Authorization: nc {text[:20]!r} is not a count")
    return int(text, 16)


def verify(credentials: Credentials, method: str, ha1_hex: str) -> bool:
    """Whether the response proves the secret, in constant time. ``ha1_hex``: of its algorithm.

    The caller has checked nonce, count and realm. For an unknown user pass any HA1, so that the
    time does not tell.
    """
    expected, given = _response(credentials, method, ha1_hex), credentials.response
    return given.isascii() and hmac.compare_digest(expected, given)


def _response(credentials: Credentials, method: str, ha1_hex: str) -> str:
    """RFC 7616 3.4.1; without qop RFC 2069 2.1.2."""
    c = credentials
    ha2 = _ha2(c.algorithm, method, c.uri)
    middle = f"{c.nonce}:{c.nc_text}:{c.cnonce}:{c.qop}" if c.qop else c.nonce
    return _hex(c.algorithm, f"{ha1_hex}:{middle}:{ha2}")


def uri_fits(credentials: Credentials, request_uri: str) -> bool:
    """Whether the hashed uri names the host of the Request-URI (ports and users may differ)."""
    try:
        return parse_uri(credentials.uri).host == parse_uri(request_uri).host
    except RemoteError:
        return False


# Our side as a client: towards trunks that challenge us.


@dataclass(frozen=True, slots=True)
class Challenge:
    """What a server asks for. ``qop`` is ``auth`` when it offers it, else empty (RFC 2069)."""

    realm: str
    nonce: str
    algorithm: str
    qop: str
    opaque: str | None
    stale: bool


def parse_challenge(text: str) -> Challenge:
    """Read one WWW-Authenticate or Proxy-Authenticate value.

    Raises RemoteError when it is malformed, or when nothing that we can compute is offered.
    """
    value = parse_auth(text, "Authenticate")
    if value.scheme.lower() != "digest":
        raise RemoteError(f"Authenticate: scheme {value.scheme[:20]!r} is not supported")
    offered = [token.strip().lower() for token in _param(value.params, "qop", "").split(",")]
    if offered != [""] and "auth" not in offered:
        raise RemoteError("Authenticate: no supported qop")
    return Challenge(
        _param(value.params, "realm"),
        _param(value.params, "nonce"),
        _algorithm(value.params),
        "auth" if "auth" in offered else "",
        value.params.get("opaque"),
        _param(value.params, "stale", "").lower() == "true",
    )


def choose_challenge(values: list[str]) -> Challenge:
    """The first of several challenges that we can answer (RFC 8760 2.4: the server's order).

    Raises the RemoteError of the last one when there is none.
    """
    error = RemoteError("Authenticate is missing")
    for text in values:
        try:
            return parse_challenge(text)
        except RemoteError as refused:
            error = refused
    raise error


def answer(
    asked: Challenge, method: str, uri: str, login: str, password: str, cnonce: str, nc: int
) -> str:
    """The Authorization or Proxy-Authorization value that answers a challenge."""
    count = f"{nc:08x}"
    secret = ha1(asked.algorithm, login, asked.realm, password)
    credentials = Credentials(
        login, asked.realm, asked.nonce, uri, "", asked.algorithm, asked.qop, cnonce, nc, count
    )
    parts = [
        f"username={quote(login)}",
        f"realm={quote(asked.realm)}",
        f"nonce={quote(asked.nonce)}",
        f"uri={quote(uri)}",
        f'response="{_response(credentials, method, secret)}"',
        f"algorithm={asked.algorithm}",
    ]
    if asked.qop:
        parts += [f"qop={asked.qop}", f"nc={count}", f"cnonce={quote(cnonce)}"]
    if asked.opaque is not None:
        parts.append(f"opaque={quote(asked.opaque)}")
    return "Digest " + ", ".join(parts)
