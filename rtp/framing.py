"""Messages between the service and a worker: JSON in frames with a length before each.

Used per command and notice, never per packet. A frame is an array of messages, what one write has
to say; an empty one asks whether the other end lives, and is its answer. A message is an array: its
type's name and its fields in their order; records in it are arrays of their fields. Both ends are
of one installation, so there is no version; whatever does not fit is a bug and ends the worker.
"""

from __future__ import annotations

import json
import types
import typing
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import cache, partial
from typing import Any, Generic, TypeVar, get_args

from rtp.errors import MalformedMessage
from rtp.messages import PlaneCommand, PlaneNotice

Message = PlaneCommand | PlaneNotice
M = TypeVar("M")

LENGTH_OCTETS = 4  # big-endian
MESSAGE_OCTETS_MAX = 1 << 20  # of a frame; MediaSeen of 2,000 calls takes a tenth of it
QUOTED_MAX = 40  # characters of a wrong value in an error

Read = Callable[[Any], Any]

_COMMANDS: Mapping[str, Any] = {each.__name__: each for each in get_args(PlaneCommand)}
_NOTICES: Mapping[str, Any] = {each.__name__: each for each in get_args(PlaneNotice)}
_SCALARS: dict[Any, tuple[type, ...]] = {
    str: (str,),
    int: (int,),
    bool: (bool,),
    float: (float, int),
    types.NoneType: (types.NoneType,),
}


def encode(messages: Sequence[Message]) -> bytes:
    """The JSON of some messages, without its length."""
    # Records are named tuples, which JSON writes as arrays.
    return _json([(type(each).__name__, *each) for each in messages]).encode()


def decode_commands(data: bytes) -> list[PlaneCommand]:
    """The commands in ``data``, or ``MalformedMessage`` saying what does not fit."""
    return _decode(data, _COMMANDS)


def decode_notices(data: bytes) -> list[PlaneNotice]:
    """The notices in ``data``, or ``MalformedMessage`` saying what does not fit."""
    return _decode(data, _NOTICES)


def frame(messages: Sequence[Message]) -> bytes:
    """``messages`` with their length before them, ready to be sent."""
    data = encode(messages)
    return len(data).to_bytes(LENGTH_OCTETS, "big") + data


class _FrameReader(Generic[M]):
    """Cuts a byte stream into frames; ``MalformedMessage`` on a wrong one."""

    def __init__(self, decode: Callable[[bytes], list[M]]) -> None:
        self._decode = decode
        self._buffer = bytearray()

    def feed(self, data: bytes) -> Iterator[list[M]]:
        """The messages of each frame that ``data`` completes."""
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


class CommandReader(_FrameReader[PlaneCommand]):
    """Cuts the byte stream to a worker into commands."""

    def __init__(self) -> None:
        super().__init__(decode_commands)


class NoticeReader(_FrameReader[PlaneNotice]):
    """Cuts the byte stream from a worker into notices."""

    def __init__(self) -> None:
        super().__init__(decode_notices)


def _decode(data: bytes, known: Mapping[str, Any]) -> list[Any]:
    try:
        text = data.decode()
        value, end = _scan(text)
    except (ValueError, RecursionError) as error:
        raise MalformedMessage(f"not JSON: {error}") from None
    if type(value) is not list or end != len(text):
        raise MalformedMessage("not an array of messages")
    return [_message(each, known) for each in value]


def _message(value: Any, known: Mapping[str, Any]) -> Any:
    if type(value) is not list or not value:
        raise MalformedMessage("not an array with the name of a message")
    name = value.pop(0)
    if not isinstance(name, str) or name not in known:
        raise MalformedMessage(f"no such message: {name!r:.{QUOTED_MAX}}")
    return _reader(known[name])(value)


_json = json.JSONEncoder(separators=(",", ":")).encode
_scan = json.JSONDecoder().raw_decode  # json.loads without the functions around it


@cache
def _reader(hint: Any) -> Read:
    """What checks and makes a value of a type; made once per type, since annotations are slow."""
    if hasattr(hint, "_fields"):
        return _record_readers(hint)[0]
    if typing.get_origin(hint) is tuple:
        return _tuple_reader(get_args(hint)[0])
    return _scalar_reader(hint)


def _accepted(hint: Any) -> tuple[type, ...]:
    """The types that a scalar may have, () for what is no scalar."""
    if typing.get_origin(hint) is types.UnionType:
        return tuple(each for part in get_args(hint) for each in _SCALARS[part])
    return _SCALARS.get(hint, ())


@cache
def _record_readers(record_type: Any) -> tuple[Read, Read]:
    """What reads one record, and what reads an array of them."""
    hints = typing.get_type_hints(record_type).values()
    accepted = [_accepted(hint) for hint in hints]
    nested = [(at, _reader(hint)) for at, hint in enumerate(hints) if not _accepted(hint)]
    # Whether scalars fit is a matter of their types alone: what fitted once fits again.
    fitting: set[tuple[type, ...]] = set()
    make = partial(tuple.__new__, record_type)  # as _make does, without a function of Python

    def check(value: Any) -> None:
        if type(value) is not list or len(value) != len(accepted):
            raise MalformedMessage(f"{record_type.__name__} has {len(accepted)} fields")
        for each, kinds in zip(value, accepted, strict=True):
            # Not isinstance: true is an int in Python, and not in this protocol.
            if kinds and type(each) not in kinds:
                raise _wrong_type(each, kinds)
        fitting.add(tuple(map(type, value)))

    def read(value: Any) -> Any:
        if type(value) is not list or tuple(map(type, value)) not in fitting:
            check(value)
        for at, reader in nested:
            value[at] = reader(value[at])
        return make(value)

    def read_all(values: list[Any]) -> tuple[Any, ...]:
        if nested:
            return tuple([read(value) for value in values])
        for value in values:
            if type(value) is not list or tuple(map(type, value)) not in fitting:
                check(value)
        return tuple(map(make, values))

    return read, read_all


def _wrong_type(value: Any, accepted: tuple[type, ...]) -> MalformedMessage:
    return MalformedMessage(f"{value!r:.{QUOTED_MAX}} is not of type {accepted[0].__name__}")


def _tuple_reader(item: Any) -> Read:
    if hasattr(item, "_fields"):
        _, read_all = _record_readers(item)
    else:
        reader = _reader(item)

        def read_all(values: list[Any]) -> tuple[Any, ...]:
            return tuple([reader(each) for each in values])

    def read(value: Any) -> Any:
        if type(value) is not list:
            raise MalformedMessage(f"{value!r:.{QUOTED_MAX}} is not an array")
        return read_all(value)

    return read


def _scalar_reader(hint: Any) -> Read:
    accepted = _accepted(hint)

    def read(value: Any) -> Any:
        if type(value) not in accepted:
            raise _wrong_type(value, accepted)
        return value

    return read
