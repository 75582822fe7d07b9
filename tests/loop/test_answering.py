"""The whole loop over HTTP: a customer writes, an answer arrives, once."""

import threading
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import timedelta

import pytest

from shoptalk.agents.models.base import Model, ModelSession, Prompt
from shoptalk.db.channels import disconnect_channel
from shoptalk.db.conversations import switch_ai
from shoptalk.db.models import Conversation, Delivery, Message, Turn
from shoptalk.types import Outcome
from tests.loop.shop import ANN, BUFFER, INSTAGRAM, KETTLE, PAGE, Shop
from tests.patience import eventually


@pytest.mark.parametrize(("platform", "account"), [("facebook", PAGE), ("instagram", INSTAGRAM)])
def test_a_customer_is_answered_once(shop: Shop, platform: str, account: str) -> None:
    shop.opens(platform)
    shop.wait(seconds=5)
    message_id = shop.customer_writes("Hello!", account=account)
    assert shop.answers() == {"answered": 1}
    assert len(shop.sent()) == 1
    shop.wait(minutes=5)
    assert shop.answers() == {}
    assert len(shop.sent()) == 1
    assert shop.message(message_id).reply_sent
    assert shop.why(message_id) == "It was answered."


def test_a_burst_becomes_one_turn_and_gets_one_reply(shop: Shop) -> None:
    shop.opens("facebook")
    for text in ("Hello", "are you", "open today?"):
        shop.wait(seconds=4)
        shop.customer_writes(text)
        shop.imports()
        assert shop.replies() == {}
    shop.wait(seconds=BUFFER.total_seconds() + 1)
    assert shop.replies() == {"answered": 1}
    assert len(shop.sent()) == 1
    assert [turn.message_count for turn in shop.rows(Turn)] == [3]


def test_the_buffer_counts_from_the_last_message(shop: Shop) -> None:
    shop.opens("facebook")
    shop.customer_writes("Hello")
    shop.wait(seconds=20)
    shop.customer_writes("again")
    shop.imports()
    assert shop.replies() == {}
    shop.wait(seconds=29)
    assert shop.replies() == {}
    shop.wait(seconds=2)
    assert shop.replies() == {"answered": 1}


def test_an_order_is_made_when_the_customer_confirms(shop: Shop) -> None:
    shop.sells(KETTLE)
    shop.opens("facebook")
    for burst in (
        ["Hi, I want to order 2 electric kettles"],
        ["Ann Baker", "7 Mill Road, Leeds", "555-0128"],
        ["yes please"],
    ):
        shop.wait(seconds=5)
        for text in burst:
            shop.customer_writes(text)
        assert shop.answers() == {"answered": 1}
    [order] = shop.orders()
    assert (order.product_id, order.quantity) == ("k1", 2)
    assert (str(order.unit_price), str(order.total)) == ("49.9000", "99.8000")
    assert (order.currency, order.ai_generated) == ("USD", True)
    assert order.customer_name == "Ann Baker"
    assert "99.80" in shop.sent()[-1]


def test_history_is_imported_and_never_answered(shop: Shop) -> None:
    old = shop.customer_writes("Anyone there?")
    shop.wait(hours=1)
    shop.opens("facebook")
    assert shop.answers() == {}
    message = shop.message(old)
    assert message.is_old
    assert message.reply_sent
    assert shop.sent() == []
    assert shop.why(old) == Outcome.HISTORY.sentence


def test_a_message_written_after_the_cut_over_is_new_also_when_it_is_first_seen_later(
    shop: Shop,
) -> None:
    shop.customer_writes("An old question")
    shop.wait(hours=2)
    shop.opens("facebook")
    shop.wait(minutes=1)
    new = shop.customer_writes("A new question")
    shop.wait(hours=3)  # nobody imported all that time
    assert shop.answers() == {"answered": 1}
    assert not shop.message(new).is_old


def test_nothing_is_answered_where_the_ai_is_off_until_it_is_switched_on(shop: Shop) -> None:
    shop.opens("facebook", ai=False)
    message_id = shop.customer_writes("Hello?")
    assert shop.answers() == {}
    assert shop.message(message_id).outcome == Outcome.AI_OFF
    assert "switched off" in shop.why(message_id)
    with shop.app.database.transaction() as session:
        [conversation] = shop.rows(Conversation)
        assert switch_ai(session, conversation, enabled=True, now=shop.now) == 1
    assert shop.answers() == {"answered": 1}


