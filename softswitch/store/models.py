"""What is configured: the provider, its trunks and numbers, the accounts and what belongs to them.

Targets of call flows and menus are kept as the JSON of the state file (``{"user": "101"}``); they
are checked by the admin commands, which see the whole account. Times are UTC microseconds.
"""

from __future__ import annotations

from typing import Any

from sqlalchemy import (
    JSON,
    BigInteger,
    Boolean,
    ForeignKey,
    Index,
    Integer,
    String,
    Text,
    UniqueConstraint,
)
from sqlalchemy.orm import Mapped, mapped_column

from billing.schema import RowId
from softswitch.store.base import Base

Document = dict[str, Any]  # JSON as the state file has it, validated by softswitch.state


class Setting(Base):
    """One-of-a-kind sections of the state file: ``provider``, ``emergency``, ``catalogue``."""

    __tablename__ = "setting"
    name: Mapped[str] = mapped_column(String(32), primary_key=True)
    value: Mapped[Document] = mapped_column(JSON)


class Trunk(Base):
    """A carrier. ``ip``: its source addresses; a registering trunk has a registrar instead."""

    __tablename__ = "trunk"
    name: Mapped[str] = mapped_column(String(64), primary_key=True)
    position: Mapped[int] = mapped_column(Integer)
    ip: Mapped[list[str]] = mapped_column(JSON)
    destination: Mapped[str] = mapped_column(String(255))
    number_format: Mapped[str] = mapped_column(String(16))
    channels_max: Mapped[int] = mapped_column(Integer)
    registrar: Mapped[str] = mapped_column(String(255))
    username: Mapped[str] = mapped_column(String(64))
    password_sealed: Mapped[str] = mapped_column(String(512))
    # The keys of the state file that have no column of their own; NULL in rows older than them.
    options: Mapped[dict[str, Any] | None] = mapped_column(JSON)


class Route(Base):
    """Longest prefix, then the trunks in order."""

    __tablename__ = "route"
    prefix: Mapped[str] = mapped_column(String(15), primary_key=True)
    trunks: Mapped[list[str]] = mapped_column(JSON)


class CatalogueNumber(Base):
    """A number that the provider sells, and who has it. Number status: S58 to S60."""

    __tablename__ = "number"
    number: Mapped[str] = mapped_column(String(16), primary_key=True)  # E.164 with "+"
    country: Mapped[str] = mapped_column(String(2))
    city: Mapped[str] = mapped_column(String(80))
    kind: Mapped[str] = mapped_column(String(16))  # city | toll_free
    setup_fee_micros: Mapped[int] = mapped_column(BigInteger)
    monthly_fee_micros: Mapped[int] = mapped_column(BigInteger)
    channels: Mapped[int] = mapped_column(Integer)  # 0: no limit
    trunk: Mapped[str | None] = mapped_column(ForeignKey("trunk.name"))
    account: Mapped[str | None] = mapped_column(ForeignKey("account.id"), index=True)
    status: Mapped[str] = mapped_column(
        String(20)
    )  # free|reserved|active|awaiting_deletion|quarantine
    bought_us: Mapped[int | None] = mapped_column(BigInteger)
    delete_us: Mapped[int | None] = mapped_column(BigInteger)


class Account(Base):
    """A customer: the tenant that everything below belongs to."""

    __tablename__ = "account"
    id: Mapped[str] = mapped_column(String(9), primary_key=True)
    company: Mapped[str] = mapped_column(String(160))
    user_type: Mapped[str] = mapped_column(String(16))
    vat_number: Mapped[str] = mapped_column(String(20))
    country: Mapped[str] = mapped_column(String(2))
    address: Mapped[str] = mapped_column(String(255))
    time_zone: Mapped[str] = mapped_column(String(64))
    language: Mapped[str] = mapped_column(String(8))
    tariff: Mapped[str | None] = mapped_column(ForeignKey("tariff.name"))
    currency: Mapped[str] = mapped_column(String(3))
    opening_balance_micros: Mapped[int] = mapped_column(BigInteger)
    channels: Mapped[int] = mapped_column(Integer)  # 0: no limit
    daily_spend_micros: Mapped[int] = mapped_column(BigInteger)  # 0: no limit
    fraud_checks: Mapped[bool] = mapped_column(Boolean)
    users_bought: Mapped[int] = mapped_column(Integer)
    activated: Mapped[bool] = mapped_column(Boolean)
    blocked: Mapped[str] = mapped_column(String(16))  # "" | operator | fraud | closed
    recording: Mapped[bool] = mapped_column(Boolean)
    default_number: Mapped[str | None] = mapped_column(String(16))
    administrator: Mapped[str] = mapped_column(String(6))  # the extension
    created_us: Mapped[int] = mapped_column(BigInteger)
    version: Mapped[int] = mapped_column(Integer)  # raised by every change of anything within


