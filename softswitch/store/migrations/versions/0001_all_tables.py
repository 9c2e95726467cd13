"""All tables"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "binding",
        sa.Column("login", sa.String(length=32), nullable=False),
        sa.Column("contact", sa.String(length=255), nullable=False),
        sa.Column("call_id", sa.String(length=255), nullable=False),
        sa.Column("cseq", sa.BigInteger(), nullable=False),
        sa.Column("expires_us", sa.BigInteger(), nullable=False),
        sa.Column("q_thousandths", sa.Integer(), nullable=False),
        sa.Column("transport", sa.String(length=3), nullable=False),
        sa.Column("local", sa.String(length=64), nullable=False),
        sa.Column("source", sa.String(length=64), nullable=False),
        sa.Column("user_agent", sa.String(length=128), nullable=False),
        sa.PrimaryKeyConstraint("login", "contact", name=op.f("pk_binding")),
    )
    op.create_table(
        "job",
        sa.Column("name", sa.String(length=64), nullable=False),
        sa.Column("watermark_us", sa.BigInteger(), nullable=False),
        sa.Column("last_run_us", sa.BigInteger(), nullable=False),
        sa.Column("last_error", sa.String(length=500), nullable=False),
        sa.PrimaryKeyConstraint("name", name=op.f("pk_job")),
    )
    op.create_table(
        "route",
        sa.Column("prefix", sa.String(length=15), nullable=False),
        sa.Column("trunks", sa.JSON(), nullable=False),
        sa.PrimaryKeyConstraint("prefix", name=op.f("pk_route")),
    )
    op.create_table(
        "setting",
        sa.Column("name", sa.String(length=32), nullable=False),
        sa.Column("value", sa.JSON(), nullable=False),
        sa.PrimaryKeyConstraint("name", name=op.f("pk_setting")),
    )
    op.create_table(
        "tariff",
        sa.Column("name", sa.String(length=64), nullable=False),
        sa.Column("currency", sa.String(length=3), nullable=False),
        sa.Column("version", sa.Integer(), server_default="1", nullable=False),
        sa.PrimaryKeyConstraint("name", name=op.f("pk_tariff")),
    )
    op.create_table(
        "trunk",
        sa.Column("name", sa.String(length=64), nullable=False),
        sa.Column("position", sa.Integer(), nullable=False),
        sa.Column("ip", sa.JSON(), nullable=False),
        sa.Column("destination", sa.String(length=255), nullable=False),
        sa.Column("number_format", sa.String(length=16), nullable=False),
        sa.Column("channels_max", sa.Integer(), nullable=False),
        sa.Column("registrar", sa.String(length=255), nullable=False),
        sa.Column("username", sa.String(length=64), nullable=False),
        sa.Column("password_sealed", sa.String(length=512), nullable=False),
        sa.PrimaryKeyConstraint("name", name=op.f("pk_trunk")),
    )
    op.create_table(
        "account",
        sa.Column("id", sa.String(length=9), nullable=False),
        sa.Column("company", sa.String(length=160), nullable=False),
        sa.Column("user_type", sa.String(length=16), nullable=False),
        sa.Column("vat_number", sa.String(length=20), nullable=False),
        sa.Column("country", sa.String(length=2), nullable=False),
        sa.Column("address", sa.String(length=255), nullable=False),
        sa.Column("time_zone", sa.String(length=64), nullable=False),
        sa.Column("language", sa.String(length=8), nullable=False),
        sa.Column("tariff", sa.String(length=64), nullable=True),
        sa.Column("currency", sa.String(length=3), nullable=False),
        sa.Column("opening_balance_micros", sa.BigInteger(), nullable=False),
        sa.Column("channels", sa.Integer(), nullable=False),
        sa.Column("daily_spend_micros", sa.BigInteger(), nullable=False),
        sa.Column("fraud_checks", sa.Boolean(), nullable=False),
        sa.Column("users_bought", sa.Integer(), nullable=False),
        sa.Column("activated", sa.Boolean(), nullable=False),
        sa.Column("blocked", sa.String(length=16), nullable=False),
        sa.Column("recording", sa.Boolean(), nullable=False),
        sa.Column("default_number", sa.String(length=16), nullable=True),
        sa.Column("administrator", sa.String(length=6), nullable=False),
        sa.Column("created_us", sa.BigInteger(), nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.ForeignKeyConstraint(["tariff"], ["tariff.name"], name=op.f("fk_account_tariff_tariff")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_account")),
    )
    op.create_table(
        "rate",
        sa.Column("id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("tariff", sa.String(length=64), nullable=False),
        sa.Column("direction", sa.String(length=3), nullable=False),
        sa.Column("prefix", sa.String(length=15), nullable=False),
        sa.Column("destination", sa.String(length=80), nullable=False),
        sa.Column("per_minute_micros", sa.BigInteger(), nullable=False),
        sa.Column("initial_s", sa.Integer(), nullable=False),
        sa.Column("increment_s", sa.Integer(), nullable=False),
        sa.Column("connect_fee_micros", sa.BigInteger(), nullable=False),
        sa.Column("free_s", sa.Integer(), nullable=False),
        sa.Column("grace_s", sa.Integer(), nullable=False),
        sa.Column("minimum_micros", sa.BigInteger(), nullable=False),
        sa.Column("surcharge_micros", sa.BigInteger(), nullable=False),
        sa.Column("cost_per_minute_micros", sa.BigInteger(), nullable=False),
        sa.Column("blocked", sa.Boolean(), nullable=False),
        sa.Column("valid_from", sa.String(length=10), nullable=False),
        sa.CheckConstraint("initial_s > 0 AND increment_s > 0", name=op.f("ck_rate_intervals")),
        sa.ForeignKeyConstraint(["tariff"], ["tariff.name"], name=op.f("fk_rate_tariff_tariff")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_rate")),
        sa.UniqueConstraint(
            "tariff", "direction", "prefix", "valid_from", name="uq_rate_tariff_prefix"
        ),
    )
    op.create_table(
        "balance",
        sa.Column("account", sa.String(length=9), nullable=False),
        sa.Column("currency", sa.String(length=3), nullable=False),
        sa.Column("balance_micros", sa.BigInteger(), server_default="0", nullable=False),
        sa.Column("reserved_micros", sa.BigInteger(), server_default="0", nullable=False),
        sa.Column("credit_limit_micros", sa.BigInteger(), server_default="0", nullable=False),
        sa.Column("entries", sa.BigInteger(), server_default="0", nullable=False),
        sa.Column("head_hash", sa.LargeBinary(length=32), nullable=False),
        sa.CheckConstraint("reserved_micros >= 0", name=op.f("ck_balance_reserved")),
        sa.ForeignKeyConstraint(
            ["account"], ["account.id"], name=op.f("fk_balance_account_account")
        ),
        sa.PrimaryKeyConstraint("account", name=op.f("pk_balance")),
    )
    op.create_table(
        "cdr",
        sa.Column("id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("call_id", sa.String(length=64), nullable=False),
        sa.Column("account", sa.String(length=9), nullable=False),
        sa.Column("direction", sa.String(length=8), nullable=False),
        sa.Column("caller", sa.String(length=64), nullable=False),
        sa.Column("called", sa.String(length=64), nullable=False),
        sa.Column("caller_extension", sa.String(length=6), nullable=False),
        sa.Column("called_extension", sa.String(length=6), nullable=False),
        sa.Column("started_us", sa.BigInteger(), nullable=False),
        sa.Column("answered_us", sa.BigInteger(), nullable=True),
        sa.Column("ended_us", sa.BigInteger(), nullable=False),
        sa.Column("duration_s", sa.Integer(), nullable=False),
        sa.Column("billed_s", sa.Integer(), nullable=False),
        sa.Column("price_micros", sa.BigInteger(), nullable=False),
        sa.Column("cost_micros", sa.BigInteger(), server_default="0", nullable=False),
        sa.Column("overrun_micros", sa.BigInteger(), server_default="0", nullable=False),
        sa.Column("currency", sa.String(length=3), nullable=False),
        sa.Column("tariff", sa.String(length=64), nullable=True),
        sa.Column("tariff_version", sa.Integer(), nullable=True),
        sa.Column("cause", sa.String(length=20), nullable=False),
        sa.Column("hangup_by", sa.String(length=8), nullable=False),
        sa.Column("recording_id", sa.String(length=32), nullable=True),
        sa.Column("legs", sa.JSON(), nullable=False),
        sa.Column("trace", sa.JSON(), nullable=False),
        sa.ForeignKeyConstraint(["account"], ["account.id"], name=op.f("fk_cdr_account_account")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_cdr")),
        sa.UniqueConstraint("call_id", "account", name="uq_cdr_call_account"),
    )
    with op.batch_alter_table("cdr", schema=None) as batch_op:
        batch_op.create_index("ix_cdr_account_started", ["account", "started_us"], unique=False)

    op.create_table(
        "history",
        sa.Column("id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("account", sa.String(length=9), nullable=True),
        sa.Column("at_us", sa.BigInteger(), nullable=False),
        sa.Column("actor", sa.String(length=80), nullable=False),
        sa.Column("ip", sa.String(length=45), nullable=False),
        sa.Column("what", sa.String(length=80), nullable=False),
        sa.Column("object", sa.String(length=80), nullable=False),
        sa.Column("before", sa.JSON(), nullable=True),
        sa.Column("after", sa.JSON(), nullable=True),
        sa.ForeignKeyConstraint(
            ["account"], ["account.id"], name=op.f("fk_history_account_account")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_history")),
    )
    with op.batch_alter_table("history", schema=None) as batch_op:
        batch_op.create_index(batch_op.f("ix_history_account"), ["account"], unique=False)

    op.create_table(
        "hold",
        sa.Column("id", sa.String(length=80), nullable=False),
        sa.Column("call_id", sa.String(length=64), nullable=False),
        sa.Column("account", sa.String(length=9), nullable=False),
        sa.Column("amount_micros", sa.BigInteger(), nullable=False),
        sa.Column("rate", sa.JSON(), nullable=False),
        sa.Column("records", sa.JSON(), nullable=False),
        sa.Column("created_us", sa.BigInteger(), nullable=False),
        sa.Column("answered_us", sa.BigInteger(), nullable=True),
        sa.Column("seen_us", sa.BigInteger(), nullable=False),
        sa.CheckConstraint("amount_micros >= 0", name=op.f("ck_hold_amount")),
        sa.ForeignKeyConstraint(["account"], ["account.id"], name=op.f("fk_hold_account_account")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_hold")),
    )
    op.create_table(
        "ivr",
        sa.Column("id", sa.String(length=32), nullable=False),
        sa.Column("account", sa.String(length=9), nullable=False),
        sa.Column("name", sa.String(length=80), nullable=False),
        sa.Column("extension", sa.String(length=6), nullable=True),
        sa.Column("prompt", sa.String(length=255), nullable=False),
        sa.Column("keys", sa.JSON(), nullable=False),
        sa.Column("inactivity", sa.JSON(), nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.ForeignKeyConstraint(["account"], ["account.id"], name=op.f("fk_ivr_account_account")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_ivr")),
        sa.UniqueConstraint("account", "name", name="uq_ivr_account_name"),
    )
    op.create_table(
        "ledger",
        sa.Column("id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("account", sa.String(length=9), nullable=False),
        sa.Column("number", sa.BigInteger(), nullable=False),
        sa.Column("key", sa.String(length=120), nullable=False),
        sa.Column("kind", sa.String(length=24), nullable=False),
        sa.Column("debit", sa.String(length=64), nullable=False),
        sa.Column("credit", sa.String(length=64), nullable=False),
        sa.Column("amount_micros", sa.BigInteger(), nullable=False),
        sa.Column("currency", sa.String(length=3), nullable=False),
        sa.Column("balance_after_micros", sa.BigInteger(), nullable=False),
        sa.Column("at_us", sa.BigInteger(), nullable=False),
        sa.Column("text", sa.String(length=200), nullable=False),
        sa.Column("previous_hash", sa.LargeBinary(length=32), nullable=False),
        sa.Column("hash", sa.LargeBinary(length=32), nullable=False),
        sa.CheckConstraint("amount_micros > 0", name=op.f("ck_ledger_amount")),
        sa.ForeignKeyConstraint(
            ["account"], ["account.id"], name=op.f("fk_ledger_account_account")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_ledger")),
        sa.UniqueConstraint("account", "number", name="uq_ledger_account_number"),
        sa.UniqueConstraint("key", name="uq_ledger_key"),
    )
    op.create_table(
        "number",
        sa.Column("number", sa.String(length=16), nullable=False),
        sa.Column("country", sa.String(length=2), nullable=False),
        sa.Column("city", sa.String(length=80), nullable=False),
        sa.Column("kind", sa.String(length=16), nullable=False),
        sa.Column("setup_fee_micros", sa.BigInteger(), nullable=False),
        sa.Column("monthly_fee_micros", sa.BigInteger(), nullable=False),
        sa.Column("channels", sa.Integer(), nullable=False),
        sa.Column("trunk", sa.String(length=64), nullable=True),
        sa.Column("account", sa.String(length=9), nullable=True),
        sa.Column("status", sa.String(length=20), nullable=False),
        sa.Column("bought_us", sa.BigInteger(), nullable=True),
        sa.Column("delete_us", sa.BigInteger(), nullable=True),
        sa.ForeignKeyConstraint(
            ["account"], ["account.id"], name=op.f("fk_number_account_account")
        ),
        sa.ForeignKeyConstraint(["trunk"], ["trunk.name"], name=op.f("fk_number_trunk_trunk")),
        sa.PrimaryKeyConstraint("number", name=op.f("pk_number")),
    )
    with op.batch_alter_table("number", schema=None) as batch_op:
        batch_op.create_index(batch_op.f("ix_number_account"), ["account"], unique=False)

    op.create_table(
        "user",
        sa.Column("id", sa.String(length=32), nullable=False),
        sa.Column("account", sa.String(length=9), nullable=False),
        sa.Column("extension", sa.String(length=6), nullable=False),
        sa.Column("name", sa.String(length=80), nullable=False),
        sa.Column("last_name", sa.String(length=80), nullable=False),
        sa.Column("position", sa.String(length=80), nullable=False),
        sa.Column("email", sa.String(length=254), nullable=False),
        sa.Column("phone", sa.String(length=16), nullable=False),
        sa.Column("designated_number", sa.String(length=16), nullable=False),
        sa.Column("equipment", sa.String(length=8), nullable=False),
        sa.Column("sip_login", sa.String(length=32), nullable=True),
        sa.Column("sip_password_sealed", sa.String(length=512), nullable=False),
        sa.Column("static_transport", sa.String(length=3), nullable=False),
        sa.Column("static_address", sa.String(length=45), nullable=False),
        sa.Column("static_port", sa.Integer(), nullable=False),
        sa.Column("password_hash", sa.String(length=255), nullable=False),
        sa.Column("role", sa.String(length=16), nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.ForeignKeyConstraint(["account"], ["account.id"], name=op.f("fk_user_account_account")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_user")),
        sa.UniqueConstraint("account", "extension", name="uq_user_account_extension"),
        sa.UniqueConstraint("sip_login", name=op.f("uq_user_sip_login")),
    )
    with op.batch_alter_table("user", schema=None) as batch_op:
        batch_op.create_index("ix_user_email", ["email"], unique=False)
        batch_op.create_index(
            "ix_user_static", ["static_address", "static_transport"], unique=False
        )

    op.create_table(
        "user_group",
        sa.Column("id", sa.String(length=32), nullable=False),
        sa.Column("account", sa.String(length=9), nullable=False),
        sa.Column("extension", sa.String(length=6), nullable=False),
        sa.Column("name", sa.String(length=80), nullable=False),
        sa.Column("email", sa.String(length=254), nullable=False),
        sa.Column("call_order", sa.String(length=16), nullable=False),
        sa.Column("melody", sa.String(length=80), nullable=False),
        sa.Column("average_call_minutes", sa.Integer(), nullable=False),
        sa.Column("queue_max", sa.Integer(), nullable=False),
        sa.Column("members", sa.JSON(), nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.ForeignKeyConstraint(
            ["account"], ["account.id"], name=op.f("fk_user_group_account_account")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_user_group")),
        sa.UniqueConstraint("account", "extension", name="uq_group_account_extension"),
    )
    op.create_table(
        "call_flow",
        sa.Column("number", sa.String(length=16), nullable=False),
        sa.Column("account", sa.String(length=9), nullable=False),
        sa.Column("period", sa.JSON(), nullable=False),
        sa.Column("target", sa.JSON(), nullable=False),
        sa.Column("timeout_s", sa.Integer(), nullable=False),
        sa.Column("redirects", sa.JSON(), nullable=False),
        sa.Column("otherwise", sa.JSON(), nullable=True),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.ForeignKeyConstraint(
            ["account"], ["account.id"], name=op.f("fk_call_flow_account_account")
        ),
        sa.ForeignKeyConstraint(
            ["number"], ["number.number"], name=op.f("fk_call_flow_number_number")
        ),
        sa.PrimaryKeyConstraint("number", name=op.f("pk_call_flow")),
    )
    with op.batch_alter_table("call_flow", schema=None) as batch_op:
        batch_op.create_index(batch_op.f("ix_call_flow_account"), ["account"], unique=False)

    op.create_table(
        "session",
        sa.Column("id_hash", sa.String(length=64), nullable=False),
        sa.Column("user", sa.String(length=32), nullable=False),
        sa.Column("account", sa.String(length=9), nullable=False),
        sa.Column("csrf", sa.String(length=64), nullable=False),
        sa.Column("created_us", sa.BigInteger(), nullable=False),
        sa.Column("seen_us", sa.BigInteger(), nullable=False),
        sa.Column("strong_us", sa.BigInteger(), nullable=False),
        sa.Column("ip", sa.String(length=45), nullable=False),
        sa.Column("agent", sa.String(length=255), nullable=False),
        sa.ForeignKeyConstraint(
            ["account"], ["account.id"], name=op.f("fk_session_account_account")
        ),
        sa.ForeignKeyConstraint(
            ["user"], ["user.id"], name=op.f("fk_session_user_user"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("id_hash", name=op.f("pk_session")),
    )
    with op.batch_alter_table("session", schema=None) as batch_op:
        batch_op.create_index(batch_op.f("ix_session_user"), ["user"], unique=False)


def downgrade() -> None:
    with op.batch_alter_table("session", schema=None) as batch_op:
        batch_op.drop_index(batch_op.f("ix_session_user"))

    op.drop_table("session")
    with op.batch_alter_table("call_flow", schema=None) as batch_op:
        batch_op.drop_index(batch_op.f("ix_call_flow_account"))

    op.drop_table("call_flow")
    op.drop_table("user_group")
    with op.batch_alter_table("user", schema=None) as batch_op:
        batch_op.drop_index("ix_user_static")
        batch_op.drop_index("ix_user_email")

    op.drop_table("user")
    with op.batch_alter_table("number", schema=None) as batch_op:
        batch_op.drop_index(batch_op.f("ix_number_account"))

    op.drop_table("number")
    op.drop_table("ledger")
    op.drop_table("ivr")
    op.drop_table("hold")
    with op.batch_alter_table("history", schema=None) as batch_op:
        batch_op.drop_index(batch_op.f("ix_history_account"))

    op.drop_table("history")
    with op.batch_alter_table("cdr", schema=None) as batch_op:
        batch_op.drop_index("ix_cdr_account_started")

    op.drop_table("cdr")
    op.drop_table("balance")
    op.drop_table("rate")
    op.drop_table("account")
    op.drop_table("trunk")
    op.drop_table("tariff")
    op.drop_table("setting")
    op.drop_table("route")
    op.drop_table("job")
    op.drop_table("binding")
