"""The whole loop over Twilio: SMS and WhatsApp, polled, answered, and what became of the answer."""

from collections import Counter
from datetime import timedelta
from typing import Any

import pytest

from shoptalk.connect import connect_channel
from shoptalk.db.models import Conversation, Delivery, Message, Turn
from shoptalk.errors import ChannelStopped
from shoptalk.types import Outcome
from tests.loop.shop import BUFFER, Shop
from tests.sandbox.twilio_shop import ACCOUNT_SID, ANN, NUMBER, SENDER, TOKEN


@pytest.fixture(autouse=True)
def account(shop: Shop) -> None:
    """A Twilio account with a number and a WhatsApp sender."""
    for sender in (NUMBER, SENDER):
        shop.world.add_account("twilio", sender, "Corner Shop", TOKEN, account_sid=ACCOUNT_SID)


def opens(shop: Shop, *senders: str) -> None:
    for sender in senders or (NUMBER,):
        config = {"access_token": TOKEN, "number": sender}
        connect_channel(shop.app, "twilio", ACCOUNT_SID, config, name=None, ai_default=True)
    shop.wait(seconds=5)


def writes(shop: Shop, text: str, *, sender: str = NUMBER, who: str = ANN, **words: Any) -> str:
    return shop.world.add_message(sender, who, text, **words).id


def ticks(shop: Shop, **span: float) -> Counter[str]:
    """So much later, an import and a pass."""
    shop.wait(**span)
    reports = shop.imports()
    assert [report.error for report in reports] == [None] * len(reports)
    return shop.replies()


def conversation(shop: Shop) -> Conversation:
    [found] = shop.rows(Conversation)
    assert isinstance(found, Conversation)
    return found


def delivery(shop: Shop) -> Delivery:
    found = shop.rows(Delivery)[-1]
    assert isinstance(found, Delivery)
    return found


# Coming in, going out


@pytest.mark.parametrize(
    ("sender", "thread_id"), [(NUMBER, f"sms_{ANN}"), (SENDER, f"whatsapp_{ANN}")]
)
def test_a_customer_is_answered_once(shop: Shop, sender: str, thread_id: str) -> None:
    opens(shop, sender)
    message_id = writes(shop, "Hello!", sender=sender)
    assert shop.answers() == {"answered": 1}
    shop.wait(minutes=5)
    assert shop.answers() == {}
    assert len(shop.sent()) == 1
    row = conversation(shop)
    assert (row.thread_id, row.customer_phone) == (thread_id, ANN)
    assert shop.why(message_id) == "It was answered."
    assert [m.sender_type for m in shop.rows(Message)] == ["customer", "agent"]


def test_a_number_and_its_whatsapp_are_two_channels_that_do_not_meet(shop: Shop) -> None:
    opens(shop, NUMBER, SENDER)
    writes(shop, "by SMS")
    writes(shop, "by WhatsApp", sender=SENDER)
    assert shop.answers() == {"answered": 2}
    assert {sent.account_id for sent in shop.world.sent} == {NUMBER, SENDER}
    assert {sent.recipient_id for sent in shop.world.sent} == {ANN, f"whatsapp:{ANN}"}


def test_history_of_both_directions_is_imported_and_left_alone(shop: Shop) -> None:
    for number in range(30):
        side = "employee" if number % 3 else "customer"
        writes(shop, f"line {number}", side=side)
        shop.wait(seconds=60)
    shop.wait(hours=30)
    opens(shop)
    assert shop.answers() == {}
    rows = shop.rows(Message)
    assert len(rows) == 30
    assert all(row.is_old for row in rows)
    assert {row.sender_type for row in rows} == {"customer", "employee"}


def test_an_idle_poll_is_two_calls_and_stores_nothing_twice(shop: Shop) -> None:
    for number in range(60):  # all on the day that the date filter lets through
        writes(shop, f"line {number}")
        shop.wait(seconds=1)
    opens(shop)
    shop.imports()
    shop.wait(minutes=10)
    ticks(shop, seconds=10)
    before = shop.list_calls()
    [report] = shop.imports()
    assert shop.list_calls() - before == 2
    assert report.stored.new == 0
    assert len(shop.rows(Message)) == 60


