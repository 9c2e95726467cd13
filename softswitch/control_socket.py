"""Where the control socket is, its form, and the client's half (no Twisted here).

One JSON object a line. The client sends ``{"verb": ..., "arguments": {...}}``; the service answers
``{"result": ...}`` or ``{"problems": [...]}``, each problem one line for standard error.
"""

from __future__ import annotations

import json
import os
import socket
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

SOCKET_NAME = "control.sock"
REQUEST_BYTES_MAX = 1024 * 1024  # an apply of FILES_MAX files with long names fits
BACKLOG = 16  # operators and scripts; more wait in connect()
MODE = 0o600  # whoever may open it is the operator
_PATH_BYTES_MAX = 100  # of a Unix socket's address, 108 with its end on Linux
_CHUNK = 1024 * 1024


class NotRunning(Exception):
    """No service listens on the socket of this state folder."""


class ControlError(Exception):
    """The service is there but the conversation failed; one line says how."""


@contextmanager
def address_of(state_dir: Path) -> Iterator[str]:
    """An address for the socket that fits its limit, however deep the folder is."""
    path = str(state_dir / SOCKET_NAME)
    if len(os.fsencode(path)) <= _PATH_BYTES_MAX:
        yield path
        return
    folder = os.open(state_dir, os.O_PATH | os.O_DIRECTORY)
    try:
        yield f"/proc/self/fd/{folder}/{SOCKET_NAME}"
    finally:
        os.close(folder)


def ask(state_dir: Path, verb: str, arguments: Mapping[str, Any]) -> dict[str, Any]:
    """Send a verb and wait for the answer. Raises ``NotRunning`` or ``ControlError``."""
    with _connected(state_dir) as connection:
        try:
            request = json.dumps({"verb": verb, "arguments": dict(arguments)})
            connection.sendall(request.encode() + b"\n")
            answer = json.loads(_line(connection))
        except (OSError, ValueError) as error:
            raise ControlError(f"the service broke off: {error}") from None
    if not isinstance(answer, dict):
        raise ControlError("the service answered something else than an object")
    return answer


def is_running(state_dir: Path) -> bool:
    """Whether somebody listens on the socket."""
    try:
        with _connected(state_dir):
            return True
    except NotRunning:
        return False


def make_way(state_dir: Path) -> None:
    """Remove a socket that a crash left, so that a service can listen there.

    Raises ``ControlError`` if another service of this folder runs.
    """
    if is_running(state_dir):
        raise ControlError(f"another softswitch runs on {state_dir}")
    (state_dir / SOCKET_NAME).unlink(missing_ok=True)


@contextmanager
def _connected(state_dir: Path) -> Iterator[socket.socket]:
    if not state_dir.is_dir():
        raise NotRunning
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as connection:
        try:
            with address_of(state_dir) as address:
                connection.connect(address)
        except (FileNotFoundError, ConnectionRefusedError):
            raise NotRunning from None
        except OSError as error:
            raise ControlError(f"{state_dir / SOCKET_NAME}: {error.strerror}") from None
        yield connection


def _line(connection: socket.socket) -> bytes:
    """Everything up to the end of the line. No limit: the service is ours, reports are long."""
    parts: list[bytes] = []
    while chunk := connection.recv(_CHUNK):
        parts.append(chunk)
        if chunk.endswith(b"\n"):
            return b"".join(parts)
    raise ValueError("no answer")
