"""What became of deliveries after the platform took them."""

from concurrent.futures import ThreadPoolExecutor
from datetime import datetime, timedelta

import pytest
from sqlalchemy import text, update

from shoptalk.db import turns
from shoptalk.db.deliveries import Receipt, begin_sending, deliveries_of, record_sent, retry
from shoptalk.db.delivery_reports import (
    CHECKED_FOR,
    FIRST_CHECK,
    LONGEST_BETWEEN,
    deliveries_to_check,
    note_reports,
)
from shoptalk.db.engine import Database
from shoptalk.db.models import ChannelIntegration, Delivery, Message, Turn, TurnStatus
from shoptalk.db.selection import BufferPolicy, open_turns
from shoptalk.db.turns import lock_conversations
from shoptalk.errors import UsageError
from shoptalk.types import DeliveryReport, Outcome

from ..patience import PATIENCE, eventually
from .rows import after, conversation, customer_writes, message, open_channel, rows, store

ARRIVED = DeliveryReport(arrived=True)
LOST = DeliveryReport(arrived=False, reason="out of reach (30003)", outcome=Outcome.UNREACHABLE)
AT_ONCE = BufferPolicy(quiet=timedelta(0), most_messages=1, longest=timedelta(0))


def send(database: Database, channel: ChannelIntegration, *parts: str) -> Turn:
    """A turn of one message "m1", of which all parts ("sid1", ...) were taken at 10 seconds."""
    store(database, channel, customer_writes("m1", 1))
    with database.transaction() as session:
        open_turns(session, AT_ONCE, now=after(2))
        [turn] = turns.claim_due(session, claimant="us", now=after(3), until=after(60), limit=1)
        turns.write_down(session, {turn: parts}, now=after(4), until=after(60))
    for number, _ in enumerate(parts):
        with database.transaction() as session:
            delivery = deliveries_of(session, turn)[number]
            if delivery.status == "waiting":
                assert begin_sending(session, turn, delivery, now=after(5))
            receipt = Receipt(
                delivery=delivery,
                message_id=f"sid{number + 1}",
                check_at=after(10) + FIRST_CHECK,
            )
            record_sent(session, [receipt], now=after(10))
    return turn


def close(database: Database, turn: Turn) -> None:
    with database.transaction() as session:
        assert turns.close(session, [turn], Outcome.ANSWERED, now=after(11))


def report(database: Database, channel: ChannelIntegration, **reports: DeliveryReport) -> None:
    with database.transaction() as session:
        note_reports(session, channel.id, reports, now=after(20))


def due(database: Database, channel: ChannelIntegration, seconds: float) -> list[str]:
    with database.transaction() as session:
        return list(deliveries_to_check(session, channel.id, now=after(seconds), limit=10))


def only_delivery(database: Database) -> Delivery:
    [delivery] = rows(database, Delivery)
    return delivery


def test_a_report_of_arrival_settles_the_delivery(
    database: Database, channel: ChannelIntegration
) -> None:
    close(database, send(database, channel, "Hello"))
    report(database, channel, sid1=ARRIVED, stranger=ARRIVED)
    assert only_delivery(database).status == "delivered"
    assert message(database, "sid1").status == "delivered"
    assert message(database, "m1").outcome == Outcome.ANSWERED
    assert due(database, channel, 10**6) == []


def test_a_failure_that_is_told_while_the_turn_is_open_waits_until_it_is_closed(
    database: Database, channel: ChannelIntegration
) -> None:
    turn = send(database, channel, "one", "two")
    report(database, channel, sid1=LOST)
    assert [row.status for row in rows(database, Delivery)] == ["sent", "sent"]
    close(database, turn)
    assert due(database, channel, 60) == ["sid1", "sid2"]
    report(database, channel, sid1=LOST)
    assert [row.status for row in rows(database, Delivery)] == ["failed", "sent"]
    assert message(database, "m1").outcome == Outcome.UNREACHABLE
    assert not message(database, "m1").reply_sent
    [closed] = rows(database, Turn)
    assert (closed.status, closed.error) == (TurnStatus.CLOSED, LOST.reason)


