"""Queries on import runs. Callers own the transaction; nothing here commits."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import CursorResult, delete, func, select
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import Session

from shoptalk.db.models import Base, ImportRun


def add_run(session: Session, values: Mapping[str, Any]) -> None:
    session.execute(_ADD_RUN, values)


_ADD_RUN = insert(Base.metadata.tables["import_runs"])  # not the model: each poll adds one


def last_runs(session: Session, workspace_id: int, *, limit: int) -> Sequence[ImportRun]:
    return session.scalars(
        select(ImportRun)
        .where(ImportRun.workspace_id == workspace_id)
        .order_by(ImportRun.id.desc())
        .limit(limit)
    ).all()


def calls_since(session: Session, channel_id: int, since: datetime) -> int:
    """How many calls a channel's imports have used since then."""
    used = session.scalar(
        select(func.sum(ImportRun.calls)).where(
            ImportRun.channel_integration_id == channel_id, ImportRun.started_at > since
        )
    )
    return int(used or 0)


def forget_uneventful(session: Session, *, before: datetime) -> int:
    """Delete polls that met nothing new and no trouble; return how many.

    A shop of ten channels leaves some 80,000 of them a day.
    """
    forgotten = session.execute(
        delete(ImportRun).where(
            ImportRun.started_at < before,
            ImportRun.kind == "poll",
            ImportRun.new == 0,
            ImportRun.unreadable == 0,
            ImportRun.error.is_(None),
            func.jsonb_array_length(ImportRun.gaps) == 0,
        )
    )
    assert isinstance(forgotten, CursorResult)
    return forgotten.rowcount
