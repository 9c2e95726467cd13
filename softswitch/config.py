"""``softswitch.toml``: the model of the configuration, its limits, and reading the file.

Every key of the contract is accepted. A key whose part is not built yet takes only the value that
means "off" and is refused otherwise by a sentence that says so: ``mail.smtp`` and
``payments.provider``. Relative paths are relative to the
working directory of the process, as in ``sqlite:///var/softswitch.db``.
"""

from __future__ import annotations

import os
import re
import tomllib
from ipaddress import IPv4Network, IPv6Network, ip_address, ip_network
from pathlib import Path
from typing import Annotated, Any, Literal, Self
from urllib.parse import urlsplit

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    ValidationError,
    field_validator,
    model_validator,
)

from softswitch.fields import Hostname, Whole
from softswitch.problems import FileProblem, FileProblems
from softswitch.validation import sentences
from softswitch.values import Endpoint, PortRange

CONFIG_BYTES_MAX = 256 * 1024  # a hundred times what every key with a comment takes
LISTENERS_MAX = 64  # each costs a socket and a wake-up; hosts have few addresses
DNS_MAX = 8  # each that is dead costs the first look-up of a name a second
PATH_CHARS_MAX = 4096  # Linux takes no longer ones
PROBE_MIN_S, PROBE_MAX_S = 15, 40  # as ``softswitch.call.phone_health`` can keep its word
WORKERS_MAX = 64  # more cores than a host of this switch has
DEFAULT_PATHS = (Path("softswitch.toml"), Path("/etc/softswitch/softswitch.toml"))
DRIVERS = ("sqlite", "postgresql+psycopg")


class ConfigError(FileProblems):
    """The configuration is refused; ``problems`` lists everything that is wrong with it."""


def _endpoint(value: Any) -> Any:
    return Endpoint.parse(value) if isinstance(value, str) else value


def _port_range(value: Any) -> Any:
    return PortRange.parse(value) if isinstance(value, str) else value


def _trusted(value: Any) -> Any:
    try:
        return ip_network(value) if isinstance(value, str) else value
    except ValueError:
        raise ValueError(f"{value} is not an address or network like 203.0.113.0/24") from None


def _advertised(value: str) -> str:
    try:
        return str(ip_address(value)) if value else ""
    except ValueError:
        raise ValueError(f"{value} is not an IP address") from None


def _probe_period(value: int) -> int:
    if value and not PROBE_MIN_S <= value <= PROBE_MAX_S:
        raise ValueError(f"must be from {PROBE_MIN_S} to {PROBE_MAX_S}, or 0 for never")
    return value


def _web_url(value: str) -> str:
    parts = urlsplit(value)
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise ValueError(f"{value} is not an address like https://portal.example.net")
    return value.rstrip("/")


def _workers(value: Any) -> Any:
    """One sentence for both halves of the union."""
    whole = isinstance(value, int) and not isinstance(value, bool)
    if value == "auto" or (whole and 0 <= value <= WORKERS_MAX):
        return value
    raise ValueError(f'must be "auto" or a number of processes from 0 to {WORKERS_MAX}')


ListenAddress = Annotated[Endpoint, BeforeValidator(_endpoint)]
Listeners = Annotated[tuple[ListenAddress, ...], Field(max_length=LISTENERS_MAX)]
FilePath = Annotated[str, Field(max_length=PATH_CHARS_MAX)]
TrustedNetwork = Annotated[IPv4Network | IPv6Network, BeforeValidator(_trusted)]


class _Section(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, arbitrary_types_allowed=True)


class StoreConfig(_Section):
    """Where the data is. ``state_dir``: recordings, prompts, keys, spool, control socket."""

    url: Annotated[str, Field(max_length=1024)] = "sqlite:///var/softswitch.db"
    state_dir: Path = Path("var")

    @field_validator("url")
    @classmethod
    def _known_driver(cls, url: str) -> str:
        # The store itself reads the rest; importing it here would double the command line's start.
        driver, separator, rest = url.partition("://")
        if not separator or not rest.strip("/"):
            raise ValueError("is not a database address like sqlite:///var/softswitch.db")
        if driver not in DRIVERS:
            raise ValueError(f"{driver} is not supported, use one of {', '.join(DRIVERS)}")
        return url


