"""A tick's first half for one channel: what is new since the watermark, stored once.

The list is walked newest first, back to the watermark less the overlap, and a thread that changed
is read back to what is stored of it. What was read goes into a `Harvest`, which stores it.
"""

from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from itertools import takewhile

from shoptalk.crashpoints import reach
from shoptalk.db.engine import Database
from shoptalk.db.inbox import ThreadRows, find_stored
from shoptalk.db.models import ChannelIntegration
from shoptalk.db.threads import KnownThread, find_threads, threads_to_read_again
from shoptalk.errors import (
    BadPayload,
    ChannelStopped,
    GiveUp,
    PlatformError,
    RetryLater,
    Throttled,
)
from shoptalk.importer.attachments import with_attachments
from shoptalk.importer.deliveries import DeliveryNews
from shoptalk.importer.harvest import Harvest, changed_at, changes
from shoptalk.importer.plan import EVERY_TICK, PollPlan
from shoptalk.importer.reader import Reader
from shoptalk.importer.report import RunReport, storable
from shoptalk.importer.threads import Stretch, holes_of, reaches, read_back_to, rows_of
from shoptalk.platforms.base import Page, ThreadSlice
from shoptalk.types import Clock, Customer, InboundMessage, SenderType

READ_AGAIN_FIRST = timedelta(seconds=10)
READ_AGAIN_LONGEST = timedelta(hours=6)
READ_AGAIN_AT_ONCE = 5  #: broken threads tried in one poll; the rest waits for the next
UNREADABLE_AFTER = 6
#: failures in some ten minutes, before a thread's newest messages no longer wait for the rest
FAILURES_IN_A_ROW = 3  #: threads that could not be read before the platform itself is to blame
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
    harvest = Harvest(database, channel, reader, report, overlap=overlap, plan=plan, clock=clock)
    deliveries = DeliveryNews(database, channel.id, reader, clock=clock)
    walk = _Walk(database, channel, reader, report, harvest, deliveries, overlap, clock)
    try:
        walk.read_list()
        walk.read_threads_again()
        deliveries.ask()
    except PlatformError:
        harvest.store(complete=False)
        raise
    harvest.store(complete=True)
    deliveries.note()


