"""When a burst of messages is over, and which of them one turn answers."""

import json
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import select
from sqlalchemy.orm import Session

from shoptalk.db import selection, turns
from shoptalk.db.conversations import messages_of_turn
from shoptalk.db.engine import Database
from shoptalk.db.inbox import store_threads
from shoptalk.db.liveness import Liveness
from shoptalk.db.models import ChannelIntegration, Conversation, Message, Turn, TurnStatus
from shoptalk.db.selection import BufferPolicy
from shoptalk.types import ConversationState, Outcome

from .queue import (
    POLICY,
    claim,
    claim_in,
    close,
    is_answered_by_person,
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
    rows,
    shop_writes,
    store,
    thread,
)

BURSTS = Path(__file__).parents[1] / "data" / "bursts.jsonl"


def test_a_burst_becomes_one_turn_that_is_due_when_it_has_been_quiet(
    database: Database, channel: ChannelIntegration, ann: Liveness
) -> None:
    store(database, channel, customer_writes("m1", 0), customer_writes("m2", 4))
    assert open_turns(database, 5) == 2
    turn = only_turn(database)
    assert turn.due_at == after(34)
    assert (turn.first_message_at, turn.last_message_at) == (after(0), after(4))
    store(database, channel, customer_writes("m3", 33))
    assert open_turns(database, 34) == 1
    turn = only_turn(database)
    assert turn.due_at == after(63)
    assert (turn.first_message_at, turn.last_message_at) == (after(0), after(33))
    assert turn.message_count == 3
    assert claim(database, ann, 62.9) == []
    assert [one.id for one in claim(database, ann, 63)] == [turn.id]


def test_conversations_do_not_wait_for_each_other(
    database: Database, channel: ChannelIntegration, ann: Liveness
) -> None:
    store(
        database,
        channel,
        thread(customer_writes("a1", 0), thread_id="a"),
        thread(customer_writes("b1", 0), customer_writes("b2", 20), thread_id="b"),
    )
    assert open_turns(database, 21) == 3
    assert {turn.due_at for turn in rows(database, Turn)} == {after(30), after(50)}
    [first] = claim(database, ann, 30)
    assert first.conversation_id == conversation(database, "a").id


def test_as_many_messages_as_allowed_end_a_burst_at_once(
    database: Database, channel: ChannelIntegration
) -> None:
    policy = BufferPolicy(quiet=POLICY.quiet, most_messages=3, longest=POLICY.longest)
    store(database, channel, customer_writes("m1", 1), customer_writes("m2", 2))
    open_turns(database, 3, policy)
    assert only_turn(database).due_at == after(32)
    store(database, channel, customer_writes("m3", 4))
    open_turns(database, 5, policy)
    assert only_turn(database).due_at == after(5)
    store(
        database, channel, thread(*(customer_writes(f"x{n}", 6) for n in range(3)), thread_id="x")
    )
    open_turns(database, 7, policy)
    assert rows(database, Turn)[1].due_at == after(7)


def test_a_customer_who_never_pauses_is_answered_after_the_longest_wait(
    database: Database, channel: ChannelIntegration
) -> None:
    for second in range(0, 300, 20):
        store(database, channel, customer_writes(f"m{second}", second))
        open_turns(database, second)
    turn = only_turn(database)
    assert (turn.message_count, turn.due_at) == (15, after(300))


def test_what_was_written_while_nobody_looked_is_due_at_once(
    database: Database, channel: ChannelIntegration, ann: Liveness
) -> None:
    page = [customer_writes(f"m{n}", n * 20) for n in range(20)]
    store(database, channel, *page, imported_at=after(3600))
    open_turns(database, 3600)
    assert only_turn(database).due_at == after(300)
    assert len(claim(database, ann, 3600)) == 1


def test_no_quiet_time_switches_the_buffer_off(
    database: Database, channel: ChannelIntegration, ann: Liveness
) -> None:
    policy = BufferPolicy(quiet=timedelta(0), most_messages=50, longest=POLICY.longest)
    store(database, channel, customer_writes("m1", 1))
    open_turns(database, 1, policy)
    assert len(claim(database, ann, 1)) == 1


