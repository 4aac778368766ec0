"""Alembic runs this file: the migrations run on the connection, and in the transaction, that `store.migrate` has begun."""

from __future__ import annotations

from alembic import context

from l7gw.store.tables import metadata

context.configure(connection=context.config.attributes["connection"], target_metadata=metadata, transactional_ddl=True)
with context.begin_transaction():
    context.run_migrations()
