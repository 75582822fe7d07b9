"""The whole loop through Chatwoot, over HTTP: below a sub-path, with people at the dashboard."""

from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from shoptalk.agents.models.base import ModelSession, Prompt
from shoptalk.db.conversations import switch_ai
from shoptalk.db.embedded import EmbeddedServer
from shoptalk.db.engine import Database
from shoptalk.db.models import ChannelIntegration, Conversation, Delivery, Message
from shoptalk.errors import ChannelStopped
from shoptalk.platforms.chatwoot.adapter import HANDED_OVER
from shoptalk.responder.sender import MOST_SENDS
from shoptalk.sandbox.chatwoot.desk import COLLEAGUE, GREETER, SALES, WEBSITE, WHATSAPP, Ticket
from shoptalk.sandbox.messages import Side, StoredMessage
from shoptalk.services.connecting import connect_channel
from shoptalk.types import Outcome, SenderType, ThreadOwner
from tests.loop.shop import ANN, BUFFER, KETTLE, Shop, open_shop

ACCOUNT, TOKEN = "1", "cw-token-value-5a1f"


class Desk:
    """A shop whose customers come in through Chatwoot, and the people at its dashboard."""

    def __init__(self, shop: Shop, **settings: Any) -> None:
        self.shop = shop
        self.account = shop.world.add_account(
            "chatwoot", ACCOUNT, "Corner Shop", TOKEN, settings=settings
        )

    def opens(self, **config: str) -> ChannelIntegration:
        config = {"access_token": TOKEN, **config}
        return connect_channel(
            self.shop.app, "chatwoot", ACCOUNT, config, name=None, ai_default=True
        )

    def writes(self, text: str, side: Side = "customer", *, who: str = ANN) -> str:
        """Somebody writes; its id as we know it."""
        self.shop.wait(seconds=1)
        stored = self.shop.world.add_message(ACCOUNT, who, text, side=side, customer_name="Ann")
        return self.our_id(stored)

    def our_id(self, stored: StoredMessage) -> str:
        server = self.shop.server.url.removeprefix("http://")
        display_id = self.ticket(stored.customer_id).display_id
        return f"chatwoot_{server}/chatwoot_{ACCOUNT}_{display_id}_{stored.id}"

    def changes(self, *, who: str = ANN, **words: Any) -> None:
        """A person at the dashboard changes a conversation."""
        self.shop.wait(seconds=1)
        self.shop.world.change_thread(ACCOUNT, who, **words)

    def ticket(self, who: str = ANN) -> Ticket:
        thread = self.shop.world.thread_of(ACCOUNT, who)
        assert thread is not None
        assert thread.ticket is not None
        return thread.ticket

    def notes(self, who: str = ANN) -> list[str]:
        thread = self.shop.world.thread_of(ACCOUNT, who)
        assert thread is not None
        return [message.text for message in thread.messages if message.side == "note"]

    def calls(self, kind: str) -> int:
        return len(self.shop.world.ledger.calls(kind=kind, account_id=ACCOUNT))

    def outcome(self, message_id: str) -> str | None:
        return self.shop.message(message_id).outcome

    def row(self) -> Conversation:
        [row] = self.shop.rows(Conversation)
        assert isinstance(row, Conversation)
        return row


@pytest.fixture
def desk(shop: Shop) -> Desk:
    return Desk(shop)


def seen_by_model(shop: Shop, run: Callable[[], object]) -> list[Prompt]:
    """What the model is asked while `run` is at work."""
    seen: list[Prompt] = []
    responder = shop.app.responder()
    model = responder._answerer.model

    class Watched:
        def begin(self, prompt: Prompt) -> ModelSession:
            seen.append(prompt)
            return model.begin(prompt)

    responder._answerer = replace(responder._answerer, model=Watched())
    responder.answer_all_due()
    run()
    return seen


# Answering