class SipConfig(_Section):
    """SIP listeners and names. ``certificate``, ``private_key``: PEM files, "" without ``tls``.
    ``tls_ca``: a PEM file, "" for the system's CAs, or "off". ``drain_s``: how long running calls
    may go on after SIGTERM. ``phone_probe_s``: how often phones are asked whether they are there, 0
    off. ``dns``: the name servers to ask, the system's when empty."""

    udp: Listeners = (Endpoint("127.0.0.1", 5060),)
    tcp: Listeners = (Endpoint("127.0.0.1", 5060),)
    tls: Listeners = ()
    certificate: FilePath = ""
    private_key: FilePath = ""
    tls_ca: FilePath = ""
    domain: Hostname = "login.smarttelplus.eu"
    static_domain: Hostname = "static.smarttelplus.eu"
    advertised_address: Annotated[str, AfterValidator(_advertised)] = ""
    digest: tuple[Literal["MD5", "SHA-256"], ...] = ("MD5", "SHA-256")
    drain_s: Annotated[Whole, Field(ge=0, le=86_400)] = 0
    phone_probe_s: Annotated[Whole, AfterValidator(_probe_period)] = 25
    dns: Annotated[tuple[ListenAddress, ...], Field(max_length=DNS_MAX)] = ()

    @field_validator("udp", "tcp", "tls", "digest", "dns")
    @classmethod
    def _named_once(cls, values: tuple[Any, ...]) -> tuple[Any, ...]:
        for value in values:
            if values.count(value) > 1:
                raise ValueError(f"{value} is listed twice")
        return values

    @model_validator(mode="after")
    def _some_listener(self) -> Self:
        if not self.listeners():
            raise ValueError("no listener: give at least one address in udp, tcp or tls")
        if self.tls and not (self.certificate and self.private_key):
            raise ValueError("tls needs certificate and private_key, the names of two PEM files")
        for endpoint in self.tls:
            if endpoint in self.tcp:
                raise ValueError(f"{endpoint} is listed in tcp and in tls")
        if not self.digest:
            raise ValueError("digest: needs at least one algorithm")
        return self

    def listeners(self) -> list[tuple[str, Endpoint]]:
        """Every transport with an address."""
        named = (("udp", self.udp), ("tcp", self.tcp), ("tls", self.tls))
        return [(transport, endpoint) for transport, found in named for endpoint in found]


class MediaConfig(_Section):
    """RTP. ``workers``: processes that relay, 0 in this one. ``timeout_s``: 0 off."""

    ports: Annotated[PortRange, BeforeValidator(_port_range)] = PortRange(20_000, 39_999)
    workers: Annotated[Literal["auto"] | int, BeforeValidator(_workers)] = "auto"
    timeout_s: Annotated[Whole, Field(ge=0, le=86_400)] = 60


class LimitsConfig(_Section):
    """What one source or account may ask for; 0 switches a rate, or bans, off."""

    per_source_requests_s: Annotated[Whole, Field(ge=0, le=1_000_000)] = 200
    calls_per_second: Annotated[Whole, Field(ge=0, le=100_000)] = 50
    call_max_s: Annotated[Whole, Field(ge=1, le=604_800)] = 14_400
    ban_after: Annotated[Whole, Field(ge=0, le=100)] = 10
    ban_s: Annotated[Whole, Field(ge=1, le=604_800)] = 600
    trusted_sources: Annotated[tuple[TrustedNetwork, ...], Field(max_length=10_000)] = ()


class WebConfig(_Section):
    """The portal. ``public_url`` has no slash at its end."""

    listen: Listeners = (Endpoint("127.0.0.1", 8080),)
    public_url: Annotated[str, AfterValidator(_web_url)] = "http://127.0.0.1:8080"


