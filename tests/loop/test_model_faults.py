"""What the faults of a model cost: its account's faults nobody's turn, one question's its own."""

from datetime import timedelta
from typing import Any

import pytest

from shoptalk.db.circuits import troubled
from shoptalk.db.models import Circuit, Delivery, Turn
from shoptalk.errors import RetryLater
from shoptalk.platforms.base import Recipient
from shoptalk.platforms.meta.messenger import Messenger
from shoptalk.types import Outcome
from tests.loop.shop import Shop

BEN = "7300000000000002"


def model_fails(shop: Shop, status: int, body: str, **more: Any) -> None:
    params = {"status": status, "body": body}
    shop.world.faults.add("http_status", match={"kind": "model"}, params=params, **more)


def circuits_of(shop: Shop) -> list[Circuit]:
    with shop.app.database.transaction() as session:
        return list(troubled(session))


def passes(shop: Shop, span: timedelta, *, step: float = 5) -> None:
    for _ in range(int(span.total_seconds() / step)):
        shop.wait(seconds=step)
        shop.replies()


@pytest.mark.parametrize(
    ("status", "body", "says"),
    [
        (400, '{"error": {"message": "gemma3 does not support tools"}}', "not support tools"),
        (401, '{"error": {"message": "bad key"}}', "bad key"),
        (402, '{"error": {"message": "Insufficient Balance"}}', "Insufficient Balance"),
        (403, '{"error": {"message": "Country not supported"}}', "Country not supported"),
        (404, '{"detail": "Not Found"}', "Not Found"),
        (405, "Method Not Allowed", "Method Not Allowed"),
        (422, '{"detail": [{"msg": "extra fields"}]}', "extra fields"),
        (200, '{"error": {"code": 402, "message": "Insufficient credits"}}', "credits"),
        (200, "<html><h1>Welcome to nginx</h1></html>", "Welcome to nginx"),
        (500, "oops", "HTTP 500"),
    ],
)
def test_what_everybody_is_refused_costs_no_turn_and_is_told(
    shop: Shop, status: int, body: str, says: str
) -> None:
    shop.opens("facebook")
    model_fails(shop, status, body)
    shop.customer_writes("Hello?")
    shop.customer_writes("Good morning", who=BEN)
    shop.answers()
    passes(shop, timedelta(minutes=12), step=120)
    assert [(turn.outcome, turn.attempts) for turn in shop.rows(Turn)] == [(None, 0), (None, 0)]
    [circuit] = circuits_of(shop)
    assert says in (circuit.last_error or "")
    assert all(says in turn.error for turn in shop.rows(Turn))
    shop.world.faults.clear()
    passes(shop, timedelta(minutes=6), step=360)
    assert [turn.outcome for turn in shop.rows(Turn)] == [Outcome.ANSWERED] * 2
    assert circuits_of(shop) == []


@pytest.mark.parametrize("status", [400, 401, 403, 422])
def test_a_refusal_that_quotes_the_customer_is_not_told_further(
    shop: Shop, caplog: pytest.LogCaptureFixture, status: int
) -> None:
    caplog.set_level("DEBUG", logger="shoptalk")
    shop.opens("facebook")
    shop.customer_writes("my card is 4111 1111")
    shop.imports()
    shop.wait(seconds=31)
    for _ in range(3):
        body = '{"error": {"message": "not allowed: my card is 4111 1111"}}'
        model_fails(shop, status, body, count=1)  # the fixed question is answered
        shop.replies()
        shop.wait(minutes=2)
    [turn] = shop.rows(Turn)
    assert (turn.outcome, circuits_of(shop)) == (Outcome.MODEL_FAILED, [])
    assert f"HTTP {status}" in turn.error
    told = [turn.error, *(f"{record.getMessage()} {vars(record)}" for record in caplog.records)]
    assert not [each for each in told if "4111" in each]


