"""A browser without a screen: speaks real HTTP bytes to the portal's site, in memory."""

from __future__ import annotations

import gzip
import re
from dataclasses import dataclass, field
from urllib.parse import urlencode

from twisted.internet.address import IPv4Address
from twisted.internet.testing import StringTransport
from twisted.web.http_headers import Headers

from tests.web.world import PASSWORD, World

HOST = "portal.test"
_TOKEN = re.compile(r'name="csrf" value="([^"]+)"')


@dataclass(frozen=True)
class Answer:
    """What came back."""

    status: int
    headers: Headers
    body: bytes

    @property
    def text(self) -> str:
        return self.body.decode()

    @property
    def location(self) -> str:
        return self.header("Location")

    @property
    def token(self) -> str:
        """The token of the page's forms."""
        found = _TOKEN.search(self.text)
        assert found, "the page has no form"
        return found.group(1)

    def header(self, name: str) -> str:
        values = self.headers.getRawHeaders(name) or [""]
        return values[0]


@dataclass
class Browser:
    """Keeps cookies, and sends what browsers send. ``address`` is where it comes from."""

    world: World
    address: str = "192.0.2.10"
    cookies: dict[str, str] = field(default_factory=dict)

    def get(self, path: str, **headers: str) -> Answer:
        return self.send("GET", path, headers=headers)

    def post(self, path: str, fields: dict[str, str] | None = None, **headers: str) -> Answer:
        """A form of this site."""
        sent = {"Sec-Fetch-Site": "same-origin", **_named(headers)}
        return self.send("POST", path, urlencode(fields or {}).encode(), sent)

    def submit(self, page: str, action: str, fields: dict[str, str] | None = None) -> Answer:
        """Open a page and send its form, token included."""
        token = self.get(page).token
        return self.post(action, {"csrf": token, **(fields or {})})

    def send(
        self, method: str, path: str, body: bytes = b"", headers: dict[str, str] | None = None
    ) -> Answer:
        lines = [f"{method} {path} HTTP/1.1", f"Host: {HOST}"]
        lines += [f"{name}: {value}" for name, value in _named(headers or {}).items()]
        if self.cookies:
            pairs = "; ".join(f"{name}={value}" for name, value in self.cookies.items())
            lines.append(f"Cookie: {pairs}")
        if body:
            lines.append("Content-Type: application/x-www-form-urlencoded")
        if body and "Transfer-Encoding" not in (headers or {}):
            lines.append(f"Content-Length: {len(body)}")
        head = "\r\n".join(lines).encode("latin-1") + b"\r\n\r\n"
        return self._keep(parse(self.raw(head + body)))

    def raw(self, data: bytes) -> bytes:
        """Bytes in, bytes out, on a connection of its own."""
        return self.connect(data).value()

    def connect(self, data: bytes) -> StringTransport:
        """The same, with the connection left open."""
        transport = StringTransport(peerAddress=IPv4Address("TCP", self.address, 40000))
        protocol = self.world.portal.site().buildProtocol(transport.getPeer())
        protocol.callLater = self.world.clock.callLater
        protocol.makeConnection(transport)
        protocol.dataReceived(data)
        transport.protocol = protocol
        return transport

    def sign_in(self, email: str = "anton@ours.example.com", password: str = PASSWORD) -> Answer:
        return self.submit("/login", "/login", {"email": email, "password": password})

    def _keep(self, answer: Answer) -> Answer:
        for line in answer.headers.getRawHeaders("Set-Cookie") or []:
            pair, *attributes = line.split("; ")
            name, _, value = pair.partition("=")
            if "Max-Age=0" in attributes:
                self.cookies.pop(name, None)
            else:
                self.cookies[name] = value
        return answer


def _named(headers: dict[str, str]) -> dict[str, str]:
    """Keyword arguments cannot have dashes."""
    return {name.replace("_", "-"): value for name, value in headers.items()}


def parse(data: bytes) -> Answer:
    """The first answer in ``data``."""
    head, _, rest = data.partition(b"\r\n\r\n")
    first, *lines = head.decode("latin-1").split("\r\n")
    headers = Headers()
    for line in lines:
        name, _, value = line.partition(": ")
        headers.addRawHeader(name, value)
    encoding = headers.getRawHeaders("Content-Encoding") or []
    body = gzip.decompress(rest) if encoding == ["gzip"] else rest
    return Answer(int(first.split(" ")[1]), headers, body)