def test_what_a_person_sent_from_the_number_is_read_though_nobody_wrote_in(shop: Shop) -> None:
    opens(shop)
    writes(shop, "Hello?")
    shop.imports()
    shop.wait(minutes=10)
    shop.imports()
    writes(shop, "Sam here, your parcel is in", side="employee")
    shop.imports()
    assert [row.sender_type for row in shop.rows(Message)] == ["customer", "employee"]


def test_many_pages_between_two_polls_are_read_to_the_watermark(shop: Shop) -> None:
    opens(shop)
    shop.imports()
    for number in range(70):
        writes(shop, f"line {number}", who=f"+49151{number:08d}")
        writes(shop, f"ours {number}", who=f"+49151{number:08d}", side="employee")
        shop.wait(seconds=10)
    shop.imports()
    assert len(shop.rows(Message)) == 140


def test_a_number_that_only_sends_is_not_read_from_the_beginning_each_time(shop: Shop) -> None:
    opens(shop)
    shop.imports()
    for number in range(30):
        writes(shop, f"news {number}", who=f"+49151{number:08d}", side="employee")
        shop.wait(seconds=60)
        shop.imports()
    before = shop.list_calls()
    shop.imports()
    assert shop.list_calls() - before == 2
    assert len(shop.rows(Message)) == 30


def test_a_picture_that_comes_in_slowly_is_not_overtaken(shop: Shop) -> None:
    shop.world.get_account(NUMBER).settings.receiving_seconds = 1800
    opens(shop)
    message_id = writes(shop, "look", kind="image")
    for _ in range(11):
        writes(shop, "a text after it", who="+4915100000000")
        shop.wait(minutes=3)
        shop.imports()
    assert shop.message(message_id).content_type == "image"


def test_a_picture_comes_with_its_kind_and_where_it_is(shop: Shop) -> None:
    opens(shop)
    message_id = writes(shop, "this one?", kind="image")
    ticks(shop, seconds=10)
    ticks(shop, seconds=10)
    message = shop.message(message_id)
    assert message.content_type == "image"
    [attachment] = message.attachments
    assert attachment["mime_type"] == "image/jpeg"
    assert f"/Messages/{message_id}/Media/ME" in attachment["url"]
    assert len(shop.world.ledger.calls(kind="media")) == 1, "asked for once"


def test_a_picture_that_is_still_coming_in_is_not_lost(shop: Shop) -> None:
    shop.world.get_account(NUMBER).settings.receiving_seconds = 20
    opens(shop)
    message_id = writes(shop, "look", kind="image")
    shop.wait(seconds=1)
    writes(shop, "a text after it")
    ticks(shop, seconds=2)
    assert [row.content for row in shop.rows(Message)] == ["a text after it"]
    ticks(shop, seconds=25)
    assert shop.message(message_id).content_type == "image"


def test_a_picture_that_was_deleted_meanwhile_is_put_on_record(shop: Shop) -> None:
    opens(shop)
    message_id = writes(shop, "look", kind="image")
    gone = {"code": 20404, "status": 404}
    shop.world.faults.add("graph_error", match={"kind": "media"}, params=gone)
    shop.wait(seconds=5)
    [report, *_] = shop.imports()
    assert shop.message(message_id).attachments == []
    assert "20404" in report.set_aside[0]["reason"]


def test_a_picture_that_cannot_be_asked_for_now_is_not_stored_without_it(shop: Shop) -> None:
    opens(shop)
    shop.imports()
    message_id = writes(shop, "look", kind="image")
    shop.world.faults.add("http_status", match={"kind": "media"}, count=1)
    shop.wait(seconds=5)
    [report] = shop.imports()
    assert report.error is not None
    assert shop.rows(Message) == []
    shop.wait(seconds=30)
    shop.imports()
    assert shop.message(message_id).content_type == "image"


def test_a_number_left_with_twilios_demo_address_counts_as_answered(shop: Shop) -> None:
    shop.world.get_account(NUMBER).settings.demo_url = True
    opens(shop)
    message_id = writes(shop, "Hello?")
    ticks(shop, seconds=10)
    assert shop.message(message_id).outcome == Outcome.ANSWERED_BY_PERSON
    assert shop.sent() == []


