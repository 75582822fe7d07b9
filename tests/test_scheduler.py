"""When things run: ticks, and the schedule around them."""

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from sqlalchemy import text

from shoptalk import scheduler
from shoptalk.agents.models.base import Model, ModelSession, Prompt
from shoptalk.db.embedded import EmbeddedServer
from shoptalk.db.engine import Database
from shoptalk.db.models import ChannelIntegration, Message, Turn
from shoptalk.importer.channels import Importer
from shoptalk.importer.run_report import RunReport
from shoptalk.scheduler import Schedule, Ticker
from tests.loop.shop import INSTAGRAM, Shop, open_shop
from tests.patience import PATIENCE, eventually
from tests.process import HELLO, half_done


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

    def begin(self, prompt: Prompt) -> ModelSession:
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

    def tick_to_its_end(self) -> None:
        """A tick that is over before the clock goes on.

        A poll that began later would be due a tick later, and a channel that its history or a
        check has locked is passed over.
        """
        self.ticker.tick()
        eventually(self.is_idle)
        self.shop.wait(seconds=10)

    def is_idle(self) -> bool:
        """Whether all that was handed out has ended."""
        ticker = self.ticker
        handed_out = (ticker._polling, ticker._reading_history, ticker._checking)
        return all(each.done() for under_way in handed_out for each in under_way.values())

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
    for _ in range(6):  # 0 to 50 s
        works.tick_to_its_end()
    assert works.importer.begun == ["instagram"] * 6
    works.tick_to_its_end()
    assert sorted(works.importer.begun[6:]) == ["facebook", "instagram"]


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
