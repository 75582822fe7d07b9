"""A tick's first half for one channel: what is new since the watermark, stored once.

The list is walked newest first, back to the watermark less the overlap. Rows and watermark
commit together, so that a watermark never passes what is not stored. It comes from the first
page of the walk: what changes while we page is newer, and is seen next time.
"""

from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime, timedelta

from shoptalk.db.channels import advance_watermark, note_usage
from shoptalk.db.engine import Database
from shoptalk.db.inbox import (
    KnownThread,
    ThreadRows,
    find_threads,
    read_again_later,
    store_threads,
    threads_to_read_again,
)
from shoptalk.db.models import ChannelIntegration
from shoptalk.db.runs import add_run
from shoptalk.errors import ChannelStopped, PlatformError, RetryLater, Throttled
from shoptalk.importer.reader import Reader
from shoptalk.importer.report import RunReport
from shoptalk.importer.threads import read_back_to, rows_of
from shoptalk.platforms.base import Page, ThreadSlice
from shoptalk.types import Clock, Customer

READ_AGAIN_FIRST = timedelta(minutes=1)
READ_AGAIN_LONGEST = timedelta(hours=6)
READ_AGAIN_AT_ONCE = 5  #: broken threads tried in one poll; the rest waits for the next
FAILURES_IN_A_ROW = 3  #: threads that could not be read before the platform itself is to blame


def poll_channel(
    database: Database,
    channel: ChannelIntegration,
    reader: Reader,
    report: RunReport,
    *,
    overlap: timedelta,
    clock: Clock,
) -> None:
    """Import what changed since the last poll.

    What was read is stored even when the poll fails half way; the watermark then stays.

    Raises:
        PlatformError: the channel could not be polled to the end.
    """
    walk = _Walk(database, channel, reader, report, overlap=overlap, clock=clock)
    try:
        walk.read_threads_again()
        walk.read_list()
    except PlatformError:
        walk.store(complete=False)
        raise
    walk.store(complete=True)


