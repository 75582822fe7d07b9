"""The process that is killed: a shoptalk that imports and replies until it dies.

Workers are forked from a nursery, a shoptalk that has done all of it once: a thousand cold starts
of Python, with every import and every statement compiled anew, would be most of what a run has
time for. What is killed is a real process all the same, with its own connections, threads and
half-done work; only the compiled code is inherited.
"""

import contextlib
import gc
import logging
import multiprocessing
import os
import random
import signal
import sys
import time
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from multiprocessing.connection import Connection
from typing import Any

from shoptalk import failpoints
from shoptalk.db.engine import Database
from shoptalk.scheduler import Ticker
from shoptalk.settings import Settings
from shoptalk.wiring import App
from tests.torture.truth import turns_ended

TICK_SECONDS = 1.0  #: real ones
REHEARSAL_SECONDS = 30.0  #: at most


@dataclass(frozen=True, slots=True)
class FastClock:
    """Real time, so many times as fast, from an agreed moment."""

    began_at: float  #: time.time()
    shows: datetime
    rate: float

    def __call__(self) -> datetime:
        return self.shows + timedelta(seconds=(time.time() - self.began_at) * self.rate)

    @classmethod
    def start(cls, rate: float) -> "FastClock":
        return cls(time.time(), datetime.now(UTC), rate)


@dataclass(frozen=True, slots=True)
class Orders:
    """What a worker is told when it is born."""

    settings: dict[str, Any]
    clock: FastClock
    crash_at: str | None = None
    passes: int = 1  #: of that point; in a rehearsal, the turns to end


def nursery(requests: Connection, far_end: Connection) -> None:
    """Rehearse with the first orders, then fork a worker for each of the others.

    Answers with process ids, its own first. Ends with the pipe.
    """
    far_end.close()
    signal.signal(signal.SIGCHLD, _bury)
    logging.basicConfig(level=logging.CRITICAL, stream=sys.stderr)
    database: Database | None = None
    while True:
        try:
            orders: Orders = requests.recv()
        except EOFError:
            return
        if database is None:
            database = _rehearse(orders)
            gc.collect()
            gc.freeze()
            requests.send(os.getpid())
            continue
        child = os.fork()
        if child == 0:
            requests.close()
            _work(orders, database)
        requests.send(child)


def _bury(_signal: int, _frame: object) -> None:
    """Take leave of the dead, so that their time counts as the nursery's."""
    with contextlib.suppress(ChildProcessError):
        while os.waitpid(-1, os.WNOHANG)[0]:
            pass


def _rehearse(orders: Orders) -> Database:
    """Answer the first turns; return a pool without connections that knows the statements."""
    app = App(Settings(_env_file=None, **orders.settings), clock=orders.clock)
    ticker = Ticker(app, app.importer(), app.responder())
    deadline = time.monotonic() + REHEARSAL_SECONDS
    while turns_ended(app.database) < orders.passes and time.monotonic() < deadline:
        ticker.tick()
        time.sleep(TICK_SECONDS)
    ticker.stop()  # no thread is left to be torn apart by a fork
    database = app.database
    app.close()
    return database


def _work(orders: Orders, database: Database) -> None:
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    if orders.crash_at is not None:
        failpoints.arm(orders.crash_at, passes=orders.passes)
    app = App(Settings(_env_file=None, **orders.settings), clock=orders.clock)
    app._database = database
    random.seed(os.getpid())
    try:
        ticker = Ticker(app, app.importer(), app.responder())
        while True:
            ticker.tick()
            # In step with each other, who was born last would do all the polling.
            time.sleep(TICK_SECONDS * random.uniform(0.5, 1.5))
    finally:
        os._exit(1)


def is_alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True


def kill(pid: int) -> None:
    with contextlib.suppress(ProcessLookupError):
        os.kill(pid, signal.SIGKILL)


class Spawner:
    """The nursery's other end."""

    def __init__(self) -> None:
        context = multiprocessing.get_context("fork")
        self._pipe, far_end = context.Pipe()
        self._nursery = context.Process(target=nursery, args=(far_end, self._pipe), daemon=True)
        self._nursery.start()
        far_end.close()
        self._orders: Orders | None = None

    def rehearse(self, settings: dict[str, Any], clock: FastClock, *, turns: int) -> None:
        """Have the nursery end the first turns; the workers are told the same."""
        self._orders = Orders(settings, clock, passes=turns)
        self._ask(self._orders)

    def spawn(self, crash_at: str | None = None, *, passes: int = 1) -> int:
        """A new worker's process id."""
        assert self._orders is not None
        return self._ask(Orders(self._orders.settings, self._orders.clock, crash_at, passes))

    def _ask(self, orders: Orders) -> int:
        self._pipe.send(orders)
        pid: int = self._pipe.recv()
        return pid

    def close(self) -> None:
        self._pipe.close()
        self._nursery.join()
