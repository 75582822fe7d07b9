"""Who opts out is not answered until they opt in: STOP, START, HELP, and Twilio's own word."""

import pytest

from shoptalk.types import Outcome
from tests.loop.shop import Shop
from tests.loop.twilio import add_account, conversation, delivery, opens, ticks, writes
from tests.sandbox.twilio_shop import SENDER


@pytest.fixture(autouse=True)
def account(shop: Shop) -> None:
    add_account(shop)


def test_who_writes_stop_is_not_answered_until_they_write_start(shop: Shop) -> None:
    opens(shop)
    stop = writes(shop, "STOP")
    later = writes(shop, "Do you still have kettles?")
    assert shop.answers() == {}
    assert shop.message(stop).outcome == Outcome.OPTED_OUT
    assert shop.message(later).outcome == Outcome.OPTED_OUT
    assert shop.why(later) == Outcome.OPTED_OUT.sentence
    assert conversation(shop).is_opted_out
    shop.wait(minutes=1)
    start = writes(shop, "Start")
    again = writes(shop, "Do you have kettles?")
    assert shop.answers() == {"answered": 1}
    assert shop.message(start).outcome == Outcome.KEYWORD
    assert shop.message(again).outcome == Outcome.ANSWERED
    assert shop.message(later).outcome == Outcome.OPTED_OUT
    assert len(shop.world.sent) == 1, "nothing was even tried"


def test_stop_silences_what_was_about_to_be_answered(shop: Shop) -> None:
    opens(shop)
    question = writes(shop, "Do you have kettles?")
    ticks(shop, seconds=1)
    shop.wait(seconds=10)
    writes(shop, "Stop!")
    assert ticks(shop, seconds=31) == {"opted_out": 1}
    assert shop.message(question).outcome == Outcome.OPTED_OUT
    assert shop.world.sent == []


def test_stop_comes_between_the_model_and_the_send(shop: Shop) -> None:
    opens(shop)
    writes(shop, "Do you have kettles?")
    ticks(shop, seconds=1)
    shop.wait(seconds=31)

    def the_customer_has_had_enough() -> None:
        writes(shop, "STOP")
        shop.imports()

    shop.replies(while_thinking=the_customer_has_had_enough)
    assert shop.world.sent == []


def test_a_stop_from_before_the_channel_was_connected_still_holds(shop: Shop) -> None:
    writes(shop, "STOP")
    shop.wait(hours=50)
    opens(shop)
    shop.imports()
    question = writes(shop, "Hello?")
    assert shop.answers() == {}
    assert shop.message(question).outcome == Outcome.OPTED_OUT


def test_help_is_left_to_twilio_and_the_rest_is_answered(shop: Shop) -> None:
    opens(shop)
    word = writes(shop, "HELP")
    question = writes(shop, "I need help with a kettle")
    assert shop.answers() == {"answered": 1}
    assert shop.message(word).outcome == Outcome.KEYWORD
    assert shop.why(word) == Outcome.KEYWORD.sentence
    assert shop.message(question).outcome == Outcome.ANSWERED


def test_whatsapp_leaves_help_to_the_ai_and_cancel_may_be_about_an_order(shop: Shop) -> None:
    opens(shop, SENDER)
    words = [writes(shop, word, sender=SENDER) for word in ("HELP", "cancel")]
    assert shop.answers() == {"answered": 1}
    assert {shop.message(each).outcome for each in words} == {Outcome.ANSWERED}
    writes(shop, "stop", sender=SENDER)
    ticks(shop, seconds=1)
    assert conversation(shop).is_opted_out


def test_twilio_knows_of_a_stop_that_we_never_saw(shop: Shop) -> None:
    opens(shop)
    question = writes(shop, "Hello?")
    fault = shop.world.faults.add(
        "graph_error", match={"kind": "send"}, params={"code": 21610, "status": 400}
    )
    assert shop.answers() == {"opted_out": 1}
    assert "21610" in shop.why(question)
    assert (delivery(shop).status, delivery(shop).attempts) == ("failed", 1)
    shop.world.faults.remove(fault.id)
    shop.wait(minutes=1)
    another = writes(shop, "Hello??")
    assert shop.answers() == {}
    assert shop.message(another).outcome == Outcome.OPTED_OUT
    assert len(shop.world.sent) == 0
    shop.wait(minutes=1)
    writes(shop, "START")
    writes(shop, "Hello again")
    assert shop.answers() == {"answered": 1}
