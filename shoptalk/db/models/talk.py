"""What surrounds the talk: web chat, extractions, archives."""

from datetime import datetime
from typing import Any

from sqlalchemy import CheckConstraint, ForeignKey, Index
from sqlalchemy.orm import Mapped, mapped_column

from shoptalk.db.models.base import Base, Created, Key


class ChatMessage(Base):
    """The shop's own web chat: what the visitor's page shows."""

    __tablename__ = "chat_messages"
    __table_args__ = (
        CheckConstraint("sender_type IN ('customer', 'employee', 'agent')", "sender_type"),
        Index("ix_chat_messages_session", "channel_integration_id", "session_id", "id"),
    )

    id: Mapped[Key]
    channel_integration_id: Mapped[int] = mapped_column(ForeignKey("channel_integrations.id"))
    session_id: Mapped[str]
    sender_type: Mapped[str]
    content: Mapped[str]
    created_at: Mapped[Created]
    read_at: Mapped[datetime | None]


class Extraction(Base):
    """What was learnt from a conversation: a name, an address, an intent."""

    __tablename__ = "extractions"

    id: Mapped[Key]
    conversation_id: Mapped[int] = mapped_column(ForeignKey("conversations.id"), index=True)
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
