"""A poll: what is new since the watermark, stored once, whatever the platform does meanwhile."""

import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import datetime, timedelta

import pytest

from shoptalk.errors import (
    BadPayload,
    ChannelStopped,
    GiveUp,
    PlatformError,
    RetryLater,
    Throttled,
)
from shoptalk.importer.page_size import LIST_LIMIT
from shoptalk.importer.poll import TIMES_ASKED
from shoptalk.importer.thread_sync import (
    FAILURES_IN_A_ROW,
    READ_AGAIN_FIRST,
    READ_AGAIN_LONGEST,
    UNREADABLE_AFTER,
)
from shoptalk.platforms.base import Page, ThreadPage
from shoptalk.types import SenderType, Unreadable
from tests.importer.fake_platform import (
    HOUR,
    MINUTE,
    NINE,
    OVERLAP,
    SECOND,
    Desk,
    FakePlatform,
    Lists,
    StillClock,
    Vice,
)

MESSENGER, INSTAGRAM, SMS = Lists.NEWEST_MESSAGES, Lists.THREADS, Lists.BARE_MESSAGES
WAIT_SECONDS = 20.0  # for another thread; never waited for when all is well

both = pytest.mark.parametrize("lists", [MESSENGER, INSTAGRAM])
all_kinds = pytest.mark.parametrize("lists", [MESSENGER, INSTAGRAM, SMS])


def error(kind: type[PlatformError]) -> PlatformError:
    return kind("no", platform="fake")


def open_shop(
    desk: Desk, lists: Lists = MESSENGER, *, most_rows: int = 100, shown: int = 10
) -> FakePlatform:
    """Connect a platform, and let its history be read: there is none yet."""
    platform = FakePlatform(desk.clock, lists, shown=shown, most_rows=most_rows)
    channel_id = desk.connect(platform)
    desk.import_one(channel_id)
    platform.calls.clear()
    desk.clock.advance(MINUTE)
    return platform


def calls_of_next_poll(desk: Desk, platform: FakePlatform) -> list[str | None]:
    """Poll; return which threads were read, None for the list."""
    platform.calls.clear()
    desk.poll()
    return [call.thread_id for call in platform.calls]


# The watermark


def test_the_watermark_comes_from_the_first_page(desk: Desk, clock: StillClock) -> None:
    platform = open_shop(desk, most_rows=1)
    platform.write("A", at=clock() - 5 * SECOND)
    seen = platform.write("B")

    def somebody_writes(calls: int) -> None:
        if calls == 1:
            clock.advance(3 * SECOND)
            platform.write("C", "while you page")

    platform.before_call = somebody_writes
    desk.poll()
    assert desk.channel().last_fetch_timestamp == seen.at
    assert desk.texts("C") == []
    desk.poll()
    assert desk.texts("C") == ["while you page"]


@all_kinds
@pytest.mark.parametrize("kind", [RetryLater, Throttled, BadPayload, GiveUp])
def test_a_failed_poll_stores_what_it_read_and_leaves_the_watermark(
    desk: Desk, clock: StillClock, lists: Lists, kind: type[PlatformError]
) -> None:
    platform = open_shop(desk, lists, most_rows=1)
    before = desk.channel().last_fetch_timestamp
    platform.write("A", "first page", at=clock() + SECOND)
    platform.write("B", "second page")
    clock.advance(MINUTE)
    platform.script.extend([None, *([None] if lists is INSTAGRAM else []), error(kind)])
    report = desk.poll()
    assert report.error == "no"
    assert desk.texts() == ["first page"]
    assert desk.channel().last_fetch_timestamp == before
    assert desk.poll().error is None
    assert sorted(desk.texts()) == ["first page", "second page"]


@all_kinds
def test_the_watermark_never_goes_back_when_a_slow_import_ends_last(
    desk: Desk, clock: StillClock, lists: Lists
) -> None:
    platform = open_shop(desk, lists, most_rows=1)
    platform.write("A")
    platform.write("B")
    slow_has_begun, slow_may_end = threading.Event(), threading.Event()

    def wait_where_slow(_: int) -> None:
        if threading.current_thread().name == "slow" and platform.calls:
            slow_has_begun.set()
            assert slow_may_end.wait(WAIT_SECONDS)

    platform.before_call = wait_where_slow
    slow = threading.Thread(target=desk.poll, name="slow")
    slow.start()
    assert slow_has_begun.wait(WAIT_SECONDS)
    clock.advance(MINUTE)
    newest = platform.write("C")
    desk.poll()
    slow_may_end.set()
    slow.join(WAIT_SECONDS)
    assert desk.channel().last_fetch_timestamp == newest.at
    assert len(desk.messages()) == 3


