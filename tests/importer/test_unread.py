"""A list of bare messages that was not read whole: what was stored of it waits for the rest."""

import pytest
from hypothesis import Phase, example, given, settings
from hypothesis import strategies as st

from shoptalk.db.engine import Database
from shoptalk.db.missing_messages import WAITS_FOR
from shoptalk.errors import BadPayload, PlatformError, RetryLater
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

BROKE_OFF = RetryLater("no", platform="fake")


@pytest.fixture
def platform(desk: Desk, clock: StillClock) -> FakePlatform:
    """Connected, polled once, and showing one message a page."""
    platform = FakePlatform(clock, Lists.BARE_MESSAGES, most_rows=1)
    desk.connect(platform)
    desk.poll()
    clock.advance(MINUTE)
    return platform


def breaks_off(desk: Desk, platform: FakePlatform, *, after: int) -> None:
    platform.script.extend([*[None] * after, BROKE_OFF])
    assert desk.poll().error is not None


def test_what_a_walk_read_that_broke_off_is_stored_and_waits(
    desk: Desk, platform: FakePlatform
) -> None:
    for number in range(3):
        platform.write("A", f"#{number}")
    breaks_off(desk, platform, after=2)
    assert desk.texts() == ["#1", "#2"]
    assert desk.gathered() == []
    desk.poll()
    assert desk.gathered() == ["#0", "#1", "#2"]


def test_what_was_read_before_it_broke_off_waits_for_nothing(
    desk: Desk, platform: FakePlatform, clock: StillClock
) -> None:
    platform.write("A", "known")
    desk.poll()
    clock.advance(MINUTE)
    platform.write("A", "missed")
    platform.write("B", "seen")
    breaks_off(desk, platform, after=1)
    assert desk.gathered() == ["known"]
    assert desk.gathered("B") == []


def test_walks_that_break_off_again_and_again_are_waited_for_so_long_and_no_longer(
    desk: Desk, platform: FakePlatform, clock: StillClock
) -> None:
    platform.write("A", "#0")
    platform.write("A", "#1")
    breaks_off(desk, platform, after=1)
    began = clock()
    while clock() - began < WAITS_FOR:
        assert desk.gathered() == []
        clock.advance(MINUTE)
        breaks_off(desk, platform, after=1)
    assert desk.gathered() == ["#1"]


def test_a_walk_that_broke_off_at_once_makes_nothing_wait(
    desk: Desk, platform: FakePlatform
) -> None:
    platform.write("A")
    breaks_off(desk, platform, after=0)
    assert desk.channel().missing_since is None


def test_a_walk_begun_before_another_broke_off_does_not_speak_for_it(
    desk: Desk, platform: FakePlatform, clock: StillClock
) -> None:
    breaks_off(desk, platform, after=0)

    def another_breaks_off(_: int) -> None:
        platform.before_call = lambda _: None
        clock.advance(SECOND)
        platform.write("A", "#0")
        platform.write("A", "#1")
        breaks_off(desk, platform, after=1)
        platform.script.append(Vice.EMPTY)
        platform.talks.clear()  # what the first walk sees is older than all that

    platform.write("A", "unread by then")
    channel = desk.channel()
    breaks_off(desk, platform, after=0)
    platform.before_call = another_breaks_off
    desk.importer.poll(channel)
    assert desk.channel().missing_since is not None
    assert desk.gathered() == []


def test_a_walk_during_which_another_broke_off_puts_in_order_what_that_one_stored(
    desk: Desk, platform: FakePlatform
) -> None:
    """All in one second: their places are what tells them apart."""
    for number in range(3):
        platform.write("A", f"#{number}")

    def another_breaks_off(calls: int) -> None:
        platform.before_call = lambda _: None
        breaks_off(desk, platform, after=2)

    platform.before_call = another_breaks_off
    desk.poll()
    assert desk.texts() == ["#0", "#1", "#2"]
    desk.poll()
    assert desk.gathered() == ["#0", "#1", "#2"]


