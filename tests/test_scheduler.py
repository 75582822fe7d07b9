"""When things run: ticks in this process, and `shoptalk run` as a process of its own."""

import json
import logging
import os
import pty
import re
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import text

from shoptalk import scheduler
from shoptalk.db.embedded import EmbeddedServer
from shoptalk.db.engine import Database
from shoptalk.db.models import ChannelIntegration, Delivery, Message, Turn
from shoptalk.importer.channels import Importer
from shoptalk.importer.report import RunReport
from shoptalk.responder.model.base import Model, Prompt, Talk
from shoptalk.scheduler import Schedule, Ticker
from tests.loop.shop import INSTAGRAM, Shop, open_shop
from tests.patience import PATIENCE, eventually

HELLO = "Hello!"


@pytest.fixture
def shop(server: EmbeddedServer, database: Database, tmp_path: Path) -> Iterator[Shop]:
    with open_shop(server.url, tmp_path / "home") as shop:
        yield shop


class Gate:
    """Something that others wait at while it is closed."""

    def __init__(self) -> None:
        self._open = threading.Event()
        self._open.set()
        self.is_broken = False  #: somebody waited for too long

    def close(self) -> None:
        self._open.clear()

    def open(self) -> None:
        self._open.set()

    def pass_through(self) -> None:
        if not self._open.wait(PATIENCE):
            self.is_broken = True


class GatedImporter(Importer):
    """The real one, with a gate before the Page's polls."""

    def __init__(self, importer: Importer) -> None:
        vars(self).update(vars(importer))
        self.gate = Gate()
        self.begun: list[str] = []

    def poll(self, channel: ChannelIntegration) -> RunReport:
        self.begun.append(channel.channel)
        if channel.channel == "facebook":
            self.gate.pass_through()
        return super().poll(channel)


class GatedModel:
    """The real one, with a gate before its thoughts."""

    def __init__(self, model: Model) -> None:
        self._model = model
        self.gate = Gate()
        self.begun = 0

    def begin(self, prompt: Prompt) -> Talk:
        self.begun += 1
        self.gate.pass_through()
        return self._model.begin(prompt)


class Works:
    """A ticker over a shop, and the gates in it."""

    def __init__(self, shop: Shop) -> None:
        self.shop = shop
        self.importer = GatedImporter(shop.app.importer())
        responder = shop.app.responder()
        self.model = GatedModel(responder._answerer.model)
        responder._answerer = replace(responder._answerer, model=self.model)
        self.ticker = Ticker(shop.app, self.importer, responder)

    def tick(self) -> None:
        self.ticker.tick()
        self.shop.wait(seconds=10)

    def tick_until(self, holds: Callable[[], object]) -> None:
        """Tick again and again: what was still under way at one tick is begun at a later one."""

        def tick_and_ask() -> object:
            self.tick()
            return holds()

        eventually(tick_and_ask)

    def stop(self) -> threading.Event:
        """Begin to stop; the event tells that the ticker has stopped."""
        stopped = threading.Event()

        def stop_and_tell() -> None:
            self.ticker.stop()
            stopped.set()

        threading.Thread(target=stop_and_tell).start()
        eventually(self.ticker._stopping.is_set)
        return stopped


@pytest.fixture
def works(shop: Shop) -> Iterator[Works]:
    works = Works(shop)
    yield works
    works.importer.gate.open()
    works.model.gate.open()
    works.ticker.stop()
    assert not works.importer.gate.is_broken
    assert not works.model.gate.is_broken


def stored(shop: Shop) -> set[str]:
    return {message.message_id for message in shop.rows(Message)}


def half_done(shop: Shop) -> list[Any]:
    """Turns that somebody holds, and deliveries of which nobody knows whether they left."""
    return [turn for turn in shop.rows(Turn) if turn.claimed_until is not None] + [
        delivery for delivery in shop.rows(Delivery) if delivery.status == "sending"
    ]