def test_a_poll_that_was_begun_too_early_does_not_settle_what_may_be_late(
    desk: Desk, clock: StillClock
) -> None:
    """It looked at the first page before the late message was there, and ended after."""
    platform = open_shop(desk, most_rows=1)
    platform.write("C")
    platform.write("B")
    clock.advance(SECOND)
    platform.write("late", shown_after=OVERLAP)
    clock.advance(SECOND)
    platform.write("A")
    desk.poll()
    clock.advance(OVERLAP - 5 * SECOND)
    platform.calls.clear()
    platform.before_call = _once(lambda: clock.advance(MINUTE), at_call=2)
    desk.poll()
    assert desk.texts("late") == []
    desk.poll()
    assert len(desk.texts("late")) == 1


# What it costs


@both
@pytest.mark.parametrize("threads", [1, LIST_LIMIT, 3 * LIST_LIMIT])
def test_an_idle_poll_is_one_list_call(
    desk: Desk, clock: StillClock, lists: Lists, threads: int
) -> None:
    platform = open_shop(desk, lists)
    for number in range(threads):
        platform.write(f"t{number}")
        clock.advance(5 * SECOND)
    desk.poll()
    clock.advance(OVERLAP)
    while any(calls_of_next_poll(desk, platform)):  # the second looks of Instagram
        clock.advance(10 * SECOND)
    for _ in range(3):
        assert calls_of_next_poll(desk, platform) == [None]
        clock.advance(10 * SECOND)


@all_kinds
def test_a_second_import_right_after_the_first_is_one_list_call_and_nothing_new(
    desk: Desk, clock: StillClock, lists: Lists
) -> None:
    platform = FakePlatform(clock, lists)
    for thread_id in "ABC":
        platform.write(thread_id, at=NINE - HOUR)
    desk.connect(platform)
    clock.advance(SECOND)
    platform.write("A")
    assert sum(report.stored.new for report in desk.import_one()) == 4
    (report,) = desk.import_one()
    assert (report.calls, report.stored.new) == (1, 0)


def test_a_normal_poll_of_messenger_is_one_call(desk: Desk) -> None:
    platform = open_shop(desk)
    for thread_id in "ABC":
        for _ in range(3):
            platform.write(thread_id)
    assert calls_of_next_poll(desk, platform) == [None]
    assert len(desk.messages()) == 9


def test_only_what_has_changed_is_read(desk: Desk, clock: StillClock) -> None:
    platform = open_shop(desk, INSTAGRAM)
    for thread_id in "ABC":
        platform.write(thread_id)
    assert calls_of_next_poll(desk, platform) == [None, "C", "B", "A"]
    clock.advance(SECOND)
    platform.write("B")
    assert calls_of_next_poll(desk, platform) == [None, "B"]


# What comes meanwhile, at the edge, and late


@all_kinds
@pytest.mark.parametrize("at_call", range(6))
def test_what_comes_while_pages_are_read_is_stored_by_this_poll_or_the_next(
    desk: Desk, clock: StillClock, lists: Lists, at_call: int
) -> None:
    platform = open_shop(desk, lists, most_rows=1)
    for thread_id in "ABC":
        platform.write(thread_id)
    clock.advance(SECOND)

    def somebody_writes(calls: int) -> None:
        if calls == at_call:
            platform.write("A", "again")
            platform.write("D", "new here")

    platform.before_call = somebody_writes
    while len(platform.calls) <= at_call:
        desk.poll()
    desk.poll()
    assert desk.texts("A")[-1] == "again"
    assert desk.texts("D") == ["new here"]


@all_kinds
def test_a_message_in_the_second_of_the_watermark_written_after_we_looked_is_found(
    desk: Desk, clock: StillClock, lists: Lists
) -> None:
    platform = open_shop(desk, lists)
    platform.write("A", "first")
    desk.poll()
    platform.write("A", "same second")
    platform.write("B", "same second, elsewhere")
    clock.advance(OVERLAP)
    desk.poll()
    assert desk.texts("A") == ["first", "same second"]
    assert desk.texts("B") == ["same second, elsewhere"]


