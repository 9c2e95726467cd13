"""Messages between the service and a worker: JSON in frames with a length before each.

Used per command and notice, never per packet. A message is an array: its type's name and its fields
in their order; records in it are arrays of their fields. Both ends are of one installation, so
there is no version; whatever does not fit is a bug and ends the worker.
"""

from __future__ import annotations

import json
import types
import typing
from collections.abc import Callable, Iterator, Mapping
from functools import cache
from typing import Any, Generic, TypeVar, cast

from rtp.errors import MalformedMessage
from rtp.messages import (
    Allocate,
    Allocated,
    AllocationFailed,
    Bridge,
    Command,
    MediaLost,
    MediaSeen,
    MediaTimedOut,
    Notice,
    PlayTone,
    Release,
    Released,
    SetRemote,
    StopTone,
)

Message = Command | Notice
M = TypeVar("M")

LENGTH_OCTETS = 4  # big-endian
MESSAGE_OCTETS_MAX = 1 << 20  # MediaSeen of 2,000 calls takes a tenth of it
QUOTED_MAX = 40  # characters of a wrong value in an error

Read = Callable[[Any], Any]

_COMMANDS: dict[str, type[Command]] = {
    each.__name__: each for each in (Allocate, SetRemote, Bridge, PlayTone, StopTone, Release)
}
_NOTICES: dict[str, type[Notice]] = {
    each.__name__: each
    for each in (Allocated, AllocationFailed, Released, MediaTimedOut, MediaSeen, MediaLost)
}
_SCALARS: dict[Any, tuple[type, ...]] = {
    str: (str,),
    int: (int,),
    bool: (bool,),
    float: (float, int),
}


def encode(message: Message) -> bytes:
    """The JSON of one message, without its length."""
    # Records are named tuples, which JSON writes as arrays.
    return _json.encode((type(message).__name__, *message)).encode()


def decode_command(data: bytes) -> Command:
    """The command in ``data``, or ``MalformedMessage`` saying what does not fit."""
    return cast(Command, _decode(data, _COMMANDS))


def decode_notice(data: bytes) -> Notice:
    """The notice in ``data``, or ``MalformedMessage`` saying what does not fit."""
    return cast(Notice, _decode(data, _NOTICES))


def frame(message: Message) -> bytes:
    """``message`` with its length before it, ready to be sent."""
    data = encode(message)
    return len(data).to_bytes(LENGTH_OCTETS, "big") + data


class _FrameReader(Generic[M]):
    """Cuts a byte stream into messages; ``MalformedMessage`` on a wrong one."""

    def __init__(self, decode: Callable[[bytes], M]) -> None:
        self._decode = decode
        self._buffer = bytearray()

    def feed(self, data: bytes) -> Iterator[M]:
        """The messages that ``data`` completes."""
        self._buffer += data
        while len(self._buffer) >= LENGTH_OCTETS:
            length = int.from_bytes(self._buffer[:LENGTH_OCTETS], "big")
            if length > MESSAGE_OCTETS_MAX:
                raise MalformedMessage(f"a frame of {length} octets, more than a message has")
            end = LENGTH_OCTETS + length
            if len(self._buffer) < end:
                return
            body = bytes(self._buffer[LENGTH_OCTETS:end])
            del self._buffer[:end]
            yield self._decode(body)


class CommandReader(_FrameReader[Command]):
    """Cuts the byte stream to a worker into commands."""

    def __init__(self) -> None:
        super().__init__(decode_command)


class NoticeReader(_FrameReader[Notice]):
    """Cuts the byte stream from a worker into notices."""

    def __init__(self) -> None:
        super().__init__(decode_notice)


def _decode(data: bytes, known: Mapping[str, Any]) -> Any:
    try:
        value = json.loads(data)
    except (ValueError, RecursionError) as error:
        raise MalformedMessage(f"not JSON: {error}") from None
    if not isinstance(value, list) or not value:
        raise MalformedMessage("not an array with the name of a message")
    name, *fields = value
    if not isinstance(name, str) or name not in known:
        raise MalformedMessage(f"no such message: {name!r:.{QUOTED_MAX}}")
    return _reader(known[name])(fields)


_json = json.JSONEncoder(separators=(",", ":"))


@cache
def _reader(hint: Any) -> Read:
    """What checks and makes a value of a type; made once per type, since annotations are slow."""
    if hasattr(hint, "_fields"):
        return _record_reader(hint)
    if typing.get_origin(hint) is tuple:
        return _tuple_reader(_reader(typing.get_args(hint)[0]))
    if typing.get_origin(hint) is types.UnionType:
        return _optional_reader(_reader(typing.get_args(hint)[0]))
    return _scalar_reader(hint)


def _record_reader(record_type: Any) -> Read:
    hints = typing.get_type_hints(record_type)
    names = record_type._fields
    scalars = [(at, _SCALARS[hints[n]]) for at, n in enumerate(names) if hints[n] in _SCALARS]
    others = [(at, _reader(hints[n])) for at, n in enumerate(names) if hints[n] not in _SCALARS]

    def read(value: Any) -> Any:
        if type(value) is not list or len(value) != len(names):
            raise MalformedMessage(f"{record_type.__name__} has {len(names)} fields")
        for at, accepted in scalars:
            # Not isinstance: true is an int in Python, and not in this protocol.
            if type(value[at]) not in accepted:
                raise _wrong_type(value[at], accepted)
        for at, reader in others:
            value[at] = reader(value[at])
        return record_type._make(value)

    return read


def _wrong_type(value: Any, accepted: tuple[type, ...]) -> MalformedMessage:
    return MalformedMessage(f"{value!r:.{QUOTED_MAX}} is not of type {accepted[0].__name__}")


def _tuple_reader(item: Read) -> Read:
    def read(value: Any) -> Any:
        if type(value) is not list:
            raise MalformedMessage(f"{value!r:.{QUOTED_MAX}} is not an array")
        return tuple([item(each) for each in value])

    return read


def _optional_reader(present: Read) -> Read:
    return lambda value: None if value is None else present(value)


def _scalar_reader(hint: Any) -> Read:
    accepted = _SCALARS[hint]

    def read(value: Any) -> Any:
        if type(value) not in accepted:
            raise _wrong_type(value, accepted)
        return value

    return read
