"""Killed at any named point, shoptalk goes on as if nothing had happened.

The platform's own record decides: nothing lost, nothing twice, in order, no order doubled.
"""

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from sqlalchemy import func, select

from shoptalk.db.models import Conversation, Delivery, Message, Order, Product, Turn
from shoptalk.failpoints import POINTS
from shoptalk.settings import Settings
from shoptalk.types import Outcome
from tests.loop.shop import ANN, KETTLE, Shop
from tests.patience import PATIENCE
from tests.promises.counting import PARROT, come_to_rest, counted
from tests.torture.truth import Written

pytestmark = pytest.mark.thorough

ROOT = Path(__file__).parents[2]
BOB = "7300000000000002"
SENDING = ("send.marked", "send.answered", "send.recorded")
LONG = "\n".join(f"Line {line} of a long answer, which goes on and on." for line in range(100))
KILLED = -signal.SIGKILL


class Victims:
    """Shoptalks that die on demand."""

    def __init__(self, nursery: "subprocess.Popen[str]") -> None:
        self._nursery = nursery

    def live(self, shop: Shop, *, crash_at: str | None, passes: int = 1) -> int:
        """One import and one responder pass, or as much of them as it lives to see."""
        assert self._nursery.stdin is not None
        assert self._nursery.stdout is not None
        orders = {
            "settings": _as_json(shop.app.settings),
            "now": shop.now.isoformat(),
            "crash_at": crash_at,
            "passes": passes,
        }
        self._nursery.stdin.write(f"{json.dumps(orders)}\n")
        self._nursery.stdin.flush()
        return int(self._nursery.stdout.readline())


def _as_json(settings: Settings) -> dict[str, object]:
    """Settings as a line of JSON can carry them, secrets included."""
    values = {name: getattr(settings, name) for name in settings.model_fields_set}
    return {
        name: value.get_secret_value() if hasattr(value, "get_secret_value") else value
        for name, value in values.items()
    } | {"shoptalk_home": str(settings.shoptalk_home)}


@contextmanager
def nursed() -> Iterator[Victims]:
    ours = {name.upper() for name in Settings.model_fields}
    nursery = subprocess.Popen(
        [sys.executable, "-m", "tests.promises.victim"],
        cwd=ROOT,
        env={name: value for name, value in os.environ.items() if name not in ours},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    with nursery:
        yield Victims(nursery)
        assert nursery.stdin is not None
        nursery.stdin.close()
        assert nursery.wait(PATIENCE) == 0


@pytest.fixture(scope="module")
def victims() -> Iterator[Victims]:
    with nursed() as victims:
        yield victims


def opened(shop: Shop) -> Written:
    """A shop with an old thread and a burst that is due: a tick of it passes every point."""
    shop.sells(KETTLE)
    shop.model_says(PARROT)
    shop.customer_writes("an old question #1", who=BOB)
    shop.wait(hours=1)
    shop.opens("facebook")
    written = Written()
    written.orders[3] = (ANN, "k1")
    for mark, text in ((2, "hello #2"), (3, "yes, order k1 x2 #3")):
        shop.wait(seconds=5)
        shop.customer_writes(text)
        written.note(ANN, mark)
    shop.wait(seconds=40)
    return written


def assert_answered_once(shop: Shop, written: Written) -> None:
    verdict = counted(shop, written)
    assert verdict.is_clean, verdict.lines()
    assert verdict.replies == 1
    [turn] = shop.rows(Turn)
    assert turn.outcome == Outcome.ANSWERED
    [delivery] = shop.rows(Delivery)
    assert delivery.status == "sent"
    [sent] = [sent for sent in shop.world.sent if sent.message_id is not None]
    assert sent.message_id == delivery.message_id
    [order] = shop.rows(Order)
    assert (order.product_id, order.quantity) == ("k1", 2)
    assert [product.stock for product in shop.rows(Product)] == [3]
    assert_counts_agree(shop)


def assert_counts_agree(shop: Shop) -> None:
    """What conversations say of their messages is what there is, and history is among it."""
    with shop.app.database.transaction() as session:
        rows = session.execute(
            select(Message.conversation_id, func.count()).group_by(Message.conversation_id)
        )
        stored = {row[0]: row[1] for row in rows}
    conversations = shop.rows(Conversation)
    assert {each.id: each.message_count for each in conversations} == stored
    assert {each.conversation_state for each in conversations} == {"idle"}
    assert all(each.history_complete for each in conversations)


def test_a_process_that_is_not_killed_passes_every_point(shop: Shop, victims: Victims) -> None:
    written = opened(shop)
    assert victims.live(shop, crash_at=None) == 0
    shop.imports()
    assert_answered_once(shop, written)


@pytest.mark.parametrize("point", sorted(POINTS))
def test_killed_there_it_goes_on_as_if_nothing_had_happened(
    shop: Shop, victims: Victims, point: str
) -> None:
    written = opened(shop)
    assert victims.live(shop, crash_at=point) == KILLED
    come_to_rest(shop)
    assert_answered_once(shop, written)


@pytest.mark.parametrize("passes", [1, 2, 3])
@pytest.mark.parametrize("point", SENDING)
def test_killed_at_any_part_of_a_long_reply_the_rest_follows_and_nothing_comes_twice(
    shop: Shop, victims: Victims, point: str, passes: int
) -> None:
    shop.opens("facebook")
    shop.model_says({"text": LONG})
    shop.customer_writes("Tell me everything")
    shop.wait(seconds=40)
    assert victims.live(shop, crash_at=point, passes=passes) == KILLED
    come_to_rest(shop)
    deliveries = shop.rows(Delivery)
    assert len(deliveries) == 3
    assert {delivery.status for delivery in deliveries} == {"sent"}
    assert shop.sent() == [delivery.content for delivery in deliveries]
    assert [turn.outcome for turn in shop.rows(Turn)] == [Outcome.ANSWERED]
    assert_counts_agree(shop)


def test_killed_at_every_point_one_after_the_other_it_still_answers_once(
    shop: Shop, victims: Victims
) -> None:
    written = opened(shop)
    deaths = []
    for point in sorted(POINTS):
        if victims.live(shop, crash_at=point) == KILLED:
            deaths.append(point)
        shop.wait(seconds=70)
    assert len(deaths) > len(POINTS) / 2
    come_to_rest(shop)
    assert_answered_once(shop, written)
