"""Confine what serves HTTP to the rows of one workspace: row-level security as a second wall.
Lock: none for longer than 100 ms. Old code: unaffected, the owner of the tables is not confined.
"""

from shoptalk.db.row_security import ROLE
from shoptalk.migrations.online import run
from shoptalk.migrations.row_security import OWN, confine, make_role

revision = "0011"
down_revision = "0010"
branch_labels = None
depends_on = None

TABLES = (
    "agents",
    "ai_response_queue",
    "api_keys",
    "channel_integrations",
    "chat_messages",
    "chat_sessions",
    "chat_visitors",
    "conversation_archives",
    "conversations",
    "credits",
    "deliveries",
    "extractions",
    "import_runs",
    "messages",
    "orders",
    "products",
)


def upgrade() -> None:
    if not make_role():
        return  # `confine` in shoptalk.db.row_security says what to do when it is needed
    for table in TABLES:
        confine(table)
    confine("workspaces", f"id = {OWN}")
    confine("feature_flags", f"workspace_id IS NULL OR workspace_id = {OWN}")
    run(f"GRANT SELECT ON circuits, alembic_version TO {ROLE}")