def test_a_platform_whose_clock_runs_ahead_does_not_hold_a_turn_back(
    database: Database, channel: ChannelIntegration
) -> None:
    store(database, channel, customer_writes("m1", 600), imported_at=after(1))
    open_turns(database, 2)
    assert only_turn(database).due_at == after(31)


def test_a_message_that_comes_while_a_turn_is_claimed_joins_it_and_moves_it(
    database: Database, channel: ChannelIntegration, ann: Liveness
) -> None:
    store(database, channel, customer_writes("m1", 0))
    open_turns(database, 0)
    [claimed] = claim(database, ann, 30)
    store(database, channel, customer_writes("m2", 35))
    assert open_turns(database, 36) == 1
    turn = only_turn(database)
    assert (turn.message_count, turn.due_at) == (2, after(65))
    assert turn.claimed_by == claimed.claimed_by
    assert state(database) == ConversationState.PROCESSING
    with database.transaction() as session:
        assert [one.message_id for one in messages_of_turn(session, claimed.id)] == ["m1", "m2"]


def test_a_message_that_comes_while_the_reply_is_being_sent_waits_for_the_next_turn(
    database: Database, channel: ChannelIntegration, ann: Liveness
) -> None:
    store(database, channel, customer_writes("m1", 0))
    open_turns(database, 0)
    [turn] = claim(database, ann, 30)
    with database.transaction() as session:
        write_down(session, turn, ["Hello", "Bye"], 31)
    store(database, channel, customer_writes("m2", 31))
    assert open_turns(database, 32) == 0
    assert close(database, turn, Outcome.ANSWERED, 33)
    assert open_turns(database, 34) == 1
    first, second = rows(database, Turn)
    assert (first.message_count, second.message_count) == (1, 1)
    assert message(database, "m2").turn_id == second.id


@pytest.mark.parametrize("failed", [True, False])
def test_a_message_that_joins_does_not_shorten_a_wait_somebody_asked_for(
    database: Database, channel: ChannelIntegration, failed: bool, ann: Liveness
) -> None:
    store(database, channel, customer_writes("m1", 0))
    open_turns(database, 0)
    [turn] = claim(database, ann, 30)
    put_back(database, turn, 900, error="calls are used up", failed=failed)
    store(database, channel, customer_writes("m2", 40))
    assert open_turns(database, 41) == 1
    assert only_turn(database).due_at == after(900)


def test_a_message_joins_a_turn_that_was_put_back_without_trouble_as_if_it_had_not_been_claimed(
    database: Database, channel: ChannelIntegration, ann: Liveness
) -> None:
    store(database, channel, customer_writes("m1", 0))
    open_turns(database, 0)
    [turn] = claim(database, ann, 30)
    put_back(database, turn, 65, error=None)
    store(database, channel, customer_writes("m2", 50))
    open_turns(database, 51)
    assert only_turn(database).due_at == after(80)


def test_messages_the_answer_did_not_see_are_gathered_again(
    database: Database, channel: ChannelIntegration, ann: Liveness
) -> None:
    store(database, channel, customer_writes("m1", 0))
    open_turns(database, 0)
    [turn] = claim(database, ann, 30)
    store(database, channel, customer_writes("m2", 35))
    open_turns(database, 36)
    with database.transaction() as session:
        assert turns.lock(session, [turn])
        turns.leave_for_next_turn(session, turn, seen=[message(database, "m1").id])
        write_down(session, turn, ["Hello"], 37)
    assert close(database, turn, Outcome.ANSWERED, 38)
    assert message(database, "m2").outcome is None
    assert open_turns(database, 39) == 1
    assert message(database, "m2").turn_id == rows(database, Turn)[1].id


# Many at once


def test_two_gatherers_at_once_never_take_a_message_twice(
    database: Database, channel: ChannelIntegration
) -> None:
    store(
        database,
        channel,
        *(
            thread(*(customer_writes(f"{name} {n}", n) for n in range(5)), thread_id=name)
            for name in "abcdefgh"
        ),
    )
    with database.transaction() as first, database.transaction() as second:
        assert selection.open_turns(first, POLICY, now=after(10)) == 40
        assert selection.open_turns(second, POLICY, now=after(10)) == 0
    assert [turn.message_count for turn in rows(database, Turn)] == [5] * 8

    def write_and_gather(number: int) -> int:
        store(database, channel, customer_writes(f"m{number}", 20))
        return open_turns(database, 20)

    with ThreadPoolExecutor(8) as pool:
        gathered = sum(pool.map(write_and_gather, range(24)))
    assert gathered + open_turns(database, 21) == 24
    turn = rows(database, Turn)[-1]
    assert turn.message_count == 24
    assert len(rows(database, Turn)) == 9
    assert {row.turn_id for row in rows(database, Message) if row.content == "Hello"} == {
        one.id for one in rows(database, Turn)
    }


