"""Run by Alembic, on the connection that `shoptalk.db.schema` hands over."""

from alembic import context

from shoptalk.db.models import Base

context.configure(
    connection=context.config.attributes["connection"],
    target_metadata=Base.metadata,
    compare_type=True,
    compare_server_default=True,
    transaction_per_migration=True,
)
with context.begin_transaction():
    context.run_migrations()
