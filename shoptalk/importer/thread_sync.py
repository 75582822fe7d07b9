"""One thread, read back to what is stored of it.

What cannot be read is declared a gap, and read again soon, then ever more rarely. What the customer
wrote after it waits meanwhile, some ten minutes, or it would be answered first; what was written
by our side is stored at once, for a person who has answered is not talked over.
"""

from dataclasses import replace
from datetime import datetime, timedelta
from itertools import takewhile

from shoptalk.db.inbox import ThreadRows, find_stored
from shoptalk.db.threads import KnownThread
from shoptalk.errors import BadPayload, ChannelStopped, GiveUp, PlatformError, RetryLater, Throttled
from shoptalk.importer.poll_batch import PollBatch
from shoptalk.importer.poll_run import PollRun
from shoptalk.importer.run_report import storable
from shoptalk.importer.threads import Segment, by_our_side, read_back_to, rows_of
from shoptalk.platforms.base import ThreadSlice
from shoptalk.types import SenderType

READ_AGAIN_FIRST = timedelta(seconds=10)
READ_AGAIN_LONGEST = timedelta(hours=6)
#: Failures in some ten minutes, before a thread's newest messages no longer wait for the rest
UNREADABLE_AFTER = 6
FAILURES_IN_A_ROW = 3  #: threads that could not be read before the platform itself is to blame


class ThreadSync:
    """The threads of one poll, one after the other."""

    def __init__(self, run: PollRun, poll_batch: PollBatch) -> None:
        self._run = run
        self._poll_batch = poll_batch
        self._failed_in_a_row = 0

    def read(
        self,
        piece: ThreadSlice,
        *,
        stored_until: datetime | None,
        changed_at: datetime | None,
        failures: int,
    ) -> None:
        """Read a thread on from what is stored of it.

        Args:
            stored_until: platform time; None: nothing is.
            changed_at: as the list has it; None: the list does not say that it changed.
            failures: times it could not be read before this.

        Raises:
            RetryLater: so many threads in a row failed that the platform is to blame.
            ChannelStopped, Throttled: nothing else can be read either.
        """
        stop_at = self.stop_at(stored_until)
        self._run.report.put_aside(piece.unreadable)
        try:
            way = read_back_to(self._run.reader, self._run.report, piece, stop_at=stop_at)
            is_empty = piece.older is not None and not way.messages and not way.malformed_places
            if is_empty and changed_at is None and failures < UNREADABLE_AFTER:
                raise BadPayload(  # something was known to be there
                    "the thread shows no messages", platform=self._run.reader.platform.name
                )
        except (ChannelStopped, Throttled):
            raise
        except PlatformError as exc:
            self._failed_in_a_row += isinstance(exc, RetryLater)
            if self._failed_in_a_row >= FAILURES_IN_A_ROW:
                raise
            for_good = isinstance(exc, GiveUp) or failures >= UNREADABLE_AFTER
            self._poll_batch.add(kept_aside(piece, for_good=for_good))
            self._set_thread_aside(
                piece, str(exc), since=stop_at, until=changed_at, failures=failures
            )
            return
        self._failed_in_a_row = 0
        if self.holds_back(piece, way, since=stop_at, until=changed_at, failures=failures):
            return
        self._poll_batch.add(rows_of(piece, way.messages, history_complete=way.at_beginning))
        if changed_at is not None and (way.malformed_places or not piece.messages):
            # Times are whole seconds: another message may come in the second of the last one and
            # leave the list as it is. A list that shows messages shows it; this one does not.
            # And a record that made no sense may make some later.
            self._poll_batch.read_again(piece.thread_id, wait=self._run.overlap, failed=False)

    def holds_back(
        self,
        piece: ThreadSlice,
        way: Segment,
        *,
        since: datetime,
        until: datetime | None,
        failures: int,
    ) -> bool:
        """Set a thread aside if a record that makes no sense may be what is to be answered first.

        What its customer wrote after that waits for it, as long as for a thread that fails.
        """
        waiting = self.count_after_malformed(way, since=since)
        if not waiting or failures >= UNREADABLE_AFTER:
            return False
        rows = rows_of(piece, way.messages[waiting:], history_complete=way.at_beginning)
        newer = rows_of(piece, way.messages[:waiting], history_complete=False)
        ready = [*rows.messages, *by_our_side(newer.messages)]
        self._poll_batch.add(replace(rows, messages=ready, updated_at=None))
        reason = "a record of the thread makes no sense"
        self._set_thread_aside(piece, reason, since=since, until=until, failures=failures)
        return True

    def count_after_malformed(self, way: Segment, *, since: datetime) -> int:
        """How many of a thread's newest messages have a hole before them that matters: it is not
        older than what the customer wrote and is stored, nor than what nobody will answer.
        """
        if not any(way.malformed_places):
            return 0
        moment = max(since, self._run.channel.connected_at)
        recent = list(takewhile(lambda message: message.created_at >= moment, way.messages))
        ids = [
            storable(each.message_id) for each in recent if each.sender_type == SenderType.CUSTOMER
        ]
        with self._run.database.reading() as session:
            stored = find_stored(session, ids)
        known = (place for place, each in enumerate(recent) if storable(each.message_id) in stored)
        first_known = next(known, len(recent))
        return max((place for place in way.malformed_places if place <= first_known), default=0)

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
        self._run.report.declare_gap(piece.thread_id, reason, since=since, until=until)
        wait = min(READ_AGAIN_FIRST * 2 ** min(failures, 16), READ_AGAIN_LONGEST)
        self._poll_batch.read_again(piece.thread_id, wait=wait, failed=True)

    def leave_aside(self, piece: ThreadSlice, known: KnownThread) -> None:
        """A thread that failed lately is not tried at each poll; what it lacks grows meanwhile."""
        self._run.report.declare_gap(
            piece.thread_id,
            f"reading it failed and is tried again at {known.broken_until:%Y-%m-%d %H:%M:%S} UTC",
            since=self.stop_at(known.thread_updated_at),
            until=piece.updated_at,
        )
        self._poll_batch.add(kept_aside(piece, for_good=known.read_failures >= UNREADABLE_AFTER))

    def stop_at(self, stored_until: datetime | None) -> datetime:
        return (stored_until or self._run.channel.connected_at) - self._run.overlap


def kept_aside(piece: ThreadSlice, *, for_good: bool) -> ThreadRows:
    """What is stored of a thread whose older part could not be read.

    Its newest messages wait for that part, or they would be answered before those that were
    written first; a part that cannot be read at all is not waited for.
    """
    shown = shown_of(piece)
    return shown if for_good else replace(shown, messages=by_our_side(shown.messages))


def is_waited_for(known: KnownThread, now: datetime) -> bool:
    """Whether reading the thread failed lately, and not for good."""
    return not known.may_be_tried(now) and known.read_failures < UNREADABLE_AFTER


def shown_of(piece: ThreadSlice) -> ThreadRows:
    """The messages on the page, without a claim that nothing lies between them and ours."""
    return replace(rows_of(piece, piece.messages, history_complete=False), updated_at=None)
