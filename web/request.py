"""The request class of the portal's site: bodies bounded, nothing parsed before a view asks.

Twisted's own class has no limit, spools to a temporary file, and parses the whole body on the
reactor: an upload of 20 MB was measured to stop it for 1.3 s.
"""

from __future__ import annotations

from io import BytesIO
from typing import Any

from twisted.web.server import Request

# The largest form has some twenty short fields; uploads will get limits of their own.
BODY_BYTES_MAX = 64 * 1024
# Read and dropped beyond the limit, so that a browser gets to read the answer; then disconnected.
BODY_BYTES_SWALLOWED_MAX = 1024 * 1024

_TOO_LARGE = (
    b"HTTP/1.1 413 Content Too Large\r\nConnection: close\r\n"
    b"Content-Type: text/plain\r\nContent-Length: 27\r\n\r\nThis is too large to send.\n"
)


class PortalRequest(Request):
    """Keeps the body as bytes in ``body``. ``too_large`` is set when it passed the limit; then the
    body is empty and the dispatcher answers 413."""

    def gotLength(self, length: int | None) -> None:
        """Called when the headers are in; ``length`` is ``None`` for a chunked body."""
        # Left empty for ever: what Twisted finds no body in, it does not parse.
        self.content = BytesIO()
        self.body = bytearray()
        self._received = 0
        self.too_large = length is not None and length > BODY_BYTES_MAX
        if length is not None and length > BODY_BYTES_SWALLOWED_MAX:
            self._refuse()

    def handleContentChunk(self, data: bytes) -> None:
        """A piece of the body."""
        self._received += len(data)
        if self._received > BODY_BYTES_MAX:
            self.too_large = True
            self.body.clear()
        else:
            self.body += data
        if self._received > BODY_BYTES_SWALLOWED_MAX:
            self._refuse()

    def _refuse(self) -> None:
        transport: Any = self.channel.transport
        transport.write(_TOO_LARGE)
        transport.loseConnection()
