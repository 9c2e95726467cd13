"""Framing of a TCP stream."""

from __future__ import annotations

import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sip.errors import RemoteError
from sip.parser import HEAD_BYTES_MAX, MESSAGE_BYTES_MAX, parse_message
from sip.stream_parser import KeepAlive, StreamError, StreamParser
from tests.sip.samples import invite

INVITE = invite().to_bytes()
EMPTY = invite(body=b"").to_bytes()
Frames = list[bytes | KeepAlive]


def feed_all(chunks: list[bytes]) -> tuple[Frames, str | None]:
    """Every frame of a stream that came in these chunks, and the error that ended it."""
    parser = StreamParser()
    frames: Frames = []
    for chunk in chunks:
        try:
            frames += parser.feed(chunk)
        except StreamError as error:
            return frames + error.frames, str(error)
    return frames, None


def bytewise(stream: bytes) -> list[bytes]:
    """The stream in chunks of one byte."""
    return [stream[at : at + 1] for at in range(len(stream))]


pieces = st.sampled_from(
    [
        INVITE,
        EMPTY,
        b"\r\n",
        b"\r\n\r\n",
        b"\r",
        b"\n",
        b"x",
        b"\r\nl: 3\r\n",
        b"\r\n\r\nabc",
        b"Content-Length: 2\r\n\r\n",
    ]
)
streams = st.lists(pieces | st.binary(max_size=8), max_size=5).map(b"".join)


BETWEEN = (b"\r\n", b"\r\n\r\n")
between = st.sampled_from(BETWEEN)


@st.composite
def messages(draw: st.DrawFn) -> bytes:
    """A framed message whose body may look like anything."""
    body = draw(st.binary(max_size=30) | st.just(INVITE))
    name = draw(st.sampled_from([b"l", b"Content-Length", b"CONTENT-LENGTH "]))
    return b"MESSAGE sip:h SIP/2.0\r\n%s: %d\r\n\r\n" % (name, len(body)) + body


@given(streams)
def test_byte_at_a_time_equals_whole(stream: bytes) -> None:
    """Where the reads end changes neither the frames nor whether the stream is broken."""
    frames, error = feed_all([stream])
    slow_frames, slow_error = feed_all(bytewise(stream))
    assert slow_frames == frames
    assert (slow_error is None) == (error is None)


@given(streams)
def test_any_stream_gives_messages_or_remote_errors(stream: bytes) -> None:
    """Framing and then parsing raise nothing else."""
    frames, _ = feed_all([stream])
    for frame in frames:
        if isinstance(frame, bytes):
            try:
                parse_message(frame)
            except RemoteError:
                continue


@given(st.lists(st.integers(1, 400), max_size=20))
def test_messages_come_out_as_they_went_in(sizes: list[int]) -> None:
    """Three messages and a ping, cut anywhere."""
    stream = INVITE + b"\r\n\r\n" + EMPTY + b"\r\n" + INVITE
    chunks = []
    for size in sizes:
        chunks.append(stream[:size])
        stream = stream[size:]
    frames, error = feed_all([*chunks, stream])
    assert frames == [INVITE, KeepAlive.PING, EMPTY, INVITE]
    assert error is None


@given(st.lists(between | messages(), max_size=8), st.data())
def test_any_split_of_any_sequence_gives_the_same_messages(
    parts: list[bytes], data: st.DataObject
) -> None:
    """Line breaks before, between and after; pings and messages come out, in their order."""
    stream = b"".join(parts)
    cuts = sorted(data.draw(st.lists(st.integers(0, len(stream)), max_size=10)))
    edges = [0, *cuts, len(stream)]
    frames, error = feed_all([stream[a:b] for a, b in itertools.pairwise(edges)])
    assert error is None
    assert [frame for frame in frames if isinstance(frame, bytes)] == [
        part for part in parts if part not in BETWEEN
    ]


def test_a_ping_is_two_line_breaks_and_one_is_nothing() -> None:
    """RFC 5626 4.4.1; a pong, or what some phones send after a body, is skipped."""
    assert feed_all([b"\r\n\r\n\r\n\r\n\r\n"]) == ([KeepAlive.PING, KeepAlive.PING], None)
    assert feed_all([b"\r\n", INVITE]) == ([INVITE], None)


def test_content_length_in_any_dress() -> None:
    """Compact, folded, any case; a folded line that looks like one is none."""
    for line in (b"l:4", b"CONTENT-LENGTH \t:\r\n  4", b"L : 0004 "):
        message = b"OPTIONS sip:h SIP/2.0\r\nX: y\r\n l: 9\r\n" + line + b"\r\n\r\nbody"
        assert feed_all([message]) == ([message], None)


@pytest.mark.parametrize(
    ("head", "status", "said"),
    [
        (b"OPTIONS sip:h SIP/2.0\r\nVia: x\r\n\r\n", 400, "0 Content-Length"),
        (b"X: y\r\nl: 1\r\nContent-Length: 2\r\n\r\n", 400, "2 Content-Length"),
        (b"X: y\r\nl: -1\r\n\r\n", 400, "not a number"),
        (b"X: y\r\nl:\r\n\r\n", 400, "not a number"),
        (b"X: y\r\nl: 65535\r\n\r\n", 513, f"at most {MESSAGE_BYTES_MAX}"),
        (b"x" * (HEAD_BYTES_MAX + 1), 513, f"at most {HEAD_BYTES_MAX}"),
    ],
)
def test_a_stream_that_cannot_be_framed_is_broken_for_good(
    head: bytes, status: int, said: str
) -> None:
    """The connection is to be closed; what came before is still handed over."""
    parser = StreamParser()
    with pytest.raises(StreamError, match=said) as caught:
        parser.feed(INVITE + head)
    assert caught.value.frames == [INVITE]
    assert caught.value.head == head.removesuffix(b"\r\n\r\n")[:HEAD_BYTES_MAX]
    assert caught.value.status_hint == status
    with pytest.raises(StreamError, match=said) as again:
        parser.feed(INVITE)
    assert again.value.frames == []


def test_a_length_that_is_too_small_breaks_the_stream() -> None:
    """The rest of the body is no message."""
    lying = b"MESSAGE sip:h SIP/2.0\r\nl: 3\r\n\r\nv=0\r\no=x\r\n\r\n"
    frames, error = feed_all([lying + INVITE])
    assert frames == [lying[: lying.index(b"v=0") + 3]]
    assert error is not None


def test_after_a_length_that_is_too_large_the_stream_finds_its_place_again() -> None:
    """The next message lacks its first bytes, is refused by whoever parses it, and its own length
    leads to the one after it."""
    lying = b"MESSAGE sip:h SIP/2.0\r\nl: 10\r\n\r\nbody"
    frames, error = feed_all([lying + INVITE + INVITE])
    assert error is None
    assert frames == [lying + INVITE[:6], INVITE[6:], INVITE]
    with pytest.raises(RemoteError):
        parse_message(INVITE[6:])


def test_idle_between_messages_only() -> None:
    """So that closing an idle connection loses nothing."""
    parser = StreamParser()
    assert parser.is_idle
    parser.feed(INVITE[:-1])
    assert not parser.is_idle
    parser.feed(INVITE[-1:] + b"\r\n")
    assert parser.is_idle


def test_a_large_head_byte_by_byte_is_not_searched_again_and_again() -> None:
    """The search for the blank line goes on where it stopped."""
    parser = StreamParser()
    assert all(parser.feed(b"x") == [] for _ in range(HEAD_BYTES_MAX))
    with pytest.raises(StreamError):
        parser.feed(b"x")
