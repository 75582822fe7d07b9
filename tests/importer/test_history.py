"""The walk into history: all that was written before, once, however often it is interrupted."""

from datetime import datetime

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sqlalchemy import delete

from shoptalk.db.channels import begin_backfill
from shoptalk.db.engine import Database
from shoptalk.db.models import Message
from shoptalk.errors import (
    BadPayload,
    ChannelStopped,
    GiveUp,
    PlatformError,
    RetryLater,
    Throttled,
    TooMuchData,
)
from shoptalk.importer.history import Progress
from shoptalk.importer.platform_reader import VAIN_QUESTIONS
from shoptalk.types import Outcome
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
    StillClock,
    Vice,
)

MESSENGER, INSTAGRAM, SMS = Lists.NEWEST_MESSAGES, Lists.THREADS, Lists.BARE_MESSAGES
WHOLE = Lists.WHOLE_THREADS

both = pytest.mark.parametrize("lists", [MESSENGER, INSTAGRAM])
threaded = pytest.mark.parametrize("lists", [MESSENGER, WHOLE, INSTAGRAM])
all_kinds = pytest.mark.parametrize("lists", Lists)

INTERRUPTIONS: list[PlatformError] = [
    RetryLater("no", platform="fake"),
    Throttled("no", platform="fake"),
    BadPayload("no", platform="fake"),
    GiveUp("no", platform="fake"),
    ChannelStopped("no", platform="fake", remedy="Act."),
]


def old_shop(
    desk: Desk,
    lists: Lists = MESSENGER,
    *,
    threads: int = 6,
    messages: int = 14,
    most_rows: int = 2,
) -> FakePlatform:
    """A shop with a past: some threads of many messages, an hour apart."""
    platform = FakePlatform(desk.clock, lists, shown=3, most_rows=most_rows)
    now = desk.clock()
    for thread in range(threads):
        for number in range(messages):
            at = now - (thread + 1) * HOUR - (messages - number) * SECOND
            platform.write(f"t{thread}", f"{thread}.{number}", at=at)
    desk.connect(platform)
    return platform


def truth(platform: FakePlatform) -> dict[str, list[str]]:
    return {
        thread_id: [message.text for message in talk.messages]
        for thread_id, talk in platform.talks.items()
    }


def stored(desk: Desk, platform: FakePlatform) -> dict[str, list[str]]:
    return {thread_id: desk.texts(thread_id) for thread_id in platform.talks}


# First contact


@all_kinds
def test_what_was_written_before_the_cut_over_is_imported_as_old_and_answered(
    desk: Desk, clock: StillClock, lists: Lists
) -> None:
    platform = old_shop(desk, lists)
    platform.write("t0", "a second before", at=NINE - SECOND)
    platform.write("t0", "in the second itself", at=NINE)
    clock.advance(MINUTE)
    platform.write("t0", "after")
    desk.import_one()
    assert stored(desk, platform) == truth(platform)
    assert desk.channel().history_state == "done"
    new = [row.content for row in desk.messages() if not row.is_old]
    assert sorted(new) == ["after", "in the second itself"]
    for row in desk.messages():
        assert row.reply_sent == row.is_old
        assert row.outcome == (Outcome.HISTORY if row.is_old else None)


@all_kinds
def test_what_came_after_the_cut_over_is_new_also_when_history_sees_it_first(
    desk: Desk, clock: StillClock, lists: Lists
) -> None:
    platform = old_shop(desk, lists, threads=2)
    clock.advance(HOUR)
    platform.write("t1", "waits")
    desk.read_history()
    (row,) = [row for row in desk.messages() if not row.is_old]
    assert (row.content, row.reply_sent, row.outcome) == ("waits", False, None)
    report = desk.poll()
    assert report.stored.new == 0


def test_a_new_message_that_history_sees_first_stays_behind_those_of_its_second(
    desk: Desk, clock: StillClock
) -> None:
    platform = old_shop(desk, threads=1)
    platform.write("t0", "first")
    desk.poll()
    platform.write("t0", "second")
    desk.read_history()
    assert desk.texts("t0")[-2:] == ["first", "second"]


