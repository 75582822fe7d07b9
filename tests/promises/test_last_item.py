"""The last one on the shelf is sold once, whoever else is at the counter or dies there."""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from threading import Barrier, Lock
from time import monotonic

import pytest
from sqlalchemy import text

from shoptalk.db.models import Order, Product, Turn
from shoptalk.responder import answer
from shoptalk.types import Outcome
from tests.loop.shop import ANN, KETTLE, Shop, _Interrupted
from tests.promises.counting import PARROT, another_process, come_to_rest
from tests.promises.test_crash_points import KILLED, Victims, nursed
from tests.promises.test_deliveries import BUFFER_SECONDS
from tests.torture.truth import received

BOB = "7300000000000002"
SOLD, TOLD = "ordered 1 × Electric Kettle, 49.90 USD", "that cannot be ordered"


@pytest.fixture
def shop(shop: Shop) -> Shop:
    shop.sells(replace(KETTLE, stock=1))
    shop.model_says(PARROT)
    shop.opens("facebook")
    return shop


@pytest.fixture(scope="module")
def victims() -> Iterator[Victims]:
    with nursed() as victims:
        yield victims


def wants_it(shop: Shop, who: str, mark: int) -> str:
    return shop.customer_writes(f"yes, order k1 x1 #{mark}", who=who)


def assert_sold_once(shop: Shop, *, to: str | None = None) -> None:
    """One order, an empty shelf, and each customer told once how it ended for them."""
    [order] = shop.rows(Order)
    assert (order.product_id, order.quantity) == ("k1", 1)
    assert [product.stock for product in shop.rows(Product)] == [0]
    replies = received(shop.world)
    assert {len(texts) for texts in replies.values()} == {1}
    sold = [who for who, [said] in replies.items() if SOLD in said]
    told = [who for who, [said] in replies.items() if TOLD in said]
    assert (len(sold), sorted(sold + told)) == (1, sorted([ANN, BOB]))
    if to is not None:
        assert sold == [to]
    [turn] = [turn for turn in shop.rows(Turn) if turn.id == order.turn_id]
    assert turn.conversation_id == order.conversation_id
    assert {turn.outcome for turn in shop.rows(Turn)} == {Outcome.ANSWERED}


def test_two_customers_buy_it_at_once_in_two_processes(
    shop: Shop, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each process has one of the turns; the one that comes second waits for the first."""
    wants_it(shop, ANN, 1)
    wants_it(shop, BOB, 2)
    shop.wait(seconds=BUFFER_SECONDS)
    shop.imports()
    shop.app.settings.worker_concurrency = 1
    apps = [another_process(shop) for _ in range(2)]
    both_think, is_first = Barrier(2), Lock()
    waited: list[int] = []

    def meets_the_other() -> None:
        both_think.wait(timeout=30)

    def the_other_waits(name: str) -> None:
        if name == "order.in_transaction" and is_first.acquire(blocking=False):
            until = monotonic() + 10
            while not waited and monotonic() < until:
                waited.extend(waiting_for_locks(shop))

    monkeypatch.setattr(answer, "failpoint", the_other_waits)
    try:
        responders = [app.responder() for app in apps]
        for responder in responders:
            ours = responder._answerer
            model = _Interrupted(ours.model, meets_the_other)
            responder._answerer = replace(ours, model=model)
        with ThreadPoolExecutor(2) as pool:
            ended = list(pool.map(lambda each: each.answer_all_due(), responders))
    finally:
        for app in apps:
            app.close()
    assert ended == [{"answered": 1}] * 2
    assert len(waited) == 1
    assert_sold_once(shop)


def waiting_for_locks(shop: Shop) -> list[int]:
    with shop.app.database.transaction() as session:
        return list(
            session.scalars(
                text(
                    "SELECT pid FROM pg_stat_activity"
                    " WHERE wait_event_type = 'Lock' AND datname = current_database()"
                )
            )
        )


@pytest.mark.thorough
@pytest.mark.parametrize("point", ["order.committed", "reply.model_answered", "reply.written_down"])
def test_who_bought_it_keeps_it_when_the_process_dies_before_saying_so(
    shop: Shop, victims: Victims, point: str
) -> None:
    wants_it(shop, ANN, 1)
    shop.wait(seconds=40)
    assert victims.live(shop, crash_at=point) == KILLED
    assert len(shop.rows(Order)) == 1
    assert shop.sent() == []
    wants_it(shop, BOB, 2)
    shop.wait(seconds=40)
    come_to_rest(shop)
    assert_sold_once(shop, to=ANN)


@pytest.mark.thorough
def test_an_order_that_was_not_committed_leaves_it_on_the_shelf(
    shop: Shop, victims: Victims
) -> None:
    wants_it(shop, ANN, 1)
    shop.wait(seconds=40)
    assert victims.live(shop, crash_at="order.in_transaction") == KILLED
    assert shop.rows(Order) == []
    assert [product.stock for product in shop.rows(Product)] == [1]
    wants_it(shop, BOB, 2)
    shop.wait(seconds=40)
    come_to_rest(shop)
    assert_sold_once(shop)


@pytest.mark.thorough
def test_killed_again_and_again_after_the_order_there_is_one(shop: Shop, victims: Victims) -> None:
    wants_it(shop, ANN, 1)
    shop.wait(seconds=40)
    for _ in range(3):
        assert victims.live(shop, crash_at="order.committed") == KILLED
        shop.wait(seconds=10)
    wants_it(shop, BOB, 2)
    shop.wait(seconds=40)
    come_to_rest(shop)
    assert_sold_once(shop, to=ANN)
