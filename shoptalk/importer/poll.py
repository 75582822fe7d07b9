"""A tick's first half for one channel: what is new since the watermark, stored once.

The list is walked newest first, back to the watermark less the overlap. Rows and watermark
commit together, so that a watermark never passes what is not stored. It comes from the first
page of the walk: what changes while we page is newer, and is seen next time.
"""

from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta

from sqlalchemy.orm import Session

from shoptalk.crashpoints import reach
from shoptalk.db.channels import advance_watermark, note_usage, resume_history
from shoptalk.db.engine import Database
from shoptalk.db.inbox import ThreadRows, store_threads
from shoptalk.db.models import ChannelIntegration
from shoptalk.db.opt_outs import note_words
from shoptalk.db.runs import add_run, calls_since
from shoptalk.db.threads import (
    KnownThread,
    find_threads,
    read_again_later,
    threads_to_read_again,
)
from shoptalk.db.wakeup import Wakeup, WakeupKind, wake
from shoptalk.errors import (
    BadPayload,
    ChannelStopped,
    GiveUp,
    PlatformError,
    RetryLater,
    Throttled,
)
from shoptalk.importer.attachments import with_attachments
from shoptalk.importer.deliveries import DeliveryNews, first_check
from shoptalk.importer.keywords import words_of
from shoptalk.importer.plan import DAY, EVERY_TICK, SPARE_FROM_PERCENT, PollPlan, sparing
from shoptalk.importer.reader import Reader
from shoptalk.importer.report import RunReport
from shoptalk.importer.threads import reaches, read_back_to, rows_of
from shoptalk.platforms.base import Page, ThreadSlice
from shoptalk.types import Clock, Customer

READ_AGAIN_FIRST = timedelta(minutes=1)
READ_AGAIN_LONGEST = timedelta(hours=6)
READ_AGAIN_AT_ONCE = 5  #: broken threads tried in one poll; the rest waits for the next
UNREADABLE_AFTER = 3  #: failures, before a thread's newest messages no longer wait for the rest
FAILURES_IN_A_ROW = 3  #: threads that could not be read before the platform itself is to blame
ONE_SECOND = timedelta(seconds=1)
TIMES_ASKED = 3  #: for one page of the list, before it is taken to repeat itself


