"""SIP for a load generator: messages read by searching bytes and written from templates.

A generator must cost less than what it measures, so there is no parser here: full header names, as
the servers under test write them, and no folding.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterator

Address = tuple[str, int]


def header(message: bytes, name: bytes) -> bytes:
    """The value of a header written in its full form; b"" when absent."""
    start = message.find(b"\r\n" + name + b": ")
    if start < 0:
        return b""
    start += len(name) + 4
    return message[start : message.find(b"\r\n", start)]


def vias(message: bytes) -> bytes:
    """All Via lines as they came, to be copied into an answer."""
    lines: list[bytes] = []
    start = message.find(b"\r\nVia: ")
    while start >= 0:
        end = message.find(b"\r\n", start + 2)
        lines.append(message[start + 2 : end])
        start = message.find(b"\r\nVia: ", end)
    return b"\r\n".join(lines)


def tagged(value: bytes, tag: bytes) -> bytes:
    """A To value with this tag unless it has one."""
    return value if b";tag=" in value else value + b";tag=" + tag


def contact_uri(message: bytes) -> bytes:
    """The URI of the Contact header."""
    value = header(message, b"Contact")
    left = value.find(b"<")
    return value[left + 1 : value.find(b">", left)] if left >= 0 else value.partition(b";")[0]


def routes(message: bytes) -> bytes:
    """Route lines for requests of the caller: Record-Route in reverse (RFC 3261 12.1.2)."""
    values: list[bytes] = []
    start = message.find(b"\r\nRecord-Route: ")
    while start >= 0:
        end = message.find(b"\r\n", start + 2)
        values += message[start + 16 : end].split(b",")
        start = message.find(b"\r\nRecord-Route: ", end)
    return b"".join(b"Route: %s\r\n" % value.strip() for value in reversed(values))


def answer(request: bytes, status: bytes, to: bytes, more: bytes, body: bytes = b"") -> bytes:
    """A response to a request."""
    records = b"".join(b"Record-Route: %s\r\n" % value for value in _all(request, b"Record-Route"))
    return (
        b"SIP/2.0 %s\r\n%s\r\n%sFrom: %s\r\nTo: %s\r\nCall-ID: %s\r\nCSeq: %s\r\n%s"
        b"Content-Length: %d\r\n\r\n%s"
    ) % (
        status,
        vias(request),
        records,
        header(request, b"From"),
        to,
        header(request, b"Call-ID"),
        header(request, b"CSeq"),
        more,
        len(body),
        body,
    )


def _all(message: bytes, name: bytes) -> Iterator[bytes]:
    prefix = b"\r\n" + name + b": "
    start = message.find(prefix)
    while start >= 0:
        end = message.find(b"\r\n", start + 2)
        yield message[start + len(prefix) : end]
        start = message.find(prefix, end)


def sdp(host: str, port: int) -> bytes:
    """An offer or answer of G.711."""
    return (
        f"v=0\r\no=- 1 1 IN IP4 {host}\r\ns=-\r\nc=IN IP4 {host}\r\nt=0 0\r\n"
        f"m=audio {port} RTP/AVP 8 0 101\r\na=rtpmap:8 PCMA/8000\r\na=rtpmap:0 PCMU/8000\r\n"
        "a=rtpmap:101 telephone-event/8000\r\na=fmtp:101 0-16\r\na=ptime:20\r\na=sendrecv\r\n"
    ).encode()


def media_address(message: bytes) -> Address:
    """Where the SDP of a message wants RTP."""
    body = message[message.find(b"\r\n\r\n") + 4 :].decode("ascii", "replace")
    host = re.search(r"^c=IN IP4 (\S+)", body, re.MULTILINE)
    port = re.search(r"^m=audio (\d+)", body, re.MULTILINE)
    return (host[1] if host else "", int(port[1]) if port else 0)


_DIGEST = re.compile(rb'(\w+)=(?:"([^"]*)"|([^",\s]+))')


def credentials(challenge: bytes, login: str, password: str, method: str, uri: str) -> bytes:
    """The Authorization value that answers a Digest challenge (RFC 7616, MD5, qop=auth)."""
    fields = {name: quoted or bare for name, quoted, bare in _DIGEST.findall(challenge)}
    realm, nonce = fields[b"realm"].decode(), fields[b"nonce"].decode()
    ha1 = _md5(f"{login}:{realm}:{password}")
    ha2 = _md5(f"{method}:{uri}")
    line = f'Digest username="{login}", realm="{realm}", nonce="{nonce}", uri="{uri}"'
    if b"qop" in fields:
        response = _md5(f"{ha1}:{nonce}:00000001:0a4f113b:auth:{ha2}")
        line += ', qop=auth, nc=00000001, cnonce="0a4f113b"'
    else:
        response = _md5(f"{ha1}:{nonce}:{ha2}")
    line += f', response="{response}", algorithm=MD5'
    if b"opaque" in fields:
        line += f', opaque="{fields[b"opaque"].decode()}"'
    return line.encode()


def _md5(text: str) -> str:
    return hashlib.md5(text.encode(), usedforsecurity=False).hexdigest()
