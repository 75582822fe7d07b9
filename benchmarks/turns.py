"""How many turns a second, and what a turn costs, with everything a turn has to do.

Claim, context, model, delivery and record, on a database of real size for a shop: each customer
has a history, one message waits, the catalog has twenty products. Afterwards every customer must
have got exactly one reply.
"""

import contextlib
import itertools
import multiprocessing
import os
import resource
import subprocess
import sys
import tempfile
import time
from collections import Counter, defaultdict
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import requests
from sqlalchemy import text

from benchmarks.process import ROOT
from benchmarks.quick_vendors import quick_vendors
from benchmarks.table import Figure, at_least
from shoptalk.db import schema
from shoptalk.db.catalog import put_products
from shoptalk.db.channels import get_default_agent, get_workspace
from shoptalk.db.embedded import EmbeddedServer
from shoptalk.db.engine import Database, connect
from shoptalk.db.models import Base, ChannelIntegration
from shoptalk.platforms.meta.messenger import Messenger
from shoptalk.responder.answer import Answerer
from shoptalk.responder.group_commit import GroupCommit
from shoptalk.responder.passes import Responder
from shoptalk.responder.sender import DeliverySender
from shoptalk.settings import Settings
from shoptalk.vault import open_vault
from shoptalk.wiring import running

TITLE = "what a turn costs, and how many fit into a second"
SIZE = 2_000  #: turns
PAGE = "550011"
EARLIER = 12  #: messages of each conversation before the one that waits


def fill(database: Database, home: Path, customers: int) -> None:
    """A shop in which every customer waits for an answer."""
    with database.transaction() as session:
        for table in reversed(Base.metadata.sorted_tables):
            session.execute(table.delete())
        workspace = get_workspace(session, "default")
        agent = get_default_agent(session, workspace.id)
        channel = ChannelIntegration(
            workspace_id=workspace.id,
            channel="facebook",
            external_id=PAGE,
            display_name="Bench",
            agent_id=agent.id,
            config=open_vault(None, home).seal({"access_token": "EAAG-bench"}),
            connected_at=datetime(2020, 1, 1, tzinfo=UTC),
        )
        session.add(channel)
        put_products(session, workspace.id, list(_catalog()))
        session.flush()
        values = {
            "channel": channel.id,
            "workspace": workspace.id,
            "agent": agent.id,
            "customers": customers,
            "earlier": EARLIER,
        }
        session.execute(_CONVERSATIONS, values)
        session.execute(_MESSAGES, values)
    with database.engine.execution_options(isolation_level="AUTOCOMMIT").connect() as connection:
        connection.execute(text("ANALYZE"))


def _catalog() -> Iterator[dict[str, Any]]:
    for number in range(20):
        yield {
            "product_id": f"p{number}",
            "name": "Tea set" if number == 0 else f"Product {number}",
            "description": "Porcelain, six cups, dishwasher-safe",
            "price": Decimal("25.00") + number,
            "currency": "USD",
            "stock": None,
            "active": True,
        }


_CONVERSATIONS = text("""
    INSERT INTO conversations (channel_integration_id, workspace_id, customer_id, thread_id,
        platform, channel, agent_id, sequence_last, message_count, history_complete)
    SELECT :channel, :workspace, '73' || n, 't_' || n, 'facebook', 'facebook', :agent,
        CAST(:earlier AS int) + 1, CAST(:earlier AS int) + 1, true
    FROM generate_series(1, :customers) AS n
""")
_MESSAGES = text("""
    INSERT INTO messages (workspace_id, conversation_id, message_id, content, sender_type,
        is_old, reply_sent, created_at, imported_at, sequence_no)
    SELECT conversation.workspace_id, conversation.id, 'm_' || conversation.id || '_' || n,
        'How much is the tea set, and can I have it by Friday? ' || n,
        CASE WHEN n % 2 = 1 THEN 'customer' ELSE 'agent' END,
        n <= :earlier, n <= :earlier,
        now() - interval '2 minutes' * (:earlier + 2 - n), now(), n
    FROM conversations AS conversation, generate_series(1, CAST(:earlier AS int) + 1) AS n
""")


