"""What a cache of hot look-ups could save at the most: the time that reading them takes in turns.

Channel, agent and catalog are read once for all the turns of a claim. Here every read of them is
timed, from the query to the rows, while a shop's waiting turns are answered.
"""

import resource
import time
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any
from unittest.mock import patch

from benchmarks.quick_vendors import quick_vendors
from benchmarks.table import Figure
from benchmarks.turns import fill, settings_for, shop
from shoptalk.agents import prompt_builder
from shoptalk.db import turn_input
from shoptalk.db.catalog import active_products
from shoptalk.wiring import running

TITLE = "what a cache of channel, agent and catalog could save"
SIZE = 300  #: turns


class _Timed:
    """A function, and the seconds spent in it."""

    def __init__(self, work: Callable[..., Any]) -> None:
        self._work = work
        self.calls = 0
        self.seconds = 0.0

    def __call__(self, *arguments: Any) -> Any:
        began = time.thread_time()
        try:
            return self._work(*arguments)
        finally:
            self.seconds += time.thread_time() - began
            self.calls += 1


def measure(size: int) -> list[Figure]:
    rows, catalog = _Timed(turn_input._by_id), _Timed(active_products)
    with shop() as (database, server, home), quick_vendors() as vendors:
        fill(database, home, size)
        settings = settings_for(server.url, home, vendors, 10)
        with (
            running(settings, clock=lambda: datetime.now(UTC)) as app,
            patch.object(turn_input, "_by_id", rows),
            patch.object(prompt_builder, "active_products", catalog),
        ):
            responder = app.responder()
            before = _cpu_seconds()
            ended = responder.answer_all_due()
            used = _cpu_seconds() - before
    if ended["answered"] != size:
        raise RuntimeError(f"{size} turns ended so: {dict(ended)}")
    looked_up = rows.seconds + catalog.seconds
    return [
        Figure(name="processor time of a turn", value=1000 * used / size, unit="ms"),
        Figure(name="of it, look-ups", value=1000 * looked_up / size, unit="ms"),
        Figure(name="share of look-ups", value=100 * looked_up / used, unit="%"),
        Figure(name="look-ups a turn", value=(rows.calls + catalog.calls) / size),
    ]


def _cpu_seconds() -> float:
    used = resource.getrusage(resource.RUSAGE_SELF)
    return used.ru_utime + used.ru_stime
