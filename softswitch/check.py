"""``softswitch check``: what is wrong with configuration and state, port by port.

A finding is a sentence. Notes are what is accepted but not built yet: no mistake of the operator's.
"""

from __future__ import annotations

import errno
import os
import socket
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from softswitch.config import Config
from softswitch.routing.inside import NOT_BUILT
from softswitch.state.check import Elsewhere, findings
from softswitch.state.model import State, Target
from softswitch.values import Endpoint


@dataclass(frozen=True, slots=True)
class Report:
    """``problems`` make the exit code 1; ``ports`` says how each one is."""

    problems: tuple[str, ...]
    notes: tuple[str, ...]
    ports: tuple[dict[str, Any], ...]

    def as_json(self) -> dict[str, Any]:
        """For ``check --json``."""
        return {
            "problems": list(self.problems),
            "notes": list(self.notes),
            "ports": list(self.ports),
        }

    def lines(self) -> list[str]:
        """For a person; problems are printed apart."""
        ports = [f"{port['what']} {port['address']}: {port['state']}" for port in self.ports]
        return [*ports, *(f"note: {note}" for note in self.notes)]


def check(config: Config, state: State, *, running: bool) -> Report:
    """Everything about a configuration and the stored state. ``running``: the service has the
    ports, so they are not tried."""
    ports = tuple(_ports(config, running))
    bad = [f"{p['what']} {p['address']}: {p['state']}" for p in ports if not p["ok"]]
    wrong = [
        f"{' '.join(map(str, place))}: {text}"
        for place, text in findings(state, Elsewhere(), state)
    ]
    return Report((*bad, *_folders(config), *wrong), tuple(unbuilt(state)), ports)


def unbuilt(state: State) -> Iterator[str]:
    """What the state has and nothing comes of yet: parts that are not built, missing passwords."""
    for trunk in state.trunks:
        if trunk.registrar and not trunk.password:
            yield f"trunk {trunk.name}: has no password yet, so its registrar will refuse it"
    for account in state.accounts:
        if account.recording:
            yield f"account {account.id}: recording is not built yet"
        for group in account.groups:
            yield f"account {account.id}: group {group.extension}: calls to it get 501"
        for ivr in account.ivrs:
            yield f"account {account.id}: menu {ivr.name}: calls to it get 501"
        for flow in account.call_flows:
            for target in flow.targets():
                if target.key() in NOT_BUILT:
                    yield f"account {account.id}: {flow.number} to {_shown(target)} gets 501"


def _shown(target: Target) -> str:
    return " ".join(map(str, *target.document().items()))


def _ports(config: Config, running: bool) -> Iterator[dict[str, Any]]:
    for endpoint in config.sip.udp:
        yield _port("sip udp", endpoint, socket.SOCK_DGRAM, running)
    for endpoint in config.sip.tcp:
        yield _port("sip tcp", endpoint, socket.SOCK_STREAM, running)
    for endpoint in config.web.listen:
        yield _port("web", endpoint, socket.SOCK_STREAM, running)
    yield _media_ports(config, running)


def _port(what: str, endpoint: Endpoint, kind: int, running: bool) -> dict[str, Any]:
    problem = None if running else bind_problem(endpoint, kind)
    state = "served" if running else problem or "free"
    return {"what": what, "address": str(endpoint), "state": state, "ok": problem is None}


def bind_problem(endpoint: Endpoint, kind: int) -> str | None:
    """Why the port cannot be opened, in words; ``None`` when it can."""
    family = socket.AF_INET6 if ":" in endpoint.host else socket.AF_INET
    with socket.socket(family, kind) as trial:
        if kind == socket.SOCK_STREAM:
            trial.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            trial.bind((endpoint.host, endpoint.port))
        except OSError as error:
            return _words(error)
    return None


def _words(error: OSError) -> str:
    return {
        errno.EADDRINUSE: "in use by another program",
        errno.EADDRNOTAVAIL: "not an address of this host",
        errno.EACCES: "not allowed, ports below 1024 need a right",
    }.get(error.errno or 0, error.strerror or "cannot be opened")


def _media_ports(config: Config, running: bool) -> dict[str, Any]:
    ports = config.media.ports
    host = config.sip.udp[0].host if config.sip.udp else config.sip.tcp[0].host
    busy: list[int] = []
    if not running:
        everyone = (Endpoint(host, port) for port in range(ports.first, ports.last + 1))
        busy = [e.port for e in everyone if bind_problem(e, socket.SOCK_DGRAM) is not None]
    total = ports.last - ports.first + 1
    state = "served" if running else f"{total - len(busy)} of {total} free"
    return {"what": "media", "address": str(ports), "state": state, "ok": len(busy) < total}


def _folders(config: Config) -> Iterator[str]:
    folder = config.store.state_dir
    if folder.exists() and not os.access(folder, os.W_OK | os.X_OK):
        yield f"store.state_dir {folder}: cannot be written"
