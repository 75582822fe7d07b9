"""Several processes over one database: each takes what nobody else has."""

import signal
from collections import Counter
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import pytest

from shoptalk.db.embedded import EmbeddedServer
from shoptalk.db.engine import Database
from shoptalk.db.liveness import live_processes
from shoptalk.db.models import Turn
from shoptalk.scheduler import Ticker
from shoptalk.wiring import App
from tests.cli.terminal import terminal_of
from tests.loop.shop import INSTAGRAM, PAGE, Shop, open_shop
from tests.patience import PATIENCE, eventually
from tests.process import HELLO, Process, half_done
from tests.promises.counting import another_process


@contextmanager
def at_work(app: App, *, imports: bool = True, replies: bool = True) -> Iterator[Ticker]:
    ticker = Ticker(app, app.importer() if imports else None, app.responder() if replies else None)
    try:
        yield ticker
    finally:
        ticker.stop()


def tick(ticker: Ticker) -> None:
    """A tick, and the end of the polls it began."""
    ticker.tick()
    for poll in list(ticker._polling.values()):
        poll.result(PATIENCE)


@pytest.fixture
def two(shop: Shop) -> Iterator[list[App]]:
    """Two processes of the shop."""
    with ExitStack() as ends:
        apps = [another_process(shop) for _ in range(2)]
        for app in apps:
            ends.callback(app.close)
        yield apps


def test_a_channel_is_polled_once_an_interval_however_many_poll(shop: Shop, two: list[App]) -> None:
    shop.opens("facebook", "instagram")
    shop.imports()
    shop.world.ledger.clear()
    with at_work(two[0]) as first, at_work(two[1]) as second:
        for _ in range(5):
            shop.wait(seconds=5)
            tick(first)
            shop.wait(seconds=5)
            tick(second)
    lists = Counter(each.account_id for each in shop.world.ledger.calls(kind="list"))
    assert lists == {PAGE: 5, INSTAGRAM: 5}


def test_one_imports_and_another_replies(shop: Shop, two: list[App]) -> None:
    shop.opens("facebook")
    shop.customer_writes(HELLO)
    with at_work(two[0], replies=False) as importer, at_work(two[1], imports=False) as replier:
        replier.tick()
        assert shop.list_calls() == 0
        importer.tick()
        eventually(lambda: shop.rows(Turn))  # sorted by whoever imports, answered by neither yet
        shop.wait(seconds=31)
        importer.tick()
        assert shop.sent() == []
        replier.tick()
        eventually(lambda: len(shop.sent()) == 1)


def test_history_is_read_by_one_of_them(shop: Shop, two: list[App]) -> None:
    with two[0].liveness.alone_at(7) as mine:
        assert mine
        with two[1].liveness.alone_at(7) as theirs, two[1].liveness.alone_at(8) as other:
            assert not theirs
            assert other
    with two[1].liveness.alone_at(7) as mine:
        assert mine


def test_a_turn_is_answered_when_it_is_due_and_not_with_the_next_tick(
    server: EmbeddedServer, database: Database, tmp_path: Path
) -> None:
    with open_shop(server.url, tmp_path / "home", message_buffer_duration_ms=500) as shop:
        shop.world.clock.reset()
        shop.opens("facebook")
        with at_work(shop.app) as ticker:
            shop.customer_writes(HELLO)
            ticker.tick()  # the only one
            eventually(lambda: [turn.status for turn in shop.rows(Turn)] == ["answered"])
            [turn] = shop.rows(Turn)
            assert turn.closed_at >= turn.due_at


@pytest.mark.parametrize(
    ("flood", "others"), [(300, 20), pytest.param(2_000, 200, marks=pytest.mark.thorough)]
)
def test_a_flood_from_one_customer_holds_up_nobody_else(
    shop: Shop, flood: int, others: int
) -> None:
    shop.opens("facebook")
    for number in range(flood):
        shop.customer_writes(f"hello {number}", who="7309")
    for number in range(others):
        shop.customer_writes(HELLO, who=f"74{number:03d}")
    assert shop.answers()["answered"] == others + 1  # the long one is a turn like any other


@pytest.mark.parametrize("only", ["import", "reply"])
def test_a_worker_is_listed_while_it_is_there(open_now: Shop, tmp_path: Path, only: str) -> None:
    shop = open_now
    with Process(shop, tmp_path, "worker", "--only", only) as process:
        eventually(lambda: present(shop) == [only])
        listed = terminal_of(shop).types("status", "--json").document["workers"]
        assert [each["what"].split()[0] for each in listed] == [only]
        assert process.tell(signal.SIGTERM) == 0
    eventually(lambda: present(shop) == [])


def test_run_without_a_worker_sorts_and_leaves_the_rest(open_now: Shop, tmp_path: Path) -> None:
    shop = open_now
    shop.customer_writes(HELLO)
    shop.imports()
    with Process(shop, tmp_path, "run", "--no-worker") as process:
        eventually(lambda: shop.rows(Turn))
        assert process.tell(signal.SIGTERM) == 0
    assert shop.sent() == []


def test_workers_that_are_killed_leave_their_work_to_the_others(
    open_now: Shop, tmp_path: Path
) -> None:
    shop = open_now
    shop.model_says({"text": "In a minute", "delay_seconds": 3})
    with Process(shop, tmp_path, "worker") as killed:
        shop.customer_writes(HELLO)
        eventually(lambda: half_done(shop))
        killed.tell(signal.SIGKILL)
    with Process(shop, tmp_path, "worker", name="heir") as heir:
        eventually(lambda: [turn.status for turn in shop.rows(Turn)] == ["answered"])
        assert heir.tell(signal.SIGTERM) == 0
    assert len(shop.sent()) == 1


def present(shop: Shop) -> list[str]:
    with shop.app.database.transaction() as session:
        return [each.what.split()[0] for each in live_processes(session)]