def test_a_customer_is_answered_once_below_a_sub_path(desk: Desk) -> None:
    channel = desk.opens()
    assert channel.external_id.endswith("/chatwoot")
    assert channel.display_name == "Corner Shop"
    message_id = desk.writes("Hello!")
    assert desk.shop.answers() == {"answered": 1}
    desk.shop.wait(minutes=5)
    assert desk.shop.answers() == {}
    assert len(desk.shop.sent()) == 1
    assert desk.shop.why(message_id) == "It was answered."
    [message] = [each for each in desk.shop.rows(Message) if each.sender_type == "agent"]
    assert message.content == desk.shop.sent()[0]
    assert desk.shop.world.ledger.tokens_sent_abroad() == []


def test_an_order_is_made_through_chatwoot(desk: Desk) -> None:
    desk.shop.sells(KETTLE)
    desk.opens()
    for burst in (
        ["Hi, I want to order 2 electric kettles"],
        ["Ann Baker", "7 Mill Road, Leeds", "555-0128"],
        ["yes please"],
    ):
        for text in burst:
            desk.writes(text)
        assert desk.shop.answers() == {"answered": 1}
    [order] = desk.shop.orders()
    assert str(order.total) == "99.8000"


def test_history_is_read_to_its_beginning_and_never_answered(desk: Desk) -> None:
    for number in range(45):  # three pages of a conversation
        desk.writes(f"old {number}")
    for number in range(60):  # and three of the list
        desk.writes("old", who=str(number + 1))
    desk.shop.wait(hours=1)
    desk.opens()
    assert desk.shop.answers() == {}
    assert len(desk.shop.rows(Message)) == 105
    assert desk.shop.channels()[0].history_state == "done"
    assert desk.shop.sent() == []


def test_an_idle_inbox_costs_one_call_a_poll(desk: Desk) -> None:
    desk.writes("old")
    desk.shop.wait(hours=1)
    desk.opens()
    desk.shop.imports()
    for _ in range(3):
        desk.shop.wait(minutes=3)
        desk.shop.imports()
    desk.shop.world.ledger.clear()
    desk.shop.wait(minutes=3)
    desk.shop.imports()
    assert [call.kind for call in desk.shop.world.ledger.calls()] == ["list"]


def test_only_the_inbox_that_was_connected_is_answered(desk: Desk) -> None:
    channel = desk.opens(inbox=str(WHATSAPP))
    assert channel.external_id.startswith(f"{ACCOUNT}/{WHATSAPP}@")
    desk.writes("On the website", who="71")
    desk.changes(who="72", inbox_id=WHATSAPP)
    desk.writes("On WhatsApp", who="72")
    assert desk.shop.answers() == {"answered": 1}
    assert [row.customer_id for row in desk.shop.rows(Conversation)] == ["72"]


def test_a_second_channel_over_the_same_messages_answers_nobody_twice(desk: Desk) -> None:
    desk.opens()
    desk.opens(inbox=str(WEBSITE))
    desk.writes("Hello?")
    desk.shop.answers()
    desk.shop.wait(minutes=3)
    desk.shop.answers()
    assert len(desk.shop.sent()) == 1


def test_a_lost_answer_to_a_send_is_read_back_and_not_sent_again(desk: Desk) -> None:
    desk.opens()
    desk.writes("Hello?")
    desk.shop.world.faults.add("drop_after", match={"kind": "send"}, count=1)
    assert desk.shop.answers() == {"waiting": 1}
    desk.shop.wait(minutes=2)
    assert desk.shop.replies() == {"answered": 1}
    assert len(desk.shop.sent()) == 1


@pytest.mark.parametrize("fault", ["html", "truncate", "garbage_record"])
def test_reading_back_what_makes_no_sense_is_done_again(desk: Desk, fault: str) -> None:
    desk.opens()
    desk.writes("Hello?")
    desk.shop.world.faults.add("drop_after", match={"kind": "send"}, count=1)
    params = {"index": -1} if fault == "garbage_record" else {}
    desk.shop.world.faults.add(fault, match={"kind": "thread"}, after=1, count=1, params=params)
    assert desk.shop.answers() == {"waiting": 1}
    desk.shop.wait(minutes=2)
    assert desk.shop.replies() == {"waiting": 1}
    desk.shop.wait(minutes=2)
    assert desk.shop.replies() == {"answered": 1}
    assert len(desk.shop.sent()) == 1