def settings_for(url: str, home: Path, vendors: str, concurrency: int) -> Settings:
    return Settings.model_validate(
        {
            "database_url": url,
            "shoptalk_home": home,
            "facebook_api_base_url": f"{vendors}/v25.0",
            "openai_api_key": "any",
            "openai_base_url": f"{vendors}/v1",
            "openai_api_style": "responses",
            "message_buffer_duration_ms": 0,
            "worker_concurrency": concurrency,
        }
    )


class Stages:
    """Seconds of CPU that the parts of a turn took, added up over all threads."""

    def __init__(self) -> None:
        self.seconds: defaultdict[str, float] = defaultdict(float)

    def watch(self, owner: Any, method: str, stage: str) -> None:
        work = getattr(owner, method)

        def watched(*words: Any, **named: Any) -> Any:
            began = time.thread_time()
            try:
                return work(*words, **named)
            finally:
                self.seconds[stage] += time.thread_time() - began

        setattr(owner, method, watched)


def _work_alone(group: GroupCommit[Any, Any], item: Any) -> Any:
    return group._work([item])[0]


def _answer(settings: Settings, told: Any, core: int | None, grouped: bool) -> None:
    """One process: answer until nothing is due.

    Args:
        core: to keep to, as `taskset --cpu-list` does it; None: to none.
        grouped: threads that write at one time share a transaction.
    """
    if not grouped:
        GroupCommit.__call__ = _work_alone  # type: ignore[method-assign, assignment]
    if core is not None:
        os.sched_setaffinity(0, {core})
    stages = Stages()
    for owner, method, stage in (
        (Responder, "_claim", "claim and context"),
        (Messenger, "show_typing", "typing"),
        (Answerer, "_compose", "model"),
        (Answerer, "_write_down", "write down"),
        (DeliverySender, "_send", "send and record"),
    ):
        stages.watch(owner, method, stage)
    with running(settings, clock=lambda: datetime.now(UTC)) as app:
        responder = app.responder()
        app.liveness.name()
        told.send(None)
        told.recv()
        before = resource.getrusage(resource.RUSAGE_SELF)
        ended = responder.answer_all_due()
        after = resource.getrusage(resource.RUSAGE_SELF)
    cpu = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    told.send((dict(ended), cpu, dict(stages.seconds)))


@dataclass(frozen=True, slots=True)
class Run:
    """What answering all of them took."""

    turns: int
    seconds: float
    cpu: float  #: seconds, of the answering processes
    stages: dict[str, float]

    @property
    def a_second(self) -> float:
        return self.turns / self.seconds


def answer_all(
    url: str,
    home: Path,
    vendors: str,
    *,
    processes: int,
    concurrency: int,
    kept: bool,
    grouped: bool = True,
) -> Run:
    """Have every waiting turn answered."""
    context = multiprocessing.get_context("spawn")
    workers = []
    cores = itertools.cycle(sorted(os.sched_getaffinity(0)) if kept else [None])
    for core in itertools.islice(cores, processes):
        ours, theirs = context.Pipe()
        settings = settings_for(url, home, vendors, concurrency)
        process = context.Process(target=_answer, args=(settings, theirs, core, grouped))
        process.start()
        workers.append((process, ours))
    for _, pipe in workers:
        pipe.recv()
    began = time.perf_counter()
    for _, pipe in workers:
        pipe.send(None)
    ended: Counter[str] = Counter()
    stages: defaultdict[str, float] = defaultdict(float)
    cpu = 0.0
    for _, pipe in workers:
        its_ended, its_cpu, its_stages = pipe.recv()
        ended.update(its_ended)
        for stage, seconds in its_stages.items():
            stages[stage] += seconds
        cpu += its_cpu
    seconds = time.perf_counter() - began
    for process, _ in workers:
        process.join()
    assert set(ended) == {"answered"}, ended
    return Run(ended.total(), seconds, cpu, stages)


