"""What the model is shown, turn after turn, is what the platform's thread holds."""

import pytest

from tests.loop import twilio
from tests.loop.chat import Chat
from tests.loop.shop import ANN, INSTAGRAM, PAGE, Shop
from tests.sandbox.twilio_shop import NUMBER, SENDER

TURNS = 9  #: so that the last ones have more before them than the model is shown


@pytest.mark.parametrize("account", [PAGE, INSTAGRAM])
def test_on_messenger_and_instagram_each_turn_shows_the_thread(shop: Shop, account: str) -> None:
    shop.opens("facebook" if account == PAGE else "instagram")
    for turn in range(TURNS):
        for part in range(turn % 3 + 1):
            shop.customer_writes(f"question {turn}.{part}", account=account)
            shop.wait(seconds=2)
        shop.model_says({"text": f"answer {turn}"})
        shop.answers()
    assert len(shop.control.shown()) == TURNS
    assert shop.wrong_contexts() == []


@pytest.mark.parametrize("sender", [NUMBER, SENDER])
def test_over_twilio_each_turn_shows_the_thread(shop: Shop, sender: str) -> None:
    twilio.add_account(shop)
    twilio.opens(shop, sender)
    for turn in range(TURNS):
        twilio.writes(shop, f"question {turn}", sender=sender)
        shop.model_says({"text": f"answer {turn}"})
        shop.wait(seconds=5)
        shop.answers()
    assert len(shop.control.shown()) == TURNS
    assert shop.wrong_contexts() == []


def test_in_the_web_chat_each_turn_shows_the_session(shop: Shop) -> None:
    chat = Chat(shop)
    for turn in range(TURNS):
        chat.visitor_writes(f"question {turn}")
        shop.model_says({"text": f"answer {turn}"})
        shop.wait(seconds=5)
        shop.answers()
    assert len(shop.control.shown()) == TURNS
    assert shop.wrong_contexts() == []


def test_the_check_sees_a_message_that_the_model_was_not_shown(shop: Shop) -> None:
    shop.opens("facebook")
    shop.customer_writes("question")
    shop.model_says({"text": "answer"})
    shop.answers()
    thread = shop.world.thread_of(PAGE, ANN)
    assert thread is not None
    assert shop.wrong_contexts() == []
    thread.messages.insert(0, shop.world.add_message(PAGE, "7300000000000009", "never shown"))
    thread.messages[0].sequence_no = 0
    assert len(shop.wrong_contexts()) == 1