@pytest.mark.parametrize("fault", ["garbage_record", "html"])
def test_where_reading_back_never_makes_sense_nothing_is_sent_on_a_guess(
    desk: Desk, fault: str
) -> None:
    desk.opens()
    message_id = desk.writes("Hello?")
    desk.shop.world.faults.add("drop_after", match={"kind": "send"}, count=1)
    params = {"index": -1} if fault == "garbage_record" else {}
    desk.shop.world.faults.add(fault, match={"kind": "thread"}, after=1, params=params)
    assert desk.shop.answers() == {"waiting": 1}
    desk.shop.wait(minutes=2)
    assert desk.shop.replies() == {"waiting": 1}
    desk.shop.wait(minutes=15)
    assert desk.shop.replies() == {"delivery_uncertain": 1}
    assert len(desk.shop.sent()) == 1

    desk.shop.world.faults.clear()  # a poll meets it after all
    desk.shop.wait(minutes=20)
    desk.shop.imports()
    assert desk.outcome(message_id) == Outcome.ANSWERED
    [delivery] = desk.shop.rows(Delivery)
    assert (delivery.status, delivery.failure_reason) == ("sent", None)
    assert desk.shop.replies() == {}
    assert len(desk.shop.sent()) == 1


@pytest.mark.parametrize("writes_on", [False, True])
@pytest.mark.parametrize("fault", ["empty_page", "short_page"])
def test_a_thread_that_leaves_out_its_newest_is_not_believed_when_read_back(
    desk: Desk, fault: str, writes_on: bool
) -> None:
    desk.opens()
    message_id = desk.writes("Hello?")
    desk.shop.world.faults.add("drop_after", match={"kind": "send"}, count=1)
    desk.shop.world.faults.add(fault, match={"kind": "thread"}, after=1, count=2)
    assert desk.shop.answers() == {"waiting": 1}
    if writes_on:  # then what is left out is not ours alone
        desk.writes("Thanks!")
    for _ in range(3):
        desk.shop.wait(minutes=2)
        desk.shop.replies()
    assert len(desk.shop.sent()) == 1
    assert desk.outcome(message_id) == Outcome.ANSWERED
    desk.shop.imports()
    assert [row.sender_type for row in desk.shop.rows(Message)][:2] == ["customer", "agent"]


def test_a_reply_that_never_arrives_is_not_sent_for_ever(desk: Desk) -> None:
    desk.opens()
    message_id = desk.writes("Hello?")
    refused = {"status": 422, "body": '{"error": "Connection refused - connect(2)"}'}
    desk.shop.world.faults.add("http_status", match={"kind": "send"}, params=refused)
    began = desk.shop.now
    desk.shop.answers()
    while desk.outcome(message_id) is None:
        desk.shop.wait(minutes=20)
        desk.shop.imports()
        desk.shop.replies()
        assert desk.shop.now - began < timedelta(hours=48)
    assert desk.shop.now - began > timedelta(hours=20)
    assert desk.outcome(message_id) == Outcome.DELIVERY_FAILED
    [delivery] = desk.shop.rows(Delivery)
    assert (delivery.status, delivery.attempts) == ("failed", MOST_SENDS)
    assert "never arrived" in delivery.failure_reason
    assert desk.shop.sent() == []


def test_a_note_with_the_words_of_a_lost_reply_is_not_taken_for_it(desk: Desk) -> None:
    desk.opens()
    desk.shop.model_says({"text": "We open at nine."})
    desk.writes("When do you open?")
    desk.shop.world.faults.add("drop_before", match={"kind": "send"}, count=1)
    assert desk.shop.answers() == {"waiting": 1}
    desk.writes("We open at nine.", "note")
    desk.shop.wait(minutes=2)
    assert desk.shop.replies() == {"answered": 1}
    assert desk.shop.sent() == ["We open at nine."]


# Who is speaking


