"""The promises over Twilio, whose list is of bare messages and whose word on a send comes late.

Killed at any point, and in a storm of faults, each message is stored and answered once.
"""

from random import Random

import pytest

from shoptalk.db.models import Conversation, Delivery, Message
from shoptalk.failpoints import POINTS
from shoptalk.services.connecting import connect_channel
from shoptalk.types import SenderType
from tests.loop.shop import Shop
from tests.promises.counting import PARROT, come_to_rest, counted
from tests.promises.test_crash_points import KILLED, Victims
from tests.promises.test_crash_points import victims as victims
from tests.sandbox.twilio_shop import ACCOUNT_SID, ANN, NUMBER, TOKEN
from tests.torture.truth import Written

pytestmark = pytest.mark.thorough

#: Kind of call, fault, its parameters, and how often it strikes
STORM = [
    ("list", "http_status", {"status": 503}, 0.1),
    ("list", "graph_error", {"code": 20429, "status": 429}, 0.1),
    ("list", "drop_after", {}, 0.1),
    ("list", "short_page", {"rows": 2}, 0.2),
    ("list", "empty_page", {}, 0.1),
    ("list", "repeat_page", {}, 0.2),
    ("list", "shift_page", {"by": 2}, 0.2),
    ("list", "garbage_record", {"share": 0.2}, 0.1),
    ("send", "drop_before", {}, 0.15),
    ("send", "drop_after", {}, 0.15),
    ("send", "error_after", {"code": 20500, "status": 500}, 0.1),
    ("send", "graph_error", {"code": 20429, "status": 429}, 0.1),
    ("message", "http_status", {"status": 500}, 0.3),
    ("media", "http_status", {"status": 500}, 0.3),
]


def opens(shop: Shop) -> None:
    shop.world.add_account("twilio", NUMBER, "Corner Shop", TOKEN, account_sid=ACCOUNT_SID)
    shop.world.add_message(NUMBER, "+4915199999999", "an old question")
    shop.wait(hours=1)
    shop.model_says(PARROT)
    config = {"access_token": TOKEN, "number": NUMBER}
    connect_channel(shop.app, "twilio", ACCOUNT_SID, config, name=None, ai_default=True)
    shop.wait(seconds=5)


def assert_all_is_well(shop: Shop, written: Written) -> None:
    verdict = counted(shop, written)
    assert verdict.is_clean, verdict.lines()
    stored = [row.message_id for row in shop.rows(Message)]
    theirs = [
        message
        for thread in shop.world.get_account(NUMBER).threads.by_customer.values()
        for message in thread.messages
    ]
    assert sorted(stored) == sorted(message.id for message in theirs)
    assert not [row for row in shop.rows(Message) if row.sender_type == SenderType.EMPLOYEE]
    assert all(conversation.history_complete for conversation in shop.rows(Conversation))
    for _ in range(4):
        shop.wait(minutes=20)
        shop.imports()
    assert {delivery.status for delivery in shop.rows(Delivery)} == {"delivered"}


@pytest.mark.parametrize("point", sorted(POINTS - {"order.in_transaction", "order.committed"}))
def test_killed_there_it_goes_on_as_if_nothing_had_happened(
    shop: Shop, victims: Victims, point: str
) -> None:
    opens(shop)
    written = Written()
    for mark in (1, 2):
        shop.world.add_message(NUMBER, ANN, f"hello #{mark}", kind="image" if mark == 1 else "text")
        written.note(ANN, mark)
        shop.wait(seconds=5)
    shop.wait(seconds=40)
    assert victims.live(shop, crash_at=point) == KILLED
    come_to_rest(shop)
    assert_all_is_well(shop, written)
    assert len(shop.sent()) == 1


@pytest.mark.parametrize("seed", range(4))
def test_in_a_storm_of_faults_each_message_is_answered_once(shop: Shop, seed: int) -> None:
    opens(shop)
    dice = Random(seed)
    shop.world.faults.seed(seed)
    for kind, fault, params, probability in STORM:
        match = {"kind": kind, "account": NUMBER}
        shop.world.faults.add(fault, match=match, params=params, probability=probability)
    written, mark = Written(), 0
    for _ in range(40):
        for _ in range(dice.randrange(3)):
            mark += 1
            who = f"+49151{dice.randrange(6):08d}"
            kind = dice.choice(["text", "text", "image"])
            shop.world.add_message(NUMBER, who, f"hello #{mark}", kind=kind)
            written.note(who, mark)
        shop.wait(seconds=dice.choice([5, 10, 20, 40]))
        shop.imports()
        shop.replies()
    shop.world.faults.clear()
    shop.wait(minutes=20)
    come_to_rest(shop)
    assert_all_is_well(shop, written)
    assert mark > 20
