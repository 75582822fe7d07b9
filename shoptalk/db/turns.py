"""Queries on turns. Callers own the transaction; nothing here commits.

A turn is claimed by writing a name and a moment on its row. SKIP LOCKED lets many claim side by
side; a claim whose moment has passed, or whose claimant is gone, is free again, so a dead process
loses nothing. Every later change names the claimant: who lost the claim changes nothing.

Whoever changes more than one table locks the conversation first, then its turn, deliveries and
messages: storing, gathering and sending meet on the same rows all the time.
"""

from collections.abc import Collection, Mapping, Sequence
from datetime import datetime

from sqlalchemy import func, select, text, tuple_, update
from sqlalchemy.orm import Session, aliased

from shoptalk.db.liveness import CLAIMANT_IS_GONE
from shoptalk.db.models import Conversation, Delivery, Message, Turn, TurnStatus
from shoptalk.types import ConversationState, Outcome, SenderType

# Turns of channels that are disconnected or refused by their platform stay where they are.
_OPEN_TURNS = """
    ai_response_queue AS queue
    JOIN conversations AS conversation ON conversation.id = queue.conversation_id
    JOIN channel_integrations AS channel ON channel.id = conversation.channel_integration_id
    WHERE queue.status IN ('buffering', 'sending')
      AND channel.is_connected AND channel.stopped_at IS NULL
"""

_CLAIM_DUE = text(f"""
    WITH due AS (
        SELECT queue.id
        FROM {_OPEN_TURNS}
          AND queue.due_at <= :now
          AND (queue.claimed_until IS NULL OR queue.claimed_until < :now OR {CLAIMANT_IS_GONE})
        ORDER BY queue.due_at
        LIMIT :limit
        FOR UPDATE OF queue SKIP LOCKED
    )
    UPDATE ai_response_queue SET claimed_by = :claimant, claimed_until = :until
    FROM due WHERE ai_response_queue.id = due.id
    RETURNING ai_response_queue.*
""")  # noqa: S608


def claim_due(
    session: Session, *, claimant: str, now: datetime, until: datetime, limit: int
) -> Sequence[Turn]:
    """Take up to `limit` turns that have been due longest and that nobody holds."""
    turns = session.scalars(
        select(Turn).from_statement(_CLAIM_DUE),
        {"claimant": claimant, "now": now, "until": until, "limit": limit},
    ).all()
    return sorted(turns, key=lambda turn: turn.due_at)


_NEXT_DUE = text(f"""
    SELECT min(queue.due_at)
    FROM {_OPEN_TURNS}
      AND queue.claimed_until IS NULL
""")  # noqa: S608


def next_due(session: Session) -> datetime | None:
    """When the next turn is due that nobody has claimed."""
    due_at: datetime | None = session.scalar(_NEXT_DUE)
    return due_at


# In the order in which storing locks them, so that the two never wait for each other.
_LOCK_CONVERSATIONS = text("""
    SELECT FROM conversations WHERE id = ANY(:ids)
    ORDER BY channel_integration_id, thread_id FOR NO KEY UPDATE
""")


def lock_conversations(session: Session, ids: Sequence[int]) -> None:
    """Be the only one to change these conversations and what hangs on them, until the end."""
    session.execute(_LOCK_CONVERSATIONS, {"ids": ids})


_SHOW_PROCESSING = text(
    "UPDATE conversations SET conversation_state = 'processing' WHERE id = ANY(:ids)"
)


def show_processing(session: Session, turns: Sequence[Turn]) -> None:
    """Say on their conversations that turns were claimed. Apart from the claim: see the order."""
    ids = [turn.conversation_id for turn in turns]
    lock_conversations(session, ids)
    session.execute(_SHOW_PROCESSING, {"ids": ids})


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


_LOCK_TURNS = text("""
    WITH conversation AS (
        SELECT id FROM conversations WHERE id = ANY(:conversation_ids)
        ORDER BY channel_integration_id, thread_id FOR NO KEY UPDATE
    )
    SELECT queue.* FROM conversation
    JOIN ai_response_queue AS queue ON queue.conversation_id = conversation.id
    JOIN unnest(CAST(:turn_ids AS bigint[]), CAST(:claimants AS text[])) AS ours (id, claimant)
        ON queue.id = ours.id AND queue.claimed_by = ours.claimant
    WHERE queue.status = 'buffering'
    FOR UPDATE OF queue
""")


def lock(session: Session, turns: Sequence[Turn]) -> Mapping[int, Turn]:
    """Turns to be answered as they are now, by id, kept so until the transaction ends.

    Those that are not ours any more, or have an answer, are not among them.
    """
    rows = session.scalars(
        select(Turn).from_statement(_LOCK_TURNS).execution_options(populate_existing=True),
        {
            "conversation_ids": [turn.conversation_id for turn in turns],
            "turn_ids": [turn.id for turn in turns],
            "claimants": [turn.claimed_by for turn in turns],
        },
    )
    return {turn.id: turn for turn in rows}


def put_back(
    session: Session, turn: Turn, *, due_at: datetime, error: str | None, failed: bool
) -> bool:
    """Give the turn up for now; it is due again at a moment. False: the claim was lost."""
    lock_conversations(session, [turn.conversation_id])
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
        session.execute(
            update(Conversation)
            .where(Conversation.id == turn.conversation_id)
            .values(conversation_state=ConversationState.BUFFERING)
        )
    return ours


def leave_to_person(session: Session, turn: Turn) -> None:
    """Take out of the turn what a person answered before the customer wrote on."""
    lock_conversations(session, [turn.conversation_id])
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


