"""Queries on what waited too long to be answered without asking. Callers own the transaction."""

from collections.abc import Sequence
from datetime import datetime

from sqlalchemy import select, update
from sqlalchemy.orm import Session

from shoptalk.db.models import Conversation, Message
from shoptalk.db.turns import lock_conversations
from shoptalk.types import Outcome, SenderType

#: A message that nobody has settled, gathered or released.
WAITS = (
    Message.sender_type == SenderType.CUSTOMER,
    ~Message.is_old,
    ~Message.reply_sent,
    Message.outcome.is_(None),
    Message.turn_id.is_(None),
    ~Message.released,
)


def held_messages(
    session: Session, workspace_id: int, *, held_before: datetime, limit: int | None = None
) -> Sequence[tuple[Message, Conversation]]:
    """Messages that wait for the owner's word, the oldest first."""
    statement = (
        select(Message, Conversation)
        .join(Conversation, Conversation.id == Message.conversation_id)
        .where(
            Conversation.workspace_id == workspace_id,
            *WAITS,
            Message.created_at <= held_before,
        )
        .order_by(Message.created_at, Message.sequence_no)
    )
    return [(row.Message, row.Conversation) for row in session.execute(statement.limit(limit))]


def release(session: Session, message_ids: Sequence[int]) -> int:
    """The owner wants these answered; return how many still waited for that word."""
    return _decide(session, message_ids, released=True)


def dismiss(session: Session, message_ids: Sequence[int]) -> int:
    """The owner wants these left alone; return how many still waited for that word."""
    return _decide(session, message_ids, outcome=Outcome.DISMISSED)


def _decide(session: Session, message_ids: Sequence[int], **values: object) -> int:
    """What was answered, gathered or decided since it was listed keeps what it has."""
    concerned = session.scalars(
        select(Message.conversation_id).where(Message.id.in_(message_ids)).distinct()
    )
    lock_conversations(session, list(concerned))  # whoever else settles messages waits or passes
    decided = session.scalars(
        update(Message)
        .where(Message.id.in_(message_ids), *WAITS)
        .values(**values)
        .returning(Message.id)
    )
    return len(decided.all())