def test_a_message_that_has_its_reply_is_not_answered_again(shop: Shop) -> None:
    shop.opens("facebook")
    message_id = shop.customer_writes("Hello?")
    shop.imports()
    with shop.app.database.transaction() as session:
        message = shop.message(message_id)
        session.add(message)
        message.reply_sent = True
    assert shop.answers() == {}
    assert "already sent" in shop.why(message_id)


def test_what_the_shop_writes_is_not_answered(shop: Shop) -> None:
    shop.opens("facebook")
    theirs = shop.customer_writes("Hello?")
    ours = shop.employee_writes("Hi, Sam here")
    assert shop.answers() == {}
    assert shop.message(theirs).outcome == Outcome.ANSWERED_BY_PERSON
    assert shop.sent() == []
    assert "a person at the shop" in shop.why(ours)


def test_a_person_who_answers_while_the_model_thinks_is_not_talked_over(shop: Shop) -> None:
    shop.opens("facebook")
    message_id = shop.customer_writes("Hello?")
    shop.imports()
    shop.replies()
    shop.wait(seconds=31)

    def a_person_answers() -> None:
        shop.employee_writes("Sam here, one moment")
        shop.imports()

    assert shop.replies(while_thinking=a_person_answers) == {"answered_by_person": 1}
    assert shop.sent() == []
    assert shop.message(message_id).outcome == Outcome.ANSWERED_BY_PERSON


def test_a_message_that_comes_while_the_model_thinks_is_answered_with_the_rest(
    shop: Shop,
) -> None:
    shop.opens("facebook")
    shop.customer_writes("Hello?")
    shop.imports()
    shop.replies()
    shop.wait(seconds=31)

    def the_customer_goes_on() -> None:
        shop.customer_writes("and one more thing")
        shop.imports()
        shop.replies()  # another process makes its pass

    shop.replies(while_thinking=the_customer_goes_on)
    assert shop.sent() == []
    shop.wait(seconds=31)
    assert shop.replies() == {"answered": 1}
    assert len(shop.sent()) == 1
    assert [turn.message_count for turn in shop.rows(Turn)] == [2]


def test_what_becomes_due_while_the_model_thinks_about_another_does_not_wait_for_it(
    shop: Shop,
) -> None:
    bob = "7300000000000002"
    shop.opens("facebook")
    shop.customer_writes("Hello?")
    shop.wait(seconds=5)
    shop.customer_writes("Hello too?", who=bob)
    shop.imports()
    shop.replies()
    shop.wait(seconds=26)

    def bobs_buffer_ends() -> None:
        shop.wait(seconds=5)
        eventually(lambda: [sent.recipient_id for sent in shop.world.sent] == [bob])

    assert shop.replies(while_thinking=bobs_buffer_ends) == {"answered": 2}
    assert [sent.recipient_id for sent in shop.world.sent] == [bob, ANN]


def test_six_slow_conversations_leave_the_free_places_to_others(shop: Shop) -> None:
    bob = "7300000000000099"
    slow = [f"730000000000000{number}" for number in range(6)]
    shop.opens("facebook")
    for who in slow:
        shop.customer_writes("Hello?", who=who)
    shop.wait(seconds=5)
    shop.customer_writes("Hello from Bob", who=bob)
    shop.imports()
    shop.replies()
    shop.wait(seconds=26)
    is_bob_answered = threading.Event()

    class Slow:
        """A model that thinks about everybody else until Bob is answered."""

        def __init__(self, model: Model) -> None:
            self._model = model

        def begin(self, prompt: Prompt) -> ModelSession:
            if prompt.lines[-1].text != "Hello from Bob":
                shop.world.clock.advance(timedelta(seconds=1))  # Bob's buffer ends meanwhile
                assert is_bob_answered.wait(timeout=60)
            return self._model.begin(prompt)

    responder = shop.app.responder()
    responder._answerer = replace(responder._answerer, model=Slow(responder._answerer.model))
    with ThreadPoolExecutor(1) as pool:
        ended = pool.submit(responder.answer_all_due)
        eventually(lambda: bob in [sent.recipient_id for sent in shop.world.sent])
        is_bob_answered.set()
        assert ended.result() == {"answered": 7}


def test_nobody_is_answered_after_the_reply_window(shop: Shop) -> None:
    shop.opens("facebook")
    message_id = shop.customer_writes("Hello?")
    shop.wait(hours=24)
    assert shop.answers() == {}
    assert shop.sent() == []
    assert shop.message(message_id).outcome == Outcome.WINDOW_CLOSED
    assert "reply window" in shop.why(message_id)


