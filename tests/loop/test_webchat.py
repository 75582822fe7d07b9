"""The shop's own web chat goes the way of any platform: polled, answered once, left to people."""

from collections.abc import Sequence
from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import text
from sqlalchemy.orm import Session

from shoptalk.db import webchat_rows
from shoptalk.db.channels import disconnect_channel
from shoptalk.db.models import (
    ChatMessage,
    ChatSession,
    Conversation,
    Delivery,
    ImportRun,
    Message,
    Turn,
)
from shoptalk.platforms.base import Recipient
from shoptalk.responder import sender
from shoptalk.types import Outcome, SenderType
from tests.loop.chat import SITE, Chat
from tests.loop.shop import KETTLE, Shop


@pytest.fixture
def site(shop: Shop) -> Chat:
    return Chat(shop)


def test_a_visitor_is_answered_once_in_his_session(shop: Shop, site: Chat) -> None:
    shop.wait(seconds=5)
    message_id = site.visitor_writes("Hello!")
    assert shop.answers() == {"answered": 1}
    assert [sender for sender, _ in site.shown()] == ["customer", "agent"]
    shop.wait(minutes=5)
    assert shop.answers() == {}
    assert len(site.answered()) == 1
    assert shop.why(message_id) == "It was answered."
    [conversation] = shop.rows(Conversation)
    assert (conversation.thread_id, conversation.customer_id) == ("session-ann", "visitor-ann")
    assert conversation.customer_name == "Ann"
    assert [message.sender_type for message in shop.rows(Message)] == ["customer", "agent"]


def test_a_burst_in_one_moment_is_one_turn_and_kept_in_order(shop: Shop, site: Chat) -> None:
    words = [f"word {number}" for number in range(30)]
    for word in words:
        site.visitor_writes(word)
    assert shop.answers() == {"answered": 1}
    stored = [each for each in shop.rows(Message) if each.sender_type == "customer"]
    stored.sort(key=lambda message: (message.created_at, message.sequence_no))
    assert [message.content for message in stored] == words
    assert [turn.message_count for turn in shop.rows(Turn)] == [30]


def test_what_is_written_in_the_moment_of_a_poll_is_seen_by_the_next(
    shop: Shop, site: Chat
) -> None:
    for number in range(3):
        site.visitor_writes(f"word {number}")  # the clock stands still
        assert shop.imports()[0].stored.new == 1


def test_an_idle_chat_is_asked_once_and_brings_nothing(shop: Shop, site: Chat) -> None:
    site.visitor_writes("Hello!")
    shop.imports()
    shop.wait(minutes=10)
    shop.imports()
    [report] = shop.imports()
    assert (report.calls, report.stored.new) == (1, 0)


def test_many_sessions_are_walked_page_by_page_and_answered_each(shop: Shop, site: Chat) -> None:
    people = [f"visitor{number}" for number in range(60)]
    for who in people:
        site.visitor_writes("Hello!", who=who)
    [report, *_] = shop.imports()
    assert report.stored.new == 60
    assert report.calls == 2  # 25 sessions, then twice as many
    shop.wait(seconds=31)
    assert shop.replies() == {"answered": 60}
    assert all(len(site.answered(who)) == 1 for who in people)


def test_what_was_written_while_the_chat_was_disconnected_is_history(
    shop: Shop, site: Chat
) -> None:
    with site.transaction() as session:
        disconnect_channel(session, site.channel.id)
    shop.wait(minutes=1)
    meanwhile = site.visitor_writes("Anyone there?")
    shop.wait(minutes=1)
    site.reconnect()
    later = site.visitor_writes("Hello?")
    assert shop.answers() == {"answered": 1}
    assert shop.message(meanwhile).outcome == Outcome.HISTORY
    assert shop.message(later).outcome == Outcome.ANSWERED


def test_a_person_who_answers_in_the_chat_takes_the_conversation_over(
    shop: Shop, site: Chat
) -> None:
    asked = site.visitor_writes("Hello!")
    shop.wait(seconds=5)
    site.employee_writes("Sam here, how can I help?")
    assert shop.answers() == {}
    assert shop.message(asked).outcome == Outcome.ANSWERED_BY_PERSON
    shop.wait(minutes=1)
    more = site.visitor_writes("Is it open today?")
    assert shop.answers() == {}
    assert shop.message(more).outcome == Outcome.TAKEN_OVER
    assert site.answered() == []