def test_wrong_credentials_are_refused_before_anything_is_stored(shop: Shop) -> None:
    config = {"access_token": "wrong", "number": NUMBER}
    with pytest.raises(ChannelStopped, match="20003"):
        connect_channel(shop.app, "twilio", ACCOUNT_SID, config, name=None, ai_default=True)
    assert shop.channels() == []


@pytest.mark.parametrize(("sender", "times"), [(NUMBER, 0), (SENDER, 1)])
def test_typing_is_shown_on_whatsapp_only(shop: Shop, sender: str, times: int) -> None:
    opens(shop, sender)
    writes(shop, "Hello!", sender=sender)
    assert shop.answers() == {"answered": 1}
    calls = shop.world.ledger.calls(kind="typing")
    assert [call.status for call in calls] == [200] * times


# Length


def test_a_long_answer_is_asked_for_again_and_goes_out_short(shop: Shop) -> None:
    opens(shop)
    long, short = "We have many things in stock. " * 30, "We have many things. Which one?"
    shop.model_says({"text": long}, {"text": short})
    writes(shop, "What do you have?")
    assert shop.answers() == {"answered": 1}
    assert shop.sent() == [short]


def test_an_answer_that_stays_long_goes_out_in_parts_of_few_segments(shop: Shop) -> None:
    opens(shop)
    long = " ".join(f"Line {number} of it." for number in range(150))
    shop.model_says({"text": long}, {"text": long})
    writes(shop, "Tell me everything")
    assert shop.answers() == {"answered": 1}
    assert len(shop.sent()) == 2
    assert " ".join(shop.sent()) == long
    assert all(len(part) <= 1530 for part in shop.sent())


def test_whatsapp_takes_a_long_answer_as_it_is(shop: Shop) -> None:
    opens(shop, SENDER)
    long = "We have many things in stock. " * 30
    shop.model_says({"text": long})
    writes(shop, "What do you have?", sender=SENDER)
    assert shop.answers() == {"answered": 1}
    assert shop.sent() == [long.strip()]


# Opting out


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


# What became of it


def test_a_delivery_ends_at_delivered(shop: Shop) -> None:
    opens(shop)
    writes(shop, "Hello!")
    shop.answers()
    assert delivery(shop).status == "sent"
    ticks(shop, seconds=10)
    row = delivery(shop)
    assert (row.status, row.check_at) == ("delivered", None)
    assert shop.message(row.message_id or "").status == "delivered"
    assert len(shop.world.ledger.calls(kind="message")) == 0, "the list told it"


def test_what_takes_long_is_asked_about_less_and_less_often(shop: Shop) -> None:
    shop.world.get_account(NUMBER).settings.delivery_seconds = 7200
    opens(shop)
    writes(shop, "Hello!")
    shop.answers()
    for _ in range(60):  # an hour
        shop.wait(minutes=1)
        shop.imports()
    assert delivery(shop).status == "sent"
    assert 5 <= len(shop.world.ledger.calls(kind="message")) <= 8
    for _ in range(9):
        shop.wait(minutes=20)
        shop.imports()
    assert delivery(shop).status == "delivered"


def test_what_is_never_settled_is_not_asked_about_for_ever(shop: Shop) -> None:
    shop.world.get_account(NUMBER).settings.delivery_seconds = 10**7
    opens(shop)
    writes(shop, "Hello!")
    shop.answers()
    for _ in range(20):
        shop.wait(hours=3)
        shop.imports()
    row = delivery(shop)
    assert (row.status, row.check_at) == ("sent", None)


