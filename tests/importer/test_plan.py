"""When a channel is polled next: hot, quiet, and short of calls."""

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shoptalk.importer.poll_schedule import DAY, EARLY, LONGEST_SPARING, PollSchedule, throttle

NOON = datetime(2026, 10, 5, 12, 0, tzinfo=UTC)
SECOND = timedelta(seconds=1)
PLAN = PollSchedule(interval=10 * SECOND, longest=120 * SECOND)


@pytest.mark.parametrize("silent_for", [0, 1, 60, 600])
def test_a_channel_active_lately_is_polled_with_every_tick(silent_for: int) -> None:
    assert PLAN.next_poll_at(NOON, active_at=NOON - silent_for * SECOND) is None


def test_a_channel_just_connected_is_polled_with_every_tick() -> None:
    assert PLAN.next_poll_at(NOON, active_at=None) is None


@pytest.mark.parametrize(("hours", "seconds"), [(0.5, 30), (1, 60), (2, 120), (1000, 120)])
def test_the_longer_a_channel_was_silent_the_slower_it_is_polled(
    hours: float, seconds: int
) -> None:
    next_at = PLAN.next_poll_at(NOON, active_at=NOON - timedelta(hours=hours))
    assert next_at == NOON + seconds * SECOND * EARLY  # the tick may come a little early


def test_an_owner_who_wants_no_slowing_down_gets_none() -> None:
    eager = PollSchedule(interval=10 * SECOND, longest=10 * SECOND)
    assert eager.next_poll_at(NOON, active_at=NOON - 30 * DAY) is None


@pytest.mark.parametrize("percent", [0, 1, 50])
def test_half_of_an_allowance_is_spent_freely(percent: int) -> None:
    assert throttle(usage_percent=percent, calls_of_day=4000) == timedelta(0)


def test_what_is_left_is_spread_over_a_day_even_of_a_hot_channel() -> None:
    spare = throttle(usage_percent=80, calls_of_day=800)  # 200 are left
    assert spare == DAY / 200
    next_at = PLAN.next_poll_at(NOON, active_at=NOON, spare=spare)
    assert next_at == NOON + spare


@pytest.mark.parametrize("percent", [99, 100, 250])
def test_a_channel_that_is_out_of_calls_is_tried_each_hour(percent: int) -> None:
    assert throttle(usage_percent=percent, calls_of_day=10) == LONGEST_SPARING


@given(allowance=st.integers(50, 20_000))
def test_no_day_of_a_hot_channel_uses_up_its_allowance(allowance: int) -> None:
    used, now = 0, NOON
    while now < NOON + DAY:
        used += 1
        spare = throttle(usage_percent=-(-100 * used // allowance), calls_of_day=used)
        next_at = PLAN.next_poll_at(now, active_at=now, spare=spare) or now
        now = max(next_at, now + PLAN.interval)  # a tick
    assert used <= allowance
