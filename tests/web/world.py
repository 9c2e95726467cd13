"""A portal over a real store with two accounts, and stand-ins for the switch behind it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar

from argon2 import PasswordHasher
from sqlalchemy import insert
from sqlalchemy.orm import Session
from twisted.internet.defer import Deferred, execute
from twisted.internet.task import Clock

from softswitch.commands import Commands
from softswitch.secrets import Vault
from softswitch.snapshot import SnapshotHolder
from softswitch.state.model import Catalogue, Provider
from softswitch.store.base import Base, billing_tables
from softswitch.store.database import Database
from softswitch.store.models import Account, CallFlow, CatalogueNumber, Group, Setting, User
from softswitch.store.threads import InlineThreads
from web.app import Portal
from web.deps import DemoLogin, PortalDeps

T = TypeVar("T")

DOMAIN = "login.example.net"
STATIC_DOMAIN = "static.example.net"
PASSWORD = "correct horse battery"
NOW_US = 1_467_900_000_000_000  # 7 July 2016, 14:00 UTC
OURS, OTHERS = "000000212", "000000213"
OUR_NUMBER, OTHER_NUMBER = "+37070044960", "+37070044961"
DAY_US = 86_400_000_000

# As cheap as argon2 gets: the tests sign in some hundred times.
_cheap_hash = PasswordHasher(time_cost=1, memory_cost=8, parallelism=1).hash(PASSWORD)


@dataclass(frozen=True)
class FakeCall:
    """A call that is up."""

    call_id: str = "c0"
    direction: str = "internal"
    caller: str = "101"
    called: str = "102"
    caller_extension: str = "101"
    called_extension: str = "102"
    state: str = "talking"
    started_us: int = NOW_US - 60_000_000
    answered_us: int | None = NOW_US - 50_000_000


@dataclass(frozen=True)
class FakePhone:
    """A phone that is registered."""

    extension: str
    source: str = "198.51.100.7:5060"
    transport: str = "udp"
    user_agent: str = "Desk phone 3"
    state: str = "registered"
    expires_us: int = NOW_US + 600_000_000


@dataclass
class FakeLive:
    """What goes on, by account; ``tell`` says that it changed."""

    up: dict[str, list[FakeCall]] = field(default_factory=dict)
    phones: dict[str, list[FakePhone]] = field(default_factory=dict)
    subscribers: dict[str, list[Callable[[], None]]] = field(default_factory=dict)

    def calls(self, account: str) -> list[FakeCall]:
        return self.up.get(account, [])

    def registrations(self, account: str) -> list[FakePhone]:
        return self.phones.get(account, [])

    def subscribe(self, account: str, callback: Callable[[], None]) -> Callable[[], None]:
        self.subscribers.setdefault(account, []).append(callback)
        return lambda: self.subscribers[account].remove(callback)

    def tell(self, account: str) -> None:
        for callback in list(self.subscribers.get(account, ())):
            callback()


class InlineWork:
    """Work done on the spot."""

    def run(self, fn: Callable[..., T], *args: Any) -> Deferred[T]:
        return execute(fn, *args)


@dataclass
class World:
    """The portal, its store, and a hand on every clock."""

    portal: Portal
    database: Database
    live: FakeLive
    clock: Clock
    now: Callable[[], int]
    now_us: int = NOW_US

    def store(self, fn: Callable[[Session], T]) -> T:
        """A transaction of the test's own."""
        with self.database.sync_transaction() as session:
            return fn(session)


