"""Replies that were given up as uncertain, and that an import meets after all."""

from shoptalk.db import turns
from shoptalk.db.deliveries import Receipt, record_sent, settle_unsent
from shoptalk.db.engine import Database
from shoptalk.db.models import ChannelIntegration, Delivery, Turn
from shoptalk.db.selection import BufferPolicy, open_turns
from shoptalk.types import Outcome

from .rows import after, customer_writes, message, rows, shop_writes, store

AT_ONCE = BufferPolicy(quiet=after(0) - after(0), most_messages=1, longest=after(0) - after(0))


def give_up(database: Database, channel: ChannelIntegration, *parts: str, sent: int = 0) -> Turn:
    """A turn of one message "m1": the first `sent` parts were taken, of the next nobody knows."""
    store(database, channel, customer_writes("m1", 1))
    with database.transaction() as session:
        open_turns(session, AT_ONCE, now=after(2))
        [turn] = turns.claim_due(session, claimant="us", now=after(3), until=after(60), limit=1)
        written = turns.write_down(session, {turn: parts}, now=after(4), until=after(60))[turn.id]
        for number, delivery in enumerate(written[:sent], start=1):
            receipt = Receipt(delivery=delivery, message_id=f"sid{number}")
            record_sent(session, [receipt], now=after(5))
        if sent:
            written[sent].status, written[sent].sending_at = "sending", after(5)
    with database.transaction() as session:
        settle_unsent(session, turn, "uncertain", "nobody knows")
        turns.close(
            session, [turn], Outcome.DELIVERY_UNCERTAIN, now=after(60), error="nobody knows"
        )
    return turn


def stands(database: Database) -> tuple[list[str], str, str | None, bool]:
    """The deliveries, the turn, and what the message is said to have come to."""
    [turn] = rows(database, Turn)
    asked = message(database, "m1")
    statuses = [each.status for each in rows(database, Delivery)]
    assert (asked.outcome, asked.failure_reason) == (turn.outcome, turn.error)
    return statuses, turn.status, turn.outcome, asked.reply_sent


def test_a_reply_that_is_met_was_an_answer(database: Database, channel: ChannelIntegration) -> None:
    give_up(database, channel, "Yes")
    assert stands(database) == (["uncertain"], "closed", "delivery_uncertain", False)
    store(database, channel, shop_writes("reply", 6, text="Yes"))
    assert stands(database) == (["sent"], "answered", "answered", True)
    [delivery] = rows(database, Delivery)
    assert (delivery.message_id, delivery.sent_at) == ("reply", after(6))
    assert delivery.failure_reason is None
    assert (message(database, "reply").sender_type, message(database, "reply").status) == (
        "agent",
        "sent",
    )


def test_one_of_which_a_part_was_never_sent_stays_with_the_people(
    database: Database, channel: ChannelIntegration
) -> None:
    give_up(database, channel, "One", "Two", "Three", sent=1)
    store(
        database, channel, shop_writes("reply", 6, text="Two"), shop_writes("own", 7, text="Three")
    )
    assert stands(database) == (
        ["sent", "sent", "uncertain"],
        "closed",
        "delivery_uncertain",
        False,
    )
    assert message(database, "own").sender_type == "employee"


def test_the_last_part_that_is_met_makes_it_an_answer(
    database: Database, channel: ChannelIntegration
) -> None:
    give_up(database, channel, "One", "Two", sent=1)
    store(database, channel, shop_writes("reply", 6, text="Two"))
    assert stands(database) == (["sent", "sent"], "answered", "answered", True)
