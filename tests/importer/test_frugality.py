"""Calls are the real currency: how few an import makes, and how it learns to make fewer."""

from datetime import timedelta
from typing import Any

import pytest

from shoptalk.commands.progress import rate, time_left
from shoptalk.db.channels import begin_backfill
from shoptalk.errors import BadPayload, PlatformError, RetryLater, Throttled, TimedOut, TooMuchData
from shoptalk.importer.history import MOST_USAGE, Progress
from shoptalk.importer.page_size import (
    FEW_THREADS,
    LIST_LIMIT,
    PAST_LIMIT,
    SMALLEST_FOR_SLOWNESS,
    THREAD_LIMIT,
    TRIED_AGAIN_AFTER,
    PageSize,
)
from shoptalk.importer.rate_limiter import RateLimiter
from shoptalk.platforms.base import Page, Usage
from tests.importer.fake_platform import (
    HOUR,
    MINUTE,
    NINE,
    SECOND,
    Desk,
    FakePlatform,
    Lists,
    StillClock,
    Vice,
)

WHOLE, INSTAGRAM, MESSENGER = Lists.WHOLE_THREADS, Lists.THREADS, Lists.NEWEST_MESSAGES
SMS = Lists.BARE_MESSAGES
threaded = pytest.mark.parametrize("lists", [MESSENGER, WHOLE, INSTAGRAM])


def old_shop(desk: Desk, *sizes: int, lists: Lists = WHOLE) -> FakePlatform:
    """A shop with a past: threads of so many messages, connected now."""
    platform = FakePlatform(desk.clock, lists)
    for thread, size in enumerate(sizes):
        for number in range(size):
            platform.write(f"t{thread}", at=NINE - (thread + 1) * HOUR - number * SECOND)
    desk.connect(platform)
    return platform


def asked(platform: FakePlatform) -> list[int]:
    """How much was asked for at once, call by call, since the last time."""
    limits = [call.limit for call in platform.calls]
    platform.calls.clear()
    return limits


def backfill_begins(desk: Desk) -> None:
    with desk.database.transaction() as session:
        begin_backfill(session, desk.channel().id, since=None)


# History


def test_a_conversation_that_the_list_can_show_whole_costs_no_call_of_its_own(desk: Desk) -> None:
    platform = old_shop(desk, *[THREAD_LIMIT] * (2 * PAST_LIMIT))
    assert desk.read_history().calls == 2
    assert [call.thread_id for call in platform.calls] == [None, None]
    assert len(desk.messages()) == 2 * PAST_LIMIT * THREAD_LIMIT


def test_a_longer_conversation_costs_a_call_for_each_further_page(desk: Desk) -> None:
    platform = old_shop(desk, 3, 2 * THREAD_LIMIT + 1, 3)
    assert desk.read_history().calls == 3
    assert [call.thread_id for call in platform.calls] == [None, "t1", "t1"]


@threaded
def test_a_walk_that_stopped_asks_for_no_finished_thread_again(desk: Desk, lists: Lists) -> None:
    platform = old_shop(desk, *[3 * THREAD_LIMIT] * 4, lists=lists)
    platform.script.extend([None] * 5 + [Throttled("no", platform="fake")])
    desk.read_history()
    before = {call.thread_id for call in platform.calls}
    finished = {
        thread for thread in before if thread and desk.conversation(thread).history_complete
    }
    assert finished
    platform.calls.clear()
    desk.read_history()
    assert finished.isdisjoint(call.thread_id for call in platform.calls)
    assert desk.channel().history_state == "done"


def test_where_not_even_one_conversation_can_be_shown_whole_each_is_read_by_itself(
    desk: Desk,
) -> None:
    platform = old_shop(desk, 40, 40, 40)

    def too_much(*, cursor: str | None, limit: int, messages: int) -> Page:
        raise TooMuchData("please reduce the amount of data", platform="fake")

    platform.fetch_past = too_much
    assert desk.read_history().error is None
    assert len(desk.messages()) == 120
    assert desk.channel().history_state == "done"


def test_a_walk_that_goes_on_skims_what_is_stored(desk: Desk, clock: StillClock) -> None:
    platform = old_shop(desk, *[30] * 400)
    desk.read_history(stop=lambda: len(platform.calls) == 12)
    clock.advance(MINUTE)
    platform.write("t150", "one that has moved to the front")
    desk.poll()
    asked(platform)
    desk.read_history()
    skimmed, read = [25, 50, 100, 100, 100], [25] * 5
    assert asked(platform) == [*skimmed, *read]
    assert len(desk.messages()) == 400 * 30 + 1


def test_a_backfill_tells_how_much_of_it_is_done_also_after_a_restart(desk: Desk) -> None:
    platform = old_shop(desk, *[1] * 100)
    seen: list[Progress] = []

    def read(**words: Any) -> None:
        desk.read_history(on_progress=lambda _, each: seen.append(each), **words)

    read()
    assert {each.share for each in seen} == {None}  # how much there is, nobody knew
    backfill_begins(desk)
    seen.clear()
    platform.calls.clear()
    read(stop=lambda: len(platform.calls) == 2)
    assert [each.share for each in seen] == [number / 100 for number in range(1, 51)]
    seen.clear()
    read()
    assert [each.share for each in seen] == [number / 100 for number in range(51, 101)]