def run(
    turns: int,
    *,
    model_seconds: float,
    processes: int,
    concurrency: int,
    kept: bool = True,
    grouped: bool = True,
) -> Run:
    """Fill a shop and empty it; return what it took.

    Args:
        kept: each process to a core of its own, as docs/scaling.md advises: threads that wait for
            one interpreter on many cores hand it on at twice the cost.
        grouped: False leaves out group commit, to see what it saves.

    Raises:
        AssertionError: somebody got no reply, or two.
    """
    with shop() as (database, server, home):
        fill(database, home, turns)
        with quick_vendors(model_seconds=model_seconds) as vendors:
            found = answer_all(
                server.url,
                home,
                vendors,
                processes=processes,
                concurrency=concurrency,
                kept=kept,
                grouped=grouped,
            )
            counts = requests.get(f"{vendors}/counts", timeout=60).json()
        assert len(counts) == turns, len(counts)
        assert set(counts.values()) == {1}
        with database.transaction() as session:
            unanswered = session.scalar(
                text("SELECT count(*) FROM messages WHERE NOT reply_sent AND turn_id IS NOT NULL")
            )
            sent = session.scalar(text("SELECT count(*) FROM deliveries WHERE status = 'sent'"))
        assert (unanswered, sent) == (0, turns)
    return found


@contextlib.contextmanager
def shop() -> Iterator[tuple[Database, EmbeddedServer, Path]]:
    with tempfile.TemporaryDirectory(prefix="shoptalk-bench-") as folder:
        home = Path(folder)
        server = EmbeddedServer(home).enter()
        database = connect(server.url)
        try:
            schema.upgrade(database)
            yield database, server, home
        finally:
            database.close()
            server.leave()


def usual_stack(turns: int, *, processes: int) -> float:
    """Turns a second of the stack that keeps no promise, on the same shop and vendors."""
    with shop() as (database, server, home), quick_vendors() as vendors:
        fill(database, home, turns)
        cores = itertools.cycle(sorted(os.sched_getaffinity(0)))
        command = [sys.executable, "-m", "benchmarks.usual_stack"]
        workers = [
            subprocess.Popen(
                [*command, server.url, vendors, str(share), str(processes)],
                cwd=ROOT,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                text=True,
            )
            for share in range(processes)
        ]
        for worker, core in zip(workers, cores, strict=False):
            os.sched_setaffinity(worker.pid, {core})
            assert worker.stdout is not None
            worker.stdout.readline()
        began = time.perf_counter()
        for worker in workers:
            worker.communicate("go\n")
        seconds = time.perf_counter() - began
        counts = requests.get(f"{vendors}/counts", timeout=60).json()
        assert len(counts) == turns, len(counts)
    return turns / seconds


def measure(size: int) -> list[Figure]:
    at_once = run(size, model_seconds=0, processes=2, concurrency=30)
    alone = run(size, model_seconds=0, processes=2, concurrency=30, grouped=False)
    slow_model = run(size, model_seconds=1, processes=1, concurrency=200)
    anywhere = run(size // 4, model_seconds=0, processes=2, concurrency=30, kept=False)
    usual = usual_stack(size, processes=2)
    return [
        at_least("turns a second, model latency 0, two processes", at_once.a_second, 200),
        at_least("the same, shoptalk / usual stack", at_once.a_second / usual, 1.5),
        Figure(name="turns a second, usual stack, two processes", value=usual),
        at_least("turns a second, model latency 1 s, one process", slow_model.a_second, 100),
        Figure(name="latency 0, processes not kept to a core each", value=anywhere.a_second),
        Figure(
            name="turns a second, with group commit / without",
            value=at_once.a_second / alone.a_second,
        ),
        Figure(name="CPU a turn, of the workers", value=1000 * at_once.cpu / size, unit="ms"),
        Figure(name="the same without group commit", value=1000 * alone.cpu / size, unit="ms"),
        *(
            Figure(name=f"  {stage}", value=1000 * seconds / size, unit="ms")
            for stage, seconds in at_once.stages.items()
        ),
    ]
