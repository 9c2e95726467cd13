"""Every key of the state file, its limits and its default.

The same models hold what a file says and what the store has. In a file, a key that is absent is
not in ``model_fields_set`` and is left alone in the store; a new object takes the default.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Annotated, Any, ClassVar, Literal, Self

from pydantic import (
    AfterValidator,
    BaseModel,
    ConfigDict,
    Discriminator,
    Field,
    Tag,
    field_validator,
    model_serializer,
    model_validator,
)

from softswitch.fields import (
    E164,
    EMERGENCY_DEFAULT,
    EQUIPMENT_PASSWORD_MAX,
    Address,
    ClockText,
    Country,
    Currency,
    DateText,
    DesignatedNumber,
    ExtensionText,
    Micros,
    Name,
    Network,
    ObjectName,
    OptionalCountry,
    OptionalE164,
    OptionalEmail,
    OptionalName,
    SignedMicros,
    Switch,
    Text,
    TimeZone,
    Whole,
    shaped,
)
from softswitch.secrets import PORTAL_PASSWORD_MAX, is_password_hash

ACCOUNTS_MAX = 100_000  # a file of that many is above FILE_BYTES_MAX anyhow
USERS_MAX = 10_000  # per account; the catalogue's users_max is what is sold
LIST_MAX = 10_000  # of anything else under one object
RATES_MAX = 200_000  # a full wholesale tariff has some 60,000 rows
KEYS = "0123456789*#"  # of a telephone
TIMEOUT_MIN_S, TIMEOUT_MAX_S, TIMEOUT_STEP_S = 5, 120, 5  # A8
Day = Literal["mon", "tue", "wed", "thu", "fri", "sat", "sun"]
DAYS: tuple[Day, ...] = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
REDIRECTS_MAX = 3  # S110


Count = Annotated[Whole, Field(ge=0, le=1_000_000)]
Seconds = Annotated[Whole, Field(ge=0, le=86_400)]
Interval = Annotated[Whole, Field(ge=1, le=86_400)]
Prefix = Annotated[Text, shaped(r"[0-9]{0,15}", "a prefix of at most 15 digits, without +")]


class Item(BaseModel):
    """Base of everything in the file. ``identity``: the key that names it in a list.

    ``required``: keys that an object must have in the end. They have an empty default here, because
    a file may leave them out for an object that the store has already. ``keywise``: of this single
    object, too, an absent key is left alone; others are one value and are replaced whole.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)
    identity: ClassVar[str] = ""
    required: ClassVar[tuple[str, ...]] = ()
    keywise: ClassVar[bool] = False

    def name_in_list(self) -> str:
        """What tells this object from its neighbours."""
        return str(getattr(self, self.identity))

    def missing(self) -> tuple[str, ...]:
        """The keys that the object needs and does not have."""
        return tuple(key for key in self.required if not getattr(self, key))


class Target(Item):
    """Where a call goes: exactly one of the keys."""

    user: ExtensionText | None = None
    group: ExtensionText | None = None
    ivr: ObjectName | None = None
    voicemail: ExtensionText | None = None
    external: E164 | None = None
    hangup: Literal[True] | None = None

    @model_validator(mode="after")
    def _one(self) -> Self:
        if sum(value is not None for _, value in self) != 1:
            raise ValueError(f"a target is one of {', '.join(type(self).model_fields)}")
        return self

    def key(self) -> str:
        """Which kind of target it is."""
        return next(name for name, value in self if value is not None)

    @model_serializer
    def document(self) -> dict[str, Any]:
        """The store's and the file's form: the one key."""
        return {self.key(): getattr(self, self.key())}


class Provider(Item):
    """Who runs the switch."""

    keywise: ClassVar[bool] = True
    brand: Name = "Softswitch"
    legal_name: OptionalName = ""
    country: Country = "EE"
    vat_number: OptionalName = ""
    currency: Currency = "EUR"


class Emergency(Item):
    """Numbers that are never refused or charged, and the trunks that take them."""

    keywise: ClassVar[bool] = True
    numbers: Annotated[
        tuple[Annotated[Text, shaped(r"[0-9]{2,6}", "a number of 2 to 6 digits")], ...],
        Field(max_length=50),
    ] = EMERGENCY_DEFAULT
    trunks: Annotated[tuple[ObjectName, ...], Field(max_length=LIST_MAX)] = ()


