"""Whatever is written, whenever it shows, and whatever goes wrong: nothing is lost or doubled."""

import itertools
from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    rule,
    run_state_machine_as_test,
)

from shoptalk.db.circuits import LONGEST_PAUSE
from shoptalk.db.engine import Database
from shoptalk.errors import BadPayload, GiveUp, PlatformError, RetryLater, Throttled
from shoptalk.importer.run_report import RunReport
from shoptalk.types import SenderType
from tests.importer.fake_platform import (
    DAY,
    HOUR,
    MINUTE,
    NINE,
    OVERLAP,
    SECOND,
    Desk,
    FakePlatform,
    Lists,
    Step,
    StillClock,
    Vice,
    Written,
)

MODEST = settings(max_examples=40, stateful_step_count=20)
LONGEST_BACKOFF = 6 * HOUR

threads = st.sampled_from("ABCDEFG")
sides = st.sampled_from([SenderType.CUSTOMER, SenderType.CUSTOMER, SenderType.EMPLOYEE])
delays = st.sampled_from([0, 0, 0, 1, 30, 119, 120]).map(lambda seconds: seconds * SECOND)
spans = st.sampled_from([0, 1, 2, 10, 59, 60, 119, 120, 121, 300, 7200]).map(
    lambda seconds: seconds * SECOND
)


def _errors(kinds: Sequence[type[PlatformError]]) -> st.SearchStrategy[PlatformError]:
    return st.sampled_from(kinds).map(lambda kind: kind("no", platform="fake"))


steps: st.SearchStrategy[Step] = st.one_of(
    st.none(), _errors([RetryLater, Throttled, BadPayload, GiveUp]), st.sampled_from(Vice)
)


