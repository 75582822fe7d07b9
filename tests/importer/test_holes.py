"""A record of a thread that makes no sense: what its customer wrote after it waits for it."""

from datetime import timedelta

import pytest
from hypothesis import Phase, given, settings
from hypothesis import strategies as st

from shoptalk.db.engine import Database
from shoptalk.errors import RetryLater
from shoptalk.importer.thread_sync import READ_AGAIN_FIRST, UNREADABLE_AFTER
from shoptalk.types import SenderType
from tests.importer.fake_platform import (
    HOUR,
    MINUTE,
    OVERLAP,
    SECOND,
    Desk,
    FakePlatform,
    Lists,
    Step,
    StillClock,
    Vice,
    empty,
)

OF_THREADS = [Lists.NEWEST_MESSAGES, Lists.THREADS]


@pytest.fixture(params=OF_THREADS)
def platform(desk: Desk, clock: StillClock, request: pytest.FixtureRequest) -> FakePlatform:
    """Connected, and polled once."""
    platform = FakePlatform(clock, request.param)
    desk.connect(platform)
    desk.poll()
    clock.advance(MINUTE)
    return platform


def polls_for(desk: Desk, clock: StillClock, span: timedelta) -> None:
    end = clock() + span
    while clock() < end:
        desk.poll()
        clock.advance(10 * SECOND)


def test_what_came_after_it_waits_and_what_came_before_it_does_not(
    desk: Desk, platform: FakePlatform, clock: StillClock
) -> None:
    platform.write("A", "before")
    spoilt = platform.write("A", "hole", is_broken=True)
    platform.write("A", "after")
    platform.write("B", "of another thread")
    report = desk.poll()
    assert (report.error, report.unreadable) == (None, 1)
    assert [gap["reason"] for gap in report.gaps] == ["a record of the thread makes no sense"]
    assert desk.gathered() == ["before"]
    assert desk.gathered("B") == ["of another thread"]
    spoilt.is_broken = False
    polls_for(desk, clock, 2 * MINUTE)
    assert desk.gathered() == ["before", "hole", "after"]


def test_what_stays_senseless_is_waited_for_so_often_and_no_longer(
    desk: Desk, platform: FakePlatform, clock: StillClock
) -> None:
    platform.write("A", "hole", is_broken=True)
    platform.write("A", "after")
    for failures in range(UNREADABLE_AFTER):
        desk.poll()
        assert desk.gathered() == []
        assert desk.conversation("A").read_failures == failures + 1
        clock.advance(2**failures * READ_AGAIN_FIRST)
    desk.poll()
    assert desk.gathered() == ["after"]
    clock.advance(10 * SECOND)
    platform.write("A", "later")
    desk.poll()
    assert desk.gathered() == ["after", "later"], "it is not waited for once more"


def test_what_is_stored_is_not_younger_for_a_hole_before_it(
    desk: Desk, platform: FakePlatform, clock: StillClock
) -> None:
    spoilt = platform.write("A", "spoilt only later")
    platform.write("A", "known")
    desk.poll()
    spoilt.is_broken = True
    clock.advance(10 * SECOND)
    platform.write("A", "new")
    desk.poll()
    assert desk.gathered() == ["spoilt only later", "known", "new"]


def test_a_hole_in_what_was_written_before_the_cut_over_holds_nothing_back(
    desk: Desk, platform: FakePlatform, clock: StillClock
) -> None:
    connected = desk.channel().connected_at
    platform.write("A", "hole", is_broken=True, at=connected - HOUR)
    platform.write("A", "old", at=connected - 30 * SECOND)
    platform.write("A", "new")
    desk.poll()
    assert desk.gathered() == ["new"]


def test_what_a_person_wrote_after_it_is_known_at_once(
    desk: Desk, platform: FakePlatform, clock: StillClock
) -> None:
    spoilt = platform.write("A", "hole", is_broken=True)
    platform.write("A", "after")
    clock.advance(SECOND)
    platform.write("A", "by a person", side=SenderType.EMPLOYEE)
    desk.poll()
    assert desk.texts("A") == ["by a person"]
    spoilt.is_broken = False
    polls_for(desk, clock, 2 * MINUTE)
    assert desk.texts("A") == ["hole", "after", "by a person"]


@pytest.mark.parametrize("texts", [["hole"], ["hole", "after"]])
def test_in_one_second_what_a_person_wrote_after_it_keeps_its_place(
    desk: Desk, platform: FakePlatform, clock: StillClock, texts: list[str]
) -> None:
    spoilt, *_ = [platform.write("A", text, is_broken=text == "hole") for text in texts]
    platform.write("A", "by a person", side=SenderType.EMPLOYEE)
    desk.poll()
    spoilt.is_broken = False
    polls_for(desk, clock, 2 * MINUTE)
    assert desk.texts("A") == [*texts, "by a person"]


