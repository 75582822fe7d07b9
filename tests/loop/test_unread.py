"""Polls of Twilio's list, which is of bare messages, that break off within a burst."""

from datetime import timedelta

import pytest

from shoptalk.db.missing_messages import WAITS_FOR
from shoptalk.db.models import Message
from shoptalk.types import Outcome
from tests.loop.shop import BUFFER, Shop
from tests.loop.twilio import add_account, opens, ticks, writes
from tests.promises.counting import PARROT
from tests.torture.truth import marks_of

A_POLL_LATER = timedelta(minutes=2).total_seconds()


@pytest.fixture(autouse=True)
def account(shop: Shop) -> None:
    add_account(shop)
    opens(shop)
    shop.imports()
    shop.model_says(PARROT)


def a_burst(shop: Shop) -> tuple[str, str]:
    """More messages than a page holds; the first and the last are of the same customer."""
    first = writes(shop, "hello #1")
    for number in range(150):
        writes(shop, "hello", who=f"+49151{number:08d}")
    return first, writes(shop, "hello #2")


def breaks_off(shop: Shop, *, pages: int = 1) -> int:
    """From now on, polls read so many pages; the id of what hinders them."""
    params = {"status": 503}
    return shop.world.faults.add(
        "http_status", match={"kind": "list"}, after=pages, params=params
    ).id


def marks(shop: Shop) -> list[int]:
    return [mark for text in shop.sent() for mark in marks_of(text)]


def test_a_poll_that_broke_off_within_a_burst_does_not_turn_the_order_round(shop: Shop) -> None:
    a_burst(shop)
    hindrance = breaks_off(shop)
    shop.imports()
    shop.wait(seconds=BUFFER.total_seconds() + 1)
    assert shop.replies() == {}
    shop.world.faults.remove(hindrance)
    for _ in range(3):
        shop.wait(seconds=A_POLL_LATER)
        shop.imports()
        shop.replies()
    assert marks(shop) == [1, 2]
    assert len(shop.sent()) == 151, "the first and the last in one"


def test_nor_does_one_that_another_process_goes_on_with(shop: Shop) -> None:
    a_burst(shop)
    for _ in range(3):
        hindrance = breaks_off(shop)
        shop.imports()
        shop.replies()
        shop.world.faults.remove(hindrance)
        shop.wait(seconds=A_POLL_LATER)
    assert shop.sent() == []
    shop.imports()
    shop.replies()
    assert marks(shop) == [1, 2]


def test_why_says_what_a_message_waits_for(shop: Shop) -> None:
    _, last = a_burst(shop)
    breaks_off(shop)
    shop.imports()
    assert shop.why(last) == (
        "It waits: older messages of this channel could not be read yet (HTTP 503)."
    )
    shop.wait(seconds=WAITS_FOR.total_seconds())
    assert shop.why(last) == "It waits for the next responder pass."


def test_a_person_whose_answer_was_not_read_yet_is_not_talked_over(shop: Shop) -> None:
    message_id = writes(shop, "hello #1")
    shop.wait(seconds=5)
    writes(shop, "Sam here", side="employee")
    hindrance = breaks_off(shop, pages=1)  # what came in, and not what went out
    assert [row.content for row in shop.rows(Message)] == []
    shop.imports()
    shop.wait(seconds=BUFFER.total_seconds() + 1)
    assert shop.replies() == {}
    shop.world.faults.remove(hindrance)
    ticks(shop, seconds=A_POLL_LATER)
    assert shop.message(message_id).outcome == Outcome.ANSWERED_BY_PERSON
    assert shop.sent() == []


def test_a_turn_that_was_gathered_before_goes_its_way(shop: Shop) -> None:
    writes(shop, "hello #1")
    ticks(shop, seconds=1)
    a_burst(shop)
    breaks_off(shop)
    shop.wait(seconds=BUFFER.total_seconds() + 1)
    shop.imports()
    assert shop.replies() == {"answered": 1}
    assert marks(shop) == [1]


def test_an_older_message_that_comes_spoilt_is_waited_for(shop: Shop) -> None:
    writes(shop, "hello #1")
    shop.wait(seconds=2)
    writes(shop, "hello #2")
    shop.world.faults.add("garbage_record", match={"kind": "list"}, count=4, params={"index": 1})
    shop.wait(seconds=BUFFER.total_seconds() + 1)
    shop.imports()
    assert shop.replies() == {}
    for _ in range(4):
        ticks(shop, seconds=A_POLL_LATER)
    assert marks(shop) == [1, 2]
    assert len(shop.sent()) == 1
