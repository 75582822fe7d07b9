"""What became of deliveries after the platform took them. Callers own the transaction.

A report is about what is `sent`. One that comes while a turn is still being sent waits until the
turn is closed: it is asked for again.
"""

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta

from sqlalchemy import select, update
from sqlalchemy.orm import Session

from shoptalk.db.models import Conversation, Delivery, Message, Turn, TurnStatus
from shoptalk.db.opt_outs import note_opted_out
from shoptalk.db.turns import lock_conversations
from shoptalk.types import DeliveryReport, Outcome

FIRST_CHECK = timedelta(seconds=30)
LONGEST_BETWEEN = timedelta(hours=2)
CHECKED_FOR = timedelta(hours=48)  #: a platform tries for hours; then it will never be told


def first_check(*, is_told: bool, now: datetime) -> datetime | None:
    """When to ask what became of what was sent by now; None: the platform never tells."""
    return now + FIRST_CHECK if is_told else None


def deliveries_to_check(
    session: Session, channel_id: int, *, now: datetime, limit: int
) -> Sequence[str]:
    """The message_ids of what was sent and is due to be asked about, longest due first."""
    found = session.scalars(
        select(Delivery.message_id)
        .join(Conversation, Conversation.id == Delivery.conversation_id)
        .where(
            Conversation.channel_integration_id == channel_id,
            Delivery.check_at <= now,
            Delivery.message_id.is_not(None),
        )
        .order_by(Delivery.check_at, Delivery.id)
        .limit(limit)
    )
    return [message_id for message_id in found if message_id is not None]


def note_reports(
    session: Session,
    channel_id: int,
    reports: Mapping[str, DeliveryReport],
    *,
    asked: Sequence[str] = (),
    now: datetime,
) -> None:
    """Settle what the reports, by message_id, are about; the others change nothing.

    Args:
        asked: message_ids that were asked about; those without a report are asked about later.
    """
    rows = session.execute(
        select(Delivery.id, Delivery.message_id, Delivery.conversation_id, Delivery.turn_id)
        .join(Conversation, Conversation.id == Delivery.conversation_id)
        .where(
            Conversation.channel_integration_id == channel_id,
            Delivery.message_id.in_([*reports, *asked]),
            Delivery.status == "sent",
        )
        .order_by(Delivery.conversation_id, Delivery.id)
    ).all()
    if rows:  # first, as all do who change deliveries
        lock_conversations(session, [row.conversation_id for row in rows])
    for row in rows:
        report = reports.get(row.message_id)
        if report is None:
            continue
        if report.arrived:
            _note_arrived(session, row.id, row.message_id)
        else:
            _note_failed(session, row.id, row.message_id, row.conversation_id, row.turn_id, report)
    _check_later(session, asked, now=now)


def _check_later(session: Session, message_ids: Sequence[str], *, now: datetime) -> None:
    """What is not settled yet is asked about again, after as long as it has taken so far."""
    for delivery in session.scalars(select(Delivery).where(Delivery.message_id.in_(message_ids))):
        if delivery.check_at is None or delivery.sent_at is None:
            continue
        age = now - delivery.sent_at
        wait = min(max(age, FIRST_CHECK), LONGEST_BETWEEN)
        session.execute(
            update(Delivery)
            .where(Delivery.id == delivery.id, Delivery.check_at.is_not(None))
            .values(check_at=now + wait if age < CHECKED_FOR else None)
        )


def _note_arrived(session: Session, delivery_id: int, message_id: str) -> None:
    session.execute(
        update(Delivery)
        .where(Delivery.id == delivery_id, Delivery.status == "sent")
        .values(status="delivered", check_at=None)
    )
    session.execute(
        update(Message).where(Message.message_id == message_id).values(status="delivered")
    )


def _note_failed(
    session: Session,
    delivery_id: int,
    message_id: str,
    conversation_id: int,
    turn_id: int,
    report: DeliveryReport,
) -> None:
    """It never arrived: the turn was not answered after all, and a person sees why."""
    turn = session.get_one(Turn, turn_id, with_for_update=True, populate_existing=True)
    if turn.closed_at is None:
        return
    failed = session.execute(
        update(Delivery)
        .where(Delivery.id == delivery_id, Delivery.status == "sent")
        .values(status="failed", failure_reason=report.reason, check_at=None)
        .returning(Delivery.id)
    ).first()
    if failed is None:
        return
    session.execute(
        update(Turn)
        .where(Turn.id == turn_id)
        .values(status=TurnStatus.CLOSED, outcome=report.outcome, error=report.reason)
    )
    session.execute(
        update(Message)
        .where(Message.turn_id == turn_id)
        .values(outcome=report.outcome, reply_sent=False, failure_reason=report.reason)
    )
    session.execute(
        update(Message)
        .where(Message.message_id == message_id)
        .values(status="failed", failure_reason=report.reason)
    )
    if report.outcome == Outcome.OPTED_OUT:
        note_opted_out(session, conversation_id, at=turn.last_message_at)
