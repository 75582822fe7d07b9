"""Queries on turns. Callers own the transaction; nothing here commits.

A turn is claimed by writing a name and a moment on its row. SKIP LOCKED lets many claim side by
side; a claim whose moment has passed, or whose claimant is gone, is free again, so a dead process
loses nothing. Every later change names the claimant: who lost the claim changes nothing.

Whoever changes more than one table locks the conversation first, then its turn, deliveries and
messages: storing, gathering and sending meet on the same rows all the time.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import and_, func, or_, select, text, tuple_, update
from sqlalchemy.orm import Session, aliased

from shoptalk.db.custody import IS_HELD, is_held
from shoptalk.db.models import ChannelIntegration, Conversation, Delivery, Message, Turn, TurnStatus
from shoptalk.db.presence import CLAIMANT_IS_GONE
from shoptalk.types import ConversationState, Outcome, SenderType


@dataclass(frozen=True, slots=True, kw_only=True)
class BufferPolicy:
    """When a burst is over: `quiet` after its last message, or at either limit."""

    quiet: timedelta
    most_messages: int
    longest: timedelta


@dataclass(frozen=True, slots=True, kw_only=True)
class SelectionPolicy:
    """Which waiting messages the AI leaves to people."""

    takeover_pause: timedelta  #: after a person has written
    backlog_after: timedelta  #: what waited longer is the owner's to decide


_WAITING = """
    message.sender_type = 'customer' AND NOT message.is_old AND NOT message.reply_sent
    AND message.outcome IS NULL AND message.turn_id IS NULL
"""

_SETTLE_TOO_OLD = text(f"""
    WITH late AS (
        SELECT conversation.id, now_and_then.oldest
        FROM unnest(CAST(:platforms AS text[]), CAST(:oldest AS timestamptz[]))
            AS now_and_then (platform, oldest)
        JOIN conversations AS conversation USING (platform)
        WHERE EXISTS (
            SELECT FROM messages AS message
            WHERE message.conversation_id = conversation.id
              AND message.created_at < now_and_then.oldest AND {_WAITING})
        FOR NO KEY UPDATE OF conversation SKIP LOCKED
    )
    UPDATE messages AS message SET outcome = :window_closed
    FROM late WHERE message.conversation_id = late.id
      AND message.created_at < late.oldest AND {_WAITING}
""")  # noqa: S608

_SETTLE_TAKEN_OVER = text(f"""
    WITH taken AS (
        SELECT conversation.id, person.wrote_at
        FROM conversations AS conversation
        CROSS JOIN LATERAL (
            SELECT max(created_at) AS wrote_at FROM messages
            WHERE conversation_id = conversation.id AND sender_type = 'employee' AND NOT is_old
              AND created_at > :since
              AND created_at > coalesce(conversation.ai_resumed_at, '-infinity')
        ) AS person
        WHERE (person.wrote_at IS NOT NULL OR {IS_HELD}) AND EXISTS (
            SELECT FROM messages AS message
            WHERE message.conversation_id = conversation.id AND {_WAITING})
        FOR NO KEY UPDATE OF conversation SKIP LOCKED
    )
    UPDATE messages AS message SET outcome =
        CASE WHEN message.created_at <= taken.wrote_at
        THEN CAST(:answered_by_person AS text) ELSE :taken_over END
    FROM taken WHERE message.conversation_id = taken.id AND {_WAITING}
""")  # noqa: S608

_SETTLE_SWITCHED_OFF = text(f"""
    WITH off AS (
        SELECT conversation.id FROM conversations AS conversation
        WHERE NOT conversation.ai_enabled AND EXISTS (
            SELECT FROM messages AS message
            WHERE message.conversation_id = conversation.id AND {_WAITING})
        FOR NO KEY UPDATE SKIP LOCKED
    )
    UPDATE messages AS message SET outcome = :ai_off
    FROM off WHERE message.conversation_id = off.id AND {_WAITING}
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
          AND (message.released OR message.created_at
              > coalesce(CAST(:held_before AS timestamptz), '-infinity'))
        FOR NO KEY UPDATE OF conversation, message SKIP LOCKED
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
                -- it waits because something failed: more to answer does not shorten that
                CASE WHEN queue.error IS NOT NULL THEN queue.due_at END)
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


