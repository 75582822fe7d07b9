"""Queries on deliveries. Callers own the transaction; nothing here commits."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import and_, case, null, select, text, update
from sqlalchemy.orm import Session

from shoptalk.db.models import Conversation, Delivery, Message, Turn, TurnStatus
from shoptalk.db.turns import lock_conversations
from shoptalk.errors import UsageError
from shoptalk.types import SenderType

SETTLED = ("sent", "delivered", "failed", "uncertain")
BY_HAND = "tried again by hand"


def deliveries_of(session: Session, turn: Turn) -> Sequence[Delivery]:
    return session.scalars(
        select(Delivery)
        .where(Delivery.turn_id == turn.id)
        .order_by(Delivery.part_no)
        .execution_options(populate_existing=True)
    ).all()


def begin_sending(session: Session, turn: Turn, delivery: Delivery, *, now: datetime) -> bool:
    """Mark that this delivery may leave us at any moment. False: it is not ours to send."""
    still_ours = select(Turn.id).where(Turn.id == turn.id, Turn.claimed_by == turn.claimed_by)
    changed = session.execute(
        update(Delivery)
        .where(
            Delivery.id == delivery.id,
            Delivery.status == "waiting",
            Delivery.turn_id.in_(still_ours),
        )
        .values(status="sending", sending_at=now, attempts=Delivery.attempts + 1)
        .returning(Delivery.id)
    )
    return changed.first() is not None


_RECORD_SENT = text("""
    WITH conversation AS (
        SELECT id, workspace_id, sequence_last FROM conversations
        WHERE id = ANY(:conversation_ids)
        ORDER BY channel_integration_id, thread_id FOR NO KEY UPDATE
    ), receipt AS (
        SELECT * FROM conversation JOIN unnest(
            CAST(:conversation_ids AS bigint[]), CAST(:delivery_ids AS bigint[]),
            CAST(:message_ids AS text[]), CAST(:contents AS text[]),
            CAST(:check_at AS timestamptz[])
        ) AS sent (id, delivery_id, message_id, content, check_at) USING (id)
    ), delivery AS (
        UPDATE deliveries SET status = 'sent', message_id = receipt.message_id, sent_at = :now,
            failure_reason = NULL, check_at = receipt.check_at
        FROM receipt WHERE deliveries.id = receipt.delivery_id
    ), persons AS (
        -- polling took for ours what a person wrote in the same words while it left
        UPDATE messages SET sender_type = 'employee'
        FROM receipt JOIN deliveries ON deliveries.id = receipt.delivery_id
        WHERE messages.message_id = deliveries.message_id AND messages.sender_type = 'agent'
          AND deliveries.message_id <> receipt.message_id AND deliveries.attempts = 1
    ), stored AS (
        INSERT INTO messages (
            workspace_id, conversation_id, message_id, content, sender_type, is_old, reply_sent,
            created_at, imported_at, sequence_no, status)
        SELECT workspace_id, id, message_id, content, 'agent', false, false, :now, :now,
            sequence_last + 1, 'sent'
        FROM receipt
        -- polling was quicker and took it for a person's
        ON CONFLICT (message_id) DO UPDATE SET sender_type = 'agent', status = 'sent'
        RETURNING conversation_id, xmax = 0 AS is_new
    )
    UPDATE conversations SET
        sequence_last = conversation.sequence_last + 1,
        message_count = message_count + CAST(stored.is_new AS int),
        last_message_at = greatest(last_message_at, :now)
    FROM conversation JOIN stored ON stored.conversation_id = conversation.id
    WHERE conversations.id = conversation.id
