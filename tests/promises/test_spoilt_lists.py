"""A record of the list of threads that makes no sense loses no message."""

from typing import Any

import pytest

from shoptalk.db.missing_messages import WAITS_FOR
from shoptalk.db.models import ChannelIntegration, Message
from tests.loop.shop import ANN, Shop

SPOILT = [
    ("null_record", {"index": -1}),
    ("garbage_record", {"index": -1}),
    ("missing_field", {"index": -1, "field": "updated_time"}),
]


@pytest.fixture
def busy(shop: Shop) -> Shop:
    """Ann wrote long before the others, while nobody polled: she ends the second page."""
    shop.opens("facebook")
    shop.imports()
    shop.wait(minutes=5)
    shop.customer_writes("from Ann", who=ANN)
    shop.wait(minutes=1)
    for number in range(24):
        shop.customer_writes("hello", who=f"75{number:014d}")
    shop.wait(minutes=4)
    shop.customer_writes("from Bob", who="7300000000000002")
    return shop


def texts(shop: Shop) -> set[str]:
    return {message.content for message in shop.rows(Message)}


def polls_on(shop: Shop, polls: int) -> None:
    """Ten others write between two polls, and push Ann down the list."""
    for poll in range(polls):
        shop.wait(minutes=2)
        for number in range(10):
            shop.customer_writes(f"more {poll}", who=f"74{number:014d}")
        shop.imports()


@pytest.mark.parametrize(("fault", "params"), SPOILT)
def test_what_was_spoilt_once_is_read_the_next_time(
    busy: Shop, fault: str, params: dict[str, Any]
) -> None:
    busy.world.faults.add(fault, match={"kind": "list"}, after=1, count=1, params=params)
    [report] = busy.imports()
    assert len(report.set_aside) == 1
    assert {"from Bob", "hello"} <= texts(busy), "nobody else waits for it"
    assert "from Ann" not in texts(busy)
    polls_on(busy, 2)
    assert "from Ann" in texts(busy)
    [channel] = busy.channels()
    assert channel.malformed_since is None


def test_what_stays_spoilt_is_declared_once_and_holds_up_nothing_for_ever(busy: Shop) -> None:
    busy.world.faults.add("null_record", match={"kind": "list"}, params={"index": -1})
    busy.imports()
    [before] = busy.rows(ChannelIntegration)
    gaps = []
    for _ in range(WAITS_FOR.seconds // 120 + 3):
        busy.wait(minutes=2)
        busy.customer_writes("and another", who="7300000000000003")
        [report] = busy.imports()
        gaps += report.gaps
    [gap] = [gap for gap in gaps if gap["thread_id"] is None]
    assert "made no sense" in gap["reason"]
    [after] = busy.rows(ChannelIntegration)
    assert after.last_fetch_timestamp > before.last_fetch_timestamp
