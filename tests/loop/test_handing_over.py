"""A customer whom the AI cannot help is handed over to a person, once and visibly."""

import json

import requests

from shoptalk.commands.waiting import waiting_for_people
from shoptalk.db.conversations import get_conversation, switch_ai
from shoptalk.db.handovers import HandedOver, who_waits
from shoptalk.db.models import Conversation
from shoptalk.types import ConversationStatus, Outcome
from tests.loop.shop import KETTLE, Shop

HAND_OVER = {"tool_calls": [{"name": "hand_over", "arguments": {"reason": "wants a refund"}}]}
TOLD = {"text": "A person will answer you."}


def waiting(shop: Shop) -> list[HandedOver]:
    with shop.app.database.transaction() as session:
        return list(who_waits(session, shop.app.workspace_id()))


def asks_for_a_refund(shop: Shop) -> str:
    shop.sells(KETTLE)
    shop.opens("facebook")
    shop.model_says(HAND_OVER, TOLD)
    message_id = shop.customer_writes("I want my money back")
    assert shop.answers() == {"needs_person": 1}
    return message_id


def test_the_customer_is_told_once_and_the_shop_sees_who_waits_and_why(shop: Shop) -> None:
    message_id = asks_for_a_refund(shop)
    assert shop.sent() == ["A person will answer you."]
    message = shop.message(message_id)
    assert (message.outcome, message.reply_sent) == (Outcome.NEEDS_PERSON, True)
    assert "handed the conversation over to a person (wants a refund)" in shop.why(message_id)
    [conversation] = shop.rows(Conversation)
    assert conversation.status == ConversationStatus.PENDING
    [who] = waiting(shop)
    assert (who.conversation_id, who.customer, who.reason) == (
        conversation.id,
        "Ann",
        "wants a refund",
    )


def test_what_the_customer_writes_then_waits_for_the_person_too(shop: Shop) -> None:
    asks_for_a_refund(shop)
    shop.wait(seconds=60)
    later = shop.customer_writes("Hello? Anybody?")
    shop.answers()
    assert shop.message(later).outcome == Outcome.NEEDS_PERSON
    assert len(shop.sent()) == 1


def test_a_person_who_answers_ends_the_waiting(shop: Shop) -> None:
    asks_for_a_refund(shop)
    shop.wait(seconds=60)
    shop.employee_writes("I am here")
    shop.imports()
    assert waiting(shop) == []


def test_the_ai_that_is_switched_on_again_answers_what_came_since(shop: Shop) -> None:
    asks_for_a_refund(shop)
    shop.wait(seconds=60)
    later = shop.customer_writes("Do you have an electric kettle?")
    shop.answers()
    with shop.app.database.transaction() as session:
        [conversation] = shop.rows(Conversation)
        row = get_conversation(session, shop.app.workspace_id(), str(conversation.id))
        assert switch_ai(session, row, enabled=True, now=shop.now) == 1
    shop.wait(seconds=60)
    shop.answers()
    assert shop.message(later).outcome == Outcome.ANSWERED
    assert waiting(shop) == []
    assert shop.rows(Conversation)[0].status == ConversationStatus.OPEN


def test_a_customer_who_asks_for_a_person_gets_one(shop: Shop) -> None:
    shop.sells(KETTLE)
    shop.opens("facebook")
    shop.customer_writes("I want to talk to a human")
    assert shop.answers() == {"needs_person": 1}
    assert "colleague" in shop.sent()[0]
    assert len(waiting(shop)) == 1


def test_a_call_in_the_text_is_run_and_its_result_comes_as_a_note_of_the_shop(shop: Shop) -> None:
    shop.opens("facebook")
    call = json.dumps({"name": "hand_over", "arguments": {"reason": "asks for a person"}})
    shop.model_says({"text": f"<tool_call>{call}</tool_call>"}, TOLD)
    shop.customer_writes("A person, please")
    assert shop.answers() == {"needs_person": 1}
    assert shop.sent() == ["A person will answer you."]
    asked = requests.get(f"{shop.server.url}/control/model", timeout=60).json()["requests"]
    messages = asked[-1]["body"]["messages"]
    assert [message["role"] for message in messages] == ["system", "user", "assistant", "user"]
    mark = messages[-1]["content"].split("]")[0] + "]"
    assert mark in messages[0]["content"]


def test_status_names_who_was_handed_over_and_why(shop: Shop) -> None:
    asks_for_a_refund(shop)
    [reason] = waiting_for_people(shop.app, shop.app.workspace_id())
    assert (reason.name, reason.conversations) == ("needs_person", 1)
    assert "Ann (wants a refund)" in reason.line(now=shop.now)
    assert reason.as_json()["oldest"][0]["why"] == "wants a refund"
