"""Alembic's entry: runs the revisions on the connection that ``softswitch.store.migrate`` has.

The connection is in a transaction of its owner's, so that a failed revision leaves nothing behind.
"""

from __future__ import annotations

from alembic import context
from sqlalchemy import Connection

import softswitch.store.models  # noqa: F401 (fills the MetaData)
from softswitch.store.base import Base


def run() -> None:
    """Upgrade, or compare for a new revision."""
    connection: Connection = context.config.attributes["connection"]
    context.configure(
        connection=connection,
        target_metadata=Base.metadata,
        # SQLite cannot alter a column: alembic then copies the table.
        render_as_batch=True,
        compare_type=True,
        compare_server_default=True,
        transactional_ddl=True,
    )
    with context.begin_transaction():
        context.run_migrations()


run()