def test_a_report_is_settled_once_and_the_first_counts(
    database: Database, channel: ChannelIntegration
) -> None:
    close(database, send(database, channel, "Hello"))
    report(database, channel, sid1=ARRIVED)
    report(database, channel, sid1=LOST)
    assert only_delivery(database).status == "delivered"
    assert message(database, "m1").outcome == Outcome.ANSWERED


def test_a_report_of_another_channel_changes_nothing(
    database: Database, channel: ChannelIntegration
) -> None:
    other = open_channel(database, workspace="another shop", account="other")
    close(database, send(database, channel, "Hello"))
    report(database, other, sid1=LOST)
    assert only_delivery(database).status == "sent"
    assert due(database, other, 10**6) == []


def test_an_opt_out_that_is_told_late_counts_from_the_message_it_answered(
    database: Database, channel: ChannelIntegration
) -> None:
    close(database, send(database, channel, "Hello"))
    late = DeliveryReport(arrived=False, reason="opted out", outcome=Outcome.OPTED_OUT)
    report(database, channel, sid1=late)
    assert conversation(database).opted_out_at == after(1)


def test_nothing_is_tried_again_for_who_has_opted_out(
    database: Database, channel: ChannelIntegration
) -> None:
    close(database, send(database, channel, "Hello"))
    late = DeliveryReport(arrived=False, reason="opted out", outcome=Outcome.OPTED_OUT)
    report(database, channel, sid1=late)
    with pytest.raises(UsageError, match="opted out"), database.transaction() as session:
        retry(session, only_delivery(database), now=after(100))
    assert only_delivery(database).status == "failed"


def test_each_wait_is_as_long_as_it_took_so_far_up_to_a_limit(
    database: Database, channel: ChannelIntegration
) -> None:
    close(database, send(database, channel, "Hello"))
    waits = []
    moment: datetime | None = after(10) + FIRST_CHECK
    while moment is not None:
        with database.transaction() as session:
            note_reports(session, channel.id, {}, asked=["sid1"], now=moment)
        following = only_delivery(database).check_at
        waits += [following - moment] if following else []
        moment = following
    assert waits[:3] == [FIRST_CHECK, 2 * FIRST_CHECK, 4 * FIRST_CHECK]
    assert waits[-1] == LONGEST_BETWEEN
    assert sum(waits, FIRST_CHECK) >= CHECKED_FOR
    assert only_delivery(database).status == "sent"


def test_what_failed_later_is_tried_again_as_a_new_message(
    database: Database, channel: ChannelIntegration
) -> None:
    close(database, send(database, channel, "Hello"))
    report(database, channel, sid1=LOST)
    with database.transaction() as session:
        retry(session, only_delivery(database), now=after(100))
    row = only_delivery(database)
    assert (row.status, row.message_id, row.sent_at) == ("waiting", None, None)
    assert message(database, "sid1").status == "failed"


def test_settling_and_recording_never_wait_for_each_other(
    database: Database, channel: ChannelIntegration
) -> None:
    """Whoever records locks the conversations first, whatever it changes then."""
    close(database, send(database, channel, "Hello"))
    news = {"sid1": ARRIVED}
    with database.transaction() as recording:
        lock_conversations(recording, [conversation(database).id])
        with ThreadPoolExecutor() as pool:
            settled = pool.submit(report, database, channel, **news)
            eventually(lambda: waits_for_a_lock(database))
            recording.execute(update(Delivery).values(attempts=2))
            recording.execute(update(Message).values(status="sent"))
            recording.commit()
            settled.result(timeout=PATIENCE)
    assert only_delivery(database).status == "delivered"


def waits_for_a_lock(database: Database) -> bool:
    with database.transaction() as session:
        waiting = text(
            "SELECT EXISTS (SELECT FROM pg_stat_activity WHERE wait_event_type = 'Lock')"
        )
        return bool(session.scalar(waiting))