@pytest.mark.parametrize(
    ("share", "elapsed", "expected"),
    [
        (0.1, 0.0, ""),
        (0.2, 5.0, "20%, about 40 s left"),
        (0.35, 100.0, "35%, about 4 min left"),
        (0.11, 100.0, "11%, about 2 h 28 min left"),
        (None, 100.0, ""),
    ],
)
def test_the_time_left_goes_by_the_pace_so_far(
    share: float | None, elapsed: float, expected: str
) -> None:
    first = Progress(threads=10, messages=10, share=0.1)
    now = Progress(threads=20, messages=20, share=share)
    assert time_left(first, now, elapsed=elapsed) == expected


@pytest.mark.parametrize(
    ("elapsed", "expected"), [(0.0, "-"), (0.001, "-"), (1.0, "1,500"), (30.0, "50")]
)
def test_the_rate_goes_by_all_the_time_since_the_first_report(
    elapsed: float, expected: str
) -> None:
    first = Progress(threads=10, messages=10)
    now = Progress(threads=20, messages=1510)
    assert rate(first, now, elapsed=elapsed) == expected


# Page sizes


def test_pages_of_the_list_grow_while_the_platform_answers(desk: Desk, clock: StillClock) -> None:
    platform = old_shop(desk, *[1] * 250, lists=MESSENGER)
    desk.read_history()
    assert asked(platform) == [LIST_LIMIT, 2 * LIST_LIMIT, 4 * LIST_LIMIT, 4 * LIST_LIMIT]


def test_where_the_platform_gives_no_more_no_more_is_asked_for(
    desk: Desk, clock: StillClock
) -> None:
    platform = FakePlatform(clock, MESSENGER, most_rows=30)
    for number in range(100):
        platform.write(f"t{number}", at=NINE - HOUR)
    desk.connect(platform)
    desk.read_history()
    assert asked(platform) == [25, 50, 100, 30]


def test_one_short_answer_is_chance(desk: Desk, clock: StillClock) -> None:
    platform = FakePlatform(clock, MESSENGER)
    for number in range(100):
        platform.write(f"t{number}", at=NINE - HOUR)
    desk.connect(platform)
    platform.script.extend([Vice.SHORT])
    desk.read_history()
    assert asked(platform) == [25, 50, 100]


def test_bare_messages_are_asked_for_by_the_hundred_where_many_are_to_come(
    desk: Desk, clock: StillClock
) -> None:
    platform = FakePlatform(clock, SMS)
    desk.connect(platform)
    desk.poll()
    clock.advance(MINUTE)
    for _ in range(30):
        platform.write("A")
    desk.poll()
    platform.script.extend([None, RetryLater("no", platform="fake")])
    desk.poll()
    desk.restart()
    desk.poll()
    assert asked(platform) == [200, 50, 110, 200]


def test_what_was_refused_is_not_asked_for_again_at_once_and_then_little_by_little(
    desk: Desk, clock: StillClock
) -> None:
    platform = old_shop(desk)
    platform.too_much_above = 7

    def poll_after_restart() -> None:
        desk.restart()
        desk.poll()

    poll_after_restart()
    assert asked(platform) == [25, 12, 6]
    poll_after_restart()
    clock.advance(TRIED_AGAIN_AFTER - SECOND)
    poll_after_restart()
    assert asked(platform) == [6, 6]
    clock.advance(SECOND)
    platform.too_much_above = None
    for expected in (12, 12, 24, 24, 25):
        poll_after_restart()
        assert asked(platform) == [expected]
        clock.advance(TRIED_AGAIN_AFTER / 2)


def test_what_is_refused_again_is_left_alone_for_longer_each_time_up_to_an_hour(
    clock: StillClock,
) -> None:
    remembered: dict[str, object] = {}
    waits = []
    for _ in range(9):
        size = PageSize(remembered, first=25, most=100, clock=clock)
        assert size.refused()
        learnt = size.learnt()
        assert learnt is not None
        assert learnt["most"] == 12
        waits.append(timedelta(seconds=learnt["wait_seconds"]))
        remembered = learnt
        clock.advance(waits[-1])
    assert waits == [min(TRIED_AGAIN_AFTER * 2**tries, HOUR) for tries in range(9)]


def test_a_platform_that_refuses_now_and_then_is_asked_for_as_much_as_before(
    clock: StillClock,
) -> None:
    size = PageSize({}, first=25, most=100, clock=clock)
    assert size.refused()
    size.answered(12, in_full=True)
    remembered = size.learnt()
    clock.advance(TRIED_AGAIN_AFTER)
    again = PageSize(remembered, first=25, most=100, clock=clock)
    assert again.now == 24
    again.answered(24, in_full=True)
    assert again.learnt() == {}
    assert PageSize({}, first=25, most=100, clock=clock).now == 25


