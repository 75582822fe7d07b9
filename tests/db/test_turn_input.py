"""What is known of a turn before it is answered: what speaks against it, and what was said."""

from datetime import timedelta
from decimal import Decimal

import pytest

from shoptalk.db.engine import Database
from shoptalk.db.liveness import Liveness
from shoptalk.db.models import Agent, ChannelIntegration, Conversation, Order, Turn
from shoptalk.db.turn_input import (
    Dialogue,
    EligibilitySnapshot,
    read_dialogues,
    read_eligibility,
    read_turn_inputs,
)
from shoptalk.types import InboundMessage, Outcome, SenderType

from .queue import SELECTION, change, claim, close, close_unanswerable, open_turns
from .rows import after, conversation, customer_writes, message, rows, shop_writes, store, thread

HOUR = 3600
PAUSE = SELECTION.takeover_pause.total_seconds()


def eligibility(database: Database, turn: Turn, seconds: float) -> EligibilitySnapshot:
    with database.transaction() as session:
        return read_eligibility(session, [turn], SELECTION, now=after(seconds))[turn.id]


def dialogue(database: Database, turn: Turn, *, most_earlier: int = 10) -> Dialogue:
    with database.transaction() as session:
        return read_dialogues(session, [turn], most_earlier=most_earlier)[turn.id]


def turn_of(database: Database, claimant: Liveness, seconds: float, thread_id: str = "t1") -> Turn:
    """What waits in a thread, gathered and claimed when it is due."""
    open_turns(database, seconds)
    taken = claim(database, claimant, seconds + 400)
    [turn] = [
        each for each in taken if each.conversation_id == conversation(database, thread_id).id
    ]
    return turn


def test_of_the_last_hour_count_the_conversations_own_answered_turns(
    database: Database, channel: ChannelIntegration, ann: Liveness
) -> None:
    for thread_id, outcome in (
        ("t1", Outcome.ANSWERED),
        ("t1", Outcome.MODEL_FAILED),
        ("t2", Outcome.ANSWERED),
    ):
        name = f"{thread_id} {outcome}"
        store(database, channel, thread(customer_writes(name, 0), thread_id=thread_id))
        assert close(database, turn_of(database, ann, 0, thread_id), outcome, 500)
    store(database, channel, customer_writes("again", 600))
    turn = turn_of(database, ann, 600)
    assert eligibility(database, turn, 500 + HOUR - 1).answered_lately == 1
    assert eligibility(database, turn, 500 + HOUR).answered_lately == 0


@pytest.mark.parametrize(
    ("wrote_at", "within", "after_all"), [(0, False, False), (2, True, False), (4, True, True)]
)
def test_a_person_who_wrote_into_a_turn_is_told_from_one_who_wrote_after_it(
    database: Database,
    channel: ChannelIntegration,
    ann: Liveness,
    wrote_at: float,
    within: bool,
    after_all: bool,
) -> None:
    store(database, channel, customer_writes("m1", 1), customer_writes("m2", 3))
    turn = turn_of(database, ann, 3)
    store(database, channel, shop_writes("p", wrote_at))
    found = eligibility(database, turn, 5)
    assert (found.person_wrote_within, found.answered_by_person) == (within, after_all)
    assert found.message_count == 2


def test_within_one_second_it_counts_what_came_first(
    database: Database, channel: ChannelIntegration, ann: Liveness
) -> None:
    store(database, channel, customer_writes("m1", 1), shop_writes("p", 1))
    turn = turn_of(database, ann, 1)
    found = eligibility(database, turn, 5)
    assert (found.person_wrote_within, found.answered_by_person) == (True, True)


def test_a_person_takes_over_for_the_pause_and_not_a_moment_longer(
    database: Database, channel: ChannelIntegration, ann: Liveness
) -> None:
    store(database, channel, shop_writes("p", 2))
    store(database, channel, thread(shop_writes("elsewhere", PAUSE), thread_id="t2"))
    store(database, channel, customer_writes("m1", PAUSE + 2))
    turn = turn_of(database, ann, PAUSE + 2)
    assert eligibility(database, turn, PAUSE + 1).taken_over
    assert not eligibility(database, turn, PAUSE + 2).taken_over


def test_the_pause_is_over_when_it_was_handed_back_and_history_begins_none(
    database: Database, channel: ChannelIntegration, ann: Liveness
) -> None:
    store(database, channel, shop_writes("old", -1), shop_writes("p", 2))
    store(database, channel, customer_writes("m1", 3))
    turn = turn_of(database, ann, 3)
    for resumed_at, taken_over in ((1, True), (2, False)):
        with database.transaction() as session:
            row = session.get_one(Conversation, turn.conversation_id)
            row.ai_resumed_at = after(resumed_at)
        assert eligibility(database, turn, 4).taken_over is taken_over


def test_what_the_owner_and_the_customer_have_said_about_the_ai_is_told_apart(
    database: Database, channel: ChannelIntegration, ann: Liveness
) -> None:
    store(database, channel, customer_writes("m1", 1))
    turn = turn_of(database, ann, 1)
    found = eligibility(database, turn, 2)
    assert (found.ai_enabled, found.opted_out, found.taken_over) == (True, False, False)
    with database.transaction() as session:
        session.get_one(Conversation, turn.conversation_id).ai_enabled = False
    assert not eligibility(database, turn, 2).ai_enabled
    with database.transaction() as session:
        session.get_one(Conversation, turn.conversation_id).opted_out_at = after(1)
    assert eligibility(database, turn, 2).opted_out


