"""Which messages are answered, and what switching the AI off and on does."""

import pytest

from shoptalk.db import selection
from shoptalk.db.conversations import switch_ai
from shoptalk.db.engine import Database
from shoptalk.db.liveness import Liveness
from shoptalk.db.missing_messages import WAITS_FOR, note_missing
from shoptalk.db.models import ChannelIntegration, Message, Turn, TurnStatus
from shoptalk.types import ConversationState, Outcome

from .queue import (
    POLICY,
    change,
    claim,
    close,
    close_unanswerable,
    only_turn,
    open_turns,
    state,
)
from .rows import (
    after,
    conversation,
    customer_writes,
    message,
    open_channel,
    rows,
    shop_writes,
    store,
    thread,
)


def test_a_new_message_of_a_customer_is_selected(
    database: Database, channel: ChannelIntegration
) -> None:
    store(database, channel, customer_writes("m1", 1))
    assert open_turns(database, 2) == 1
    turn = only_turn(database)
    assert (turn.status, turn.message_count, turn.attempts) == (TurnStatus.BUFFERING, 1, 0)
    assert message(database, "m1").turn_id == turn.id
    assert state(database) == ConversationState.BUFFERING
    assert open_turns(database, 3) == 0


@pytest.mark.parametrize(
    ("column", "value"),
    [
        ("sender_type", "employee"),
        ("sender_type", "agent"),
        ("is_old", True),
        ("reply_sent", True),
        ("outcome", "window_closed"),
    ],
)
def test_each_condition_alone_keeps_a_message_out(
    database: Database, channel: ChannelIntegration, column: str, value: object
) -> None:
    store(database, channel, customer_writes("m1", 1))
    change(database, "m1", **{column: value})
    assert open_turns(database, 2) == 0
    assert rows(database, Turn) == []
    assert message(database, "m1").outcome == (value if column == "outcome" else None)
    assert state(database) == ConversationState.IDLE


def test_a_conversation_with_the_ai_off_is_kept_out_and_the_reason_is_recorded(
    database: Database,
) -> None:
    store(database, open_channel(database, ai_default=False), customer_writes("m1", 1))
    assert open_turns(database, 2) == 0
    close_unanswerable(database, 3)
    assert rows(database, Turn) == []
    assert message(database, "m1").outcome == Outcome.AI_OFF


def test_what_will_be_answered_is_not_settled(
    database: Database, channel: ChannelIntegration
) -> None:
    store(database, channel, customer_writes("old", -1), shop_writes("old answer", -1))
    store(database, channel, customer_writes("m1", 1))
    close_unanswerable(database, 2)
    assert message(database, "m1").outcome is None
    assert open_turns(database, 2) == 1


def test_after_a_person_has_written_the_ai_pauses(
    database: Database, channel: ChannelIntegration
) -> None:
    store(database, channel, customer_writes("m1", 1), shop_writes("p1", 2))
    store(database, channel, customer_writes("m2", 3))
    close_unanswerable(database, 4)
    assert open_turns(database, 4) == 0
    assert message(database, "m1").outcome == Outcome.ANSWERED_BY_PERSON
    assert message(database, "m2").outcome == Outcome.TAKEN_OVER
    twelve_hours = 12 * 3600
    store(database, channel, customer_writes("m3", twelve_hours + 3))
    close_unanswerable(database, twelve_hours + 3)
    assert open_turns(database, twelve_hours + 3) == 1
    assert message(database, "m3").outcome is None


def test_what_is_older_than_the_platforms_window_is_settled(
    database: Database, channel: ChannelIntegration
) -> None:
    a_day_later = 24 * 3600 + 0.5
    store(database, channel, customer_writes("late", 0), customer_writes("just", 1))
    close_unanswerable(database, a_day_later)
    assert message(database, "late").outcome == Outcome.WINDOW_CLOSED
    assert message(database, "just").outcome is None
    assert open_turns(database, a_day_later) == 1


