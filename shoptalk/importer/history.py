"""What was written before the cut-over: every thread to its beginning, resumable.

Each page is stored as it is read, and a conversation whose beginning is stored is marked. A walk
that was interrupted starts at the top again, reads only the list of what is marked, and goes on.
Threads that moved while the list was walked are read by themselves at the end.
"""

from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import datetime

from shoptalk.crashpoints import reach
from shoptalk.db.channels import finish_history, lock_channel
from shoptalk.db.engine import Database
from shoptalk.db.inbox import (
    ThreadRows,
    find_threads,
    store_threads,
    threads_with_unfinished_history,
)
from shoptalk.db.models import ChannelIntegration
from shoptalk.db.opt_outs import note_words
from shoptalk.db.runs import add_run
from shoptalk.errors import ChannelStopped, PlatformError, RetryLater, Throttled
from shoptalk.importer.attachments import with_attachments
from shoptalk.importer.keywords import words_of
from shoptalk.importer.reader import Reader
from shoptalk.importer.report import RunReport
from shoptalk.importer.threads import rows_of, stretches_back
from shoptalk.platforms.base import ThreadSlice
from shoptalk.types import Clock, Customer

UNFINISHED_AT_ONCE = 100
FAILURES_IN_A_ROW = 3  #: threads that could not be read before the platform itself is to blame
TIMES_ASKED = 3  #: for one page of the list, before it is taken to repeat itself


@dataclass(frozen=True, slots=True, kw_only=True)
class Progress:
    threads: int
    messages: int


def import_history(
    database: Database,
    channel: ChannelIntegration,
    reader: Reader,
    report: RunReport,
    *,
    until: datetime | None = None,
    clock: Clock,
    on_progress: Callable[[Progress], None] = lambda _: None,
    stop: Callable[[], bool] = lambda: False,
) -> None:
    """Read what the channel's history still lacks, and note that it is whole.

    Args:
        until: leave out messages written after this moment. How far back to go is the channel's
            `history_since`.
        stop: asked after each thread; the next call goes on where this one ended.

    Raises:
        PlatformError: interrupted; what was read is stored and the next call goes on.
    """
    history = _History(database, channel, reader, report, until=until, clock=clock)
    for progress in history.walk():
        on_progress(progress)
        if stop():
            break
    report.finish(now=clock())
    with database.transaction() as session:
        add_run(session, report.as_row())


class _History:
    def __init__(
        self,
        database: Database,
        channel: ChannelIntegration,
        reader: Reader,
        report: RunReport,
        *,
        until: datetime | None,
        clock: Clock,
    ) -> None:
        self._database = database
        self._channel = channel
        self._reader = reader
        self._report = report
        self._since = channel.history_since
        self._until = until
        self._clock = clock
        self._threads = 0
        self._failed_in_a_row = 0

    def walk(self) -> Iterator[Progress]:
        """Thread by thread; at its end, and only there, the history is marked as whole."""
        yield from self._walk_list()
        yield from self._finish_the_rest()

    def _walk_list(self) -> Iterator[Progress]:
        cursor: str | None = None
        asked: Counter[str] = Counter()
        while True:
            page = self._reader.page(cursor, since=self._since)
            page = with_attachments(self._database, self._reader, page)
            with self._database.transaction() as session:
                known = find_threads(
                    session, self._channel.id, [piece.thread_id for piece in page.threads]
                )
            for piece in page.threads:
                before = known.get(piece.thread_id)
                # Where the list is of bare messages, each row adds to its thread.
                is_bare = piece.updated_at is None
                if before is None or not before.history_complete or is_bare:
                    self._report.put_aside(piece.unreadable)
                    self._read(piece, is_last_try=False)
                    yield self._progress()
            cursor = page.next_cursor
            if cursor is None or self._is_before_since(page.threads):
                return
            if asked[cursor] == TIMES_ASKED:
                if not self._reader.is_last_page_again(page):
                    self._report.declare_gap(None, "the list of threads repeats itself")
                return
            asked[cursor] += 1

    def _is_before_since(self, threads: Sequence[ThreadSlice]) -> bool:
        last = threads[-1].updated_at if threads else None
        return self._since is not None and last is not None and last < self._since

    def _finish_the_rest(self) -> Iterator[Progress]:
        after_id = 0
        while True:
            with self._database.transaction() as session:
                lock_channel(session, self._channel.id)  # no poll adds a thread unseen
                rest = threads_with_unfinished_history(
                    session, self._channel.id, after_id=after_id, limit=UNFINISHED_AT_ONCE
                )
                if not rest:
                    finish_history(session, self._channel.id)
                    return
            for conversation in rest:
                piece = ThreadSlice(
                    thread_id=conversation.thread_id,
                    customer=Customer(customer_id=conversation.customer_id),
                    updated_at=None,
                    older="",
                )
                self._read(piece, is_last_try=True)
                yield self._progress()
            after_id = rest[-1].id

    def _read(self, piece: ThreadSlice, *, is_last_try: bool) -> None:
        """Read one thread to its beginning, storing page by page.

        One that cannot be read does not hold up the others: it is tried once more at the end of
        the walk. Then the gap is declared, and the conversation stays unfinished for the next
        backfill. Up to when a thread is stored is the poll's to note, which looks again for what
        comes late.
        """
        self._threads += 1
        piece = replace(piece, updated_at=None)
        try:
            for stretch in stretches_back(self._reader, self._report, piece, stop_at=self._since):
                rows = rows_of(
                    piece,
                    stretch.messages,
                    history_complete=stretch.at_beginning or stretch.at_stop,
                )
                self._store(rows)
        except (ChannelStopped, Throttled):
            raise
        except PlatformError as exc:
            self._failed_in_a_row += isinstance(exc, RetryLater)
            if self._failed_in_a_row >= FAILURES_IN_A_ROW:
                raise
            if is_last_try:
                self._report.declare_gap(
                    piece.thread_id, str(exc), since=self._since, until=self._until
                )
        else:
            self._failed_in_a_row = 0

    def _store(self, rows: ThreadRows) -> None:
        wanted = [message for message in rows.messages if self._is_wanted(message.created_at)]
        with self._database.transaction() as session:
            self._report.stored += store_threads(
                session,
                self._channel,
                [replace(rows, messages=wanted)],
                imported_at=self._clock(),
                backwards=True,
            )
            keywords = self._reader.platform.can.keywords
            note_words(session, self._channel.id, words_of([rows], keywords))
        reach("history.page_stored")

    def _is_wanted(self, moment: datetime) -> bool:
        return (self._since is None or moment >= self._since) and (
            self._until is None or moment <= self._until
        )

    def _progress(self) -> Progress:
        return Progress(threads=self._threads, messages=self._report.stored.seen)
