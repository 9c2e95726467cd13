"""Subscriptions of phones, and how many voice messages wait"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "subscription",
        sa.Column("tag", sa.String(64), nullable=False),
        sa.Column("account", sa.String(9), nullable=False),
        sa.Column("extension", sa.String(6), nullable=False),
        sa.Column("resource", sa.String(6), nullable=False),
        sa.Column("package", sa.String(32), nullable=False),
        sa.Column("event", sa.String(128), nullable=False),
        sa.Column("entity", sa.Text(), nullable=False),
        sa.Column("call_id", sa.Text(), nullable=False),
        sa.Column("local", sa.Text(), nullable=False),
        sa.Column("remote", sa.Text(), nullable=False),
        sa.Column("remote_tag", sa.Text(), nullable=False),
        sa.Column("remote_target", sa.Text(), nullable=False),
        sa.Column("route_set", sa.Text(), nullable=False),
        sa.Column("contact", sa.Text(), nullable=False),
        sa.Column("local_address", sa.String(64), nullable=False),
        sa.Column("source", sa.String(64), nullable=False),
        sa.Column("cseq", sa.BigInteger(), nullable=False),
        sa.Column("remote_cseq", sa.BigInteger(), nullable=False),
        sa.Column("expires_us", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("tag", name="pk_subscription"),
    )
    op.create_table(
        "message_waiting",
        sa.Column("account", sa.String(9), nullable=False),
        sa.Column("extension", sa.String(6), nullable=False),
        sa.Column("new_count", sa.Integer(), nullable=False),
        sa.Column("old_count", sa.Integer(), nullable=False),
        sa.PrimaryKeyConstraint("account", "extension", name="pk_message_waiting"),
    )


def downgrade() -> None:
    op.drop_table("message_waiting")
    op.drop_table("subscription")
