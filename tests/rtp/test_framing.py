"""Messages on their way to and from a worker."""

from __future__ import annotations

import json
from typing import get_args

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rtp.errors import MalformedMessage
from rtp.framing import (
    MESSAGE_OCTETS_MAX,
    CommandReader,
    decode_commands,
    decode_notices,
    encode,
    frame,
)
from rtp.messages import PlaneCommand, PlaneNotice, Release, SetRemote

commands: st.SearchStrategy[PlaneCommand] = st.one_of(*map(st.from_type, get_args(PlaneCommand)))
notices: st.SearchStrategy[PlaneNotice] = st.one_of(
    *(st.from_type(each) for each in get_args(PlaneNotice))
).filter(lambda notice: "nan" not in repr(notice))


@given(said=st.lists(commands.filter(lambda each: "nan" not in repr(each)), max_size=4))
def test_every_command_arrives_as_it_was(said: list[PlaneCommand]) -> None:
    """Encoding and decoding give equal values, in their order."""
    assert decode_commands(encode(said)) == said


@given(said=st.lists(notices, max_size=4))
def test_every_notice_arrives_as_it_was(said: list[PlaneNotice]) -> None:
    """The same for what comes back."""
    assert decode_notices(encode(said)) == said


@given(
    sizes=st.lists(st.integers(1, 40), min_size=1), calls=st.lists(st.text(max_size=9), max_size=9)
)
def test_frames_survive_any_cut(sizes: list[int], calls: list[str]) -> None:
    """A stream socket gives octets in any portions."""
    stream = b"".join(frame([Release(call)]) for call in calls)
    reader = CommandReader()
    arrived: list[list[PlaneCommand]] = []
    while stream:
        size = sizes[len(arrived) % len(sizes)]
        arrived += reader.feed(stream[:size])
        stream = stream[size:]
    assert arrived == [[Release(call)] for call in calls]


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (b"\xff", "not JSON"),
        (b"{}", "not an array"),
        (b"[1]", "not an array"),
        (b"[[]]", "not an array"),
        (b"[[1]]", "no such message: 1"),
        (b'[["Explode"]]', "no such message: 'Explode'"),
        (b'[["Released","1",[]]]', "no such message: 'Released'"),
        (b'[["Release"]]', "Release has 1 fields"),
        (b'[["Release","1",2]]', "Release has 1 fields"),
        (b'[["Release",1]]', "1 is not of type str"),
        (b'[["UsePorts","1",{}]]', "{} is not an array"),
        (b'[["UsePorts","1",[1]]]', "LegAt has 3 fields"),
        (b'[["UsePorts","1",[["a",null,1]]]]', "None is not of type str"),
        (b'[["OpenPorts","1",[true]]]', "True is not of type int"),
        (b'[["Release","1"],["Release",1]]', "1 is not of type str"),
    ],
)
def test_garbage_is_named(data: bytes, reason: str) -> None:
    """What does not fit is said."""
    with pytest.raises(MalformedMessage, match=reason):
        decode_commands(data)


def test_true_is_no_number() -> None:
    """Python's bool is an int; here it is not."""
    value = json.loads(encode([SetRemote("1", "a", "192.0.2.1", 4000, "192.0.2.1")]))
    assert value[0][4] == 4000
    value[0][4] = True
    with pytest.raises(MalformedMessage, match="True is not of type int"):
        decode_commands(json.dumps(value).encode())


@given(data=st.binary(max_size=60))
def test_any_octets_are_a_message_or_malformed(data: bytes) -> None:
    """No other exception."""
    if data.strip() != b"[]":
        with pytest.raises(MalformedMessage):
            decode_commands(data)


def test_an_empty_frame_says_nothing() -> None:
    """It asks for a sign of life, or is one."""
    assert list(CommandReader().feed(frame(()))) == [[]]


def test_a_frame_beyond_the_limit_is_garbage() -> None:
    """Its length alone is enough to refuse it."""
    with pytest.raises(MalformedMessage, match="more than a message has"):
        list(CommandReader().feed((MESSAGE_OCTETS_MAX + 1).to_bytes(4, "big")))
