"""Queries on import runs. Callers own the transaction; nothing here commits."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any, cast

from sqlalchemy import CursorResult, Table, delete, func, select
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import Session

from shoptalk.db.models import ImportRun


def add_run(session: Session, values: Mapping[str, Any]) -> None:
    session.execute(_ADD_RUN, values)


_ADD_RUN = insert(cast(Table, ImportRun.__table__))  # not the model: each poll adds one


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