def test_a_tick_imports_due_channels_and_answers(shop: Shop, works: Works) -> None:
    shop.opens("facebook", "instagram")
    shop.customer_writes(HELLO)
    shop.customer_writes(HELLO, account=INSTAGRAM)
    works.tick()
    eventually(lambda: len(stored(shop)) == 2)
    eventually(lambda: len(shop.rows(Turn)) == 2)
    shop.wait(seconds=31)
    works.tick_until(lambda: [turn.status for turn in shop.rows(Turn)] == ["answered"] * 2)
    assert len(shop.sent()) == 2


def test_a_channel_that_is_not_due_is_left_alone(shop: Shop, works: Works) -> None:
    shop.opens("facebook", "instagram")
    with shop.app.database.transaction() as session:
        session.execute(
            text("UPDATE channel_integrations SET next_poll_at = :at WHERE channel = 'facebook'"),
            {"at": shop.now + timedelta(minutes=1)},
        )
    works.tick()
    eventually(lambda: works.importer.begun == ["instagram"])
    shop.wait(minutes=2)
    works.tick_until(lambda: "facebook" in works.importer.begun)


def test_a_channel_still_being_read_is_not_started_again(shop: Shop, works: Works) -> None:
    shop.opens("facebook")
    works.importer.gate.close()
    works.tick()
    eventually(lambda: works.importer.begun == ["facebook"])
    works.tick()
    works.tick()
    message_id = shop.customer_writes(HELLO)
    works.importer.gate.open()
    eventually(lambda: message_id in stored(shop))
    eventually(lambda: works.ticker._polling[1].done())
    assert works.importer.begun == ["facebook"]
    works.tick()
    eventually(lambda: works.importer.begun == ["facebook", "facebook"])


def test_a_slow_channel_holds_up_neither_another_nor_the_responder(
    shop: Shop, works: Works
) -> None:
    shop.opens("facebook", "instagram")
    works.importer.gate.close()
    shop.customer_writes(HELLO, account=INSTAGRAM)
    works.tick()
    eventually(lambda: len(stored(shop)) == 1)
    eventually(lambda: len(shop.rows(Turn)) == 1)
    shop.wait(seconds=31)
    works.tick_until(lambda: len(shop.sent()) == 1)
    assert works.importer.begun.count("facebook") == 1


def test_a_slow_model_does_not_hold_up_importing(shop: Shop, works: Works) -> None:
    shop.opens("facebook")
    shop.customer_writes(HELLO)
    works.tick()
    eventually(lambda: shop.rows(Turn))
    shop.wait(seconds=31)
    works.model.gate.close()
    works.tick_until(lambda: works.model.begun == 1)
    meanwhile = shop.customer_writes("Is Sam in?", who="73002")
    works.tick_until(lambda: meanwhile in stored(shop))
    assert works.model.begun == 1


def test_a_channel_that_came_late_in_a_tick_is_polled_with_the_next_one(
    server: EmbeddedServer, database: Database, tmp_path: Path
) -> None:
    with open_shop(server.url, tmp_path / "home", worker_concurrency=1) as shop:
        works = Works(shop)
        shop.opens("facebook", "instagram")
        works.importer.gate.close()
        works.ticker.tick()
        eventually(lambda: works.importer.begun == ["facebook"])
        shop.wait(seconds=6)
        works.importer.gate.open()
        eventually(lambda: works.importer.begun == ["facebook", "instagram"])
        shop.wait(seconds=4)
        works.ticker.tick()
        eventually(lambda: len(works.importer.begun) == 4)
        works.ticker.stop()
        assert sorted(works.importer.begun) == ["facebook"] * 2 + ["instagram"] * 2


def test_history_is_read_beside_the_ticks(shop: Shop, works: Works) -> None:
    old = shop.customer_writes("Long ago")
    shop.wait(days=1)
    shop.opens("facebook")
    works.tick()
    eventually(lambda: shop.channels()[0].last_poll_at is not None)
    assert stored(shop) == set()  # a customer who waits comes before the archive
    works.tick_until(lambda: shop.channels()[0].history_state == "done")
    assert stored(shop) == {old}


