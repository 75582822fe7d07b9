"""A tick's first half for one channel: what is new since the watermark, stored once.

The list is walked newest first, back to the watermark less the overlap, and a thread that changed
is read back to what is stored of it. What was read goes into a `PollBatch`, which is then stored.
"""

from collections import Counter
from datetime import datetime

from shoptalk.db.missing_messages import WAITS_FOR
from shoptalk.db.threads import KnownThread, find_threads, threads_to_read_again
from shoptalk.errors import (
    BadPayload,
    PlatformError,
    RetryLater,
    Throttled,
)
from shoptalk.failpoints import failpoint
from shoptalk.importer.attachments import Failure, with_attachments
from shoptalk.importer.delivery_reports import DeliveryNews
from shoptalk.importer.poll_batch import PollBatch, changed_at, changes
from shoptalk.importer.poll_run import PollRun
from shoptalk.importer.poll_store import store_poll
from shoptalk.importer.thread_sync import ThreadSync, is_waited_for, kept_aside, shown_of
from shoptalk.importer.threads import Segment, malformed_places_of, reaches
from shoptalk.platforms.base import Page, ThreadSlice
from shoptalk.types import OUR_SIDE, Customer, InboundMessage

READ_AGAIN_AT_ONCE = 5  #: broken threads tried in one poll; the rest waits for the next
TIMES_ASKED = 3  #: for one page of the list, before it is taken to repeat itself


def poll_channel(run: PollRun) -> None:
    """Import what changed since the last poll.

    What was read is stored even when the poll fails half way; the watermark then stays.

    Raises:
        PlatformError: the channel could not be polled to the end.
    """
    poll_batch, deliveries = PollBatch(run), DeliveryNews(run)
    walk = _Walk(run, poll_batch, deliveries)
    try:
        walk.read_list()
        walk.read_threads_again()
        deliveries.ask()
    except PlatformError:
        store_poll(run, poll_batch, complete=False)
        raise
    store_poll(run, poll_batch, complete=True)
    deliveries.note()


