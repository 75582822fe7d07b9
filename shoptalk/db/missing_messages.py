"""Messages that may have come before others that are stored. Callers own the transaction.

A list of bare messages shows the newest first. Who could not read it to its end has stored messages
without knowing those before them: what was stored since then waits.
"""

from collections.abc import Collection
from datetime import datetime, timedelta

from sqlalchemy import func, select, text, update
from sqlalchemy.orm import Session

from shoptalk.db.models import ChannelIntegration, Message

WAITS_FOR = timedelta(minutes=15)  #: what cannot be read at all is not waited for

#: Of a `channel` and a `message`; `:missing_before` is this much before now
NOTHING_MISSING_BEFORE = """(channel.missing_since IS NULL
    OR message.imported_at < channel.missing_since
    OR channel.missing_since <= CAST(:missing_before AS timestamptz))"""


def find_missing_since(session: Session, channel_id: int) -> datetime | None:
    """As of now, and until the transaction ends: it locks the channel's row."""
    return session.scalar(
        select(ChannelIntegration.missing_since)
        .where(ChannelIntegration.id == channel_id)
        .with_for_update(key_share=True)
    )


_HIDES = text("""
    SELECT EXISTS (
        SELECT FROM messages AS message
        JOIN conversations AS conversation ON conversation.id = message.conversation_id
        WHERE conversation.channel_integration_id = :channel_id
          AND message.sender_type = 'customer' AND NOT message.is_old AND NOT message.reply_sent
          AND message.outcome IS NULL AND message.turn_id IS NULL
          AND message.imported_at >= :since AND message.message_id <> ALL(:shown)
    )
""")


def hides_what_waits(
    session: Session, channel_id: int, *, since: datetime, shown: Collection[str]
) -> bool:
    """Whether a walk has not shown, by message_id, all that waits for one that is whole."""
    values = {"channel_id": channel_id, "since": since, "shown": list(shown)}
    return bool(session.scalar(_HIDES, values))


def note_missing(session: Session, channel_id: int, *, at: datetime) -> None:
    """The list was not read whole; what was stored of it is so from `at` on, or longer."""
    session.execute(
        update(ChannelIntegration)
        .where(ChannelIntegration.id == channel_id)
        .values(missing_since=func.coalesce(ChannelIntegration.missing_since, at))
    )


def note_complete(session: Session, channel_id: int, *, begun_at: datetime) -> None:
    """The list was read whole by a walk that began at a moment."""
    session.execute(
        update(ChannelIntegration)
        .where(ChannelIntegration.id == channel_id, ChannelIntegration.missing_since <= begun_at)
        .values(missing_since=None)
    )


def note_malformed(session: Session, channel_id: int, *, at: datetime) -> None:
    """A list of threads shows records that make no sense, from `at` on, or longer."""
    session.execute(
        update(ChannelIntegration)
        .where(ChannelIntegration.id == channel_id)
        .values(malformed_since=func.coalesce(ChannelIntegration.malformed_since, at))
    )


def note_well_formed(session: Session, channel_id: int, *, begun_at: datetime) -> None:
    """A walk that began at a moment saw nothing of the kind."""
    session.execute(
        update(ChannelIntegration)
        .where(ChannelIntegration.id == channel_id, ChannelIntegration.malformed_since <= begun_at)
        .values(malformed_since=None)
    )


def waits_for_missing(message: Message, channel: ChannelIntegration, *, now: datetime) -> bool:
    """Whether a message waits for older ones that could not be read."""
    since = channel.missing_since
    return since is not None and since <= message.imported_at and now < since + WAITS_FOR
