"""Hot and quiet channels, and what a day costs."""

from datetime import datetime, timedelta

import pytest
from sqlalchemy import update

from shoptalk.db.channels import claim_due_channels
from shoptalk.db.circuits import OPENS_AFTER, note_failure
from shoptalk.db.models import ChannelIntegration, ImportRun
from shoptalk.db.runs import forget_uneventful

from .shop import PAGE, Shop

TICK = timedelta(seconds=10)


def tick(shop: Shop) -> int:
    """Poll what is due; return how many channels that were."""
    with shop.app.database.transaction() as session:
        due = claim_due_channels(
            session,
            not_polled=(),
            now=shop.now,
            not_before=shop.now,
            limit=100,
            longest_wait=shop.app.poll_schedule.longest_wait,
        )
    reports = shop.app.importer().import_side_by_side(due)
    assert [report.error for report in reports] == [None] * len(reports)
    return len(due)


def polls(shop: Shop, *, during: timedelta) -> int:
    """How many polls a span of ticks makes of the one channel there is."""
    made = 0
    ends_at = shop.now + during
    while shop.now < ends_at:
        made += tick(shop)
        next_at = shop.channels()[0].next_poll_at or shop.now + TICK
        shop.wait(seconds=max(TICK, next_at - shop.now).total_seconds())
    return made


def test_a_channel_is_polled_with_every_tick_while_somebody_writes(shop: Shop) -> None:
    shop.opens("facebook")
    shop.imports()
    for number in range(5):
        shop.customer_writes(f"hello {number}")
        assert polls(shop, during=timedelta(minutes=1)) == 6


def test_a_quiet_channel_slows_down_and_is_hot_again_with_the_first_message(shop: Shop) -> None:
    shop.opens("facebook")
    shop.imports()
    shop.wait(hours=10)
    assert (
        polls(shop, during=timedelta(minutes=20)) <= 12
    )  # about every two minutes, not every tick
    shop.customer_writes("anybody there?")
    shop.wait(minutes=2)
    assert tick(shop) == 1
    assert polls(shop, during=timedelta(minutes=1)) == 6


def test_an_owner_can_have_quiet_channels_polled_with_every_tick(shop: Shop) -> None:
    shop.app.settings.poll_interval_max_seconds = 10
    shop.opens("facebook")
    shop.imports()
    shop.wait(hours=10)
    assert polls(shop, during=timedelta(minutes=1)) == 6


def put_off(shop: Shop, *, failures: int, until: datetime) -> None:
    with shop.app.database.transaction() as session:
        session.execute(update(ChannelIntegration).values(next_poll_at=until, failures=failures))


@pytest.mark.parametrize(("failures", "hours"), [(0, 2), (1, 25)])
def test_a_channel_put_off_by_a_clock_that_ran_ahead_is_due_now(
    shop: Shop, failures: int, hours: float
) -> None:
    shop.opens("facebook")
    shop.imports()
    put_off(shop, failures=failures, until=shop.now + timedelta(hours=hours))
    assert tick(shop) == 1
    next_at = shop.channels()[0].next_poll_at
    assert next_at is None or next_at <= shop.now


@pytest.mark.parametrize(("failures", "hours"), [(0, 1), (1, 24)])
def test_a_channel_waits_as_long_as_a_plan_or_a_platform_may_ask_for(
    shop: Shop, failures: int, hours: float
) -> None:
    shop.opens("facebook")
    shop.imports()
    put_off(shop, failures=failures, until=shop.now + timedelta(hours=hours))
    assert tick(shop) == 0


def test_a_platform_left_alone_by_a_clock_that_ran_ahead_is_asked(shop: Shop) -> None:
    shop.opens("facebook")
    with shop.app.database.transaction() as session:
        for _ in range(OPENS_AFTER):
            note_failure(session, "facebook", "HTTP 500", now=shop.now + timedelta(hours=9))
    assert [report.error for report in shop.imports()] == [None, None]
    with shop.app.database.transaction() as session:
        for _ in range(OPENS_AFTER):
            note_failure(session, "facebook", "HTTP 500", now=shop.now + timedelta(hours=9))
        note_failure(session, "facebook", "HTTP 500", now=shop.now)
    [report, *_] = shop.imports()
    assert "again and again" in str(report.error)


def test_a_day_of_a_page_with_one_engaged_user_stays_inside_its_allowance(shop: Shop) -> None:
    shop.control.change_settings(PAGE, engaged_users=1)  # 200 calls a day
    shop.opens("facebook")
    for _ in range(4):
        shop.customer_writes("and now?")
        polls(shop, during=timedelta(hours=6))
    assert shop.channels()[0].usage_percent is not None
    assert 100 < shop.list_calls() < 200  # used, and not used up: no poll was refused


def test_runs_that_met_nothing_are_forgotten_and_the_others_kept(shop: Shop) -> None:
    shop.opens("facebook")
    shop.customer_writes("hello")
    for _ in range(4):
        shop.imports()
        shop.wait(minutes=10)
    kept = [row.id for row in shop.rows(ImportRun) if row.new or row.kind != "poll"]
    with shop.app.database.transaction() as session:
        assert forget_uneventful(session, before=shop.now) > 0
    assert [row.id for row in shop.rows(ImportRun)] == kept
