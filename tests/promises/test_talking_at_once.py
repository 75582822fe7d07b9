"""A person and the AI write at the same moment: the AI says no more, and nothing is doubled."""

from collections.abc import Callable

import pytest

from shoptalk import failpoints
from shoptalk.db.models import Conversation, Delivery, Message, Product, Turn
from shoptalk.platforms.base import Recipient
from shoptalk.platforms.meta.messenger import Messenger
from shoptalk.responder import answer
from shoptalk.types import Outcome
from tests.loop.shop import KETTLE, Shop
from tests.promises.counting import a_tick, another_process
from tests.promises.test_deliveries import LONG, PARTS, asked, outcomes, statuses

SAM = "Sam here, I take this"


@pytest.fixture
def shop(shop: Shop) -> Shop:
    shop.opens("facebook")
    return shop


def around_send(
    monkeypatch: pytest.MonkeyPatch, *, part: int, when: str, happens: Callable[[], object]
) -> None:
    """Something happens between the last look and a send, or between a send and its record."""
    send, sends = Messenger.send, iter(range(1, 100))

    def interrupted(self: Messenger, recipient: Recipient, text: str) -> str:
        is_now = next(sends) == part
        if is_now and when == "before":
            happens()
        message_id = send(self, recipient, text)
        if is_now and when == "after":
            happens()
        return message_id

    monkeypatch.setattr(Messenger, "send", interrupted)


def assert_each_is_stored_once(shop: Shop, *, by_person: int = 1) -> None:
    """What the platform shows of our side is stored, each once, as who wrote it."""
    shop.imports()
    shop.imports()
    stored = [row for row in shop.rows(Message) if row.sender_type != "customer"]
    assert sorted(row.message_id for row in stored) == sorted(
        message.id
        for account in shop.world.accounts.values()
        for thread in account.threads.by_customer.values()
        for message in thread.messages
        if message.side != "customer"
    )
    spoken = [row.sender_type for row in stored]
    assert (spoken.count("employee"), spoken.count("agent")) == (by_person, len(shop.sent()))


def assert_the_ai_is_silent_now(shop: Shop) -> None:
    """Whatever the customer writes next is the person's."""
    said = len(shop.sent())
    shop.wait(seconds=5)
    message_id = asked(shop, "Thank you. And tea?")
    assert shop.replies() == {}
    assert shop.message(message_id).outcome == Outcome.TAKEN_OVER
    assert len(shop.sent()) == said


@pytest.mark.parametrize("when", ["before", "after"])
@pytest.mark.parametrize("is_known", [True, False])
def test_a_person_who_writes_while_the_one_answer_leaves(
    shop: Shop, monkeypatch: pytest.MonkeyPatch, when: str, is_known: bool
) -> None:
    message_id = asked(shop)

    def a_person_writes() -> None:
        shop.employee_writes(SAM)
        if is_known:
            shop.imports()  # another process meets it at once

    around_send(monkeypatch, part=1, when=when, happens=a_person_writes)
    assert shop.replies() == {"answered": 1}
    assert len(shop.sent()) == 1
    assert shop.message(message_id).outcome == Outcome.ANSWERED
    assert_each_is_stored_once(shop)
    assert_the_ai_is_silent_now(shop)


@pytest.mark.parametrize("when", ["before", "after"])
@pytest.mark.parametrize("part", range(1, PARTS + 1))
def test_a_person_who_writes_between_two_parts_is_heard_before_the_next(
    shop: Shop, monkeypatch: pytest.MonkeyPatch, part: int, when: str
) -> None:
    shop.model_says({"text": LONG})
    message_id = asked(shop)

    def a_person_writes() -> None:
        shop.employee_writes(SAM)
        shop.imports()

    around_send(monkeypatch, part=part, when=when, happens=a_person_writes)
    ended = Outcome.ANSWERED if part == PARTS else Outcome.ANSWERED_BY_PERSON
    assert shop.replies() == {ended: 1}
    assert len(shop.sent()) == part
    assert statuses(shop) == ["sent"] * part + ["failed"] * (PARTS - part)
    assert outcomes(shop) == [ended]
    assert shop.message(message_id).outcome == ended
    assert_each_is_stored_once(shop)
    assert_the_ai_is_silent_now(shop)
    shop.wait(minutes=30)
    a_tick(shop.app)
    assert len(shop.sent()) == part


@pytest.mark.parametrize("part", range(1, PARTS + 1))
def test_a_person_whom_nobody_has_seen_yet_is_heard_after_the_reply(
    shop: Shop, monkeypatch: pytest.MonkeyPatch, part: int
) -> None:
    shop.model_says({"text": LONG})
    asked(shop)
    around_send(monkeypatch, part=part, when="before", happens=lambda: shop.employee_writes(SAM))
    assert shop.replies() == {"answered": 1}
    assert len(shop.sent()) == PARTS
    assert_each_is_stored_once(shop)
    assert_the_ai_is_silent_now(shop)