def settle(
    session: Session,
    policy: SelectionPolicy,
    windows: Mapping[str, timedelta],
    *,
    now: datetime,
) -> None:
    """Give waiting messages that will not be answered their outcome.

    Args:
        windows: how long after a message each platform takes a reply, by its name.
    """
    session.execute(_SETTLE_SWITCHED_OFF, {"ai_off": Outcome.AI_OFF})
    session.execute(
        _SETTLE_TAKEN_OVER,
        {
            "since": now - policy.takeover_pause,
            "answered_by_person": Outcome.ANSWERED_BY_PERSON,
            "taken_over": Outcome.TAKEN_OVER,
        },
    )
    session.execute(
        _SETTLE_TOO_OLD,
        {
            "platforms": list(windows),
            "oldest": [now - window for window in windows.values()],
            "window_closed": Outcome.WINDOW_CLOSED,
        },
    )


def gather(
    session: Session, policy: BufferPolicy, *, now: datetime, held_before: datetime | None = None
) -> int:
    """Put every message that waits for an answer into its conversation's turn; return how many.

    What was written before `held_before` is the owner's to release first.
    """
    gathered = session.scalar(
        _GATHER,
        {
            "now": now,
            "quiet": policy.quiet,
            "longest": policy.longest,
            "most_messages": policy.most_messages,
            "held_before": held_before,
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
            or_(
                Turn.claimed_until.is_(None),
                Turn.claimed_until < now,
                text(CLAIMANT_IS_GONE),
            ),
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
    return sorted(turns, key=lambda turn: turn.due_at)


def show_processing(session: Session, turns: Sequence[Turn]) -> None:
    """Say on their conversations that turns were claimed. Apart from the claim: see the order."""
    _set_state(session, turns, ConversationState.PROCESSING)


def lock_conversation(session: Session, conversation_id: int) -> None:
    """Be the only one to change this conversation and what hangs on it, until the end."""
    session.execute(
        select(Conversation.id)
        .where(Conversation.id == conversation_id)
        .with_for_update(key_share=True)
    )


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
    lock_conversation(session, turn.conversation_id)
    return session.scalars(
        select(Turn)
        .where(Turn.id == turn.id, Turn.claimed_by == turn.claimed_by)
        .with_for_update()
        .execution_options(populate_existing=True)
    ).one_or_none()


def put_back(
    session: Session, turn: Turn, *, due_at: datetime, error: str | None, failed: bool
) -> bool:
    """Give the turn up for now; it is due again at a moment. False: the claim was lost."""
    lock_conversation(session, turn.conversation_id)
    ours = _change(
        session,
        turn,
        claimed_by=None,
        claimed_until=None,
        due_at=due_at,
        error=error,
        attempts=Turn.attempts + int(failed),
    )
    if ours:
        _set_state(session, [turn], ConversationState.BUFFERING)
    return ours


def find_answer_by_person(session: Session, turn: Turn) -> Message | None:
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


def leave_to_person(session: Session, turn: Turn) -> None:
    """Take out of the turn what a person answered before the customer wrote on."""
    lock_conversation(session, turn.conversation_id)
    answer = aliased(Message)
    answered = session.execute(
        update(Message)
        .where(
            Message.turn_id == turn.id,
            select(answer.id)
            .where(
                answer.conversation_id == turn.conversation_id,
                answer.sender_type == SenderType.EMPLOYEE,
                tuple_(answer.created_at, answer.sequence_no)
                > tuple_(Message.created_at, Message.sequence_no),
            )
            .exists(),
        )
        .values(outcome=Outcome.ANSWERED_BY_PERSON, turn_id=None)
        .returning(Message.id)
    ).all()
    if answered:
        _change(session, turn, message_count=Turn.message_count - len(answered))


def is_taken_over(session: Session, turn: Turn, *, since: datetime) -> bool:
    """Whether a person has written since then, or holds the thread, and not handed it back."""
    held = select(Conversation.id).where(Conversation.id == turn.conversation_id, is_held())
    if session.scalar(held) is not None:
        return True
    resumed_at = (
        select(func.coalesce(Conversation.ai_resumed_at, since))
        .where(Conversation.id == turn.conversation_id)
        .scalar_subquery()
    )
    found = session.scalar(
        select(Message.id)
        .where(
            Message.conversation_id == turn.conversation_id,
            Message.sender_type == SenderType.EMPLOYEE,
            ~Message.is_old,
            Message.created_at > since,
            Message.created_at > resumed_at,
        )
        .limit(1)
    )
    return found is not None


def count_answered(session: Session, turn: Turn, *, since: datetime) -> int:
    """How many turns of the conversation were answered since then."""
    found = session.scalar(
        select(func.count()).where(
            Turn.conversation_id == turn.conversation_id,
            Turn.status == TurnStatus.ANSWERED,
            Turn.closed_at > since,
        )
    )
    return int(found or 0)


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
    lock_conversation(session, turn.conversation_id)
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