class User(Base):
    """A user with an extension and a phone, by SIP ID or static IP (S68)."""

    __tablename__ = "user"
    id: Mapped[str] = mapped_column(String(32), primary_key=True)  # usr_...
    account: Mapped[str] = mapped_column(ForeignKey("account.id"))
    extension: Mapped[str] = mapped_column(String(6))
    name: Mapped[str] = mapped_column(String(80))
    last_name: Mapped[str] = mapped_column(String(80))
    position: Mapped[str] = mapped_column(String(80))
    email: Mapped[str] = mapped_column(String(254))
    phone: Mapped[str] = mapped_column(String(16))
    designated_number: Mapped[str] = mapped_column(String(16))  # default | equipment | E.164
    equipment: Mapped[str] = mapped_column(String(8))  # sip | static
    sip_login: Mapped[str | None] = mapped_column(String(32), unique=True)
    # The customer may see it again (S76): encrypted with the key file, HA1 is derived at load.
    sip_password_sealed: Mapped[str] = mapped_column(String(512))
    static_transport: Mapped[str] = mapped_column(String(3))
    static_address: Mapped[str] = mapped_column(String(45))
    static_port: Mapped[int] = mapped_column(Integer)
    # Portal sign-in; empty: this user cannot sign in.
    password_hash: Mapped[str] = mapped_column(String(255))
    role: Mapped[str] = mapped_column(String(16))  # administrator | user
    version: Mapped[int] = mapped_column(Integer)
    __table_args__ = (
        UniqueConstraint("account", "extension", name="uq_user_account_extension"),
        Index("ix_user_email", "email"),
        Index("ix_user_static", "static_address", "static_transport"),
    )


class Group(Base):
    """A user group (S89 to S101)."""

    __tablename__ = "user_group"
    id: Mapped[str] = mapped_column(String(32), primary_key=True)  # grp_...
    account: Mapped[str] = mapped_column(ForeignKey("account.id"))
    extension: Mapped[str] = mapped_column(String(6))
    name: Mapped[str] = mapped_column(String(80))
    email: Mapped[str] = mapped_column(String(254))
    order: Mapped[str] = mapped_column("call_order", String(16))
    melody: Mapped[str] = mapped_column(String(80))
    average_call_minutes: Mapped[int] = mapped_column(Integer)
    queue_max: Mapped[int] = mapped_column(Integer)
    members: Mapped[list[str]] = mapped_column(JSON)  # extensions, in order
    version: Mapped[int] = mapped_column(Integer)
    __table_args__ = (UniqueConstraint("account", "extension", name="uq_group_account_extension"),)


class Ivr(Base):
    """A voice menu (S102 to S107)."""

    __tablename__ = "ivr"
    id: Mapped[str] = mapped_column(String(32), primary_key=True)  # ivr_...
    account: Mapped[str] = mapped_column(ForeignKey("account.id"))
    name: Mapped[str] = mapped_column(String(80))
    extension: Mapped[str | None] = mapped_column(String(6))
    prompt: Mapped[str] = mapped_column(String(255))  # file name below state_dir/prompts
    keys: Mapped[Document] = mapped_column(JSON)  # key -> target
    inactivity: Mapped[Document] = mapped_column(JSON)
    version: Mapped[int] = mapped_column(Integer)
    __table_args__ = (UniqueConstraint("account", "name", name="uq_ivr_account_name"),)


class CallFlow(Base):
    """What happens to calls to a number (S108 to S114)."""

    __tablename__ = "call_flow"
    number: Mapped[str] = mapped_column(ForeignKey("number.number"), primary_key=True)
    account: Mapped[str] = mapped_column(ForeignKey("account.id"), index=True)
    period: Mapped[Any] = mapped_column(JSON)  # "always" or {from, to, days}
    to: Mapped[Document] = mapped_column("target", JSON)
    timeout_s: Mapped[int] = mapped_column(Integer)
    redirects: Mapped[list[Document]] = mapped_column(JSON)
    otherwise: Mapped[Document | None] = mapped_column(JSON)
    version: Mapped[int] = mapped_column(Integer)


class Binding(Base):
    """A registered contact (RFC 3261 10.3), kept over a restart."""

    __tablename__ = "binding"
    login: Mapped[str] = mapped_column(String(32), primary_key=True)
    contact: Mapped[str] = mapped_column(String(255), primary_key=True)
    call_id: Mapped[str] = mapped_column(String(255))
    cseq: Mapped[int] = mapped_column(BigInteger)
    expires_us: Mapped[int] = mapped_column(BigInteger)
    q_thousandths: Mapped[int] = mapped_column(Integer)
    transport: Mapped[str] = mapped_column(String(3))
    local: Mapped[str] = mapped_column(String(64))  # host:port that the phone registered at
    source: Mapped[str] = mapped_column(String(64))  # host:port that it registered from
    user_agent: Mapped[str] = mapped_column(String(128))
    instance: Mapped[str] = mapped_column(String(128))  # +sip.instance
    reg_id: Mapped[str] = mapped_column(String(10))
    path: Mapped[str] = mapped_column(String(1024))  # the Route towards it
    outbound: Mapped[bool] = mapped_column(Boolean)


