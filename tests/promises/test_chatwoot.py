"""The promises over Chatwoot, which pages by number, tells whole seconds and asks us back.

Killed at any point, and in a storm of faults with people at the dashboard, each message is stored
and answered once, and nobody's conversation is talked into.
"""

from random import Random

import pytest

from shoptalk.db.models import Conversation, Delivery, Message, Turn
from shoptalk.failpoints import POINTS
from shoptalk.sandbox.chatwoot.desk import COLLEAGUE
from shoptalk.types import SenderType
from tests.loop.shop import ANN, Shop
from tests.loop.test_chatwoot import ACCOUNT, Desk
from tests.promises.counting import MOST_ROUNDS, PARROT, PAUSE, counted, is_open
from tests.promises.test_crash_points import KILLED, Victims
from tests.promises.test_crash_points import victims as victims
from tests.torture.truth import Written

pytestmark = pytest.mark.thorough

#: Kind of call, fault, its parameters, and how often it strikes
STORM = [
    ("list", "http_status", {"status": 429, "body": "Retry later\n", "retry_after": 5}, 0.1),
    ("list", "http_status", {"status": 503}, 0.1),
    ("list", "drop_after", {}, 0.1),
    ("list", "html", {}, 0.05),
    ("list", "null_record", {"share": 0.2}, 0.1),
    ("list", "garbage_record", {"share": 0.2}, 0.1),
    ("list", "empty_page", {}, 0.1),
    ("list", "short_page", {"rows": 2}, 0.1),
    ("list", "missing_field", {"field": "last_activity_at"}, 0.1),
    ("thread", "http_status", {"status": 500}, 0.15),
    ("thread", "truncate", {"keep": 0.5}, 0.1),
    ("thread", "garbage_record", {"share": 0.2}, 0.1),
    ("state", "http_status", {"status": 502}, 0.1),
    ("state", "drop_after", {}, 0.1),
    ("typing", "http_status", {"status": 500}, 0.3),
    ("send", "drop_before", {}, 0.15),
    ("send", "drop_after", {}, 0.15),
    ("send", "http_status", {"status": 422, "body": '{"error": "gone"}', "after_work": True}, 0.1),
    ("send", "http_status", {"status": 429, "body": "Retry later\n"}, 0.1),
]


@pytest.fixture
def desk(shop: Shop) -> Desk:
    """A shop with history; the parrot answers with the marks that it hears."""
    desk = Desk(shop)
    shop.world.add_message(ACCOUNT, "71", "an old question")
    shop.wait(hours=1)
    shop.model_says(PARROT)
    desk.opens()
    shop.wait(seconds=5)
    return desk


def comes_to_rest(desk: Desk) -> None:
    """Import and reply, and let time pass, until nothing is left to do."""
    for _ in range(MOST_ROUNDS):
        desk.shop.imports()
        desk.shop.replies()
        stored = {row.message_id: row for row in desk.shop.rows(Message)}
        settled = all(
            row.outcome is not None
            for row in stored.values()
            if row.sender_type == SenderType.CUSTOMER
        )
        if settled and shown(desk) <= stored.keys():
            break
        desk.shop.wait(seconds=PAUSE.total_seconds())
    assert not [turn for turn in desk.shop.rows(Turn) if is_open(turn)]


def shown(desk: Desk) -> set[str]:
    """The ids of all that the server has."""
    return {
        desk.our_id(message)
        for thread in desk.account.threads.by_customer.values()
        for message in thread.messages
    }


def assert_all_is_well(desk: Desk, written: Written) -> None:
    verdict = counted(desk.shop, written)
    assert verdict.is_clean, verdict.lines()
    assert {row.message_id for row in desk.shop.rows(Message)} == shown(desk)
    assert all(row.history_complete for row in desk.shop.rows(Conversation))
    assert {delivery.status for delivery in desk.shop.rows(Delivery)} == {"sent"}


@pytest.mark.parametrize("point", sorted(POINTS - {"order.in_transaction", "order.committed"}))
def test_killed_there_it_goes_on_as_if_nothing_had_happened(
    desk: Desk, victims: Victims, point: str
) -> None:
    written = Written()
    for mark in (1, 2):
        desk.writes(f"hello #{mark}")
        desk.writes(f"for colleagues #{mark}", "note")
        written.note(ANN, mark)
    desk.shop.wait(seconds=40)
    assert victims.live(desk.shop, crash_at=point) == KILLED
    comes_to_rest(desk)
    assert_all_is_well(desk, written)
    assert len(desk.shop.sent()) == 1
    by_us = [row for row in desk.shop.rows(Message) if row.sender_type == SenderType.AGENT]
    assert [row.content for row in by_us] == desk.shop.sent()


@pytest.mark.parametrize("seed", range(4))
def test_in_a_storm_of_faults_each_message_is_answered_once(desk: Desk, seed: int) -> None:
    dice = Random(seed)
    world = desk.shop.world
    world.faults.seed(seed)
    for kind, fault, params, probability in STORM:
        match = {"kind": kind, "account": ACCOUNT}
        world.faults.add(fault, match=match, params=params, probability=probability)
    written, mark = Written(), 0
    for _ in range(40):
        for _ in range(dice.randrange(3)):
            mark += 1
            who = f"49151{dice.randrange(6):08d}"
            desk.writes(f"hello #{mark}", who=who)
            written.note(who, mark)
            if dice.random() < 0.2:
                desk.writes("for colleagues", "note", who=who)
        desk.shop.wait(seconds=dice.choice([5, 10, 20, 40]))
        desk.shop.imports()
        desk.shop.replies()
    world.faults.clear()
    desk.shop.wait(minutes=20)
    comes_to_rest(desk)
    assert_all_is_well(desk, written)
    assert not [row for row in desk.shop.rows(Message) if row.sender_type == SenderType.EMPLOYEE]
    assert mark > 20


@pytest.mark.parametrize("seed", range(4))
def test_what_a_person_holds_is_never_written_into(desk: Desk, seed: int) -> None:
    dice = Random(seed)
    account = desk.shop.world.get_account(ACCOUNT)
    account.settings.consistency_delay_seconds = 3
    held_at: dict[str, int] = {}  # by customer: how much we had said when a person took it
    for number in range(60):
        who = f"49151{dice.randrange(4):08d}"
        if dice.random() < 0.7 or who not in account.threads.by_customer:
            desk.writes(f"hello #{number + 1}", who=who)
        elif who in held_at:
            assert said_to(desk, who) == held_at.pop(who)
            desk.changes(who=who, assignee_id=None)
        else:
            desk.changes(who=who, assignee_id=COLLEAGUE)
            held_at[who] = said_to(desk, who)
        desk.shop.wait(seconds=dice.choice([1, 10, 31]))
        if dice.random() < 0.7:
            desk.shop.imports()
        desk.shop.replies()
    for who, said in held_at.items():
        assert said_to(desk, who) == said
    assert desk.shop.sent()
    kinds = {row.sender_type for row in desk.shop.rows(Message)}
    assert kinds & {SenderType.NOTE, SenderType.ACTIVITY} == {SenderType.ACTIVITY}


def said_to(desk: Desk, who: str) -> int:
    return sum(sent.recipient_id == who for sent in desk.shop.world.sent if sent.message_id)
