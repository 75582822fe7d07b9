"""What one poll has read, before it is stored."""

from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime, timedelta

from shoptalk.db.inbox import ThreadRows
from shoptalk.importer.poll_run import PollRun
from shoptalk.importer.threads import by_our_side
from shoptalk.importer.watermark import (
    ChannelFacts,
    WalkFacts,
    has_moved,
    known_whole_until,
    look_back_to,
)
from shoptalk.platforms.base import Page, ThreadSlice


class PollBatch:
    """What one poll of a channel has read so far."""

    def __init__(self, run: PollRun) -> None:
        self._run = run
        self._rows: list[ThreadRows] = []
        self._newest: datetime | None = None
        self._settled_until: datetime | None = None
        self._malformed = 0
        self._is_doubtful = False
        self._held_back: dict[str, datetime] = {}  # by thread, from when on
        self.read_again_at: list[tuple[str, datetime, bool]] = []
        #: message_ids, by a list of bare messages
        self.shown: set[str] = set()
        self.begun_at = run.clock()
        self.before = ChannelFacts.of(run.channel)
        self.look_back_to = look_back_to(self.before, run.overlap)
        self.known_whole_until = known_whole_until(self.before, run.overlap)

    def note_page(self, page: Page, *, is_first: bool) -> None:
        """What a page of the list says beside its messages."""
        if is_first:
            self._newest = max(changes(page), default=None)
            self._settled_until = page.settled_until
        self._run.report.listed += _count_since(page, self.look_back_to)
        self._malformed += len(page.unreadable)
        if self._run.lists_messages:  # what a thread lacks is asked of the thread
            self._malformed += sum(len(piece.unreadable) for piece in page.threads)
            self.shown |= {each.message_id for piece in page.threads for each in piece.messages}

    def add(self, rows: ThreadRows) -> None:
        self._rows.append(rows)

    def hold_back(self, thread_id: str, since: datetime) -> None:
        """Store nothing yet that the thread's customer wrote since: the watermark waits for it.

        Where the watermark is beyond it already, nobody's messages are answered until it is here.
        """
        self._held_back[thread_id] = min(since, self._held_back.get(thread_id, since))
        if self.before.watermark is not None and since <= self.before.watermark:
            self._is_doubtful = True

    def doubt_end(self) -> None:
        """The list came to an end that may be none. Up to the cut-over history reads it anew."""
        self._is_doubtful = self.before.watermark is not None

    def read_again(self, thread_id: str, *, wait: timedelta, failed: bool) -> None:
        """A later poll reads the thread whatever the list says."""
        self.read_again_at.append((thread_id, self._run.clock() + wait, failed))

    @property
    def is_empty(self) -> bool:
        return not self._rows

    @property
    def has_moved(self) -> bool:
        return has_moved(self.before, self._newest)

    def facts(self, *, complete: bool) -> WalkFacts:
        return WalkFacts(
            complete=complete,
            newest=self._newest,
            settled_until=self._settled_until,
            held_back_since=min(self._held_back.values(), default=None),
            malformed=self._malformed,
            is_doubtful=self._is_doubtful,
        )

    def ready(self) -> list[ThreadRows]:
        """What may be stored now. A bare list says nothing of a thread but its messages."""
        ready = [self._without_held_back(each) for each in self._rows]
        return [each for each in ready if each.messages or not self._run.lists_messages]

    def _without_held_back(self, rows: ThreadRows) -> ThreadRows:
        since = self._held_back.get(rows.thread_id)
        if since is None:
            return rows
        before = [each for each in rows.messages if each.created_at < since]
        ours = by_our_side([each for each in rows.messages if each.created_at >= since])
        return replace(rows, messages=[*before, *ours], updated_at=None)


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
