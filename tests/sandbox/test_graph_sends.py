"""Sending on Messenger, Instagram and WhatsApp through the sandbox's Graph API."""

import json
from collections.abc import Iterator
from typing import Any

import pytest
import requests

from tests.sandbox.graph_shop import (
    DAY,
    HOUR,
    INSTAGRAM,
    LINKED,
    LOGIN,
    LOGIN_TOKEN,
    NINE,
    PAGE,
    PHONE,
    PHONE_TOKEN,
    RIMA,
    SAMI,
    SECOND,
    Shop,
    code_of,
)


@pytest.fixture
def shop() -> Iterator[Shop]:
    with Shop() as shop:
        yield shop


def whatsapp(shop: Shop, body: dict[str, Any]) -> requests.Response:
    return shop.post(
        {"messaging_product": "whatsapp", **body}, path=f"{PHONE}/messages", token=PHONE_TOKEN
    )


def whatsapp_text(shop: Shop, text: str, to: str = "+961 70 000 000") -> requests.Response:
    return whatsapp(shop, {"to": to, "type": "text", "text": {"body": text}})


def test_a_send_answers_ids_and_shows_up_in_the_next_read(shop: Shop) -> None:
    shop.write("Open today?", at=NINE - HOUR)
    answer = shop.send("Until six").json()
    assert answer["recipient_id"] == RIMA
    (thread,) = shop.read("me/conversations", fields="updated_time,messages{from,message}")["data"]
    newest = thread["messages"]["data"][0]
    assert (newest["id"], newest["message"]) == (answer["message_id"], "Until six")
    assert newest["from"]["id"] == PAGE
    assert thread["updated_time"] == "2026-03-01T09:00:00+0000"
    (sent,) = shop.world.sent
    assert (sent.message_id, sent.text, sent.is_answered) == (newest["id"], "Until six", True)


def test_form_fields_may_hold_json_strings(shop: Shop) -> None:
    shop.write("Hello")
    form = {
        "recipient": json.dumps({"id": RIMA}),
        "message": json.dumps({"text": "Hi"}),
        "access_token": "page-token",
    }
    response = shop.http.post(shop.url("me/messages"), data=form, timeout=60)
    assert response.json()["recipient_id"] == RIMA


def test_send_answers_may_leave_out_the_prefix(shop: Shop) -> None:
    shop.page.settings.send_id_prefix = False
    shop.write("Hello")
    bare = shop.send("Hi").json()["message_id"]
    stored = shop.world.get_message(bare)
    assert stored.id == f"m_{bare}"
    assert shop.read(bare, fields="message")["message"] == "Hi"


def test_a_send_may_take_seconds_to_show_up(shop: Shop) -> None:
    shop.page.settings.consistency_delay_seconds = 5
    shop.write("Hello", at=NINE - HOUR)
    shop.send("Hi")
    assert shop.read("me/conversations")["data"][0]["updated_time"].startswith("2026-03-01T08")
    assert shop.texts(shop.page) == ["Hello", "Hi"]
    shop.world.clock.advance(5 * SECOND)
    assert shop.read("me/conversations")["data"][0]["updated_time"].startswith("2026-03-01T09")


def test_instagram_is_sent_to_by_page_or_by_its_own_login(shop: Shop) -> None:
    shop.write("Hi", to=shop.linked)
    shop.write("Hi", to=shop.login)
    assert shop.send("By the Page").status_code == 200
    assert code_of(shop.send("By its id", path=f"{LINKED}/messages")) == (3, None)
    by_login = {"host": INSTAGRAM, "token": LOGIN_TOKEN}
    assert shop.send("By login", path=f"{LOGIN}/messages", **by_login).status_code == 200
    assert shop.texts(shop.linked) == ["Hi", "By the Page"]
    assert shop.texts(shop.login) == ["Hi", "By login"]


