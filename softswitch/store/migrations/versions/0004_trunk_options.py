"""The rest of a trunk's keys: registration, numbers, identity, limits, probes.

Nullable, and added without touching the rows: SQLite would copy the table, to which others refer.
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Add the column; NULL stands for the defaults."""
    op.add_column("trunk", sa.Column("options", sa.JSON(), nullable=True))


def downgrade() -> None:
    """Take it away."""
    op.drop_column("trunk", "options")