def test_an_order_is_made_in_the_chat(shop: Shop, site: Chat) -> None:
    shop.sells(KETTLE)
    for burst in (
        ["Hi, I want to order 2 electric kettles"],
        ["Ann Baker", "7 Mill Road, Leeds", "555-0128"],
        ["yes please"],
    ):
        shop.wait(seconds=5)
        for words in burst:
            site.visitor_writes(words)
        assert shop.answers() == {"answered": 1}
    [order] = shop.orders()
    assert (order.product_id, order.quantity) == ("k1", 2)
    assert "99.80" in site.answered()[-1]


class DiedThere(Exception):
    """Stands for the end of a process, as far as the rows can tell."""


@pytest.mark.parametrize("point", ["send.marked", "send.answered", "send.recorded"])
def test_who_dies_around_a_send_leaves_one_answer(
    shop: Shop, site: Chat, monkeypatch: pytest.MonkeyPatch, point: str
) -> None:
    site.visitor_writes("Hello!")
    shop.imports()
    shop.replies()
    shop.wait(seconds=31)

    def die(reached: str) -> None:
        if reached == point:
            raise DiedThere

    with monkeypatch.context() as patch:
        patch.setattr(sender, "failpoint", die)
        assert shop.replies() == {"waiting": 1}
    for _ in range(6):
        shop.wait(minutes=1)
        shop.imports()
        shop.replies()
    assert len(site.answered()) == 1
    [delivery] = shop.rows(Delivery)
    assert delivery.status == "sent"
    assert delivery.message_id == f"webchat_{site.messages()[-1].id}"
    assert [turn.outcome for turn in shop.rows(Turn)] == [Outcome.ANSWERED]
    assert [message.sender_type for message in shop.rows(Message)] == ["customer", "agent"]


def test_a_commit_whose_answer_was_lost_is_looked_for_and_sent_again_if_it_is_not_there(
    shop: Shop, site: Chat, monkeypatch: pytest.MonkeyPatch
) -> None:
    site.visitor_writes("Hello!")
    real = webchat_rows.agent_writes

    def write_and_be_cut_off(session: Session, *args: Any, **more: Any) -> ChatMessage:
        written = real(session, *args, **more)
        cut_off(shop, session)
        return written

    with monkeypatch.context() as patch:
        patch.setattr(webchat_rows, "agent_writes", write_and_be_cut_off)
        assert shop.answers() == {"waiting": 1}
    [delivery] = shop.rows(Delivery)
    assert delivery.status == "sending"
    assert site.answered() == []
    shop.wait(minutes=2)
    assert shop.replies() == {"answered": 1}
    assert len(site.answered()) == 1


def test_a_send_that_stored_nothing_is_tried_again(
    shop: Shop, site: Chat, monkeypatch: pytest.MonkeyPatch
) -> None:
    site.visitor_writes("Hello!")
    real = webchat_rows.find_session

    def be_cut_off(session: Session, *args: Any) -> ChatSession | None:
        cut_off(shop, session)
        return real(session, *args)

    with monkeypatch.context() as patch:
        patch.setattr(webchat_rows, "find_session", be_cut_off)
        assert shop.answers() == {"waiting": 1}
        [delivery] = shop.rows(Delivery)
        assert (delivery.status, site.answered()) == ("waiting", [])
        assert "Hello" not in (delivery.failure_reason or "")
    shop.wait(minutes=2)
    assert shop.replies() == {"answered": 1}


def cut_off(shop: Shop, session: Session) -> None:
    """End the session's connection, as a server that is stopped does."""
    number = session.scalar(text("SELECT pg_backend_pid()"))
    with shop.app.database.transaction() as other:
        other.execute(text("SELECT pg_terminate_backend(:number, 60000)"), {"number": number})


def test_a_delivery_tried_again_by_hand_is_not_shown_twice(shop: Shop, site: Chat) -> None:
    site.visitor_writes("Hello!")
    shop.answers()
    [delivery] = shop.rows(Delivery)
    [platform] = [shop.app.platform_of(channel) for channel in shop.channels()]
    recipient = Recipient(
        thread_id="session-ann", customer_id="visitor-ann", reference=f"delivery_{delivery.id}"
    )
    assert platform.send(recipient, delivery.content) == delivery.message_id
    assert len(site.answered()) == 1


def test_a_visitor_who_guesses_our_reference_does_not_keep_our_answer_away(
    shop: Shop, site: Chat
) -> None:
    site.visitor_writes("Hello!", reference="delivery_1")
    assert shop.answers() == {"answered": 1}
    assert len(site.answered()) == 1


def test_a_message_that_the_page_sends_again_is_stored_once(shop: Shop, site: Chat) -> None:
    first = site.visitor_writes("Hello!", reference="page-1")
    shop.wait(seconds=3)
    assert site.visitor_writes("Hello!", reference="page-1") == first
    assert site.visitor_writes("Hello!", reference="page-1", who="bob") != first
    assert [each.content for each in site.messages()] == ["Hello!"]


