"""Our own messages among those that an import shows. Callers own the transaction.

A message of ours that polling shows before its sender could write the id down is not a person's.
It settles a delivery whose answer was lost; one that was given up as uncertain has arrived after
all.
"""

from collections.abc import Sequence
from datetime import datetime

from sqlalchemy import select, text
from sqlalchemy.orm import Session

from shoptalk.db.models import Conversation, Message
from shoptalk.db.wakeup import Wakeup, WakeupKind, wake
from shoptalk.types import Outcome, SenderType

_RECOGNISE = text("""
    WITH candidate AS (
        SELECT message.id AS message_row, message.message_id, message.created_at,
            delivery.id AS delivery_id, delivery.status = 'uncertain' AS was_uncertain,
            row_number() OVER (PARTITION BY message.id ORDER BY delivery.id) AS of_message,
            row_number() OVER (PARTITION BY delivery.id
                ORDER BY message.created_at, message.sequence_no) AS of_delivery
        FROM messages AS message
        JOIN deliveries AS delivery USING (conversation_id)
        WHERE message.message_id = ANY(:message_ids)
          AND message.sender_type = 'employee'
          AND (delivery.message_id = message.message_id
            OR (delivery.message_id IS NULL
                AND delivery.status IN ('sending', 'uncertain')
                AND btrim(delivery.content, E' \\n\\r\\t') = btrim(message.content, E' \\n\\r\\t')
                AND message.created_at >= delivery.sending_at - interval '2 minutes'))
    ), matched AS (
        SELECT * FROM candidate WHERE of_message = 1 AND of_delivery = 1
    ), settled AS (
        UPDATE deliveries SET message_id = matched.message_id,
            status = CASE WHEN was_uncertain THEN 'sent' ELSE status END,
            sent_at = CASE WHEN was_uncertain THEN matched.created_at ELSE sent_at END,
            check_at = CASE WHEN was_uncertain THEN CAST(:check_at AS timestamptz)
                ELSE check_at END,
            failure_reason = CASE WHEN was_uncertain THEN NULL ELSE failure_reason END
        FROM matched WHERE deliveries.id = matched.delivery_id
        RETURNING deliveries.turn_id, was_uncertain
    ), recognised AS (
        UPDATE messages SET sender_type = 'agent',
            status = CASE WHEN was_uncertain THEN 'sent' ELSE status END
        FROM matched WHERE messages.id = matched.message_row
    )
    SELECT DISTINCT turn_id, was_uncertain FROM settled
""")

# The thread is not read back any more: who holds no claim on the turn may end it now.
_DUE_NOW = text("""
    UPDATE ai_response_queue SET due_at = :now
    WHERE id = ANY(:turns) AND status = 'sending' AND due_at > :now AND claimed_until IS NULL
    RETURNING id
""")

_ANSWERED_AFTER_ALL = text("""
    WITH turn AS (
        UPDATE ai_response_queue SET status = 'answered', outcome = :answered, error = NULL
        WHERE id = ANY(:turns) AND outcome = :uncertain AND NOT EXISTS (
            SELECT FROM deliveries WHERE turn_id = ai_response_queue.id
              AND status NOT IN ('sent', 'delivered'))
        RETURNING id
    )
    UPDATE messages SET outcome = :answered, reply_sent = true, failure_reason = NULL
    FROM turn WHERE messages.turn_id = turn.id
""")


def recognise_our_own(
    session: Session,
    message_ids: Sequence[str],
    *,
    check_at: datetime | None,
    now: datetime,
    channel_id: int,
) -> None:
    """Find deliveries of ours among new messages of our side; their conversations are locked.

    Turns that waited to learn whether one arrived are due now, and a responder is woken.

    Args:
        check_at: when to ask what became of those that were uncertain; None: nobody will.
        channel_id: the channel of these messages.
    """
    found = session.execute(
        _RECOGNISE, {"message_ids": list(message_ids), "check_at": check_at}
    ).all()
    waiting = [row.turn_id for row in found if not row.was_uncertain]
    if waiting and session.execute(_DUE_NOW, {"turns": waiting, "now": now}).all():
        wake(session, Wakeup(WakeupKind.REPLY, channel_id))
    given_up = [row.turn_id for row in found if row.was_uncertain]
    if given_up:
        session.execute(
            _ANSWERED_AFTER_ALL,
            {
                "turns": given_up,
                "answered": Outcome.ANSWERED,
                "uncertain": Outcome.DELIVERY_UNCERTAIN,
            },
        )


def own_replies(
    session: Session,
    channel_id: int,
    thread_ids: Sequence[str],
    *,
    since: datetime,
    until: datetime,
) -> dict[str, list[tuple[datetime, str]]]:
    """What the AI has said in these threads and when, oldest first, by thread."""
    rows = session.execute(
        select(Conversation.thread_id, Message.created_at, Message.content)
        .join(Conversation, Conversation.id == Message.conversation_id)
        .where(
            Conversation.channel_integration_id == channel_id,
            Conversation.thread_id.in_(thread_ids),
            Message.sender_type == SenderType.AGENT,
            Message.created_at.between(since, until),
        )
        .order_by(Message.created_at, Message.sequence_no)
    )
    found: dict[str, list[tuple[datetime, str]]] = {}
    for row in rows:
        found.setdefault(row.thread_id, []).append((row.created_at, row.content))
    return found