class Importing(RuleBasedStateMachine):
    """People write, time passes, polls and history walks run, and things go wrong."""

    database: Database

    @initialize(
        lists=st.sampled_from(Lists),
        most_rows=st.sampled_from([1, 2, 3, 25]),
        shown=st.sampled_from([1, 2, 10]),
        before=st.lists(
            st.tuples(threads, st.sampled_from([0, 1, 60, 3600]), st.integers(1, 24)), max_size=8
        ),
    )
    def connect(
        self, lists: Lists, most_rows: int, shown: int, before: list[tuple[str, int, int]]
    ) -> None:
        self.clock = StillClock()
        self.platform = FakePlatform(self.clock, lists, shown=shown, most_rows=most_rows)
        self.desk = Desk(self.database, self.clock)
        for thread_id, seconds_ago, size in before:
            for _ in range(size):
                self.platform.write(thread_id, at=NINE - seconds_ago * SECOND)
        self.desk.connect(self.platform)
        self.arrived: dict[str, int] = {}
        self.runs = 0
        self.watermark: datetime | None = None

    # What happens

    @rule(thread_id=threads, side=sides, delay=delays)
    def somebody_writes(self, thread_id: str, side: SenderType, delay: timedelta) -> None:
        self.platform.write(thread_id, side=side, shown_after=delay)

    @rule(thread_id=threads, seconds=st.lists(st.integers(0, 3), min_size=2, max_size=24))
    def a_burst_comes(self, thread_id: str, seconds: list[int]) -> None:
        for each in seconds:
            self.platform.write(thread_id, shown_after=each * 40 * SECOND)
            self.clock.advance(timedelta(seconds=each))

    @rule(thread_id=threads)
    def a_message_makes_no_sense(self, thread_id: str) -> None:
        self.platform.write(thread_id, is_broken=True)

    @rule(by=spans)
    def time_passes(self, by: timedelta) -> None:
        self.clock.advance(by)

    @rule()
    def poll(self) -> None:
        self.desk.poll()
        self._note_run()

    @rule()
    def import_all(self) -> None:
        self._import_all()

    @rule()
    def history_is_walked(self) -> None:
        if self.desk.channel().history_state == "waiting":
            self.desk.read_history()
            self._note_run()

    @rule(
        writes=st.lists(st.tuples(threads, delays), min_size=1, max_size=4),
        by=st.sampled_from([0, 1, 70]).map(lambda seconds: seconds * SECOND),
        with_history=st.booleans(),
    )
    def messages_come_while_pages_are_read(
        self, writes: list[tuple[str, timedelta]], by: timedelta, with_history: bool
    ) -> None:
        waiting = list(writes)

        def somebody_writes(_: int) -> None:
            if waiting:
                thread_id, delay = waiting.pop()
                self.platform.write(thread_id, shown_after=delay)
                self.clock.advance(by)

        self.platform.before_call = somebody_writes
        self.import_all() if with_history else self.poll()
        self.platform.before_call = lambda _: None

    @rule(script=st.lists(steps, min_size=1, max_size=6))
    def calls_will_go_wrong(self, script: list[Step]) -> None:
        self.platform.script.clear()
        self.platform.script.extend(script)

    @rule(thread_id=threads, error=_errors([RetryLater, BadPayload, GiveUp]))
    def a_thread_breaks(self, thread_id: str, error: PlatformError) -> None:
        self.platform.broken_threads[thread_id] = error

    @rule(thread_id=threads)
    def a_row_breaks(self, thread_id: str) -> None:
        self.platform.broken_rows.add(thread_id)

    @rule()
    def all_is_mended(self) -> None:
        self._mend()

    @rule(rows=st.sampled_from([1, 2, 7]))
    def the_platform_wants_smaller_questions(self, rows: int) -> None:
        self.platform.too_much_above = rows

    # What must hold

    def _check_watermark(self) -> None:
        """It never goes back, nor beyond what the platform shows."""
        watermark = self.desk.channel().last_fetch_timestamp
        if watermark is None:
            assert self.watermark is None
            return
        assert self.watermark is None or watermark >= self.watermark
        newest = max((message.at for message in self._shown()), default=NINE)
        assert watermark <= max(newest, self.desk.channel().connected_at)
        self.watermark = watermark

    def teardown(self) -> None:
        if not hasattr(self, "desk"):
            return
        self._let_it_become_quiet()
        for thread_id in self.platform.talks:
            self._check_thread(thread_id)
        assert self.desk.message_ids() <= {message.message_id for message in self._shown()}

    def _mend(self) -> None:
        self.platform.script.clear()
        self.platform.broken_threads.clear()
        self.platform.broken_rows.clear()
        self.platform.too_much_above = None

    def _let_it_become_quiet(self) -> None:
        self._mend()
        self.clock.advance(LONGEST_PAUSE)
        for wait in (SECOND, OVERLAP, OVERLAP, LONGEST_BACKOFF, LONGEST_BACKOFF, DAY):
            self._import_after(wait)
        assert self.desk.channel().history_state == "done"
        self.platform.write("Z")
        for wait in (SECOND, OVERLAP, OVERLAP):
            self._import_after(wait)
        idle = self.desk.poll()
        assert (idle.calls, idle.stored.new) == (1, 0)

    def _import_after(self, wait: timedelta) -> None:
        self.clock.advance(wait)
        for report in self._import_all():
            assert report.error is None

    def _import_all(self) -> list[RunReport]:
        """As `Importer.import_one` does, seeing what came in by the poll and what by the walk."""
        reports = [self.desk.poll()]
        self._note_run()
        if reports[0].error is None and self.desk.channel().history_state == "waiting":
            reports.append(self.desk.read_history())
            self._note_run()
        return reports

    def _note_run(self) -> None:
        self._check_watermark()
        self.runs += 1
        for message_id in self.desk.message_ids():
            self.arrived.setdefault(message_id, self.runs)

    def _shown(self) -> list[Written]:
        return [
            message for talk in self.platform.talks.values() for message in talk.shown(self.clock())
        ]

    def _check_thread(self, thread_id: str) -> None:
        truth = self.platform.talks[thread_id].shown(self.clock())
        readable = truth[-(self.platform.capabilities.readable_messages or len(truth)) :]
        stored = self.desk.messages(thread_id)
        by_id = {message.message_id: message for message in truth}
        ids = [row.message_id for row in stored]
        for message in truth:
            if message.message_id not in ids and not message.is_broken:
                is_readable = message in readable
                declared = self._is_declared(thread_id, message, may_be_read=is_readable)
                assert declared, (thread_id, is_readable, message)
        cut_over = self.desk.channel().connected_at
        for row in stored:
            message = by_id[row.message_id]
            assert (row.content, row.sender_type, row.created_at) == (
                message.text,
                message.side,
                message.at,
            )
            assert row.is_old == row.reply_sent == (message.at < cut_over)
        for first, second in itertools.pairwise(stored):
            a, b = by_id[first.message_id], by_id[second.message_id]
            # What shows or is read later than its second finds its place in it taken.
            at_once = self.arrived[a.message_id] == self.arrived[b.message_id]
            in_time = a.shown_from - a.at == b.shown_from - b.at == timedelta(0)
            may_differ = not (at_once and in_time)
            in_order = a.at < b.at or (a.at == b.at and (a.order < b.order or may_differ))
            assert in_order, (thread_id, a, b)

    def _is_declared(self, thread_id: str, message: Written, *, may_be_read: bool) -> bool:
        cut_over = self.desk.channel().connected_at
        for run in self.desk.runs():
            # A thread that fails is read again, but for its history, which waits for a backfill.
            excused = not may_be_read or (run.kind == "history" and message.at < cut_over)
            if any(_covers(gap, thread_id, message, excused) for gap in run.gaps):
                return True
            for record in run.set_aside:
                if record["message_id"] == message.message_id:
                    return True
                if record["message_id"] is None and record["thread_id"] == thread_id:
                    return True
        return False


