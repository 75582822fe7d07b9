"""The sandbox's clock, on a machine whose own stands still."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

import pytest
from freezegun import freeze_time
from freezegun.api import FrozenDateTimeFactory

from shoptalk.sandbox.clock import SandboxClock

NINE = datetime(2026, 10, 4, 9, 0, tzinfo=UTC)
MINUTE, DAY = timedelta(minutes=1), timedelta(days=1)


@pytest.fixture
def machine() -> Iterator[FrozenDateTimeFactory]:
    with freeze_time(NINE) as machine:
        assert isinstance(machine, FrozenDateTimeFactory)
        yield machine


def test_it_runs_with_the_machine(machine: FrozenDateTimeFactory) -> None:
    clock = SandboxClock()
    machine.tick(MINUTE)
    assert clock.now() == NINE + MINUTE


def test_it_keeps_its_offset_until_it_is_reset(machine: FrozenDateTimeFactory) -> None:
    clock = SandboxClock()
    clock.advance(2 * DAY)
    machine.tick(MINUTE)
    assert clock.now() == NINE + 2 * DAY + MINUTE
    clock.set(NINE - DAY)
    machine.tick(MINUTE)
    assert clock.now() == NINE - DAY + MINUTE
    clock.reset()
    assert clock.now() == NINE + 2 * MINUTE


def test_it_may_run_more_quickly_from_where_it_stands(machine: FrozenDateTimeFactory) -> None:
    clock = SandboxClock()
    machine.tick(MINUTE)
    clock.run(10)
    machine.tick(MINUTE)
    assert clock.now() == NINE + 11 * MINUTE


def test_frozen_it_stands_and_running_it_goes_on_from_there(
    machine: FrozenDateTimeFactory,
) -> None:
    clock = SandboxClock()
    clock.freeze()
    machine.tick(DAY)
    assert (clock.now(), clock.is_frozen) == (NINE, True)
    clock.advance(MINUTE)
    assert clock.now() == NINE + MINUTE
    clock.run()
    machine.tick(MINUTE)
    assert (clock.now(), clock.is_frozen) == (NINE + 2 * MINUTE, False)


def test_it_takes_no_moment_without_a_time_zone() -> None:
    with pytest.raises(ValueError, match="needs a time zone"):
        SandboxClock().set(NINE.replace(tzinfo=None))
