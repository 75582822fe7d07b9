from collections.abc import Iterator
from pathlib import Path

import pytest

from shoptalk.db.embedded import EmbeddedServer
from shoptalk.db.engine import Database
from tests.loop.shop import Shop, open_shop


@pytest.fixture
def shop(server: EmbeddedServer, database: Database, tmp_path: Path) -> Iterator[Shop]:
    with open_shop(server.url, tmp_path / "home") as shop:
        yield shop
