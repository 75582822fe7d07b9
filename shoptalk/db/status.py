"""What `status` and the live view show, in a few short queries. Callers own the transaction."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from shoptalk.db.models import (
    ChannelIntegration,
    Conversation,
    Delivery,
    ImportRun,
    Message,
    Order,
    Turn,
    TurnStatus,
)
from shoptalk.db.runs import calls_since
from shoptalk.types import SenderType


@dataclass(frozen=True, slots=True, kw_only=True)
class ChannelStatus:
    channel: ChannelIntegration
    last_run: ImportRun | None
    conversations: int
    calls_of_day: int  #: of its imports, within the last 24 hours

    @property
    def calls_allowed(self) -> int | None:
        """About how many a day, as far as the platform tells; it tells whole percents."""
        percent = self.channel.usage_percent
        return self.calls_of_day * 100 // percent if percent and self.calls_of_day else None


@dataclass(frozen=True, slots=True, kw_only=True)
class Totals:
    """Counts since a moment, and what is open now."""

    waiting_turns: int
    answering_turns: int
    oldest_due_at: datetime | None
    turns_by_outcome: dict[str, int]
    uncertain_deliveries: int
    failed_deliveries: int
    orders: int
    messages_imported: int


def channel_statuses(session: Session, workspace_id: int, *, now: datetime) -> list[ChannelStatus]:
    channels = session.scalars(
        select(ChannelIntegration)
        .where(ChannelIntegration.workspace_id == workspace_id)
        .order_by(ChannelIntegration.id)
    ).all()
    return [
        ChannelStatus(
            channel=channel,
            last_run=_last_run(session, channel.id),
            conversations=channel.conversation_count,
            calls_of_day=calls_since(session, channel.id, now - timedelta(days=1)),
        )
        for channel in channels
    ]


def _last_run(session: Session, channel_id: int) -> ImportRun | None:
    return session.scalars(
        select(ImportRun)
        .where(ImportRun.channel_integration_id == channel_id)
        .order_by(ImportRun.id.desc())
        .limit(1)
    ).first()


def totals(session: Session, workspace_id: int, *, since: datetime, now: datetime) -> Totals:
    open_turns = session.execute(
        select(
            func.count(),
            func.count().filter(Turn.claimed_until > now),
            func.min(Turn.due_at),
        ).where(
            Turn.workspace_id == workspace_id,
            Turn.status.in_([TurnStatus.BUFFERING, TurnStatus.SENDING]),
        )
    ).one()
    by_outcome = session.execute(
        select(Turn.outcome, func.count())
        .where(Turn.workspace_id == workspace_id, Turn.closed_at >= since)
        .group_by(Turn.outcome)
    ).all()
    return Totals(
        waiting_turns=open_turns[0] - open_turns[1],
        answering_turns=open_turns[1],
        oldest_due_at=open_turns[2],
        turns_by_outcome={str(outcome): count for outcome, count in by_outcome},
        uncertain_deliveries=_deliveries(session, workspace_id, "uncertain"),
        failed_deliveries=_deliveries(session, workspace_id, "failed"),
        orders=_count(
            session.scalar(
                select(func.count()).where(
                    Order.workspace_id == workspace_id, Order.created_at >= since
                )
            )
        ),
        messages_imported=_count(
            session.scalar(
                select(func.sum(ImportRun.new)).where(
                    ImportRun.workspace_id == workspace_id,
                    ImportRun.started_at >= since,
                    ImportRun.new > 0,
                )
            )
        ),
    )


def _deliveries(session: Session, workspace_id: int, status: str) -> int:
    return _count(
        session.scalar(
            select(func.count()).where(
                Delivery.workspace_id == workspace_id, Delivery.status == status
            )
        )
    )


def _count(value: int | None) -> int:
    return int(value or 0)


def runs_with_gaps(session: Session, workspace_id: int, *, limit: int) -> Sequence[ImportRun]:
    return session.scalars(
        select(ImportRun)
        .where(ImportRun.workspace_id == workspace_id, func.jsonb_array_length(ImportRun.gaps) > 0)
        .order_by(ImportRun.id.desc())
        .limit(limit)
    ).all()


@dataclass(frozen=True, slots=True, kw_only=True)
class InboxCounts:
    conversations: int
    messages: int
    history: int  #: messages from before the cut-over
    turns_answered: int


def inbox_counts(session: Session, workspace_id: int) -> InboxCounts:
    """All there is in a workspace. Reads every message: for demos and tests, not for ticks."""
    messages, history = session.execute(
        select(func.count(), func.count().filter(Message.is_old))
        .join(Conversation, Conversation.id == Message.conversation_id)
        .where(Conversation.workspace_id == workspace_id)
    ).one()
    return InboxCounts(
        conversations=_count(
            session.scalar(
                select(func.count(Conversation.id)).where(Conversation.workspace_id == workspace_id)
            )
        ),
        messages=messages,
        history=history,
        turns_answered=_count(
            session.scalar(
                select(func.count()).where(
                    Turn.workspace_id == workspace_id, Turn.status == TurnStatus.ANSWERED
                )
            )
        ),
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class ChannelAnswers:
    """What became of a channel's conversations."""

    conversations: int
    conversations_answered: int  #: by the AI, at least once
    answered: Sequence[Turn]  #: the first of them
    last_question: Message | None  #: a customer's, not of the past


def channel_answers(session: Session, channel_id: int) -> ChannelAnswers:
    """All there is in a channel. Reads every turn: for demos and tests, not for ticks."""
    of_channel = Conversation.channel_integration_id == channel_id
    answered = (
        select(Turn)
        .join(Conversation, Conversation.id == Turn.conversation_id)
        .where(of_channel, Turn.status == TurnStatus.ANSWERED)
    )
    return ChannelAnswers(
        conversations=_count(session.scalar(select(func.count(Conversation.id)).where(of_channel))),
        conversations_answered=_count(
            session.scalar(answered.with_only_columns(func.count(Turn.conversation_id.distinct())))
        ),
        answered=session.scalars(answered.order_by(Turn.id).limit(50)).all(),
        last_question=session.scalars(
            select(Message)
            .join(Conversation, Conversation.id == Message.conversation_id)
            .where(of_channel, Message.sender_type == SenderType.CUSTOMER, ~Message.is_old)
            .order_by(Message.id.desc())
            .limit(1)
        ).one_or_none(),
    )