@pytest.mark.parametrize(
    ("code", "outcome"),
    [
        (30003, Outcome.UNREACHABLE),
        (30007, Outcome.DELIVERY_FAILED),
        (30001, Outcome.DELIVERY_FAILED),
        (63014, Outcome.OPTED_OUT),
    ],
)
def test_a_delivery_that_failed_later_is_not_sent_again_and_says_why(
    shop: Shop, code: int, outcome: Outcome
) -> None:
    opens(shop)
    message_id = writes(shop, "Hello!")
    shop.world.faults.add("fails_later", params={"code": code})
    assert shop.answers() == {"answered": 1}
    assert ticks(shop, seconds=10) == {}
    row = delivery(shop)
    assert row.status == "failed"
    assert f"({code})" in (row.failure_reason or "")
    message = shop.message(message_id)
    assert (message.outcome, message.reply_sent) == (outcome, False)
    assert f"({code})" in shop.why(message_id)
    assert [turn.outcome for turn in shop.rows(Turn)] == [outcome]
    assert conversation(shop).is_opted_out == (outcome is Outcome.OPTED_OUT)
    shop.wait(hours=1)
    assert shop.answers() == {}
    assert len(shop.world.sent) == 1


def test_one_part_that_failed_makes_the_turn_unanswered(shop: Shop) -> None:
    opens(shop)
    long = " ".join(f"Line {number} of it." for number in range(150))
    shop.model_says({"text": long}, {"text": long})
    message_id = writes(shop, "Tell me everything")
    shop.world.faults.add("fails_later", count=1)
    assert shop.answers() == {"answered": 1}
    ticks(shop, seconds=10)
    assert [row.status for row in shop.rows(Delivery)] == ["failed", "delivered"]
    assert shop.message(message_id).outcome == Outcome.UNREACHABLE


def test_a_person_may_have_it_sent_again_and_it_is_a_message_of_its_own(shop: Shop) -> None:
    from shoptalk.db.deliveries import retry

    opens(shop)
    message_id = writes(shop, "Hello!")
    shop.world.faults.add("fails_later", count=1)
    shop.answers()
    ticks(shop, seconds=10)
    with shop.app.database.transaction() as session:
        retry(session, delivery(shop), now=shop.now)
    assert ticks(shop, seconds=60) == {"answered": 1}
    ticks(shop, seconds=10)
    assert delivery(shop).status == "delivered"
    assert len(shop.sent()) == 2
    assert shop.message(message_id).outcome == Outcome.ANSWERED


def test_the_window_of_whatsapp_is_kept_and_sms_has_none(shop: Shop) -> None:
    shop.app.settings.backlog_after_seconds = 10**6
    opens(shop, NUMBER, SENDER)
    by_sms = writes(shop, "by SMS")
    on_whatsapp = writes(shop, "by WhatsApp", sender=SENDER)
    shop.wait(hours=24)
    assert shop.answers() == {"answered": 1}
    assert shop.message(by_sms).outcome == Outcome.ANSWERED
    assert shop.message(on_whatsapp).outcome == Outcome.WINDOW_CLOSED


def test_a_window_that_was_over_after_all_is_told_later(shop: Shop) -> None:
    opens(shop, SENDER)
    message_id = writes(shop, "Hello!", sender=SENDER)
    shop.world.faults.add("fails_later", params={"code": 63016, "status": "failed"})
    shop.answers()
    ticks(shop, seconds=10)
    assert shop.message(message_id).outcome == Outcome.WINDOW_CLOSED
    assert delivery(shop).status == "failed"


# Trouble


def test_too_many_requests_park_the_turn_and_the_channel(shop: Shop) -> None:
    opens(shop)
    writes(shop, "Hello!")
    ticks(shop, seconds=1)
    busy = shop.world.faults.add(
        "graph_error", match={"host": "api.twilio.com"}, params={"code": 20429, "status": 429}
    )
    shop.wait(seconds=31)
    assert shop.replies() == {"waiting": 1}
    [turn] = shop.rows(Turn)
    assert turn.attempts == 0
    assert turn.due_at == shop.now + timedelta(minutes=1)
    shop.imports()
    [channel] = shop.channels()
    assert "(20429)" in (channel.last_error or "")
    assert channel.next_poll_at is not None
    assert channel.stopped_at is None
    shop.world.faults.remove(busy.id)
    shop.wait(seconds=61)
    assert shop.replies() == {"answered": 1}
    assert len(shop.sent()) == 1