def test_what_waited_long_is_the_owners_to_release(
    database: Database, channel: ChannelIntegration
) -> None:
    store(database, channel, customer_writes("m1", 0), customer_writes("m2", 1))
    for released, expected in ((False, 0), (True, 1)):
        change(database, "m1", released=released)
        with database.transaction() as session:
            gathered = selection.open_turns(session, POLICY, now=after(9999), held_before=after(1))
        assert gathered == expected
    assert message(database, "m1").turn_id == only_turn(database).id
    assert message(database, "m2").turn_id is None


def test_what_may_have_come_after_unread_messages_waits_for_them_a_quarter_of_an_hour(
    database: Database, channel: ChannelIntegration
) -> None:
    store(database, channel, customer_writes("before", 1), imported_at=after(1))
    store(database, channel, customer_writes("ahead", 2), imported_at=after(2))
    with database.transaction() as session:
        note_missing(session, channel.id, at=after(2))
    assert open_turns(database, 2 + WAITS_FOR.total_seconds() - 1) == 1
    assert message(database, "before").turn_id is not None
    assert message(database, "ahead").turn_id is None
    assert open_turns(database, 2 + WAITS_FOR.total_seconds()) == 1
    assert message(database, "ahead").turn_id is not None


# Switching the AI off and on


def switch(database: Database, seconds: float, *, enabled: bool) -> int:
    with database.transaction() as session:
        return switch_ai(session, conversation(database), enabled=enabled, now=after(seconds))


def test_switching_off_settles_what_waits_and_switching_on_takes_it_up_again(
    database: Database, channel: ChannelIntegration
) -> None:
    store(database, channel, customer_writes("m1", 0))
    switch(database, 1, enabled=False)
    close_unanswerable(database, 2)
    assert open_turns(database, 2) == 0
    assert message(database, "m1").outcome == Outcome.AI_OFF
    assert switch(database, 3, enabled=True) == 1
    assert message(database, "m1").outcome is None
    close_unanswerable(database, 4)
    assert open_turns(database, 4) == 1


def test_switching_on_takes_up_a_turn_that_was_closed_because_it_was_off(
    database: Database, channel: ChannelIntegration, ann: Liveness
) -> None:
    store(database, channel, customer_writes("m1", 0))
    open_turns(database, 1)
    switch(database, 2, enabled=False)
    [turn] = claim(database, ann, 30)
    assert close(database, turn, Outcome.AI_OFF, 31)
    assert message(database, "m1").outcome == Outcome.AI_OFF
    assert switch(database, 40, enabled=True) == 1
    assert open_turns(database, 40) == 1
    [again] = claim(database, ann, 70)
    assert again.id != turn.id


def test_switching_on_leaves_what_a_person_has_answered_meanwhile(
    database: Database, channel: ChannelIntegration
) -> None:
    store(database, channel, customer_writes("m1", 0), customer_writes("old", -5))
    switch(database, 0, enabled=False)
    close_unanswerable(database, 1)
    store(database, channel, shop_writes("p1", 10), customer_writes("m2", 20))
    close_unanswerable(database, 21)
    assert switch(database, 22, enabled=True) == 1
    close_unanswerable(database, 23)
    assert open_turns(database, 23) == 1
    outcomes = {row.message_id: row.outcome for row in rows(database, Message)}
    assert outcomes == {"m1": "ai_off", "old": "history", "p1": None, "m2": None}
    assert message(database, "m2").turn_id == only_turn(database).id


def test_switching_on_ends_the_pause_after_a_person(
    database: Database, channel: ChannelIntegration
) -> None:
    store(database, channel, shop_writes("p1", 1), customer_writes("m1", 2))
    close_unanswerable(database, 3)
    assert message(database, "m1").outcome == Outcome.TAKEN_OVER
    assert switch(database, 4, enabled=True) == 1
    close_unanswerable(database, 5)
    assert open_turns(database, 5) == 1


def test_switching_one_conversation_off_leaves_the_others(
    database: Database, channel: ChannelIntegration
) -> None:
    store(
        database,
        channel,
        thread(customer_writes("m1", 0)),
        thread(customer_writes("m2", 0), thread_id="t2"),
    )
    switch(database, 0, enabled=False)
    close_unanswerable(database, 1)
    assert open_turns(database, 1) == 1
    assert message(database, "m1").outcome == Outcome.AI_OFF
    assert message(database, "m2").outcome is None
