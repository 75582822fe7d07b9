"""Killed at any named point, the web chat has each answer once: its own table decides."""

from collections.abc import Iterator

import pytest

from shoptalk.db.models import Delivery, Message, Turn
from shoptalk.failpoints import POINTS
from shoptalk.types import Outcome
from tests.loop.chat import Chat
from tests.loop.shop import Shop
from tests.promises.test_crash_points import KILLED, Victims, nursed

pytestmark = pytest.mark.thorough

#: Passed where an order is made, and where there is something from before the cut-over.
NOT_PASSED = {"order.in_transaction", "order.committed", "history.page_stored"}


@pytest.fixture(scope="module")
def victims() -> Iterator[Victims]:
    with nursed() as victims:
        yield victims


@pytest.mark.parametrize("point", sorted(POINTS - NOT_PASSED))
def test_killed_there_the_visitor_gets_one_answer(shop: Shop, victims: Victims, point: str) -> None:
    site = Chat(shop)
    shop.wait(seconds=5)
    site.visitor_writes("Hello!")
    site.visitor_writes("Is it open today?")
    shop.wait(seconds=40)
    assert victims.live(shop, crash_at=point) == KILLED
    for _ in range(8):
        shop.wait(minutes=1)
        shop.imports()
        shop.replies()
    assert [sender for sender, _ in site.shown()] == ["customer", "customer", "agent"]
    [turn] = shop.rows(Turn)
    assert turn.outcome == Outcome.ANSWERED
    [delivery] = shop.rows(Delivery)
    assert (delivery.status, delivery.message_id) == ("sent", f"webchat_{site.messages()[-1].id}")
    senders = sorted(message.sender_type for message in shop.rows(Message))
    assert senders == ["agent", "customer", "customer"]
