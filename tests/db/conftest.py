from collections.abc import Iterator

import pytest

from shoptalk.db.engine import Database
from shoptalk.db.models import ChannelIntegration
from shoptalk.db.presence import Presence

from .rows import open_channel


@pytest.fixture
def channel(database: Database) -> ChannelIntegration:
    return open_channel(database)


@pytest.fixture
def ann(database: Database) -> Iterator[Presence]:
    """Somebody who claims turns, and is there until the test ends."""
    presence = Presence(database.engine)
    yield presence
    presence.leave()


bob = ann
