"""Alembic's entry: `carrel.database.migrate` hands it an open connection."""

from alembic import context

from carrel.database.tables import metadata

context.configure(
    connection=context.config.attributes["connection"],
    target_metadata=metadata,
    render_as_batch=True,
    # The caller's transaction holds the lock; committing per migration would let it go.
    transaction_per_migration=False,
)
context.run_migrations()