@pytest.mark.parametrize("after", [0 * SECOND, SECOND, 30 * SECOND])
def test_once_nothing_can_be_late_the_thread_of_the_watermark_is_not_stored_again(
    desk: Desk, clock: StillClock, after: timedelta
) -> None:
    platform = open_shop(desk)
    platform.write("A", "first")
    desk.poll()
    platform.write("A", "late", shown_after=OVERLAP)
    clock.advance(OVERLAP + after)
    assert desk.poll().stored.seen
    assert desk.texts("A") == ["first", "late"]
    clock.advance(SECOND)
    is_settled = after >= SECOND  # the poll before came after the watermark's second was over
    assert bool(desk.poll().stored.seen) is not is_settled
    clock.advance(SECOND)
    assert desk.poll().stored.seen == 0


@all_kinds
def test_equal_times_across_a_pages_edge_lose_nothing(desk: Desk, lists: Lists) -> None:
    platform = open_shop(desk, lists, most_rows=2)
    for number in range(7):
        platform.write(f"t{number}")
        platform.write(f"t{number}")
    desk.poll()
    assert len(desk.messages()) == 14
    assert all(
        [message.content for message in desk.messages(f"t{number}")]
        == [message.text for message in platform.talks[f"t{number}"].messages]
        for number in range(7)
    )


@all_kinds
@pytest.mark.parametrize("step", [10 * SECOND, 50 * SECOND, OVERLAP])
def test_what_shows_late_within_the_overlap_is_found(
    desk: Desk, clock: StillClock, lists: Lists, step: timedelta
) -> None:
    platform = open_shop(desk, lists, most_rows=2)
    platform.write("A", "late", shown_after=OVERLAP)
    platform.write("B", "late, and alone", shown_after=OVERLAP)
    for number in range(12):
        platform.write("A", f"in time {number}")
        platform.write(f"t{number}")
    clock.advance(SECOND)
    shown_at = clock() + 3 * OVERLAP
    while clock() < shown_at:
        desk.poll()
        clock.advance(step)
    assert "late" in desk.texts("A")
    assert desk.texts("B") == ["late, and alone"]


def test_a_late_message_behind_what_a_page_shows_is_found(desk: Desk, clock: StillClock) -> None:
    platform = open_shop(desk, MESSENGER, shown=2)
    platform.write("A", "late", shown_after=MINUTE)
    for number in range(4):
        clock.advance(SECOND)
        platform.write("A", f"in time {number}")
    desk.poll()
    for _ in range(20):
        clock.advance(20 * SECOND)
        desk.poll()
    assert desk.texts("A") == ["late", "in time 0", "in time 1", "in time 2", "in time 3"]


def test_two_importers_keep_the_later_of_their_second_looks(desk: Desk, clock: StillClock) -> None:
    platform = open_shop(desk, INSTAGRAM)
    platform.write("A")
    slow_has_read, slow_may_end = threading.Event(), threading.Event()

    def wait_where_slow(_: int) -> None:
        if threading.current_thread().name == "slow" and len(platform.calls) == 2:
            slow_has_read.set()
            assert slow_may_end.wait(WAIT_SECONDS)

    platform.write("B", at=clock() - SECOND)
    platform.before_call = wait_where_slow
    slow = threading.Thread(target=desk.poll, name="slow")
    slow.start()
    assert slow_has_read.wait(WAIT_SECONDS)
    clock.advance(MINUTE)
    platform.write("A", "second")
    platform.write("A", "late", shown_after=OVERLAP)
    desk.poll()
    slow_may_end.set()
    slow.join(WAIT_SECONDS)
    clock.advance(MINUTE)
    desk.poll()
    clock.advance(MINUTE)
    desk.poll()
    assert "late" in desk.texts("A")


# One bad apple


def break_a_thread(desk: Desk, kind: type[PlatformError] = GiveUp) -> FakePlatform:
    platform = open_shop(desk, INSTAGRAM)
    for thread_id in "ABC":
        platform.write(thread_id)
    platform.broken_threads["B"] = error(kind)
    desk.poll()
    return platform


