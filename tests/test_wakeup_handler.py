"""What comes by another way than polling is picked up at once, and by the tick when that fails.

The ticks of these schedules are an hour apart: what is picked up was woken for.
"""

import json
import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import psycopg
import pytest
from sqlalchemy import text

from shoptalk.db import wakeup
from shoptalk.db.channels import disconnect_channel
from shoptalk.db.embedded import EmbeddedServer
from shoptalk.db.engine import Database
from shoptalk.db.models import Message, Turn
from shoptalk.db.wakeup import Listener, Wakeup, WakeupKind, wake
from shoptalk.importer.file_import import import_file
from shoptalk.importer.files import FileOptions
from shoptalk.scheduler import Schedule, Ticker
from shoptalk.wakeup_handler import handling_wakeups
from tests.loop.chat import Chat
from tests.loop.shop import Shop, open_shop
from tests.patience import PATIENCE, eventually
from tests.process import Process

AN_HOUR = 3600.0


@pytest.fixture
def shop(server: EmbeddedServer, database: Database, tmp_path: Path) -> Iterator[Shop]:
    """In real time; a turn is due as soon as it is gathered, a channel with every tick."""
    at_once: dict[str, Any] = {"message_buffer_duration_ms": 0, "poll_interval_seconds": 0.1}
    with open_shop(server.url, tmp_path / "home", **at_once) as shop:
        shop.world.clock.reset()
        yield shop


@pytest.fixture
def site(shop: Shop) -> Chat:
    return Chat(shop)


@contextmanager
def running(shop: Shop, *, poll: float = AN_HOUR) -> Iterator[Ticker]:
    """What `shoptalk run` runs, after its first tick."""
    until = threading.Event()
    importer = shop.app.importer()
    ticker = Ticker(shop.app, importer, shop.app.responder())
    schedule = Schedule(ticker, poll_seconds=poll, reply_seconds=AN_HOUR)
    thread = threading.Thread(
        target=schedule.run_until, args=(until,), kwargs={"each_second": lambda: None}
    )
    with handling_wakeups(shop.app, importer, reply=ticker.reply, until=until):
        thread.start()
        try:
            eventually(lambda: len(listeners(shop)) == 1)
            eventually(lambda: all(each.last_poll_at for each in shop.channels()))
            yield ticker
        finally:
            until.set()
            thread.join(PATIENCE)
    assert not thread.is_alive()


def listeners(shop: Shop) -> list[int]:
    """The server's processes that serve somebody who listens."""
    with shop.app.database.transaction() as session:
        listening = text("SELECT pid FROM pg_stat_activity WHERE query = :listen")
        return list(session.scalars(listening, {"listen": f"LISTEN {wakeup.NAME}"}))


def cut(shop: Shop) -> None:
    [listener] = listeners(shop)
    with shop.app.database.transaction() as session:
        session.execute(text("SELECT pg_terminate_backend(:pid, 60000)"), {"pid": listener})


@contextmanager
def shut(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[datetime]]:
    """Nobody who listens can connect anew; when it was tried."""
    tries: list[datetime] = []

    def refuse(*_: object, **__: object) -> None:
        tries.append(datetime.now(UTC))
        raise psycopg.OperationalError("connection refused")

    with monkeypatch.context() as patch:
        patch.setattr(Listener, "_connect", refuse)
        yield tries


def test_visitors_are_answered_between_the_ticks(shop: Shop, site: Chat) -> None:
    with running(shop):
        for who in ("ann", "bob", "eve"):
            site.visitor_writes("Hello!", who=who)
            eventually(lambda: site.answered(who))  # noqa: B023


def test_who_writes_during_the_poll_that_he_woke_is_picked_up_by_another(
    shop: Shop, site: Chat
) -> None:
    with running(shop):
        for number in range(40):
            site.visitor_writes(f"word {number}", who=f"visitor{number % 4}")
        eventually(lambda: len(contents(shop)) >= 40)
    assert sorted(contents(shop)) == sorted(f"word {number}" for number in range(40))


def contents(shop: Shop) -> list[str]:
    return [each.content for each in shop.rows(Message) if each.sender_type == "customer"]


def test_a_person_in_the_chat_is_noticed_at_once(shop: Shop, site: Chat) -> None:
    with running(shop):
        message_id = site.employee_writes("Sam here")
        eventually(lambda: message_id in {each.message_id for each in shop.rows(Message)})


def test_what_a_file_brings_is_taken_up_at_once(shop: Shop, tmp_path: Path) -> None:
    shop.opens("facebook")
    file = tmp_path / "messages.json"
    with running(shop):
        message = {
            "thread_id": "t1",
            "message_id": "m1",
            "sender": "customer",
            "text": "Hello!",
            "created_at": datetime.now(UTC).isoformat(),
        }
        file.write_text(json.dumps([message]))
        [channel] = shop.channels()
        options = FileOptions(platform="facebook")
        report = import_file(shop.app.database, channel, file, options, now=datetime.now(UTC))
        assert report.stored.new == 1
        eventually(lambda: shop.rows(Turn))


def test_what_is_rolled_back_wakes_nobody(shop: Shop, site: Chat) -> None:
    heard: list[frozenset[Wakeup]] = []
    with listening(shop, heard):
        with site.transaction() as session:
            wake(session, Wakeup(WakeupKind.POLL, 1))
            session.rollback()
        with site.transaction() as session:
            wake(session, Wakeup(WakeupKind.REPLY, 2))
            wake(session, Wakeup(WakeupKind.REPLY, 2))
        eventually(lambda: heard)
    assert heard == [frozenset({Wakeup(WakeupKind.REPLY, 2)})]


