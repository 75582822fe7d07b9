"""Real PostgreSQL for every test, time that stands still, and no network but loopback."""

import gc
import os
import tempfile
from collections.abc import Generator, Iterator, Sequence
from dataclasses import dataclass, fields
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings
from sqlalchemy import text

from shoptalk import wiring
from shoptalk.db import schema
from shoptalk.db.embedded import EmbeddedServer
from shoptalk.db.engine import Database, connect
from shoptalk.db.models import Base
from shoptalk.settings import Settings, load
from tests.cli.terminal import Terminal, terminal_of
from tests.loop.shop import Shop, open_shop

# Neither how fast the machine is decides anything, nor how lucky the generator; what examples
# share, their test sees to.
settings.register_profile(
    "any machine",
    deadline=None,
    suppress_health_check=[
        HealthCheck.too_slow,
        HealthCheck.data_too_large,
        HealthCheck.filter_too_much,
        HealthCheck.large_base_example,
        HealthCheck.function_scoped_fixture,
    ],
)
settings.load_profile("any machine")


def pytest_xdist_auto_num_workers() -> int:
    """Tests wait for processes and servers as often as they reckon: two workers a core."""
    return 2 * (os.cpu_count() or 1)


@pytest.hookimpl(wrapper=True)
def pytest_collection() -> Generator[None, object, object]:
    """What is imported stays: to look for garbage in it takes a third of the time it takes."""
    gc.disable()
    try:
        return (yield)
    finally:
        gc.freeze()
        gc.enable()


@pytest.fixture(autouse=True)
def no_environment(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """No test depends on whoever runs it: no settings, no .env file, no home."""
    for name in Settings.model_fields:
        monkeypatch.delenv(name.upper(), raising=False)
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.chdir(tmp_path)
    load.cache_clear()


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--server-home", help="of an embedded PostgreSQL that runs, to use that one")


@pytest.fixture(scope="session")
def server(request: pytest.FixtureRequest) -> Iterator[EmbeddedServer]:
    shared_home = request.config.getoption("server_home")
    if shared_home:
        server = EmbeddedServer(Path(shared_home)).enter()
        yield server
        server.leave()
        return
    # Not below pytest's own folder: each pytest that starts closes that to other users, and as
    # root the server runs as one.
    with tempfile.TemporaryDirectory(prefix="shoptalk-tests-") as home:
        server = EmbeddedServer(Path(home)).enter()
        yield server
        server.leave()


@dataclass(frozen=True, slots=True)
class _KeptDatabase(Database):
    """One that is laid aside instead of closed."""

    aside: list[Database]

    def close(self) -> None:
        if self not in self.aside:
            self.aside.append(self)


@pytest.fixture(scope="session")
def kept_pools(server: EmbeddedServer) -> Iterator[Sequence[Database]]:
    """What one app closed the next one gets: connections, and all that they and we have prepared.

    That costs more than most tests do with it. Two apps that are open at once never share.
    """
    made: list[Database] = []
    aside: dict[int, list[Database]] = {}

    def take(url: str, *, pool_size: int) -> Database:
        if url != server.url:
            return connect(url, pool_size=pool_size)
        idle = aside.setdefault(pool_size, [])
        if idle:
            return idle.pop()
        new = connect(url, pool_size=pool_size)
        made.append(new)
        parts = {each.name: getattr(new, each.name) for each in fields(new)}
        return _KeptDatabase(**parts, aside=idle)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(wiring, "connect", take)
        yield made
    for database in made:
        database.close()


@pytest.fixture(scope="session")
def migrated(server: EmbeddedServer, kept_pools: Sequence[Database]) -> Iterator[Database]:
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


#: TRUNCATE would cost thirty times more; without foreign keys the order does not matter.
_EMPTY_ALL = "; ".join(
    [
        "SET LOCAL session_replication_role = replica",
        *(f"DELETE FROM {table.name}" for table in Base.metadata.sorted_tables),
        "SELECT setval(seqrelid, seqstart, false) FROM pg_sequence",
    ]
)


@pytest.fixture
def database(migrated: Database) -> Database:
    """An empty database with today's schema."""
    with migrated.engine.begin() as connection:
        connection.exec_driver_sql(_EMPTY_ALL)
    return migrated


@pytest.fixture
def shop(server: EmbeddedServer, database: Database, tmp_path: Path) -> Iterator[Shop]:
    with open_shop(server.url, tmp_path / "home") as shop:
        yield shop


@pytest.fixture
def open_now(shop: Shop) -> Shop:
    """The shop in real time, with a connected Page."""
    shop.world.clock.reset()
    shop.opens("facebook")
    return shop


@pytest.fixture
def terminal(shop: Shop) -> Terminal:
    return terminal_of(shop)
