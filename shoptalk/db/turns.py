"""Queries on turns. Callers own the transaction; nothing here commits.

A turn is claimed by writing a name and a moment on its row. SKIP LOCKED lets many claim side by
side; a claim whose moment has passed is free again, so a dead process loses nothing. Every later
change names the claimant: who lost the claim changes nothing.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import and_, func, or_, select, text, update
from sqlalchemy.orm import Session

from shoptalk.db.models import ChannelIntegration, Conversation, Delivery, Message, Turn, TurnStatus
from shoptalk.types import ConversationState, Outcome, SenderType


@dataclass(frozen=True, slots=True, kw_only=True)
class BufferPolicy:
    """When a burst is over: `quiet` after its last message, or at either limit."""

    quiet: timedelta
    most_messages: int
    longest: timedelta


_WAITING = """
    message.sender_type = 'customer' AND NOT message.is_old AND NOT message.reply_sent
    AND message.outcome IS NULL AND message.turn_id IS NULL
"""

_SETTLE_SWITCHED_OFF = text(f"""
    UPDATE messages AS message SET outcome = :ai_off
    FROM conversations AS conversation
    WHERE conversation.id = message.conversation_id AND NOT conversation.ai_enabled
      AND {_WAITING}
""")  # noqa: S608

# A message that comes while the clock of its platform runs ahead of ours counts from when it was
# stored, so that skewed clocks cannot hold a turn back.
_GATHER = text(f"""
    WITH waiting AS (
        SELECT message.id, message.conversation_id, message.created_at,
            least(message.created_at, message.imported_at) AS written_at
        FROM messages AS message
        JOIN conversations AS conversation ON conversation.id = message.conversation_id
        WHERE conversation.ai_enabled AND {_WAITING}
        FOR UPDATE OF message SKIP LOCKED
    ), burst AS (
        SELECT conversation_id, count(*) AS size, min(written_at) AS first_written,
            max(written_at) AS last_written, min(created_at) AS first_at, max(created_at) AS last_at
        FROM waiting GROUP BY conversation_id
    ), turn AS (
        INSERT INTO ai_response_queue AS queue (
            workspace_id, conversation_id, first_message_at, last_message_at, message_count,
            due_at, created_at)
        SELECT conversation.workspace_id, burst.conversation_id, burst.first_at, burst.last_at,
            burst.size,
            CASE WHEN burst.size >= :most_messages THEN CAST(:now AS timestamptz)
            ELSE least(burst.last_written + :quiet, burst.first_written + :longest) END,
            :now
        FROM burst JOIN conversations AS conversation ON conversation.id = burst.conversation_id
        ORDER BY burst.conversation_id
        ON CONFLICT (conversation_id) WHERE status IN ('buffering', 'sending') DO UPDATE SET
            first_message_at = least(queue.first_message_at, excluded.first_message_at),
            last_message_at = greatest(queue.last_message_at, excluded.last_message_at),
            message_count = queue.message_count + excluded.message_count,
            due_at = greatest(
                CASE WHEN queue.message_count + excluded.message_count >= :most_messages
                THEN CAST(:now AS timestamptz)
                ELSE least(excluded.due_at, queue.created_at + :longest) END,
                CASE WHEN queue.attempts > 0 THEN queue.due_at END)
            WHERE queue.status = 'buffering'
        RETURNING id, conversation_id
    ), gathered AS (
        UPDATE messages SET turn_id = turn.id
        FROM waiting JOIN turn USING (conversation_id)
        WHERE messages.id = waiting.id
        RETURNING messages.id
    ), stated AS (
        UPDATE conversations SET conversation_state = 'buffering'
        FROM turn WHERE conversations.id = turn.conversation_id
          AND conversation_state = 'idle'
    )
    SELECT count(*) FROM gathered
