"""The live view of `run` and `demo`: channels, queue, replies, orders, errors."""

from collections.abc import Sequence
from datetime import datetime
from types import TracebackType
from typing import Self

from rich.console import Console, Group, RenderableType
from rich.live import Live
from rich.table import Table
from rich.text import Text
from sqlalchemy.exc import SQLAlchemyError

from shoptalk.app import App
from shoptalk.commands.common import visible
from shoptalk.db.status import ChannelStatus, Totals, channel_statuses, totals


class LiveView:
    """Redraws the same few lines while its block runs; draws nothing when not enabled."""

    def __init__(self, app: App, *, enabled: bool, console: Console | None = None) -> None:
        self._app = app
        self._since = app.clock()
        self._workspace_id = app.workspace_id()
        self._live = (
            Live(console=console or Console(highlight=False), auto_refresh=False, transient=True)
            if enabled
            else None
        )

    def __enter__(self) -> Self:
        if self._live is not None:
            self._live.start()
            self.refresh()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if self._live is not None:
            self._live.stop()

    def refresh(self) -> None:
        if self._live is None:
            return
        try:
            picture = self._picture()
        except SQLAlchemyError as exc:  # it may be back in a second; the ticks go on trying
            picture = Text(f"the database does not answer ({type(exc).__name__})")
        self._live.update(picture, refresh=True)

    def _picture(self) -> RenderableType:
        now = self._app.clock()
        with self._app.database.transaction() as session:
            channels = channel_statuses(session, self._workspace_id, now=now)
            counts = totals(session, self._workspace_id, since=self._since, now=now)
        return Group(channel_table(channels, now=now), *totals_lines(counts, now=now))


def channel_table(channels: Sequence[ChannelStatus], *, now: datetime) -> Table:
    table = Table(box=None, pad_edge=False)
    table.add_column("channel", overflow="fold")
    table.add_column("state", overflow="fold")
    for title in ("conversations", "last import", "new"):
        table.add_column(title, no_wrap=True)
    table.add_column("calls in 24 h", overflow="fold")
    table.add_column("error", overflow="fold")
    for status in channels:
        channel, run = status.channel, status.last_run
        table.add_row(
            Text(visible(f"{channel.channel} {channel.display_name}")),
            state_of(status),
            f"{status.conversations:,}",
            ago(run.started_at if run else None, now=now),
            f"{run.new:,}" if run else "-",
            _calls(status),
            Text(visible(channel.last_error or "-")),
        )
    return table


def _calls(status: ChannelStatus) -> str:
    """Used, allowed and left, where the platform tells."""
    allowed = status.calls_allowed
    if allowed is None:
        return f"{status.calls_of_day:,}"
    left = max(0, allowed - status.calls_of_day)
    return f"{status.calls_of_day:,} of about {allowed:,}, {left:,} left"


def state_of(status: ChannelStatus) -> str:
    channel = status.channel
    if not channel.is_connected:
        return "disconnected"
    if channel.stopped_at is not None:
        return "stopped"
    return "reading history" if channel.history_state == "waiting" else "connected"


def totals_lines(counts: Totals, *, now: datetime) -> list[Text]:
    outcomes = ", ".join(f"{n} {name}" for name, n in sorted(counts.turns_by_outcome.items()))
    due = f", the first due {ago(counts.oldest_due_at, now=now)}" if counts.oldest_due_at else ""
    answering = f"{counts.answering_turns} being answered{due}"
    lines = [
        f"messages imported {counts.messages_imported:,}",
        f"queue             {counts.waiting_turns} waiting, {answering}",
        f"turns ended       {outcomes or 'none'}",
        f"orders            {counts.orders}",
    ]
    if counts.uncertain_deliveries or counts.failed_deliveries:
        lines.append(
            f"deliveries        {counts.uncertain_deliveries} uncertain, "
            f"{counts.failed_deliveries} failed: `shoptalk deliveries list`"
        )
    return [Text(line) for line in lines]


def ago(moment: datetime | None, *, now: datetime) -> str:
    """A distance in time, as people say it."""
    if moment is None:
        return "never"
    seconds = round((now - moment).total_seconds())
    word = "ago" if seconds >= 0 else "from now"
    amount = abs(seconds)
    for size, unit in ((86400, "d"), (3600, "h"), (60, "min")):
        if amount >= size:
            return f"{amount // size} {unit} {word}"
    return f"{amount} s {word}"