def test_after_paying_a_pass_by_hand_answers_everybody_at_once(shop: Shop) -> None:
    shop.opens("facebook")
    model_fails(shop, 402, '{"error": {"message": "Insufficient Balance"}}')
    shop.customer_writes("Hello?")
    shop.customer_writes("Good morning", who=BEN)
    shop.answers()
    shop.world.faults.clear()
    shop.app.responder().try_models_again()
    assert shop.replies() == {"answered": 2}


@pytest.mark.parametrize(("status", "body"), [(200, "{}"), (500, "oops"), (400, "odd")])
def test_a_question_that_fails_alone_is_left_to_a_person_after_three_tries(
    shop: Shop, status: int, body: str
) -> None:
    shop.opens("facebook")
    message_id = shop.customer_writes("Hello?")
    shop.imports()
    shop.wait(seconds=31)
    for _ in range(3):
        shop.world.faults.add(
            "http_status",
            match={"kind": "model"},
            count=1,
            params={"status": status, "body": body},
        )
        shop.replies()  # the fixed question, where one is asked, is answered
        assert circuits_of(shop) == []
        shop.wait(minutes=1)
    assert shop.message(message_id).outcome == Outcome.MODEL_FAILED
    shop.customer_writes("Good morning", who=BEN)
    assert shop.answers() == {"answered": 1}


def test_a_lost_answer_to_a_send_that_arrived_costs_five_seconds(shop: Shop) -> None:
    shop.opens("facebook")
    shop.customer_writes("Hello?")
    shop.world.faults.add("drop_after", match={"kind": "send"}, count=1)
    assert shop.answers() == {"waiting": 1}
    shop.wait(seconds=5)
    assert shop.replies() == {"answered": 1}
    assert len(shop.sent()) == 1


def test_a_send_that_never_arrived_is_sent_again_after_a_minute_and_not_sooner(shop: Shop) -> None:
    shop.opens("facebook")
    shop.customer_writes("Hello?")
    shop.world.faults.add("drop_before", match={"kind": "send"}, count=1)
    assert shop.answers() == {"waiting": 1}
    for _ in range(59):
        shop.wait(seconds=1)
        shop.replies()
    assert shop.sent() == []
    shop.wait(seconds=1)
    assert shop.replies() == {"answered": 1}
    assert len(shop.sent()) == 1


def test_what_the_platform_has_certainly_not_done_is_tried_again_within_seconds(
    shop: Shop, monkeypatch: pytest.MonkeyPatch
) -> None:
    shop.opens("facebook")
    shop.customer_writes("Hello?")
    send, refused = Messenger.send, iter(range(2))

    def refused_twice(self: Messenger, to: Recipient, text: str) -> str:
        if next(refused, None) is not None:
            raise RetryLater("the connection was refused", platform="facebook")
        return send(self, to, text)

    monkeypatch.setattr(Messenger, "send", refused_twice)
    shop.answers()
    passes(shop, timedelta(seconds=9), step=1)
    assert len(shop.sent()) == 1


def test_a_reply_that_a_poll_meets_holds_up_nobody(shop: Shop) -> None:
    shop.opens("facebook")
    shop.customer_writes("Hello?")
    shop.world.faults.add("drop_after", match={"kind": "send"}, count=1)
    assert shop.answers() == {"waiting": 1}
    shop.wait(seconds=2)
    shop.imports()
    assert shop.replies() == {"answered": 1}
    [delivery] = shop.rows(Delivery)
    assert (delivery.status, delivery.attempts) == ("sent", 1)


def test_the_fixed_question_counts_as_no_conversation_that_was_shown(shop: Shop) -> None:
    shop.opens("facebook")
    shop.customer_writes("Good morning")
    model_fails(shop, 500, "oops", count=1)
    shop.answers()
    shop.wait(minutes=1)
    assert shop.replies() == {"answered": 1}
    assert len(shop.control.shown()) == 1  # of the request that failed nothing was shown
    assert shop.wrong_contexts() == []