@threaded
def test_a_thread_that_history_met_first_is_watched_for_what_comes_late(
    desk: Desk, clock: StillClock, lists: Lists
) -> None:
    platform = old_shop(desk, lists)
    clock.advance(MINUTE)
    desk.poll()
    platform.write("t5", "between poll and history")
    platform.write("t5", "late", shown_after=OVERLAP)
    desk.read_history()
    for _ in range(4):
        clock.advance(OVERLAP)
        desk.poll()
    assert desk.texts("t5")[-2:] == ["between poll and history", "late"]


@threaded
def test_after_history_an_idle_import_is_one_list_call(
    desk: Desk, clock: StillClock, lists: Lists
) -> None:
    platform = old_shop(desk, lists, most_rows=25)
    desk.import_one()
    for _ in range(3):
        platform.calls.clear()
        desk.import_one()
        assert len(platform.calls) == 1
        clock.advance(OVERLAP)


def test_what_instagram_hides_of_the_past_is_a_declared_gap(desk: Desk, clock: StillClock) -> None:
    platform = old_shop(desk, INSTAGRAM, threads=2, messages=50)
    clock.advance(SECOND)
    platform.write("t0", "new")
    desk.import_one()
    gaps = {gap["thread_id"]: gap for gap in desk.gaps()}
    assert {thread_id: gap["at_most"] for thread_id, gap in gaps.items()} == {"t0": 31, "t1": 30}
    for thread_id, gap in gaps.items():
        newest_hidden = platform.talks[thread_id].messages[gap["at_most"] - 1]
        assert gap["from"] is None
        assert datetime.fromisoformat(gap["to"]) >= newest_hidden.at


# Interrupted


@pytest.mark.thorough
@all_kinds
@pytest.mark.parametrize("interruption", INTERRUPTIONS, ids=lambda error: type(error).__name__)
def test_a_walk_interrupted_at_any_call_goes_on_and_ends_complete(
    database: Database, lists: Lists, interruption: PlatformError
) -> None:
    interrupted_at = 0
    while True:
        desk = Desk(database, StillClock())
        platform = old_shop(desk, lists, threads=3, messages=5)
        platform.script.extend([None] * interrupted_at + [interruption])
        for _ in range(3):
            if desk.channel().history_state == "waiting":
                desk.read_history()
        assert stored(desk, platform) == truth(platform)
        assert desk.channel().history_state == "done"
        assert desk.gaps() == []
        if platform.script:
            break  # the walk was over before
        interrupted_at += 1
    assert interrupted_at > 1


@settings(max_examples=25)
@given(
    lists=st.sampled_from(Lists),
    steps=st.lists(
        st.one_of(st.none(), st.sampled_from(INTERRUPTIONS), st.sampled_from(Vice)), max_size=25
    ),
)
def test_a_walk_interrupted_again_and_again_ends_complete(
    database: Database, lists: Lists, steps: list[PlatformError | Vice | None]
) -> None:
    desk = Desk(database, StillClock())
    platform = old_shop(desk, lists, threads=4, messages=5)
    platform.script.extend(step for step in steps if step is not Vice.BROKEN)
    while platform.script and desk.channel().history_state == "waiting":
        desk.read_history()
        desk.clock.advance(HOUR)
    platform.script.clear()
    desk.clock.advance(HOUR)
    if desk.channel().history_state == "waiting":
        assert desk.read_history().error is None
    declared = {gap["thread_id"] for gap in desk.gaps()}
    for thread_id, texts in truth(platform).items():
        assert desk.texts(thread_id) == texts or declared & {thread_id, None}


@both
def test_finished_threads_are_not_read_again(desk: Desk, lists: Lists) -> None:
    platform = old_shop(desk, lists)
    wanted = Throttled("too fast", platform="fake")
    platform.script.extend([None] * 6 + [wanted])
    assert desk.read_history().error == "too fast"
    before = {call.thread_id for call in platform.calls[:-1]} - {None}
    unfinished = {
        thread for thread in before if not desk.conversation(thread or "").history_complete
    }
    assert len(before) > len(unfinished)
    platform.calls.clear()
    desk.read_history()
    after = {call.thread_id for call in platform.calls} - {None}
    assert after.isdisjoint(before - unfinished)
    assert stored(desk, platform) == truth(platform)


