"""What a command costs that has nothing to do, beside the imports that it cannot do without.

Each pair is run in turns, the best run of each counts: what else the machine does only adds.
"""

import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path

from benchmarks.table import Figure, at_most
from shoptalk.db import schema
from shoptalk.db.channels import pollable_channels
from shoptalk.db.embedded import EmbeddedServer
from shoptalk.sandbox.server import SandboxServer
from shoptalk.services.connecting import connect_channel
from shoptalk.settings import Settings
from shoptalk.wiring import running

TITLE = "what it costs to start"
SIZE = 200  #: messages that the shop has
RUNS = 8
MOST_TIMES = 2.0
PAGE, TOKEN = "550011", "benchmark-token"
SHOPTALK = str(Path(sys.executable).with_name("shoptalk"))
CLICK = (sys.executable, "-c", "import click")
LIBRARIES = (sys.executable, "-c", "import sqlalchemy, psycopg, requests")


def measure(size: int) -> list[Figure]:
    click, help_ = _best_in_turns(CLICK, (SHOPTALK, "--help"), os.environ)
    with _shop(size) as environment:
        libraries, idle = _best_in_turns(LIBRARIES, (SHOPTALK, "import"), environment)
    return [
        at_most("time, --help / import click", help_[0] / click[0], MOST_TIMES),
        at_most("the same in processor time", help_[1] / click[1], MOST_TIMES),
        at_most("time, idle import / import of its libraries", idle[0] / libraries[0], MOST_TIMES),
        at_most("the same in processor time", idle[1] / libraries[1], MOST_TIMES),
        Figure(name="--help", value=help_[0] * 1000, unit="ms"),
        Figure(name="import click", value=click[0] * 1000, unit="ms"),
        Figure(name="idle import", value=idle[0] * 1000, unit="ms"),
        Figure(name="import sqlalchemy, psycopg, requests", value=libraries[0] * 1000, unit="ms"),
    ]


def _best_in_turns(
    bare: Sequence[str], ours: Sequence[str], environment: Mapping[str, str]
) -> tuple[tuple[float, float], tuple[float, float]]:
    """The least seconds, by the wall and of the processor, of either command."""
    for command in (bare, ours):
        _run(command, environment)  # so that what it reads is in memory
    rounds = [(_run(bare, environment), _run(ours, environment)) for _ in range(RUNS)]
    walls, cpus = [
        [min(each[command][measure] for each in rounds) for command in (0, 1)] for measure in (0, 1)
    ]
    return (walls[0], cpus[0]), (walls[1], cpus[1])


def _run(command: Sequence[str], environment: Mapping[str, str]) -> tuple[float, float]:
    began = time.perf_counter()
    with subprocess.Popen(command, env=environment, stdout=subprocess.DEVNULL) as process:
        _, status, used = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        raise RuntimeError(f"{' '.join(command)} ended with {process.returncode}")
    return time.perf_counter() - began, used.ru_utime + used.ru_stime


@contextmanager
def _shop(messages: int) -> Iterator[dict[str, str]]:
    """The environment of a connected account with nothing new, on a server that runs."""
    with (
        tempfile.TemporaryDirectory(prefix="shoptalk-bench-") as folder,
        SandboxServer() as sandbox,
    ):
        home = Path(folder)
        sandbox.world.add_account(
            "facebook", PAGE, "Corner Shop", TOKEN, settings={"two_reads_per_second": False}
        )
        written = datetime.now(UTC) - timedelta(hours=1)
        for number in range(messages):
            sandbox.world.add_message(PAGE, f"73{number % 20:014}", f"message {number}", at=written)
        server = EmbeddedServer(home / "server").enter()
        try:
            environment = {
                **{name: os.environ[name] for name in ("PATH", "LANG") if name in os.environ},
                **sandbox.environment,
                "SHOPTALK_HOME": folder,
                "HOME": folder,
                "DATABASE_URL": server.url,
                "GRAPH_CALLS_PER_SECOND": "0",
            }
            _connect(environment)
            yield environment
        finally:
            server.leave()


def _connect(environment: Mapping[str, str]) -> None:
    """Connect the account, and import until there is nothing left to look at."""
    values = {name.lower(): value for name, value in environment.items()}
    settings = Settings(_env_file=None, **values)  # type: ignore[arg-type]
    with running(settings, clock=lambda: datetime.now(UTC)) as app:
        schema.upgrade(app.unchecked_database)
        connect_channel(app, "facebook", PAGE, {"access_token": TOKEN}, name=None, ai_default=True)
        for _ in range(3):
            with app.database.transaction() as session:
                channels = pollable_channels(session)
            for report in app.importer().import_side_by_side(channels):
                if report.error:
                    raise RuntimeError(report.error)
