"""The watermark, decided from facts: where a poll looks back to, and how far it moves."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shoptalk.db.missing_messages import WAITS_FOR
from shoptalk.importer.watermark import (
    NEVER,
    ChannelFacts,
    WalkFacts,
    decide,
    has_moved,
    known_whole_until,
    look_back_to,
)

NINE = datetime(2026, 3, 1, 9, 0, tzinfo=UTC)
OVERLAP = timedelta(seconds=30)
SECOND = timedelta(seconds=1)


def at(seconds: float) -> datetime:
    return NINE + timedelta(seconds=seconds)


CONNECTED = ChannelFacts(connected_at=NINE, watermark=None, moved_at=None, polled_at=None)
POLLED = replace(CONNECTED, watermark=at(100), moved_at=at(110), polled_at=at(110))
WALK = WalkFacts(complete=True, newest=at(130))


@pytest.mark.parametrize(
    ("before", "expected"),
    [
        pytest.param(CONNECTED, at(-30), id="a first poll looks back beyond the cut-over"),
        pytest.param(POLLED, at(70), id="what may come late is looked for"),
        pytest.param(
            replace(POLLED, polled_at=at(139)), at(70), id="a second before it is settled"
        ),
        pytest.param(replace(POLLED, polled_at=at(140)), at(100), id="settled: no further"),
        pytest.param(
            replace(POLLED, polled_at=at(140), incomplete_since=at(105)), at(70), id="incomplete"
        ),
        pytest.param(replace(POLLED, moved_at=None), at(70), id="nobody saw it move"),
    ],
)
def test_a_poll_looks_back_as_far_as_something_may_be_missing(
    before: ChannelFacts, expected: datetime
) -> None:
    assert look_back_to(before, OVERLAP) == expected


@pytest.mark.parametrize(
    ("before", "expected"),
    [
        (CONNECTED, NEVER),
        (replace(POLLED, polled_at=at(140)), NEVER),
        (replace(POLLED, polled_at=at(141)), at(100)),
        (replace(POLLED, polled_at=at(141), incomplete_since=at(105)), NEVER),
        (replace(POLLED, moved_at=None), NEVER),
        (replace(POLLED, polled_at=None), NEVER),
    ],
)
def test_a_second_is_known_to_be_stored_once_it_and_the_overlap_are_over(
    before: ChannelFacts, expected: datetime
) -> None:
    assert known_whole_until(before, OVERLAP) == expected


@pytest.mark.parametrize(
    ("before", "walk", "watermark"),
    [
        pytest.param(POLLED, WALK, at(130), id="to the newest change"),
        pytest.param(POLLED, replace(WALK, newest=None), None, id="an empty page moves nothing"),
        pytest.param(POLLED, replace(WALK, complete=False), None, id="a walk that broke off"),
        pytest.param(CONNECTED, replace(WALK, newest=None), at(0), id="first: to the cut-over"),
        pytest.param(CONNECTED, replace(WALK, newest=at(-5)), at(0), id="first: not before it"),
        pytest.param(CONNECTED, WALK, at(130), id="first: to the newest change"),
        pytest.param(
            POLLED, replace(WALK, settled_until=at(200)), at(170), id="time alone moves it"
        ),
        pytest.param(
            POLLED, replace(WALK, settled_until=at(120)), at(120), id="not past what is settled"
        ),
        pytest.param(
            POLLED, replace(WALK, settled_until=at(140)), at(130), id="the newest, where settled"
        ),
        pytest.param(
            POLLED,
            replace(WALK, newest=None, settled_until=at(200)),
            at(170),
            id="nothing listed, and settled",
        ),
        pytest.param(
            POLLED, replace(WALK, held_back_since=at(120)), at(119), id="before what is held back"
        ),
        pytest.param(
            POLLED, replace(WALK, held_back_since=at(500)), at(130), id="held back is newer still"
        ),
    ],
)
def test_the_watermark_moves_as_far_as_everything_is_stored(
    before: ChannelFacts, walk: WalkFacts, watermark: datetime | None
) -> None:
    assert decide(before, walk, overlap=OVERLAP, now=at(150)).watermark == watermark


@pytest.mark.parametrize(
    "walk",
    [
        replace(WALK, malformed=1),
        replace(WALK, is_doubtful=True),
    ],
)
def test_what_is_incomplete_is_waited_for_a_quarter_of_an_hour_and_declared_once(
    walk: WalkFacts,
) -> None:
    first = decide(POLLED, walk, overlap=OVERLAP, now=at(150))
    assert (first.is_whole, first.watermark, first.gives_up) == (False, None, False)
    waiting = replace(POLLED, incomplete_since=at(150), polled_at=at(150))
    end = at(150) + WAITS_FOR
    almost = decide(waiting, walk, overlap=OVERLAP, now=end - SECOND)
    assert (almost.is_whole, almost.gives_up) == (False, False)
    over = decide(waiting, walk, overlap=OVERLAP, now=end)
    assert (over.is_whole, over.watermark, over.gives_up) == (True, at(130), True)
    again = decide(replace(waiting, polled_at=end), walk, overlap=OVERLAP, now=end + SECOND)
    assert (again.is_whole, again.gives_up) == (True, False)


def test_a_walk_that_does_not_show_what_waits_is_not_whole() -> None:
    waiting = replace(POLLED, incomplete_since=at(140))
    hidden = decide(waiting, replace(WALK, hides_waiting=True), overlap=OVERLAP, now=at(150))
    assert (hidden.is_whole, hidden.watermark) == (False, None)
    shown = decide(waiting, WALK, overlap=OVERLAP, now=at(150))
    assert (shown.is_whole, shown.watermark, shown.gives_up) == (True, at(130), False)


def test_something_moved_when_it_is_newer_than_the_watermark() -> None:
    assert has_moved(CONNECTED, None)
    assert not has_moved(POLLED, None)
    assert not has_moved(POLLED, at(100))
    assert has_moved(POLLED, at(101))


moments = st.integers(0, 2000).map(at)


@given(
    watermark=st.none() | moments,
    newest=st.none() | moments,
    settled=st.none() | moments,
    held_back=st.none() | moments,
    malformed=st.integers(0, 2),
    complete=st.booleans(),
    since=st.none() | moments,
    now=moments,
)
def test_the_watermark_never_passes_what_is_held_back_or_not_settled(
    watermark: datetime | None,
    newest: datetime | None,
    settled: datetime | None,
    held_back: datetime | None,
    malformed: int,
    complete: bool,
    since: datetime | None,
    now: datetime,
) -> None:
    before = replace(POLLED, watermark=watermark, incomplete_since=since)
    walk = WalkFacts(
        complete=complete,
        newest=newest,
        settled_until=settled,
        held_back_since=held_back,
        malformed=malformed,
    )
    decision = decide(before, walk, overlap=OVERLAP, now=now)
    if decision.watermark is None:
        return
    assert complete
    assert not malformed or (since is not None and now >= since + WAITS_FOR)
    assert held_back is None or decision.watermark < held_back
    if settled is not None and watermark is not None:
        assert decision.watermark <= settled
