"""What was written before the cut-over: every thread to its beginning, resumable.

What is read is stored while the next is asked for, and a conversation whose beginning is stored is
marked. A walk that was interrupted starts at the top again, skims the list of what is marked, and
goes on.
Threads that moved while the list was walked are read by themselves at the end.
"""

from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from shoptalk.db.channels import finish_history, lock_channel, put_history_off
from shoptalk.db.delivery_reports import first_check
from shoptalk.db.engine import Database
from shoptalk.db.inbox import ThreadRows, store_threads
from shoptalk.db.models import ChannelIntegration, Conversation
from shoptalk.db.opt_outs import note_words
from shoptalk.db.runs import add_run
from shoptalk.db.threads import count_history, find_threads, threads_with_unfinished_history
from shoptalk.errors import ChannelStopped, PlatformError, RetryLater, Throttled
from shoptalk.failpoints import failpoint
from shoptalk.importer.attachments import Failure, with_attachments
from shoptalk.importer.opt_out_keywords import words_of
from shoptalk.importer.platform_reader import PlatformReader
from shoptalk.importer.poll_schedule import SPARE_FROM_PERCENT
from shoptalk.importer.prefetch import Prefetcher
from shoptalk.importer.run_report import RunReport
from shoptalk.importer.threads import rows_of, segments_back
from shoptalk.platforms.base import Page, ThreadSlice, Usage
from shoptalk.types import Clock, Customer, InboundMessage

UNFINISHED_AT_ONCE = 100
FAILURES_IN_A_ROW = 3  #: threads that could not be read before the platform itself is to blame
MOST_USAGE = SPARE_FROM_PERCENT  #: of the allowance; beyond it, polls are spared already
PAUSE = timedelta(minutes=10)  #: where the platform does not say when there is more
SKIMMED_FROM = 100  #: finished threads, from which on they are passed over in larger pages
STORED_AT_ONCE = 2000  #: messages, where they come quickly
MOST_AHEAD = 2 * STORED_AT_ONCE  #: messages read and not yet stored
PATIENCE_SECONDS = 0.5  #: how long messages wait for others to be stored with
#: failures in a row, some 20 minutes: messages are stored without attachments that cannot be told
WITHOUT_ATTACHMENTS_AFTER = 7
TIMES_ASKED = 3  #: for one page of the list, before it is taken to repeat itself


@dataclass(frozen=True, slots=True, kw_only=True)
class Progress:
    threads: int
    messages: int
    share: float | None = None  #: of the whole history, 0 to 1; None where nobody knows