def test_a_message_stored_while_another_gathers_extends_the_turn(
    database: Database, channel: ChannelIntegration
) -> None:
    store(database, channel, customer_writes("m1", 0))
    with ThreadPoolExecutor(1) as pool:
        with database.transaction() as first:
            assert selection.open_turns(first, POLICY, now=after(1)) == 1
            second = pool.submit(write_and_gather_next, database, channel)
        assert second.result() == 1
    turn = only_turn(database)
    assert (turn.message_count, turn.due_at) == (2, after(40))


def write_and_gather_next(database: Database, channel: ChannelIntegration) -> int:
    store(database, channel, customer_writes("m2", 10))
    return open_turns(database, 11)


# Real streams of messages


def streams() -> list[dict[str, Any]]:
    with BURSTS.open(encoding="utf-8", newline="\n") as lines:
        return [json.loads(line) for line in lines]


@pytest.mark.thorough
@pytest.mark.parametrize("window", [5, 10, 20, 30, 60])
def test_real_bursts_are_grouped_as_a_reader_would(
    database: Database, channel: ChannelIntegration, window: int, ann: Liveness
) -> None:
    """Each stream is a thread; all run on one clock. A person's message ends the turn before it."""
    policy = BufferPolicy(
        quiet=timedelta(seconds=window), most_messages=50, longest=timedelta(days=1)
    )
    talks = streams()
    events: dict[int, list[tuple[str, int, dict[str, Any]]]] = {}
    for talk in talks:
        for number, event in enumerate(talk["events"]):
            events.setdefault(event["offset_seconds"], []).append((talk["id"], number, event))
    groups: dict[str, list[list[int]]] = {talk["id"]: [] for talk in talks}
    with database.transaction() as session:
        for second, heard in sorted(events.items()):
            for turn in claim_in(session, ann, second - 0.001, limit=100):
                end_turn(session, turn, Outcome.ANSWERED, groups)
            store_threads(
                session,
                channel,
                [
                    thread(WRITES[event["role"]](f"{name} {number}", second), thread_id=name)
                    for name, number, event in heard
                ],
                imported_at=after(second),
            )
            for turn in answered_by_a_person(session, heard):
                end_turn(session, turn, Outcome.ANSWERED_BY_PERSON, groups)
            selection.open_turns(session, policy, now=after(second))
        for turn in claim_in(session, ann, 10**6, limit=100):
            end_turn(session, turn, Outcome.ANSWERED, groups)
    assert groups == {talk["id"]: talk["expected_groups"][str(window)] for talk in talks}


WRITES = {"customer": customer_writes, "employee": shop_writes}


def answered_by_a_person(
    session: Session, heard: Sequence[tuple[str, int, dict[str, Any]]]
) -> list[Turn]:
    names = [name for name, _, event in heard if event["role"] == "employee"]
    if not names:
        return []
    gathering = session.scalars(
        select(Turn)
        .join(Conversation, Conversation.id == Turn.conversation_id)
        .where(Turn.status == TurnStatus.BUFFERING, Conversation.thread_id.in_(names))
    ).all()
    assert all(is_answered_by_person(session, turn) for turn in gathering)
    return list(gathering)


def end_turn(
    session: Session, turn: Turn, outcome: Outcome, groups: dict[str, list[list[int]]]
) -> None:
    """Note which messages of its stream the turn holds, and close it."""
    numbered = [one.message_id.rsplit(" ", 1) for one in messages_of_turn(session, turn.id)]
    groups[numbered[0][0]].append([int(number) for _, number in numbered])
    turn.claimed_by = turn.claimed_by or "somebody"
    session.flush()
    assert turns.close(session, [turn], outcome, now=turn.due_at)