class _Walk:
    """One poll's way through the list."""

    def __init__(self, run: PollRun, poll_batch: PollBatch, deliveries: DeliveryNews) -> None:
        self._run = run
        self._poll_batch = poll_batch
        self._deliveries = deliveries
        self._look_back_to = poll_batch.look_back_to
        self._tried: dict[str, datetime] = {}  # threads of this walk, and as of which change
        self._threads = ThreadSync(run, poll_batch)

    def read_list(self) -> None:
        cursor: str | None = None
        asked: Counter[str] = Counter()
        while True:
            page = self._run.reader.page(cursor, since=self._look_back_to)
            failpoint("import.page_read")
            self._poll_batch.note_page(page, is_first=cursor is None)
            self._deliveries.gather(page)
            page = with_attachments(
                self._run.database, self._run.reader, page, does_without=self._does_without
            )
            self._read_changed(page)
            cursor = page.next_cursor
            is_over = not page.another_list_follows and _ends_before(page, self._look_back_to)
            if cursor is None or is_over:
                return
            if asked[cursor] == TIMES_ASKED:
                if self._run.reader.is_last_page_again(page):
                    self._poll_batch.doubt_end()
                    return
                raise BadPayload(
                    "the list of threads repeats itself", platform=self._run.reader.platform.name
                )
            asked[cursor] += 1

    def _does_without(self, piece: ThreadSlice, message: InboundMessage, _: Failure) -> bool:
        """Whether a message is stored without its attachments, which cannot be told now.

        One that is to be answered waits for them, and with it what its customer wrote later: not
        for ever, but also after a long pause not only for this one poll.
        """
        channel = self._run.channel
        if message.created_at < max(self._look_back_to, channel.connected_at):
            return channel.history_state != "waiting"  # which comes to it
        if message.sender_type in OUR_SIDE:  # that a person has answered is to be known at once
            return True
        was_met = channel.last_poll_at is not None and message.created_at < channel.last_poll_at
        if was_met and self._run.clock() >= message.created_at + WAITS_FOR:
            return True
        self._poll_batch.hold_back(piece.thread_id, message.created_at)
        return False

    def read_threads_again(self) -> None:
        """Threads that could not be read, or to which something may have come late."""
        with self._run.database.reading() as session:
            due = threads_to_read_again(
                session, self._run.channel.id, now=self._run.clock(), limit=READ_AGAIN_AT_ONCE
            )
        for conversation in due:
            if conversation.thread_id in self._tried:
                continue
            stored_until = conversation.thread_updated_at or self._run.channel.connected_at
            piece = ThreadSlice(
                thread_id=conversation.thread_id,
                customer=Customer(customer_id=conversation.customer_id),
                updated_at=stored_until,
                older="",
            )
            try:
                self._threads.read(
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
        with self._run.database.reading() as session:
            known_threads = find_threads(
                session, self._run.channel.id, [piece.thread_id for piece in page.threads]
            )
        for piece in page.threads:
            known = known_threads.get(piece.thread_id)
            if self._was_tried(piece) or self._is_left_to_history(piece, known):
                continue
            if known is None:
                self._read_listed(piece, stored_until=None)
            elif not _changed(piece, known):
                self._keep_what_is_shown(piece, known)
            elif known.may_be_tried(self._run.clock()):
                self._read_listed(
                    piece, stored_until=known.thread_updated_at, failures=known.read_failures
                )
            else:
                self._threads.leave_aside(piece, known)

    def _is_left_to_history(self, piece: ThreadSlice, known: KnownThread | None) -> bool:
        """Whether a thread is an old one that the walk into history comes to, or has come to."""
        moment = changed_at(piece)
        if moment is None or moment >= self._look_back_to:
            return False
        if known is None:
            return self._run.channel.history_state == "waiting"
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
        self._threads.read(
            piece, stored_until=stored_until, changed_at=piece.updated_at, failures=failures
        )

    def _keep_what_is_shown(self, piece: ThreadSlice, known: KnownThread) -> None:
        """Messages on the page cost nothing more, and one of them may have come late.

        Where more was written lately than a page shows, the late one may stand behind it: then
        the thread is read once more when nothing can be late any longer.
        """
        moment = changed_at(piece)
        shows_nothing = not piece.messages and not piece.unreadable
        if shows_nothing or moment is None or moment < self._look_back_to:
            return
        if moment <= self._poll_batch.known_whole_until:
            return
        if is_waited_for(known, self._run.clock()):
            self._poll_batch.add(kept_aside(piece, for_good=False))
            return
        stop_at = self._threads.stop_at(known.thread_updated_at)
        if self._shows_one_second(piece, moment, since=stop_at):
            self._read_listed(
                piece, stored_until=known.thread_updated_at, failures=known.read_failures
            )
            return
        shown = Segment(piece.messages, False, False, malformed_places_of(piece.unreadable))
        if self._threads.holds_back(
            piece, shown, since=stop_at, until=moment, failures=known.read_failures
        ):
            self._run.report.put_aside(piece.unreadable)
            return
        self._poll_batch.add(shown_of(piece))
        is_settled = self._look_back_to == self._run.channel.last_fetch_timestamp
        shows_all = piece.older is None or reaches(piece.messages, moment - self._run.overlap)
        if not is_settled and not shows_all and known.broken_until is None:
            self._poll_batch.read_again(piece.thread_id, wait=self._run.overlap, failed=False)

    def _shows_one_second(self, piece: ThreadSlice, moment: datetime, *, since: datetime) -> bool:
        """Whether all that is shown came in one second, and does not reach what is stored."""
        if piece.older is None or any(each.created_at < moment for each in piece.messages):
            return False
        shown = Segment(piece.messages, False, False, malformed_places=[len(piece.messages)])
        return self._threads.count_after_malformed(shown, since=since) > 0


def _ends_before(page: Page, moment: datetime) -> bool:
    moments = changes(page)
    return bool(moments) and moments[-1] <= moment


def _changed(piece: ThreadSlice, known: KnownThread) -> bool:
    if piece.updated_at is None or known.thread_updated_at is None:
        return True
    return piece.updated_at > known.thread_updated_at