def test_each_voice_is_stored_as_what_it_is(desk: Desk) -> None:
    desk.opens()
    sides: list[Side] = ["bot", "note", "template"]
    ids = {side: desk.writes(f"by {side}", side) for side in sides}
    desk.changes(assignee_id=GREETER)
    theirs = desk.writes("by customer")
    desk.shop.imports()
    assert {side: desk.shop.message(each).sender_type for side, each in ids.items()} == {
        "bot": SenderType.AGENT,
        "note": SenderType.NOTE,
        "template": SenderType.AGENT,
    }
    activities = [row for row in desk.shop.rows(Message) if row.sender_type == "activity"]
    assert [row.content for row in activities] == ["Assigned to Greeter by Bo"]
    assert desk.shop.message(theirs).sender_type == SenderType.CUSTOMER


@pytest.mark.parametrize("side", ["note", "activity", "bot", "template"])
def test_what_is_not_said_by_a_person_to_the_customer_is_no_answer(desk: Desk, side: Side) -> None:
    desk.opens()
    message_id = desk.writes("Hello?")
    theirs = desk.writes("A word among colleagues", side)
    assert desk.shop.answers() == {"answered": 1}
    assert desk.outcome(message_id) == Outcome.ANSWERED
    assert "only customers are answered" in desk.shop.why(theirs)


def test_no_model_reads_what_the_customer_does_not_see(desk: Desk) -> None:
    desk.opens()
    desk.writes("Hello?")
    desk.writes("He owes us 40 dollars", "note")
    desk.writes("Conversation was muted by Bo", "activity")
    desk.writes("We are closed on Mondays", "template")
    desk.shop.imports()
    desk.shop.replies()
    desk.shop.wait(seconds=BUFFER.total_seconds() + 1)
    [prompt] = seen_by_model(desk.shop, lambda: None)
    words = str(prompt.lines) + prompt.instructions
    assert "40 dollars" not in words
    assert "muted" not in words
    assert "closed on Mondays" in words


def test_notes_are_shown_to_people(desk: Desk) -> None:
    desk.opens()
    desk.writes("Hello?")
    note = desk.writes("He owes us 40 dollars", "note")
    desk.shop.imports()
    assert desk.shop.message(note).content == "He owes us 40 dollars"
    assert desk.shop.message(note).outcome is None


def test_our_own_note_is_not_taken_for_a_person(desk: Desk) -> None:
    desk.opens()
    desk.shop.model_says({"text": ""}, {"text": ""}, {"text": ""})
    desk.shop.world.faults.add("http_status", match={"kind": "send"}, params={"status": 403})
    desk.writes("Hello?")
    assert desk.shop.answers() != {}
    desk.shop.world.faults.clear()
    desk.writes("Are you there?")
    desk.shop.wait(minutes=3)
    desk.shop.answers()
    assert desk.shop.replies() == {}
    assert Outcome.ANSWERED_BY_PERSON not in {row.outcome for row in desk.shop.rows(Message)}


# People first


def test_an_answer_by_a_person_at_the_dashboard_is_not_talked_over(desk: Desk) -> None:
    desk.opens()
    message_id = desk.writes("Hello?")
    desk.writes("Bo here", "employee")
    assert desk.shop.answers() == {}
    assert desk.outcome(message_id) == Outcome.ANSWERED_BY_PERSON


def test_a_person_who_answers_while_the_model_thinks_is_heeded_though_no_poll_has_seen_it(
    desk: Desk,
) -> None:
    desk.opens()
    message_id = desk.writes("Hello?")
    desk.shop.imports()
    desk.shop.replies()
    desk.shop.wait(seconds=31)

    def a_person_answers() -> None:
        desk.writes("Bo here", "employee")

    assert desk.shop.replies(while_thinking=a_person_answers) == {"waiting": 1}
    assert "imported first" in desk.shop.why(message_id)
    desk.shop.wait(seconds=11)
    assert desk.shop.replies() == {"waiting": 1}
    desk.shop.wait(seconds=11)
    desk.shop.imports()
    assert desk.shop.replies() == {"answered_by_person": 1}
    assert desk.shop.sent() == []


def test_a_person_who_writes_with_our_own_user_is_a_person(desk: Desk) -> None:
    desk.opens()
    message_id = desk.writes("Hello?")
    stored = desk.shop.world.add_message(ACCOUNT, ANN, "The owner here", side="employee")
    stored.sender_id = SALES
    assert desk.shop.answers() == {}
    assert desk.outcome(message_id) == Outcome.ANSWERED_BY_PERSON