@pytest.mark.parametrize("kind", [GiveUp, BadPayload, RetryLater])
def test_a_thread_that_cannot_be_read_is_a_declared_gap_and_stops_nobody(
    desk: Desk, clock: StillClock, kind: type[PlatformError]
) -> None:
    break_a_thread(desk, kind)
    assert len(desk.texts("A")) == len(desk.texts("C")) == 1
    assert desk.runs()[-1].error is None
    assert desk.channel().last_fetch_timestamp == clock()
    (gap,) = desk.runs()[-1].gaps
    assert (gap["thread_id"], gap["reason"]) == ("B", "no")
    assert datetime.fromisoformat(gap["from"]) < clock()
    assert datetime.fromisoformat(gap["to"]) == clock()


def test_a_thread_that_failed_is_tried_again_with_backoff(desk: Desk, clock: StillClock) -> None:
    platform = break_a_thread(desk)
    for number in range(12):
        wait = min(READ_AGAIN_FIRST * 2**number, READ_AGAIN_LONGEST)
        clock.advance(wait - SECOND)
        assert "B" not in calls_of_next_poll(desk, platform)
        clock.advance(SECOND)
        assert calls_of_next_poll(desk, platform).count("B") == 1


@pytest.mark.parametrize("is_listed", [True, False])
def test_a_thread_that_can_be_read_again_is_healed_and_left_alone(
    desk: Desk, clock: StillClock, is_listed: bool
) -> None:
    platform = break_a_thread(desk)
    if not is_listed:
        for number in range(LIST_LIMIT):
            clock.advance(10 * SECOND)
            platform.write(f"t{number}")
    platform.broken_threads.clear()
    for _ in range(30):
        clock.advance(30 * SECOND)
        desk.poll()
    assert len(desk.texts("B")) == 1
    assert calls_of_next_poll(desk, platform) == [None]


class Blank(FakePlatform):
    """Threads show nothing while `is_blank`."""

    is_blank = False

    def fetch_thread(self, thread_id: str, *, cursor: str, limit: int) -> ThreadPage:
        page = super().fetch_thread(thread_id, cursor=cursor, limit=limit)
        return replace(page, messages=[], older=None) if self.is_blank else page


def test_a_thread_read_again_that_shows_nothing_for_once_is_not_believed(
    desk: Desk, clock: StillClock
) -> None:
    platform = Blank(clock, INSTAGRAM)
    desk.connect(platform)
    desk.poll()
    platform.write("A")
    platform.broken_threads["A"] = error(RetryLater)
    desk.poll()
    clock.advance(SECOND)
    for number in range(LIST_LIMIT):  # the list does not come down to it again
        platform.write(f"t{number}")
    desk.poll()
    clock.advance(2 * OVERLAP)
    for _ in range(8):  # nor is a second look left to take
        desk.poll()
    clock.advance(2 * OVERLAP)
    platform.broken_threads.clear()
    platform.is_blank = True
    desk.poll()
    [gap] = desk.runs()[-1].gaps
    assert (gap["thread_id"], gap["reason"]) == ("A", "the thread shows no messages")
    platform.is_blank = False
    for _ in range(6):
        clock.advance(MINUTE)
        desk.poll()
    assert len(desk.texts("A")) == 1


def test_a_thread_that_is_empty_for_good_is_left_alone_in_the_end(
    desk: Desk, clock: StillClock
) -> None:
    platform = Blank(clock, INSTAGRAM)
    desk.connect(platform)
    desk.poll()
    platform.is_blank = True
    platform.write("A")
    for _ in range(20):
        clock.advance(MINUTE)
        desk.poll()
    assert len(desk.gaps()) == UNREADABLE_AFTER
    assert calls_of_next_poll(desk, platform) == [None]


def test_what_a_broken_thread_gets_before_it_is_tried_again_is_declared_too(
    desk: Desk, clock: StillClock
) -> None:
    platform = break_a_thread(desk)
    clock.advance(READ_AGAIN_FIRST - SECOND)
    missed = platform.write("B", "meanwhile")
    assert "B" not in calls_of_next_poll(desk, platform)
    (gap,) = desk.runs()[-1].gaps
    assert gap["thread_id"] == "B"
    assert datetime.fromisoformat(gap["from"]) <= missed.at <= datetime.fromisoformat(gap["to"])