def _covers(gap: dict[str, Any], thread_id: str, message: Written, excused: bool) -> bool:
    """Whether a gap says that `message` is lacking; that a thread failed excuses not all."""
    if gap["thread_id"] not in (None, thread_id):
        return False
    if not excused and gap["thread_id"] is not None:
        return False
    since = datetime.fromisoformat(gap["from"]) if gap["from"] else None
    until = datetime.fromisoformat(gap["to"]) if gap["to"] else None
    return (since is None or message.at >= since) and (until is None or message.at <= until)


@pytest.mark.thorough
def test_all_that_a_platform_shows_is_stored_once_or_declared(database: Database) -> None:
    Importing.database = database
    run_state_machine_as_test(Importing, settings=MODEST)


moments = st.integers(0, 400)


@settings(max_examples=25)
@given(
    lists=st.sampled_from(Lists),
    most_rows=st.sampled_from([1, 2, 25]),
    writes=st.lists(st.tuples(moments, threads, delays), min_size=1, max_size=20),
    polls=st.lists(moments, max_size=12),
)
def test_it_does_not_matter_when_one_polls(
    database: Database,
    lists: Lists,
    most_rows: int,
    writes: list[tuple[int, str, timedelta]],
    polls: list[int],
) -> None:
    clock = StillClock()
    platform = FakePlatform(clock, lists, most_rows=most_rows)
    desk = Desk(database, clock)
    desk.connect(platform)
    for second in range(401):
        clock.now = NINE + second * SECOND
        for _, thread_id, delay in (each for each in writes if each[0] == second):
            platform.write(thread_id, shown_after=delay)
        for _ in range(polls.count(second)):
            desk.poll()
    for _ in range(3):
        clock.advance(OVERLAP)
        desk.poll()
    for thread_id, talk in platform.talks.items():
        written = [message.text for message in talk.messages]
        stored = desk.texts(thread_id)
        assert sorted(stored) == sorted(written)
        if all(message.shown_from == message.at for message in talk.messages):
            assert stored == written
    assert desk.gaps() == []


@settings(max_examples=25)
@given(lists=st.sampled_from(Lists), failure=steps, at_call=st.integers(0, 12))
def test_it_does_not_matter_which_call_fails(
    database: Database, lists: Lists, failure: Step, at_call: int
) -> None:
    clock = StillClock()
    platform = FakePlatform(clock, lists, shown=2, most_rows=2)
    desk = Desk(database, clock)
    desk.connect(platform)
    for number in range(12):
        platform.write("ABCD"[number % 4], f"line {number}")
        clock.advance(SECOND)
    platform.script.extend([None] * at_call + [failure])
    for wait in (MINUTE, OVERLAP, HOUR, HOUR):
        desk.poll()
        clock.advance(wait)
    for number, thread_id in enumerate("ABCD"):
        assert desk.texts(thread_id) == [f"line {each}" for each in range(number, 12, 4)]