def test_a_platform_that_cannot_be_loaded_holds_up_no_other(shop: Shop, works: Works) -> None:
    shop.opens("facebook", "instagram")
    with shop.app.database.transaction() as session:
        session.execute(text("UPDATE channel_integrations SET channel = 'fax' WHERE id = 1"))
    shop.customer_writes(HELLO, account=INSTAGRAM)
    works.tick()
    eventually(lambda: len(stored(shop)) == 1)
    eventually(lambda: shop.rows(Turn))
    shop.wait(seconds=31)
    works.tick_until(lambda: len(shop.sent()) == 1)


def test_stopping_waits_for_a_poll_and_begins_nothing_more(shop: Shop, works: Works) -> None:
    shop.opens("facebook")
    message_id = shop.customer_writes(HELLO)
    works.importer.gate.close()
    works.tick()
    eventually(lambda: works.importer.begun == ["facebook"])
    stopped = works.stop()
    works.tick()
    works.ticker.reply()
    assert not stopped.is_set()
    works.importer.gate.open()
    assert stopped.wait(PATIENCE)
    assert stored(shop) == {message_id}
    assert works.importer.begun == ["facebook"]
    assert shop.rows(Turn) == []


def test_stopping_waits_for_the_answer_under_way_and_begins_no_other(
    server: EmbeddedServer, database: Database, tmp_path: Path
) -> None:
    with open_shop(server.url, tmp_path / "home", worker_concurrency=1) as shop:
        works = Works(shop)
        shop.opens("facebook")
        for who in ("73001", "73002"):
            shop.customer_writes(HELLO, who=who)
        shop.imports()
        works.ticker.reply()
        eventually(lambda: len(shop.rows(Turn)) == 2)
        shop.wait(seconds=31)
        works.model.gate.close()
        works.tick_until(lambda: works.model.begun == 1)
        stopped = works.stop()
        assert not stopped.is_set()
        works.model.gate.open()
        assert stopped.wait(PATIENCE)
        assert not works.model.gate.is_broken
        assert len(shop.sent()) == 1
        assert sorted(turn.status for turn in shop.rows(Turn)) == ["answered", "buffering"]
        assert half_done(shop) == []


