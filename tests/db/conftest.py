from collections.abc import Iterator

import pytest

from shoptalk.db.engine import Database
from shoptalk.db.liveness import Liveness
from shoptalk.db.models import ChannelIntegration

from .rows import open_channel


@pytest.fixture
def channel(database: Database) -> ChannelIntegration:
    return open_channel(database)


@pytest.fixture
def ann(database: Database) -> Iterator[Liveness]:
    """Somebody who claims turns, and is there until the test ends."""
    liveness = Liveness(database.engine)
    yield liveness
    liveness.leave()


bob = ann
