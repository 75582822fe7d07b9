"""The live view of `run` and `demo`: channels, queue, who waits, the last messages, errors."""

from collections.abc import Sequence
from datetime import datetime
from types import TracebackType
from typing import Self

from rich.console import Console, Group, RenderableType
from rich.live import Live
from rich.text import Text
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.orm import Session

from shoptalk.commands.common import visible
from shoptalk.commands.conversations import customer_of
from shoptalk.commands.display import (
    Column,
    ago,
    column,
    shortened,
    table_for,
    to_the_second,
)
from shoptalk.commands.waiting import waiting_for_people
from shoptalk.db.conversations import conversations_by_id, list_messages
from shoptalk.db.models import Conversation, Message
from shoptalk.db.status import ChannelStatus, Totals, channel_statuses, totals
from shoptalk.types import SenderType
from shoptalk.wiring import App

LAST_MESSAGES = 5
NO_CHANNEL = "No channel is connected yet: `shoptalk channels connect` adds one."


class LiveView:
    """Redraws the same few lines while its block runs; draws nothing when not enabled."""

    def __init__(self, app: App, *, enabled: bool, console: Console | None = None) -> None:
        self._app = app
        self._since = app.clock()
        self._workspace_id = app.workspace_id()
        self._console = console or Console(highlight=False)
        self._live = (
            Live(console=self._console, auto_refresh=False, transient=True) if enabled else None
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
        except SQLAlchemyError:  # it may be back in a second; the ticks go on trying
            picture = Text("The database does not answer; it is asked again every second.")
        self._live.update(picture, refresh=True)

    def _picture(self) -> RenderableType:
        now = self._app.clock()
        with self._app.database.transaction() as session:
            channels = channel_statuses(session, self._workspace_id, now=now)
            counts = totals(session, self._workspace_id, since=self._since, now=now)
            last = _last_messages(session, self._workspace_id)
        waiting = waiting_for_people(self._app, self._workspace_id)
        remedies = [
            f"channel {each.channel.id}: {each.channel.remedy}"
            for each in channels
            if each.channel.remedy
        ]
        lines = [
            *remedies,
            *totals_lines(counts, now=now),
            *(f"waits for you     {reason.line(now=now)}" for reason in waiting),
        ]
        head = (
            table_for(channel_rows(channels, now=now), channel_columns(), self._console.width)
            if channels
            else Text(f"{NO_CHANNEL} It is taken up from here within seconds.")
        )
        return Group(
            head,
            *(Text(visible(line)) for line in lines),
            *(Text(line, no_wrap=True, overflow="ellipsis") for line in last),
            Text(f"{to_the_second(now)}. Ctrl-C ends it."),
        )


def _last_messages(session: Session, workspace_id: int) -> list[str]:
    """The last of either side, the newest at the end."""
    found = list_messages(session, workspace_id, unreplied=False, outcome=None, limit=LAST_MESSAGES)
    of = conversations_by_id(session, {message.conversation_id for message in found})
    return [
        f"{to_the_second(message.created_at)}  {_side(message, of[message.conversation_id])}: "
        f"{shortened(message.content, 200) or f'[{message.content_type}]'}"
        for message in reversed(found)
    ]


def _side(message: Message, conversation: Conversation) -> str:
    customer = shortened(customer_of(conversation), 24)
    if message.sender_type == SenderType.CUSTOMER:
        return customer
    return f"{message.sender_type} to {customer}"


def channel_columns() -> list[Column]:
    return [
        column("id"),
        column("name", "channel", text=True),
        column("state"),
        column("conversations", spare=True),
        column("last_import", "last import"),
        column("new", spare=True),
        column("calls", "calls in 24 h", text=True, spare=True),
        column("error", text=True),
    ]


def channel_rows(channels: Sequence[ChannelStatus], *, now: datetime) -> list[dict[str, str]]:
    return [
        {
            "id": str(status.channel.id),
            "name": f"{status.channel.channel} {status.channel.display_name}",
            "state": state_of(status),
            "conversations": f"{status.conversations:,}",
            "last_import": ago(status.last_run.started_at if status.last_run else None, now=now),
            "new": f"{status.last_run.new:,}" if status.last_run else "-",
            "calls": _calls(status),
            "error": status.channel.last_error or "-",
        }
        for status in channels
    ]


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


def totals_lines(counts: Totals, *, now: datetime) -> list[str]:
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
    return lines
