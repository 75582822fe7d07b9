"""Storing what was fetched: each message once, in the platform's order, as what it is."""

import json
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime, timedelta
from pathlib import Path
from uuid import uuid4

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from shoptalk.db.conversations import last_messages, switch_ai
from shoptalk.db.deliveries import Receipt, record_sent
from shoptalk.db.engine import Database
from shoptalk.db.models import ChannelIntegration, Conversation, Delivery, Message, Turn, TurnStatus
from shoptalk.db.threads import find_threads
from shoptalk.importer.threads import rows_of, storable
from shoptalk.platforms.base import ThreadSlice
from shoptalk.types import Attachment, ContentType, Customer, InboundMessage, SenderType

from .rows import (
    NINE,
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

DATA = Path(__file__).parents[1] / "data"


def in_order(database: Database, thread_id: str = "t1") -> list[str]:
    conversation_id = conversation(database, thread_id).id
    with database.transaction() as session:
        return [row.message_id for row in last_messages(session, conversation_id, limit=1000)]


# Each message once


def test_a_message_is_one_row_however_often_it_is_stored(
    database: Database, channel: ChannelIntegration
) -> None:
    page = [customer_writes("m1", 1), shop_writes("m2", 2)]
    first = store(database, channel, *page)
    assert (first.seen, first.new, first.conversations) == (2, 2, 1)
    again = store(database, channel, *page, customer_writes("m3", 3))
    assert (again.seen, again.new, again.conversations) == (3, 1, 0)
    assert [row.message_id for row in rows(database, Message)] == ["m1", "m2", "m3"]
    assert conversation(database).message_count == 3


def test_a_message_stored_from_two_threads_at_once_is_one_row(
    database: Database, channel: ChannelIntegration
) -> None:
    threads = [
        thread(*(customer_writes(f"{name} {n}", n) for n in range(20)), thread_id=name)
        for name in ("a", "b", "c")
    ]
    with ThreadPoolExecutor(4) as pool:
        orders = [threads, threads[::-1], threads, threads[::-1]]
        stored = list(pool.map(lambda some: store(database, channel, *some), orders))
    assert sum(one.new for one in stored) == 60
    assert len(rows(database, Message)) == 60
    assert [row.message_count for row in rows(database, Conversation)] == [20, 20, 20]


def test_a_message_shown_twice_at_once_is_one_row(
    database: Database, channel: ChannelIntegration
) -> None:
    stored = store(
        database,
        channel,
        thread(customer_writes("m1"), customer_writes("m1"), thread_id="a"),
        thread(customer_writes("m1"), customer_writes("m2"), thread_id="b"),
    )
    assert stored.new == 2
    assert [row.message_id for row in rows(database, Message)] == ["m1", "m2"]
    assert sum(row.message_count for row in rows(database, Conversation)) == 2


def test_nothing_to_store_changes_nothing(database: Database, channel: ChannelIntegration) -> None:
    assert store(database, channel).seen == 0
    stored = store(database, channel, thread())
    assert (stored.seen, stored.new, stored.conversations) == (0, 0, 1)
    assert rows(database, Message) == []


# History and what is new


def test_what_was_written_before_the_connection_is_history(
    database: Database, channel: ChannelIntegration
) -> None:
    store(
        database,
        channel,
        customer_writes("old question", -60),
        shop_writes("old answer", -1),
        customer_writes("on the dot", 0),
        customer_writes("new question", 1),
    )
    seen = {
        row.message_id: (row.is_old, row.reply_sent, row.outcome) for row in rows(database, Message)
    }
    assert seen == {
        "old question": (True, True, "history"),
        "old answer": (True, True, None),
        "on the dot": (False, False, None),
        "new question": (False, False, None),
    }


def test_a_new_message_stays_new_when_it_is_first_seen_on_a_walk_into_history(
    database: Database, channel: ChannelIntegration
) -> None:
    store(database, channel, customer_writes("m1", 5), imported_at=after(86_400), backwards=True)
    assert not message(database, "m1").is_old
    assert message(database, "m1").imported_at == after(86_400)


def test_an_employees_message_joins_the_customers_conversation(
    database: Database, channel: ChannelIntegration
) -> None:
    store(database, channel, customer_writes("m1", 1))
    store(database, channel, shop_writes("m2", 2))
    assert [row.sender_type for row in rows(database, Message)] == ["customer", "employee"]
    assert len(rows(database, Conversation)) == 1


def test_two_channels_may_have_threads_of_the_same_name(database: Database) -> None:
    for account in ("one", "two"):
        store(database, open_channel(database, account=account), customer_writes(account))
    assert [row.thread_id for row in rows(database, Conversation)] == ["t1", "t1"]
    assert len({row.conversation_id for row in rows(database, Message)}) == 2


# The place of a message


def listed(seconds: Sequence[int]) -> list[InboundMessage]:
    """Messages as the platform has them, oldest first; their ids tell nothing of the order."""
    return [customer_writes(uuid4().hex, second) for second in sorted(seconds)]


def pages(messages: Sequence[InboundMessage], sizes: Sequence[int]) -> list[list[InboundMessage]]:
    cut, start = [], 0
    for size in sizes:
        cut.append(list(messages[start : start + size]))
        start += size
    return [page for page in [*cut, list(messages[start:])] if page]


def ids(messages: Sequence[InboundMessage]) -> list[str]:
    return [one.message_id for one in messages]


MOMENTS = st.lists(st.integers(0, 4), min_size=1, max_size=14)
SIZES = st.lists(st.integers(1, 5), max_size=6)
OVERLAP = st.integers(0, 3)
#: The database is not emptied between examples; each has its own thread.
property_test = settings(max_examples=25)


@property_test
@given(MOMENTS, SIZES, OVERLAP)
def test_polls_keep_the_platforms_order_within_a_second(
    database: Database,
    channel: ChannelIntegration,
    seconds: list[int],
    sizes: list[int],
    overlap: int,
) -> None:
    messages, name = listed(seconds), uuid4().hex
    stored = 0
    for page in pages(messages, sizes):
        again = messages[max(stored - overlap, 0) : stored]
        store(database, channel, thread(*again, *page, thread_id=name))
        stored += len(page)
    assert in_order(database, name) == ids(messages)


@property_test
@given(MOMENTS, MOMENTS, SIZES, OVERLAP)
def test_a_walk_into_history_keeps_the_platforms_order_within_a_second(
    database: Database,
    channel: ChannelIntegration,
    old: list[int],
    new: list[int],
    sizes: list[int],
    overlap: int,
) -> None:
    messages, name = listed([*old, *new]), uuid4().hex
    start, end = len(old), len(old) + (len(new) + 1) // 2  # of what is stored
    store(database, channel, thread(*messages[start:end], thread_id=name))
    for page in pages(messages[:start][::-1], sizes):
        shown = [*page[::-1], *messages[start:end][:overlap]]
        store(database, channel, thread(*shown, thread_id=name), backwards=True)
        start -= len(page)
        end = len(messages)  # polls go on meanwhile
        store(database, channel, thread(*messages[len(old) : end], thread_id=name))
    assert start == 0
    assert in_order(database, name) == ids(messages)


@property_test
@given(MOMENTS, SIZES, OVERLAP)
def test_a_thread_shown_on_several_pages_of_one_poll_keeps_its_order(
    database: Database,
    channel: ChannelIntegration,
    seconds: list[int],
    sizes: list[int],
    overlap: int,
) -> None:
    messages, name = listed(seconds), uuid4().hex
    newest_first = []
    end = len(messages)
    for page in pages(messages[::-1], sizes):
        shown = messages[end - len(page) : end + overlap]
        newest_first.append(thread(*shown, thread_id=name))
        end -= len(page)
    store(database, channel, *newest_first)
    assert in_order(database, name) == ids(messages)


def test_a_thread_read_again_in_one_poll_ends_with_what_was_written_meanwhile(
    database: Database, channel: ChannelIntegration
) -> None:
    one, two, three = (customer_writes(f"m{n}", 1) for n in (9, 8, 7))
    store(database, channel, thread(one, two), thread(one, two, three))
    assert in_order(database) == ["m9", "m8", "m7"]


# Our own messages


def begin_reply(
    database: Database, *contents: str, status: str = "sending", at: datetime = NINE
) -> list[Delivery]:
    """Deliveries in the conversation t1 that may have left us."""
    with database.transaction() as session:
        talk = conversation(database)
        turn = Turn(
            workspace_id=talk.workspace_id,
            conversation_id=talk.id,
            status=TurnStatus.SENDING,
            first_message_at=at,
            last_message_at=at,
            message_count=1,
            due_at=at,
            created_at=at,
        )
        session.add(turn)
        session.flush()
        deliveries = [
            Delivery(
                workspace_id=talk.workspace_id,
                conversation_id=talk.id,
                turn_id=turn.id,
                part_no=number,
                content=content,
                status=status,
                created_at=at,
                sending_at=None if status == "waiting" else at,
            )
            for number, content in enumerate(contents, start=1)
        ]
        session.add_all(deliveries)
    return deliveries


@pytest.mark.parametrize("status", ["sending", "uncertain"])
def test_our_reply_seen_by_a_poll_before_its_id_is_known_is_the_agents(
    database: Database, channel: ChannelIntegration, status: str
) -> None:
    store(database, channel, customer_writes("question", 1))
    [delivery] = begin_reply(database, "It is open.", status=status, at=after(30))
    store(database, channel, shop_writes("reply", 31, text=" It is open.\n"))
    assert message(database, "reply").sender_type == SenderType.AGENT
    [seen] = rows(database, Delivery)
    assert seen.message_id == "reply"

    with database.transaction() as session:  # the sender gets round to writing it down
        record_sent(session, [Receipt(delivery=delivery, message_id="reply")], now=after(32))
    assert message(database, "reply").created_at == after(31)
    assert conversation(database).message_count == 2
    assert [row.status for row in rows(database, Delivery)] == ["sent"]


def test_a_persons_message_is_not_taken_for_the_agents(
    database: Database, channel: ChannelIntegration
) -> None:
    store(database, channel, customer_writes("question", 1), shop_writes("early", 2, text="Yes"))
    begin_reply(database, "Yes", "No", at=after(300))
    store(
        database,
        channel,
        shop_writes("long before", 179, text="Yes"),
        shop_writes("other words", 301, text="Yes!"),
        customer_writes("the customer's", 302, text="Yes"),
    )
    assert {row.message_id: row.sender_type for row in rows(database, Message)} == {
        "question": "customer",
        "early": "employee",
        "long before": "employee",
        "other words": "employee",
        "the customer's": "customer",
    }
    assert [row.message_id for row in rows(database, Delivery)] == [None, None]


@pytest.mark.parametrize("status", ["waiting", "sent", "failed"])
def test_a_delivery_that_cannot_be_under_way_claims_nobodys_message(
    database: Database, channel: ChannelIntegration, status: str
) -> None:
    store(database, channel, customer_writes("question", 1))
    begin_reply(database, "Yes", status=status, at=after(30))
    store(database, channel, shop_writes("a person's", 31, text="Yes"))
    assert message(database, "a person's").sender_type == SenderType.EMPLOYEE


def test_one_delivery_claims_one_message(database: Database, channel: ChannelIntegration) -> None:
    store(database, channel, customer_writes("question", 1))
    begin_reply(database, "Yes", at=after(30))
    store(
        database,
        channel,
        shop_writes("ours", 31, text="Yes"),
        shop_writes("a person repeats it", 32, text="Yes"),
    )
    senders = {row.message_id: row.sender_type for row in rows(database, Message)}
    assert senders["ours"] == SenderType.AGENT
    assert senders["a person repeats it"] == SenderType.EMPLOYEE


def test_a_reply_of_another_conversation_is_not_recognised_here(
    database: Database, channel: ChannelIntegration
) -> None:
    store(database, channel, customer_writes("question", 1))
    begin_reply(database, "Yes", at=after(30))
    store(database, channel, thread(shop_writes("elsewhere", 31, text="Yes"), thread_id="t2"))
    assert message(database, "elsewhere").sender_type == SenderType.EMPLOYEE


def test_the_platforms_time_of_our_message_replaces_our_own(
    database: Database, channel: ChannelIntegration
) -> None:
    store(database, channel, customer_writes("question", 1))
    [delivery] = begin_reply(database, "Yes", at=after(30))
    with database.transaction() as session:
        record_sent(session, [Receipt(delivery=delivery, message_id="reply")], now=after(35.25))
    assert message(database, "reply").created_at == after(35.25)

    stored = store(
        database,
        channel,
        customer_writes("question", 10),  # a time that changes is believed for ours only
        shop_writes("reply", 31, text="Yes"),
    )
    assert stored.new == 0
    assert message(database, "reply").created_at == after(31)
    assert message(database, "reply").sender_type == SenderType.AGENT
    assert message(database, "question").created_at == after(1)
    assert conversation(database).message_count == 2


# What a conversation knows of itself


def test_a_conversation_counts_its_messages_and_knows_the_newest(
    database: Database, channel: ChannelIntegration
) -> None:
    store(database, channel, customer_writes("m2", 20), customer_writes("m3", 30))
    store(database, channel, customer_writes("m1", 10), backwards=True)
    talk = conversation(database)
    assert (talk.message_count, talk.last_message_at) == (3, after(30))
    store(database, channel, customer_writes("m4", 40))
    talk = conversation(database)
    assert (talk.message_count, talk.last_message_at) == (4, after(40))


@pytest.mark.parametrize(
    ("status", "who", "then"),
    [
        ("new", customer_writes, "new"),
        ("new", shop_writes, "open"),
        ("open", customer_writes, "open"),
        ("open", shop_writes, "open"),
        ("pending", customer_writes, "pending"),
        ("pending", shop_writes, "pending"),
        ("closed", customer_writes, "open"),
        ("closed", shop_writes, "closed"),
    ],
)
def test_who_writes_decides_what_a_conversation_becomes(
    database: Database,
    channel: ChannelIntegration,
    status: str,
    who: Callable[[str, float], InboundMessage],
    then: str,
) -> None:
    store(database, channel, customer_writes("m1", 1))
    with database.transaction() as session:
        session.get_one(Conversation, conversation(database).id).status = status
    store(database, channel, who("m2", 2))
    assert conversation(database).status == then
    store(database, channel, who("m2", 2))  # seen again: nothing new was written
    assert conversation(database).status == then


def test_a_closed_conversation_is_not_opened_by_messages_seen_again(
    database: Database, channel: ChannelIntegration
) -> None:
    store(database, channel, customer_writes("m1", 1))
    with database.transaction() as session:
        session.get_one(Conversation, conversation(database).id).status = "closed"
    store(database, channel, customer_writes("m1", 1))
    assert conversation(database).status == "closed"


@pytest.mark.parametrize("ai_default", [True, False])
def test_the_channel_decides_whether_the_ai_answers_new_conversations(
    database: Database, ai_default: bool
) -> None:
    channel = open_channel(database, ai_default=ai_default)
    store(database, channel, customer_writes("m1"))
    assert conversation(database).ai_enabled is ai_default
    with database.transaction() as session:
        switch_ai(session, conversation(database), enabled=not ai_default, now=NINE)
    store(database, channel, customer_writes("m2"))
    assert conversation(database).ai_enabled is not ai_default


def test_what_is_known_of_a_thread_never_goes_back(
    database: Database, channel: ChannelIntegration
) -> None:
    store(database, channel, thread(customer_writes("m1"), updated_at=after(60)))
    store(database, channel, thread(customer_writes("m2"), updated_at=after(30)))
    store(database, channel, thread(customer_writes("m3"), updated_at=None))
    with database.transaction() as session:
        known = find_threads(session, channel.id, ["t1", "t2"])
    assert list(known) == ["t1"]
    assert known["t1"].thread_updated_at == after(60)
    assert known["t1"].history_complete
    assert known["t1"].broken_until is None


def test_a_name_the_platform_stops_telling_is_kept(
    database: Database, channel: ChannelIntegration
) -> None:
    store(database, channel, customer_writes("m1"))
    piece = ThreadSlice(
        thread_id="t1", customer=Customer(customer_id="1", phone="+96170000000"), updated_at=None
    )
    store(database, channel, rows_of(piece, [customer_writes("m2")], history_complete=False))
    talk = conversation(database)
    assert (talk.customer_name, talk.customer_phone) == ("Rima", "+96170000000")
    assert talk.history_complete


# Hostile text


def naughty_strings() -> list[str]:
    with (DATA / "naughty_strings.jsonl").open(encoding="utf-8", newline="\n") as lines:
        return [json.loads(line)["text"] for line in lines]


def test_hostile_text_is_stored_and_read_back_unchanged(
    database: Database, channel: ChannelIntegration
) -> None:
    strings = [text for text in naughty_strings() if storable(text) == text]
    assert len(strings) > 500
    hostile = "'); DROP TABLE messages; --\x1b[2J\u202e{%s} :id \\x00 \r\n\u2028"
    attachment = Attachment(kind=ContentType.IMAGE, url=hostile, name=hostile)
    piece = ThreadSlice(
        thread_id=hostile, customer=Customer(customer_id=hostile, name=hostile), updated_at=None
    )
    newest_first = [
        InboundMessage(
            message_id=f"{number} {text}",
            sender_type=SenderType.CUSTOMER,
            created_at=after(number),
            text=text,
            attachments=[attachment],
            reply_to=text,
        )
        for number, text in enumerate(strings)
    ][::-1]
    store(database, channel, rows_of(piece, newest_first, history_complete=True))
    stored = rows(database, Message)
    stored.sort(key=lambda row: row.created_at)
    assert [row.content for row in stored] == strings
    assert [row.reply_to for row in stored] == strings
    assert {row.message_id for row in stored} == {one.message_id for one in newest_first}
    assert stored[0].attachments == [{"kind": "image", "url": hostile, "name": hostile}]
    talk = conversation(database, hostile)
    assert (talk.customer_id, talk.customer_name) == (hostile, hostile)


def test_only_what_the_database_cannot_hold_is_replaced(
    database: Database, channel: ChannelIntegration
) -> None:
    broken = "a\0b\ud800c\udfffd"
    attachment = Attachment(kind=ContentType.FILE, url=broken, title=broken, size=7)
    piece = ThreadSlice(
        thread_id=broken,
        customer=Customer(customer_id=broken, name=broken, phone=broken),
        updated_at=None,
    )
    shown = InboundMessage(
        message_id=broken,
        sender_type=SenderType.CUSTOMER,
        created_at=after(1),
        text=broken,
        attachments=[attachment],
        reply_to=broken,
    )
    for _ in range(2):  # and the id is still one id the second time
        store(database, channel, rows_of(piece, [shown], history_complete=True))
    [stored] = rows(database, Message)
    mended = "a\ufffdb\ufffdc\ufffdd"
    assert (stored.message_id, stored.content, stored.reply_to) == (mended, mended, mended)
    assert stored.attachments == [{"kind": "file", "url": mended, "title": mended, "size": 7}]
    assert conversation(database, mended).customer_phone == mended


@settings(max_examples=200)
@given(st.text(st.characters()))
def test_text_that_can_be_stored_is_left_as_it_is(text: str) -> None:
    kept = storable(text)
    assert len(kept) == len(text)
    assert "\0" not in kept
    kept.encode()
    assert all(
        new == old or old == "\0" or "\ud800" <= old <= "\udfff"
        for new, old in zip(kept, text, strict=True)
    )


def test_a_moment_is_stored_to_the_microsecond_with_its_zone(
    database: Database, channel: ChannelIntegration
) -> None:
    moment = NINE + timedelta(microseconds=1)
    store(database, channel, customer_writes("m1", at=moment))
    stored = message(database, "m1").created_at
    assert stored == moment
    assert stored.utcoffset() == timedelta(0)