def test_a_conversation_that_is_assigned_to_a_person_is_theirs(desk: Desk) -> None:
    desk.opens()
    message_id = desk.writes("Hello?")
    desk.changes(assignee_id=COLLEAGUE)
    assert desk.shop.answers() == {}
    assert desk.outcome(message_id) == Outcome.TAKEN_OVER
    assert "taken the conversation over" in desk.shop.why(message_id)
    desk.changes(assignee_id=None)
    again = desk.writes("Still there?")
    assert desk.shop.answers() == {"answered": 1}
    assert desk.outcome(again) == Outcome.ANSWERED


def test_an_assignment_while_the_model_thinks_is_heeded_though_no_poll_has_seen_it(
    desk: Desk,
) -> None:
    desk.opens()
    message_id = desk.writes("Hello?")
    desk.shop.imports()
    desk.shop.replies()
    desk.shop.wait(seconds=31)
    ended = desk.shop.replies(while_thinking=lambda: desk.changes(assignee_id=COLLEAGUE))
    assert ended == {"taken_over": 1}
    assert desk.shop.sent() == []
    assert desk.outcome(message_id) == Outcome.TAKEN_OVER
    assert desk.shop.rows(Delivery) == []


@pytest.mark.parametrize("assignee_id", [SALES, GREETER])
def test_a_conversation_that_is_assigned_to_us_or_to_a_bot_is_answered(
    desk: Desk, assignee_id: int
) -> None:
    desk.opens()
    desk.writes("Hello?")
    desk.changes(assignee_id=assignee_id)
    assert desk.shop.answers() == {"answered": 1}


@pytest.mark.parametrize("status", ["resolved", "snoozed"])
def test_a_conversation_that_a_person_put_away_is_left_so_until_the_customer_writes(
    desk: Desk, status: str
) -> None:
    desk.opens()
    message_id = desk.writes("Hello?")
    desk.changes(status=status)
    assert desk.shop.answers() == {}
    assert desk.outcome(message_id) == Outcome.TAKEN_OVER
    assert desk.ticket().status == status
    desk.writes("One more thing")
    assert desk.shop.answers() == {"answered": 1}


def test_what_a_person_takes_from_the_bots_is_theirs_until_they_give_it_back(shop: Shop) -> None:
    desk = Desk(shop, bot_attached=True)
    desk.opens()
    desk.writes("Hello?")
    assert shop.answers() == {"answered": 1}
    assert desk.row().thread_owner == ThreadOwner.AI
    desk.changes(status="open")
    message_id = desk.writes("And today?")
    assert shop.answers() == {}
    assert desk.outcome(message_id) == Outcome.TAKEN_OVER
    desk.changes(status="pending")
    desk.writes("Hello again?")
    assert shop.answers() == {"answered": 1}


def test_the_owners_word_goes_before_an_assignment(desk: Desk) -> None:
    desk.opens()
    message_id = desk.writes("Hello?")
    desk.changes(assignee_id=COLLEAGUE)
    assert desk.shop.answers() == {}
    with desk.shop.app.database.transaction() as session:
        assert switch_ai(session, desk.row(), enabled=True, now=desk.shop.now) == 1
    assert desk.shop.answers() == {"answered": 1}
    assert desk.outcome(message_id) == Outcome.ANSWERED


# The window of the channel behind the inbox


def test_whatsapp_is_polled_through_chatwoot_and_answered_within_its_window(desk: Desk) -> None:
    desk.opens()
    desk.changes(inbox_id=WHATSAPP)
    desk.shop.model_says({"text": "Line of a long answer. " * 300})
    message_id = desk.writes("Are you open?")
    assert desk.shop.answers() == {"answered": 1}
    assert desk.outcome(message_id) == Outcome.ANSWERED
    assert len(desk.shop.sent()) == 2
    assert max(map(len, desk.shop.sent())) <= 4096