def import_history(
    database: Database,
    channel: ChannelIntegration,
    reader: PlatformReader,
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
        stop: asked before each page of the list and each thread. What was read by then is
            stored, and the next call goes on from there.

    Raises:
        PlatformError: interrupted; what was read is stored and the next call goes on.
    """
    history = _History(database, channel, reader, report, until=until, clock=clock, stop=stop)
    for progress in history.walk():
        on_progress(progress)
    now = clock()
    report.finish(now=now)
    with database.transaction() as session:
        if history.spared is not None:
            pause = history.spared.regain_after or PAUSE
            put_history_off(session, channel.id, until=now + pause)
            report.notes.append(
                f"{history.spared.percent} % of the allowance is used; the rest is left to "
                f"what is new, and history goes on at {now + pause:%Y-%m-%d %H:%M:%S} UTC"
            )
        add_run(session, report.as_row())


@dataclass(frozen=True, slots=True)
class _Read:
    """A part of a thread that was read; no rows where that failed."""

    thread_id: str
    rows: ThreadRows | None
    is_last: bool


class _History:
    def __init__(
        self,
        database: Database,
        channel: ChannelIntegration,
        reader: PlatformReader,
        report: RunReport,
        *,
        until: datetime | None,
        clock: Clock,
        stop: Callable[[], bool],
    ) -> None:
        self._stop = stop
        self._database = database
        self._channel = channel
        self._reader = reader
        self._report = report
        self._since = channel.history_since
        self._until = until
        self._clock = clock
        self._threads = 0
        self._messages = 0
        self._finished = self._unfinished_then = 0  # threads, before this walk
        self._is_stopped = False
        self.spared: Usage | None = None  #: the allowance, if the walk broke off to leave some
        self._failed_in_a_row = 0
        self._read_so_far: list[_Read] = []
        self._unstored: set[str] = set()  # threads read to their beginning, on their way
        self._left_to_poll: set[str] = set()  # threads: it failed to read them, and comes back

    def walk(self) -> Iterator[Progress]:
        """Thread by thread; at its end, and only there, the history is marked as whole."""
        with self._database.transaction() as session:
            self._finished, self._unfinished_then = count_history(session, self._channel.id)
        yield from self._store_all(self._read_list())
        after_id = 0
        while not self._is_stopped and (rest := self._unfinished(after_id)):
            yield from self._store_all(self._read_each(rest))
            after_id = rest[-1].id

    def _store_all(self, readings: Iterator[list[_Read]]) -> Iterator[Progress]:
        """Store what was read while the next is being asked for."""
        with Prefetcher(
            readings,
            weigh=lambda reading: sum(len(read.rows.messages) for read in reading if read.rows),
            most=MOST_AHEAD,
            enough=STORED_AT_ONCE,
            patience=PATIENCE_SECONDS,
        ) as ahead:
            while taken := ahead.take():
                reads = [read for reading in taken for read in reading]
                self._store([read.rows for read in reads if read.rows is not None])
                for read in reads:
                    self._unstored.discard(read.thread_id)
                    self._messages += len(read.rows.messages) if read.rows else 0
                    if read.is_last:
                        self._threads += 1
                        yield self._progress()

    def _progress(self) -> Progress:
        whole = self._channel.history_threads
        share = None
        if whole:
            share = min(1.0, (whole - self._unfinished_then + self._threads) / whole)
        return Progress(threads=self._threads, messages=self._messages, share=share)

    def _read_list(self) -> Iterator[list[_Read]]:
        """What was read between one call and the next, over and over."""
        cursor: str | None = None
        asked: Counter[str] = Counter()
        is_skimming = self._reader.shows_past and self._finished >= SKIMMED_FROM
        while not self._must_stop():
            question = self._reader.page if is_skimming else self._reader.past
            page = question(cursor, since=self._since)
            page = with_attachments(
                self._database, self._reader, page, does_without=self._does_without
            )
            unread = list(self._unread(page.threads))
            if is_skimming and not self._is_cheap(unread, page):
                is_skimming = False  # here it is where the walk broke off
                continue
            for piece in unread:
                if piece.older is not None and self._must_stop():
                    continue  # it would take a call
                self._report.put_aside(piece.unreadable)
                yield from self._read(piece, is_last_try=False)
            yield self._taken()
            cursor = page.next_cursor
            if cursor is None or self._is_before_since(page.threads):
                return
            if asked[cursor] == TIMES_ASKED:
                if not self._reader.is_last_page_again(page):
                    self._report.declare_gap(None, "the list of threads repeats itself")
                return
            asked[cursor] += 1

    def _does_without(self, _: ThreadSlice, message: InboundMessage, failure: Failure) -> bool:
        """History has time; but not for ever for a message whose attachments cannot be told."""
        known_until = self._channel.last_fetch_timestamp or self._channel.connected_at
        if message.created_at > known_until:
            return False  # polls come to it
        is_passing = isinstance(failure, RetryLater)
        if is_passing and self._channel.history_failures < WITHOUT_ATTACHMENTS_AFTER:
            raise failure
        return True

    def _is_cheap(self, unread: Sequence[ThreadSlice], page: Page) -> bool:
        """Whether these cost no more calls one by one than with the list, asked for whole."""
        calls = sum(piece.older is not None for piece in unread)
        return calls <= len(page.threads) // self._reader.sizes.past.now

    def _unread(self, threads: Sequence[ThreadSlice]) -> Iterator[ThreadSlice]:
        """Those whose beginning is neither stored nor about to be."""
        unstored = set(self._unstored)  # first: what is stored meanwhile is known by then
        with self._database.transaction() as session:
            known = find_threads(session, self._channel.id, [piece.thread_id for piece in threads])
        for piece in threads:
            before = known.get(piece.thread_id)
            if before is not None and before.read_failures:
                self._left_to_poll.add(piece.thread_id)
            # Where the list is of bare messages, each row adds to its thread.
            is_bare = piece.updated_at is None
            is_read = before is not None and before.history_complete
            if is_bare or not (is_read or piece.thread_id in unstored):
                yield piece

    def _is_before_since(self, threads: Sequence[ThreadSlice]) -> bool:
        last = threads[-1].updated_at if threads else None
        return self._since is not None and last is not None and last < self._since

    def _unfinished(self, after_id: int) -> Sequence[Conversation]:
        """Threads that the list did not lead to. Where there is none, the history is whole."""
        with self._database.transaction() as session:
            lock_channel(session, self._channel.id)  # no poll adds a thread unseen
            rest = threads_with_unfinished_history(
                session, self._channel.id, after_id=after_id, limit=UNFINISHED_AT_ONCE
            )
            if not rest:
                finish_history(session, self._channel.id)
            return rest

    def _read_each(self, conversations: Sequence[Conversation]) -> Iterator[list[_Read]]:
        for conversation in conversations:
            if self._must_stop():
                break
            if conversation.read_failures:
                self._left_to_poll.add(conversation.thread_id)
            piece = ThreadSlice(
                thread_id=conversation.thread_id,
                customer=Customer(customer_id=conversation.customer_id),
                updated_at=None,
                older="",
            )
            yield from self._read(piece, is_last_try=True)
        yield self._taken()

    def _read(self, piece: ThreadSlice, *, is_last_try: bool) -> Iterator[list[_Read]]:
        """Read one thread to its beginning; hand over what there is before each call.

        One that cannot be read does not hold up the others: it is tried once more at the end of
        the walk. Then the gap is declared, and the conversation stays unfinished for the next
        backfill. Up to when a thread is stored is the poll's to note, which looks again for what
        comes late.
        """
        piece = replace(piece, updated_at=None)
        try:
            for stretch in segments_back(self._reader, self._report, piece, stop_at=self._since):
                is_last = stretch.at_beginning or stretch.at_stop
                rows = rows_of(
                    piece, self._wanted(piece, stretch.messages), history_complete=is_last
                )
                self._read_so_far.append(_Read(piece.thread_id, rows, is_last))
                if is_last:
                    self._unstored.add(piece.thread_id)
                else:
                    yield self._taken()
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
            self._read_so_far.append(_Read(piece.thread_id, None, is_last=True))
        else:
            self._failed_in_a_row = 0

    def _must_stop(self) -> bool:
        usage = self._reader.usage
        if usage is not None and usage.percent >= MOST_USAGE:
            self.spared = usage
        self._is_stopped = self._is_stopped or self.spared is not None or self._stop()
        return self._is_stopped

    def _taken(self) -> list[_Read]:
        taken, self._read_so_far = self._read_so_far, []
        return taken

    def _store(self, rows: Sequence[ThreadRows]) -> None:
        if not rows:
            return
        now = self._clock()
        with self._database.transaction() as session:
            self._report.stored += store_threads(
                session,
                self._channel,
                rows,
                imported_at=now,
                backwards=True,
                check_at=first_check(is_told=self._reader.tells_delivery, now=now),
            )
            keywords = self._reader.platform.capabilities.keywords
            note_words(session, self._channel.id, words_of(rows, keywords))
        failpoint("history.page_stored")

    def _wanted(
        self, piece: ThreadSlice, messages: Sequence[InboundMessage]
    ) -> Sequence[InboundMessage]:
        if piece.thread_id in self._left_to_poll:  # it knows what may be answered before what
            messages = [each for each in messages if each.created_at < self._channel.connected_at]
        if self._since is None and self._until is None:
            return messages
        return [message for message in messages if self._is_wanted(message.created_at)]

    def _is_wanted(self, moment: datetime) -> bool:
        return (self._since is None or moment >= self._since) and (
            self._until is None or moment <= self._until
        )
