"""Queries on channels and workspaces. Callers own the transaction; nothing here commits."""

from collections.abc import Collection, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import func, or_, select, text, update
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import Session

from shoptalk.db.models import (
    Agent,
    ChannelIntegration,
    Conversation,
    Delivery,
    Message,
    Turn,
    TurnStatus,
    Workspace,
)
from shoptalk.errors import UsageError
from shoptalk.types import Outcome, SenderType

#: What a platform asks to wait for is followed so far: allowances are counted over a day
LONGEST_WAIT_OF_FAILED = timedelta(days=1)


def get_workspace(session: Session, name: str) -> Workspace:
    """The workspace of that name, made on first use."""
    statement = select(Workspace).where(Workspace.name == name)
    found = session.scalars(statement).one_or_none()
    if found is not None:
        return found
    session.execute(insert(Workspace).values(name=name).on_conflict_do_nothing())
    return session.scalars(statement).one()


def get_default_agent(session: Session, workspace_id: int) -> Agent:
    """The workspace's sales agent, made on first use."""
    session.execute(
        insert(Agent).values(workspace_id=workspace_id, name="sales").on_conflict_do_nothing()
    )
    return session.scalars(
        select(Agent).where(Agent.workspace_id == workspace_id, Agent.name == "sales")
    ).one()


def list_channels(session: Session, workspace_id: int) -> Sequence[ChannelIntegration]:
    return session.scalars(
        select(ChannelIntegration)
        .where(ChannelIntegration.workspace_id == workspace_id)
        .order_by(ChannelIntegration.id)
    ).all()


def get_channel(session: Session, workspace_id: int, handle: str) -> ChannelIntegration:
    """A channel by row id or by the platform's account id.

    Raises:
        UsageError: no such channel, or two platforms know that account id.
    """
    by_id = ChannelIntegration.external_id == handle
    if handle.isascii() and handle.isdigit() and len(handle) <= 18:
        by_id = or_(by_id, ChannelIntegration.id == int(handle))
    found = session.scalars(
        select(ChannelIntegration).where(ChannelIntegration.workspace_id == workspace_id, by_id)
    ).all()
    exact = [channel for channel in found if str(channel.id) == handle] or list(found)
    if not exact:
        raise UsageError(f"There is no channel {handle!r}: `shoptalk channels list` shows them.")
    if len(exact) > 1:
        ids = ", ".join(str(channel.id) for channel in exact)
        raise UsageError(f"Account {handle!r} is connected more than once: name one of {ids}.")
    return exact[0]


def find_account(session: Session, platform: str, external_id: str) -> ChannelIntegration | None:
    return session.scalars(
        select(ChannelIntegration).where(
            ChannelIntegration.channel == platform, ChannelIntegration.external_id == external_id
        )
    ).one_or_none()


def pollable_channels(session: Session) -> Sequence[ChannelIntegration]:
    """Connected channels, of all workspaces, that the platform has not refused."""
    return session.scalars(
        select(ChannelIntegration)
        .where(ChannelIntegration.is_connected, ChannelIntegration.stopped_at.is_(None))
        .order_by(ChannelIntegration.id)
    ).all()


_CLAIM_DUE = text("""
    WITH due AS (
        SELECT id FROM channel_integrations
        WHERE is_connected AND stopped_at IS NULL AND channel <> ALL(:not_polled)
          AND (next_poll_at IS NULL OR next_poll_at <= :now
               OR next_poll_at > CASE WHEN failures = 0 THEN :latest ELSE :latest_failed END)
        ORDER BY next_poll_at NULLS FIRST, id
        LIMIT :limit
        FOR NO KEY UPDATE SKIP LOCKED
    )
    UPDATE channel_integrations SET next_poll_at = :not_before
    FROM due WHERE channel_integrations.id = due.id
    RETURNING channel_integrations.*
""")


def claim_due_channels(
    session: Session,
    *,
    not_polled: Collection[str],
    now: datetime,
    not_before: datetime,
    limit: int,
    longest_wait: timedelta = LONGEST_WAIT_OF_FAILED,
) -> Sequence[ChannelIntegration]:
    """Take up to `limit` channels to poll now; nobody else gets them before `not_before`.

    Args:
        not_polled: platforms that are not polled at all.
        longest_wait: of a channel that does not fail. One that is to wait longer was put off by
            a clock that ran ahead, and is due now.
    """
    return session.scalars(
        select(ChannelIntegration).from_statement(_CLAIM_DUE),
        {
            "not_polled": list(not_polled),
            "now": now,
            "not_before": not_before,
            "latest": now + longest_wait,
            "latest_failed": now + LONGEST_WAIT_OF_FAILED,
            "limit": limit,
        },
    ).all()


