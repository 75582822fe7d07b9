"""Remember that the AI handed a conversation over to a person, since when and why.
Lock: brief (nullable columns; the index is built beside writers). Old code: works, and answers on.
"""

from shoptalk.migrations.online import run

revision = "0012"
down_revision = "0011"
branch_labels = None
depends_on = None


def upgrade() -> None:
    run(
        "ALTER TABLE ai_response_queue ADD COLUMN IF NOT EXISTS handover_reason text",
        "ALTER TABLE conversations ADD COLUMN IF NOT EXISTS handed_over_at timestamptz",
        "ALTER TABLE conversations ADD COLUMN IF NOT EXISTS handed_over_reason text",
        "CREATE INDEX CONCURRENTLY IF NOT EXISTS ix_conversations_handed_over "
        "ON conversations (workspace_id, handed_over_at) WHERE handed_over_at IS NOT NULL",
    )
