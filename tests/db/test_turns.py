"""Turns: what is selected, when a burst is over, who may answer it, and how it ends."""

import json
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import select
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session

from shoptalk.db import selection, turns
from shoptalk.db.briefs import read_standings
from shoptalk.db.channels import disconnect_channel, restart_channel, stop_channel
from shoptalk.db.conversations import messages_of_turn, switch_ai
from shoptalk.db.deliveries import Receipt, record_sent
from shoptalk.db.engine import Database
from shoptalk.db.inbox import store_threads
from shoptalk.db.models import ChannelIntegration, Conversation, Delivery, Message, Turn, TurnStatus
from shoptalk.db.presence import Presence
from shoptalk.db.selection import BufferPolicy, SelectionPolicy
from shoptalk.types import ConversationState, Outcome
from tests.patience import eventually

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

BURSTS = Path(__file__).parents[1] / "data" / "bursts.jsonl"
POLICY = BufferPolicy(quiet=timedelta(seconds=30), most_messages=50, longest=timedelta(seconds=300))
SELECTION = SelectionPolicy(takeover_pause=timedelta(hours=12), backlog_after=timedelta(hours=6))
WINDOWS = {("facebook", ""): timedelta(hours=24), ("instagram", ""): timedelta(hours=1)}
CLAIM_LASTS = timedelta(seconds=150)


@pytest.fixture
def channel(database: Database) -> ChannelIntegration:
    return open_channel(database)


@pytest.fixture
def ann(database: Database) -> Iterator[Presence]:
    """Somebody who claims turns, and is there until the test ends."""
    presence = Presence(database.engine)
    yield presence
    presence.leave()


bob = ann


def gather(database: Database, seconds: float, policy: BufferPolicy = POLICY) -> int:
    with database.transaction() as session:
        return selection.gather(session, policy, now=after(seconds))


def settle(database: Database, seconds: float) -> None:
    with database.transaction() as session:
        selection.settle(session, SELECTION, WINDOWS, now=after(seconds))


def claim(
    database: Database, claimant: Presence, seconds: float, *, limit: int = 10
) -> Sequence[Turn]:
    with database.transaction() as session:
        claimed = claim_in(session, claimant, seconds, limit=limit)
    with database.transaction() as session:
        turns.show_processing(session, claimed)
    return claimed


def claim_in(
    session: Session, claimant: Presence, seconds: float, *, limit: int = 10
) -> Sequence[Turn]:
    now = after(seconds)
    return turns.claim_due(
        session, claimant=claimant.name(), now=now, until=now + CLAIM_LASTS, limit=limit
    )


def next_due(database: Database) -> datetime | None:
    with database.transaction() as session:
        return turns.next_due(session)


def close(database: Database, turn: Turn, outcome: Outcome, seconds: float) -> bool:
    with database.transaction() as session:
        return bool(turns.close(session, [turn], outcome, now=after(seconds)))


def put_back(
    database: Database,
    turn: Turn,
    seconds: float,
    *,
    error: str | None = "busy",
    failed: bool = False,
) -> bool:
    with database.transaction() as session:
        return turns.put_back(session, turn, due_at=after(seconds), error=error, failed=failed)


def write_down(session: Session, turn: Turn, parts: list[str], seconds: float) -> None:
    now = after(seconds)
    written = turns.write_down(session, {turn: parts}, now=now, until=now + CLAIM_LASTS)
    assert [delivery.content for delivery in written[turn.id]] == parts


def is_answered_by_person(session: Session, turn: Turn) -> bool:
    standings = read_standings(session, [turn], SELECTION, now=turn.due_at)
    return standings[turn.id].answered_by_person


def change(database: Database, message_id: str, **values: object) -> None:
    with database.transaction() as session:
        row = session.get_one(Message, message(database, message_id).id)
        for name, value in values.items():
            setattr(row, name, value)


def only_turn(database: Database) -> Turn:
    [turn] = rows(database, Turn)
    return turn