class Ban(Base):
    """A ban that is in force, kept over a restart. ``login`` "": of the whole source."""

    __tablename__ = "ban"
    source: Mapped[str] = mapped_column(String(64), primary_key=True)
    login: Mapped[str] = mapped_column(String(64), primary_key=True)
    reason: Mapped[str] = mapped_column(String(64))
    since_us: Mapped[int] = mapped_column(BigInteger)
    until_us: Mapped[int] = mapped_column(BigInteger)
    times: Mapped[int] = mapped_column(Integer)  # which in a row
    proved: Mapped[bool] = mapped_column(Boolean)  # the source was not forged


class Subscription(Base):
    """A phone's subscription (RFC 6665), kept over a restart."""

    __tablename__ = "subscription"
    tag: Mapped[str] = mapped_column(String(64), primary_key=True)  # ours
    account: Mapped[str] = mapped_column(String(9))
    extension: Mapped[str] = mapped_column(String(6))  # who subscribed
    resource: Mapped[str] = mapped_column(String(6))  # to whom, of the same account
    package: Mapped[str] = mapped_column(String(32))
    event: Mapped[str] = mapped_column(String(128))
    entity: Mapped[str] = mapped_column(Text)
    call_id: Mapped[str] = mapped_column(Text)
    local: Mapped[str] = mapped_column(Text)
    remote: Mapped[str] = mapped_column(Text)
    remote_tag: Mapped[str] = mapped_column(Text)
    remote_target: Mapped[str] = mapped_column(Text)
    route_set: Mapped[str] = mapped_column(Text)  # a line each
    contact: Mapped[str] = mapped_column(Text)
    local_address: Mapped[str] = mapped_column(String(64))
    source: Mapped[str] = mapped_column(String(64))
    cseq: Mapped[int] = mapped_column(BigInteger)
    remote_cseq: Mapped[int] = mapped_column(BigInteger)
    expires_us: Mapped[int] = mapped_column(BigInteger)


class MessageWaiting(Base):
    """How many voice messages a user has; no row is none."""

    __tablename__ = "message_waiting"
    account: Mapped[str] = mapped_column(String(9), primary_key=True)
    extension: Mapped[str] = mapped_column(String(6), primary_key=True)
    new_count: Mapped[int] = mapped_column(Integer)
    old_count: Mapped[int] = mapped_column(Integer)


class Session(Base):
    """A portal session. Only the SHA-256 of the cookie's value is kept."""

    __tablename__ = "session"
    id_hash: Mapped[str] = mapped_column(String(64), primary_key=True)
    user: Mapped[str] = mapped_column(ForeignKey("user.id", ondelete="CASCADE"), index=True)
    account: Mapped[str] = mapped_column(ForeignKey("account.id"))
    csrf: Mapped[str] = mapped_column(String(64))
    created_us: Mapped[int] = mapped_column(BigInteger)
    seen_us: Mapped[int] = mapped_column(BigInteger)
    strong_us: Mapped[int] = mapped_column(BigInteger)  # when the password was last given (step-up)
    ip: Mapped[str] = mapped_column(String(45))
    agent: Mapped[str] = mapped_column(String(255))


class History(Base):
    """Everything done in an account, by whom and from where (S67, A31). Append only."""

    __tablename__ = "history"
    id: Mapped[int] = mapped_column(RowId, primary_key=True)
    account: Mapped[str | None] = mapped_column(ForeignKey("account.id"), index=True)
    at_us: Mapped[int] = mapped_column(BigInteger)
    actor: Mapped[str] = mapped_column(String(80))
    ip: Mapped[str] = mapped_column(String(45))
    what: Mapped[str] = mapped_column(String(80))
    object: Mapped[str] = mapped_column(String(80))
    before: Mapped[Document | None] = mapped_column(JSON)
    after: Mapped[Document | None] = mapped_column(JSON)


class Job(Base):
    """A periodic job's watermark: what it has done so far (rule 27)."""

    __tablename__ = "job"
    name: Mapped[str] = mapped_column(String(64), primary_key=True)
    watermark_us: Mapped[int] = mapped_column(BigInteger)
    last_run_us: Mapped[int] = mapped_column(BigInteger)
    last_error: Mapped[str] = mapped_column(String(500))