def test_where_every_thread_fails_the_platform_is_to_blame(desk: Desk) -> None:
    platform = open_shop(desk, INSTAGRAM)
    before = desk.channel().last_fetch_timestamp
    for number in range(5):
        platform.write(f"t{number}")
        platform.broken_threads[f"t{number}"] = error(RetryLater)
    assert desk.poll().error == "no"
    assert desk.channel().last_fetch_timestamp == before


def test_threads_that_cannot_be_read_for_good_are_not_the_platforms_fault(desk: Desk) -> None:
    platform = open_shop(desk, INSTAGRAM)
    for number, kind in enumerate([RetryLater, GiveUp, GiveUp, GiveUp]):
        platform.write(f"t{number}")
        platform.broken_threads[f"t{number}"] = error(kind)
    assert desk.poll().error is None


def test_new_messages_do_not_wait_for_threads_that_fail_again(
    desk: Desk, clock: StillClock
) -> None:
    platform = open_shop(desk, INSTAGRAM)
    for number in range(4):
        platform.write(f"t{number}")
        platform.broken_threads[f"t{number}"] = error(GiveUp)
    desk.poll()
    clock.advance(SECOND)
    for number in range(LIST_LIMIT):  # the list does not come down to them again
        platform.write(f"fill {number}")
    for _ in range(8):  # nor is a second look left to take
        desk.poll()
        clock.advance(OVERLAP)
    for thread_id in platform.broken_threads:
        platform.broken_threads[thread_id] = error(RetryLater)
    clock.advance(READ_AGAIN_LONGEST)
    platform.write("new")
    report = desk.poll()
    assert len(desk.texts("new")) == 1
    assert report.error is None
    assert len(report.gaps) == FAILURES_IN_A_ROW - 1


def test_too_much_data_halves_the_page_and_is_remembered(desk: Desk) -> None:
    platform = open_shop(desk)
    platform.too_much_above = 7
    for number in range(10):
        platform.write(f"t{number}")
    desk.restart()
    desk.poll()
    assert [call.limit for call in platform.calls] == [25, 12, 6, 6]
    assert len(desk.messages()) == 10
    platform.calls.clear()
    desk.poll()
    assert [call.limit for call in platform.calls] == [6, 6]


def test_too_much_data_is_halved_for_threads_too(desk: Desk) -> None:
    platform = open_shop(desk, INSTAGRAM)
    platform.too_much_above = 3
    for _ in range(5):
        platform.write("A")
    desk.poll()
    assert len(desk.texts("A")) == 5


def test_what_instagram_hides_is_a_declared_gap(desk: Desk, clock: StillClock) -> None:
    platform = open_shop(desk, INSTAGRAM)
    platform.write("A", "read")
    desk.poll()
    clock.advance(HOUR)
    written = [platform.write("A") for _ in range(25)]
    desk.poll()
    assert desk.texts("A") == ["read", *(message.text for message in written[5:])]
    (gap,) = desk.runs()[-1].gaps
    assert (gap["thread_id"], gap["at_most"]) == ("A", 6)
    hidden = written[0].at
    assert datetime.fromisoformat(gap["from"]) <= hidden <= datetime.fromisoformat(gap["to"])


def test_unreadable_records_are_set_aside_with_reasons(desk: Desk) -> None:
    platform = open_shop(desk)
    platform.write("A", "good")
    broken = platform.write("A", "no sender", is_broken=True)
    platform.write("B", "unseen")
    platform.broken_rows.add("B")
    report = desk.poll()
    assert desk.texts() == ["good"]
    run = desk.runs()[-1]
    assert report.unreadable == run.unreadable == 2
    assert {record["reason"]: record for record in run.set_aside} == {
        "the row makes no sense": {
            "reason": "the row makes no sense",
            "thread_id": "B",
            "message_id": None,
        },
        "the message has no sender": {
            "reason": "the message has no sender",
            "thread_id": "A",
            "message_id": broken.message_id,
        },
    }


class Poisoned(FakePlatform):
    """Its ids hold what no database stores."""

    def fetch_page(self, *, cursor: str | None, limit: int, since: datetime | None) -> Page:
        page = super().fetch_page(cursor=cursor, limit=limit, since=since)
        wrong = [replace(piece, thread_id=f"{piece.thread_id}\0") for piece in page.threads]
        record = Unreadable(reason="no\ud800", thread_id="\0", message_id="a\0b")
        return replace(page, threads=[*page.threads, *wrong], unreadable=[record])