def state(database: Database) -> str:
    return conversation(database).conversation_state


# What is selected


def test_a_new_message_of_a_customer_is_selected(
    database: Database, channel: ChannelIntegration
) -> None:
    store(database, channel, customer_writes("m1", 1))
    assert gather(database, 2) == 1
    turn = only_turn(database)
    assert (turn.status, turn.message_count, turn.attempts) == (TurnStatus.BUFFERING, 1, 0)
    assert message(database, "m1").turn_id == turn.id
    assert state(database) == ConversationState.BUFFERING
    assert gather(database, 3) == 0


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
    assert gather(database, 2) == 0
    assert rows(database, Turn) == []
    assert message(database, "m1").outcome == (value if column == "outcome" else None)
    assert state(database) == ConversationState.IDLE


def test_a_conversation_with_the_ai_off_is_kept_out_and_the_reason_is_recorded(
    database: Database,
) -> None:
    store(database, open_channel(database, ai_default=False), customer_writes("m1", 1))
    assert gather(database, 2) == 0
    settle(database, 3)
    assert rows(database, Turn) == []
    assert message(database, "m1").outcome == Outcome.AI_OFF


def test_what_will_be_answered_is_not_settled(
    database: Database, channel: ChannelIntegration
) -> None:
    store(database, channel, customer_writes("old", -1), shop_writes("old answer", -1))
    store(database, channel, customer_writes("m1", 1))
    settle(database, 2)
    assert message(database, "m1").outcome is None
    assert gather(database, 2) == 1


def test_after_a_person_has_written_the_ai_pauses(
    database: Database, channel: ChannelIntegration
) -> None:
    store(database, channel, customer_writes("m1", 1), shop_writes("p1", 2))
    store(database, channel, customer_writes("m2", 3))
    settle(database, 4)
    assert gather(database, 4) == 0
    assert message(database, "m1").outcome == Outcome.ANSWERED_BY_PERSON
    assert message(database, "m2").outcome == Outcome.TAKEN_OVER
    twelve_hours = 12 * 3600
    store(database, channel, customer_writes("m3", twelve_hours + 3))
    settle(database, twelve_hours + 3)
    assert gather(database, twelve_hours + 3) == 1
    assert message(database, "m3").outcome is None


def test_what_is_older_than_the_platforms_window_is_settled(
    database: Database, channel: ChannelIntegration
) -> None:
    a_day_later = 24 * 3600 + 0.5
    store(database, channel, customer_writes("late", 0), customer_writes("just", 1))
    settle(database, a_day_later)
    assert message(database, "late").outcome == Outcome.WINDOW_CLOSED
    assert message(database, "just").outcome is None
    assert gather(database, a_day_later) == 1


def test_what_waited_long_is_the_owners_to_release(
    database: Database, channel: ChannelIntegration
) -> None:
    store(database, channel, customer_writes("m1", 0), customer_writes("m2", 1))
    for released, expected in ((False, 0), (True, 1)):
        change(database, "m1", released=released)
        with database.transaction() as session:
            gathered = selection.gather(session, POLICY, now=after(9999), held_before=after(1))
        assert gathered == expected
    assert message(database, "m1").turn_id == only_turn(database).id
    assert message(database, "m2").turn_id is None


# When a burst is over


def test_a_burst_becomes_one_turn_that_is_due_when_it_has_been_quiet(
    database: Database, channel: ChannelIntegration, ann: Presence
) -> None:
    store(database, channel, customer_writes("m1", 0), customer_writes("m2", 4))
    assert gather(database, 5) == 2
    assert only_turn(database).due_at == after(34)
    store(database, channel, customer_writes("m3", 33))
    assert gather(database, 34) == 1
    turn = only_turn(database)
    assert turn.due_at == after(63)
    assert (turn.first_message_at, turn.last_message_at) == (after(0), after(33))
    assert turn.message_count == 3
    assert claim(database, ann, 62.9) == []
    assert [one.id for one in claim(database, ann, 63)] == [turn.id]