def test_the_window_closes_24_hours_after_the_customers_last_message(shop: Shop) -> None:
    shop.write("Hello")
    shop.write("Hello", to=shop.linked, customer=SAMI)
    shop.world.clock.advance(DAY - SECOND)
    shop.write("A person answers", side="employee")
    assert shop.send("Just in time").status_code == 200
    shop.world.clock.advance(SECOND)
    assert code_of(shop.send("Too late")) == (10, 2018278)
    late = shop.send("Too late", SAMI)
    assert (late.status_code, code_of(late)) == (403, (10, 2534022))
    assert [sent.error for sent in shop.world.sent] == [None, "10/2018278", "10/2534022"]


def test_a_human_agent_has_seven_days_where_the_feature_is_granted(shop: Shop) -> None:
    shop.write("Hello", at=NINE - 3 * DAY)
    tagged = {
        "recipient": {"id": RIMA},
        "messaging_type": "MESSAGE_TAG",
        "tag": "HUMAN_AGENT",
        "message": {"text": "This is Nour"},
    }
    assert shop.post(tagged).json()["error"]["code"] == 10
    shop.page.settings.human_agent = True
    assert shop.post(tagged).status_code == 200
    shop.world.clock.advance(4 * DAY)
    assert code_of(shop.post(tagged)) == (10, 2018278)
    assert code_of(shop.post({**tagged, "tag": "ACCOUNT_UPDATE"})) == (100, None)


@pytest.mark.parametrize(
    ("platform", "text", "is_accepted"),
    [
        ("facebook", "س" * 2000, True),
        ("facebook", "a" * 2001, False),
        ("facebook", "", False),
        ("instagram", "س" * 500, True),
        ("instagram", "س" * 501, False),
        ("instagram", "a" * 1000, True),
    ],
)
def test_texts_have_the_platforms_own_length_limit(
    shop: Shop, platform: str, text: str, is_accepted: bool
) -> None:
    shop.write("Hello", to=shop.page if platform == "facebook" else shop.linked)
    response = shop.send(text)
    assert (response.status_code == 200) is is_accepted
    if not is_accepted:
        assert code_of(response) == (100, None)


def test_instagram_drops_an_attachment_that_comes_with_text(shop: Shop) -> None:
    image = {"type": "image", "payload": {"url": "https://cdn.example/a.png"}}
    body = {"recipient": {"id": RIMA}, "message": {"text": "Look", "attachment": image}}
    shop.write("Hello", to=shop.linked)
    answer = shop.post(body)
    stored = shop.world.get_message(answer.json()["message_id"])
    assert (answer.status_code, stored.kind, stored.text) == (200, "text", "Look")


def test_messenger_refuses_text_and_attachment_in_one(shop: Shop) -> None:
    image = {"type": "image", "payload": {"url": "https://cdn.example/a.png"}}
    shop.write("Hello")
    both = {"recipient": {"id": RIMA}, "message": {"text": "Look", "attachment": image}}
    assert code_of(shop.post(both)) == (100, None)
    alone = shop.post({"recipient": {"id": RIMA}, "message": {"attachment": image}})
    assert shop.world.get_message(alone.json()["message_id"]).kind == "image"


def test_quick_replies_are_at_most_thirteen(shop: Shop) -> None:
    shop.write("Hello")
    reply = {"content_type": "text", "title": "Yes", "payload": "yes"}
    for count, status in ((13, 200), (14, 400)):
        message = {"text": "Well?", "quick_replies": [reply] * count}
        assert shop.post({"recipient": {"id": RIMA}, "message": message}).status_code == status


def test_sender_actions_answer_the_recipient_and_go_alone(shop: Shop) -> None:
    shop.write("Hello")
    action = {"recipient": {"id": RIMA}, "sender_action": "typing_on"}
    assert shop.post(action).json() == {"recipient_id": RIMA}
    assert code_of(shop.post({**action, "message": {"text": "Hi"}})) == (100, 2018014)
    assert code_of(shop.post({**action, "sender_action": "dance"})) == (100, None)
    assert [call.kind for call in shop.world.ledger.calls()] == ["typing"] * 3
    assert shop.world.sent == []


def test_reactions_are_seen_in_reads(shop: Shop) -> None:
    message = shop.write("Thank you!")
    payload = {"message_id": message.id, "reaction": "love"}
    react = {"recipient": {"id": RIMA}, "sender_action": "react", "payload": payload}
    assert shop.post(react).status_code == 200
    reactions = shop.read(message.id, fields="reactions")["reactions"]["data"]
    assert reactions == [{"reaction": "love", "users": [{"id": PAGE}]}]