def make_world(
    folder: Path,
    *,
    url: str = "",
    public_url: str = "http://portal.test",
    demo: bool = False,
    reactor: Any = None,
    now: Callable[[], int] | None = None,
) -> World:
    """Two accounts with the same extensions; ours has calls, groups and a call flow too. ``url`` of
    an empty store with all tables; without one, it is made in ``folder``."""
    database = Database(
        url or f"sqlite:///{folder / 'portal.db'}",
        call_from_thread=lambda fn, *args: fn(*args),
        threads=InlineThreads,
    )
    if not url:
        Base.metadata.create_all(database.engine)
    database.connect()
    vault = Vault(b"k" * 32)
    with database.sync_transaction() as session:
        fill(session, vault)
    snapshots = SnapshotHolder()
    commands = Commands(database, snapshots, vault, DOMAIN)
    commands.reload()
    live = FakeLive()
    clock = reactor or Clock()
    world = World(None, database, live, clock, now or (lambda: world.now_us))  # type: ignore[arg-type]
    deps = PortalDeps(
        database=database,
        commands=commands,
        live=live,
        snapshots=snapshots,
        vault=vault,
        work=InlineWork(),
        reactor=clock,
        public_url=public_url,
        sip_domain=DOMAIN,
        static_domain=STATIC_DOMAIN,
        demo_logins=(DemoLogin("demo-key", "Anton Ivanov, administrator", OURS, "100"),)
        if demo
        else (),
        monotonic_s=clock.seconds,
        utc_us=world.now,
    )
    world.portal = Portal(deps)
    return world


def fill(session: Session, vault: Vault) -> None:
    """The rows of both accounts."""
    # Written by the state file's own models: the portal has to read what they write.
    catalogue = Catalogue(user_monthly_fee="0.78", recording_monthly_fee="7.80")  # type: ignore[arg-type]
    session.add(Setting(name="provider", value=Provider(brand="SmartTel+").model_dump(mode="json")))
    session.add(
        Setting(name="catalogue", value=catalogue.model_dump(mode="json", exclude={"numbers"}))
    )
    for account in (OURS, OTHERS):
        _account(session, vault, account)
    session.flush()
    for account, number in ((OURS, OUR_NUMBER), (OTHERS, OTHER_NUMBER)):
        session.add(_number(account, number))
    session.flush()
    session.add(
        CallFlow(
            number=OUR_NUMBER,
            account=OURS,
            period="always",
            to={"user": "101"},
            timeout_s=20,
            redirects=[],
            otherwise=None,
            version=1,
        )
    )
    session.add(_group(OURS))
    _tariff(session)
    _balances(session)
    _calls(session)


def _account(session: Session, vault: Vault, account: str) -> None:
    ours = account == OURS
    session.add(
        Account(
            id=account,
            company="My company" if ours else "Another company",
            user_type="organization",
            vat_number="",
            country="LV",
            address="Brivibas 1, Riga",
            time_zone="Europe/Riga",
            language="en",
            tariff=None,
            currency="EUR",
            opening_balance_micros=50_000_000,
            channels=0,
            daily_spend_micros=0,
            fraud_checks=True,
            users_bought=0,
            activated=True,
            blocked="",
            recording=False,
            default_number=OUR_NUMBER if ours else OTHER_NUMBER,
            administrator="100",
            created_us=NOW_US - 30 * DAY_US,
            version=1,
        )
    )
    session.flush()
    people = (
        ("100", "Anton", "Ivanov", "administrator"),
        ("101", "Anna", "Ozola", "user"),
        ("102", "Mary", "Bērziņa", "user"),
    )
    for extension, name, last_name, role in people:
        session.add(_user(vault, account, extension, name, last_name, role))


def _user(vault: Vault, account: str, extension: str, name: str, last_name: str, role: str) -> User:
    place = "ours" if account == OURS else "theirs"
    return User(
        id=f"usr_{place}{extension}",
        account=account,
        extension=extension,
        name=name,
        last_name=last_name,
        position="Sales" if extension == "101" else "",
        email=f"{name.lower()}@{place}.example.com",
        phone="",
        designated_number="default",
        equipment="sip",
        sip_login=f"8831400{'1' if account == OURS else '2'}0000{extension}",
        sip_password_sealed=vault.seal(f"Sip-secret-{place}-{extension}"),
        static_transport="",
        static_address="",
        static_port=0,
        password_hash=_cheap_hash if extension in ("100", "101") else "",
        role=role,
        version=1,
    )


def _number(account: str, number: str) -> CatalogueNumber:
    return CatalogueNumber(
        number=number,
        country="LT",
        city="Vilnius",
        kind="city",
        setup_fee_micros=1_000_000,
        monthly_fee_micros=1_300_000,
        channels=0,
        trunk=None,
        account=account,
        status="active",
        bought_us=NOW_US - 20 * DAY_US,
        delete_us=None,
    )