def test_a_long_reply_goes_out_in_parts_and_in_order(shop: Shop) -> None:
    shop.opens("instagram")
    lines = [f"Line {line} of a long answer. مرحبا" for line in range(60)]
    shop.model_says({"text": "\n".join(lines)})
    shop.customer_writes("Tell me everything", account=INSTAGRAM)
    assert shop.answers() == {"answered": 1}
    sent = shop.sent()
    assert len(sent) == 3  # 2,329 bytes, where 1,000 go into one
    assert max(len(part.encode()) for part in sent) <= 1000
    assert [line for part in sent for line in part.splitlines()] == lines
    assert [(each.status, each.content) for each in shop.rows(Delivery)] == [
        ("sent", part) for part in sent
    ]


def test_a_lost_answer_to_a_send_is_read_back_and_not_sent_again(shop: Shop) -> None:
    shop.opens("facebook")
    shop.customer_writes("Hello?")
    shop.world.faults.add("drop_after", match={"kind": "send"}, count=1)
    assert shop.answers() == {"waiting": 1}
    shop.wait(minutes=2)
    assert shop.replies() == {"answered": 1}
    assert len(shop.sent()) == 1
    [delivery] = shop.rows(Delivery)
    assert (delivery.status, delivery.attempts) == ("sent", 1)


def test_a_send_that_never_arrived_is_sent_again_after_reading_back(shop: Shop) -> None:
    shop.opens("facebook")
    shop.customer_writes("Hello?")
    shop.world.faults.add("drop_before", match={"kind": "send"}, count=1)
    assert shop.answers() == {"waiting": 1}
    shop.wait(minutes=2)
    assert shop.replies() == {"answered": 1}
    assert len(shop.sent()) == 1


def test_our_own_reply_seen_by_polling_is_the_agents_and_not_a_persons(shop: Shop) -> None:
    shop.opens("facebook")
    shop.customer_writes("Hello?")
    shop.answers()
    shop.wait(seconds=5)
    shop.imports()
    assert [(message.sender_type, message.content) for message in shop.rows(Message)] == [
        ("customer", "Hello?"),
        ("agent", shop.sent()[0]),
    ]
    shop.wait(seconds=5)
    shop.customer_writes("Thanks")
    assert shop.answers() == {"answered": 1}


def test_a_second_import_imports_nothing_new_with_one_list_call_a_channel(shop: Shop) -> None:
    for number in range(30):
        shop.customer_writes(f"Question {number}", who=f"73000000000{number:05d}")
    shop.wait(hours=1)
    shop.opens("facebook", "instagram")
    assert [report.error for report in shop.imports()] == [None] * 4
    shop.world.ledger.clear()
    reports = shop.imports()
    assert [report.error for report in reports] == [None, None]
    assert [report.stored.new for report in reports] == [0, 0]
    assert shop.list_calls() == 2
    assert len(shop.world.ledger) == 2


def test_two_responders_at_once_answer_once(shop: Shop) -> None:
    shop.opens("facebook")
    customers = [f"73000000000{number:05d}" for number in range(12)]
    for customer in customers:
        shop.customer_writes("Hello", who=customer)
    shop.imports()
    shop.replies()
    shop.wait(seconds=31)
    responders = [shop.app.responder() for _ in range(3)]
    with ThreadPoolExecutor(3) as pool:
        ended = list(pool.map(lambda responder: responder.answer_all_due(), responders))
    assert sum(ended, Counter()) == {"answered": 12}
    assert sorted(sent.recipient_id for sent in shop.world.sent) == customers


def test_a_dead_token_stops_its_channel_alone_and_says_what_to_do(shop: Shop) -> None:
    shop.opens("facebook", "instagram")
    shop.control.kill_token(PAGE, subcode=463)
    shop.customer_writes("Hello", account=INSTAGRAM)
    page, instagram = shop.imports()[:2]
    assert page.error is not None
    assert "expired" in page.error
    assert page.remedy
    assert instagram.error is None
    stopped = shop.channels()[0]
    assert stopped.stopped_at == shop.now


def test_what_waited_when_a_channel_is_connected_anew_is_history(shop: Shop) -> None:
    shop.opens("facebook")
    gathered = shop.customer_writes("Hello?")
    shop.imports()
    shop.replies()
    waiting = shop.customer_writes("Still there?", who="7300000000000002")
    shop.imports()
    with shop.app.database.transaction() as session:
        disconnect_channel(session, shop.channels()[0].id)
    shop.wait(minutes=30)
    shop.opens("facebook")
    assert shop.answers() == {}
    assert shop.sent() == []
    for message_id in (gathered, waiting):
        assert shop.message(message_id).is_old
        assert shop.message(message_id).outcome == Outcome.HISTORY