class NumberRule(Item):
    """How a trunk writes some numbers; the words are those of ``softswitch.routing.numbers``."""

    match: Annotated[
        Text,
        shaped(
            r"\+?[0-9X*#]{0,32}\$?",
            'the beginning of a number like "+371" or "00XX", with $ where the number ends',
        ),
    ] = ""
    of: Literal["both", "called", "caller"] = "both"
    preset: Literal["", "e164", "plain", "national"] = ""
    strip: Annotated[Whole, Field(ge=0, le=32)] = 0
    prepend: Annotated[Text, shaped(r"\+?[0-9*#]{0,32}", "digits to put in front")] = ""


NumberRules = Annotated[tuple[NumberRule, ...], Field(max_length=100)]


class Trunk(Item):
    """A carrier: known by ``ip``, or one that we register with."""

    identity: ClassVar[str] = "name"
    name: ObjectName
    ip: Annotated[tuple[Network, ...], Field(max_length=1000)] = ()
    destination: Annotated[
        Text,
        Field(max_length=255),
        shaped(
            r"sip:[^\s<>@;]+(;transport=(udp|tcp|tls))?|sips:[^\s<>@;]+",
            "an address like sip:203.0.113.9:5060;transport=udp",
        ),
    ] = ""
    number_format: Literal["e164", "plain", "national"] = "e164"
    country: OptionalCountry = ""
    outbound_numbers: NumberRules = ()
    inbound_numbers: NumberRules = ()
    trusted: Switch = False
    remote_party_id: Switch = False
    channels_max: Count = 0
    calls_per_second_max: Annotated[Whole, Field(ge=0, le=10_000)] = 0
    srtp: bool = False
    probe_s: Annotated[Whole, Field(ge=0, le=3600)] = 30
    registrar: Annotated[
        Text,
        Field(max_length=255),
        shaped(
            r"((sip:)?(\[[0-9A-Fa-f:.]+\]|[^\s<>@;:/\[\]]+)(:[0-9]{1,5})?(;transport=(udp|tcp))?)?",
            "an address like sip:sip.example.net;transport=udp",
        ),
    ] = ""
    username: Annotated[Text, Field(max_length=64)] = ""
    password: Annotated[Text, Field(max_length=128)] = ""
    realm: Annotated[Text, Field(max_length=128)] = ""
    auth_username: Annotated[Text, Field(max_length=64)] = ""
    expires_s: Annotated[Whole, Field(ge=60, le=86_400)] = 3600
    contact_user: Annotated[
        Text, shaped(r"[A-Za-z0-9+._-]{0,64}", "letters, digits, dots, +, - or _")
    ] = ""

    def missing(self) -> tuple[str, ...]:
        """Calls to a carrier that we register with go to its registrar, unless it says where."""
        return () if self.destination or self.registrar else ("destination",)


def contact_user(trunk: Trunk) -> str:
    """The user part of our Contact at the trunk's registrar."""
    return trunk.contact_user or trunk.username


class Route(Item):
    """The trunks of a digit prefix, in order."""

    identity: ClassVar[str] = "prefix"
    required: ClassVar[tuple[str, ...]] = ("trunks",)
    prefix: Prefix
    trunks: Annotated[tuple[ObjectName, ...], Field(max_length=100)] = ()


class Rate(Item):
    """One row of a tariff; amounts are micros here and decimal strings in the file."""

    identity: ClassVar[str] = "prefix"
    prefix: Prefix
    direction: Literal["in", "out"] = "out"
    destination: OptionalName = ""
    per_minute: Micros
    initial_s: Interval = 60
    increment_s: Interval = 60
    connect_fee: Micros = 0
    free_s: Seconds = 0
    grace_s: Seconds = 0
    minimum: Micros = 0
    surcharge: Micros = 0
    cost_per_minute: Micros = 0
    blocked: Switch = False
    valid_from: DateText = "1970-01-01"

    def name_in_list(self) -> str:
        """Direction, prefix and date tell a row from the others."""
        return f"{self.direction} {self.prefix or 'any'} from {self.valid_from}"


class Tariff(Item):
    """A named price list. ``rates`` is the whole list."""

    identity: ClassVar[str] = "name"
    name: ObjectName
    currency: Currency = "EUR"
    rates: Annotated[tuple[Rate, ...], Field(max_length=RATES_MAX)] = ()


class CatalogueNumber(Item):
    """A number that the provider sells."""

    identity: ClassVar[str] = "number"
    required: ClassVar[tuple[str, ...]] = ("country",)
    number: E164
    country: Country = ""
    city: OptionalName = ""
    kind: Literal["city", "toll_free"] = "city"
    setup_fee: Micros = 0
    monthly_fee: Micros = 0
    channels: Count = 0
    trunk: ObjectName | None = None


