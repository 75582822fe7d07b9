"""How answers go out: turns, and the deliveries that carry them."""

from datetime import datetime
from enum import StrEnum

from sqlalchemy import CheckConstraint, ForeignKey, Index, UniqueConstraint, text
from sqlalchemy.orm import Mapped, mapped_column

from shoptalk.db.models.base import Base, Key


class TurnStatus(StrEnum):
    BUFFERING = "buffering"  #: gathering; due at `due_at`
    SENDING = "sending"  #: the answer is written down; only deliveries are left to do
    ANSWERED = "answered"
    CLOSED = "closed"  #: ended without an answer; `outcome` says why


OPEN_TURN = "status IN ('buffering', 'sending')"


class Turn(Base):
    """A run of customer messages answered by one reply. A conversation has one open at a time."""

    __tablename__ = "ai_response_queue"
    __table_args__ = (
        CheckConstraint("status IN ('buffering', 'sending', 'answered', 'closed')", "status"),
        Index(
            "uq_ai_response_queue_open_turn",
            "conversation_id",
            unique=True,
            postgresql_where=text(OPEN_TURN),
        ),
        Index("ix_ai_response_queue_conversation", "conversation_id", "closed_at"),
        Index("ix_ai_response_queue_closed", "workspace_id", "closed_at"),
        Index("ix_ai_response_queue_due", "due_at", postgresql_where=text(OPEN_TURN)),
    )

    id: Mapped[Key]
    workspace_id: Mapped[int] = mapped_column(ForeignKey("workspaces.id"))
    conversation_id: Mapped[int] = mapped_column(ForeignKey("conversations.id"))
    status: Mapped[str] = mapped_column(server_default=TurnStatus.BUFFERING)
    first_message_at: Mapped[datetime]
    last_message_at: Mapped[datetime]
    message_count: Mapped[int]
    due_at: Mapped[datetime]  # when the buffer runs out, or the next try is allowed
    attempts: Mapped[int] = mapped_column(server_default=text("0"))  # failed ones
    claimed_by: Mapped[str | None]
    claimed_until: Mapped[datetime | None]  # a claim past this moment has lapsed
    outcome: Mapped[str | None]
    error: Mapped[str | None]
    handover_reason: Mapped[str | None]  # the AI hands the conversation over with this turn
    created_at: Mapped[datetime]
    closed_at: Mapped[datetime | None]


class Delivery(Base):
    """One outgoing message and what became of it. Written down before it is sent."""

    __tablename__ = "deliveries"
    __table_args__ = (
        CheckConstraint(
            "status IN ('waiting', 'sending', 'sent', 'delivered', 'failed', 'uncertain')",
            "status",
        ),
        UniqueConstraint("turn_id", "part_no"),
        Index("ix_deliveries_conversation", "conversation_id"),
        Index(
            "ix_deliveries_troubled",
            "workspace_id",
            "status",
            "id",
            postgresql_where=text("status IN ('failed', 'uncertain')"),
        ),
        Index("ix_deliveries_workspace", "workspace_id", "id"),
        Index("ix_deliveries_check", "check_at", postgresql_where=text("check_at IS NOT NULL")),
        Index(
            "ix_deliveries_message", "message_id", postgresql_where=text("message_id IS NOT NULL")
        ),
    )

    id: Mapped[Key]
    workspace_id: Mapped[int] = mapped_column(ForeignKey("workspaces.id"))
    conversation_id: Mapped[int] = mapped_column(ForeignKey("conversations.id"))
    turn_id: Mapped[int] = mapped_column(ForeignKey("ai_response_queue.id"))
    part_no: Mapped[int]
    content: Mapped[str]
    status: Mapped[str] = mapped_column(server_default="waiting")
    message_id: Mapped[str | None]  # the platform's, once known
    attempts: Mapped[int] = mapped_column(server_default=text("0"))
    failure_reason: Mapped[str | None]
    created_at: Mapped[datetime]
    sending_at: Mapped[datetime | None]
    sent_at: Mapped[datetime | None]
    check_at: Mapped[datetime | None]  # when to ask what became of it; None: nobody will