def test_conversations_do_not_wait_for_each_other(
    database: Database, channel: ChannelIntegration, ann: Presence
) -> None:
    store(
        database,
        channel,
        thread(customer_writes("a1", 0), thread_id="a"),
        thread(customer_writes("b1", 0), customer_writes("b2", 20), thread_id="b"),
    )
    assert gather(database, 21) == 3
    assert {turn.due_at for turn in rows(database, Turn)} == {after(30), after(50)}
    [first] = claim(database, ann, 30)
    assert first.conversation_id == conversation(database, "a").id


def test_as_many_messages_as_allowed_end_a_burst_at_once(
    database: Database, channel: ChannelIntegration
) -> None:
    policy = BufferPolicy(quiet=POLICY.quiet, most_messages=3, longest=POLICY.longest)
    store(database, channel, customer_writes("m1", 1), customer_writes("m2", 2))
    gather(database, 3, policy)
    assert only_turn(database).due_at == after(32)
    store(database, channel, customer_writes("m3", 4))
    gather(database, 5, policy)
    assert only_turn(database).due_at == after(5)
    store(
        database, channel, thread(*(customer_writes(f"x{n}", 6) for n in range(3)), thread_id="x")
    )
    gather(database, 7, policy)
    assert rows(database, Turn)[1].due_at == after(7)


def test_a_customer_who_never_pauses_is_answered_after_the_longest_wait(
    database: Database, channel: ChannelIntegration
) -> None:
    for second in range(0, 300, 20):
        store(database, channel, customer_writes(f"m{second}", second))
        gather(database, second)
    turn = only_turn(database)
    assert (turn.message_count, turn.due_at) == (15, after(300))


def test_what_was_written_while_nobody_looked_is_due_at_once(
    database: Database, channel: ChannelIntegration, ann: Presence
) -> None:
    page = [customer_writes(f"m{n}", n * 20) for n in range(20)]
    store(database, channel, *page, imported_at=after(3600))
    gather(database, 3600)
    assert only_turn(database).due_at == after(300)
    assert len(claim(database, ann, 3600)) == 1


def test_no_quiet_time_switches_the_buffer_off(
    database: Database, channel: ChannelIntegration, ann: Presence
) -> None:
    policy = BufferPolicy(quiet=timedelta(0), most_messages=50, longest=POLICY.longest)
    store(database, channel, customer_writes("m1", 1))
    gather(database, 1, policy)
    assert len(claim(database, ann, 1)) == 1


def test_a_platform_whose_clock_runs_ahead_does_not_hold_a_turn_back(
    database: Database, channel: ChannelIntegration
) -> None:
    store(database, channel, customer_writes("m1", 600), imported_at=after(1))
    gather(database, 2)
    assert only_turn(database).due_at == after(31)


def test_a_message_that_comes_while_a_turn_is_claimed_joins_it_and_moves_it(
    database: Database, channel: ChannelIntegration, ann: Presence
) -> None:
    store(database, channel, customer_writes("m1", 0))
    gather(database, 0)
    [claimed] = claim(database, ann, 30)
    store(database, channel, customer_writes("m2", 35))
    assert gather(database, 36) == 1
    turn = only_turn(database)
    assert (turn.message_count, turn.due_at) == (2, after(65))
    assert turn.claimed_by == claimed.claimed_by
    assert state(database) == ConversationState.PROCESSING
    with database.transaction() as session:
        assert [one.message_id for one in messages_of_turn(session, claimed.id)] == ["m1", "m2"]


