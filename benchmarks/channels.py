"""A thousand channels in one process, on platforms that take their time to answer.

`shoptalk run` polls them, embedded PostgreSQL beside it, all of them active within the last
minutes, so that its plan polls each with every tick: the most there is to do. Customers write
meanwhile, and the AI is off. When a message was stored is the moment its transaction committed,
by PostgreSQL's own note of it.
"""

import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import psutil
import psycopg
import requests
from sqlalchemy import text

from benchmarks.many_pages import THREADS, changed_at, page_id, thread_id
from benchmarks.process import postgres_seconds, serving
from benchmarks.start import SHOPTALK
from benchmarks.table import Figure, at_most
from shoptalk.db import schema
from shoptalk.db.channels import get_default_agent, get_workspace
from shoptalk.db.embedded import EmbeddedServer
from shoptalk.db.engine import Database, connect
from shoptalk.vault import open_vault

TITLE = "channels that one process polls, at 200 ms an answer"
SIZE = 1_000  #: channels
RUNS = 3  #: intervals during which customers write
INTERVAL = 10  #: seconds from tick to tick
LATENCY = 0.2  #: seconds
WRITTEN_A_SECOND = 20  #: messages, in all
AT_ONCE = 40  #: WORKER_CONCURRENCY: 100 polls a second of 0.2 s each want 20, and some to spare
MOST_LATE = 2  #: seconds more than the interval
SETTLES_WITHIN = 180.0


def measure(size: int) -> list[Figure]:
    began = int(time.time())
    with (
        tempfile.TemporaryDirectory(prefix="shoptalk-bench-") as folder,
        serving("benchmarks.many_pages", str(size), str(began), str(LATENCY)) as port,
        _database(Path(folder)) as (database, url),
    ):
        platform = f"http://127.0.0.1:{port}"
        _fill(database, Path(folder), size, began)
        with _shoptalk(url, Path(folder), f"{platform}/v25.0") as process:
            _wait_until(lambda: len(_asked(platform)) == size, "not every channel was polled")
            before = _Used.now(process, Path(folder), database)
            from_ = time.time()
            _let_write(platform)
            until = time.time()
            used = _Used.now(process, Path(folder), database) - before
            written = dict(requests.get(f"{platform}/written", timeout=SETTLES_WITHIN).json())
            _wait_until(lambda: _count(database) >= len(written), "messages are missing")
        asked = _asked(platform)
        stored, failed = _stored(database)
    doubled = sum(len(moments) > 1 for moments in stored.values())
    lost = len(written.keys() - stored.keys())
    delays = sorted(stored[each][0] - at for each, at in written.items() if each in stored)
    polls = sum(from_ <= at < until for moments in asked.values() for at in moments)
    gaps = sorted(_gaps(asked, from_, until))
    most = INTERVAL + MOST_LATE
    return [
        at_most("message written until stored, p95", _percentile(delays, 95), most, unit="s"),
        Figure(name="  half of them", value=_percentile(delays, 50), unit="s"),
        at_most("longest from poll to poll of a channel", gaps[-1], most, unit="s"),
        Figure(name="  p95", value=_percentile(gaps, 95), unit="s"),
        at_most("messages lost or doubled", lost + doubled, 0),
        at_most("polls that failed", failed, 0),
        Figure(name="messages written", value=len(written)),
        Figure(name="channels", value=size),
        Figure(name="polls a second", value=polls / (until - from_)),
        at_most("share of one core, the process", 100 * used.ours / (until - from_), 100, unit="%"),
        Figure(
            name="processor time a poll, the process", value=1000 * used.ours / polls, unit="ms"
        ),
        Figure(name="and PostgreSQL", value=1000 * used.postgres / polls, unit="ms"),
        Figure(name="transactions a poll", value=used.transactions / polls),
    ]


@dataclass(frozen=True, slots=True)
class _Used:
    ours: float  #: seconds of processor
    postgres: float
    transactions: int

    @classmethod
    def now(cls, process: psutil.Process, home: Path, database: Database) -> "_Used":
        times = process.cpu_times()
        with database.transaction() as session:
            ended = session.scalar(
                text("SELECT sum(xact_commit + xact_rollback) FROM pg_stat_database")
            )
        return cls(times.user + times.system, postgres_seconds(home), int(ended or 0))

    def __sub__(self, other: "_Used") -> "_Used":
        return _Used(
            self.ours - other.ours,
            self.postgres - other.postgres,
            self.transactions - other.transactions,
        )


@contextmanager
def _database(home: Path) -> Iterator[tuple[Database, str]]:
    server = EmbeddedServer(home).enter()
    try:
        with psycopg.connect(server.url, autocommit=True) as connection:
            connection.execute("ALTER SYSTEM SET track_commit_timestamp = on")
    finally:
        server.leave()
    server = EmbeddedServer(home).enter()
    database = connect(server.url)
    try:
        schema.upgrade(database)
        yield database, server.url
    finally:
        database.close()
        server.leave()