def test_a_window_that_is_over_is_not_written_into(desk: Desk) -> None:
    desk.shop.app.settings.backlog_after_seconds = 7 * 86_400
    desk.opens()
    desk.changes(inbox_id=WHATSAPP)
    message_id = desk.writes("Are you open?")
    desk.shop.wait(hours=25)
    assert desk.shop.answers() == {"window_closed": 1}
    assert desk.outcome(message_id) == Outcome.WINDOW_CLOSED
    assert desk.shop.sent() == []
    assert HANDED_OVER in desk.ticket().labels


def test_what_the_channel_refuses_after_it_was_taken_is_told(shop: Shop) -> None:
    desk = Desk(shop, fails_later=True)
    desk.opens()
    message_id = desk.writes("Are you open?")
    assert shop.answers() == {"answered": 1}
    shop.wait(minutes=2)
    shop.imports()
    assert desk.outcome(message_id) == Outcome.DELIVERY_FAILED
    assert "131047" in shop.why(message_id)


# Typing


def test_typing_is_shown_while_the_model_thinks_and_hidden_after(desk: Desk) -> None:
    desk.opens()
    desk.writes("Hello?")
    assert desk.shop.answers() == {"answered": 1}
    assert desk.ticket().typing == ["on", "off"]


def test_typing_is_hidden_where_nothing_is_sent(desk: Desk) -> None:
    desk.opens()
    desk.writes("Hello?")
    desk.shop.imports()
    desk.shop.replies()
    desk.shop.wait(seconds=31)
    desk.shop.replies(while_thinking=lambda: desk.changes(assignee_id=COLLEAGUE))
    assert desk.ticket().typing == ["on", "off"]


def test_typing_that_fails_keeps_nobody_from_an_answer(desk: Desk) -> None:
    desk.opens()
    desk.writes("Hello?")
    desk.shop.world.faults.add("http_status", match={"kind": "typing"}, params={"status": 500})
    assert desk.shop.answers() == {"answered": 1}


@pytest.fixture
def silent(server: EmbeddedServer, database: Database, tmp_path: Path) -> Iterator[Desk]:
    with open_shop(server.url, tmp_path / "home", chatwoot_typing_indicator_enabled=False) as shop:
        yield Desk(shop)


def test_typing_can_be_switched_off(silent: Desk) -> None:
    silent.opens()
    silent.writes("Hello?")
    assert silent.shop.answers() == {"answered": 1}
    assert silent.ticket().typing == []
    assert silent.calls("typing") == 0


# Handing over


def test_a_turn_that_needs_a_person_is_put_before_one(shop: Shop) -> None:
    desk = Desk(shop, bot_attached=True, agent_token=True)
    desk.opens()
    shop.world.faults.add("http_status", match={"kind": "send"}, params={"status": 403})
    desk.changes(labels=["vip"])
    message_id = desk.writes("Hello?")
    assert shop.answers() == {"unreachable": 1}
    assert desk.outcome(message_id) == Outcome.UNREACHABLE
    assert desk.ticket().status == "open"
    assert desk.ticket().assignee_id is None  # opening it had assigned it to our own user
    assert desk.ticket().labels == ["vip", HANDED_OVER]
    assert desk.notes() == [f"shoptalk: {Outcome.UNREACHABLE.sentence}"]
    assert shop.sent() == []
    shop.world.faults.clear()
    desk.writes("Hello?")
    assert shop.answers() == {}  # it is theirs now
    assert len(desk.notes()) == 1


def test_a_loop_is_handed_over_once(desk: Desk) -> None:
    desk.opens()
    desk.shop.model_says({"text": "Thank you for your message.", "repeat": None})
    for _ in range(6):
        desk.writes("This is an automatic reply.")
        desk.shop.answers()
    assert desk.notes() == [f"shoptalk: {Outcome.LOOP.sentence}"]
    assert len(desk.shop.sent()) == 3


def test_an_answer_hands_nothing_over(desk: Desk) -> None:
    desk.opens()
    desk.writes("Hello?")
    desk.shop.answers()
    assert desk.ticket().labels == []
    assert desk.notes() == []
    assert desk.calls("change") == 0


