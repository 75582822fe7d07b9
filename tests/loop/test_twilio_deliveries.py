"""What became of an answer over Twilio: read back by polling, to its end."""

import pytest

from shoptalk.db.deliveries import retry
from shoptalk.db.models import Delivery, ImportRun, Turn
from shoptalk.types import Outcome
from tests.loop.shop import Shop
from tests.loop.twilio import add_account, conversation, delivery, opens, ticks, writes
from tests.sandbox.twilio_shop import NUMBER, SENDER


@pytest.fixture(autouse=True)
def account(shop: Shop) -> None:
    add_account(shop)


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


def test_a_message_that_was_deleted_at_twilio_is_put_on_record(shop: Shop) -> None:
    shop.world.get_account(NUMBER).settings.delivery_seconds = 7200
    opens(shop)
    writes(shop, "Hello!")
    shop.answers()
    gone = {"code": 20404, "status": 404}
    shop.world.faults.add("graph_error", match={"kind": "message"}, params=gone)
    shop.wait(minutes=5)
    [report] = shop.imports()
    assert report.error is None
    assert "20404" in report.set_aside[0]["reason"]
    assert report.calls == 3
    assert [run.calls for run in shop.rows(ImportRun)][-1] == 3
    assert delivery(shop).status == "sent"


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