def _fill(database: Database, home: Path, channels: int, began: int) -> None:
    """Channels whose list is stored as the platform shows it, and that were active just now."""
    config = open_vault(None, home).seal({"access_token": "benchmark-token"})
    with database.transaction() as session:
        workspace = get_workspace(session, "default")
        values = {
            "workspace": workspace.id,
            "agent": get_default_agent(session, workspace.id).id,
            "config": config,
            "began": datetime.fromtimestamp(began, UTC),
            "watermark": datetime.fromtimestamp(changed_at(began, 0), UTC),
            "accounts": [page_id(number) for number in range(channels)],
            "threads": [thread_id("", number) for number in range(THREADS)],
            "changed": [
                datetime.fromtimestamp(changed_at(began, number), UTC) for number in range(THREADS)
            ],
        }
        session.execute(_CHANNELS, values)
        session.execute(_CONVERSATIONS, values)
    with database.engine.execution_options(isolation_level="AUTOCOMMIT").connect() as connection:
        connection.execute(text("ANALYZE"))


_CHANNELS = text("""
    INSERT INTO channel_integrations (workspace_id, channel, external_id, display_name, agent_id,
        config, ai_default, connected_at, last_fetch_timestamp, watermark_moved_at, last_poll_at,
        history_state, token_checked_at, conversation_count)
    SELECT :workspace, 'facebook', account, account, :agent, :config, false,
        CAST(:began AS timestamptz) - interval '30 days', :watermark,
        CAST(:began AS timestamptz) - interval '4 minutes',
        CAST(:began AS timestamptz) - interval '1 minute', 'done', :began,
        cardinality(CAST(:threads AS text[]))
    FROM unnest(CAST(:accounts AS text[])) AS account
""")
_CONVERSATIONS = text("""
    INSERT INTO conversations (channel_integration_id, workspace_id, customer_id, thread_id,
        platform, channel, agent_id, ai_enabled, history_complete, thread_updated_at,
        last_message_at)
    SELECT channel.id, :workspace, '73' || channel.external_id || substr(thread.id, 3),
        't_' || channel.external_id || substr(thread.id, 3), 'facebook', 'facebook', :agent,
        false, true, thread.changed, thread.changed
    FROM channel_integrations AS channel,
        unnest(CAST(:threads AS text[]), CAST(:changed AS timestamptz[])) AS thread (id, changed)
""")


@contextmanager
def _shoptalk(url: str, home: Path, platform: str) -> Iterator[psutil.Process]:
    """`shoptalk run` as long as the block lasts; its end must be a graceful one."""
    environment = {
        "HOME": str(home),
        "SHOPTALK_HOME": str(home),
        "DATABASE_URL": url,
        "FACEBOOK_API_BASE_URL": platform,
        "OPENAI_API_KEY": "none",
        "POLL_INTERVAL_SECONDS": str(INTERVAL),
        "WORKER_CONCURRENCY": str(AT_ONCE),
        "LOG_LEVEL": "WARNING",
    }
    with subprocess.Popen([SHOPTALK, "run"], env=environment, stdout=subprocess.DEVNULL) as process:
        try:
            yield psutil.Process(process.pid)
        finally:
            process.terminate()
            if process.wait(SETTLES_WITHIN) != 0:
                raise RuntimeError(f"shoptalk run ended with {process.returncode}")


def _let_write(platform: str) -> None:
    """Have customers write; return once they have."""
    seconds = RUNS * INTERVAL
    asked = requests.post(
        f"{platform}/begin?seconds={seconds}&a_second={WRITTEN_A_SECOND}",
        timeout=seconds + SETTLES_WITHIN,
    )
    asked.raise_for_status()


def _asked(platform: str) -> dict[str, list[float]]:
    asked: dict[str, list[float]] = requests.get(f"{platform}/asked", timeout=SETTLES_WITHIN).json()
    return asked


def _count(database: Database) -> int:
    with database.transaction() as session:
        return session.scalar(text(f"SELECT count(*) {_WRITTEN}")) or 0


def _stored(database: Database) -> tuple[dict[str, list[float]], int]:
    """When each message was stored, as often as it was; and how many polls failed."""
    stored: dict[str, list[float]] = {}
    with database.transaction() as session:
        for message_id, at in session.execute(_STORED):
            stored.setdefault(message_id, []).append(at)
        failed = session.scalar(text("SELECT count(*) FROM import_runs WHERE error IS NOT NULL"))
    return stored, failed or 0


_WRITTEN = "FROM messages WHERE content LIKE 'Is it there? #%'"
#: A run is written down in the transaction that stores, and never changed; messages are.
_STORED = text(f"""
    SELECT message_id, extract(epoch FROM (
        SELECT min(pg_xact_commit_timestamp(run.xmin)) FROM import_runs AS run
        WHERE run.channel_integration_id = conversation.channel_integration_id AND run.new > 0
          AND run.started_at + run.duration_ms * interval '1 ms'
              >= messages.imported_at - interval '2 ms'))::float
    FROM (SELECT * {_WRITTEN}) AS messages
    JOIN conversations AS conversation ON conversation.id = messages.conversation_id
""")


def _gaps(asked: dict[str, list[float]], from_: float, until: float) -> Iterator[float]:
    """Seconds from one poll to the next that came, or should have come, by `until`."""
    for moments in asked.values():
        for before, after in zip(moments, [*moments[1:], until], strict=True):
            if after >= from_ and before < until:
                yield min(after, until) - before


def _percentile(ordered: list[float], percent: int) -> float:
    return ordered[min(len(ordered) * percent // 100, len(ordered) - 1)]


def _wait_until(is_so: Any, otherwise: str) -> None:
    deadline = time.monotonic() + SETTLES_WITHIN
    while not is_so():
        if time.monotonic() > deadline:
            raise RuntimeError(otherwise)
        time.sleep(0.5)