@contextmanager
def listening(shop: Shop, heard: list[frozenset[Wakeup]]) -> Iterator[None]:
    until, connected = threading.Event(), threading.Event()
    listener = Listener(
        shop.app.database.engine,
        on_wakeups=heard.append,
        on_connected=connected.set,
        until=until,
    )
    listener.start()
    try:
        assert connected.wait(PATIENCE)
        yield
    finally:
        until.set()
        listener.join()


@pytest.mark.parametrize(
    "payload", ["", "poll", "poll ", "poll x", "poll -1", "poll ٣", "sing 1", "poll 1 2", "\u202e"]
)
def test_a_payload_that_is_none_of_ours_is_left_alone(payload: str) -> None:
    assert Wakeup.find(payload) is None


def test_a_wakeup_is_ids_and_nothing_else(shop: Shop, site: Chat) -> None:
    heard: list[frozenset[Wakeup]] = []
    with listening(shop, heard):
        site.visitor_writes("a secret")
        eventually(lambda: heard)
    assert {each.payload for each in heard[0]} == {f"poll {site.channel.id}"}


def test_noise_from_others_and_a_channel_that_is_gone_harm_nobody(shop: Shop, site: Chat) -> None:
    with running(shop):
        with site.transaction() as session:
            for payload in ("rubbish", "poll 999999", "reply 999999"):
                session.execute(
                    text("SELECT pg_notify(:name, :payload)"),
                    {"name": wakeup.NAME, "payload": payload},
                )
        site.visitor_writes("Hello!")
        eventually(lambda: len(site.answered()) == 1)


def test_a_disconnected_chat_is_not_polled_when_it_wakes(shop: Shop, site: Chat) -> None:
    other = Chat(shop, site="other-shop.example")
    with running(shop):
        with site.transaction() as session:
            disconnect_channel(session, site.channel.id)
        site.visitor_writes("Anyone there?")
        other.visitor_writes("Hello!")
        eventually(lambda: other.answered())
    assert contents(shop) == ["Hello!"]


def test_a_cut_connection_is_made_anew_and_what_came_meanwhile_is_picked_up(
    shop: Shop, site: Chat, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("INFO", "shoptalk.db.wakeup")
    monkeypatch.setattr(wakeup, "FIRST_WAIT", wakeup.FIRST_WAIT / 10)
    monkeypatch.setattr(wakeup, "LONGEST_WAIT", wakeup.FIRST_WAIT)
    with running(shop):
        with shut(monkeypatch) as tries:
            cut(shop)
            site.visitor_writes("Hello!")
            eventually(lambda: len(tries) >= 3)
            assert contents(shop) == []  # nobody hears it, and the tick is an hour away
        eventually(lambda: len(site.answered()) == 1)
        site.visitor_writes("Still there?")
        eventually(lambda: len(site.answered()) == 2)
    assert [each.getMessage() for each in caplog.records if each.name == wakeup.log.name] == [
        "no wake-ups are heard; each tick looks for what is new",
        "wake-ups are heard again",
    ]


def test_while_nobody_listens_the_tick_picks_up(
    shop: Shop, site: Chat, monkeypatch: pytest.MonkeyPatch
) -> None:
    with running(shop, poll=0.3), shut(monkeypatch):
        cut(shop)
        site.visitor_writes("Hello!")
        eventually(lambda: len(site.answered()) == 1)
        assert listeners(shop) == []


def test_stopping_does_not_wait_for_the_next_try(
    shop: Shop, site: Chat, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("FIRST_WAIT", "LONGEST_WAIT"):
        monkeypatch.setattr(wakeup, name, timedelta(hours=1))
    ended = threading.Event()

    def run_and_stop() -> None:
        with running_deaf(shop):
            pass
        ended.set()

    with shut(monkeypatch):
        threading.Thread(target=run_and_stop, daemon=True).start()
        assert ended.wait(PATIENCE)


@contextmanager
def running_deaf(shop: Shop) -> Iterator[None]:
    until = threading.Event()
    with handling_wakeups(shop.app, shop.app.importer(), reply=lambda: None, until=until):
        yield


def test_work_that_fails_is_logged_without_words_and_the_next_wakeup_is_followed(
    shop: Shop, site: Chat, caplog: pytest.LogCaptureFixture
) -> None:
    asked: list[int] = []

    def fail_first() -> None:
        asked.append(1)
        if len(asked) <= 2:
            raise RuntimeError("customer words")

    until = threading.Event()
    with handling_wakeups(shop.app, shop.app.importer(), reply=fail_first, until=until):
        eventually(lambda: len(asked) == 1)
        for number in (2, 3):
            site.visitor_writes("Hello!")
            eventually(lambda: len(asked) >= number)  # noqa: B023
    assert "a wake-up could not be followed" in caplog.messages
    assert "customer words" not in caplog.text


def test_run_as_a_process_answers_the_chat_between_its_ticks_and_stops_at_once(
    shop: Shop, site: Chat, tmp_path: Path
) -> None:
    hours_apart = {"POLL_INTERVAL_SECONDS": "3600", "BUFFER_PROCESSING_INTERVAL_MS": "3600000"}
    with Process(shop, tmp_path, MESSAGE_BUFFER_DURATION_MS="0", **hours_apart) as process:
        process.wait_until_it_works()
        eventually(lambda: len(listeners(shop)) == 1)
        site.visitor_writes("Hello!")
        eventually(lambda: len(site.answered()) == 1)
        cut(shop)
        site.visitor_writes("Hello again!", who="bob")
        eventually(lambda: len(site.answered("bob")) == 1)
        assert process.tell(signal.SIGTERM) == 0
    eventually(lambda: listeners(shop) == [])
    said = [line for line in process.lines if "WARNING" in line or "wake-ups" in line]
    assert len(said) == 2
    assert "Hello" not in process.stderr.read_text()