def test_a_poll_after_one_that_met_little_asks_for_little(desk: Desk, clock: StillClock) -> None:
    platform = old_shop(desk, *[1] * 60)
    desk.import_one()
    asked(platform)
    clock.advance(HOUR)
    desk.poll()
    assert asked(platform) == [FEW_THREADS]
    platform.write("t3")
    desk.poll()
    clock.advance(SECOND)
    desk.poll()
    assert asked(platform) == [FEW_THREADS, FEW_THREADS + 2]
    desk.restart()
    desk.poll()
    assert asked(platform) == [LIST_LIMIT]


def test_a_burst_that_meets_a_small_question_costs_one_call_more(
    desk: Desk, clock: StillClock
) -> None:
    platform = old_shop(desk, *[1] * 60)
    desk.import_one()
    clock.advance(HOUR)
    desk.poll()
    asked(platform)
    for thread in range(40):
        platform.write(f"t{thread}")
    desk.poll()
    assert asked(platform) == [FEW_THREADS, 2 * LIST_LIMIT]
    assert len(desk.messages()) == 60 + 40


def test_each_channel_and_each_kind_of_question_has_a_size_of_its_own(desk: Desk) -> None:
    narrow = old_shop(desk, *[1] * 30)
    narrow.too_much_above = 7
    wide = FakePlatform(desk.clock, WHOLE)
    other = desk.connect(wide)
    desk.read_history()
    narrow.too_much_above = None
    asked(narrow)
    backfill_begins(desk)
    desk.read_history()
    assert asked(narrow)[0] == 6
    desk.poll()
    desk.poll(other)
    assert (asked(narrow), asked(wide)) == ([25], [25])


@pytest.mark.parametrize("kind", ["poll", "history"])
def test_after_a_timeout_less_is_asked_for(desk: Desk, clock: StillClock, kind: str) -> None:
    platform = old_shop(desk, 1)

    def run() -> str | None:
        return (desk.poll() if kind == "poll" else desk.read_history()).error

    platform.script.extend([TimedOut("no answer in time", platform="fake")] * 4)
    assert [run() for _ in range(4)] == ["no answer in time"] * 4
    assert asked(platform) == [25, 12, 6, SMALLEST_FOR_SLOWNESS]
    assert run() is None
    assert asked(platform)[0] == SMALLEST_FOR_SLOWNESS


# The allowance


def test_history_leaves_a_part_of_the_allowance_to_what_is_new(
    desk: Desk, clock: StillClock
) -> None:
    platform = old_shop(desk, *[1] * 100)
    platform.usage = Usage(percent=MOST_USAGE)
    (poll, history) = desk.import_one()
    assert (poll.error, history.error) == (None, None)
    assert history.calls == 1
    assert f"{MOST_USAGE} % of the allowance" in history.notes[0]
    assert len(desk.messages()) == PAST_LIMIT  # what was read is kept
    platform.calls.clear()
    (poll, history) = desk.import_one()
    assert (poll.calls, history.calls) == (1, 0)
    platform.usage = Usage(percent=MOST_USAGE - 1)
    clock.advance(10 * MINUTE)
    desk.import_one()
    assert desk.channel().history_state == "done"
    assert len(desk.messages()) == 100


def test_history_waits_for_as_long_as_the_platform_says(desk: Desk, clock: StillClock) -> None:
    platform = old_shop(desk, *[1] * 100)
    platform.usage = Usage(percent=100, regain_after=HOUR)
    desk.read_history()
    assert desk.channel().history_next_at == NINE + HOUR


@pytest.mark.parametrize("error", [RetryLater, BadPayload, TimedOut])
def test_history_that_fails_delays_no_poll_and_is_tried_again_later(
    desk: Desk, clock: StillClock, error: type[PlatformError]
) -> None:
    platform = old_shop(desk, *[1] * 10)
    desk.poll()
    platform.script.append(error("no", platform="fake"))
    assert desk.importer.read_history(desk.channel()).error == "no"
    channel = desk.channel()
    assert (channel.next_poll_at, channel.failures, channel.history_failures) == (None, 0, 1)
    platform.calls.clear()
    waiting = desk.importer.read_history(channel)
    assert (waiting.calls, waiting.error) == (0, None)
    assert "waits until" in waiting.notes[0]
    clock.advance(MINUTE)
    desk.importer.read_history(channel)
    channel = desk.channel()
    assert (channel.history_state, channel.history_failures) == ("done", 0)
    assert channel.history_next_at is None


def test_who_waits_politely_lets_all_others_go_first() -> None:
    now = 0.0
    polls_to_come = ["first poll", "second poll"]
    went: list[tuple[str, float]] = []

    def sleep(seconds: float) -> None:
        nonlocal now
        assert now < 9, "history is never let through"
        until = now + seconds
        coming, polls_to_come[:] = polls_to_come[:], []
        for poll in coming:  # while history waits
            pace.wait()
            went.append((poll, now))
        now = max(now, until)

    pace = RateLimiter(2, monotonic=lambda: now, sleep=sleep)
    pace.wait()
    pace.wait(politely=True)
    went.append(("history", now))
    assert went == [("first poll", 0.5), ("second poll", 1.0), ("history", 1.5)]
