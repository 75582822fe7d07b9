"""The inbox: conversations and their messages."""

from datetime import datetime
from typing import Any

from sqlalchemy import (
    CheckConstraint,
    ForeignKey,
    ForeignKeyConstraint,
    Index,
    UniqueConstraint,
    text,
)
from sqlalchemy.orm import Mapped, mapped_column

from shoptalk.db.models.base import Base, Created, Key


class Conversation(Base):
    """Our row for a platform's thread."""

    __tablename__ = "conversations"
    __table_args__ = (
        UniqueConstraint("channel_integration_id", "thread_id"),
        UniqueConstraint("id", "workspace_id"),  # for the foreign key of messages
        CheckConstraint("status IN ('new', 'open', 'closed', 'pending')", "status"),
        CheckConstraint(
            "conversation_state IN ('idle', 'buffering', 'processing')", "conversation_state"
        ),
        CheckConstraint("thread_owner IN ('person', 'ai', 'anyone')", "thread_owner"),
        Index(
            "ix_conversations_newest",
            "workspace_id",
            text("last_message_at DESC NULLS LAST"),
        ),
        Index(
            "ix_conversations_newest_of_status",
            "workspace_id",
            "status",
            text("last_message_at DESC NULLS LAST"),
        ),
        Index("ix_conversations_thread", "thread_id"),
        Index(
            "ix_conversations_unfinished_history",
            "channel_integration_id",
            postgresql_where=text("NOT history_complete"),
        ),
        Index(
            "ix_conversations_read_again",
            "channel_integration_id",
            "read_again_at",
            postgresql_where=text("read_again_at IS NOT NULL"),
        ),
        Index(
            "ix_conversations_handed_over",
            "workspace_id",
            "handed_over_at",
            postgresql_where=text("handed_over_at IS NOT NULL"),
        ),
    )

    id: Mapped[Key]
    channel_integration_id: Mapped[int] = mapped_column(ForeignKey("channel_integrations.id"))
    workspace_id: Mapped[int] = mapped_column(ForeignKey("workspaces.id"))
    customer_name: Mapped[str | None]
    customer_phone: Mapped[str | None]
    customer_id: Mapped[str]
    thread_id: Mapped[str]
    platform: Mapped[str]
    channel: Mapped[str]
    ai_enabled: Mapped[bool] = mapped_column(server_default=text("true"))
    status: Mapped[str] = mapped_column(server_default="new")
    conversation_state: Mapped[str] = mapped_column(server_default="idle")
    last_message_at: Mapped[datetime | None]
    message_count: Mapped[int] = mapped_column(server_default=text("0"))
    agent_id: Mapped[int | None] = mapped_column(ForeignKey("agents.id"))
    openai_conversation_id: Mapped[str | None]
    opted_out_at: Mapped[datetime | None]  # the latest time the customer said so
    opted_in_at: Mapped[datetime | None]  # and took it back; the later of both counts
    ai_resumed_at: Mapped[datetime | None]  # a person handed it back; earlier takeovers are over
    thread_owner: Mapped[str | None]  # whose it is by the platform's last account
    held_since: Mapped[datetime | None]  # when we first saw that a person holds it; None: nobody
    handed_over_at: Mapped[datetime | None]  # the AI gave it up, for a person to take
    handed_over_reason: Mapped[str | None]  # as the AI put it
    #: The platform's own word for when it changed, as of what is stored
    thread_updated_at: Mapped[datetime | None]
    sequence_first: Mapped[int] = mapped_column(server_default=text("0"))
    sequence_last: Mapped[int] = mapped_column(server_default=text("0"))
    history_complete: Mapped[bool] = mapped_column(server_default=text("false"))
    read_again_at: Mapped[datetime | None]  # reading it failed; not tried before
    read_failures: Mapped[int] = mapped_column(server_default=text("0"))
    created_at: Mapped[Created]

    @property
    def is_opted_out(self) -> bool:
        out, back = self.opted_out_at, self.opted_in_at
        return out is not None and (back is None or back <= out)


class Message(Base):
    """One text or attachment, from either side. (created_at, sequence_no) is its place."""

    __tablename__ = "messages"
    __table_args__ = (
        CheckConstraint(
            "sender_type IN ('customer', 'employee', 'agent', 'note', 'activity')", "sender_type"
        ),
        # A message and its conversation belong to one workspace: the database sees to it.
        ForeignKeyConstraint(
            ["conversation_id", "workspace_id"], ["conversations.id", "conversations.workspace_id"]
        ),
        Index("ix_messages_conversation_place", "conversation_id", "created_at", "sequence_no"),
        Index(
            "ix_messages_waiting",
            "conversation_id",
            postgresql_where=text(
                "sender_type = 'customer' AND NOT is_old AND NOT reply_sent AND outcome IS NULL"
            ),
        ),
        Index(
            "ix_messages_by_people",
            "conversation_id",
            "created_at",
            postgresql_where=text("sender_type = 'employee'"),
        ),
        Index(
            "ix_messages_unreplied",
            "id",
            postgresql_where=text("sender_type = 'customer' AND NOT is_old AND NOT reply_sent"),
        ),
        Index(
            "ix_messages_rare_outcome",
            "outcome",
            "id",
            postgresql_where=text("outcome <> 'history' AND outcome <> 'answered'"),
        ),
        Index("ix_messages_turn", "turn_id", postgresql_where=text("turn_id IS NOT NULL")),
    )

    id: Mapped[Key]
    workspace_id: Mapped[int]
    conversation_id: Mapped[int]
    message_id: Mapped[str] = mapped_column(unique=True)
    content: Mapped[str]
    sender_type: Mapped[str]
    is_old: Mapped[bool]
    reply_sent: Mapped[bool] = mapped_column(server_default=text("false"))
    created_at: Mapped[datetime]  # platform time
    imported_at: Mapped[datetime]
    content_type: Mapped[str] = mapped_column(server_default="text")
    attachments: Mapped[list[Any]] = mapped_column(server_default=text("'[]'::jsonb"))
    reply_to: Mapped[str | None]
    sequence_no: Mapped[int]
    status: Mapped[str] = mapped_column(server_default="received")
    failure_reason: Mapped[str | None]
    outcome: Mapped[str | None]  # why it was or was not answered; None: not settled, or ours
    #: The owner wants it answered although it waited long
    released: Mapped[bool] = mapped_column(server_default=text("false"))
    turn_id: Mapped[int | None] = mapped_column(ForeignKey("ai_response_queue.id"))
