"""The routing snapshot: all that a call reads, immutable, swapped by one assignment (DESIGN 4).

``softswitch.snapshot`` builds it from the store. Numbers are E.164 with "+". Mappings are plain
dicts that nobody changes after the snapshot is published.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from ipaddress import IPv4Network, IPv6Network
from typing import Any

from billing.tariff import TariffIndex
from softswitch.ids import AccountId, Extension
from softswitch.routing.numbers import NumberRule

ADMINISTRATOR = Extension("100")  # of a new account (S78)

Target = Mapping[str, Any]  # one key: user | group | ivr | voicemail | external | hangup


@dataclass(frozen=True, slots=True)
class Login:
    """A SIP ID user's credentials: HA1 by algorithm ("MD5", "SHA-256") for the realm."""

    login: str
    account: AccountId
    extension: Extension
    ha1: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class StaticAddress:
    """Where a static IP user's equipment is (S77). ``port``: where calls to it go."""

    transport: str
    host: str
    port: int


@dataclass(frozen=True, slots=True)
class User:
    """A user of an account. One of ``login`` and ``static`` is set."""

    extension: Extension
    name: str
    designated_number: str  # default | equipment | E.164
    login: str | None = None
    static: StaticAddress | None = None


@dataclass(frozen=True, slots=True)
class Group:
    """A user group; rung when call handling is built."""

    extension: Extension
    name: str
    members: tuple[Extension, ...] = ()


@dataclass(frozen=True, slots=True)
class Ivr:
    """A voice menu; played when call handling is built."""

    name: str
    extension: Extension | None = None


@dataclass(frozen=True, slots=True)
class Period:
    """Days (0 is Monday) and minutes since midnight in the account's time zone. ``end`` before
    ``start`` is over midnight and belongs to the day it starts (A6)."""

    days: frozenset[int]
    start_minute: int
    end_minute: int


@dataclass(frozen=True, slots=True)
class CallFlow:
    """What happens to calls to a number. ``period`` ``None``: always."""

    number: str
    to: Target
    timeout_s: int
    redirects: tuple[Target, ...] = ()
    period: Period | None = None
    otherwise: Target | None = None


@dataclass(frozen=True, slots=True)
class Number:
    """A number that an account has. Only ``active`` and ``awaiting_deletion`` ones take calls."""

    number: str
    account: AccountId
    kind: str  # city | toll_free
    status: str
    channels: int = 0  # 0: no limit
    trunk: str | None = None


@dataclass(frozen=True, slots=True)
class Account:
    """An account as calls see it.

    ``status``: billing rule 54's without the balance ("active", "not_activated",
    "blocked_operator", "blocked_fraud", "closed"); money is asked at the hold.
    """

    id: AccountId
    status: str
    country: str
    time_zone: str
    tariff: TariffIndex | None
    currency: str
    default_number: str | None
    channels: int  # 0: no limit
    users: Mapping[Extension, User] = field(default_factory=dict)
    groups: Mapping[Extension, Group] = field(default_factory=dict)
    ivrs: Mapping[str, Ivr] = field(default_factory=dict)  # by name
    flows: Mapping[str, CallFlow] = field(default_factory=dict)  # by number
    numbers: frozenset[str] = frozenset()
    administrator: Extension = ADMINISTRATOR


@dataclass(frozen=True, slots=True)
class TrunkLogin:
    """With what we answer a carrier's challenges. ``realm`` "": any."""

    username: str
    password: str = field(repr=False)
    realm: str = ""


@dataclass(frozen=True, slots=True)
class TrunkRegistration:
    """Where and as whom we register. ``contact_user``: the user part of our Contact."""

    registrar: str  # a SIP URI without a user
    username: str
    contact_user: str
    expires_s: int


@dataclass(frozen=True, slots=True)
class Trunk:
    """A carrier. ``networks``: sources whose calls are this trunk's. ``trusted``: it is of our
    trust domain (RFC 3325 2.3), so it is believed, and told, who calls."""

    name: str
    networks: tuple[IPv4Network | IPv6Network, ...]
    destination: str  # a SIP URI
    number_format: str  # e164 | plain | national
    channels_max: int  # 0: no limit
    country: str = ""
    outbound_numbers: tuple[NumberRule, ...] = ()
    inbound_numbers: tuple[NumberRule, ...] = ()
    trusted: bool = False
    remote_party_id: bool = False
    calls_per_second_max: int = 0  # 0: no limit
    srtp: bool = False  # calls to it are offered SRTP
    probe_s: int = 0  # seconds between OPTIONS; 0: its health is not watched
    login: TrunkLogin | None = None
    registration: TrunkRegistration | None = None

    @property
    def uris(self) -> tuple[str, ...]:
        """What has to be resolved: where its calls go, and where we register."""
        if self.registration is None:
            return (self.destination,)
        return (self.destination, self.registration.registrar)


@dataclass(frozen=True, slots=True)
class RoutingSnapshot:
    """Everything. ``routes`` maps a digit prefix to trunk names in order; ``route_lengths`` are the
    digits that its prefixes have, the most first."""

    accounts: Mapping[AccountId, Account] = field(default_factory=dict)
    logins: Mapping[str, Login] = field(default_factory=dict)
    static_users: Mapping[tuple[str, str], tuple[AccountId, Extension]] = field(
        default_factory=dict
    )  # (transport, address)
    numbers: Mapping[str, Number] = field(default_factory=dict)
    trunks: Mapping[str, Trunk] = field(default_factory=dict)
    trunk_hosts: Mapping[str, str] = field(default_factory=dict)  # single addresses -> trunk
    trunk_networks: tuple[tuple[IPv4Network | IPv6Network, str], ...] = ()  # the narrowest first
    routes: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    emergency_numbers: frozenset[str] = frozenset()
    emergency_trunks: tuple[str, ...] = ()
    brand: str = "Softswitch"
    route_lengths: tuple[int, ...] = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        """Derive what is looked for in each call."""
        lengths = sorted({len(prefix) for prefix in self.routes}, reverse=True)
        object.__setattr__(self, "route_lengths", tuple(lengths))