def says(sender_type: SenderType, message_id: str, seconds: float) -> InboundMessage:
    return InboundMessage(
        message_id=message_id, sender_type=sender_type, created_at=after(seconds), text=message_id
    )


@pytest.fixture
def talk(database: Database, channel: ChannelIntegration, ann: Liveness) -> Turn:
    """A conversation of all kinds of messages, and the turn of "red?" and "or blue?"."""
    store(
        database,
        channel,
        says(SenderType.CUSTOMER, "long ago", -20),
        says(SenderType.EMPLOYEE, "our answer", -10),
        says(SenderType.NOTE, "a note", 1),
        says(SenderType.ACTIVITY, "assigned", 2),
        says(SenderType.CUSTOMER, "closed", 3),
        says(SenderType.AGENT, "the AI's", 4),
        says(SenderType.CUSTOMER, "red?", 5),
        says(SenderType.CUSTOMER, "or blue?", 6),
    )
    store(database, channel, thread(says(SenderType.CUSTOMER, "another's", 5), thread_id="t2"))
    change(database, "closed", outcome=Outcome.MODEL_FAILED)
    return turn_of(database, ann, 6)


def texts(lines: object) -> list[str]:
    assert isinstance(lines, list)
    return [line.content for line in lines]


def test_a_dialogue_is_the_turn_and_what_both_sides_said_before_oldest_first(
    database: Database, channel: ChannelIntegration, talk: Turn
) -> None:
    store(database, channel, says(SenderType.CUSTOMER, "still waits", 8))
    found = dialogue(database, talk)
    assert texts(found.messages) == ["red?", "or blue?"]
    assert texts(found.earlier) == ["long ago", "our answer", "closed", "the AI's"]
    assert [line.sender_type for line in found.earlier] == [
        "customer",
        "employee",
        "customer",
        "agent",
    ]


@pytest.mark.parametrize("most", range(6))
def test_of_what_was_said_before_the_latest_is_kept(
    database: Database, talk: Turn, most: int
) -> None:
    found = dialogue(database, talk, most_earlier=most)
    assert texts(found.messages) == ["red?", "or blue?"]
    all_of_it = ["long ago", "our answer", "closed", "the AI's"]
    assert texts(found.earlier) == all_of_it[max(0, 4 - most) :]


def test_what_a_person_answered_leaves_the_turn_when_its_customer_wrote_on(
    database: Database, channel: ChannelIntegration, talk: Turn
) -> None:
    store(database, channel, says(SenderType.EMPLOYEE, "red it is", 5.5))
    with database.transaction() as session:
        turn = session.get_one(Turn, talk.id)
        [turn_input] = read_turn_inputs(session, [turn], SELECTION, most_earlier=10, now=after(500))
    assert texts(turn_input.dialogue.messages) == ["or blue?"]
    assert texts(turn_input.dialogue.earlier)[-2:] == ["red?", "red it is"]
    left = message(database, "red?")
    assert (left.turn_id, left.outcome) == (None, Outcome.ANSWERED_BY_PERSON)
    assert [row.message_count for row in rows(database, Turn) if row.id == talk.id] == [1]


def test_a_brief_has_the_conversations_own_orders_the_latest_first(
    database: Database, channel: ChannelIntegration, talk: Turn
) -> None:
    other = conversation(database, "t2").id
    for number, (conversation_id, status) in enumerate(
        [
            (talk.conversation_id, "new"),
            (talk.conversation_id, "cancelled"),
            (other, "new"),
            (talk.conversation_id, "new"),
        ]
    ):
        with database.transaction() as session:
            session.add(
                Order(
                    workspace_id=channel.workspace_id,
                    conversation_id=conversation_id,
                    product_id=f"p{number}",
                    product_name="Kettle",
                    quantity=1,
                    unit_price=Decimal(5),
                    currency="USD",
                    total=Decimal(5),
                    status=status,
                    ai_generated=True,
                    created_at=after(number),
                )
            )
    with database.transaction() as session:
        turn = session.get_one(Turn, talk.id)
        [turn_input] = read_turn_inputs(session, [turn], SELECTION, most_earlier=10, now=after(500))
    assert [order.product_id for order in turn_input.orders] == ["p3", "p0"]
    assert turn_input.conversation.id == talk.conversation_id
    assert turn_input.channel.id == channel.id


def test_a_brief_has_the_conversations_agent_if_there_is_one(
    database: Database, channel: ChannelIntegration, talk: Turn
) -> None:
    with database.transaction() as session:
        agent = Agent(workspace_id=channel.workspace_id, name="Rima")
        session.add(agent)
        session.flush()
        session.get_one(Conversation, talk.conversation_id).agent_id = agent.id
    with database.transaction() as session:
        turn = session.get_one(Turn, talk.id)
        [turn_input] = read_turn_inputs(session, [turn], SELECTION, most_earlier=10, now=after(500))
    assert turn_input.agent is not None
    assert turn_input.agent.name == "Rima"


def test_settling_goes_by_the_very_moment(database: Database, channel: ChannelIntegration) -> None:
    """What was written when the window begins is inside; whom a person answered then is not."""
    a_day = timedelta(hours=24).total_seconds()
    store(database, channel, customer_writes("just inside", 0))
    close_unanswerable(database, a_day)
    assert message(database, "just inside").outcome is None
    store(database, channel, thread(shop_writes("p", 0), thread_id="t2"))
    store(database, channel, thread(customer_writes("later", 5), thread_id="t2"))
    close_unanswerable(database, PAUSE)
    assert message(database, "later").outcome is None
    close_unanswerable(database, PAUSE - 1)
    assert message(database, "later").outcome == Outcome.TAKEN_OVER
