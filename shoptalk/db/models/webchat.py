"""What surrounds the talk: our own web chat, extractions, archives."""

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


def _channel_of_workspace() -> ForeignKeyConstraint:
    """A row and its channel belong to one workspace."""
    return ForeignKeyConstraint(
        ["channel_integration_id", "workspace_id"],
        ["channel_integrations.id", "channel_integrations.workspace_id"],
    )


class ChatVisitor(Base):
    """Somebody on the shop's own site, as far as he has told."""

    __tablename__ = "chat_visitors"
    __table_args__ = (
        _channel_of_workspace(),
        UniqueConstraint("channel_integration_id", "visitor_id"),
    )

    id: Mapped[Key]
    workspace_id: Mapped[int]
    channel_integration_id: Mapped[int]
    visitor_id: Mapped[str]  # kept by his browser
    name: Mapped[str | None]
    phone: Mapped[str | None]
    created_at: Mapped[Created]


class ChatSession(Base):
    """One talk of a visitor's: what other platforms call a thread."""

    __tablename__ = "chat_sessions"
    __table_args__ = (
        _channel_of_workspace(),
        UniqueConstraint("channel_integration_id", "session_id"),
        Index(
            "ix_chat_sessions_changed",
            "channel_integration_id",
            "changed_at",
            "id",
            postgresql_where=text("changed_at IS NOT NULL"),
        ),
    )

    id: Mapped[Key]
    workspace_id: Mapped[int]
    channel_integration_id: Mapped[int]
    visitor_id: Mapped[int] = mapped_column(ForeignKey("chat_visitors.id"), index=True)
    session_id: Mapped[str]
    changed_at: Mapped[datetime | None]  # its newest message's moment; None: nothing written yet
    typing_until: Mapped[datetime | None]  # the visitor is shown that an answer is being written
    created_at: Mapped[Created]


class ChatMessage(Base):
    """The shop's own web chat: what the visitor's page shows."""

    __tablename__ = "chat_messages"
    __table_args__ = (
        _channel_of_workspace(),
        CheckConstraint("sender_type IN ('customer', 'employee', 'agent')", "sender_type"),
        ForeignKeyConstraint(
            ["channel_integration_id", "session_id"],
            ["chat_sessions.channel_integration_id", "chat_sessions.session_id"],
        ),
        Index("ix_chat_messages_session", "channel_integration_id", "session_id", "id"),
        # Whoever sends a message again gives it the same reference. Each side has its own: a
        # visitor who guesses one of ours must not keep our answer from being stored.
        Index(
            "uq_chat_messages_reference",
            "channel_integration_id",
            "session_id",
            "sender_type",
            "reference",
            unique=True,
            postgresql_where=text("reference IS NOT NULL"),
        ),
    )

    id: Mapped[Key]
    workspace_id: Mapped[int]
    channel_integration_id: Mapped[int]
    session_id: Mapped[str]
    sender_type: Mapped[str]
    content: Mapped[str]
    created_at: Mapped[Created]
    read_at: Mapped[datetime | None]  # by the other side
    reference: Mapped[str | None]


class Extraction(Base):
    """What was learnt from a conversation: a name, an address, an intent."""

    __tablename__ = "extractions"
    __table_args__ = (
        ForeignKeyConstraint(
            ["conversation_id", "workspace_id"], ["conversations.id", "conversations.workspace_id"]
        ),
    )

    id: Mapped[Key]
    workspace_id: Mapped[int]
    conversation_id: Mapped[int] = mapped_column(index=True)
    kind: Mapped[str]
    data: Mapped[dict[str, Any]]
    created_at: Mapped[Created]


class ConversationArchive(Base):
    """A conversation taken out of the inbox, as it was."""

    __tablename__ = "conversation_archives"

    id: Mapped[Key]
    workspace_id: Mapped[int] = mapped_column(ForeignKey("workspaces.id"), index=True)
    conversation_id: Mapped[int] = mapped_column(ForeignKey("conversations.id"), unique=True)
    data: Mapped[dict[str, Any]]
    archived_at: Mapped[Created]