def advance_watermark(
    session: Session,
    channel_id: int,
    *,
    to: datetime | None,
    has_moved: bool,
    begun_at: datetime,
    polled_at: datetime,
    next_poll_at: datetime | None,
    usage_percent: int | None = None,
) -> None:
    """Note a complete poll. The watermark only moves forward, whoever polls at the same time.

    Args:
        has_moved: something new was listed; False where only time has passed.
        usage_percent: of the allowance; None where the platform did not tell.
    """
    session.execute(
        _ADVANCE,
        {
            "channel_id": channel_id,
            "to": to,
            "has_moved": has_moved,
            "begun_at": begun_at,
            "polled_at": polled_at,
            "next_poll_at": next_poll_at,
            "usage_percent": usage_percent,
        },
    )


#: One statement, and text: it ends each poll. Without a `next_poll_at` the channel is due as it was
#: claimed; but what a failure asked to wait for is over.
_ADVANCE = text("""
    UPDATE channel_integrations SET
        last_fetch_timestamp = greatest(last_fetch_timestamp, CAST(:to AS timestamptz)),
        watermark_moved_at = CASE
            WHEN :has_moved AND last_fetch_timestamp IS DISTINCT FROM
                greatest(last_fetch_timestamp, CAST(:to AS timestamptz))
            THEN :polled_at ELSE watermark_moved_at END,
        last_poll_at = greatest(last_poll_at, CAST(:begun_at AS timestamptz)),
        usage_percent = coalesce(CAST(:usage_percent AS int), usage_percent),
        last_error = NULL,
        remedy = NULL,
        failures = 0,
        next_poll_at = coalesce(CAST(:next_poll_at AS timestamptz),
            CASE WHEN failures = 0 THEN next_poll_at END)
    WHERE id = :channel_id
""")


def note_usage(session: Session, channel_id: int, *, percent: int | None) -> None:
    """How much of the allowance is used up; None where the platform did not tell."""
    session.execute(
        update(ChannelIntegration)
        .where(ChannelIntegration.id == channel_id)
        .values(usage_percent=func.coalesce(percent, ChannelIntegration.usage_percent))
    )


def note_page_sizes(session: Session, channel_id: int, sizes: Mapping[str, Any]) -> None:
    """Remember what the platform could answer, beside what is known of other questions."""
    session.execute(
        update(ChannelIntegration)
        .where(ChannelIntegration.id == channel_id)
        .values(page_sizes=ChannelIntegration.page_sizes.op("||")(dict(sizes)))
    )


def note_failure(session: Session, channel_id: int, error: str, *, wait_until: datetime) -> None:
    session.execute(
        update(ChannelIntegration)
        .where(ChannelIntegration.id == channel_id)
        .values(
            last_error=error,
            failures=ChannelIntegration.failures + 1,
            next_poll_at=wait_until,
        )
    )


def stop_channel(
    session: Session,
    channel_id: int,
    error: str,
    remedy: str,
    *,
    now: datetime,
    config: str | None = None,
) -> None:
    """The platform refuses the account: no polling and no sending until it is reconnected.

    With `config`, only while these are still its credentials: who was refused with a dead token
    must not stop the channel that was given a new one meanwhile.
    """
    statement = update(ChannelIntegration).where(ChannelIntegration.id == channel_id)
    if config is not None:
        statement = statement.where(ChannelIntegration.config == config)
    session.execute(statement.values(stopped_at=now, last_error=error, remedy=remedy))


def claim_token_check(
    session: Session, *, now: datetime, every: timedelta
) -> ChannelIntegration | None:
    """Take the channel whose credentials have gone unchecked longest, if one is due.

    Whoever takes it checks it: no other process does so before `every` has passed again. A row
    that is being changed is waited for; skipped, a channel at work would miss its turn.
    """
    checked_at = ChannelIntegration.token_checked_at
    longest_due = (
        select(ChannelIntegration.id)
        .where(
            ChannelIntegration.is_connected,
            ChannelIntegration.stopped_at.is_(None),
            or_(checked_at.is_(None), checked_at <= now - every),
        )
        .order_by(checked_at.nulls_first(), ChannelIntegration.id)
        .limit(1)
        .with_for_update(key_share=True)  # a poll that has stored rows of it may lock it after us
        .scalar_subquery()
    )
    claim = update(ChannelIntegration).where(ChannelIntegration.id == longest_due)
    return session.scalars(
        claim.values(token_checked_at=now).returning(ChannelIntegration)
    ).one_or_none()


