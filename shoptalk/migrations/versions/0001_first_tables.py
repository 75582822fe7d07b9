"""The first tables. Lock: none, nothing exists yet. Old code: none."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "circuits",
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("failures", sa.BigInteger(), nullable=False),
        sa.Column("open_until", sa.DateTime(timezone=True), nullable=True),
        sa.Column("last_error", sa.Text(), nullable=True),
        sa.Column("changed_at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("name", name=op.f("pk_circuits")),
    )
    op.create_table(
        "workspaces",
        sa.Column("id", sa.BigInteger(), sa.Identity(always=False), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column(
            "created_at",
            sa.DateTime(timezone=True),
            server_default=sa.text("now()"),
            nullable=False,
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_workspaces")),
        sa.UniqueConstraint("name", name=op.f("uq_workspaces_name")),
    )
    op.create_table(
        "agents",
        sa.Column("id", sa.BigInteger(), sa.Identity(always=False), nullable=False),
        sa.Column("workspace_id", sa.BigInteger(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("instructions", sa.Text(), server_default="", nullable=False),
        sa.Column("prompt_id", sa.Text(), nullable=True),
        sa.Column("model", sa.Text(), nullable=True),
        sa.Column(
            "created_at",
            sa.DateTime(timezone=True),
            server_default=sa.text("now()"),
            nullable=False,
        ),
        sa.ForeignKeyConstraint(
            ["workspace_id"], ["workspaces.id"], name=op.f("fk_agents_workspace_id_workspaces")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_agents")),
        sa.UniqueConstraint("workspace_id", "name", name=op.f("uq_agents_workspace_id_name")),
    )
    op.create_table(
        "api_keys",
        sa.Column("id", sa.BigInteger(), sa.Identity(always=False), nullable=False),
        sa.Column("workspace_id", sa.BigInteger(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("prefix", sa.Text(), nullable=False),
        sa.Column("key_hash", sa.Text(), nullable=False),
        sa.Column(
            "created_at",
            sa.DateTime(timezone=True),
            server_default=sa.text("now()"),
            nullable=False,
        ),
        sa.Column("last_used_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("revoked_at", sa.DateTime(timezone=True), nullable=True),
        sa.ForeignKeyConstraint(
            ["workspace_id"], ["workspaces.id"], name=op.f("fk_api_keys_workspace_id_workspaces")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_api_keys")),
        sa.UniqueConstraint("key_hash", name=op.f("uq_api_keys_key_hash")),
    )
    op.create_index(op.f("ix_api_keys_workspace_id"), "api_keys", ["workspace_id"], unique=False)
    op.create_table(
        "credits",
        sa.Column("workspace_id", sa.BigInteger(), nullable=False),
        sa.Column("balance", sa.BigInteger(), nullable=False),
        sa.Column(
            "updated_at",
            sa.DateTime(timezone=True),
            server_default=sa.text("now()"),
            nullable=False,
        ),
        sa.ForeignKeyConstraint(
            ["workspace_id"], ["workspaces.id"], name=op.f("fk_credits_workspace_id_workspaces")
        ),
        sa.PrimaryKeyConstraint("workspace_id", name=op.f("pk_credits")),
    )
    op.create_table(
        "feature_flags",
        sa.Column("id", sa.BigInteger(), sa.Identity(always=False), nullable=False),
        sa.Column("workspace_id", sa.BigInteger(), nullable=True),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("enabled", sa.Boolean(), nullable=False),
        sa.Column("settings", postgresql.JSONB(astext_type=sa.Text()), nullable=True),
        sa.ForeignKeyConstraint(
            ["workspace_id"],
            ["workspaces.id"],
            name=op.f("fk_feature_flags_workspace_id_workspaces"),
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_feature_flags")),
        sa.UniqueConstraint(
            "workspace_id",
            "name",
            name=op.f("uq_feature_flags_workspace_id_name"),
            postgresql_nulls_not_distinct=True,
        ),
    )
    op.create_table(
        "products",
        sa.Column("id", sa.BigInteger(), sa.Identity(always=False), nullable=False),
        sa.Column("workspace_id", sa.BigInteger(), nullable=False),
        sa.Column("product_id", sa.Text(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("description", sa.Text(), server_default="", nullable=False),
        sa.Column("price", sa.Numeric(precision=18, scale=4), nullable=False),
        sa.Column("currency", sa.Text(), nullable=False),
        sa.Column("stock", sa.BigInteger(), nullable=True),
        sa.Column("active", sa.Boolean(), server_default=sa.text("true"), nullable=False),
        sa.Column(
            "created_at",
            sa.DateTime(timezone=True),
            server_default=sa.text("now()"),
            nullable=False,
        ),
        sa.CheckConstraint("price >= 0", name=op.f("ck_products_price")),
        sa.CheckConstraint("stock >= 0", name=op.f("ck_products_stock")),
        sa.ForeignKeyConstraint(
            ["workspace_id"], ["workspaces.id"], name=op.f("fk_products_workspace_id_workspaces")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_products")),
        sa.UniqueConstraint(
            "workspace_id", "product_id", name=op.f("uq_products_workspace_id_product_id")
        ),
    )
    op.create_table(
        "channel_integrations",
        sa.Column("id", sa.BigInteger(), sa.Identity(always=False), nullable=False),
        sa.Column("workspace_id", sa.BigInteger(), nullable=False),
        sa.Column("channel", sa.Text(), nullable=False),
        sa.Column("external_id", sa.Text(), nullable=False),
        sa.Column("display_name", sa.Text(), nullable=False),
        sa.Column("is_connected", sa.Boolean(), server_default=sa.text("true"), nullable=False),
        sa.Column("config", sa.Text(), nullable=False),
        sa.Column("ai_default", sa.Boolean(), server_default=sa.text("true"), nullable=False),
        sa.Column("agent_id", sa.BigInteger(), nullable=True),
        sa.Column("connected_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("last_fetch_timestamp", sa.DateTime(timezone=True), nullable=True),
        sa.Column("watermark_moved_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("last_poll_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("history_state", sa.Text(), server_default="waiting", nullable=False),
        sa.Column("history_since", sa.DateTime(timezone=True), nullable=True),
        sa.Column("page_limit", sa.BigInteger(), nullable=True),
        sa.Column("stopped_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("last_error", sa.Text(), nullable=True),
        sa.Column("remedy", sa.Text(), nullable=True),
        sa.Column("failures", sa.BigInteger(), server_default=sa.text("0"), nullable=False),
        sa.Column("next_poll_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("usage_percent", sa.BigInteger(), nullable=True),
        sa.Column("token_checked_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("token_expires_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("data_access_expires_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column(
            "created_at",
            sa.DateTime(timezone=True),
            server_default=sa.text("now()"),
            nullable=False,
        ),
        sa.CheckConstraint(
            "history_state IN ('waiting', 'done')",
            name=op.f("ck_channel_integrations_history_state"),
        ),
        sa.ForeignKeyConstraint(
            ["agent_id"], ["agents.id"], name=op.f("fk_channel_integrations_agent_id_agents")
        ),
        sa.ForeignKeyConstraint(
            ["workspace_id"],
            ["workspaces.id"],
            name=op.f("fk_channel_integrations_workspace_id_workspaces"),
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_channel_integrations")),
        sa.UniqueConstraint(
            "channel", "external_id", name=op.f("uq_channel_integrations_channel_external_id")
        ),
    )
    op.create_index(
        op.f("ix_channel_integrations_workspace_id"),
        "channel_integrations",
        ["workspace_id"],
        unique=False,
    )
    op.create_table(
        "chat_messages",
        sa.Column("id", sa.BigInteger(), sa.Identity(always=False), nullable=False),
        sa.Column("channel_integration_id", sa.BigInteger(), nullable=False),
        sa.Column("session_id", sa.Text(), nullable=False),
        sa.Column("sender_type", sa.Text(), nullable=False),
        sa.Column("content", sa.Text(), nullable=False),
        sa.Column(
            "created_at",
            sa.DateTime(timezone=True),
            server_default=sa.text("now()"),
            nullable=False,
        ),
        sa.Column("read_at", sa.DateTime(timezone=True), nullable=True),
        sa.CheckConstraint(
            "sender_type IN ('customer', 'employee', 'agent')",
            name=op.f("ck_chat_messages_sender_type"),
        ),
        sa.ForeignKeyConstraint(
            ["channel_integration_id"],
            ["channel_integrations.id"],
            name=op.f("fk_chat_messages_channel_integration_id_channel_integrations"),
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_chat_messages")),
    )
    op.create_index(
        "ix_chat_messages_session",
        "chat_messages",
        ["channel_integration_id", "session_id", "id"],
        unique=False,
    )
    op.create_table(
        "conversations",
        sa.Column("id", sa.BigInteger(), sa.Identity(always=False), nullable=False),
        sa.Column("channel_integration_id", sa.BigInteger(), nullable=False),
        sa.Column("workspace_id", sa.BigInteger(), nullable=False),
        sa.Column("customer_name", sa.Text(), nullable=True),
        sa.Column("customer_phone", sa.Text(), nullable=True),
        sa.Column("customer_id", sa.Text(), nullable=False),
        sa.Column("thread_id", sa.Text(), nullable=False),
        sa.Column("platform", sa.Text(), nullable=False),
        sa.Column("channel", sa.Text(), nullable=False),
        sa.Column("ai_enabled", sa.Boolean(), server_default=sa.text("true"), nullable=False),
        sa.Column("status", sa.Text(), server_default="new", nullable=False),
        sa.Column("conversation_state", sa.Text(), server_default="idle", nullable=False),
        sa.Column("last_message_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("message_count", sa.BigInteger(), server_default=sa.text("0"), nullable=False),
        sa.Column("agent_id", sa.BigInteger(), nullable=True),
        sa.Column("openai_conversation_id", sa.Text(), nullable=True),
        sa.Column("ai_resumed_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("thread_updated_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("sequence_first", sa.BigInteger(), server_default=sa.text("0"), nullable=False),
        sa.Column("sequence_last", sa.BigInteger(), server_default=sa.text("0"), nullable=False),
        sa.Column(
            "history_complete", sa.Boolean(), server_default=sa.text("false"), nullable=False
        ),
        sa.Column("read_again_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("read_failures", sa.BigInteger(), server_default=sa.text("0"), nullable=False),
        sa.Column(
            "created_at",
            sa.DateTime(timezone=True),
            server_default=sa.text("now()"),
            nullable=False,
        ),
        sa.CheckConstraint(
            "conversation_state IN ('idle', 'buffering', 'processing')",
            name=op.f("ck_conversations_conversation_state"),
        ),
        sa.CheckConstraint(
            "status IN ('new', 'open', 'closed', 'pending')", name=op.f("ck_conversations_status")
        ),
        sa.ForeignKeyConstraint(
            ["agent_id"], ["agents.id"], name=op.f("fk_conversations_agent_id_agents")
        ),
        sa.ForeignKeyConstraint(
            ["channel_integration_id"],
            ["channel_integrations.id"],
            name=op.f("fk_conversations_channel_integration_id_channel_integrations"),
        ),
        sa.ForeignKeyConstraint(
            ["workspace_id"],
            ["workspaces.id"],
            name=op.f("fk_conversations_workspace_id_workspaces"),
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_conversations")),
        sa.UniqueConstraint(
            "channel_integration_id",
            "thread_id",
            name=op.f("uq_conversations_channel_integration_id_thread_id"),
        ),
    )
    op.create_index(
        "ix_conversations_read_again",
        "conversations",
        ["channel_integration_id", "read_again_at"],
        unique=False,
        postgresql_where=sa.text("read_again_at IS NOT NULL"),
    )
    op.create_index(
        "ix_conversations_unfinished_history",
        "conversations",
        ["channel_integration_id"],
        unique=False,
        postgresql_where=sa.text("NOT history_complete"),
    )
    op.create_index(
        "ix_conversations_workspace_last_message",
        "conversations",
        ["workspace_id", "last_message_at"],
        unique=False,
    )
    op.create_table(
        "import_runs",
        sa.Column("id", sa.BigInteger(), sa.Identity(always=False), nullable=False),
        sa.Column("workspace_id", sa.BigInteger(), nullable=False),
        sa.Column("channel_integration_id", sa.BigInteger(), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("started_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("duration_ms", sa.BigInteger(), server_default=sa.text("0"), nullable=False),
        sa.Column("conversations", sa.BigInteger(), server_default=sa.text("0"), nullable=False),
        sa.Column("seen", sa.BigInteger(), server_default=sa.text("0"), nullable=False),
        sa.Column("new", sa.BigInteger(), server_default=sa.text("0"), nullable=False),
        sa.Column("duplicate", sa.BigInteger(), server_default=sa.text("0"), nullable=False),
        sa.Column("unreadable", sa.BigInteger(), server_default=sa.text("0"), nullable=False),
        sa.Column("calls", sa.BigInteger(), server_default=sa.text("0"), nullable=False),
        sa.Column(
            "gaps",
            postgresql.JSONB(astext_type=sa.Text()),
            server_default=sa.text("'[]'::jsonb"),
            nullable=False,
        ),
        sa.Column(
            "set_aside",
            postgresql.JSONB(astext_type=sa.Text()),
            server_default=sa.text("'[]'::jsonb"),
            nullable=False,
        ),
        sa.Column("error", sa.Text(), nullable=True),
        sa.ForeignKeyConstraint(
            ["channel_integration_id"],
            ["channel_integrations.id"],
            name=op.f("fk_import_runs_channel_integration_id_channel_integrations"),
        ),
        sa.ForeignKeyConstraint(
            ["workspace_id"], ["workspaces.id"], name=op.f("fk_import_runs_workspace_id_workspaces")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_import_runs")),
    )
    op.create_index(
        "ix_import_runs_channel", "import_runs", ["channel_integration_id", "id"], unique=False
    )
    op.create_table(
        "ai_response_queue",
        sa.Column("id", sa.BigInteger(), sa.Identity(always=False), nullable=False),
        sa.Column("workspace_id", sa.BigInteger(), nullable=False),
        sa.Column("conversation_id", sa.BigInteger(), nullable=False),
        sa.Column("status", sa.Text(), server_default="buffering", nullable=False),
        sa.Column("first_message_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("last_message_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("message_count", sa.BigInteger(), nullable=False),
        sa.Column("due_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("attempts", sa.BigInteger(), server_default=sa.text("0"), nullable=False),
        sa.Column("claimed_by", sa.Text(), nullable=True),
        sa.Column("claimed_until", sa.DateTime(timezone=True), nullable=True),
        sa.Column("outcome", sa.Text(), nullable=True),
        sa.Column("error", sa.Text(), nullable=True),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("closed_at", sa.DateTime(timezone=True), nullable=True),
        sa.CheckConstraint(
            "status IN ('buffering', 'sending', 'answered', 'closed')",
            name=op.f("ck_ai_response_queue_status"),
        ),
        sa.ForeignKeyConstraint(
            ["conversation_id"],
            ["conversations.id"],
            name=op.f("fk_ai_response_queue_conversation_id_conversations"),
        ),
        sa.ForeignKeyConstraint(
            ["workspace_id"],
            ["workspaces.id"],
            name=op.f("fk_ai_response_queue_workspace_id_workspaces"),
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_ai_response_queue")),
    )
    op.create_index(
        "ix_ai_response_queue_conversation",
        "ai_response_queue",
        ["conversation_id", "closed_at"],
        unique=False,
    )
    op.create_index(
        "ix_ai_response_queue_due",
        "ai_response_queue",
        ["due_at"],
        unique=False,
        postgresql_where=sa.text("status IN ('buffering', 'sending')"),
    )
    op.create_index(
        "uq_ai_response_queue_open_turn",
        "ai_response_queue",
        ["conversation_id"],
        unique=True,
        postgresql_where=sa.text("status IN ('buffering', 'sending')"),
    )
    op.create_table(
        "conversation_archives",
        sa.Column("id", sa.BigInteger(), sa.Identity(always=False), nullable=False),
        sa.Column("workspace_id", sa.BigInteger(), nullable=False),
        sa.Column("conversation_id", sa.BigInteger(), nullable=False),
        sa.Column("data", postgresql.JSONB(astext_type=sa.Text()), nullable=False),
        sa.Column(
            "archived_at",
            sa.DateTime(timezone=True),
            server_default=sa.text("now()"),
            nullable=False,
        ),
        sa.ForeignKeyConstraint(
            ["conversation_id"],
            ["conversations.id"],
            name=op.f("fk_conversation_archives_conversation_id_conversations"),
        ),
        sa.ForeignKeyConstraint(
            ["workspace_id"],
            ["workspaces.id"],
            name=op.f("fk_conversation_archives_workspace_id_workspaces"),
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_conversation_archives")),
        sa.UniqueConstraint(
            "conversation_id", name=op.f("uq_conversation_archives_conversation_id")
        ),
    )
    op.create_index(
        op.f("ix_conversation_archives_workspace_id"),
        "conversation_archives",
        ["workspace_id"],
        unique=False,
    )
    op.create_table(
        "extractions",
        sa.Column("id", sa.BigInteger(), sa.Identity(always=False), nullable=False),
        sa.Column("conversation_id", sa.BigInteger(), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("data", postgresql.JSONB(astext_type=sa.Text()), nullable=False),
        sa.Column(
            "created_at",
            sa.DateTime(timezone=True),
            server_default=sa.text("now()"),
            nullable=False,
        ),
        sa.ForeignKeyConstraint(
            ["conversation_id"],
            ["conversations.id"],
            name=op.f("fk_extractions_conversation_id_conversations"),
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_extractions")),
    )
    op.create_index(
        op.f("ix_extractions_conversation_id"), "extractions", ["conversation_id"], unique=False
    )
    op.create_table(
        "deliveries",
        sa.Column("id", sa.BigInteger(), sa.Identity(always=False), nullable=False),
        sa.Column("workspace_id", sa.BigInteger(), nullable=False),
        sa.Column("conversation_id", sa.BigInteger(), nullable=False),
        sa.Column("turn_id", sa.BigInteger(), nullable=False),
        sa.Column("part_no", sa.BigInteger(), nullable=False),
        sa.Column("content", sa.Text(), nullable=False),
        sa.Column("status", sa.Text(), server_default="waiting", nullable=False),
        sa.Column("message_id", sa.Text(), nullable=True),
        sa.Column("attempts", sa.BigInteger(), server_default=sa.text("0"), nullable=False),
        sa.Column("failure_reason", sa.Text(), nullable=True),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("sending_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("sent_at", sa.DateTime(timezone=True), nullable=True),
        sa.CheckConstraint(
            "status IN ('waiting', 'sending', 'sent', 'failed', 'uncertain')",
            name=op.f("ck_deliveries_status"),
        ),
        sa.ForeignKeyConstraint(
            ["conversation_id"],
            ["conversations.id"],
            name=op.f("fk_deliveries_conversation_id_conversations"),
        ),
        sa.ForeignKeyConstraint(
            ["turn_id"],
            ["ai_response_queue.id"],
            name=op.f("fk_deliveries_turn_id_ai_response_queue"),
        ),
        sa.ForeignKeyConstraint(
            ["workspace_id"], ["workspaces.id"], name=op.f("fk_deliveries_workspace_id_workspaces")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_deliveries")),
        sa.UniqueConstraint("turn_id", "part_no", name=op.f("uq_deliveries_turn_id_part_no")),
    )
    op.create_index(
        "ix_deliveries_unsettled",
        "deliveries",
        ["conversation_id"],
        unique=False,
        postgresql_where=sa.text("status IN ('waiting', 'sending', 'uncertain')"),
    )
    op.create_index("ix_deliveries_workspace", "deliveries", ["workspace_id", "id"], unique=False)
    op.create_table(
        "messages",
        sa.Column("id", sa.BigInteger(), sa.Identity(always=False), nullable=False),
        sa.Column("conversation_id", sa.BigInteger(), nullable=False),
        sa.Column("message_id", sa.Text(), nullable=False),
        sa.Column("content", sa.Text(), nullable=False),
        sa.Column("sender_type", sa.Text(), nullable=False),
        sa.Column("is_old", sa.Boolean(), nullable=False),
        sa.Column("reply_sent", sa.Boolean(), server_default=sa.text("false"), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("imported_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("content_type", sa.Text(), server_default="text", nullable=False),
        sa.Column(
            "attachments",
            postgresql.JSONB(astext_type=sa.Text()),
            server_default=sa.text("'[]'::jsonb"),
            nullable=False,
        ),
        sa.Column("reply_to", sa.Text(), nullable=True),
        sa.Column("sequence_no", sa.BigInteger(), nullable=False),
        sa.Column("status", sa.Text(), server_default="received", nullable=False),
        sa.Column("failure_reason", sa.Text(), nullable=True),
        sa.Column("outcome", sa.Text(), nullable=True),
        sa.Column("released", sa.Boolean(), server_default=sa.text("false"), nullable=False),
        sa.Column("turn_id", sa.BigInteger(), nullable=True),
        sa.CheckConstraint(
            "sender_type IN ('customer', 'employee', 'agent')", name=op.f("ck_messages_sender_type")
        ),
        sa.ForeignKeyConstraint(
            ["conversation_id"],
            ["conversations.id"],
            name=op.f("fk_messages_conversation_id_conversations"),
        ),
        sa.ForeignKeyConstraint(
            ["turn_id"],
            ["ai_response_queue.id"],
            name=op.f("fk_messages_turn_id_ai_response_queue"),
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_messages")),
        sa.UniqueConstraint("message_id", name=op.f("uq_messages_message_id")),
    )
    op.create_index(
        "ix_messages_by_people",
        "messages",
        ["conversation_id", "created_at"],
        unique=False,
        postgresql_where=sa.text("sender_type = 'employee'"),
    )
    op.create_index(
        "ix_messages_conversation_place",
        "messages",
        ["conversation_id", "created_at", "sequence_no"],
        unique=False,
    )
    op.create_index(
        "ix_messages_turn",
        "messages",
        ["turn_id"],
        unique=False,
        postgresql_where=sa.text("turn_id IS NOT NULL"),
    )
    op.create_index(
        "ix_messages_waiting",
        "messages",
        ["conversation_id"],
        unique=False,
        postgresql_where=sa.text(
            "sender_type = 'customer' AND NOT is_old AND NOT reply_sent AND outcome IS NULL"
        ),
    )
    op.create_table(
        "orders",
        sa.Column("id", sa.BigInteger(), sa.Identity(always=False), nullable=False),
        sa.Column("workspace_id", sa.BigInteger(), nullable=False),
        sa.Column("conversation_id", sa.BigInteger(), nullable=True),
        sa.Column("turn_id", sa.BigInteger(), nullable=True),
        sa.Column("product_id", sa.Text(), nullable=False),
        sa.Column("product_name", sa.Text(), nullable=False),
        sa.Column("quantity", sa.BigInteger(), nullable=False),
        sa.Column("unit_price", sa.Numeric(precision=18, scale=4), nullable=False),
        sa.Column("currency", sa.Text(), nullable=False),
        sa.Column("total", sa.Numeric(precision=18, scale=4), nullable=False),
        sa.Column("customer_name", sa.Text(), nullable=True),
        sa.Column("customer_phone", sa.Text(), nullable=True),
        sa.Column("address", sa.Text(), nullable=True),
        sa.Column("status", sa.Text(), server_default="new", nullable=False),
        sa.Column("ai_generated", sa.Boolean(), server_default=sa.text("false"), nullable=False),
        sa.Column(
            "created_at",
            sa.DateTime(timezone=True),
            server_default=sa.text("now()"),
            nullable=False,
        ),
        sa.CheckConstraint("quantity > 0", name=op.f("ck_orders_quantity")),
        sa.CheckConstraint("total = unit_price * quantity", name=op.f("ck_orders_total")),
        sa.ForeignKeyConstraint(
            ["conversation_id"],
            ["conversations.id"],
            name=op.f("fk_orders_conversation_id_conversations"),
        ),
        sa.ForeignKeyConstraint(
            ["turn_id"], ["ai_response_queue.id"], name=op.f("fk_orders_turn_id_ai_response_queue")
        ),
        sa.ForeignKeyConstraint(
            ["workspace_id"], ["workspaces.id"], name=op.f("fk_orders_workspace_id_workspaces")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_orders")),
    )
    op.create_index(op.f("ix_orders_conversation_id"), "orders", ["conversation_id"], unique=False)
    op.create_index(
        "ix_orders_workspace_created", "orders", ["workspace_id", "created_at"], unique=False
    )
    op.create_index(
        "uq_orders_turn_product",
        "orders",
        ["turn_id", "product_id"],
        unique=True,
        postgresql_where=sa.text("turn_id IS NOT NULL"),
    )


def downgrade() -> None:
    op.drop_index(
        "uq_orders_turn_product",
        table_name="orders",
        postgresql_where=sa.text("turn_id IS NOT NULL"),
    )
    op.drop_index("ix_orders_workspace_created", table_name="orders")
    op.drop_index(op.f("ix_orders_conversation_id"), table_name="orders")
    op.drop_table("orders")
    op.drop_index(
        "ix_messages_waiting",
        table_name="messages",
        postgresql_where=sa.text(
            "sender_type = 'customer' AND NOT is_old AND NOT reply_sent AND outcome IS NULL"
        ),
    )
    op.drop_index(
        "ix_messages_turn", table_name="messages", postgresql_where=sa.text("turn_id IS NOT NULL")
    )
    op.drop_index("ix_messages_conversation_place", table_name="messages")
    op.drop_index(
        "ix_messages_by_people",
        table_name="messages",
        postgresql_where=sa.text("sender_type = 'employee'"),
    )
    op.drop_table("messages")
    op.drop_index("ix_deliveries_workspace", table_name="deliveries")
    op.drop_index(
        "ix_deliveries_unsettled",
        table_name="deliveries",
        postgresql_where=sa.text("status IN ('waiting', 'sending', 'uncertain')"),
    )
    op.drop_table("deliveries")
    op.drop_index(op.f("ix_extractions_conversation_id"), table_name="extractions")
    op.drop_table("extractions")
    op.drop_index(op.f("ix_conversation_archives_workspace_id"), table_name="conversation_archives")
    op.drop_table("conversation_archives")
    op.drop_index(
        "uq_ai_response_queue_open_turn",
        table_name="ai_response_queue",
        postgresql_where=sa.text("status IN ('buffering', 'sending')"),
    )
    op.drop_index(
        "ix_ai_response_queue_due",
        table_name="ai_response_queue",
        postgresql_where=sa.text("status IN ('buffering', 'sending')"),
    )
    op.drop_index("ix_ai_response_queue_conversation", table_name="ai_response_queue")
    op.drop_table("ai_response_queue")
    op.drop_index("ix_import_runs_channel", table_name="import_runs")
    op.drop_table("import_runs")
    op.drop_index("ix_conversations_workspace_last_message", table_name="conversations")
    op.drop_index(
        "ix_conversations_unfinished_history",
        table_name="conversations",
        postgresql_where=sa.text("NOT history_complete"),
    )
    op.drop_index(
        "ix_conversations_read_again",
        table_name="conversations",
        postgresql_where=sa.text("read_again_at IS NOT NULL"),
    )
    op.drop_table("conversations")
    op.drop_index("ix_chat_messages_session", table_name="chat_messages")
    op.drop_table("chat_messages")
    op.drop_index(op.f("ix_channel_integrations_workspace_id"), table_name="channel_integrations")
    op.drop_table("channel_integrations")
    op.drop_table("products")
    op.drop_table("feature_flags")
    op.drop_table("credits")
    op.drop_index(op.f("ix_api_keys_workspace_id"), table_name="api_keys")
    op.drop_table("api_keys")
    op.drop_table("agents")
    op.drop_table("workspaces")
    op.drop_table("circuits")