class Catalogue(Item):
    """What is sold, and at what price."""

    keywise: ClassVar[bool] = True
    included_users: Annotated[Whole, Field(ge=1, le=USERS_MAX)] = 5
    users_max: Annotated[Whole, Field(ge=1, le=USERS_MAX)] = 100
    user_monthly_fee: Micros = 0
    recording_monthly_fee: Micros = 0
    numbers: Annotated[tuple[CatalogueNumber, ...], Field(max_length=1_000_000)] = ()


class Sip(Item):
    """A SIP ID: what the phone registers with (S75)."""

    keywise: ClassVar[bool] = True
    login: (
        Annotated[
            Text,
            shaped(r"[A-Za-z0-9._-]{1,32}", "a login of 1 to 32 letters, digits, dots, - or _"),
        ]
        | None
    ) = None
    password: Annotated[Text, Field(min_length=8, max_length=EQUIPMENT_PASSWORD_MAX)] | None = None


class StaticIp(Item):
    """Equipment known by its address (S77). ``port``: where calls to it go."""

    keywise: ClassVar[bool] = True
    transport: Literal["udp", "tcp"] = "udp"
    address: Address
    port: Annotated[Whole, Field(ge=1, le=65_535)] = 5060


class User(Item):
    """A user. Without ``sip`` and ``static_ip`` a new one gets a SIP ID from the block."""

    identity: ClassVar[str] = "extension"
    required: ClassVar[tuple[str, ...]] = ("name",)
    extension: ExtensionText
    name: Name = ""
    last_name: OptionalName = ""
    position: OptionalName = ""
    email: OptionalEmail = ""
    phone: OptionalE164 = ""
    designated_number: DesignatedNumber = "default"
    role: Literal["administrator", "user"] = "user"
    password: Annotated[Text, Field(min_length=10, max_length=PORTAL_PASSWORD_MAX)] | None = None
    password_hash: Annotated[Text, Field(max_length=255)] = ""
    sip: Sip | None = None
    static_ip: StaticIp | None = None

    @field_validator("password_hash")
    @classmethod
    def _usable(cls, value: str) -> str:
        if value and not is_password_hash(value):
            raise ValueError("is not an argon2id hash")
        return value

    @model_validator(mode="after")
    def _one_of_each(self) -> Self:
        if self.sip is not None and self.static_ip is not None:
            raise ValueError("a user has sip or static_ip, not both")
        if self.password is not None and self.password_hash:
            raise ValueError("give password or password_hash, not both")
        return self


class Administrator(User):
    """The account's first user (S78)."""

    keywise: ClassVar[bool] = True
    extension: ExtensionText = "100"
    name: Name = "Administrator"
    role: Literal["administrator"] = "administrator"


class Group(Item):
    """A user group (S89 to S101)."""

    identity: ClassVar[str] = "extension"
    required: ClassVar[tuple[str, ...]] = ("name",)
    extension: ExtensionText
    name: Name = ""
    email: OptionalEmail = ""
    order: Literal["simultaneous", "random", "least_busy"] = "simultaneous"
    melody: OptionalName = "default"
    average_call_minutes: Annotated[Whole, Field(ge=0, le=1440)] = 60
    queue_max: Annotated[Whole, Field(ge=1, le=99)] = 99
    members: Annotated[tuple[ExtensionText, ...], Field(max_length=USERS_MAX)] = ()


class Inactivity(Item):
    """Where a caller goes who presses nothing (A30)."""

    after_s: Annotated[Whole, Field(ge=0, le=120)] = 5
    to: Target


def _telephone_keys(keys: dict[str, Target]) -> dict[str, Target]:
    for key in keys:
        if len(key) != 1 or key not in KEYS:
            raise ValueError(f"{key} is not a key of a telephone")
    return keys


class Ivr(Item):
    """A voice menu (S102 to S107). ``prompt``: an audio file, relative to the state file."""

    identity: ClassVar[str] = "name"
    name: ObjectName
    extension: ExtensionText | None = None
    prompt: Annotated[Text, Field(max_length=255)] = ""
    keys: Annotated[dict[Text, Target], AfterValidator(_telephone_keys)] = {}
    inactivity: Inactivity | None = None

    def targets(self) -> Iterator[Target]:
        """Every target of the menu."""
        yield from self.keys.values()
        if self.inactivity is not None:
            yield self.inactivity.to


