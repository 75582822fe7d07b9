"""Who hands out the work: claims on our own rows, or a job engine over the same PostgreSQL.

The work itself is nothing here: each piece is taken and ended. Claims are what shoptalk does.
procrastinate stands for engines, one job a turn: it keeps order and loses nothing where others do.
With it the claims would stay, as the truth that a hiccup of an engine must not double; its cost
would come on top.
"""

import asyncio
import logging
import resource
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta

import procrastinate

from benchmarks.table import Figure, at_least
from benchmarks.turns import fill, shop
from shoptalk.db import selection, turns
from shoptalk.db.engine import Database
from shoptalk.db.liveness import Liveness
from shoptalk.types import Outcome

TITLE = "what it costs to hand out a turn that does nothing"
SIZE = 1_000  #: turns
AT_ONCE = 10
BUFFER = selection.BufferPolicy(quiet=timedelta(0), most_messages=50, longest=timedelta(minutes=5))


def measure(size: int) -> list[Figure]:
    logging.getLogger("procrastinate").setLevel(logging.CRITICAL)
    with shop() as (database, server, home):
        fill(database, home, size)
        claims = _timed(lambda: _by_claims(database, size))
        engine = _timed(lambda: asyncio.run(_by_engine(server.url, size)))
    return [
        Figure(name="claims on rows, turns a second", value=size / claims[0]),
        Figure(name="claims on rows, CPU a turn", value=1000 * claims[1] / size, unit="ms"),
        Figure(name="one job a turn, turns a second", value=size / engine[0]),
        Figure(name="one job a turn, CPU a turn", value=1000 * engine[1] / size, unit="ms"),
        at_least("claims are faster by", engine[0] / claims[0], 1, unit="times"),
    ]


def _timed(work: Callable[[], None]) -> tuple[float, float]:
    """Seconds that passed, and seconds of this process's CPU."""
    began, before = time.perf_counter(), resource.getrusage(resource.RUSAGE_SELF)
    work()
    after = resource.getrusage(resource.RUSAGE_SELF)
    cpu = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    return time.perf_counter() - began, cpu


def _by_claims(database: Database, size: int) -> None:
    liveness = Liveness(database.engine)
    now = datetime.now(UTC)
    with database.transaction() as session:
        assert selection.open_turns(session, BUFFER, now=now) == size
    ended = 0
    while True:
        with database.transaction() as session:
            claimed = turns.claim_due(
                session,
                claimant=liveness.name(),
                now=now,
                until=now + timedelta(minutes=5),
                limit=AT_ONCE,
            )
        if not claimed:
            break
        for turn in claimed:
            with database.transaction() as session:
                assert turns.close(session, [turn], Outcome.ANSWERED, now=now)
            ended += 1
    liveness.leave()
    assert ended == size


async def _by_engine(url: str, size: int) -> None:
    app = procrastinate.App(connector=procrastinate.PsycopgConnector(conninfo=url))
    ended: set[int] = set()

    @app.task(name="answer")
    async def answer(conversation_id: int) -> None:
        ended.add(conversation_id)

    async with app.open_async():
        await app.schema_manager.apply_schema_async()
        for number in range(size):
            name = f"conversation {number}"
            await answer.configure(lock=name, queueing_lock=name).defer_async(
                conversation_id=number
            )
        await app.run_worker_async(
            concurrency=AT_ONCE, wait=False, install_signal_handlers=False, delete_jobs="always"
        )
    assert ended == set(range(size))
