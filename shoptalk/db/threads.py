"""What is stored of threads, and which of them are to be read. Callers own the transaction."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import Row, func, select, text, update
from sqlalchemy.orm import Session

from shoptalk.db.models import Conversation


@dataclass(frozen=True, slots=True, kw_only=True)
class KnownThread:
    thread_updated_at: datetime | None
    history_complete: bool
    broken_until: datetime | None  #: reading it failed; not tried again before
    read_failures: int

    def may_be_tried(self, now: datetime) -> bool:
        return self.broken_until is None or self.broken_until <= now


def find_threads(
    session: Session, channel_id: int, thread_ids: Sequence[str]
) -> dict[str, KnownThread]:
    """What is stored about these threads; the unknown ones are absent."""
    rows = session.execute(
        _FIND_THREADS, {"channel_id": channel_id, "thread_ids": list(thread_ids)}
    )
    return {
        row.thread_id: KnownThread(
            thread_updated_at=row.thread_updated_at,
            history_complete=row.history_complete,
            broken_until=row.read_again_at if row.read_failures else None,
            read_failures=row.read_failures,
        )
        for row in rows
    }


_FIND_THREADS = text("""
    SELECT thread_id, thread_updated_at, history_complete, read_again_at, read_failures
    FROM conversations
    WHERE channel_integration_id = :channel_id AND thread_id = ANY(:thread_ids)
""")


def read_again_later(
    session: Session, channel_id: int, thread_id: str, *, at: datetime, failed: bool
) -> None:
    """A later poll reads this thread whatever the list says: it could not be read, or something
    of the second in which it last changed may still be to come.
    """
    session.execute(
        update(Conversation)
        .where(
            Conversation.channel_integration_id == channel_id,
            Conversation.thread_id == thread_id,
        )
        .values(
            read_again_at=func.greatest(Conversation.read_again_at, at),
            read_failures=Conversation.read_failures + int(failed),
        )
    )


def threads_to_read_again(
    session: Session, channel_id: int, *, now: datetime, limit: int
) -> Sequence[Row[Any]]:
    """Their `thread_id`, `customer_id`, `thread_updated_at` and `read_failures`."""
    return session.execute(
        _TO_READ_AGAIN, {"channel_id": channel_id, "now": now, "limit": limit}
    ).all()


_TO_READ_AGAIN = text("""
    SELECT thread_id, customer_id, thread_updated_at, read_failures FROM conversations
    WHERE channel_integration_id = :channel_id AND read_again_at <= :now
    ORDER BY read_again_at, id
    LIMIT :limit
""")


def count_history(session: Session, channel_id: int) -> tuple[int, int]:
    """How many conversations have their beginning stored, and how many lack it."""
    statement = select(
        func.count().filter(Conversation.history_complete),
        func.count().filter(~Conversation.history_complete),
    ).where(Conversation.channel_integration_id == channel_id)
    finished, unfinished = session.execute(statement).one()
    return finished, unfinished


def threads_with_unfinished_history(
    session: Session, channel_id: int, *, after_id: int, limit: int
) -> Sequence[Conversation]:
    """Conversations whose beginning is not stored yet, by id."""
    return session.scalars(
        select(Conversation)
        .where(
            Conversation.channel_integration_id == channel_id,
            ~Conversation.history_complete,
            Conversation.id > after_id,
        )
        .order_by(Conversation.id)
        .limit(limit)
    ).all()