def test_a_full_queue_is_waited_for(shop: Shop) -> None:
    opens(shop)
    writes(shop, "Hello!")
    shop.world.faults.add("graph_error", match={"kind": "send"}, count=1, params={"code": 21611})
    assert shop.answers() == {"waiting": 1}
    shop.wait(minutes=5)
    assert shop.replies() == {}
    shop.wait(minutes=11)
    assert shop.replies() == {"answered": 1}
    assert len(shop.sent()) == 1


@pytest.mark.parametrize("fault", ["drop_after", "error_after"])
def test_a_lost_answer_to_a_send_is_read_back_and_not_sent_again(shop: Shop, fault: str) -> None:
    opens(shop)
    writes(shop, "Hello?")
    params = {"code": 20500, "status": 500} if fault == "error_after" else {}
    shop.world.faults.add(fault, match={"kind": "send"}, count=1, params=params)
    assert shop.answers() == {"waiting": 1}
    shop.wait(minutes=2)
    assert shop.replies() == {"answered": 1}
    assert len(shop.sent()) == 1
    ticks(shop, seconds=40)
    assert delivery(shop).status == "delivered"


def test_a_message_that_never_left_is_sent_after_reading_back(shop: Shop) -> None:
    opens(shop)
    writes(shop, "Hello?")
    shop.world.faults.add("drop_before", match={"kind": "send"}, count=1)
    assert shop.answers() == {"waiting": 1}
    shop.wait(minutes=2)
    assert shop.replies() == {"answered": 1}
    assert len(shop.sent()) == 1


def test_a_refused_sender_stops_the_channel_with_what_to_do(shop: Shop) -> None:
    opens(shop)
    writes(shop, "Hello?")
    shop.world.faults.add("graph_error", match={"kind": "send"}, count=1, params={"code": 21606})
    shop.answers()
    [channel] = shop.channels()
    assert channel.stopped_at is not None
    assert "(21606)" in (channel.last_error or "")
    assert channel.remedy


@pytest.mark.parametrize("fault", ["null_record", "garbage_record", "missing_field"])
def test_a_damaged_record_is_set_aside_and_the_rest_is_read(shop: Shop, fault: str) -> None:
    opens(shop)
    shop.imports()
    writes(shop, "first")
    shop.wait(seconds=1)
    writes(shop, "second")
    params = {"field": "sid"} if fault == "missing_field" else {}
    shop.world.faults.add(fault, match={"kind": "list"}, count=1, params=params)
    [report, *_] = shop.imports()
    assert report.unreadable == 1
    assert [row.content for row in shop.rows(Message)] == ["first"]
    ticks(shop, seconds=10)
    assert len(shop.rows(Message)) == 2


def test_a_link_abroad_is_not_followed(shop: Shop) -> None:
    for number in range(60):
        writes(shop, f"line {number}")
    opens(shop)
    shop.imports()
    for number in range(60):
        writes(shop, f"new line {number}")
    shop.world.faults.add("foreign_next", match={"kind": "list"})
    shop.wait(seconds=5)
    [report] = shop.imports()
    assert "refused" in (report.error or "")
    assert shop.world.ledger.tokens_sent_abroad() == []
    shop.world.faults.clear()
    shop.wait(minutes=1)
    shop.imports()
    assert len(shop.rows(Message)) == 120


def test_the_status_of_an_answer_is_news_and_not_worth_a_failed_poll(shop: Shop) -> None:
    shop.world.get_account(NUMBER).settings.delivery_seconds = 600
    opens(shop)
    writes(shop, "Hello!")
    shop.answers()
    shop.world.faults.add("http_status", match={"kind": "message"})
    ticks(shop, seconds=300)
    assert delivery(shop).status == "sent"
    shop.world.faults.clear()
    for _ in range(20):
        ticks(shop, minutes=1)
    assert delivery(shop).status == "delivered"


def test_the_buffer_is_the_same_as_anywhere(shop: Shop) -> None:
    opens(shop)
    for text in ("Hello", "are you", "open today?"):
        shop.wait(seconds=4)
        writes(shop, text)
        shop.imports()
        assert shop.replies() == {}
    shop.wait(seconds=BUFFER.total_seconds() + 1)
    assert shop.replies() == {"answered": 1}
    assert len(shop.sent()) == 1