def poll_channel(
    database: Database,
    channel: ChannelIntegration,
    reader: Reader,
    report: RunReport,
    *,
    overlap: timedelta,
    plan: PollPlan = EVERY_TICK,
    clock: Clock,
) -> None:
    """Import what changed since the last poll.

    What was read is stored even when the poll fails half way; the watermark then stays.

    Raises:
        PlatformError: the channel could not be polled to the end.
    """
    walk = _Walk(database, channel, reader, report, overlap=overlap, plan=plan, clock=clock)
    try:
        walk.read_list()
        walk.read_threads_again()
        walk.deliveries.ask()
    except PlatformError:
        walk.store(complete=False)
        raise
    walk.store(complete=True)
    walk.deliveries.note()


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
        plan: PollPlan,
        clock: Clock,
    ) -> None:
        self._database = database
        self._channel = channel
        self._reader = reader
        self._report = report
        self.deliveries = DeliveryNews(database, channel.id, reader, clock=clock)
        self._overlap = overlap
        self._plan = plan
        self._clock = clock
        self._rows: list[ThreadRows] = []
        self._begun_at = clock()
        self._look_back_to = _look_back_to(channel, overlap)
        self._known_whole_until = _known_whole_until(channel, overlap)
        self._tried: dict[str, datetime] = {}  # threads of this walk, and as of which change
        self._read_again: list[tuple[str, datetime, bool]] = []
        self._newest: datetime | None = None  # on the first page
        self._settled_until: datetime | None = None  # as the platform says with it
        self._failed_in_a_row = 0

    def read_list(self) -> None:
        cursor: str | None = None
        asked: Counter[str] = Counter()
        while True:
            page = self._reader.page(cursor, since=self._look_back_to)
            reach("import.page_read")
            if cursor is None:
                self._newest = max(_changes(page), default=None)
                self._settled_until = page.settled_until
            self._report.listed += _count_since(page, self._look_back_to)
            self.deliveries.gather(page)
            self._read_changed(with_attachments(self._database, self._reader, page))
            cursor = page.next_cursor
            is_over = not page.another_list_follows and _ends_before(page, self._look_back_to)
            if cursor is None or is_over:
                return
            if asked[cursor] == TIMES_ASKED:
                if self._reader.is_last_page_again(page):
                    return
                raise BadPayload(
                    "the list of threads repeats itself", platform=self._reader.platform.name
                )
            asked[cursor] += 1

    def read_threads_again(self) -> None:
        """Threads that could not be read, or to which something may have come late."""
        with self._database.reading() as session:
            due = threads_to_read_again(
                session, self._channel.id, now=self._clock(), limit=READ_AGAIN_AT_ONCE
            )
        for conversation in due:
            if conversation.thread_id in self._tried:
                continue
            stored_until = conversation.thread_updated_at or self._channel.connected_at
            piece = ThreadSlice(
                thread_id=conversation.thread_id,
                customer=Customer(customer_id=conversation.customer_id),
                updated_at=stored_until,
                older="",
            )
            try:
                self._read_thread(
                    piece,
                    stored_until=stored_until,
                    changed_at=None,
                    failures=conversation.read_failures,
                )
            except Throttled:
                raise
            except RetryLater:
                return  # the list was read; these stay due

    def _read_changed(self, page: Page) -> None:
        with self._database.reading() as session:
            known_threads = find_threads(
                session, self._channel.id, [piece.thread_id for piece in page.threads]
            )
        for piece in page.threads:
            known = known_threads.get(piece.thread_id)
            if self._was_tried(piece) or self._is_left_to_history(piece, known):
                continue
            if known is None:
                self._read_listed(piece, stored_until=None)
            elif not _changed(piece, known):
                self._keep_what_is_shown(piece, known)
            elif known.broken_until is None or known.broken_until <= self._clock():
                self._read_listed(
                    piece, stored_until=known.thread_updated_at, failures=known.read_failures
                )
            else:
                self._leave_aside(piece, known)

    def _is_left_to_history(self, piece: ThreadSlice, known: KnownThread | None) -> bool:
        """Whether a thread is an old one that the walk into history comes to, or has come to."""
        moment = _changed_at(piece)
        if moment is None or moment >= self._look_back_to:
            return False
        if known is None:
            return self._channel.history_state == "waiting"
        return known.thread_updated_at is None and known.broken_until is None

    def _was_tried(self, piece: ThreadSlice) -> bool:
        """Whether this walk has come across the thread as it is now: a page may come twice."""
        tried = self._tried.get(piece.thread_id)
        return tried is not None and piece.updated_at is not None and piece.updated_at <= tried

    def _read_listed(
        self, piece: ThreadSlice, *, stored_until: datetime | None, failures: int = 0
    ) -> None:
        if piece.updated_at is not None:
            self._tried[piece.thread_id] = piece.updated_at
        unreadable = self._report.unreadable
        was_read = self._read_thread(
            piece, stored_until=stored_until, changed_at=piece.updated_at, failures=failures
        )
        has_holes = self._report.unreadable > unreadable
        if was_read and piece.updated_at is not None and (has_holes or not piece.messages):
            # Times are whole seconds: another message may come in the second of the last one and
            # leave the list as it is. A list that shows messages shows it; this one does not.
            # And a record that made no sense may make some later.
            self._read_again.append((piece.thread_id, self._clock() + self._overlap, False))

    def _keep_what_is_shown(self, piece: ThreadSlice, known: KnownThread) -> None:
        """Messages on the page cost nothing more, and one of them may have come late.

        Where more was written lately than a page shows, the late one may stand behind it: then
        the thread is read once more when nothing can be late any longer.
        """
        moment = _changed_at(piece)
        if not piece.messages or moment is None or moment < self._look_back_to:
            return
        if moment <= self._known_whole_until:
            return
        self._rows.append(_shown(piece))
        is_settled = self._look_back_to == self._channel.last_fetch_timestamp
        shows_all = piece.older is None or reaches(piece.messages, moment - self._overlap)
        if not is_settled and not shows_all and known.broken_until is None:
            self._read_again.append((piece.thread_id, self._clock() + self._overlap, False))

    def _leave_aside(self, piece: ThreadSlice, known: KnownThread) -> None:
        """A thread that failed lately is not tried at each poll; what it lacks grows meanwhile."""
        self._report.declare_gap(
            piece.thread_id,
            f"reading it failed and is tried again at {known.broken_until:%Y-%m-%d %H:%M:%S} UTC",
            since=self._stop_at(known.thread_updated_at),
            until=piece.updated_at,
        )
        self._rows.append(_kept_aside(piece, for_good=known.read_failures >= UNREADABLE_AFTER))

    def _stop_at(self, stored_until: datetime | None) -> datetime:
        return (stored_until or self._channel.connected_at) - self._overlap

    def _read_thread(
        self,
        piece: ThreadSlice,
        *,
        stored_until: datetime | None,
        changed_at: datetime | None,
        failures: int,
    ) -> bool:
        stop_at = self._stop_at(stored_until)
        self._report.put_aside(piece.unreadable)
        try:
            rows = read_back_to(self._reader, self._report, piece, stop_at=stop_at)
        except (ChannelStopped, Throttled):
            raise
        except PlatformError as exc:
            self._failed_in_a_row += isinstance(exc, RetryLater)
            if self._failed_in_a_row >= FAILURES_IN_A_ROW:
                raise
            self._set_thread_aside(piece, exc, since=stop_at, until=changed_at, failures=failures)
            return False
        self._failed_in_a_row = 0
        self._rows.append(rows)
        return True

    def _set_thread_aside(
        self,
        piece: ThreadSlice,
        error: PlatformError,
        *,
        since: datetime,
        until: datetime | None,
        failures: int,
    ) -> None:
        """Declare what could not be read, and come back to it."""
        self._report.declare_gap(piece.thread_id, str(error), since=since, until=until)
        for_good = isinstance(error, GiveUp) or failures >= UNREADABLE_AFTER
        self._rows.append(_kept_aside(piece, for_good=for_good))
        wait = min(READ_AGAIN_FIRST * 2 ** min(failures, 16), READ_AGAIN_LONGEST)
        self._read_again.append((piece.thread_id, self._clock() + wait, True))

    def store(self, *, complete: bool) -> None:
        now = self._clock()
        reach("import.before_store")
        with self._database.transaction() as session:
            percent = self._reader.usage.percent if self._reader.usage else None
            if self._rows or self._read_again or not complete:
                # First, for it locks the channel's row: who stores for one channel takes turns.
                note_usage(session, self._channel.id, percent=percent)
            stored = store_threads(
                session,
                self._channel,
                self._rows,
                imported_at=now,
                check_at=first_check(self._reader.platform, now=now),
            )
            self._report.stored += stored
            if stored.new:
                wake(session, Wakeup(WakeupKind.REPLY, self._channel.id))
            keywords = self._reader.platform.can.keywords
            note_words(session, self._channel.id, words_of(self._rows, keywords))
            if stored.unfinished and self._reader.platform.can.history:
                resume_history(session, self._channel.id)
            for thread_id, at, failed in self._read_again:
                read_again_later(session, self._channel.id, thread_id, at=at, failed=failed)
            if complete:
                advance_watermark(
                    session,
                    self._channel.id,
                    to=self._watermark(),
                    has_moved=self._has_moved,
                    begun_at=self._begun_at,
                    polled_at=now,
                    next_poll_at=self._next_poll_at(session, now),
                    usage_percent=percent,
                )
                self._report.finish(now=now)
                add_run(session, self._report.as_row())
            reach("import.in_transaction")
        reach("import.after_store")

    def _next_poll_at(self, session: Session, now: datetime) -> datetime | None:
        channel = self._channel
        usage = self._reader.usage
        percent = usage.percent if usage else channel.usage_percent or 0
        calls = calls_since(session, channel.id, now - DAY) if percent > SPARE_FROM_PERCENT else 0
        return self._plan.next_poll_at(
            self._begun_at,
            active_at=now if self._has_moved else channel.watermark_moved_at,
            spare=sparing(usage_percent=percent, calls_of_day=calls + self._report.calls),
        )

    def _watermark(self) -> datetime | None:
        """What this walk has shown to be stored: up to the newest change on its first page.

        Where the platform says until when its list is settled, it is no more than that, and no
        less than what cannot be late any longer.
        A first poll has looked back beyond the cut-over, so all that is new is stored from there.
        """
        if self._channel.last_fetch_timestamp is None:
            return max(filter(None, (self._newest, self._channel.connected_at)))
        if self._settled_until is None:
            return self._newest
        cannot_be_late = self._settled_until - self._overlap
        return min(max(self._newest or cannot_be_late, cannot_be_late), self._settled_until)

    @property
    def _has_moved(self) -> bool:
        """Whether something new was listed; time alone may move the watermark too."""
        before = self._channel.last_fetch_timestamp
        return before is None or (self._newest is not None and self._newest > before)


