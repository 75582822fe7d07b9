"""Conversations that the AI handed over. Callers own the transaction; nothing here commits.

One is handed over until a person at the shop writes in it, or switches the AI on there again.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import text
from sqlalchemy.orm import Session

from shoptalk.db.models import Conversation, Turn

LONGEST_REASON = 500  #: characters

#: By our own clock on both sides: `imported_at`, as `created_at` is the platform's.
IS_HANDED_OVER = """(
    conversation.handed_over_at > coalesce(conversation.ai_resumed_at, '-infinity')
    AND NOT EXISTS (
        SELECT FROM messages AS answer
        WHERE answer.conversation_id = conversation.id AND answer.sender_type = 'employee'
          AND NOT answer.is_old AND answer.imported_at > conversation.handed_over_at)
)"""

_HAND_OVER = text("""
    UPDATE ai_response_queue SET handover_reason = coalesce(handover_reason, :reason)
    WHERE id = :turn_id AND claimed_by = :claimant
""")

_IS_HANDED_OVER = text(
    f"SELECT {IS_HANDED_OVER} FROM conversations AS conversation WHERE id = :id"  # noqa: S608
)

_WHO_WAITS = text(f"""
    SELECT conversation.id, conversation.platform, conversation.customer_id,
        conversation.customer_name, conversation.handed_over_at, conversation.handed_over_reason
    FROM conversations AS conversation
    WHERE conversation.workspace_id = :workspace_id AND conversation.handed_over_at IS NOT NULL
      AND {IS_HANDED_OVER}
    ORDER BY conversation.handed_over_at LIMIT :limit
""")  # noqa: S608


@dataclass(frozen=True, slots=True, kw_only=True)
class HandedOver:
    """A customer who waits for a person."""

    conversation_id: int
    platform: str
    customer: str  #: the name, or the platform's id where there is none
    since: datetime
    reason: str


def hand_over(session: Session, turn: Turn, reason: str) -> None:
    """Note that the conversation is handed over when the turn, which is claimed, ends."""
    turn.handover_reason = turn.handover_reason or reason[:LONGEST_REASON]
    session.execute(
        _HAND_OVER,
        {"turn_id": turn.id, "claimant": turn.claimed_by, "reason": turn.handover_reason},
    )


def is_handed_over(session: Session, conversation: Conversation) -> bool:
    """Whether a conversation waits for a person."""
    return bool(session.scalar(_IS_HANDED_OVER, {"id": conversation.id}))


def who_waits(session: Session, workspace_id: int, *, limit: int = 100) -> Sequence[HandedOver]:
    """Who waits for a person, the longest first."""
    return [
        HandedOver(
            conversation_id=row.id,
            platform=row.platform,
            customer=row.customer_name or row.customer_id,
            since=row.handed_over_at,
            reason=row.handed_over_reason or "",
        )
        for row in session.execute(_WHO_WAITS, {"workspace_id": workspace_id, "limit": limit})
    ]
