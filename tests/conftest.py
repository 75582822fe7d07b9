"""Real PostgreSQL for every test, time that stands still, and no network but loopback."""

import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from sqlalchemy import delete, text

from shoptalk.db import schema
from shoptalk.db.embedded import EmbeddedServer
from shoptalk.db.engine import Database, connect
from shoptalk.db.models import Base


@pytest.fixture(autouse=True)
def no_environment(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """No test depends on whoever runs it: no settings, no .env file, no home."""
    from shoptalk import settings

    for name in settings.Settings.model_fields:
        monkeypatch.delenv(name.upper(), raising=False)
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.chdir(tmp_path)
    settings.load.cache_clear()


@pytest.fixture(scope="session")
def server() -> Iterator[EmbeddedServer]:
    # Not below pytest's own folder: each pytest that starts closes that to other users, and as
    # root the server runs as one.
    with tempfile.TemporaryDirectory(prefix="shoptalk-tests-") as home:
        server = EmbeddedServer(Path(home)).enter()
        yield server
        server.leave()


@pytest.fixture(scope="session")
def migrated(server: EmbeddedServer) -> Iterator[Database]:
    database = connect(server.url, pool_size=12)
    _trade_durability_for_speed(database)
    schema.upgrade(database)
    yield database
    database.close()


def _trade_durability_for_speed(database: Database) -> None:
    """No test pulls the plug of the machine: what a killed server wrote is with the kernel."""
    with database.engine.execution_options(isolation_level="AUTOCOMMIT").connect() as connection:
        connection.execute(text("ALTER SYSTEM SET fsync = off"))
        connection.execute(text("SELECT pg_reload_conf()"))


@pytest.fixture
def database(migrated: Database) -> Database:
    """An empty database with today's schema. Emptied by hand: TRUNCATE costs thirty times more."""
    with migrated.transaction() as session:
        session.execute(text("SET LOCAL session_replication_role = replica"))  # in any order
        for table in Base.metadata.sorted_tables:
            session.execute(delete(table))
        session.execute(text("SELECT setval(seqrelid, seqstart, false) FROM pg_sequence"))
    return migrated
