"""What one import did, as it happens. It becomes a row of `import_runs`."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from shoptalk.db.inbox import Stored
from shoptalk.db.models import ChannelIntegration
from shoptalk.db.storable import storable as storable
from shoptalk.types import Unreadable

MOST_SET_ASIDE = 100  #: reasons kept in full; the count goes on


@dataclass(slots=True, kw_only=True)
class RunReport:
    """Counts and findings of one run. `duration_ms` and `error` are set at its end."""

    kind: str  #: poll, history, backfill or file
    channel_id: int
    workspace_id: int
    channel_name: str
    started_at: datetime
    calls: int = 0
    listed: int = 0  #: records of the list that a poll had to see
    unreadable: int = 0
    stored: Stored = field(default_factory=Stored)
    gaps: list[dict[str, Any]] = field(default_factory=list)
    set_aside: list[dict[str, Any]] = field(default_factory=list)
    duration_ms: int = 0
    error: str | None = None
    remedy: str | None = None
    notes: list[str] = field(default_factory=list)  #: for the person who imports a file

    @classmethod
    def begin(cls, kind: str, channel: ChannelIntegration, *, now: datetime) -> "RunReport":
        return cls(
            kind=kind,
            channel_id=channel.id,
            workspace_id=channel.workspace_id,
            channel_name=f"{channel.channel} {channel.display_name}",
            started_at=now,
        )

    def put_aside(self, records: Sequence[Unreadable]) -> None:
        self.unreadable += len(records)
        room = MOST_SET_ASIDE - len(self.set_aside)
        for record in records[: max(room, 0)]:
            said = record.as_json()
            self.set_aside.append({name: value and storable(value) for name, value in said.items()})

    def declare_gap(
        self,
        thread_id: str | None,
        reason: str,
        *,
        since: datetime | None = None,
        until: datetime | None = None,
        at_most: int | None = None,
    ) -> None:
        """Say what could not be read, between which moments, and how many messages at most."""
        self.gaps.append(
            {
                "thread_id": thread_id,
                "reason": reason,
                "from": since.isoformat() if since else None,
                "to": until.isoformat() if until else None,
                "at_most": at_most,
            }
        )

    def finish(self, *, now: datetime, error: str | None = None) -> None:
        self.duration_ms = max(0, round((now - self.started_at).total_seconds() * 1000))
        self.error = error

    def as_row(self) -> dict[str, Any]:
        """The columns of `import_runs`."""
        return {
            "kind": self.kind,
            "channel_integration_id": self.channel_id,
            "workspace_id": self.workspace_id,
            "started_at": self.started_at,
            "duration_ms": self.duration_ms,
            "conversations": self.stored.conversations,
            "seen": self.stored.seen,
            "new": self.stored.new,
            "duplicate": self.stored.seen - self.stored.new,
            "unreadable": self.unreadable,
            "calls": self.calls,
            "gaps": self.gaps,
            "set_aside": self.set_aside,
            "error": self.error,
        }

    def as_json(self) -> dict[str, Any]:
        row = self.as_row()
        row["started_at"] = self.started_at.isoformat()
        row["channel"] = self.channel_name
        row["remedy"] = self.remedy
        row["notes"] = self.notes
        return row
