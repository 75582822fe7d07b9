"""Give the web chat its visitors and sessions, and its messages a reference, by which one that is
sent again is known.
Lock: brief (two new tables; chat_messages is empty until now, so that its indexes, its column and
its foreign key are made at once). Old code: unaffected, it does not use these tables.
"""

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "chat_visitors",
        sa.Column("id", sa.BigInteger(), sa.Identity(always=False), nullable=False),
        sa.Column("channel_integration_id", sa.BigInteger(), nullable=False),
        sa.Column("visitor_id", sa.Text(), nullable=False),
        sa.Column("name", sa.Text(), nullable=True),
        sa.Column("phone", sa.Text(), nullable=True),
        sa.Column(
            "created_at",
            sa.DateTime(timezone=True),
            server_default=sa.text("now()"),
            nullable=False,
        ),
        sa.ForeignKeyConstraint(
            ["channel_integration_id"],
            ["channel_integrations.id"],
            name=op.f("fk_chat_visitors_channel_integration_id_channel_integrations"),
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_chat_visitors")),
        sa.UniqueConstraint(
            "channel_integration_id",
            "visitor_id",
            name=op.f("uq_chat_visitors_channel_integration_id_visitor_id"),
        ),
    )
    op.create_table(
        "chat_sessions",
        sa.Column("id", sa.BigInteger(), sa.Identity(always=False), nullable=False),
        sa.Column("channel_integration_id", sa.BigInteger(), nullable=False),
        sa.Column("visitor_id", sa.BigInteger(), nullable=False),
        sa.Column("session_id", sa.Text(), nullable=False),
        sa.Column("changed_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("typing_until", sa.DateTime(timezone=True), nullable=True),
        sa.Column(
            "created_at",
            sa.DateTime(timezone=True),
            server_default=sa.text("now()"),
            nullable=False,
        ),
        sa.ForeignKeyConstraint(
            ["channel_integration_id"],
            ["channel_integrations.id"],
            name=op.f("fk_chat_sessions_channel_integration_id_channel_integrations"),
        ),
        sa.ForeignKeyConstraint(
            ["visitor_id"],
            ["chat_visitors.id"],
            name=op.f("fk_chat_sessions_visitor_id_chat_visitors"),
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_chat_sessions")),
        sa.UniqueConstraint(
            "channel_integration_id",
            "session_id",
            name=op.f("uq_chat_sessions_channel_integration_id_session_id"),
        ),
    )
    op.create_index(op.f("ix_chat_sessions_visitor_id"), "chat_sessions", ["visitor_id"])
    op.create_index(
        "ix_chat_sessions_changed",
        "chat_sessions",
        ["channel_integration_id", "changed_at", "id"],
        postgresql_where=sa.text("changed_at IS NOT NULL"),
    )
    op.add_column("chat_messages", sa.Column("reference", sa.Text(), nullable=True))
    op.create_foreign_key(
        op.f("fk_chat_messages_channel_integration_id_chat_sessions"),
        "chat_messages",
        "chat_sessions",
        ["channel_integration_id", "session_id"],
        ["channel_integration_id", "session_id"],
    )
    op.create_index(
        "uq_chat_messages_reference",
        "chat_messages",
        ["channel_integration_id", "session_id", "sender_type", "reference"],
        unique=True,
        postgresql_where=sa.text("reference IS NOT NULL"),
    )
