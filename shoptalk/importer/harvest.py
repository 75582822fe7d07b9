"""What one poll has read, and storing it.

Rows and watermark commit together, so that a watermark never passes what is not stored. It comes
from the first page of the walk: what changes while we page is newer, and is seen next time.

Where the list is of bare messages, newest first, a walk that was not whole has read messages and
may have missed older ones of the same threads. What it read is stored, and waits unanswered until
a walk is whole, or until that has been waited for long enough.
"""

from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta

from sqlalchemy.orm import Session

from shoptalk.crashpoints import reach
from shoptalk.db.channels import advance_watermark, note_usage, resume_history
from shoptalk.db.delivery_reports import first_check
from shoptalk.db.engine import Database
from shoptalk.db.inbox import ThreadRows, store_threads
from shoptalk.db.models import ChannelIntegration
from shoptalk.db.opt_outs import note_words
from shoptalk.db.runs import add_run, calls_since
from shoptalk.db.threads import read_again_later
from shoptalk.db.unread import (
    WAITS_FOR,
    find_unread_since,
    hides_what_waits,
    note_sound,
    note_spoilt,
    note_unread,
    note_whole,
)
from shoptalk.db.wakeup import Wakeup, WakeupKind, wake
from shoptalk.importer.keywords import words_of
from shoptalk.importer.plan import DAY, SPARE_FROM_PERCENT, PollPlan, sparing
from shoptalk.importer.reader import Reader
from shoptalk.importer.report import RunReport
from shoptalk.importer.threads import by_our_side
from shoptalk.platforms.base import Page, ThreadSlice
from shoptalk.types import Clock

ONE_SECOND = timedelta(seconds=1)
_NO_END = "the list has led from one page to itself"