def test_what_a_person_wrote_is_known_though_the_thread_cannot_be_read(
    desk: Desk, platform: FakePlatform, clock: StillClock
) -> None:
    if platform.lists is Lists.THREADS:
        pytest.skip("its list shows no messages")
    for number in range(11):  # more than a page shows
        platform.write("A", f"#{number}")
    clock.advance(SECOND)
    platform.write("A", "by a person", side=SenderType.EMPLOYEE)
    platform.broken_threads["A"] = RetryLater("no", platform="fake")
    desk.poll()
    assert desk.texts("A") == ["by a person"]


def test_what_waits_is_not_brought_in_by_the_walk_into_history(
    desk: Desk, platform: FakePlatform, clock: StillClock
) -> None:
    connected = desk.channel().connected_at
    for number in range(3):
        platform.write("A", f"old {number}", at=connected - (3 - number) * HOUR)
    spoilt = platform.write("A", "hole", is_broken=True)
    platform.write("A", "after")
    desk.poll()
    desk.read_history()
    assert desk.gathered() == []
    assert "old 0" in desk.texts("A")
    spoilt.is_broken = False
    polls_for(desk, clock, 2 * MINUTE)
    assert desk.gathered() == ["hole", "after"]


def test_what_comes_in_the_second_of_a_hole_waits_for_it(
    desk: Desk, platform: FakePlatform, clock: StillClock
) -> None:
    """The thread seems unchanged: its time is of whole seconds."""
    platform.write("A", "before")
    desk.poll()
    spoilt = platform.write("A", "hole", is_broken=True)
    platform.write("A", "after")
    desk.poll()
    assert desk.gathered() == ["before"]
    polls_for(desk, clock, 50 * SECOND)
    assert desk.gathered() == ["before"]
    spoilt.is_broken = False
    polls_for(desk, clock, OVERLAP + 2 * MINUTE)
    assert desk.gathered() == ["before", "hole", "after"]


def test_a_late_message_is_found_behind_a_page_that_shows_a_hole_alone(
    desk: Desk, clock: StillClock
) -> None:
    platform = FakePlatform(clock, Lists.NEWEST_MESSAGES, shown=1)
    desk.connect(platform)
    desk.poll()
    clock.advance(MINUTE)
    platform.write("A", "late", shown_after=40 * SECOND)
    platform.write("A", "in time")
    desk.poll()
    platform.write("A", "hole", is_broken=True)
    clock.advance(MINUTE)
    polls_for(desk, clock, 2 * OVERLAP)
    assert sorted(desk.texts("A")) == ["in time", "late"]


steps: st.SearchStrategy[Step] = st.one_of(
    st.none(),
    st.just(Vice.BROKEN),
    st.sampled_from([RetryLater("no", platform="fake")]),
)
events = st.one_of(
    st.tuples(st.just("writes"), st.sampled_from("AB"), st.integers(1, 4)),
    st.tuples(st.just("spoils"), st.sampled_from("AB"), st.just(0)),
    st.tuples(st.just("is mended"), st.just(""), st.just(0)),
    st.tuples(st.just("polls"), st.lists(steps, max_size=4), st.integers(0, 8)),
)


@settings(
    max_examples=60,
    phases=[Phase.explicit, Phase.reuse, Phase.generate],  # each step is a transaction
)
@given(
    story=st.lists(events, max_size=20),
    lists=st.sampled_from(OF_THREADS),
    shown=st.sampled_from([1, 3, 10]),
)
def test_whatever_makes_no_sense_nothing_is_answered_before_what_was_written_first(
    database: Database, story: list[tuple[str, object, int]], lists: Lists, shown: int
) -> None:
    """Some 20 events of less than 8 seconds: nothing is given up meanwhile."""
    empty(database)
    clock = StillClock()
    platform, desk = FakePlatform(clock, lists, shown=shown), Desk(database, clock)
    desk.connect(platform)
    clock.advance(MINUTE)
    for kind, what, number in story:
        if kind == "writes":
            for _ in range(number):
                platform.write(str(what))
        elif kind == "spoils":
            platform.write(str(what), is_broken=True)
        elif kind == "is mended":
            mend(platform)
        else:
            assert isinstance(what, list)
            platform.script.extend(what)
            desk.poll()
            platform.script.clear()
            clock.advance(number * SECOND)
            assert_in_order(desk, platform)
    mend(platform)
    for _ in range(5):
        clock.advance(OVERLAP)
        desk.poll()
        assert_in_order(desk, platform)
    for thread_id, talk in platform.talks.items():
        assert desk.gathered(thread_id) == [written.text for written in talk.messages]


def mend(platform: FakePlatform) -> None:
    for talk in platform.talks.values():
        for written in talk.messages:
            written.is_broken = False


def assert_in_order(desk: Desk, platform: FakePlatform) -> None:
    for thread_id, talk in platform.talks.items():
        answered = set(desk.gathered(thread_id))
        marks = [written.text in answered for written in talk.messages]
        assert marks == sorted(marks, reverse=True), "those that were written first, first"