def test_a_message_that_comes_while_the_reply_is_being_sent_waits_for_the_next_turn(
    database: Database, channel: ChannelIntegration, ann: Presence
) -> None:
    store(database, channel, customer_writes("m1", 0))
    gather(database, 0)
    [turn] = claim(database, ann, 30)
    with database.transaction() as session:
        write_down(session, turn, ["Hello", "Bye"], 31)
    store(database, channel, customer_writes("m2", 31))
    assert gather(database, 32) == 0
    assert close(database, turn, Outcome.ANSWERED, 33)
    assert gather(database, 34) == 1
    first, second = rows(database, Turn)
    assert (first.message_count, second.message_count) == (1, 1)
    assert message(database, "m2").turn_id == second.id


@pytest.mark.parametrize("failed", [True, False])
def test_a_message_that_joins_does_not_shorten_a_wait_somebody_asked_for(
    database: Database, channel: ChannelIntegration, failed: bool, ann: Presence
) -> None:
    store(database, channel, customer_writes("m1", 0))
    gather(database, 0)
    [turn] = claim(database, ann, 30)
    put_back(database, turn, 900, error="calls are used up", failed=failed)
    store(database, channel, customer_writes("m2", 40))
    assert gather(database, 41) == 1
    assert only_turn(database).due_at == after(900)


def test_a_message_joins_a_turn_that_was_put_back_without_trouble_as_if_it_had_not_been_claimed(
    database: Database, channel: ChannelIntegration, ann: Presence
) -> None:
    store(database, channel, customer_writes("m1", 0))
    gather(database, 0)
    [turn] = claim(database, ann, 30)
    put_back(database, turn, 65, error=None)
    store(database, channel, customer_writes("m2", 50))
    gather(database, 51)
    assert only_turn(database).due_at == after(80)


def test_messages_the_answer_did_not_see_are_gathered_again(
    database: Database, channel: ChannelIntegration, ann: Presence
) -> None:
    store(database, channel, customer_writes("m1", 0))
    gather(database, 0)
    [turn] = claim(database, ann, 30)
    store(database, channel, customer_writes("m2", 35))
    gather(database, 36)
    with database.transaction() as session:
        assert turns.lock(session, [turn])
        turns.leave_for_next_turn(session, turn, seen=[message(database, "m1").id])
        write_down(session, turn, ["Hello"], 37)
    assert close(database, turn, Outcome.ANSWERED, 38)
    assert message(database, "m2").outcome is None
    assert gather(database, 39) == 1
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
        assert selection.gather(first, POLICY, now=after(10)) == 40
        assert selection.gather(second, POLICY, now=after(10)) == 0
    assert [turn.message_count for turn in rows(database, Turn)] == [5] * 8

    def write_and_gather(number: int) -> int:
        store(database, channel, customer_writes(f"m{number}", 20))
        return gather(database, 20)

    with ThreadPoolExecutor(8) as pool:
        gathered = sum(pool.map(write_and_gather, range(24)))
    assert gathered + gather(database, 21) == 24
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
            assert selection.gather(first, POLICY, now=after(1)) == 1
            second = pool.submit(write_and_gather_next, database, channel)
        assert second.result() == 1
    turn = only_turn(database)
    assert (turn.message_count, turn.due_at) == (2, after(40))


def write_and_gather_next(database: Database, channel: ChannelIntegration) -> int:
    store(database, channel, customer_writes("m2", 10))
    return gather(database, 11)


def test_two_claimers_at_once_never_get_the_same_turn(
    database: Database, channel: ChannelIntegration, ann: Presence, bob: Presence
) -> None:
    names = [f"t{number:02}" for number in range(24)]
    store(
        database,
        channel,
        *(thread(customer_writes(name, 0), thread_id=name) for name in names),
    )
    gather(database, 1)
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
    database: Database, channel: ChannelIntegration, ann: Presence
) -> None:
    for name, second in (("late", 20), ("early", 0), ("middle", 10)):
        store(database, channel, thread(customer_writes(name, second), thread_id=name))
    gather(database, 21)
    due = [turn.due_at for turn in claim(database, ann, 100, limit=2)]
    assert due == [after(30), after(40)]
    assert [turn.due_at for turn in claim(database, ann, 100)] == [after(50)]


# Claims


