"""What RFC 3327 and RFC 5626 add to a binding"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None

_TEXTS = (("instance", 128), ("reg_id", 10), ("path", 1024))


def upgrade() -> None:
    with op.batch_alter_table("binding") as batch:
        for name, length in _TEXTS:
            batch.add_column(sa.Column(name, sa.String(length), server_default="", nullable=False))
        batch.add_column(
            sa.Column("outbound", sa.Boolean(), server_default=sa.false(), nullable=False)
        )
    # The defaults were for the phones that are registered now.
    with op.batch_alter_table("binding") as batch:
        for name in (*(name for name, _ in _TEXTS), "outbound"):
            batch.alter_column(name, server_default=None)


def downgrade() -> None:
    with op.batch_alter_table("binding") as batch:
        for name in (*(name for name, _ in _TEXTS), "outbound"):
            batch.drop_column(name)