def _group(account: str) -> Group:
    return Group(
        id="grp_managers",
        account=account,
        extension="250",
        name="Managers",
        email="m@example.com",
        order="simultaneous",
        melody="default",
        average_call_minutes=60,
        queue_max=99,
        members=["102"],
        version=1,
    )


def _tariff(session: Session) -> None:
    session.execute(insert(billing_tables.tariff).values(name="standard", currency="EUR"))
    session.execute(
        insert(billing_tables.rate).values(
            tariff="standard",
            direction="out",
            prefix="371",
            destination="Latvia",
            per_minute_micros=60_000,
            initial_s=60,
            increment_s=60,
            connect_fee_micros=0,
            free_s=0,
            grace_s=0,
            minimum_micros=0,
            surcharge_micros=0,
            cost_per_minute_micros=20_000,
            blocked=False,
            valid_from="2016-01-01",
        )
    )
    for account in (OURS, OTHERS):
        session.get_one(Account, account).tariff = "standard"
    session.flush()


def _balances(session: Session) -> None:
    for account in (OURS, OTHERS):
        session.execute(
            insert(billing_tables.balance).values(
                account=account, currency="EUR", balance_micros=16_270_000, head_hash=b"\0" * 32
            )
        )
        entries = (
            (1, "opening", "opening", f"customer:{account}", 50_000_000, 50_000_000, 30),
            (2, "fee", f"customer:{account}", "revenue:fees", 16_990_000, 33_010_000, 20),
            (3, "call", f"customer:{account}", "revenue:calls", 120_000, 32_890_000, 1),
        )
        for number, kind, debit, credit, amount, after, days in entries:
            session.execute(
                insert(billing_tables.ledger).values(
                    account=account,
                    number=number,
                    key=f"{account}:{number}",
                    kind=kind,
                    debit=debit,
                    credit=credit,
                    amount_micros=amount,
                    currency="EUR",
                    balance_after_micros=after,
                    at_us=NOW_US - days * DAY_US,
                    text="",
                    previous_hash=b"\0" * 32,
                    hash=b"\1" * 32,
                )
            )


def _calls(session: Session) -> None:
    add_call(session, OURS, "ours-out", ago_s=3600, direction="out", called="+37120000000",
             called_extension="", price_micros=120_000, tariff="standard")  # fmt: skip
    add_call(session, OURS, "ours-missed", ago_s=7200, direction="in", caller="+37129999999",
             caller_extension="", cause="no_answer")  # fmt: skip
    add_call(session, OURS, "ours-internal", ago_s=90_000)
    add_call(session, OTHERS, "theirs", ago_s=3600)


def add_call(
    session: Session,
    account: str,
    call_id: str,
    *,
    ago_s: int,
    direction: str = "internal",
    caller: str = "101",
    called: str = "102",
    caller_extension: str = "101",
    called_extension: str = "102",
    cause: str = "answered",
    duration_s: int = 61,
    price_micros: int = 0,
    tariff: str | None = None,
) -> None:
    """A finished call that started ``ago_s`` before now."""
    started = NOW_US - ago_s * 1_000_000
    answered = cause == "answered"
    session.execute(
        insert(billing_tables.cdr).values(
            call_id=call_id,
            account=account,
            direction=direction,
            caller=caller,
            called=called,
            caller_extension=caller_extension,
            called_extension=called_extension,
            started_us=started,
            answered_us=started + 8_000_000 if answered else None,
            ended_us=started + (8 + duration_s) * 1_000_000,
            duration_s=duration_s if answered else 0,
            billed_s=120 if price_micros else 0,
            price_micros=price_micros,
            currency="EUR",
            tariff=tariff,
            tariff_version=1 if tariff else None,
            cause=cause,
            hangup_by="caller",
            legs=[
                {"leg": "a", "name": "caller", "status": 200,
                 "media": {"packets_received": 3050, "packets_lost": 3, "jitter_ms": 1.8,
                           "mos": 4.34}},
                {"leg": "b1", "name": called, "status": 200, "started_ms": 5, "rang_ms": 210,
                 "answered_ms": 8000, "ended_ms": 69_000},
            ],
            trace=["101 calls +37120000000: outside", 'tariff standard version 1: prefix "371"'],
        )
    )  # fmt: skip