class _Walk:
    """One poll's way through the list and what it gathered."""

    def __init__(
        self,
        database: Database,
        channel: ChannelIntegration,
        reader: Reader,
        report: RunReport,
        *,
        overlap: timedelta,
        clock: Clock,
    ) -> None:
        self._database = database
        self._channel = channel
        self._reader = reader
        self._report = report
        self._overlap = overlap
        self._clock = clock
        self._rows: list[ThreadRows] = []
        self._look_back_to = _look_back_to(channel, overlap)
        self._read_again: list[tuple[str, datetime, bool]] = []
        self._newest: datetime | None = None  # on the first page
        self._failed_in_a_row = 0

    def read_list(self) -> None:
        cursor: str | None = None
        seen_cursors: set[str] = set()
        while True:
            page = self._reader.page(cursor, since=self._look_back_to)
            if cursor is None:
                self._newest = max(_changes(page), default=None)
            self._read_changed(page)
            cursor = page.next_cursor
            if cursor is None or _ends_before(page, self._look_back_to):
                return
            if cursor in seen_cursors:
                self._report.declare_gap(None, "the list of threads repeats itself")
                return
            seen_cursors.add(cursor)

    def read_threads_again(self) -> None:
        """Threads that could not be read, or whose last second may not have been over."""
        with self._database.transaction() as session:
            due = threads_to_read_again(
                session, self._channel.id, now=self._clock(), limit=READ_AGAIN_AT_ONCE
            )
        for conversation in due:
            piece = ThreadSlice(
                thread_id=conversation.thread_id,
                customer=Customer(customer_id=conversation.customer_id),
                updated_at=conversation.thread_updated_at,
                older="",
            )
            self._read_thread(
                piece,
                stored_until=conversation.thread_updated_at,
                failures=conversation.read_failures,
            )

    def _read_changed(self, page: Page) -> None:
        with self._database.transaction() as session:
            known_threads = find_threads(
                session, self._channel.id, [piece.thread_id for piece in page.threads]
            )
        for piece in page.threads:
            known = known_threads.get(piece.thread_id)
            if known is None:
                if not self._is_left_to_history(piece):
                    self._read_listed(piece, stored_until=None)
            elif not _changed(piece, known):
                self._keep_what_is_shown(piece)
            elif known.broken_until is None or known.broken_until <= self._clock():
                self._read_listed(piece, stored_until=known.thread_updated_at)
            else:
                self._keep_what_is_shown(piece)

    def _is_left_to_history(self, piece: ThreadSlice) -> bool:
        """Whether an unknown thread is an old one that the walk into history comes to."""
        moment = _changed_at(piece)
        waits = self._channel.history_state == "waiting"
        return waits and moment is not None and moment < self._look_back_to

    def _read_listed(self, piece: ThreadSlice, *, stored_until: datetime | None) -> None:
        was_read = self._read_thread(piece, stored_until=stored_until, failures=0)
        if was_read and piece.updated_at is not None and not piece.messages:
            # Times are whole seconds: another message may come in the second of the last one and
            # leave the list as it is. A list that shows messages shows it; this one does not.
            self._read_again.append((piece.thread_id, self._clock() + self._overlap, False))

    def _keep_what_is_shown(self, piece: ThreadSlice) -> None:
        """Messages on the page cost nothing more, and one of them may have come late."""
        moment = _changed_at(piece)
        if piece.messages and moment is not None and moment >= self._look_back_to:
            self._rows.append(_shown(piece))

    def _read_thread(
        self, piece: ThreadSlice, *, stored_until: datetime | None, failures: int
    ) -> bool:
        stop_at = (stored_until or self._channel.connected_at) - self._overlap
        self._report.put_aside(piece.unreadable)
        try:
            rows = read_back_to(self._reader, self._report, piece, stop_at=stop_at)
        except (ChannelStopped, Throttled):
            raise
        except PlatformError as exc:
            self._failed_in_a_row += 1
            if isinstance(exc, RetryLater) and self._failed_in_a_row >= FAILURES_IN_A_ROW:
                raise
            self._set_thread_aside(piece, exc, since=stored_until, failures=failures)
            return False
        self._failed_in_a_row = 0
        self._rows.append(rows)
        return True

    def _set_thread_aside(
        self,
        piece: ThreadSlice,
        error: PlatformError,
        *,
        since: datetime | None,
        failures: int,
    ) -> None:
        """Keep what the list showed, declare the rest, and come back to it."""
        self._report.declare_gap(piece.thread_id, str(error), since=since, until=piece.updated_at)
        self._rows.append(_shown(piece))
        wait = min(READ_AGAIN_FIRST * 2 ** min(failures, 16), READ_AGAIN_LONGEST)
        self._read_again.append((piece.thread_id, self._clock() + wait, True))

    def store(self, *, complete: bool) -> None:
        now = self._clock()
        with self._database.transaction() as session:
            self._report.stored += store_threads(
                session, self._channel, self._rows, imported_at=now
            )
            for thread_id, at, failed in self._read_again:
                read_again_later(session, self._channel.id, thread_id, at=at, failed=failed)
            note_usage(
                session,
                self._channel.id,
                percent=self._reader.usage.percent if self._reader.usage else None,
                page_limit=self._reader.list_limit,
            )
            if complete:
                advance_watermark(session, self._channel.id, to=self._watermark(), polled_at=now)
                self._report.finish(now=now)
                add_run(session, self._report.as_row())


    def _watermark(self) -> datetime | None:
        """What this walk has shown to be stored: up to the newest change on its first page.

        A first poll has looked back beyond the cut-over, so all that is new is stored from there.
        """
        if self._channel.last_fetch_timestamp is None:
            return max(filter(None, (self._newest, self._channel.connected_at)))
        return self._newest


def _look_back_to(channel: ChannelIntegration, overlap: timedelta) -> datetime:
    """How far back this poll walks.

    Something that happened at platform time T is listed at T + overlap at the latest. Once that
    long has passed since the watermark was seen to move, and a poll has looked since, nothing
    before it can be late any more, and an idle poll need not look behind it: one call.
    """
    if channel.last_fetch_timestamp is None:
        return channel.connected_at - overlap
    moved, polled = channel.watermark_moved_at, channel.last_poll_at
    if moved is not None and polled is not None and polled >= moved + overlap:
        return channel.last_fetch_timestamp
    return channel.last_fetch_timestamp - overlap


def _changes(page: Page) -> Sequence[datetime]:
    """When each thread of a page last changed, in the page's order."""
    return [moment for moment in map(_changed_at, page.threads) if moment is not None]


def _changed_at(piece: ThreadSlice) -> datetime | None:
    if piece.updated_at is not None:
        return piece.updated_at
    return max((message.created_at for message in piece.messages), default=None)


def _ends_before(page: Page, moment: datetime) -> bool:
    changes = _changes(page)
    return bool(changes) and changes[-1] <= moment


def _changed(piece: ThreadSlice, known: KnownThread) -> bool:
    if piece.updated_at is None or known.thread_updated_at is None:
        return True
    return piece.updated_at > known.thread_updated_at


def _shown(piece: ThreadSlice) -> ThreadRows:
    """The messages on the page, without a claim that nothing lies between them and ours."""
    return replace(rows_of(piece, piece.messages, history_complete=False), updated_at=None)