def test_what_goes_wrong_beside_the_ticks_is_logged(
    shop: Shop, works: Works, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def breaks(*_: object, **__: object) -> None:
        raise RuntimeError("customer words")

    monkeypatch.setattr(works.ticker._responder, "answer_all_due", breaks)
    works.ticker.reply()
    eventually(lambda: "a run failed" in caplog.messages)
    assert "customer words" not in caplog.text


class FakeTicker(Ticker):
    """Counts what a schedule asks of it; a tick does what the test says."""

    def __init__(self, does: Callable[[], None] = lambda: None) -> None:
        self._does = does
        self.ticks = 0
        self.replies = 0
        self.stops = 0

    def tick(self) -> None:
        self.ticks += 1
        self._does()

    def reply(self) -> None:
        self.replies += 1

    def stop(self) -> None:
        self.stops += 1


@contextmanager
def scheduled(ticker: Ticker, *, poll: float = 3600, reply: float = 3600) -> Iterator[None]:
    """The schedule at work while the block runs."""
    until = threading.Event()
    schedule = Schedule(ticker, poll_seconds=poll, reply_seconds=reply)
    thread = threading.Thread(
        target=schedule.run_until, args=(until,), kwargs={"each_second": lambda: None}
    )
    thread.start()
    try:
        yield
    finally:
        until.set()
        thread.join(PATIENCE)
        assert not thread.is_alive()


def test_a_schedule_ticks_and_replies_at_once_and_then_again_and_again() -> None:
    ticker = FakeTicker()
    with scheduled(ticker, poll=0.1, reply=0.1):
        eventually(lambda: ticker.ticks >= 3 and ticker.replies >= 3)
    assert ticker.stops == 1


def test_a_tick_that_finds_its_predecessor_at_work_is_logged(
    caplog: pytest.LogCaptureFixture,
) -> None:
    gate = Gate()
    gate.close()
    ticker = FakeTicker(gate.pass_through)
    with scheduled(ticker, poll=0.1):
        eventually(lambda: "a run was skipped: the one before is still at work" in caplog.messages)
        assert ticker.ticks == 1
        gate.open()
        eventually(lambda: ticker.ticks >= 2)
    assert {vars(record).get("job") for record in caplog.records} == {"tick"}
    assert {record.name for record in caplog.records} == {"shoptalk.scheduler"}


def test_a_tick_that_is_an_hour_late_is_run_once_and_not_dropped(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    long_ago = datetime.now(UTC) - timedelta(hours=1)
    monkeypatch.setattr(scheduler, "utc_now", lambda: long_ago)
    ticker = FakeTicker()
    with scheduled(ticker, poll=7200):
        eventually(lambda: ticker.ticks == 1)
    assert ticker.ticks == 1
    assert caplog.messages == []


def test_a_tick_that_fails_is_logged_without_a_traceback_and_the_next_one_runs(
    caplog: pytest.LogCaptureFixture,
) -> None:
    def breaks() -> None:
        raise RuntimeError("customer words")

    ticker = FakeTicker(breaks)
    with scheduled(ticker, poll=0.1):
        eventually(lambda: ticker.ticks >= 2)
        eventually(lambda: "a run failed" in caplog.messages)
    failures = [record for record in caplog.records if record.getMessage() == "a run failed"]
    assert {vars(record)["error"] for record in failures} == {"RuntimeError"}
    assert "customer words" not in caplog.text
    assert "Traceback" not in caplog.text


class Process:
    """`shoptalk run` with short intervals, against the shop's sandbox and database."""

    def __init__(
        self, shop: Shop, folder: Path, *words: str, name: str = "run", **environment: str
    ) -> None:
        self._words = words or ("run",)
        self.stderr = folder / f"{name}.stderr"
        self.stdout = folder / f"{name}.stdout"
        self._environment = environment_of(shop) | environment
        self._folder = folder

    def __enter__(self) -> "Process":
        with self.stdout.open("wb") as out, self.stderr.open("wb") as err:
            self._process = subprocess.Popen(
                [sys.executable, "-c", "from shoptalk.cli import main; main()", *self._words],
                cwd=self._folder,
                env=self._environment,
                stdin=subprocess.DEVNULL,
                stdout=out,
                stderr=err,
            )
        return self

    def __exit__(self, *_: object) -> None:
        if self._process.poll() is None:
            self._process.kill()
            self._process.wait()

    @property
    def lines(self) -> Sequence[str]:
        return self.stderr.read_text().splitlines()

    def wait_until_it_works(self) -> None:
        eventually(lambda: any("imported" in line for line in self.lines))

    def tell(self, number: signal.Signals) -> int:
        """Send the signal; return the exit code."""
        self._process.send_signal(number)
        return self._process.wait(PATIENCE)


def environment_of(shop: Shop) -> dict[str, str]:
    ours = shop.app.settings
    assert ours.database_url is not None
    return {
        **{name: os.environ[name] for name in ("PATH", "PYTHONPATH") if name in os.environ},
        **shop.server.environment,
        "HOME": str(ours.shoptalk_home),
        "SHOPTALK_HOME": str(ours.shoptalk_home),
        "DATABASE_URL": ours.database_url.get_secret_value(),
        "OPENAI_MODEL": ours.openai_model,
        "GRAPH_CALLS_PER_SECOND": "0",
        "POLL_INTERVAL_SECONDS": "0.2",
        "BUFFER_PROCESSING_INTERVAL_MS": "200",
        "MESSAGE_BUFFER_DURATION_MS": "300",
    }


@pytest.fixture
def open_now(shop: Shop) -> Shop:
    """The shop in real time, with a connected Page."""
    shop.world.clock.reset()
    shop.opens("facebook")
    return shop


@pytest.mark.parametrize(
    ("number", "log_format"), [(signal.SIGTERM, "text"), (signal.SIGINT, "json")]
)
def test_run_answers_and_ends_with_nothing_half_done_when_told(
    open_now: Shop, tmp_path: Path, number: signal.Signals, log_format: str
) -> None:
    shop = open_now
    with Process(shop, tmp_path, LOG_FORMAT=log_format) as process:
        process.wait_until_it_works()
        shop.customer_writes(HELLO)
        eventually(lambda: [turn.status for turn in shop.rows(Turn)] == ["answered"])
        shop.model_says({"text": "You are welcome", "delay_seconds": 3})
        shop.customer_writes("Thanks")
        eventually(lambda: half_done(shop))
        assert process.tell(number) == 0
    assert half_done(shop) == []
    assert [turn.status for turn in shop.rows(Turn)] == ["answered", "answered"]
    assert [row.status for row in shop.rows(Delivery)] == ["sent", "sent"]
    assert shop.sent()[1] == "You are welcome"
    assert process.stdout.read_text() == ""
    if log_format == "json":
        logged = [json.loads(line) for line in process.lines]
        assert {"imported", "a turn ended"} <= {line["message"] for line in logged}
    else:
        assert all(re.match(r"\d{4}-\d\d-\d\dT\S+ [A-Z]+ \S", line) for line in process.lines)
        assert any(" INFO a turn ended " in line for line in process.lines)


def test_two_runs_at_once_answer_each_message_once(open_now: Shop, tmp_path: Path) -> None:
    shop = open_now
    with (
        Process(shop, tmp_path, name="one") as one,
        Process(shop, tmp_path, name="other") as other,
    ):
        one.wait_until_it_works()
        other.wait_until_it_works()
        for number in range(12):
            shop.customer_writes(HELLO, who=f"7300{number}")
        eventually(lambda: len(shop.sent()) >= 12)
        assert one.tell(signal.SIGTERM) == 0
        assert other.tell(signal.SIGTERM) == 0
    assert len(shop.sent()) == 12
    assert [turn.status for turn in shop.rows(Turn)] == ["answered"] * 12
    assert half_done(shop) == []
    assert not any("Traceback" in line for line in [*one.lines, *other.lines])


def test_run_shows_a_live_view_on_a_terminal(open_now: Shop, tmp_path: Path) -> None:
    shop = open_now
    shop.customer_writes(HELLO)
    ours, theirs = pty.openpty()
    process = subprocess.Popen(
        [sys.executable, "-c", "from shoptalk.cli import main; main()", "run"],
        cwd=tmp_path,
        env=environment_of(shop) | {"TERM": "xterm", "COLUMNS": "160", "LINES": "40"},
        stdin=theirs,
        stdout=theirs,
        stderr=theirs,
    )
    os.close(theirs)
    shown = bytearray()
    reading = threading.Thread(target=read_all, args=(ours, shown))
    reading.start()
    try:
        eventually(lambda: b"1 answered" in shown)
        process.send_signal(signal.SIGINT)
        assert process.wait(PATIENCE) == 0
    finally:
        if process.poll() is None:
            process.kill()
            process.wait()
        reading.join(PATIENCE)
        os.close(ours)
    screen = shown.decode()
    assert re.search(r"facebook Corner Shop +(reading history|connected)", screen)
    for words in ("messages imported 1", "queue  ", "turns ended       1 answered", "orders  "):
        assert words in screen
    assert "Traceback" not in screen
    assert len(shop.sent()) == 1


def read_all(terminal: int, into: bytearray) -> None:
    """Read what a terminal shows until the last process has let go of it."""
    try:
        while piece := os.read(terminal, 65536):
            into += piece
    except OSError:  # how Linux says that nobody is there any more
        logging.getLogger(__name__).debug("the terminal is closed")
