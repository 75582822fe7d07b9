"""The whole loop over Twilio: SMS and WhatsApp, polled and answered, and what goes wrong."""

from collections import Counter
from datetime import timedelta

import pytest

from shoptalk.db.models import Conversation, ImportRun, Message, Turn
from shoptalk.errors import ChannelStopped
from shoptalk.importer.history import WITHOUT_ATTACHMENTS_AFTER
from shoptalk.importer.platform_reader import TIMES_ASKED
from shoptalk.services.connecting import connect_channel
from shoptalk.types import Outcome
from tests.loop.shop import BUFFER, Shop
from tests.loop.twilio import add_account, conversation, delivery, opens, ticks, writes
from tests.sandbox.twilio_shop import ACCOUNT_SID, ANN, NUMBER, SENDER

BOB = "+4915100000000"


@pytest.fixture(autouse=True)
def account(shop: Shop) -> None:
    add_account(shop)


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
    assert sorted((sent.account_id, sent.recipient_id) for sent in shop.world.sent) == sorted(
        [(NUMBER, ANN), (SENDER, f"whatsapp:{ANN}")]
    )


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
    assert Counter(row.sender_type for row in rows) == {"customer": 10, "employee": 20}


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


def test_a_quiet_number_is_polled_less_often_though_its_watermark_moves(shop: Shop) -> None:
    opens(shop)
    writes(shop, "Hello?")
    shop.imports()
    [hot] = shop.channels()
    assert hot.next_poll_at is None
    for _ in range(6):
        shop.wait(minutes=10)
        shop.imports()
    [quiet] = shop.channels()
    assert quiet.next_poll_at is not None
    assert quiet.next_poll_at >= shop.now + timedelta(seconds=45)
    assert quiet.last_fetch_timestamp == shop.now - timedelta(minutes=2)
    late = writes(shop, "listed late", shown_after=timedelta(seconds=110))
    shop.wait(seconds=60)
    shop.imports()
    shop.wait(seconds=60)
    shop.imports()
    assert shop.message(late).content == "listed late"


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
    shop.world.faults.add("http_status", match={"kind": "media"})
    shop.wait(seconds=5)
    [report] = shop.imports()
    assert "waits for its attachments" in report.set_aside[0]["reason"]
    assert report.gaps == shop.rows(Message) == shop.rows(Conversation) == []
    shop.world.faults.clear()
    shop.wait(seconds=30)
    shop.imports()
    assert shop.message(message_id).content_type == "image"


@pytest.mark.parametrize("after", [0, 5])
def test_only_its_own_customer_waits_for_a_picture_that_cannot_be_asked_for(
    shop: Shop, after: int
) -> None:
    opens(shop)
    shop.imports()
    picture = writes(shop, "look", kind="image")
    shop.world.faults.add("http_status", match={"kind": "media"})
    shop.wait(seconds=after)
    writes(shop, "it is red", who=BOB)
    writes(shop, "how much is it?")
    for _ in range(13):
        ticks(shop, minutes=1)
    assert [row.content for row in shop.rows(Message) if row.sender_type == "customer"] == [
        "it is red"
    ]
    assert len(shop.rows(Conversation)) == 1
    assert [gap for run in shop.rows(ImportRun) for gap in run.gaps] == []
    assert len(shop.sent()) == 1, "the other customer is answered meanwhile"
    ticks(shop, minutes=3)
    ticks(shop, seconds=40)
    assert len(shop.sent()) == 2, "after a while it has to do without"
    assert shop.message(picture).attachments == []
    reasons = [each["reason"] for run in shop.rows(ImportRun) for each in run.set_aside]
    assert reasons[-1].startswith("its attachments: ")
    texts = [row.content for row in shop.rows(Message) if row.sender_type == "customer"]
    assert texts == ["it is red", "look", "how much is it?"]


def test_a_picture_written_during_a_long_pause_is_asked_for_more_than_once(shop: Shop) -> None:
    opens(shop)
    shop.imports()
    message_id = writes(shop, "look", kind="image")
    shop.world.faults.add("http_status", match={"kind": "media"})
    shop.wait(hours=3)
    shop.imports()
    shop.world.faults.clear()
    shop.wait(seconds=10)
    shop.imports()
    assert shop.message(message_id).content_type == "image"


def test_a_picture_listed_late_that_cannot_be_asked_for_is_not_passed_over(shop: Shop) -> None:
    opens(shop)
    shop.imports()
    shop.wait(seconds=10)
    writes(shop, "a text written after it", who=BOB)
    ticks(shop, seconds=1)  # the watermark is there
    at = shop.now - timedelta(seconds=5)
    message_id = writes(shop, "look", kind="image", at=at)
    media = shop.world.faults.add("http_status", match={"kind": "media"})
    for _ in range(3):
        for number in range(30):
            writes(shop, f"and more {number}", who=BOB)
        ticks(shop, minutes=3)
    shop.world.faults.remove(media.id)
    ticks(shop, seconds=30)
    assert shop.message(message_id).content_type == "image"


