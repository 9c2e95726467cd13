"""Messages between the service and a worker: JSON in frames with a length before each.

Used per command and notice, never per packet. Both ends are of one installation, so there is no
version; whatever does not fit is a bug and ends the worker.
"""

from __future__ import annotations

import dataclasses
import json
import types
import typing
from collections.abc import Iterator, Mapping
from typing import Any, cast

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

LENGTH_OCTETS = 4  # big-endian, as Twisted's Int32StringReceiver has it
MESSAGE_OCTETS_MAX = 1 << 20  # MediaSeen of 2,000 calls takes a tenth of it
TYPE_KEY = "type"

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
    types.NoneType: (types.NoneType,),
}


def encode(message: Message) -> bytes:
    """The JSON of one message, without its length."""
    value = {TYPE_KEY: type(message).__name__, **dataclasses.asdict(message)}
    return json.dumps(value, separators=(",", ":")).encode()


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


class CommandReader:
    """Cuts the byte stream to a worker into commands."""

    def __init__(self) -> None:
        self._buffer = bytearray()

    def feed(self, data: bytes) -> Iterator[Command]:
        """The commands that ``data`` completes; ``MalformedMessage`` on a wrong one."""
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
            yield decode_command(body)


def _decode(data: bytes, known: Mapping[str, type[Message]]) -> Any:
    try:
        value = json.loads(data)
    except (ValueError, RecursionError) as error:
        raise MalformedMessage(f"not JSON: {error}") from None
    if not isinstance(value, dict):
        raise MalformedMessage("not an object")
    name = value.pop(TYPE_KEY, None)
    if not isinstance(name, str) or name not in known:
        raise MalformedMessage(f"no such message: {name!r}")
    return _record(known[name], value, name)


def _record(record_type: Any, value: Any, where: str) -> Any:
    if not isinstance(value, dict):
        raise MalformedMessage(f"{where} is not an object")
    hints = typing.get_type_hints(record_type)
    unknown = value.keys() - hints.keys()
    if unknown:
        raise MalformedMessage(f"{where} has no {sorted(unknown)}")
    try:
        return record_type(
            **{key: _value(hints[key], each, f"{where}.{key}") for key, each in value.items()}
        )
    except TypeError as error:
        raise MalformedMessage(f"{where}: {error}") from None


def _value(hint: Any, value: Any, where: str) -> Any:
    if dataclasses.is_dataclass(hint):
        return _record(hint, value, where)
    if typing.get_origin(hint) is tuple:
        return _tuple(typing.get_args(hint)[0], value, where)
    if typing.get_origin(hint) is types.UnionType:
        hint = types.NoneType if value is None else _not_none(hint)
    if type(value) not in _SCALARS[hint]:
        raise MalformedMessage(f"{where} is not of type {hint.__name__}")
    return value


def _tuple(item: Any, value: Any, where: str) -> tuple[Any, ...]:
    if not isinstance(value, list):
        raise MalformedMessage(f"{where} is not a list")
    return tuple(_value(item, each, f"{where}[{index}]") for index, each in enumerate(value))


def _not_none(union: Any) -> Any:
    return next(each for each in typing.get_args(union) if each is not types.NoneType)