def _kept_aside(piece: ThreadSlice, *, for_good: bool) -> ThreadRows:
    """What is stored of a thread whose older part could not be read.

    Its newest messages wait for that part, or they would be answered before those that were
    written first; a part that cannot be read at all is not waited for.
    """
    shown = _shown(piece)
    return shown if for_good else replace(shown, messages=())


def _look_back_to(channel: ChannelIntegration, overlap: timedelta) -> datetime:
    """How far back this poll walks.

    Something that happened at platform time T is listed at T + overlap at the latest. Once that
    long has passed since the watermark was seen to move, and a poll was begun since, nothing
    before it can be late any more, and an idle poll need not look behind it: one call.
    """
    if channel.last_fetch_timestamp is None:
        return channel.connected_at - overlap
    moved, polled = channel.watermark_moved_at, channel.last_poll_at
    if moved is not None and polled is not None and polled >= moved + overlap:
        return channel.last_fetch_timestamp
    return channel.last_fetch_timestamp - overlap


def _known_whole_until(channel: ChannelIntegration, overlap: timedelta) -> datetime:
    """Up to where not even the watermark's own second can hold anything that is not stored.

    Times are whole seconds. Once a poll was begun after that second was over and nothing of it
    could be late, what was written in it is stored.
    """
    watermark, moved, polled = (
        channel.last_fetch_timestamp,
        channel.watermark_moved_at,
        channel.last_poll_at,
    )
    if watermark is None or moved is None or polled is None:
        return datetime.min.replace(tzinfo=UTC)
    is_over = polled >= moved + overlap + ONE_SECOND
    return watermark if is_over else datetime.min.replace(tzinfo=UTC)


def _changes(page: Page) -> Sequence[datetime]:
    """When each thread of a page last changed, in the page's order."""
    return [moment for moment in map(_changed_at, page.threads) if moment is not None]


def _changed_at(piece: ThreadSlice) -> datetime | None:
    if piece.updated_at is not None:
        return piece.updated_at
    return max((message.created_at for message in piece.messages), default=None)


def _count_since(page: Page, moment: datetime) -> int:
    """How many records of the page changed since: threads, or messages where it lists those."""
    return sum(
        1 if piece.updated_at is not None else len(piece.messages)
        for piece in page.threads
        if (changed_at := _changed_at(piece)) is None or changed_at > moment
    )


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