class Harvest:
    """What one poll of a channel has gathered so far."""

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
        self._overlap = overlap
        self._plan = plan
        self._clock = clock
        self._rows: list[ThreadRows] = []
        self._read_again: list[tuple[str, datetime, bool]] = []
        self._begun_at = clock()
        self._newest: datetime | None = None  # on the first page
        self._settled_until: datetime | None = None  # as the platform says with it
        self._spoilt = 0  # records of the list that made no sense
        self._is_doubtful = False  # for another reason, something may not have been shown
        self._shown: set[str] = set()  # message_ids, by a list of bare messages
        self._held_back: dict[str, datetime] = {}  # by thread, from when on
        self.look_back_to = _look_back_to(channel, overlap)
        self.known_whole_until = _known_whole_until(channel, overlap)

    def note_page(self, page: Page, *, is_first: bool) -> None:
        """What a page of the list says beside its messages."""
        if is_first:
            self._newest = max(changes(page), default=None)
            self._settled_until = page.settled_until
        self._report.listed += _count_since(page, self.look_back_to)
        self._spoilt += len(page.unreadable)
        if self._lists_messages:  # what a thread lacks is asked of the thread
            self._spoilt += sum(len(piece.unreadable) for piece in page.threads)
            self._shown |= {each.message_id for piece in page.threads for each in piece.messages}

    def add(self, rows: ThreadRows) -> None:
        self._rows.append(rows)

    def hold_back(self, thread_id: str, since: datetime) -> None:
        """Store nothing yet that the thread's customer wrote since: the watermark waits for it.

        Where the watermark is beyond it already, nobody's messages are answered until it is here.
        """
        self._held_back[thread_id] = min(since, self._held_back.get(thread_id, since))
        watermark = self._channel.last_fetch_timestamp
        if watermark is not None and since <= watermark:
            self._is_doubtful = True

    def doubt_end(self) -> None:
        """The list came to an end that may be none. Up to the cut-over history reads it anew."""
        self._is_doubtful = self._channel.last_fetch_timestamp is not None

    def read_again(self, thread_id: str, *, wait: timedelta, failed: bool) -> None:
        """A later poll reads the thread whatever the list says."""
        self._read_again.append((thread_id, self._clock() + wait, failed))

    def store(self, *, complete: bool) -> None:
        """Store what was read, and how far that goes.

        Args:
            complete: the walk came to its end.
        """
        now = self._clock()
        reach("import.before_store")
        with self._database.transaction() as session:
            if self._lists_messages:  # another walk may have broken off since
                self._channel.unread_since = find_unread_since(session, self._channel.id)
            is_whole = complete and not self._waits_for_more(session, now)
            percent = self._reader.usage.percent if self._reader.usage else None
            if self._rows or self._read_again or not complete:
                # First, for it locks the channel's row: who stores for one channel takes turns.
                note_usage(session, self._channel.id, percent=percent)
            rows = self._ready()
            stored = store_threads(
                session,
                self._channel,
                rows,
                imported_at=now,
                check_at=first_check(is_told=self._reader.tells_delivery, now=now),
            )
            self._report.stored += stored
            if stored.new or (is_whole and self._channel.unread_since is not None):
                wake(session, Wakeup(WakeupKind.REPLY, self._channel.id))
            keywords = self._reader.platform.can.keywords
            note_words(session, self._channel.id, words_of(rows, keywords))
            if stored.unfinished and self._reader.platform.can.history:
                resume_history(session, self._channel.id)
            for thread_id, at, failed in self._read_again:
                read_again_later(session, self._channel.id, thread_id, at=at, failed=failed)
            self._note_whether_whole(session, is_whole, complete=complete, now=now)
            if complete:
                advance_watermark(
                    session,
                    self._channel.id,
                    to=self._watermark() if is_whole else None,
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

    def _ready(self) -> list[ThreadRows]:
        """What may be stored now. A bare list says nothing of a thread but its messages."""
        ready = [self._without_held_back(each) for each in self._rows]
        return [each for each in ready if each.messages or not self._lists_messages]

    def _without_held_back(self, rows: ThreadRows) -> ThreadRows:
        since = self._held_back.get(rows.thread_id)
        if since is None:
            return rows
        before = [each for each in rows.messages if each.created_at < since]
        ours = by_our_side([each for each in rows.messages if each.created_at >= since])
        return replace(rows, messages=[*before, *ours], updated_at=None)

    @property
    def _lists_messages(self) -> bool:
        return self._reader.platform.can.lists_messages

    @property
    def _spoilt_since(self) -> datetime | None:
        channel = self._channel
        return channel.unread_since if self._lists_messages else channel.spoilt_since

    def _note_whether_whole(
        self, session: Session, is_whole: bool, *, complete: bool, now: datetime
    ) -> None:
        if not self._lists_messages:
            if self._spoilt or self._is_doubtful:
                note_spoilt(session, self._channel.id, at=now)
                if is_whole:
                    self._give_up_spoilt()
            elif complete and self._channel.spoilt_since is not None:
                note_sound(session, self._channel.id, begun_at=self._begun_at)
            return
        if not is_whole:
            if self._rows or self._spoilt or self._is_doubtful:
                note_unread(session, self._channel.id, at=now)
        elif self._spoilt or self._is_doubtful:
            self._give_up_spoilt()
        elif self._channel.unread_since is not None:
            note_whole(session, self._channel.id, begun_at=self._begun_at)

    def _waits_for_more(self, session: Session, now: datetime) -> bool:
        """Whether the walk came to its end, and yet may soon show what it did not: records that
        made no sense, or what an earlier one has shown.
        """
        since = self._spoilt_since
        if since is not None and now >= since + WAITS_FOR:
            return False
        if self._spoilt or self._is_doubtful:
            return True
        if since is None or not self._lists_messages:
            return False
        return hides_what_waits(session, self._channel.id, since=since, shown=self._shown)

    def _give_up_spoilt(self) -> None:
        """Declare once what was waited for in vain: the watermark goes on without it."""
        since, last = self._spoilt_since, self._channel.last_poll_at
        if since is not None and (last is None or last < since + WAITS_FOR):
            what = "records of the list have made no sense" if self._spoilt else _NO_END
            self._report.declare_gap(
                None,
                f"{what} for {WAITS_FOR.seconds // 60} minutes",
                since=self.look_back_to,
                until=self._watermark(),
                at_most=None if self._is_doubtful else self._spoilt,
            )

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
        reached = self._reached()
        before_held_back = (moment - ONE_SECOND for moment in self._held_back.values())
        return min([reached, *before_held_back]) if reached is not None else None

    def _reached(self) -> datetime | None:
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


def _look_back_to(channel: ChannelIntegration, overlap: timedelta) -> datetime:
    """How far back this poll walks.

    Something that happened at platform time T is listed at T + overlap at the latest. Once that
    long has passed since the watermark was seen to move, and a poll was begun since, nothing
    before it can be late any more, and an idle poll need not look behind it: one call.
    """
    if channel.last_fetch_timestamp is None:
        return channel.connected_at - overlap
    moved, polled = channel.watermark_moved_at, channel.last_poll_at
    is_settled = moved is not None and polled is not None and polled >= moved + overlap
    if is_settled and channel.unread_since is channel.spoilt_since is None:
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
    nothing = datetime.min.replace(tzinfo=UTC)
    if watermark is None or moved is None or polled is None:
        return nothing
    if channel.unread_since is not None or channel.spoilt_since is not None:
        return nothing
    is_over = polled >= moved + overlap + ONE_SECOND
    return watermark if is_over else nothing


def _count_since(page: Page, moment: datetime) -> int:
    """How many records of the page changed since: threads, or messages where it lists those."""
    return sum(
        1 if piece.updated_at is not None else len(piece.messages)
        for piece in page.threads
        if (changed := changed_at(piece)) is None or changed > moment
    )


def changes(page: Page) -> Sequence[datetime]:
    """When each thread of a page last changed, in the page's order."""
    return [moment for moment in map(changed_at, page.threads) if moment is not None]


def changed_at(piece: ThreadSlice) -> datetime | None:
    if piece.updated_at is not None:
        return piece.updated_at
    return max((message.created_at for message in piece.messages), default=None)
