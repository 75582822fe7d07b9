"""Queries on import runs. Callers own the transaction; nothing here commits."""

from collections.abc import Mapping, Sequence
from typing import Any

from sqlalchemy import select
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import Session

from shoptalk.db.models import ImportRun


def add_run(session: Session, values: Mapping[str, Any]) -> None:
    session.execute(insert(ImportRun).values(**values))


def last_runs(session: Session, workspace_id: int, *, limit: int) -> Sequence[ImportRun]:
    return session.scalars(
        select(ImportRun)
        .where(ImportRun.workspace_id == workspace_id)
        .order_by(ImportRun.id.desc())
        .limit(limit)
    ).all()