class _Walk:
    """One poll's way through the list."""

    def __init__(
        self,
        database: Database,
        channel: ChannelIntegration,
        reader: Reader,
        report: RunReport,
        harvest: Harvest,
        deliveries: DeliveryNews,
        overlap: timedelta,
        clock: Clock,
    ) -> None:
        self._database = database
        self._channel = channel
        self._reader = reader
        self._report = report
        self._harvest = harvest
        self._deliveries = deliveries
        self._overlap = overlap
        self._clock = clock
        self._look_back_to = harvest.look_back_to
        self._tried: dict[str, datetime] = {}  # threads of this walk, and as of which change
        self._failed_in_a_row = 0

    def read_list(self) -> None:
        cursor: str | None = None
        asked: Counter[str] = Counter()
        while True:
            page = self._reader.page(cursor, since=self._look_back_to)
            reach("import.page_read")
            self._harvest.note_page(page, is_first=cursor is None)
            self._deliveries.gather(page)
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
        moment = changed_at(piece)
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
            self._harvest.read_again(piece.thread_id, wait=self._overlap, failed=False)

    def _keep_what_is_shown(self, piece: ThreadSlice, known: KnownThread) -> None:
        """Messages on the page cost nothing more, and one of them may have come late.

        Where more was written lately than a page shows, the late one may stand behind it: then
        the thread is read once more when nothing can be late any longer.
        """
        moment = changed_at(piece)
        if not piece.messages or moment is None or moment < self._look_back_to:
            return
        if moment <= self._harvest.known_whole_until:
            return
        if _is_waited_for(known, self._clock()):
            self._harvest.add(_kept_aside(piece, for_good=False))
            return
        stop_at = self._stop_at(known.thread_updated_at)
        if self._shows_one_second(piece, moment, since=stop_at):
            self._read_listed(
                piece, stored_until=known.thread_updated_at, failures=known.read_failures
            )
            return
        shown = Stretch(piece.messages, False, False, holes_of(piece.unreadable))
        if self._holds_back(
            piece, shown, since=stop_at, until=moment, failures=known.read_failures
        ):
            self._report.put_aside(piece.unreadable)
            return
        self._harvest.add(_shown(piece))
        is_settled = self._look_back_to == self._channel.last_fetch_timestamp
        shows_all = piece.older is None or reaches(piece.messages, moment - self._overlap)
        if not is_settled and not shows_all and known.broken_until is None:
            self._harvest.read_again(piece.thread_id, wait=self._overlap, failed=False)

    def _shows_one_second(self, piece: ThreadSlice, moment: datetime, *, since: datetime) -> bool:
        """Whether all that is shown came in one second, and does not reach what is stored."""
        if piece.older is None or any(each.created_at < moment for each in piece.messages):
            return False
        shown = Stretch(piece.messages, False, False, holes=[len(piece.messages)])
        return self._count_behind_hole(shown, since=since) > 0

    def _leave_aside(self, piece: ThreadSlice, known: KnownThread) -> None:
        """A thread that failed lately is not tried at each poll; what it lacks grows meanwhile."""
        self._report.declare_gap(
            piece.thread_id,
            f"reading it failed and is tried again at {known.broken_until:%Y-%m-%d %H:%M:%S} UTC",
            since=self._stop_at(known.thread_updated_at),
            until=piece.updated_at,
        )
        self._harvest.add(_kept_aside(piece, for_good=known.read_failures >= UNREADABLE_AFTER))

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
            way = read_back_to(self._reader, self._report, piece, stop_at=stop_at)
        except (ChannelStopped, Throttled):
            raise
        except PlatformError as exc:
            self._failed_in_a_row += isinstance(exc, RetryLater)
            if self._failed_in_a_row >= FAILURES_IN_A_ROW:
                raise
            for_good = isinstance(exc, GiveUp) or failures >= UNREADABLE_AFTER
            self._harvest.add(_kept_aside(piece, for_good=for_good))
            self._set_thread_aside(
                piece, str(exc), since=stop_at, until=changed_at, failures=failures
            )
            return False
        self._failed_in_a_row = 0
        if self._holds_back(piece, way, since=stop_at, until=changed_at, failures=failures):
            return False
        self._harvest.add(rows_of(piece, way.messages, history_complete=way.at_beginning))
        return True

    def _holds_back(
        self,
        piece: ThreadSlice,
        way: Stretch,
        *,
        since: datetime,
        until: datetime | None,
        failures: int,
    ) -> bool:
        """Set a thread aside if a record that makes no sense may be what is to be answered first.

        What its customer wrote after that waits for it, as long as for a thread that fails.
        """
        waiting = self._count_behind_hole(way, since=since)
        if not waiting or failures >= UNREADABLE_AFTER:
            return False
        rows = rows_of(piece, way.messages[waiting:], history_complete=way.at_beginning)
        newer = rows_of(piece, way.messages[:waiting], history_complete=False)
        ready = [*rows.messages, *_by_our_side(newer.messages)]
        self._harvest.add(replace(rows, messages=ready, updated_at=None))
        reason = "a record of the thread makes no sense"
        self._set_thread_aside(piece, reason, since=since, until=until, failures=failures)
        return True

    def _count_behind_hole(self, way: Stretch, *, since: datetime) -> int:
        """How many of a thread's newest messages have a hole before them that matters: it is not
        older than what the customer wrote and is stored, nor than what nobody will answer.
        """
        if not any(way.holes):
            return 0
        moment = max(since, self._channel.connected_at)
        recent = list(takewhile(lambda message: message.created_at >= moment, way.messages))
        ids = [
            storable(each.message_id) for each in recent if each.sender_type == SenderType.CUSTOMER
        ]
        with self._database.reading() as session:
            stored = find_stored(session, ids)
        known = (place for place, each in enumerate(recent) if storable(each.message_id) in stored)
        first_known = next(known, len(recent))
        return max((place for place in way.holes if place <= first_known), default=0)

    def _set_thread_aside(
        self,
        piece: ThreadSlice,
        reason: str,
        *,
        since: datetime,
        until: datetime | None,
        failures: int,
    ) -> None:
        """Declare what could not be read, and come back to it."""
        self._report.declare_gap(piece.thread_id, reason, since=since, until=until)
        wait = min(READ_AGAIN_FIRST * 2 ** min(failures, 16), READ_AGAIN_LONGEST)
        self._harvest.read_again(piece.thread_id, wait=wait, failed=True)


def _kept_aside(piece: ThreadSlice, *, for_good: bool) -> ThreadRows:
    """What is stored of a thread whose older part could not be read.

    Its newest messages wait for that part, or they would be answered before those that were
    written first; a part that cannot be read at all is not waited for.
    """
    shown = _shown(piece)
    return shown if for_good else replace(shown, messages=_by_our_side(shown.messages))


def _by_our_side(messages: Sequence[InboundMessage]) -> Sequence[InboundMessage]:
    """Without the customer's: that a person has answered is to be known at once."""
    return [message for message in messages if message.sender_type != SenderType.CUSTOMER]


def _is_waited_for(known: KnownThread, now: datetime) -> bool:
    """Whether reading the thread failed lately, and not for good."""
    is_due = known.broken_until is None or known.broken_until <= now
    return not is_due and known.read_failures < UNREADABLE_AFTER


def _ends_before(page: Page, moment: datetime) -> bool:
    moments = changes(page)
    return bool(moments) and moments[-1] <= moment


def _changed(piece: ThreadSlice, known: KnownThread) -> bool:
    if piece.updated_at is None or known.thread_updated_at is None:
        return True
    return piece.updated_at > known.thread_updated_at


def _shown(piece: ThreadSlice) -> ThreadRows:
    """The messages on the page, without a claim that nothing lies between them and ours."""
    return replace(rows_of(piece, piece.messages, history_complete=False), updated_at=None)