@all_kinds
def test_a_walk_that_is_told_to_stop_asks_no_more_stores_what_it_has_and_goes_on_later(
    desk: Desk, lists: Lists
) -> None:
    platform = old_shop(desk, lists)
    report = desk.read_history(stop=lambda: len(platform.calls) >= 2)
    assert len(platform.calls) <= 3  # a thread that was begun is read to its beginning
    assert report.error is None
    assert 0 < report.stored.new < 6 * 14
    assert desk.channel().history_state == "waiting"
    assert desk.read_history().error is None
    assert desk.channel().history_state == "done"
    assert stored(desk, platform) == truth(platform)


@both
@pytest.mark.parametrize("error", [RetryLater, GiveUp, BadPayload, TooMuchData])
def test_a_thread_that_cannot_be_read_is_declared_and_holds_up_nobody(
    desk: Desk, lists: Lists, error: type[PlatformError]
) -> None:
    platform = old_shop(desk, lists)
    platform.broken_threads["t2"] = error("no", platform="fake")
    report = desk.read_history()
    assert report.error is None
    assert [(gap["thread_id"], gap["reason"]) for gap in report.gaps] == [("t2", "no")]
    assert desk.channel().history_state == "done"
    whole = truth(platform)
    assert {each: desk.texts(each) == texts for each, texts in whole.items()} == {
        each: each != "t2" for each in whole
    }


def test_where_every_thread_fails_the_walk_is_interrupted(desk: Desk) -> None:
    platform = old_shop(desk, INSTAGRAM)
    for thread_id in platform.talks:
        platform.broken_threads[thread_id] = RetryLater("no", platform="fake")
    assert desk.read_history().error == "no"
    assert desk.channel().history_state == "waiting"


def test_a_thread_that_failed_is_whole_after_the_next_backfill(desk: Desk) -> None:
    platform = old_shop(desk)
    platform.broken_threads["t2"] = GiveUp("no", platform="fake")
    desk.read_history()
    platform.broken_threads.clear()
    backfill(desk)
    assert stored(desk, platform) == truth(platform)


# Meanwhile


@all_kinds
@pytest.mark.parametrize("at_call", [1, 2, 3])
def test_a_thread_that_moves_to_the_front_during_the_walk_is_completed(
    desk: Desk, clock: StillClock, lists: Lists, at_call: int
) -> None:
    platform = old_shop(desk, lists)
    clock.advance(MINUTE)
    desk.poll()
    platform.calls.clear()

    def a_customer_comes_back(calls: int) -> None:
        if calls == at_call:
            platform.write("t5", "hello again")

    platform.before_call = a_customer_comes_back
    desk.read_history()
    platform.before_call = lambda _: None
    for _ in range(2):
        clock.advance(SECOND)
        desk.import_one()
    assert stored(desk, platform) == truth(platform)
    assert desk.channel().history_state == "done"


@both
def test_a_thread_that_turns_up_after_the_walk_has_its_history_read_too(
    desk: Desk, clock: StillClock, lists: Lists
) -> None:
    platform = old_shop(desk, lists)
    hidden = platform.talks.pop("t3")  # in another folder, say
    desk.import_one()
    assert desk.channel().history_state == "done"
    clock.advance(DAY)
    platform.talks["t3"] = hidden
    platform.write("t3", "hello again")
    desk.import_one()
    desk.import_one()
    assert stored(desk, platform) == truth(platform)
    assert desk.channel().history_state == "done"


def test_a_thread_that_a_poll_adds_at_the_very_end_of_the_walk_is_not_missed(
    desk: Desk, clock: StillClock
) -> None:
    platform = old_shop(desk, threads=1)
    late_comer = FakePlatform(clock, shown=3)
    for number in range(9):
        late_comer.write("moved", f"moved.{number}", at=NINE - DAY + number * SECOND)
    clock.advance(MINUTE)

    def a_poll_adds_one(_: Progress) -> None:
        if "moved" not in platform.talks:
            platform.talks["moved"] = late_comer.talks["moved"]
            platform.write("moved", "new")
            desk.poll()

    desk.importer.read_history(
        desk.channel(), on_progress=lambda _, progress: a_poll_adds_one(progress)
    )
    assert stored(desk, platform) == truth(platform)