def note_credentials(
    session: Session,
    channel: ChannelIntegration,
    *,
    checked_at: datetime,
    expires_at: datetime | None,
    data_access_expires_at: datetime | None,
    missing_permissions: Sequence[str],
) -> ChannelIntegration | None:
    """Note how the credentials fare; the row as it is now, None where they were replaced."""
    note = update(ChannelIntegration).where(
        ChannelIntegration.id == channel.id, ChannelIntegration.config == channel.config
    )
    return session.scalars(
        note.values(
            token_checked_at=checked_at,
            token_expires_at=expires_at,
            data_access_expires_at=data_access_expires_at,
            missing_permissions=list(missing_permissions),
        ).returning(ChannelIntegration)
    ).one_or_none()


def lock_channel(session: Session, channel_id: int) -> None:
    """Let nobody else change the channel's row until this transaction ends."""
    statement = select(ChannelIntegration.id).where(ChannelIntegration.id == channel_id)
    session.execute(statement.with_for_update(key_share=True))


def resume_history(session: Session, channel_id: int) -> None:
    """There is a thread that the walk into history has not come across."""
    session.execute(
        update(ChannelIntegration)
        .where(ChannelIntegration.id == channel_id)
        .values(history_state="waiting")
    )


def put_history_off(
    session: Session, channel_id: int, *, until: datetime, failed: bool = False
) -> None:
    """Let history wait; polls go on."""
    failures = ChannelIntegration.history_failures + 1 if failed else 0
    session.execute(
        update(ChannelIntegration)
        .where(ChannelIntegration.id == channel_id)
        .values(history_next_at=until, history_failures=failures)
    )


def finish_history(session: Session, channel_id: int) -> None:
    session.execute(
        update(ChannelIntegration)
        .where(ChannelIntegration.id == channel_id)
        .values(
            history_state="done",
            history_since=None,
            history_threads=None,
            history_next_at=None,
            history_failures=0,
        )
    )


def begin_backfill(session: Session, channel_id: int, *, since: datetime | None) -> None:
    """Mark what a backfill reads again: all threads, or those active since a moment."""
    statement = update(Conversation).where(Conversation.channel_integration_id == channel_id)
    if since is not None:
        statement = statement.where(Conversation.last_message_at >= since)
    statement = statement.values(history_complete=False)
    marked = session.scalars(statement.returning(Conversation.id)).all()
    session.execute(
        update(ChannelIntegration)
        .where(ChannelIntegration.id == channel_id)
        .values(history_state="waiting", history_since=since, history_threads=len(marked))
    )


def restart_channel(session: Session, channel_id: int) -> None:
    """The platform accepts the account (again)."""
    session.execute(
        update(ChannelIntegration)
        .where(ChannelIntegration.id == channel_id)
        .values(stopped_at=None, last_error=None, remedy=None, failures=0, next_poll_at=None)
    )


def leave_to_history(session: Session, channel_id: int, *, now: datetime) -> None:
    """A new cut-over: what waited for an answer until now is history, its turns are closed.

    An answer of which something may have been sent already is brought to its end.
    """
    theirs = select(Conversation.id).where(Conversation.channel_integration_id == channel_id)
    session.execute(theirs.order_by(Conversation.id).with_for_update(key_share=True))
    begun = select(Delivery.turn_id).where(Delivery.attempts > 0)
    closed = session.scalars(
        update(Turn)
        .where(Turn.conversation_id.in_(theirs), Turn.closed_at.is_(None), Turn.id.not_in(begun))
        .values(
            status=TurnStatus.CLOSED,
            outcome=Outcome.HISTORY,
            closed_at=now,
            claimed_by=None,
            claimed_until=None,
        )
        .returning(Turn.id)
    ).all()
    session.execute(
        update(Delivery)
        .where(Delivery.turn_id.in_(closed))
        .values(status="failed", failure_reason="the channel was connected anew")
    )
    session.execute(
        update(Message)
        .where(
            Message.conversation_id.in_(theirs),
            Message.sender_type == SenderType.CUSTOMER,
            ~Message.is_old,
            Message.outcome.is_(None),
            or_(Message.turn_id.is_(None), Message.turn_id.in_(closed)),
        )
        .values(is_old=True, reply_sent=True, outcome=Outcome.HISTORY)
    )


def disconnect_channel(session: Session, channel_id: int) -> None:
    session.execute(
        update(ChannelIntegration)
        .where(ChannelIntegration.id == channel_id)
        .values(is_connected=False)
    )
