"""What the tests of the importer share: a still clock, and a desk that imports by it."""

import pytest

from shoptalk.db.engine import Database
from tests.importer.fake_platform import Desk, StillClock


@pytest.fixture
def clock() -> StillClock:
    return StillClock()


@pytest.fixture
def desk(database: Database, clock: StillClock) -> Desk:
    return Desk(database, clock)
