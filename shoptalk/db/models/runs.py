"""How the work went: what each import did, and which places are not asked for now."""

from datetime import datetime
from typing import Any

from sqlalchemy import ForeignKey, Index, text
from sqlalchemy.orm import Mapped, mapped_column

from shoptalk.db.models.base import Base, Key


class Circuit(Base):
    """A breaker: after failures in a row, nothing is asked of a place until a moment."""

    __tablename__ = "circuits"

    name: Mapped[str] = mapped_column(primary_key=True)  # "model", or a platform's host
    failures: Mapped[int]  # in a row
    open_until: Mapped[datetime | None]
    last_error: Mapped[str | None]
    changed_at: Mapped[datetime]


class ImportRun(Base):
    __tablename__ = "import_runs"
    __table_args__ = (
        Index("ix_import_runs_channel", "channel_integration_id", "id"),
        Index(
            "ix_import_runs_calls",
            "channel_integration_id",
            "started_at",
            postgresql_include=["calls"],
        ),
        Index(
            "ix_import_runs_new",
            "workspace_id",
            "started_at",
            postgresql_where=text("new > 0"),
        ),
        Index(
            "ix_import_runs_gaps",
            "workspace_id",
            "id",
            postgresql_where=text("jsonb_array_length(gaps) > 0"),
        ),
    )

    id: Mapped[Key]
    workspace_id: Mapped[int] = mapped_column(ForeignKey("workspaces.id"))
    channel_integration_id: Mapped[int] = mapped_column(ForeignKey("channel_integrations.id"))
    kind: Mapped[str]  # poll, history, backfill, file
    started_at: Mapped[datetime]
    duration_ms: Mapped[int] = mapped_column(server_default=text("0"))
    conversations: Mapped[int] = mapped_column(server_default=text("0"))
    seen: Mapped[int] = mapped_column(server_default=text("0"))
    new: Mapped[int] = mapped_column(server_default=text("0"))
    duplicate: Mapped[int] = mapped_column(server_default=text("0"))
    unreadable: Mapped[int] = mapped_column(server_default=text("0"))
    calls: Mapped[int] = mapped_column(server_default=text("0"))
    #: What could not be read: thread_id, reason, from, to, at_most
    gaps: Mapped[list[Any]] = mapped_column(server_default=text("'[]'::jsonb"))
    #: The unreadable records and their reasons, the first hundred
    set_aside: Mapped[list[Any]] = mapped_column(server_default=text("'[]'::jsonb"))
    error: Mapped[str | None]
