"""A process with nothing to do stays as it is: memory, threads, connections."""

import gc
import threading
import time
import tracemalloc
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path

import pytest
from sqlalchemy import text

from shoptalk.db.embedded import EmbeddedServer
from shoptalk.db.engine import Database
from shoptalk.db.models import ImportRun
from shoptalk.scheduler import Ticker
from tests.loop.shop import NINE, Shop, open_shop
from tests.patience import PATIENCE

DAY = timedelta(days=1)
WARM_UP = 40  #: ticks after which everything has been made that is kept
MORE_BYTES = 250_000  #: caches still fill; a hundred bytes a tick would make 864,000 of a day
#: The platforms are played in this process, and remember a day's calls.
NOT_THE_SANDBOX = [
    tracemalloc.Filter(inclusive=False, filename_pattern=pattern)
    for pattern in ("*/shoptalk/sandbox/*", "*/aiohttp/*", tracemalloc.__file__)
]


@dataclass(frozen=True, slots=True)
class Held:
    bytes: int
    threads: int
    connections: int
    checked_out: int


@pytest.fixture
def shop(server: EmbeddedServer, database: Database, tmp_path: Path) -> Iterator[Shop]:
    with open_shop(server.url, tmp_path) as shop:
        shop.customer_writes("hello")
        shop.opens("facebook", "instagram")
        shop.imports()
        yield shop


@pytest.fixture
def ticker(shop: Shop) -> Iterator[Ticker]:
    ticker = Ticker(shop.app, shop.app.importer(), shop.app.responder())
    tracemalloc.start()
    yield ticker
    tracemalloc.stop()
    ticker.stop()


def tick(ticker: Ticker) -> None:
    """A tick, and all that it starts."""
    ticker.tick()
    ends_at = time.monotonic() + PATIENCE
    while (
        ticker._is_reply_wanted.is_set()
        or ticker._is_replying
        or not all(
            future.done()
            for under_way in (ticker._polling, ticker._reading_history, ticker._checking)
            for future in under_way.values()
        )
    ):
        assert time.monotonic() < ends_at, "a tick does not end"
        time.sleep(0.001)


def held(shop: Shop) -> Held:
    shop.world.ledger.clear()
    gc.collect()
    traced = tracemalloc.take_snapshot().filter_traces(NOT_THE_SANDBOX)
    engine = shop.app.database.engine
    with engine.connect() as connection:
        connections = connection.scalar(
            text("SELECT count(*) FROM pg_stat_activity WHERE datname = current_database()")
        )
    return Held(
        bytes=sum(each.size for each in traced.statistics("filename")),
        threads=threading.active_count(),
        connections=connections or 0,
        checked_out=engine.pool.checkedout(),  # type: ignore[attr-defined]
    )


@pytest.mark.thorough
@pytest.mark.parametrize("ticks", [200])
def test_a_day_of_idle_ticks_leaves_memory_threads_and_connections_as_they_were(
    shop: Shop, ticker: Ticker, ticks: int
) -> None:
    for _ in range(WARM_UP):
        tick(ticker)
        shop.wait(seconds=10)
    before, polls_before = held(shop), len(shop.rows(ImportRun))
    for _ in range(ticks):
        tick(ticker)
        shop.wait(seconds=DAY.total_seconds() / ticks)
    after = held(shop)
    assert shop.now - NINE >= DAY
    assert len(shop.rows(ImportRun)) > polls_before + ticks / 20
    at_once = shop.app.settings.worker_concurrency  # how many are wanted at a time is chance
    assert after.threads <= before.threads + at_once < before.threads + ticks / 10
    assert after.connections <= before.connections + at_once
    assert after.checked_out == 1  # the presence, which says that this process is alive
    assert after.bytes <= before.bytes + MORE_BYTES
