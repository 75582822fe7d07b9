"""What a tick, a responder pass, `status` and a conversation page cost, history short or long.

Two shops with the same day behind them, one with a hundredth of the other's messages, on the same
server. They are measured in turns, and the best run of each counts; then what PostgreSQL touched
for it, in pages of 8 kB, which nothing else on the machine disturbs.
"""

import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import psycopg
from sqlalchemy import select, text

from benchmarks.history import fill_history
from benchmarks.table import Figure, at_most
from shoptalk.db import schema
from shoptalk.db.channels import pollable_channels
from shoptalk.db.conversations import get_conversation, last_messages, list_conversations
from shoptalk.db.embedded import EmbeddedServer
from shoptalk.db.models import ChannelIntegration
from shoptalk.db.status import channel_statuses, runs_with_gaps, totals
from shoptalk.sandbox.server import SandboxServer
from shoptalk.services.connecting import connect_channel
from shoptalk.settings import Settings
from shoptalk.wiring import App, running

TITLE = "what a history costs those who come later"
SIZE = 1_000_000  #: messages of the long history
TIMES = 100  #: as long as the short one
RUNS = 60
MOST_TIMES = 1.2
NOON = datetime(2026, 1, 31, 12, 0, tzinfo=UTC)
DAY = timedelta(days=1)
PAGE, TOKEN = "550011", "benchmark-token"


def measure(size: int) -> list[Figure]:
    sizes = {"short": max(size // TIMES, 10), "long": size}
    figures: list[Figure] = []
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="shoptalk-bench-")))
        server = EmbeddedServer(folder / "server").enter()
        stack.callback(server.leave)
        shops = {
            name: stack.enter_context(_shop(server.url, folder / name, name, messages))
            for name, messages in sizes.items()
        }
        for what in ("tick", "pass", "status", "page"):
            seconds = dict.fromkeys(shops, float("inf"))
            for _ in range(RUNS):
                for name, shop in shops.items():
                    seconds[name] = min(seconds[name], shop.seconds(what))
            pages = {name: shop.pages_touched(what) for name, shop in shops.items()}
            figures += [
                at_most(f"{WHAT[what]}: time", seconds["long"] / seconds["short"], MOST_TIMES),
                Figure(
                    name="  pages of PostgreSQL, long / short",
                    value=pages["long"] / max(pages["short"], 1),
                ),
                Figure(name="  in the long one", value=seconds["long"] * 1000, unit="ms"),
            ]
    return figures


WHAT = {
    "tick": "idle tick with its poll",
    "pass": "responder pass",
    "status": "status",
    "page": "conversation page",
}


class _Shop:
    def __init__(self, app: App) -> None:
        self._app = app
        self._importer = app.importer()
        self._responder = app.responder()
        self._workspace_id = app.workspace_id()
        self._work: dict[str, Callable[[], object]] = {
            "tick": self._tick,
            "pass": self._responder.answer_all_due,
            "status": self._status,
            "page": self._page,
        }

    def seconds(self, what: str) -> float:
        began = time.perf_counter()
        self._work[what]()
        return time.perf_counter() - began

    def pages_touched(self, what: str) -> int:
        """How many pages PostgreSQL looked at for it, by its own count."""
        before = self._pages()
        self._work[what]()
        return self._pages() - before

    def _pages(self) -> int:
        engine = self._app.database.engine
        engine.dispose()  # a connection that ends tells what it counted
        with engine.execution_options(isolation_level="AUTOCOMMIT").connect() as connection:
            connection.execute(text("SELECT pg_sleep(0.2), pg_stat_clear_snapshot()"))
            counted = connection.scalar(
                text("""
                    SELECT sum(heap_blks_hit + heap_blks_read + coalesce(idx_blks_hit, 0)
                        + coalesce(idx_blks_read, 0)) FROM pg_statio_user_tables
                """)
            )
        return int(counted or 0)

    def _tick(self) -> None:
        with self._app.database.transaction() as session:
            channels = pollable_channels(session)
        for report in self._importer.import_side_by_side(channels):
            if report.error:
                raise RuntimeError(report.error)

    def _status(self) -> None:
        now = self._app.clock()
        with self._app.database.transaction() as session:
            channel_statuses(session, self._workspace_id, now=now)
            totals(session, self._workspace_id, since=now - DAY, now=now)
            runs_with_gaps(session, self._workspace_id, limit=20)

    def _page(self) -> None:
        with self._app.database.transaction() as session:
            list_conversations(session, self._workspace_id, status=None, limit=50)
            conversation = get_conversation(session, self._workspace_id, "t_filled_1")
            if len(last_messages(session, conversation.id, limit=50)) != 10:
                raise RuntimeError("the page is not there")


@contextmanager
def _shop(server_url: str, home: Path, name: str, messages: int) -> Iterator[_Shop]:
    with psycopg.connect(server_url, autocommit=True) as connection:
        connection.execute(f"CREATE DATABASE {name}")
    with SandboxServer() as sandbox:
        world = sandbox.world
        world.clock.freeze(NOON)
        world.add_account(
            "facebook", PAGE, "Corner Shop", TOKEN, settings={"two_reads_per_second": False}
        )
        values: dict[str, Any] = {
            **{key.lower(): value for key, value in sandbox.environment.items()},
            "database_url": server_url.replace("/postgres?", f"/{name}?"),
            "shoptalk_home": home,
            "graph_calls_per_second": 0,
        }
        with running(Settings(_env_file=None, **values), clock=world.clock.now) as app:
            schema.upgrade(app.unchecked_database)
            world.add_message(PAGE, "7300000000000001", "hello", at=NOON - timedelta(hours=1))
            config = {"access_token": TOKEN}
            connect_channel(app, "facebook", PAGE, config, name=None, ai_default=True)
            shop = _Shop(app)
            for _ in range(3):
                shop.seconds("tick")
                world.clock.advance(timedelta(minutes=3))
            with app.database.transaction() as session:
                channel = session.scalars(select(ChannelIntegration)).one()
            fill_history(app.database, channel.id, messages, now=world.clock.now())
            yield shop
