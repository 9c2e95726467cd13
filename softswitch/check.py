"""``softswitch check``: what is wrong with configuration and state, port by port.

A finding is a sentence. Notes are no mistake of the operator's: what is accepted but not built yet,
and what will be wrong soon.
"""

from __future__ import annotations

import errno
import os
import socket
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from sip.tls_files import TlsFailed
from softswitch.config import Config, SipConfig
from softswitch.routing.inside import NOT_BUILT
from softswitch.state.check import Elsewhere, findings
from softswitch.state.model import State, Target
from softswitch.tls_files import tls_files
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
    problems, notes = _certificate(config.sip, datetime.now(UTC))
    return Report((*bad, *_folders(config), *problems, *wrong), (*notes, *unbuilt(state)), ports)


def _certificate(sip: SipConfig, now: datetime) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Problems of the files of TLS, and a note when the certificate ends soon."""
    files = tls_files(sip)
    if files is None:
        return (), ()
    try:
        identity = files.read()
    except TlsFailed as error:
        return (str(error),), ()
    warning = files.warning(identity, now)
    if warning is None:
        return (), ()
    return ((warning,), ()) if identity.expires_at <= now else ((), (warning,))


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
    for transport, endpoint in config.sip.listeners():
        kind = socket.SOCK_DGRAM if transport == "udp" else socket.SOCK_STREAM
        yield _port(f"sip {transport}", endpoint, kind, running)
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
        if family == socket.AF_INET6:  # as our listeners: IPv4 has its own
            trial.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
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
    host = config.sip.listeners()[0][1].host
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