def test_a_spoilt_record_is_waited_for_with_the_watermark(
    desk: Desk, platform: FakePlatform, clock: StillClock
) -> None:
    before = desk.channel().last_fetch_timestamp
    spoilt = platform.write("A", "#0", is_broken=True)
    platform.write("A", "#1")
    report = desk.poll()
    assert (report.error, report.unreadable, report.gaps) == (None, 1, [])
    assert desk.channel().last_fetch_timestamp == before
    assert desk.gathered() == []

    clock.advance(2 * OVERLAP)
    spoilt.is_broken = False
    desk.poll()
    assert desk.gathered() == ["#0", "#1"]
    assert desk.channel().last_fetch_timestamp != before
    assert desk.gaps() == []


def test_a_record_that_stays_spoilt_is_declared_once_and_waited_for_no_longer(
    desk: Desk, platform: FakePlatform, clock: StillClock
) -> None:
    platform.write("A", "#0", is_broken=True)
    platform.write("A", "#1")
    for _ in range(10):
        desk.poll()
        clock.advance(2 * MINUTE)
    [gap] = desk.gaps()
    assert "made no sense for 15 minutes" in gap["reason"]
    assert gap["at_most"] == 1
    assert desk.gathered() == ["#1"]
    for _ in range(2):
        clock.advance(HOUR)
        platform.write("A", "later")
        desk.poll()
    assert desk.channel().missing_since is None, "it has left the part that is read again"
    assert len(desk.gaps()) == 1
    assert desk.gathered() == ["#1", "later", "later"]


def test_lists_of_threads_wait_for_nothing_of_the_kind(desk: Desk, clock: StillClock) -> None:
    platform = FakePlatform(clock, Lists.NEWEST_MESSAGES, most_rows=1)
    desk.connect(platform)
    desk.poll()
    clock.advance(MINUTE)
    platform.write("B")
    platform.write("A", "#0")
    breaks_off(desk, platform, after=1)
    assert desk.gathered() == ["#0"]
    assert desk.channel().missing_since is None


steps: st.SearchStrategy[Step] = st.one_of(
    st.none(),
    st.sampled_from([BROKE_OFF, BadPayload("no", platform="fake")]),
    st.sampled_from(Vice),
)


def goes_on(poll: list[PlatformError | Vice | None]) -> bool:
    """Whether no page comes so often that it is taken for a last one, handed out for ever."""
    again = [step in (Vice.REPEAT, Vice.SHIFT) for step in poll]
    return not any(map(all, zip(again, again[1:], again[2:], strict=False)))


events = st.one_of(
    st.tuples(st.just("writes"), st.sampled_from("AB"), st.integers(1, 4)),
    st.tuples(st.just("polls"), st.lists(steps, max_size=6).filter(goes_on), st.integers(0, 40)),
)


#: What was answered in order keeps it, though a later walk that breaks off shows it again
ANSWERED_BEFORE = [
    ("writes", "A", 2),
    ("polls", [None, BROKE_OFF], 29),
    ("writes", "A", 1),
    ("polls", [], 0),
    ("polls", [None, BROKE_OFF], 18),
    ("writes", "A", 1),
]


@settings(
    max_examples=60,
    phases=[Phase.explicit, Phase.reuse, Phase.generate],  # each step is a transaction
)
@example(story=ANSWERED_BEFORE, most_rows=1)
@given(story=st.lists(events, max_size=20), most_rows=st.sampled_from([1, 2, 3]))
def test_whatever_breaks_off_nothing_is_answered_before_what_was_written_first(
    database: Database, story: list[tuple[str, object, int]], most_rows: int
) -> None:
    """Some 20 events of less than 40 seconds: nothing is given up meanwhile."""
    empty(database)
    clock = StillClock()
    platform, desk = (
        FakePlatform(clock, Lists.BARE_MESSAGES, most_rows=most_rows),
        Desk(database, clock),
    )
    desk.connect(platform)
    clock.advance(MINUTE)
    for kind, what, number in story:
        if kind == "writes":
            for _ in range(number):
                platform.write(str(what))
            continue
        assert isinstance(what, list)
        platform.script.extend(what)
        desk.poll()
        platform.script.clear()
        clock.advance(number * SECOND)
        for thread_id, talk in platform.talks.items():
            answered = set(desk.gathered(thread_id))
            marks = [written.text in answered for written in talk.messages]
            assert marks == sorted(marks, reverse=True), "those that were written first, first"
    clock.advance(WAITS_FOR)
    desk.poll()
    for thread_id, talk in platform.talks.items():
        assert desk.gathered(thread_id) == [written.text for written in talk.messages]