class MailConfig(_Section):
    """Outgoing mail; until it is built every mail would stay in the outbox."""

    smtp: str = ""

    @field_validator("smtp")
    @classmethod
    def _not_yet(cls, value: str) -> str:
        if value:
            raise ValueError("sending mail is not built yet, leave this empty")
        return value


class PaymentsConfig(_Section):
    """Card payments."""

    provider: Literal["sandbox", "payonline", "stripe"] = "sandbox"

    @field_validator("provider")
    @classmethod
    def _not_yet(cls, value: str) -> str:
        if value != "sandbox":
            raise ValueError(f'payments by {value} are not built yet, use "sandbox"')
        return value


class Config(_Section):
    """The whole file. Every key has a default, so an empty file is a configuration."""

    store: StoreConfig = StoreConfig()
    sip: SipConfig = SipConfig()
    media: MediaConfig = MediaConfig()
    limits: LimitsConfig = LimitsConfig()
    web: WebConfig = WebConfig()
    mail: MailConfig = MailConfig()
    payments: PaymentsConfig = PaymentsConfig()


def find(path: Path | None) -> Path:
    """The file to read: ``path``, else the first of ``DEFAULT_PATHS`` that exists.

    Raises ``ConfigError`` when there is none.
    """
    if path is not None:
        return path
    for candidate in DEFAULT_PATHS:
        if candidate.exists():
            return candidate
    looked = " and ".join(map(str, DEFAULT_PATHS))
    raise ConfigError([FileProblem("softswitch.toml", 0, f"no such file: looked for {looked}")])


def load(path: Path) -> Config:
    """Read and check a file. Raises ``ConfigError`` with every problem and its line."""
    text = _read(path)
    try:
        document = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise ConfigError([_syntax_problem(path, text, error)]) from None
    try:
        return Config.model_validate(document)
    except ValidationError as error:
        lines = _key_lines(text)
        raise ConfigError(
            FileProblem(str(path), _line_of(lines, place), sentence)
            for place, sentence in sentences(error, Config)
        ) from None


def _read(path: Path) -> str:
    try:
        if os.path.getsize(path) > CONFIG_BYTES_MAX:
            raise ConfigError([FileProblem(str(path), 0, f"larger than {CONFIG_BYTES_MAX} bytes")])
        return path.read_text(encoding="utf-8")
    except OSError as error:
        raise ConfigError([FileProblem(str(path), 0, error.strerror or "unreadable")]) from None
    except UnicodeDecodeError:
        raise ConfigError([FileProblem(str(path), 0, "is not UTF-8 text")]) from None


def _syntax_problem(path: Path, text: str, error: tomllib.TOMLDecodeError) -> FileProblem:
    found = re.search(r"\(at line (\d+), column \d+\)", str(error))
    line = int(found[1]) if found else len(text.splitlines())
    return FileProblem(str(path), line, str(error).split(" (at ")[0])


_TABLE = re.compile(r"\s*\[\s*([A-Za-z0-9_-]+)\s*\]")
_KEY = re.compile(r"\s*([A-Za-z0-9_-]+)\s*=")


def _key_lines(text: str) -> dict[tuple[str, ...], int]:
    """The line of every table and key. tomllib tells no positions, and ours is a flat form."""
    lines: dict[tuple[str, ...], int] = {}
    table: tuple[str, ...] = ()
    for number, line in enumerate(text.splitlines(), 1):
        if head := _TABLE.match(line):
            table = (head[1],)
            lines.setdefault(table, number)
        elif key := _KEY.match(line):
            lines.setdefault((*table, key[1]), number)
    return lines


def _line_of(lines: dict[tuple[str, ...], int], place: tuple[str | int, ...]) -> int:
    """The line of the innermost part of ``place`` that the file names; 0 if none."""
    keys = tuple(str(part) for part in place)
    while keys and keys not in lines:
        keys = keys[:-1]
    return lines.get(keys, 0)