@pytest.mark.parametrize("kind", ["change", "note"])
def test_a_hand_over_that_fails_blocks_nothing(
    desk: Desk, kind: str, caplog: pytest.LogCaptureFixture
) -> None:
    desk.opens()
    desk.shop.world.faults.add("http_status", match={"kind": "send"}, params={"status": 403})
    desk.shop.world.faults.add("http_status", match={"kind": kind}, params={"status": 500})
    message_id = desk.writes("Hello?")
    assert desk.shop.answers() == {"unreachable": 1}
    assert desk.outcome(message_id) == Outcome.UNREACHABLE
    assert "it was not handed over" in caplog.messages


# Trouble


def test_a_throttled_poll_waits_as_long_as_it_is_told(desk: Desk) -> None:
    desk.opens()
    desk.shop.world.faults.add(
        "http_status",
        match={"kind": "list"},
        count=1,
        params={"status": 429, "body": "Retry later\n", "retry_after": 30},
    )
    [report] = desk.shop.imports()
    assert report.error == "too many requests"
    [channel] = desk.shop.channels()
    assert channel.next_poll_at == desk.shop.now + timedelta(seconds=30)
    assert channel.stopped_at is None


def test_a_throttled_send_waits_and_arrives_once(desk: Desk) -> None:
    desk.opens()
    desk.writes("Hello?")
    desk.shop.world.faults.add(
        "http_status", match={"kind": "send"}, count=1, params={"status": 429, "retry_after": 60}
    )
    assert desk.shop.answers() == {"waiting": 1}
    desk.shop.wait(seconds=61)
    assert desk.shop.replies() == {"answered": 1}
    assert len(desk.shop.sent()) == 1


def test_the_servers_own_limit_is_met_with_patience(shop: Shop) -> None:
    desk = Desk(shop, requests_per_minute=6)
    for number in range(30):
        desk.writes("old", who=str(number + 1))
    shop.wait(hours=1)
    desk.opens()
    for _ in range(20):
        shop.wait(minutes=11)
        shop.imports()
    assert len(shop.rows(Message)) == 30
    assert shop.channels()[0].history_state == "done"


def test_a_state_that_cannot_be_told_puts_the_answer_off(desk: Desk) -> None:
    desk.opens()
    message_id = desk.writes("Hello?")
    desk.shop.world.faults.add("html", match={"kind": "state"}, count=1)
    assert desk.shop.answers() == {"waiting": 1}
    assert desk.shop.sent() == []
    desk.shop.wait(minutes=1)
    assert desk.shop.replies() == {"answered": 1}
    assert desk.outcome(message_id) == Outcome.ANSWERED


@pytest.mark.parametrize(
    ("fault", "params"),
    [
        ("null_record", {}),
        ("garbage_record", {}),
        ("missing_field", {"field": "last_activity_at"}),
        ("missing_field", {"field": "meta"}),
        ("missing_field", {"field": "status"}),
        ("truncate", {"keep": 0.5}),
        ("html", {}),
        ("drop_after", {}),
        ("empty_page", {}),
    ],
)
def test_a_list_that_misleads_once_loses_nothing(
    desk: Desk, fault: str, params: dict[str, Any]
) -> None:
    desk.opens()
    desk.shop.imports()
    message_id = desk.writes("Hello?")
    desk.shop.world.faults.add(fault, match={"kind": "list"}, count=1, params=params)
    desk.shop.imports()
    desk.shop.wait(minutes=1)
    assert desk.shop.answers() == {"answered": 1}
    assert desk.outcome(message_id) == Outcome.ANSWERED


@pytest.mark.parametrize("setting", ["bot_token", "dead"])
def test_a_token_that_will_not_do_stops_the_channel_when_it_is_connected(
    shop: Shop, setting: str
) -> None:
    desk = Desk(shop, bot_token=setting == "bot_token")
    if setting == "dead":
        shop.world.get_token(TOKEN).is_dead = True
    with pytest.raises(ChannelStopped) as caught:
        desk.opens()
    assert "token" in caught.value.remedy
    assert shop.channels() == []


def test_a_token_that_dies_stops_the_channel_with_what_to_do(desk: Desk) -> None:
    desk.opens()
    desk.shop.world.get_token(TOKEN).is_dead = True
    desk.shop.imports()
    [channel] = desk.shop.channels()
    assert channel.stopped_at is not None
    assert "underscores_in_headers" in (channel.remedy or "")