def test_a_claim_keeps_others_out_until_it_lapses(
    database: Database, channel: ChannelIntegration, ann: Presence, bob: Presence
) -> None:
    store(database, channel, customer_writes("m1", 0))
    gather(database, 0)
    [turn] = claim(database, ann, 30)
    assert state(database) == ConversationState.PROCESSING
    assert claim(database, bob, 180) == []  # ann's last second
    [taken] = claim(database, bob, 180.1)
    assert taken.id == turn.id
    assert taken.claimed_by != turn.claimed_by


def test_a_claim_of_a_process_that_is_gone_is_free_at_once(
    database: Database, channel: ChannelIntegration, ann: Presence, bob: Presence
) -> None:
    store(database, channel, customer_writes("m1", 0))
    gather(database, 0)
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
    database: Database, channel: ChannelIntegration, ann: Presence, bob: Presence
) -> None:
    store(database, channel, customer_writes("m1", 0))
    gather(database, 0)
    [turn] = claim(database, ann, 30)
    with database.transaction() as session:
        assert turns.hold(session, turn, until=after(500))
    assert claim(database, bob, 499) == []
    assert len(claim(database, bob, 501)) == 1


def test_turns_are_written_down_and_ended_together_and_a_lost_one_harms_no_other(
    database: Database, channel: ChannelIntegration, ann: Presence, bob: Presence
) -> None:
    for name in ("a", "b", "c"):
        store(database, channel, thread(customer_writes(f"m_{name}", 0), thread_id=name))
    gather(database, 0)
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
    database: Database, channel: ChannelIntegration, ann: Presence, bob: Presence
) -> None:
    store(database, channel, customer_writes("m1", 0))
    gather(database, 0)
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
    database: Database, channel: ChannelIntegration, ann: Presence, bob: Presence
) -> None:
    store(database, channel, customer_writes("m1", 0))
    gather(database, 0)
    [anns] = claim(database, ann, 30)
    [bobs] = claim(database, bob, 200)
    close(database, bobs, Outcome.ANSWERED, 201)
    before = picture(database)
    assert not put_back(database, anns, 900)
    assert picture(database) == before


def test_a_locked_turn_is_read_as_it_is_now(
    database: Database, channel: ChannelIntegration, ann: Presence
) -> None:
    store(database, channel, customer_writes("m1", 0))
    gather(database, 0)
    [turn] = claim(database, ann, 30)
    store(database, channel, customer_writes("m2", 31))
    gather(database, 32)
    with database.transaction() as session:
        current = turns.lock(session, [turn]).get(turn.id)
        assert current is not None
        assert (current.message_count, current.due_at) == (2, after(61))


def test_a_turn_that_is_put_back_is_due_again_and_counts_its_failures(
    database: Database, channel: ChannelIntegration, ann: Presence, bob: Presence
) -> None:
    store(database, channel, customer_writes("m1", 0))
    gather(database, 0)
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
    gather(database, 0)
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
    database: Database, channel: ChannelIntegration, ann: Presence
) -> None:
    store(database, channel, customer_writes("m1", 0))
    gather(database, 0)
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
    database: Database, channel: ChannelIntegration, ann: Presence
) -> None:
    other = open_channel(database, account="other")
    store(database, channel, thread(customer_writes("m1", 0), thread_id="a"))
    store(database, other, thread(customer_writes("m2", 5), thread_id="b"))
    gather(database, 6)
    with database.transaction() as session:
        disconnect_channel(session, channel.id)
    [turn] = claim(database, ann, 60, limit=1)
    assert turn.conversation_id == conversation(database, "b").id
    assert claim(database, ann, 60) == []


# How a turn ends


def test_an_answered_turn_settles_its_messages_and_opens_the_conversation(
    database: Database, channel: ChannelIntegration, ann: Presence
) -> None:
    store(database, channel, customer_writes("m1", 0), customer_writes("m2", 1))
    gather(database, 2)
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
    database: Database, channel: ChannelIntegration, ann: Presence
) -> None:
    store(database, channel, customer_writes("m1", 0))
    gather(database, 2)
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
    assert gather(database, 41) == 0