""")


@dataclass(frozen=True, slots=True, kw_only=True)
class Receipt:
    """The platform took a delivery."""

    delivery: Delivery
    message_id: str  #: the platform's
    #: When to ask what became of it; None: the platform does not tell
    check_at: datetime | None = None


def record_sent(session: Session, receipts: Sequence[Receipt], *, now: datetime) -> None:
    """Keep the platform's ids, and the messages as some of their conversations'.

    Args:
        receipts: at most one of each conversation.
    """
    session.execute(
        _RECORD_SENT,
        {
            "conversation_ids": [receipt.delivery.conversation_id for receipt in receipts],
            "delivery_ids": [receipt.delivery.id for receipt in receipts],
            "message_ids": [receipt.message_id for receipt in receipts],
            "contents": [receipt.delivery.content for receipt in receipts],
            "check_at": [receipt.check_at for receipt in receipts],
            "now": now,
        },
    )


def ids_of_sent(session: Session, conversation_id: int, *, since: datetime) -> set[str]:
    """The message_ids of what we are known to have sent in a conversation."""
    return set(
        session.scalars(
            select(Message.message_id).where(
                Message.conversation_id == conversation_id,
                Message.created_at >= since,
                Message.sender_type == SenderType.AGENT,
            )
        )
    )


def wait_again(session: Session, delivery: Delivery, reason: str) -> None:
    """Nothing left us, or the platform does not have it: it may be sent (again)."""
    session.execute(
        update(Delivery)
        .where(Delivery.id == delivery.id)
        .values(status="waiting", failure_reason=reason)
    )


def send_again(session: Session, delivery: Delivery, reason: str) -> bool:
    """As `wait_again`, for what was not in the thread. False: an import has met it meanwhile."""
    changed = session.execute(
        update(Delivery)
        .where(Delivery.id == delivery.id, Delivery.message_id.is_(None))
        .values(status="waiting", failure_reason=reason)
        .returning(Delivery.id)
    )
    return changed.first() is not None


def message_id_of(session: Session, delivery: Delivery) -> str | None:
    """The platform's id as of now: an import may have met the message since it was read."""
    return session.scalar(select(Delivery.message_id).where(Delivery.id == delivery.id))


def has_met(session: Session, turn: Turn) -> bool:
    """Whether an import has met what the turn was sending; the conversation is locked."""
    met = select(Delivery.id).where(
        Delivery.turn_id == turn.id, Delivery.status == "sending", Delivery.message_id.is_not(None)
    )
    return session.scalar(met.limit(1)) is not None


def settle_unsent(session: Session, turn: Turn, status: str, reason: str) -> None:
    """End what is left of a turn's deliveries as failed or uncertain."""
    session.execute(
        update(Delivery)
        .where(Delivery.turn_id == turn.id, Delivery.status.not_in(SETTLED))
        .values(status=status, failure_reason=reason)
    )


def retry(session: Session, delivery: Delivery, *, now: datetime) -> None:
    """Take up a turn again whose delivery failed or is uncertain, by a person's decision.

    What an import has met meanwhile did arrive, and is not sent again. What the platform took and
    could not deliver is sent anew, as a message of its own.

    Raises:
        UsageError: another turn of the conversation is open, or the customer has opted out.
    """
    lock_conversations(session, [delivery.conversation_id])
    conversation = session.get_one(Conversation, delivery.conversation_id, populate_existing=True)
    if conversation.is_opted_out:
        raise UsageError("The customer has opted out: nothing may be sent until they opt in.")
    if session.scalar(
        select(Turn.id).where(
            Turn.conversation_id == delivery.conversation_id,
            Turn.status.in_([TurnStatus.BUFFERING, TurnStatus.SENDING]),
        )
    ):
        raise UsageError("The conversation is being answered just now: try again in a minute.")
    was_met = and_(Delivery.message_id.is_not(None), Delivery.sent_at.is_(None))
    session.execute(
        update(Delivery)
        .where(Delivery.turn_id == delivery.turn_id, Delivery.status.in_(["failed", "uncertain"]))
        .values(
            status=case((was_met, "sent"), else_="waiting"),
            failure_reason=case((was_met, null()), else_=BY_HAND),
            message_id=case((was_met, Delivery.message_id), else_=null()),
            sent_at=None,
            attempts=0,
        )
    )
    session.execute(
        update(Turn)
        .where(Turn.id == delivery.turn_id)
        .values(
            status=TurnStatus.SENDING,
            outcome=None,
            error=None,
            closed_at=None,
            attempts=0,
            due_at=now,
            claimed_by=None,
            claimed_until=None,
        )
    )
    session.execute(update(Message).where(Message.turn_id == delivery.turn_id).values(outcome=None))


def get_delivery(session: Session, workspace_id: int, handle: str) -> Delivery:
    """A delivery by row id.

    Raises:
        UsageError: there is none.
    """
    found = None
    if handle.isascii() and handle.isdigit() and len(handle) <= 18:
        found = session.scalars(
            select(Delivery).where(
                Delivery.workspace_id == workspace_id, Delivery.id == int(handle)
            )
        ).one_or_none()
    if found is None:
        raise UsageError(f"There is no delivery {handle!r}: `shoptalk deliveries list` shows them.")
    return found


def list_deliveries(
    session: Session, workspace_id: int, *, status: str | None, limit: int
) -> Sequence[Delivery]:
    statement = select(Delivery).where(Delivery.workspace_id == workspace_id)
    if status is not None:
        statement = statement.where(Delivery.status == status)
    return session.scalars(statement.order_by(Delivery.id.desc()).limit(limit)).all()