class Period(Item):
    """When a call flow holds. ``end`` before ``start`` is over midnight (A6)."""

    start: Annotated[ClockText, Field(alias="from")]
    end: Annotated[ClockText, Field(alias="to")]
    days: Annotated[tuple[Day, ...], Field(min_length=1, max_length=7)] = DAYS

    @model_validator(mode="after")
    def _sensible(self) -> Self:
        if self.start == self.end:
            raise ValueError("Choose two different times.")
        if len(set(self.days)) != len(self.days):
            raise ValueError("a day is listed twice")
        return self


def _period_kind(value: Any) -> str:
    """Which half of the union to report on: a word, or a group of keys."""
    return "always" if isinstance(value, str) else "period_keys"


AnyPeriod = Annotated[
    Annotated[Literal["always"], Tag("always")] | Annotated[Period, Tag("period_keys")],
    Discriminator(_period_kind),
]


class CallFlow(Item):
    """What happens to calls to a number (S108 to S114)."""

    identity: ClassVar[str] = "number"
    required: ClassVar[tuple[str, ...]] = ("to",)
    number: E164
    period: AnyPeriod = "always"
    to: Target | None = None
    timeout_s: Annotated[
        Whole, Field(ge=TIMEOUT_MIN_S, le=TIMEOUT_MAX_S, multiple_of=TIMEOUT_STEP_S)
    ] = 20
    redirects: Annotated[tuple[Target, ...], Field(max_length=REDIRECTS_MAX)] = ()
    otherwise: Target | None = None

    def targets(self) -> Iterator[Target]:
        """Every target of the flow."""
        yield from (target for target in (self.to, *self.redirects, self.otherwise) if target)


class Limits(Item):
    """Hard caps of an account; 0: no limit."""

    keywise: ClassVar[bool] = True
    channels: Count = 0
    daily_spend: Micros = 0
    fraud: Switch = True


class Account(Item):
    """A customer and everything of theirs."""

    identity: ClassVar[str] = "id"
    id: Annotated[Text, shaped(r"[0-9]{9}", "an account id of nine digits")]
    company: Annotated[Text, Field(max_length=160)] = ""
    user_type: Literal["organization", "individual"] = "organization"
    vat_number: Annotated[Text, Field(max_length=20)] = ""
    country: Country = "EE"
    address: Annotated[Text, Field(max_length=255)] = ""
    time_zone: TimeZone = "UTC"
    language: Annotated[Text, shaped(r"[a-z]{2}", "a language code like en")] = "en"
    tariff: ObjectName | None = None
    opening_balance: SignedMicros = 0
    credit_limit: Micros = 0
    limits: Limits = Limits()
    users_bought: Annotated[Whole, Field(ge=0, le=USERS_MAX)] = 0
    activated: Switch = False
    blocked: Literal["", "operator", "fraud", "closed"] = ""
    recording: Switch = False
    administrator: Administrator = Administrator()
    numbers: Annotated[tuple[E164, ...], Field(max_length=LIST_MAX)] = ()
    default_number: E164 | None = None
    users: Annotated[tuple[User, ...], Field(max_length=USERS_MAX)] = ()
    groups: Annotated[tuple[Group, ...], Field(max_length=LIST_MAX)] = ()
    ivrs: Annotated[tuple[Ivr, ...], Field(max_length=LIST_MAX)] = ()
    call_flows: Annotated[tuple[CallFlow, ...], Field(max_length=LIST_MAX)] = ()

    @field_validator("numbers")
    @classmethod
    def _ordered(cls, numbers: tuple[str, ...]) -> tuple[str, ...]:
        """A set in truth: the order means nothing, so it is no difference either."""
        return tuple(sorted(numbers))

    def everyone(self) -> Iterator[User]:
        """The administrator and the users."""
        yield self.administrator
        yield from self.users


class State(Item):
    """The whole form: what a file says, or what the store has."""

    provider: Provider = Provider()
    emergency: Emergency = Emergency()
    trunks: Annotated[tuple[Trunk, ...], Field(max_length=LIST_MAX)] = ()
    routes: Annotated[tuple[Route, ...], Field(max_length=LIST_MAX)] = ()
    tariffs: Annotated[tuple[Tariff, ...], Field(max_length=1000)] = ()
    catalogue: Catalogue = Catalogue()
    accounts: Annotated[tuple[Account, ...], Field(max_length=ACCOUNTS_MAX)] = ()