def test_a_persons_answer_counts_when_it_follows_the_whole_turn(
    database: Database, channel: ChannelIntegration
) -> None:
    store(
        database, channel, customer_writes("m1", 0), shop_writes("p1", 1), customer_writes("m2", 2)
    )
    gather(database, 3)
    turn = only_turn(database)
    with database.transaction() as session:
        assert not is_answered_by_person(session, turn)
    store(database, channel, shop_writes("p2", 2))  # the same second, after it
    with database.transaction() as session:
        assert is_answered_by_person(session, turn)


# Switching the AI off and on


def switch(database: Database, seconds: float, *, enabled: bool) -> int:
    with database.transaction() as session:
        return switch_ai(session, conversation(database), enabled=enabled, now=after(seconds))


def test_switching_off_settles_what_waits_and_switching_on_takes_it_up_again(
    database: Database, channel: ChannelIntegration
) -> None:
    store(database, channel, customer_writes("m1", 0))
    switch(database, 1, enabled=False)
    settle(database, 2)
    assert gather(database, 2) == 0
    assert message(database, "m1").outcome == Outcome.AI_OFF
    assert switch(database, 3, enabled=True) == 1
    assert message(database, "m1").outcome is None
    settle(database, 4)
    assert gather(database, 4) == 1


def test_switching_on_takes_up_a_turn_that_was_closed_because_it_was_off(
    database: Database, channel: ChannelIntegration, ann: Presence
) -> None:
    store(database, channel, customer_writes("m1", 0))
    gather(database, 1)
    switch(database, 2, enabled=False)
    [turn] = claim(database, ann, 30)
    assert close(database, turn, Outcome.AI_OFF, 31)
    assert message(database, "m1").outcome == Outcome.AI_OFF
    assert switch(database, 40, enabled=True) == 1
    assert gather(database, 40) == 1
    [again] = claim(database, ann, 70)
    assert again.id != turn.id


def test_switching_on_leaves_what_a_person_has_answered_meanwhile(
    database: Database, channel: ChannelIntegration
) -> None:
    store(database, channel, customer_writes("m1", 0), customer_writes("old", -5))
    switch(database, 0, enabled=False)
    settle(database, 1)
    store(database, channel, shop_writes("p1", 10), customer_writes("m2", 20))
    settle(database, 21)
    assert switch(database, 22, enabled=True) == 1
    settle(database, 23)
    assert gather(database, 23) == 1
    outcomes = {row.message_id: row.outcome for row in rows(database, Message)}
    assert outcomes == {"m1": "ai_off", "old": "history", "p1": None, "m2": None}
    assert message(database, "m2").turn_id == only_turn(database).id


def test_switching_on_ends_the_pause_after_a_person(
    database: Database, channel: ChannelIntegration
) -> None:
    store(database, channel, shop_writes("p1", 1), customer_writes("m1", 2))
    settle(database, 3)
    assert message(database, "m1").outcome == Outcome.TAKEN_OVER
    assert switch(database, 4, enabled=True) == 1
    settle(database, 5)
    assert gather(database, 5) == 1


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
    settle(database, 1)
    assert gather(database, 1) == 1
    assert message(database, "m1").outcome == Outcome.AI_OFF
    assert message(database, "m2").outcome is None


# Real streams of messages


def streams() -> list[dict[str, Any]]:
    with BURSTS.open(encoding="utf-8", newline="\n") as lines:
        return [json.loads(line) for line in lines]


@pytest.mark.thorough
@pytest.mark.parametrize("window", [5, 10, 20, 30, 60])
def test_real_bursts_are_grouped_as_a_reader_would(
    database: Database, channel: ChannelIntegration, window: int, ann: Presence
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
            selection.gather(session, policy, now=after(second))
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
