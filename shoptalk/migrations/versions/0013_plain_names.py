"""Rename columns to what they hold: missing_since, malformed_since, thread_owner.
Lock: none for longer than 100 ms. Old code: must stop first, it asks for the old names.
"""

from alembic import op
from sqlalchemy import text

from shoptalk.migrations.online import run

revision = "0013"
down_revision = "0012"
branch_labels = None
depends_on = None

RENAMED = (
    ("channel_integrations", "unread_since", "missing_since"),
    ("channel_integrations", "spoilt_since", "malformed_since"),
    ("conversations", "custody", "thread_owner"),
)


def upgrade() -> None:
    for table, old, new in RENAMED:
        if _has(table, old):
            run(f"ALTER TABLE {table} RENAME COLUMN {old} TO {new}")
    old, new = "ck_conversations_custody", "ck_conversations_thread_owner"
    run(f"ALTER TABLE conversations RENAME CONSTRAINT {old} TO {new}")


def _has(table: str, column: str) -> bool:
    question = text(
        "SELECT count(*) FROM information_schema.columns "
        "WHERE table_schema = current_schema() AND table_name = :table AND column_name = :column"
    )
    return bool(op.get_bind().scalar(question, {"table": table, "column": column}))