def test_what_a_person_sent_with_a_picture_is_known_at_once(shop: Shop) -> None:
    opens(shop)
    shop.imports()
    writes(shop, "Hello?")
    shop.world.faults.add("http_status", match={"kind": "media"})
    writes(shop, "our kettle", side="employee", kind="image")
    shop.wait(seconds=5)
    shop.imports()
    assert "our kettle" in [row.content for row in shop.rows(Message)]


def test_history_leaves_a_new_picture_that_cannot_be_asked_for_to_the_polls(shop: Shop) -> None:
    writes(shop, "long ago")
    shop.wait(days=1)
    opens(shop)
    message_id = writes(shop, "look", kind="image")
    shop.world.faults.add("http_status", match={"kind": "media"})
    for _ in range(2):
        assert [report.error for report in shop.imports()][1:] in ([None], [])
        shop.wait(seconds=20)
    assert shop.channels()[0].history_state == "done"
    assert [row.content for row in shop.rows(Message)] == ["long ago"]
    shop.world.faults.clear()
    shop.imports()
    assert shop.message(message_id).content_type == "image"


def test_history_does_not_wait_for_ever_for_a_picture(shop: Shop) -> None:
    message_id = writes(shop, "long ago", kind="image")
    shop.wait(days=1)
    shop.world.faults.add("http_status", match={"kind": "media"})
    opens(shop)
    errors = 0
    for _ in range(40):
        errors += sum(report.error is not None for report in shop.imports())
        shop.wait(minutes=1)
    assert errors == WITHOUT_ATTACHMENTS_AFTER
    assert shop.message(message_id).is_old
    assert shop.channels()[0].history_state == "done"


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


@pytest.mark.parametrize(("fault", "lists"), [("drop_after", 1), ("drop_before", 2)])
def test_records_spoilt_while_reading_back_are_read_again(
    shop: Shop, fault: str, lists: int
) -> None:
    opens(shop)
    writes(shop, "Hello?")
    shop.world.faults.add(fault, match={"kind": "send"}, count=1)
    assert shop.answers() == {"waiting": 1}
    shop.world.faults.add(
        "garbage_record", match={"kind": "list"}, count=2 * lists, params={"share": 1}
    )
    for _ in range(2):
        shop.wait(seconds=61)
        assert shop.replies() == {"waiting": 1}
    shop.wait(seconds=61)
    assert shop.replies() == {"answered": 1}
    assert len(shop.sent()) == 1
    ticks(shop, seconds=40)
    assert delivery(shop).status == "delivered"


def test_an_uncertain_message_that_a_poll_meets_ends_as_twilio_says(shop: Shop) -> None:
    opens(shop)
    message_id = writes(shop, "Hello?")
    params = {"code": 20500, "status": 500}
    shop.world.faults.add("error_after", match={"kind": "send"}, count=1, params=params)
    assert shop.answers() == {"waiting": 1}
    shop.world.faults.add("garbage_record", match={"kind": "list"}, params={"share": 1})
    shop.wait(minutes=16)
    assert shop.replies() == {"delivery_uncertain": 1}
    shop.world.faults.clear()
    ticks(shop, minutes=1)
    assert shop.message(message_id).outcome == Outcome.ANSWERED
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
    shop.world.faults.add(fault, match={"kind": "list"}, count=TIMES_ASKED, params=params)
    [report, *_] = shop.imports()
    assert report.unreadable == 1
    assert [row.content for row in shop.rows(Message)] == ["first"]
    ticks(shop, seconds=10)
    assert len(shop.rows(Message)) == 2


def test_a_page_with_a_damaged_record_is_asked_for_again_at_once(shop: Shop) -> None:
    opens(shop)
    shop.imports()
    writes(shop, "first")
    shop.wait(seconds=1)
    writes(shop, "second")
    shop.world.faults.add("garbage_record", match={"kind": "list"}, count=TIMES_ASKED - 1)
    [report, *_] = shop.imports()
    assert report.unreadable == 0
    assert [row.content for row in shop.rows(Message)] == ["first", "second"]


def test_a_link_abroad_is_not_followed(shop: Shop) -> None:
    for number in range(60):
        writes(shop, f"line {number}")
    opens(shop)
    shop.imports()
    for number in range(240):
        writes(shop, f"new line {number}")
    shop.world.faults.add("foreign_next", match={"kind": "list"})
    shop.wait(seconds=5)
    [report] = shop.imports()
    assert "refused" in (report.error or "")
    assert shop.world.ledger.tokens_sent_abroad() == []
    shop.world.faults.clear()
    shop.wait(minutes=1)
    shop.imports()
    assert len(shop.rows(Message)) == 300


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
