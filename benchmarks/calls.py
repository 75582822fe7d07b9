"""What a tick costs in calls, by the ledger of a sandbox that plays Messenger and Instagram.

Meta allows two reads a second and 200 a day for each customer, so calls are what is short.
"""

import tempfile
from datetime import UTC, datetime, timedelta
from pathlib import Path

from sqlalchemy import func, select

from benchmarks.table import Figure, at_most
from shoptalk.db import schema
from shoptalk.db.channels import pollable_channels
from shoptalk.db.models import Message
from shoptalk.sandbox.server import SandboxServer
from shoptalk.services.connecting import connect_channel
from shoptalk.settings import Settings
from shoptalk.wiring import App, running

TITLE = "what a tick costs in calls"
SIZE = 200  #: conversations that were there before
NEW = 50  #: messages, in BUSY conversations
BUSY = 40
CHANGED = 3  #: Instagram threads
NOON = datetime(2026, 1, 31, 12, 0, tzinfo=UTC)
ACCOUNTS = {"facebook": "550011", "instagram": "17841400000000001"}


def measure(size: int) -> list[Figure]:
    figures = []
    for platform in ACCOUNTS:
        with (
            tempfile.TemporaryDirectory(prefix="shoptalk-bench-") as home,
            SandboxServer() as server,
        ):
            figures += Place(server, platform, max(size, BUSY)).figures(Path(home))
    return figures


class Place:
    """A connected account and the shoptalk that imports from it."""

    def __init__(self, server: SandboxServer, platform: str, conversations: int) -> None:
        self._server = server
        self._world = server.world
        self._platform = platform
        self._account = ACCOUNTS[platform]
        self._conversations = conversations
        self._world.clock.freeze(NOON)
        self._world.add_account(
            platform,  # type: ignore[arg-type]
            self._account,
            "Corner Shop",
            "benchmark-token",
            login="instagram" if platform == "instagram" else "page",
            settings={"two_reads_per_second": False},
        )

    def figures(self, home: Path) -> list[Figure]:
        environment = {name.lower(): value for name, value in self._server.environment.items()}
        settings = Settings(
            _env_file=None,
            shoptalk_home=home,
            graph_calls_per_second=0,
            **environment,  # type: ignore[arg-type]
        )
        with running(settings, clock=self._world.clock.now) as app:
            schema.upgrade(app.unchecked_database)
            for number in range(self._conversations):
                self._write(number, 5, at=NOON - timedelta(minutes=self._conversations - number))
            config = {"access_token": "benchmark-token"}
            if self._platform == "instagram":
                config["login"] = "instagram"
            connect_channel(app, self._platform, self._account, config, name=None, ai_default=True)
            first = self._calls_of_import(app)
            while self._calls_of_import(app) > 1:  # until there is nothing to look at again
                self._world.clock.advance(timedelta(minutes=3))
            return [self._history(first), self._idle(app), self._busy(app)]

    def _history(self, calls: int) -> Figure:
        name = f"{self._platform}: first import of {self._conversations} conversations"
        return Figure(name=name, value=calls, unit="calls")

    def _idle(self, app: App) -> Figure:
        calls = []
        for _ in range(6):
            self._world.clock.advance(timedelta(seconds=10))
            calls.append(self._calls_of_import(app))
        return at_most(f"{self._platform}: idle tick", max(calls), 1, unit="calls")

    def _busy(self, app: App) -> Figure:
        messages, threads = (NEW, BUSY) if self._platform == "facebook" else (CHANGED, CHANGED)
        for number in range(messages):
            self._write(number % threads, 1, at=self._world.clock.now())
            self._world.clock.advance(timedelta(milliseconds=150))
        before = self._stored(app)
        calls = self._calls_of_import(app)
        if self._stored(app) != before + messages:
            raise RuntimeError(f"{self._stored(app) - before} of {messages} messages were stored")
        most = 2 if self._platform == "facebook" else 1 + threads
        name = f"{self._platform}: {messages} new messages in {threads} conversations"
        return at_most(name, calls, most, unit="calls")

    def _write(self, number: int, messages: int, *, at: datetime) -> None:
        for place in range(messages):
            self._world.add_message(
                self._account,
                f"73000000000{number:05}",
                f"message {place}",
                at=at + timedelta(seconds=place),
            )

    def _calls_of_import(self, app: App) -> int:
        self._world.ledger.clear()
        with app.database.transaction() as session:
            channels = pollable_channels(session)
        reports = app.importer().import_side_by_side(channels)
        problems = [report.error or report.gaps for report in reports]
        if any(problems):
            raise RuntimeError(f"an import failed: {problems}")
        return len(self._world.ledger.calls())

    def _stored(self, app: App) -> int:
        with app.database.transaction() as session:
            return session.scalar(select(func.count()).select_from(Message)) or 0