@pytest.mark.parametrize("off_by", [timedelta(minutes=-90), timedelta(minutes=90)])
def test_machines_that_disagree_on_the_time_hide_nothing_from_the_polls(
    shop: Shop, site: Chat, off_by: timedelta
) -> None:
    for number in range(4):
        shop.wait(minutes=5)
        shop.imports()  # what was seen is settled by now
        wrong = off_by.total_seconds() if number % 2 else 0
        shop.wait(seconds=wrong)
        site.visitor_writes(f"word {number}", who=f"visitor{number % 3}")
        shop.wait(seconds=-wrong)
        assert shop.imports()[0].stored.new == 1
    times = [message.created_at for message in shop.rows(Message)]
    assert times == sorted(times)


def test_read_state_is_kept_for_both_sides(shop: Shop, site: Chat) -> None:
    site.visitor_writes("Hello!")
    site.visitor_writes("Anyone?")
    shop.answers()
    with site.transaction() as session:
        ann = site.session_of(session, "ann")
        assert webchat_rows.count_unread(session, ann, reader=SenderType.EMPLOYEE) == 2
        assert webchat_rows.count_unread(session, ann, reader=SenderType.CUSTOMER) == 1
        first, _, answer = (message.id for message in site.messages())
        for expected in (1, 0):
            read = webchat_rows.mark_read(
                session, ann, reader=SenderType.EMPLOYEE, up_to=first, now=shop.now
            )
            assert read == expected
        webchat_rows.mark_read(session, ann, reader=SenderType.CUSTOMER, up_to=answer, now=shop.now)
        assert webchat_rows.count_unread(session, ann, reader=SenderType.EMPLOYEE) == 1
        assert webchat_rows.count_unread(session, ann, reader=SenderType.CUSTOMER) == 0
    assert [message.read_at for message in site.messages()] == [shop.now, None, shop.now]


def test_typing_is_shown_until_the_answer_is_there(shop: Shop, site: Chat) -> None:
    site.visitor_writes("Hello!")
    shop.imports()
    shop.replies()
    shop.wait(seconds=31)
    shown: list[object] = []

    def look() -> None:
        with site.transaction() as session:
            shown.append(site.session_of(session, "ann").typing_until)

    shop.replies(while_thinking=look)
    look()
    assert shown == [shop.now + timedelta(seconds=30), None]


def test_a_session_is_its_visitors_alone(shop: Shop, site: Chat) -> None:
    site.visitor_writes("Hello!")
    with site.transaction() as session:
        mallory = webchat_rows.keep_visitor(session, site.channel, "visitor-mallory")
        assert webchat_rows.open_session(session, mallory, "session-ann") is None


def test_two_sites_with_the_same_session_id_never_meet(shop: Shop, site: Chat) -> None:
    other = Chat(shop, site="other-shop.example", ai=False)
    site.visitor_writes("Hello!")
    other.visitor_writes("Hello, other!")
    assert shop.answers() == {"answered": 1}
    assert [text for _, text in other.shown()] == ["Hello, other!"]
    assert len(site.answered()) == 1


@pytest.mark.parametrize("words", ["nul \0 byte", "half \ud800 pair", "\u202eturned", "<b>'; DROP"])
def test_whatever_a_visitor_writes_is_stored(shop: Shop, site: Chat, words: str) -> None:
    message_id = site.visitor_writes(words)
    shop.imports()
    kept = words.replace("\0", "\ufffd").replace("\ud800", "\ufffd")
    assert shop.message(message_id).content == kept


def test_the_chat_of_a_channel_that_waits_after_a_failure_is_not_lost(
    shop: Shop, site: Chat
) -> None:
    with site.transaction() as session:
        session.execute(text("ALTER TABLE chat_sessions RENAME TO chat_sessions_away"))
    try:
        site_failed = _errors(shop)
    finally:
        with site.transaction() as session:
            session.execute(text("ALTER TABLE chat_sessions_away RENAME TO chat_sessions"))
    assert site_failed
    message_id = site.visitor_writes("Hello!")
    shop.wait(minutes=1)
    shop.imports()
    assert shop.message(message_id).content == "Hello!"
    errors = [run.error for run in shop.rows(ImportRun)]
    assert errors == [*site_failed, *[None] * (len(errors) - len(site_failed))]
    assert len(errors) > len(site_failed)


def _errors(shop: Shop) -> Sequence[str]:
    return [report.error for report in shop.imports() if report.error is not None]


def test_the_site_is_what_the_channel_is_called(shop: Shop, site: Chat) -> None:
    assert (site.channel.external_id, site.channel.display_name) == (SITE, SITE)
    assert site.channel.connected_at == shop.now
