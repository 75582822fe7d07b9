"""The process that is killed: a shoptalk that imports and replies until it dies.

Workers are forked from a nursery that has everything imported, as a thousand cold starts of
Python would be all that a run has time for. What is killed is a real process all the same, with
its own connections, threads and half-done work.
"""

import contextlib
import gc
import logging
import multiprocessing
import os
import signal
import sys
import time
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from multiprocessing.connection import Connection
from typing import Any

from shoptalk import crashpoints
from shoptalk.app import App
from shoptalk.responder.model import openai_client  # noqa: F401  # in the nursery, not in each
from shoptalk.scheduler import Ticker
from shoptalk.settings import Settings

TICK_SECONDS = 0.5  #: real ones


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
    passes: int = 1


def nursery(requests: Connection) -> None:
    """Fork a worker for each request; answer with its process id. Ends with the pipe."""
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)  # the dead need no burial
    gc.freeze()
    while True:
        try:
            orders: Orders = requests.recv()
        except EOFError:
            return
        child = os.fork()
        if child == 0:
            requests.close()
            _work(orders)
        requests.send(child)


def _work(orders: Orders) -> None:
    logging.basicConfig(level=logging.CRITICAL, stream=sys.stderr)
    if orders.crash_at is not None:
        crashpoints.arm(orders.crash_at, passes=orders.passes)
    app = App(Settings(_env_file=None, **orders.settings), clock=orders.clock)
    try:
        ticker = Ticker(app, app.importer(), app.responder())
        while True:
            ticker.tick()
            time.sleep(TICK_SECONDS)
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
        self._nursery = context.Process(target=nursery, args=(far_end,), daemon=True)
        self._nursery.start()
        far_end.close()
        self.orders: Orders | None = None

    def spawn(self, crash_at: str | None = None, *, passes: int = 1) -> int:
        assert self.orders is not None
        self._pipe.send(Orders(self.orders.settings, self.orders.clock, crash_at, passes))
        pid: int = self._pipe.recv()
        return pid

    def close(self) -> None:
        self._pipe.close()
        self._nursery.kill()
        self._nursery.join()
