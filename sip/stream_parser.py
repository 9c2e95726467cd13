"""Messages out of a byte stream (RFC 3261 18.3): framing alone, ``sip.parser`` reads the frames."""

from __future__ import annotations

import enum
import re

from sip.abnf import parse_number
from sip.errors import RemoteError
from sip.parser import HEAD_BYTES_MAX, MESSAGE_BYTES_MAX

_BLANK = b"\r\n\r\n"
# A line that begins with the field's name; a folded line begins with white space, so it is none.
_CONTENT_LENGTH = re.compile(
    rb"\r\n(?:content-length|l)[ \t]*:((?:[^\r\n]|\r\n[ \t])*)", re.IGNORECASE
)


class KeepAlive(enum.Enum):
    """What stands between messages on a stream (RFC 5626 4.4.1)."""

    PING = b"\r\n\r\n"  # answer with PONG
    PONG = b"\r\n"  # only sent: a single line break that comes in is skipped


class StreamError(RemoteError):
    """The stream cannot be framed any more and has to be closed.

    ``frames`` are the messages and pings that were complete before, in this same feed; ``head`` is
    what there is of the head that broke it, for an answer.
    """

    def __init__(
        self, cause: RemoteError, frames: list[bytes | KeepAlive], head: bytes = b""
    ) -> None:
        super().__init__(str(cause), cause.status_hint)
        self.frames = frames
        self.head = head


class StreamParser:
    """Cuts the bytes of one connection into messages. Buffers at most one message and one read."""

    __slots__ = ("_body_at", "_broken", "_buffer", "_frame_bytes", "_searched")

    def __init__(self) -> None:
        self._buffer = bytearray()
        self._searched = 0  # no blank line begins before this offset
        self._frame_bytes = 0  # length of the frame that is being filled, 0: head not yet complete
        self._broken: RemoteError | None = None

    @property
    def is_idle(self) -> bool:
        """Whether no message has begun, so that closing the connection loses nothing."""
        return not self._buffer or self._buffer.startswith(b"\r")  # at most half a ping is kept

    def feed(self, data: bytes) -> list[bytes | KeepAlive]:
        """The frames that ``data`` completes, each one whole message or a keep-alive.

        Raises StreamError (a RemoteError) when the connection has to be closed: no or no clear
        Content-Length (400), or a limit is passed (513). Every later call raises the same.
        """
        frames: list[bytes | KeepAlive] = []
        if self._broken is not None:
            raise StreamError(self._broken, frames)
        self._buffer += data
        try:
            while (frame := self._next_frame()) is not None:
                frames.append(frame)
        except RemoteError as error:
            self._broken = error
            head = bytes(self._buffer[:HEAD_BYTES_MAX]).partition(_BLANK)[0]
            self._buffer.clear()
            raise StreamError(error, frames, head) from error
        return frames

    def _next_frame(self) -> bytes | KeepAlive | None:
        if self._frame_bytes == 0:
            if (ping := self._skip_line_breaks()) is not None:
                return ping
            self._frame_bytes = self._measure_frame()
        if self._frame_bytes == 0 or len(self._buffer) < self._frame_bytes:
            return None
        frame = bytes(self._buffer[: self._frame_bytes])
        self._drop(self._frame_bytes)
        return frame

    def _drop(self, count: int) -> None:
        del self._buffer[:count]
        self._frame_bytes = self._searched = 0

    def _skip_line_breaks(self) -> KeepAlive | None:
        """A ping, or None once no line break is left that can be judged yet.

        A single line break waits for what follows: it may be the first half of a ping.
        """
        buffer = self._buffer
        if buffer.startswith(_BLANK):
            self._drop(4)
            return KeepAlive.PING
        if len(buffer) > 2 and buffer.startswith(b"\r\n") and buffer[2:4] != b"\r":
            self._drop(2)
        return None

    def _measure_frame(self) -> int:
        """The bytes of the message that the buffer begins with, 0 while its head is incomplete."""
        buffer = self._buffer
        if buffer.startswith(b"\r"):
            return 0  # half of a ping, or a broken one that is found out with the next bytes
        end = buffer.find(_BLANK, self._searched)
        if end < 0:
            self._searched = max(0, len(buffer) - 3)
            _check_head_bytes(len(buffer))
            return 0
        _check_head_bytes(end)
        frame_bytes = end + len(_BLANK) + _content_length(bytes(buffer[: end + 2]))
        if frame_bytes > MESSAGE_BYTES_MAX:
            raise RemoteError(f"a message of {frame_bytes} bytes, at most {MESSAGE_BYTES_MAX}", 513)
        return frame_bytes


def _check_head_bytes(count: int) -> None:
    if count > HEAD_BYTES_MAX:
        raise RemoteError(f"{count} bytes of header fields, at most {HEAD_BYTES_MAX}", 513)


def _content_length(head: bytes) -> int:
    """The one Content-Length of a head. Two of them would let two elements see two messages."""
    found = _CONTENT_LENGTH.findall(head)
    if len(found) != 1:
        raise RemoteError(f"{len(found)} Content-Length fields on a stream, one is needed")
    return parse_number(found[0].decode("latin-1").strip(), "Content-Length")