def test_ids_that_cannot_be_stored_spoil_nothing_else(desk: Desk, clock: StillClock) -> None:
    platform = Poisoned(clock)
    desk.connect(platform)
    platform.write("A", "good")
    report = desk.poll()
    assert (report.error, report.unreadable) == (None, 2)
    assert desk.texts() == ["good"]
    assert desk.runs()[-1].set_aside[0]["message_id"] == "a\ufffdb"


# Pages that go wrong


@all_kinds
@pytest.mark.parametrize("vice", [Vice.EMPTY, Vice.SHORT, Vice.TWICE, Vice.REPEAT, Vice.SHIFT])
@pytest.mark.parametrize("at_call", range(4))
def test_a_page_that_goes_wrong_once_loses_nothing(
    desk: Desk, lists: Lists, vice: Vice, at_call: int
) -> None:
    platform = open_shop(desk, lists, most_rows=2)
    for number in range(7):
        platform.write(f"t{number}", f"line {number}")
    platform.script.extend([None] * at_call + [vice])
    report = desk.poll()
    assert (report.error, report.gaps) == (None, [])
    assert sorted(desk.texts()) == [f"line {number}" for number in range(7)]


def test_a_page_that_comes_twice_does_not_have_its_threads_read_twice(desk: Desk) -> None:
    platform = open_shop(desk, INSTAGRAM, most_rows=2)
    for thread_id in "ABCD":
        platform.write(thread_id)
    platform.script.extend([Vice.TWICE, None, None, Vice.REPEAT])
    assert calls_of_next_poll(desk, platform) == [None, "D", "C", None, None, "B", "A"]


@both
def test_a_list_that_repeats_itself_fails_the_poll_and_holds_the_watermark(
    desk: Desk, lists: Lists
) -> None:
    platform = open_shop(desk, lists)
    platform.too_much_above = 3
    before = desk.channel().last_fetch_timestamp
    for number in range(7):
        platform.write(f"t{number}")
    platform.repeats_for_ever = True
    assert desk.poll().error == "the list of threads repeats itself"
    assert desk.channel().last_fetch_timestamp == before
    assert len(desk.messages()) == 2
    platform.repeats_for_ever = False
    desk.poll()
    assert len(desk.messages()) == 7


def test_a_list_of_empty_pages_without_end_fails_the_poll(desk: Desk) -> None:
    platform = open_shop(desk)
    platform.script.extend([Vice.EMPTY] * 100)
    assert desk.poll().error == "the list of threads repeats itself"
    assert len(platform.calls) == 1 + TIMES_ASKED


class NeverEnding(FakePlatform):
    """Its last page has a next, which is itself."""

    def fetch_page(self, *, cursor: str | None, limit: int, since: datetime | None) -> Page:
        last = "end" if cursor == "end" else None
        page = super().fetch_page(cursor=None if last else cursor, limit=limit, since=since)
        return page if page.next_cursor else replace(page, next_cursor="end")


def test_a_short_last_page_that_comes_again_and_again_is_the_end(
    desk: Desk, clock: StillClock
) -> None:
    platform = NeverEnding(clock)
    desk.connect(platform)
    platform.write("A")
    report = desk.poll()
    assert (report.error, report.gaps, report.stored.new) == (None, [], 1)
    assert desk.channel().last_fetch_timestamp == clock()


class Stuck(FakePlatform):
    """While `is_stuck`, its list leads from a short first page to that page again."""

    is_stuck = False

    def fetch_page(self, *, cursor: str | None, limit: int, since: datetime | None) -> Page:
        page = super().fetch_page(
            cursor=None if self.is_stuck else cursor, limit=limit, since=since
        )
        if not self.is_stuck:
            return page
        return replace(page, threads=page.threads[:1], next_cursor="second")


def stuck_shop(desk: Desk, clock: StillClock) -> Stuck:
    """Two have written since the last poll, and the list shows one of them."""
    platform = Stuck(clock)
    desk.connect(platform)
    desk.poll()
    clock.advance(MINUTE)
    platform.write("older")
    clock.advance(HOUR)
    platform.write("newer")
    platform.is_stuck = True
    return platform


