"""The first import of a shop's history, beside the least that such an import can cost.

Both read the same inbox from the same server over loopback into the same PostgreSQL, in turns,
each in a process of its own. The best run of each counts: what else the machine does only adds.
Processor time, of the process and of PostgreSQL, says the same and is disturbed less.
"""

import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import psycopg

from benchmarks.inbox import Digest, digest
from benchmarks.process import killed, postgres_seconds, run, serving
from benchmarks.table import Figure, at_most
from shoptalk.db import schema
from shoptalk.db.embedded import EmbeddedServer
from shoptalk.db.engine import Database, connect

TITLE = "a shop's history, imported for the first time"
SIZE = 100_000  #: messages
RUNS = 3
STORED_AT_ONCE = 2300  #: messages, as it goes; only where the kill falls depends on it
MOST_TIMES = 2.0  #: as long as the bare fetch
MOST_MB = 150.0
MOST_GROWTH_MB = 15.0  #: between a tenth of the messages and all of them
STORED = """
    SELECT thread_id, message_id, content, sender_type = 'customer',
        extract(epoch FROM messages.created_at)::bigint
    FROM messages
"""
OURS = f"{STORED} JOIN conversations ON conversations.id = conversation_id"


def measure(size: int) -> list[Figure]:
    expected = digest(size)
    with Place(size) as place:
        rounds = [(place.bare_fetch(expected), place.import_(expected)) for _ in range(RUNS)]
        after_kill = place.import_killed_and_resumed(expected)
    with Place(size // 10) as place:
        small = place.import_(digest(size // 10))
    bare, ours = (_best(runs) for runs in zip(*rounds, strict=True))
    return [
        at_most("time, shoptalk / bare fetch", ours["seconds"] / bare["seconds"], MOST_TIMES),
        at_most(
            "processor time, with PostgreSQL's", ours["cpu_seconds"] / bare["cpu_seconds"], 3.0
        ),
        at_most("calls, shoptalk", ours["calls"], bare["calls"]),
        at_most("peak memory, shoptalk", ours["peak_mb"], MOST_MB, unit="MB"),
        at_most(
            "more than for a tenth of the messages",
            max(0.0, ours["peak_mb"] - small["peak_mb"]),
            MOST_GROWTH_MB,
            unit="MB",
        ),
        at_most("runs with a message lost, altered or doubled", _wrong(*rounds), 0),
        at_most("the same, killed half-way and run again", after_kill["wrong"], 0),
        Figure(name="messages a second, shoptalk", value=round(size / ours["seconds"])),
        Figure(name="messages a second, bare fetch", value=round(size / bare["seconds"])),
        Figure(name="calls, bare fetch", value=bare["calls"]),
        Figure(
            name="calls, shoptalk, for the rest after a kill half-way", value=after_kill["calls"]
        ),
    ]


def _best(runs: tuple[dict[str, Any], ...]) -> dict[str, Any]:
    """The least of each measure; of what must never be much, the most."""
    return {
        name: (max if name in ("peak_mb", "calls") else min)(each[name] for each in runs)
        for name in ("seconds", "cpu_seconds", "calls", "peak_mb")
    }


def _wrong(*rounds: tuple[dict[str, Any], ...]) -> int:
    return sum(each["wrong"] for pair in rounds for each in pair)


class Place:
    """A server with an inbox, a PostgreSQL of our own, and a new database for each run."""

    def __init__(self, messages: int) -> None:
        self._messages = messages

    def __enter__(self) -> "Place":
        self._folder = tempfile.TemporaryDirectory(prefix="shoptalk-bench-")
        self._home = Path(self._folder.name)
        self._postgres = EmbeddedServer(self._home).enter()
        self._serving = serving("benchmarks.graph_server", str(self._messages))
        self._url = f"http://127.0.0.1:{self._serving.__enter__()}/v25.0"
        return self

    def __exit__(self, *_: object) -> None:
        self._serving.__exit__(None, None, None)
        self._postgres.leave()
        self._folder.cleanup()

    def bare_fetch(self, expected: str) -> dict[str, Any]:
        with self._database() as database:
            done = self._measured("benchmarks.bare_fetch", self._url, database)
            return {**done, "wrong": _digest_of(database, STORED) != expected}

    def import_(self, expected: str) -> dict[str, Any]:
        with self._database(schema.upgrade) as database:
            done = self._measured("benchmarks.first_import", self._url, database, str(self._home))
            wrong = bool(done["problems"]) or _digest_of(database, OURS) != expected
            return {**done, "wrong": wrong}

    def import_killed_and_resumed(self, expected: str) -> dict[str, Any]:
        """Killed after half of it; `calls` are those that the rest took."""
        with self._database(schema.upgrade) as database:
            arguments = ("benchmarks.first_import", self._url, database, str(self._home))
            half_way = max(1, self._messages // 2 // STORED_AT_ONCE)
            killed(*arguments, str(half_way))
            done = run(*arguments)
            wrong = bool(done["problems"]) or _digest_of(database, OURS) != expected
            return {"calls": done["calls"], "wrong": wrong}

    def _measured(self, *command: str) -> dict[str, Any]:
        before = postgres_seconds(self._home)
        done = run(*command)
        done["cpu_seconds"] += postgres_seconds(self._home) - before
        return done

    @contextmanager
    def _database(self, prepare: Callable[[Database], object] = lambda _: None) -> Iterator[str]:
        url = self._postgres.url.replace("/postgres?", "/inbox?")
        with psycopg.connect(self._postgres.url, autocommit=True) as connection:
            connection.execute("CREATE DATABASE inbox")
            try:
                database = connect(url)
                prepare(database)
                database.close()
                yield url
            finally:
                connection.execute("DROP DATABASE inbox WITH (FORCE)")


def _digest_of(database_url: str, statement: str) -> str:
    stored = Digest()
    with psycopg.connect(database_url) as connection, connection.cursor("rows") as cursor:
        cursor.itersize = 10_000
        for row in cursor.execute(statement):
            stored.add(*row)
    return str(stored)
