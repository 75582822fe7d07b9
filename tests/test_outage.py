"""A database server that goes away under `run`: told once a minute, tried until it is back."""

import contextlib
import logging
import signal
import socket
import threading
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import psycopg
import pytest
from sqlalchemy.exc import OperationalError

from shoptalk.db.embedded import EmbeddedServer
from shoptalk.db.models import Turn
from shoptalk.db.outage import Outage
from tests.loop.shop import Shop
from tests.patience import eventually
from tests.process import HELLO, Process

GONE = OperationalError("SELECT 1", None, psycopg.OperationalError("the server is gone\n"))


class Way:
    """A TCP port that leads to the tests' server while it is open."""

    def __init__(self, server: EmbeddedServer) -> None:
        [folder] = parse_qs(urlsplit(server.url).query)["host"]
        self._socket = f"{folder}/.s.PGSQL.5432"
        self._listener: socket.socket | None = None
        self._ends: list[socket.socket] = []
        self.port = 0

    @property
    def url(self) -> str:
        return f"postgresql://postgres@127.0.0.1:{self.port}/postgres?sslmode=disable"

    def open(self) -> None:
        self._listener = socket.create_server(("127.0.0.1", self.port))
        self.port = self._listener.getsockname()[1]
        threading.Thread(target=self._accept, args=(self._listener,), daemon=True).start()

    def close(self) -> None:
        for each in [self._listener, *self._ends]:
            if each is not None:
                with contextlib.suppress(OSError):
                    each.shutdown(socket.SHUT_RDWR)
                each.close()
        self._listener, self._ends = None, []

    def _accept(self, listener: socket.socket) -> None:
        with contextlib.suppress(OSError):
            while True:
                near, _ = listener.accept()
                far = socket.socket(socket.AF_UNIX)
                far.connect(self._socket)
                self._ends += [near, far]
                for one, other in ((near, far), (far, near)):
                    threading.Thread(target=carry, args=(one, other), daemon=True).start()


def carry(one: socket.socket, other: socket.socket) -> None:
    with contextlib.suppress(OSError):
        while piece := one.recv(65536):
            other.sendall(piece)
    with contextlib.suppress(OSError):
        other.shutdown(socket.SHUT_RDWR)


@pytest.fixture
def way(server: EmbeddedServer) -> Iterator[Way]:
    way = Way(server)
    way.open()
    yield way
    way.close()


def test_run_outlives_its_database_and_answers_once_that_is_back(
    open_now: Shop, tmp_path: Path, way: Way
) -> None:
    shop = open_now
    with Process(shop, tmp_path, DATABASE_URL=way.url) as process:
        process.wait_until_it_works()
        way.close()
        eventually(lambda: any("does not answer" in line for line in process.lines))
        shop.customer_writes(HELLO)
        seen = len(process.lines)
        way.open()
        eventually(lambda: any("answers again" in line for line in process.lines[seen:]))
        eventually(lambda: [turn.status for turn in shop.rows(Turn)] == ["answered"])
        assert process.tell(signal.SIGTERM) == 0
    told = [line for line in process.lines if "does not answer and is tried again" in line]
    assert len(told) == 1
    assert "reason=" in told[0]
    said = "\n".join(process.lines)
    for name in (
        "OperationalError",
        "InterfaceError",
        "AdminShutdown",
        "Traceback",
        "a run failed",
    ):
        assert name not in said


def test_an_outage_is_told_at_once_then_each_minute_and_when_it_is_over(
    caplog: pytest.LogCaptureFixture,
) -> None:
    caplog.set_level(logging.INFO)
    now = datetime(2026, 10, 5, 9, tzinfo=UTC)
    outage = Outage(lambda: now)
    outage.is_over()
    assert caplog.messages == []
    for _ in range(130):
        assert outage.tell(GONE)
        now += timedelta(seconds=1)
    outage.is_over()
    outage.is_over()
    told = [(each.getMessage(), vars(each)["seconds"]) for each in caplog.records]
    down = "the database does not answer and is tried again"
    assert told == [(down, 0), (down, 60), (down, 120), ("the database answers again", 130)]
    assert vars(caplog.records[0])["reason"] == "the server is gone"
    assert outage.tell(GONE)
    assert caplog.messages[-1] == down


@pytest.mark.parametrize("error", [RuntimeError("x"), KeyError("x")])
def test_what_is_no_outage_is_left_to_others(error: Exception) -> None:
    assert not Outage(lambda: datetime.now(UTC)).tell(error)