def test_a_short_page_that_leads_to_itself_does_not_let_the_watermark_pass_what_is_behind_it(
    desk: Desk, clock: StillClock
) -> None:
    platform = stuck_shop(desk, clock)
    assert desk.poll().error is None
    assert desk.message_ids(), "nobody else waits for it"
    clock.advance(10 * MINUTE)
    desk.poll()
    platform.is_stuck = False
    clock.advance(MINUTE)
    desk.poll()
    assert len(desk.messages("older")) == 1
    assert desk.gaps() == []


def test_what_may_be_behind_a_page_that_leads_to_itself_for_good_is_declared_once(
    desk: Desk, clock: StillClock
) -> None:
    stuck_shop(desk, clock)
    for _ in range(5):
        desk.poll()
        clock.advance(10 * MINUTE)
    [gap] = desk.gaps()
    assert gap["reason"] == "the list has led from one page to itself for 15 minutes"
    assert gap["at_most"] is None
    watermark = desk.channel().last_fetch_timestamp
    assert watermark is not None
    assert watermark >= clock() - HOUR


class Circling(FakePlatform):
    """Reading a thread back leads to the same full page for ever, while `is_circling`."""

    is_circling = True

    def fetch_thread(self, thread_id: str, *, cursor: str, limit: int) -> ThreadPage:
        start = "" if self.is_circling else cursor
        page = super().fetch_thread(thread_id, cursor=start, limit=limit)
        return replace(page, older="here") if self.is_circling else page


def test_a_thread_that_leads_in_circles_is_set_aside_and_healed(
    desk: Desk, clock: StillClock
) -> None:
    platform = Circling(clock, INSTAGRAM)
    platform.too_much_above = 3
    desk.connect(platform)
    for number in range(5):
        platform.write("A", f"line {number}")
    report = desk.poll()
    assert [gap["reason"] for gap in report.gaps] == ["a page of the thread repeats itself"]
    platform.is_circling = False
    clock.advance(READ_AGAIN_FIRST)
    desk.poll()
    assert desk.texts("A") == [f"line {number}" for number in range(5)]


# What a run leaves behind


def test_a_run_is_counted(desk: Desk, clock: StillClock) -> None:
    platform = open_shop(desk, INSTAGRAM)
    platform.write("A", "old news")
    desk.poll()
    clock.advance(HOUR)
    platform.write("A")
    platform.write("B")
    platform.write("B", is_broken=True)
    platform.write("C")
    platform.broken_threads["C"] = error(GiveUp)
    platform.before_call = lambda _: clock.advance(SECOND / 4)
    begun_at = clock()
    desk.poll()
    run = desk.runs()[-1]
    assert (run.kind, run.started_at, run.duration_ms) == ("poll", begun_at, 1000)
    assert (run.seen, run.new, run.duplicate, run.unreadable) == (3, 2, 1, 1)
    assert (run.calls, run.conversations, run.error) == (4, 2, None)
    assert [gap["thread_id"] for gap in run.gaps] == ["C"]


def test_a_failed_run_is_counted_too(desk: Desk, clock: StillClock) -> None:
    platform = open_shop(desk, most_rows=1)
    platform.write("A")
    platform.write("B")
    wait = 90 * SECOND
    platform.script.extend([None, Throttled("too fast", platform="fake", retry_after=wait)])
    desk.poll()
    run = desk.runs()[-1]
    assert (run.new, run.calls, run.error) == (1, 2, "too fast")
    channel = desk.channel()
    assert (channel.last_error, channel.next_poll_at) == ("too fast", clock() + wait)
    clock.advance(wait)
    desk.poll()
    channel = desk.channel()
    assert (channel.last_error, channel.next_poll_at, channel.failures) == (None, None, 0)


def test_what_the_shop_writes_joins_the_conversation(desk: Desk, clock: StillClock) -> None:
    platform = open_shop(desk)
    platform.write("A", "Open today?")
    clock.advance(SECOND)
    platform.write("A", "Until six.", side=SenderType.EMPLOYEE)
    desk.poll()
    assert [(row.sender_type, row.content, row.is_old) for row in desk.messages("A")] == [
        ("customer", "Open today?", False),
        ("employee", "Until six.", False),
    ]


# Side by side