def test_people_out_of_reach_are_refused(shop: Shop) -> None:
    assert code_of(shop.send("Hi", "nobody")) == (100, 2018001)
    shop.write("Hello")
    shop.world.change_thread(PAGE, RIMA, is_taken=True)
    assert code_of(shop.send("Hi")) == (10, 2018300)
    shop.world.change_thread(PAGE, RIMA, is_blocked=True)
    assert code_of(shop.send("Hi")) == (551, 1545041)
    shop.login.settings.message_access = False
    refused = shop.send("Hi", path="me/messages", host=INSTAGRAM, token=LOGIN_TOKEN)
    assert code_of(refused) == (200, 2534041)


def test_too_many_sends_in_a_second_are_refused(shop: Shop) -> None:
    shop.page.settings.sends_per_second = 2
    shop.write("Hello")
    assert [shop.send("Hi").status_code for _ in range(3)] == [200, 200, 400]
    shop.world.clock.advance(SECOND)
    assert shop.send("Hi").status_code == 200


def test_whatsapp_answers_contact_and_message(shop: Shop) -> None:
    shop.write("Hello", to=shop.phone, customer="+961 70 000 000")
    answer = whatsapp_text(shop, "Welcome").json()
    assert answer["contacts"] == [{"input": "+961 70 000 000", "wa_id": "96170000000"}]
    assert answer["messages"][0]["id"].startswith("wamid.")
    assert shop.texts(shop.phone, "96170000000") == ["Hello", "Welcome"]


def test_whatsapp_needs_a_template_outside_the_window(shop: Shop) -> None:
    shop.write("Hello", to=shop.phone, customer="96170000000", at=NINE - DAY)
    response = whatsapp_text(shop, "Hi")
    assert code_of(response) == (131047, None)
    assert response.json()["error"]["error_data"]["messaging_product"] == "whatsapp"
    template = {"name": "back_in_stock", "language": {"code": "ar"}}
    body = {"to": "96170000000", "type": "template", "template": template}
    assert whatsapp(shop, body).json()["messages"][0]["message_status"] == "accepted"
    assert whatsapp(shop, {**body, "template": {}}).json()["error"]["code"] == 131008


def test_whatsapp_limits_what_one_person_gets(shop: Shop) -> None:
    shop.write("Hello", to=shop.phone, customer="96170000000")
    codes = [whatsapp_text(shop, "Hi").status_code for _ in range(45)]
    assert codes == [200] * 45
    assert code_of(whatsapp_text(shop, "Hi")) == (131056, None)
    shop.world.clock.advance(6 * SECOND)
    assert whatsapp_text(shop, "Hi").status_code == 200


def test_whatsapp_refuses_what_it_cannot_deliver(shop: Shop) -> None:
    shop.write("Hello", to=shop.phone, customer="96170000000")
    assert code_of(whatsapp_text(shop, "x" * 4097)) == (100, None)
    assert code_of(whatsapp_text(shop, "Hi", to="nobody")) == (131026, None)
    assert code_of(whatsapp(shop, {"to": "96170000000", "type": "dance"})) == (131051, None)
    assert code_of(whatsapp_text(shop, "Hi", to="+961 1 555 000")) == (131021, None)
    shop.phone.settings.sends_per_second = 1
    assert whatsapp_text(shop, "Hi").status_code == 200
    assert code_of(whatsapp_text(shop, "Hi")) == (130429, None)


def test_whatsapp_marks_incoming_messages_read(shop: Shop) -> None:
    message = shop.write("Hello", to=shop.phone, customer="96170000000")
    read = {"status": "read", "message_id": message.id, "typing_indicator": {"type": "text"}}
    assert whatsapp(shop, read).json() == {"success": True}
    assert code_of(whatsapp(shop, {**read, "message_id": "wamid.none"})) == (100, 33)
    assert {call.kind for call in shop.world.ledger.calls()} == {"typing"}