def leave_for_next_turn(session: Session, turn: Turn, seen: Sequence[int]) -> None:
    """Take the messages the answer did not see out of the turn, to be gathered again."""
    session.execute(
        update(Message)
        .where(Message.turn_id == turn.id, Message.id.not_in(seen))
        .values(turn_id=None)
    )


_WRITE_DOWN = text("""
    WITH turn AS (
        UPDATE ai_response_queue AS queue
        SET status = 'sending', error = NULL, claimed_until = :until
        FROM unnest(CAST(:turn_ids AS bigint[]), CAST(:claimants AS text[])) AS ours (id, claimant)
        WHERE queue.id = ours.id AND queue.claimed_by = ours.claimant
        RETURNING queue.id, workspace_id, conversation_id
    )
    INSERT INTO deliveries (workspace_id, conversation_id, turn_id, part_no, content, created_at,
        status, sending_at, attempts)
    SELECT turn.workspace_id, turn.conversation_id, turn.id, part.no, part.content, :now,
        CASE WHEN part.no = 1 THEN 'sending' ELSE 'waiting' END,
        CASE WHEN part.no = 1 THEN CAST(:now AS timestamptz) END,
        CASE WHEN part.no = 1 THEN 1 ELSE 0 END
    FROM turn
    JOIN unnest(CAST(:part_of AS bigint[]), CAST(:numbers AS int[]), CAST(:contents AS text[]))
        AS part (turn_id, no, content) ON part.turn_id = turn.id
    ORDER BY turn.id, part.no
    RETURNING *
""")


def write_down(
    session: Session, answers: Mapping[Turn, Sequence[str]], *, now: datetime, until: datetime
) -> Mapping[int, Sequence[Delivery]]:
    """Answers become deliveries, in order, before anything is sent.

    The first of each is marked `sending`: the caller, who has the turns locked, sends it at once.
    The claims are lengthened `until` then.

    Args:
        answers: the parts of each.

    Returns:
        The deliveries of each turn, by its id.
    """
    if not answers:
        return {}
    parts = [
        (turn.id, number, content)
        for turn, contents in answers.items()
        for number, content in enumerate(contents, 1)
    ]
    written = session.scalars(
        select(Delivery).from_statement(_WRITE_DOWN),
        {
            "turn_ids": [turn.id for turn in answers],
            "claimants": [turn.claimed_by for turn in answers],
            "part_of": [turn_id for turn_id, _, _ in parts],
            "numbers": [number for _, number, _ in parts],
            "contents": [content for _, _, content in parts],
            "now": now,
            "until": until,
        },
    )
    of_turn: dict[int, list[Delivery]] = {turn.id: [] for turn in answers}
    for delivery in sorted(written, key=lambda delivery: delivery.part_no):
        of_turn[delivery.turn_id].append(delivery)
    return of_turn


_CLOSE = text("""
    WITH turn AS (
        UPDATE ai_response_queue AS queue SET
            status = CASE WHEN :answered THEN 'answered' ELSE 'closed' END,
            outcome = CASE WHEN :answered AND queue.handover_reason IS NOT NULL
                THEN :handed_over ELSE :outcome END,
            error = CASE WHEN :answered AND queue.handover_reason IS NOT NULL
                THEN queue.handover_reason ELSE :error END,
            closed_at = :now, claimed_by = NULL, claimed_until = NULL
        FROM unnest(CAST(:turn_ids AS bigint[]), CAST(:claimants AS text[])) AS ours (id, claimant)
        WHERE queue.id = ours.id AND queue.claimed_by = ours.claimant
        RETURNING queue.id, conversation_id, queue.outcome, queue.error,
            -- also where the customer could not be told of it
            CASE WHEN :answered OR :needs_person THEN queue.handover_reason END AS handover_reason
    ), message AS (
        UPDATE messages SET outcome = turn.outcome, reply_sent = :answered,
            failure_reason = turn.error
        FROM turn WHERE messages.turn_id = turn.id
    )
    UPDATE conversations SET conversation_state = 'idle',
        status = CASE WHEN turn.handover_reason IS NOT NULL THEN 'pending'
            WHEN :answered AND status IN ('new', 'pending') THEN 'open' ELSE status END,
        handed_over_at = CASE WHEN turn.handover_reason IS NOT NULL
            THEN CAST(:now AS timestamptz) ELSE handed_over_at END,
        handed_over_reason = coalesce(turn.handover_reason, handed_over_reason)
    FROM turn WHERE conversations.id = turn.conversation_id
    RETURNING turn.id
""")


def close(
    session: Session,
    turns: Sequence[Turn],
    outcome: Outcome,
    *,
    now: datetime,
    error: str | None = None,
    is_locked: bool = False,
) -> Collection[int]:
    """End turns: their messages get the outcome.

    The outcome of one that is answered and hands its conversation over is that a person is needed.

    Args:
        is_locked: this transaction has the conversations to itself already.

    Returns:
        The ids of those that were ended; the claim on the others was lost, and nothing changed.
    """
    if not turns:
        return ()
    if not is_locked:
        lock_conversations(session, [turn.conversation_id for turn in turns])
    closed = session.scalars(
        _CLOSE,
        {
            "turn_ids": [turn.id for turn in turns],
            "claimants": [turn.claimed_by for turn in turns],
            "outcome": outcome,
            "answered": outcome == Outcome.ANSWERED,
            "handed_over": Outcome.NEEDS_PERSON,
            "needs_person": outcome.needs_person,
            "error": error,
            "now": now,
        },
    )
    return set(closed)


def answered_since(session: Session, conversation_id: int, moment: datetime) -> int:
    """How many turns of a conversation the AI has answered since a moment."""
    number = session.scalar(
        select(func.count()).where(
            Turn.conversation_id == conversation_id,
            Turn.status == TurnStatus.ANSWERED,
            Turn.closed_at > moment,
        )
    )
    return number or 0