@pytest.fixture
def three_shops(desk: Desk) -> tuple[list[int], list[FakePlatform]]:
    platforms = [FakePlatform(desk.clock) for _ in range(3)]
    ids = [desk.connect(platform) for platform in platforms]
    for platform in platforms:
        platform.write("A")
    return ids, platforms


def import_side_by_side(desk: Desk, ids: list[int]) -> list[str | None]:
    reports = desk.importer.import_side_by_side([desk.channel(each) for each in ids])
    return [report.error for report in reports if report.kind == "poll"]


def test_a_dead_token_stops_its_channel_alone_and_says_what_to_do(
    desk: Desk, three_shops: tuple[list[int], list[FakePlatform]]
) -> None:
    ids, platforms = three_shops
    dead = ChannelStopped("the token is dead", platform="fake", remedy="Connect it again.")
    platforms[1].script.append(dead)
    reports = desk.importer.import_side_by_side([desk.channel(each) for each in ids])
    assert [report.remedy for report in reports if report.error] == ["Connect it again."]
    stopped = desk.channel(ids[1])
    assert (stopped.stopped_at, stopped.last_error, stopped.remedy) == (
        desk.clock(),
        "the token is dead",
        "Connect it again.",
    )
    assert [len(desk.messages(channel_id=each)) for each in ids] == [1, 0, 1]
    assert [desk.channel(each).stopped_at for each in (ids[0], ids[2])] == [None, None]


class Defective(FakePlatform):
    def fetch_page(self, *, cursor: str | None, limit: int, since: datetime | None) -> Page:
        raise KeyError("data")


def test_an_adapters_own_defect_stops_its_channel_alone_and_is_seen(
    desk: Desk, clock: StillClock, three_shops: tuple[list[int], list[FakePlatform]]
) -> None:
    ids, _ = three_shops
    ids.insert(0, desk.connect(Defective(clock)))
    errors = import_side_by_side(desk, ids)
    assert [error is None for error in errors] == [False, True, True, True]
    assert desk.channel(ids[0]).last_error == errors[0] == "broke off: KeyError"
    assert desk.runs(ids[0])[-1].error == errors[0]


def test_a_slow_channel_delays_no_other(
    desk: Desk, three_shops: tuple[list[int], list[FakePlatform]]
) -> None:
    ids, platforms = three_shops
    others_done = threading.Barrier(3)

    def wait_for_the_others(_: int) -> None:
        if len(platforms[0].calls) == 0:
            others_done.wait(WAIT_SECONDS)

    platforms[0].before_call = wait_for_the_others
    for platform in platforms[1:]:  # their history comes after their poll
        platform.before_call = _once(lambda: others_done.wait(WAIT_SECONDS), at_call=1)
    assert import_side_by_side(desk, ids) == [None, None, None]
    assert [len(desk.messages(channel_id=each)) for each in ids] == [1, 1, 1]


def _once(action: Callable[[], object], *, at_call: int) -> Callable[[int], None]:
    def hook(calls: int) -> None:
        if calls == at_call:
            action()

    return hook


@all_kinds
def test_two_imports_of_one_channel_at_once_store_each_message_once(
    desk: Desk, clock: StillClock, lists: Lists
) -> None:
    platform = open_shop(desk, lists, most_rows=2)
    for number in range(6):
        for thread_id in "ABC":
            platform.write(thread_id, f"line {number}")
        clock.advance(SECOND)
    together = threading.Barrier(2)

    def both_ask(_: int) -> None:
        if not platform.calls:
            together.wait(WAIT_SECONDS)

    platform.before_call = both_ask
    with ThreadPoolExecutor(2) as pool:
        reports = list(pool.map(lambda _: desk.poll(), range(2)))
    assert sum(report.stored.new for report in reports) == 18
    for thread_id in "ABC":
        assert desk.texts(thread_id) == [f"line {number}" for number in range(6)]
        assert desk.conversation(thread_id).message_count == 6


def test_no_platform_puts_a_channel_off_for_longer_than_a_day(
    desk: Desk, clock: StillClock
) -> None:
    platform = open_shop(desk)
    wait = timedelta(days=400)
    platform.script.append(Throttled("too fast", platform="fake", retry_after=wait))
    desk.poll()
    assert desk.channel().next_poll_at == clock() + timedelta(days=1)
