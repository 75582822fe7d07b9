"""Turns: who may answer one, and how it ends."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session

from shoptalk.db import turns
from shoptalk.db.channels import disconnect_channel, restart_channel, stop_channel
from shoptalk.db.deliveries import Receipt, record_sent
from shoptalk.db.engine import Database
from shoptalk.db.liveness import Liveness
from shoptalk.db.models import ChannelIntegration, Conversation, Delivery, Message, Turn, TurnStatus
from shoptalk.types import ConversationState, Outcome
from tests.patience import eventually

from .queue import (
    CLAIM_LASTS,
    claim,
    claim_in,
    close,
    is_answered_by_person,
    next_due,
    only_turn,
    open_turns,
    put_back,
    state,
    write_down,
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

# Many at once


def test_two_claimers_at_once_never_get_the_same_turn(
    database: Database, channel: ChannelIntegration, ann: Liveness, bob: Liveness
) -> None:
    names = [f"t{number:02}" for number in range(24)]
    store(
        database,
        channel,
        *(thread(customer_writes(name, 0), thread_id=name) for name in names),
    )
    open_turns(database, 1)
    with database.transaction() as first, database.transaction() as second:
        anns = claim_in(first, ann, 30, limit=4)
        bobs = claim_in(second, bob, 30, limit=4)
        assert (len(anns), len(bobs)) == (4, 4)
        assert {turn.id for turn in anns}.isdisjoint(turn.id for turn in bobs)
    with ThreadPoolExecutor(8) as pool:
        claims = pool.map(
            lambda number: claim(database, (ann, bob)[number % 2], 30, limit=3), range(8)
        )
    claimed = [turn.id for some in claims for turn in some]
    assert len(claimed) == len(set(claimed)) == 16
    assert claim(database, ann, 30) == []


def test_the_turn_that_has_been_due_longest_is_claimed_first(
    database: Database, channel: ChannelIntegration, ann: Liveness
) -> None:
    for name, second in (("late", 20), ("early", 0), ("middle", 10)):
        store(database, channel, thread(customer_writes(name, second), thread_id=name))
    open_turns(database, 21)
    due = [turn.due_at for turn in claim(database, ann, 100, limit=2)]
    assert due == [after(30), after(40)]
    assert [turn.due_at for turn in claim(database, ann, 100)] == [after(50)]


# Claims


def test_a_claim_keeps_others_out_until_it_lapses(
    database: Database, channel: ChannelIntegration, ann: Liveness, bob: Liveness
) -> None:
    store(database, channel, customer_writes("m1", 0))
    open_turns(database, 0)
    [turn] = claim(database, ann, 30)
    assert state(database) == ConversationState.PROCESSING
    assert claim(database, bob, 180) == []  # ann's last second
    [taken] = claim(database, bob, 180.1)
    assert taken.id == turn.id
    assert taken.claimed_by != turn.claimed_by


def test_a_claim_of_a_process_that_is_gone_is_free_at_once(
    database: Database, channel: ChannelIntegration, ann: Liveness, bob: Liveness
) -> None:
    store(database, channel, customer_writes("m1", 0))
    open_turns(database, 0)
    [anns] = claim(database, ann, 30)
    assert claim(database, bob, 31) == []
    ann.leave()
    found: list[Turn] = []

    def bob_finds_it() -> bool:
        found.extend(claim(database, bob, 31))
        return bool(found)

    eventually(bob_finds_it)  # the server notices on its own thread that she left
    [bobs] = found
    assert bobs.id == anns.id
    assert not close(database, anns, Outcome.ANSWERED, 32)
    assert close(database, bobs, Outcome.ANSWERED, 32)


def test_a_claim_that_is_held_lasts_longer(
    database: Database, channel: ChannelIntegration, ann: Liveness, bob: Liveness
) -> None:
    store(database, channel, customer_writes("m1", 0))
    open_turns(database, 0)
    [turn] = claim(database, ann, 30)
    with database.transaction() as session:
        assert turns.hold(session, turn, until=after(500))
    assert claim(database, bob, 499) == []
    assert len(claim(database, bob, 501)) == 1


def test_turns_are_written_down_and_ended_together_and_a_lost_one_harms_no_other(
    database: Database, channel: ChannelIntegration, ann: Liveness, bob: Liveness
) -> None:
    for name in ("a", "b", "c"):
        store(database, channel, thread(customer_writes(f"m_{name}", 0), thread_id=name))
    open_turns(database, 0)
    claimed = claim(database, ann, 30)
    of_thread = {name: conversation(database, name).id for name in ("a", "b", "c")}
    a, b, c = (
        next(turn for turn in claimed if turn.conversation_id == of_thread[name])
        for name in ("a", "b", "c")
    )
    with database.transaction() as session:
        assert turns.put_back(session, b, due_at=after(40), error=None, failed=False)
    [taken_over] = claim(database, bob, 41)
    with database.transaction() as session:
        assert set(turns.lock(session, [a, b, c])) == {a.id, c.id}
        written = turns.write_down(
            session, {c: ["one", "two"], a: ["hello"]}, now=after(42), until=after(90)
        )
    assert {turn_id: [part.content for part in parts] for turn_id, parts in written.items()} == {
        a.id: ["hello"],
        c.id: ["one", "two"],
    }
    assert [part.status for part in written[c.id]] == ["sending", "waiting"]
    with database.transaction() as session:
        assert not turns.lock(session, [a, c])  # they have an answer
        receipts = [
            Receipt(delivery=parts[0], message_id=f"sent_{turn_id}")
            for turn_id, parts in written.items()
        ]
        record_sent(session, receipts, now=after(43))
        ended = turns.close(session, [a, b, c], Outcome.ANSWERED, now=after(43))
        assert ended == {a.id, c.id}
    assert message(database, f"sent_{a.id}").content == "hello"
    assert message(database, f"sent_{c.id}").content == "one"
    assert [message(database, f"m_{name}").reply_sent for name in ("a", "b", "c")] == [
        True,
        False,
        True,
    ]
    assert close(database, taken_over, Outcome.ANSWERED, 44)


def test_who_lost_the_claim_can_change_nothing(
    database: Database, channel: ChannelIntegration, ann: Liveness, bob: Liveness
) -> None:
    store(database, channel, customer_writes("m1", 0))
    open_turns(database, 0)
    [anns] = claim(database, ann, 30)
    [bobs] = claim(database, bob, 200)
    before = picture(database)
    attempts: list[Callable[[Session], object]] = [
        lambda session: turns.hold(session, anns, until=after(900)),
        lambda session: turns.put_back(session, anns, due_at=after(900), error="busy", failed=True),
        lambda session: turns.close(session, [anns], Outcome.ANSWERED, now=after(201)),
        lambda session: turns.lock(session, [anns]),
    ]
    for attempt in attempts:
        with database.transaction() as session:
            assert not attempt(session)
        assert picture(database) == before
    assert close(database, bobs, Outcome.ANSWERED, 202)


def picture(database: Database) -> list[dict[str, Any]]:
    return [
        {column.name: getattr(row, column.key) for column in row.__table__.columns}
        for table in (Turn, Message, Conversation, Delivery)
        for row in rows(database, table)
    ]


def test_who_lost_the_claim_to_a_closed_turn_cannot_open_it_again(
    database: Database, channel: ChannelIntegration, ann: Liveness, bob: Liveness
) -> None:
    store(database, channel, customer_writes("m1", 0))
    open_turns(database, 0)
    [anns] = claim(database, ann, 30)
    [bobs] = claim(database, bob, 200)
    close(database, bobs, Outcome.ANSWERED, 201)
    before = picture(database)
    assert not put_back(database, anns, 900)
    assert picture(database) == before


def test_a_locked_turn_is_read_as_it_is_now(
    database: Database, channel: ChannelIntegration, ann: Liveness
) -> None:
    store(database, channel, customer_writes("m1", 0))
    open_turns(database, 0)
    [turn] = claim(database, ann, 30)
    store(database, channel, customer_writes("m2", 31))
    open_turns(database, 32)
    with database.transaction() as session:
        current = turns.lock(session, [turn]).get(turn.id)
        assert current is not None
        assert (current.message_count, current.due_at) == (2, after(61))


def test_a_turn_that_is_put_back_is_due_again_and_counts_its_failures(
    database: Database, channel: ChannelIntegration, ann: Liveness, bob: Liveness
) -> None:
    store(database, channel, customer_writes("m1", 0))
    open_turns(database, 0)
    [turn] = claim(database, ann, 30)
    assert put_back(database, turn, 60, error="the model is busy", failed=True)
    assert state(database) == ConversationState.BUFFERING
    assert claim(database, ann, 59) == []
    [again] = claim(database, bob, 60)
    assert (again.attempts, again.error) == (1, "the model is busy")
    assert put_back(database, again, 90, failed=False)
    assert only_turn(database).attempts == 1


def test_a_conversation_has_one_open_turn(database: Database, channel: ChannelIntegration) -> None:
    store(database, channel, customer_writes("m1", 0))
    open_turns(database, 0)
    turn = only_turn(database)
    copy = {
        name: getattr(turn, name)
        for name in (
            "workspace_id",
            "conversation_id",
            "first_message_at",
            "last_message_at",
            "message_count",
            "due_at",
            "created_at",
        )
    }
    with (
        pytest.raises(IntegrityError, match="uq_ai_response_queue_open_turn"),
        database.transaction() as session,
    ):
        session.add(Turn(**copy, status=TurnStatus.SENDING))
    with database.transaction() as session:
        session.add(Turn(**copy, status=TurnStatus.CLOSED))


# Channels


def test_turns_of_a_stopped_channel_wait_until_it_goes_on(
    database: Database, channel: ChannelIntegration, ann: Liveness
) -> None:
    store(database, channel, customer_writes("m1", 0))
    open_turns(database, 0)
    with database.transaction() as session:
        stop_channel(session, channel.id, "the token is dead", "Connect it again.", now=after(1))
    assert claim(database, ann, 60) == []
    assert only_turn(database).claimed_by is None
    assert next_due(database) is None
    with database.transaction() as session:
        restart_channel(session, channel.id)
    assert next_due(database) == only_turn(database).due_at
    assert len(claim(database, ann, 60)) == 1
    assert next_due(database) is None


def test_turns_of_a_disconnected_channel_are_not_claimed_and_others_are(
    database: Database, channel: ChannelIntegration, ann: Liveness
) -> None:
    other = open_channel(database, account="other")
    store(database, channel, thread(customer_writes("m1", 0), thread_id="a"))
    store(database, other, thread(customer_writes("m2", 5), thread_id="b"))
    open_turns(database, 6)
    with database.transaction() as session:
        disconnect_channel(session, channel.id)
    [turn] = claim(database, ann, 60, limit=1)
    assert turn.conversation_id == conversation(database, "b").id
    assert claim(database, ann, 60) == []


# How a turn ends


def test_an_answered_turn_settles_its_messages_and_opens_the_conversation(
    database: Database, channel: ChannelIntegration, ann: Liveness
) -> None:
    store(database, channel, customer_writes("m1", 0), customer_writes("m2", 1))
    open_turns(database, 2)
    [turn] = claim(database, ann, 31)
    with database.transaction() as session:
        write_down(session, turn, ["First part", "Second part"], 32)
    assert only_turn(database).status == TurnStatus.SENDING
    deliveries = [(row.part_no, row.content, row.status) for row in rows(database, Delivery)]
    assert deliveries == [(1, "First part", "sending"), (2, "Second part", "waiting")]
    assert rows(database, Delivery)[0].sending_at == after(32)
    assert only_turn(database).claimed_until == after(32) + CLAIM_LASTS

    assert close(database, turn, Outcome.ANSWERED, 33)
    closed = only_turn(database)
    assert (closed.status, closed.outcome) == (TurnStatus.ANSWERED, Outcome.ANSWERED)
    assert (closed.closed_at, closed.claimed_by) == (after(33), None)
    settled = [(row.outcome, row.reply_sent) for row in rows(database, Message)]
    assert settled == [("answered", True), ("answered", True)]
    talk = conversation(database)
    assert (talk.status, talk.conversation_state) == ("open", ConversationState.IDLE)
    assert not close(database, turn, Outcome.MODEL_FAILED, 34)
    assert claim(database, ann, 999) == []


def test_a_turn_that_ends_without_an_answer_says_why_and_leaves_the_status(
    database: Database, channel: ChannelIntegration, ann: Liveness
) -> None:
    store(database, channel, customer_writes("m1", 0))
    open_turns(database, 2)
    [turn] = claim(database, ann, 31)
    with database.transaction() as session:
        assert turns.close(
            session, [turn], Outcome.MODEL_FAILED, now=after(40), error="its answer is empty"
        )
    closed = only_turn(database)
    assert (closed.status, closed.outcome) == (TurnStatus.CLOSED, Outcome.MODEL_FAILED)
    settled = message(database, "m1")
    assert (settled.outcome, settled.reply_sent) == (Outcome.MODEL_FAILED, False)
    assert settled.failure_reason == "its answer is empty"
    assert conversation(database).status == "new"
    assert open_turns(database, 41) == 0


def test_a_persons_answer_counts_when_it_follows_the_whole_turn(
    database: Database, channel: ChannelIntegration
) -> None:
    store(
        database, channel, customer_writes("m1", 0), shop_writes("p1", 1), customer_writes("m2", 2)
    )
    open_turns(database, 3)
    turn = only_turn(database)
    with database.transaction() as session:
        assert not is_answered_by_person(session, turn)
    store(database, channel, shop_writes("p2", 2))  # the same second, after it
    with database.transaction() as session:
        assert is_answered_by_person(session, turn)