@all_kinds
@pytest.mark.parametrize("vice", list(Vice))
@pytest.mark.parametrize("at_call", [0, 1, 3])
def test_a_page_that_goes_wrong_once_loses_nothing(
    desk: Desk, lists: Lists, vice: Vice, at_call: int
) -> None:
    platform = old_shop(desk, lists, threads=4, messages=6)
    platform.script.extend([None] * at_call + [vice])
    report = desk.read_history()
    assert (report.error, report.gaps) == (None, [])
    assert stored(desk, platform) == truth(platform)


# Backfill and progress


def backfill(desk: Desk, *, since: datetime | None = None, until: datetime | None = None) -> None:
    with desk.database.transaction() as session:
        begin_backfill(session, desk.channel().id, since=since)
    assert desk.read_history(kind="backfill", until=until).error is None


def forget(desk: Desk) -> None:
    """Lose all messages, as a restored old backup does."""
    with desk.database.transaction() as session:
        session.execute(delete(Message))


@threaded
def test_a_backfill_brings_back_what_was_lost(desk: Desk, lists: Lists) -> None:
    platform = old_shop(desk, lists)
    desk.import_one()
    forget(desk)
    backfill(desk)
    assert stored(desk, platform) == truth(platform)
    assert desk.runs()[-1].kind == "backfill"


@threaded
def test_a_backfill_keeps_to_its_dates(desk: Desk, lists: Lists) -> None:
    platform = old_shop(desk, lists)
    desk.import_one()
    forget(desk)
    since, until = NINE - 3 * HOUR - 10 * SECOND, NINE - HOUR - 5 * SECOND
    platform.calls.clear()
    backfill(desk, since=since, until=until)
    expected = {
        thread_id: [message.text for message in talk.messages if since <= message.at <= until]
        for thread_id, talk in platform.talks.items()
    }
    assert stored(desk, platform) == expected
    assert {call.thread_id for call in platform.calls}.isdisjoint({"t4", "t5"})
    assert sum(map(len, expected.values())) == 10 + 14 + 10


@all_kinds
def test_progress_counts_threads_and_messages(desk: Desk, lists: Lists) -> None:
    old_shop(desk, lists, threads=3, messages=5, most_rows=25)
    seen: list[Progress] = []
    desk.importer.read_history(desk.channel(), on_progress=lambda _, each: seen.append(each))
    counts = [(each.threads, each.messages) for each in seen]
    assert counts[-1][1] == 15
    assert counts == sorted(counts)
    if lists is not SMS:
        assert counts == [(1, 5), (2, 10), (3, 15)]


@threaded
def test_what_makes_no_sense_for_once_is_asked_for_again(
    desk: Desk, clock: StillClock, lists: Lists
) -> None:
    platform = FakePlatform(clock, lists, shown=3)
    for number in range(12):
        platform.write("A", f"#{number}", at=NINE - (20 - number) * HOUR)
    desk.connect(platform)
    desk.poll()
    platform.script.extend([None, Vice.BROKEN, Vice.BROKEN])
    report = desk.read_history()
    assert (report.unreadable, desk.texts()) == (0, [f"#{number}" for number in range(12)])


def test_what_never_makes_sense_costs_few_calls(desk: Desk, clock: StillClock) -> None:
    def calls(*, broken: bool) -> int:
        platform = FakePlatform(clock, INSTAGRAM)
        for thread in range(30):
            platform.write(f"{thread}", "a line", at=NINE - HOUR)
            platform.write(f"{thread}", "another", at=NINE - HOUR, is_broken=broken)
        channel_id = desk.connect(platform)
        desk.poll(channel_id)
        return desk.read_history(channel_id).calls

    assert calls(broken=True) == calls(broken=False) + VAIN_QUESTIONS
