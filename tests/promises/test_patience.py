"""What goes on failing is tried again, but ever less often, and ends with a reason."""

from datetime import timedelta

import pytest

from shoptalk.db.models import Delivery, Turn
from shoptalk.types import Outcome
from tests.loop.shop import Shop

FAILS = {"code": 2, "status": 500, "is_transient": True}  # also where a customer blocked the Page
SOON = timedelta(minutes=30)


@pytest.fixture
def answered_in_vain(shop: Shop) -> Shop:
    """A shop whose sends fail, with an answer that is due."""
    shop.opens("facebook")
    shop.model_says({"text": "Hi", "repeat": None})
    shop.customer_writes("hello")
    shop.world.faults.add("graph_error", match={"kind": "send"}, params=FAILS)
    shop.imports()
    shop.wait(seconds=31)
    return shop


def goes_on(shop: Shop, span: timedelta, step: timedelta) -> None:
    for _ in range(span // step):
        shop.imports()
        shop.replies()
        shop.wait(seconds=step.total_seconds())


def test_a_send_that_fails_again_and_again_is_tried_ever_less_often(
    answered_in_vain: Shop,
) -> None:
    shop = answered_in_vain
    goes_on(shop, SOON, timedelta(minutes=1))
    assert 4 <= len(shop.world.ledger.calls(kind="send")) <= 8
    assert [turn.outcome for turn in shop.rows(Turn)] == [None]
    shop.world.faults.clear()
    goes_on(shop, SOON, timedelta(minutes=5))
    assert shop.sent() == ["Hi"]


def test_what_could_not_be_sent_while_the_window_was_open_ends_with_it(
    answered_in_vain: Shop,
) -> None:
    shop = answered_in_vain
    goes_on(shop, timedelta(hours=25), timedelta(hours=1))
    assert [turn.outcome for turn in shop.rows(Turn)] == [Outcome.WINDOW_CLOSED]
    assert [delivery.status for delivery in shop.rows(Delivery)] == ["failed"]
    assert shop.sent() == []
