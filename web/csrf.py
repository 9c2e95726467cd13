"""Protection of unsafe requests against other sites (portal study 2.8). Pure.

Two locks, both must open: the browser's own word on where the request comes from, and a token that
only our pages know. A signed-in page carries its session's token, masked anew for every page so
that compression reveals nothing of it (BREACH); the sign-in form carries one that fits a cookie.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
from urllib.parse import urlsplit

TOKEN_BYTES = 32
SAFE_METHODS = frozenset({b"GET", b"HEAD", b"OPTIONS"})


def is_same_origin(fetch_site: str | None, origin: str | None, host: str | None) -> bool:
    """Whether the request was made by a page of this host. Browsers send ``Sec-Fetch-Site``; where
    it is absent (plain http on another host than localhost), ``Origin`` must name the host."""
    if fetch_site is not None:
        return fetch_site == "same-origin"
    if origin is None or host is None:
        return False
    return urlsplit(origin).netloc.lower() == host.lower()


def mask(token_hex: str, pad: bytes) -> str:
    """A session's token in the form that a page carries. ``pad``: ``TOKEN_BYTES`` random bytes."""
    token = bytes.fromhex(token_hex)
    masked = bytes(a ^ b for a, b in zip(token, pad, strict=True))
    return base64.urlsafe_b64encode(pad + masked).decode().rstrip("=")


def unmasked_matches(sent: str, token_hex: str) -> bool:
    """Whether ``sent`` is a masked form of the token; ``False`` for anything malformed."""
    try:
        raw = base64.urlsafe_b64decode(sent + "=" * (-len(sent) % 4))
    except (binascii.Error, ValueError):
        return False
    if len(raw) != 2 * TOKEN_BYTES:
        return False
    token = bytes(a ^ b for a, b in zip(raw[:TOKEN_BYTES], raw[TOKEN_BYTES:], strict=True))
    return hmac.compare_digest(token, bytes.fromhex(token_hex))


def visitor_token(key: bytes, cookie: str) -> str:
    """The token of a visitor without a session: a signature of the visitor's cookie."""
    return hmac.new(key, b"visitor:" + cookie.encode(), hashlib.sha256).hexdigest()


def visitor_matches(sent: str, key: bytes, cookie: str) -> bool:
    """Whether ``sent`` fits the visitor's cookie."""
    return bool(cookie) and hmac.compare_digest(
        sent.encode("utf-8", "replace"), visitor_token(key, cookie).encode()
    )