@pytest.mark.parametrize("when", ["before", "after"])
def test_the_switch_thrown_between_two_parts(
    shop: Shop, monkeypatch: pytest.MonkeyPatch, when: str
) -> None:
    shop.model_says({"text": LONG})
    asked(shop)

    def it_is_switched_off() -> None:
        with shop.app.database.transaction() as session:
            session.get_one(Conversation, 1).ai_enabled = False

    around_send(monkeypatch, part=2, when=when, happens=it_is_switched_off)
    assert shop.replies() == {"ai_off": 1}
    assert len(shop.sent()) == 2
    assert statuses(shop) == ["sent", "sent", "failed"]


@pytest.mark.parametrize("when", ["before", "after"])
def test_a_person_and_a_process_that_dies_between_two_parts(
    shop: Shop, monkeypatch: pytest.MonkeyPatch, when: str
) -> None:
    """The next one finds a part that may have left, and a person who has written since."""
    shop.model_says({"text": LONG})
    message_id = asked(shop)

    def a_person_writes_and_it_dies() -> None:
        shop.employee_writes(SAM)
        raise SystemError("as if it had been killed")

    around_send(monkeypatch, part=2, when=when, happens=a_person_writes_and_it_dies)
    assert shop.replies() == {"waiting": 1}
    monkeypatch.undo()
    shop.wait(minutes=10)
    other = another_process(shop)
    try:
        a_tick(other)
    finally:
        other.close()
    arrived = 1 if when == "before" else 2
    assert len(shop.sent()) == arrived
    assert statuses(shop) == ["sent"] * arrived + ["failed"] * (PARTS - arrived)
    assert outcomes(shop) == [Outcome.ANSWERED_BY_PERSON]
    assert shop.message(message_id).outcome == Outcome.ANSWERED_BY_PERSON
    assert_each_is_stored_once(shop)


@pytest.mark.parametrize("when", ["before", "after"])
def test_a_person_who_writes_the_very_words_while_they_leave_has_spoken(
    shop: Shop, monkeypatch: pytest.MonkeyPatch, when: str
) -> None:
    said = "Yes, until six."
    shop.model_says({"text": said})
    asked(shop)

    def a_person_writes() -> None:
        shop.employee_writes(said)
        shop.imports()

    around_send(monkeypatch, part=1, when=when, happens=a_person_writes)
    assert shop.replies() == {"answered": 1}
    assert len(shop.sent()) == 1
    assert_each_is_stored_once(shop)
    [delivery], [turn] = shop.rows(Delivery), shop.rows(Turn)
    assert (delivery.status, turn.outcome) == ("sent", Outcome.ANSWERED)
    assert_the_ai_is_silent_now(shop)


ORDERS = {
    "tool_calls": [{"name": "create_order", "arguments": {"product": "k1", "quantity": 2}}],
}


@pytest.mark.parametrize("what", ["person", "switch", "cancelled"])
def test_nothing_is_ordered_behind_the_back_of_who_spoke_while_the_model_thought(
    shop: Shop, what: str
) -> None:
    shop.sells(KETTLE)
    shop.model_says(ORDERS, {"text": "Thank you, it is on its way."}, {"text": "As you wish."})
    message_id = asked(shop, "yes please, order two kettles")

    def meanwhile() -> None:
        if what == "person":
            shop.wait(seconds=1)
            shop.employee_writes("Sam here: wait, that one is broken")
            shop.imports()
        elif what == "switch":
            with shop.app.database.transaction() as session:
                session.get_one(Conversation, 1).ai_enabled = False
        else:
            shop.customer_writes("no wait, cancel it")
            shop.imports()
            another = another_process(shop)
            another.responder().answer_all_due()
            another.close()

    shop.replies(while_thinking=meanwhile)
    assert shop.orders() == []
    assert [product.stock for product in shop.rows(Product)] == [KETTLE.stock]
    assert shop.sent() == []
    if what != "cancelled":
        ended = Outcome.ANSWERED_BY_PERSON if what == "person" else Outcome.AI_OFF
        assert shop.message(message_id).outcome == ended


def test_an_order_made_before_a_person_spoke_stands(
    shop: Shop, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The person sees it in `orders list`; the AI does not speak of it."""
    shop.sells(KETTLE)
    shop.model_says(ORDERS, {"text": "Thank you, it is on its way."})
    message_id = asked(shop, "yes please, order two kettles")
    failpoint = failpoints.failpoint

    def a_person_writes(name: str) -> None:
        if name == "order.committed":
            shop.wait(seconds=1)
            shop.employee_writes(SAM)
            shop.imports()
        failpoint(name)

    monkeypatch.setattr(answer, "failpoint", a_person_writes)
    assert shop.replies() == {"answered_by_person": 1}
    assert [order.quantity for order in shop.orders()] == [2]
    assert shop.sent() == []
    assert shop.message(message_id).outcome == Outcome.ANSWERED_BY_PERSON
