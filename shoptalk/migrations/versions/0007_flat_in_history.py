"""Find by an index what is asked for often, and count a channel's conversations as they come.
Lock: writes wait while indexes are built, seconds for each million rows. Old code: works; the
conversations that it stores after this are not counted.
"""

import sqlalchemy as sa
from alembic import op

revision = "0007"
down_revision = "0006"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column(
        "channel_integrations",
        sa.Column(
            "conversation_count", sa.BigInteger(), server_default=sa.text("0"), nullable=False
        ),
    )
    op.execute("""
        UPDATE channel_integrations AS channel SET conversation_count = (
            SELECT count(*) FROM conversations WHERE channel_integration_id = channel.id)
    """)
    op.drop_index("ix_conversations_workspace_last_message", "conversations")
    op.create_index(
        "ix_conversations_newest",
        "conversations",
        ["workspace_id", sa.text("last_message_at DESC NULLS LAST")],
    )
    op.create_index(
        "ix_conversations_newest_of_status",
        "conversations",
        ["workspace_id", "status", sa.text("last_message_at DESC NULLS LAST")],
    )
    op.create_index("ix_conversations_thread", "conversations", ["thread_id"])
    op.create_index(
        "ix_messages_unreplied",
        "messages",
        ["id"],
        postgresql_where=sa.text("sender_type = 'customer' AND NOT is_old AND NOT reply_sent"),
    )
    op.create_index(
        "ix_messages_rare_outcome",
        "messages",
        ["outcome", "id"],
        postgresql_where=sa.text("outcome <> 'history' AND outcome <> 'answered'"),
    )
    # These columns go together: taken one by one, the planner expects a fifteenth of all messages
    # to wait for an answer, and reads them all.
    op.execute("""
        CREATE STATISTICS st_messages_waiting (mcv)
        ON sender_type, is_old, reply_sent, outcome FROM messages
    """)
    op.drop_index("ix_deliveries_unsettled", "deliveries")
    op.create_index("ix_deliveries_conversation", "deliveries", ["conversation_id"])
    op.create_index(
        "ix_deliveries_troubled",
        "deliveries",
        ["workspace_id", "status", "id"],
        postgresql_where=sa.text("status IN ('failed', 'uncertain')"),
    )
    op.create_index(
        "ix_ai_response_queue_closed", "ai_response_queue", ["workspace_id", "closed_at"]
    )
    op.create_index(
        "ix_import_runs_calls",
        "import_runs",
        ["channel_integration_id", "started_at"],
        postgresql_include=["calls"],
    )
    op.create_index(
        "ix_import_runs_new",
        "import_runs",
        ["workspace_id", "started_at"],
        postgresql_where=sa.text("new > 0"),
    )
    op.create_index(
        "ix_import_runs_gaps",
        "import_runs",
        ["workspace_id", "id"],
        postgresql_where=sa.text("jsonb_array_length(gaps) > 0"),
    )