""")  # noqa: S608


def gather(session: Session, policy: BufferPolicy, *, now: datetime) -> int:
    """Put every message that waits for an answer into its conversation's turn; return how many.

    Those of conversations where the AI is off are settled with that outcome.
    """
    session.execute(_SETTLE_SWITCHED_OFF, {"ai_off": Outcome.AI_OFF})
    gathered = session.scalar(
        _GATHER,
        {
            "now": now,
            "quiet": policy.quiet,
            "longest": policy.longest,
            "most_messages": policy.most_messages,
        },
    )
    return int(gathered or 0)


def claim_due(
    session: Session, *, claimant: str, now: datetime, until: datetime, limit: int
) -> Sequence[Turn]:
    """Take up to `limit` turns that have been due longest and that nobody holds.

    Turns of channels that are disconnected or refused by their platform stay where they are.
    """
    due = (
        select(Turn.id)
        .join(Conversation, Conversation.id == Turn.conversation_id)
        .join(ChannelIntegration, ChannelIntegration.id == Conversation.channel_integration_id)
        .where(
            Turn.status.in_([TurnStatus.BUFFERING, TurnStatus.SENDING]),
            Turn.due_at <= now,
            or_(Turn.claimed_until.is_(None), Turn.claimed_until < now),
            ChannelIntegration.is_connected,
            ChannelIntegration.stopped_at.is_(None),
        )
        .order_by(Turn.due_at)
        .limit(limit)
        .with_for_update(of=Turn, skip_locked=True)
        .cte("due")
    )
    turns = session.scalars(
        update(Turn)
        .where(Turn.id.in_(select(due.c.id)))
        .values(claimed_by=claimant, claimed_until=until)
        .returning(Turn)
    ).all()
    _set_state(session, turns, ConversationState.PROCESSING)
    return sorted(turns, key=lambda turn: turn.due_at)


def _set_state(session: Session, turns: Sequence[Turn], state: ConversationState) -> None:
    if turns:
        session.execute(
            update(Conversation)
            .where(Conversation.id.in_([turn.conversation_id for turn in turns]))
            .values(conversation_state=state)
        )


def hold(session: Session, turn: Turn, *, until: datetime) -> bool:
    """Lengthen our claim; False when it is no longer ours."""
    return _change(session, turn, claimed_until=until)


def _change(session: Session, turn: Turn, **values: object) -> bool:
    changed = session.execute(
        update(Turn)
        .where(Turn.id == turn.id, Turn.claimed_by == turn.claimed_by)
        .values(**values)
        .returning(Turn.id)
    )
    return changed.first() is not None


def lock(session: Session, turn: Turn) -> Turn | None:
    """The turn as it is now, kept so until the transaction ends; None when it is not ours."""
    return session.scalars(
        select(Turn)
        .where(Turn.id == turn.id, Turn.claimed_by == turn.claimed_by)
        .with_for_update()
        .execution_options(populate_existing=True)
    ).one_or_none()


def put_back(
    session: Session, turn: Turn, *, due_at: datetime, error: str | None, failed: bool
) -> bool:
    """Give the turn up for now; it is due again at a moment."""
    _set_state(session, [turn], ConversationState.BUFFERING)
    return _change(
        session,
        turn,
        claimed_by=None,
        claimed_until=None,
        due_at=due_at,
        error=error,
        attempts=Turn.attempts + int(failed),
    )


def find_newest_from_us(session: Session, turn: Turn) -> Message | None:
    """A person's message that comes after everything the customer wrote in this turn."""
    newest_of_turn = (
        select(Message.created_at, Message.sequence_no)
        .where(Message.turn_id == turn.id)
        .order_by(Message.created_at.desc(), Message.sequence_no.desc())
        .limit(1)
        .subquery()
    )
    return session.scalars(
        select(Message)
        .where(
            Message.conversation_id == turn.conversation_id,
            Message.sender_type == SenderType.EMPLOYEE,
            or_(
                Message.created_at > newest_of_turn.c.created_at,
                and_(
                    Message.created_at == newest_of_turn.c.created_at,
                    Message.sequence_no > newest_of_turn.c.sequence_no,
                ),
            ),
        )
        .limit(1)
    ).first()


def leave_for_next_turn(session: Session, turn: Turn, seen: Sequence[int]) -> None:
    """Take the messages the answer did not see out of the turn, to be gathered again."""
    session.execute(
        update(Message)
        .where(Message.turn_id == turn.id, Message.id.not_in(seen))
        .values(turn_id=None)
    )


def write_down(session: Session, turn: Turn, parts: Sequence[str], *, now: datetime) -> None:
    """The answer becomes deliveries, before anything is sent. The turn is locked by the caller."""
    _change(session, turn, status=TurnStatus.SENDING, error=None)
    session.add_all(
        Delivery(
            workspace_id=turn.workspace_id,
            conversation_id=turn.conversation_id,
            turn_id=turn.id,
            part_no=number,
            content=part,
            created_at=now,
        )
        for number, part in enumerate(parts, start=1)
    )


def close(
    session: Session,
    turn: Turn,
    outcome: Outcome,
    *,
    now: datetime,
    error: str | None = None,
) -> bool:
    """End the turn: its messages get the outcome. False: the claim was lost, nothing changed."""
    answered = outcome == Outcome.ANSWERED
    ours = _change(
        session,
        turn,
        status=TurnStatus.ANSWERED if answered else TurnStatus.CLOSED,
        outcome=outcome,
        error=error,
        closed_at=now,
        claimed_by=None,
        claimed_until=None,
    )
    if not ours:
        return False
    session.execute(
        update(Message)
        .where(Message.turn_id == turn.id)
        .values(outcome=outcome, reply_sent=answered, failure_reason=error)
    )
    session.execute(
        update(Conversation)
        .where(Conversation.id == turn.conversation_id)
        .values(
            conversation_state=ConversationState.IDLE,
            status=func.coalesce(func.nullif(Conversation.status, "new"), "open")
            if answered
            else Conversation.status,
        )
    )
    return True
