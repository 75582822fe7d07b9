"""Customers who wait for a person are seen wherever an owner looks."""

import re

from sqlalchemy import text

from shoptalk.db.waiting import LEFT_TO_PEOPLE, backlog, left_to_people
from shoptalk.types import Outcome
from tests.cli.terminal import Terminal
from tests.loop.shop import KETTLE, Shop


def hold_back(shop: Shop) -> str:
    """A message that nobody looked at for seven hours."""
    shop.opens("facebook")
    shop.wait(minutes=5)
    message_id = shop.customer_writes("Do you have the kettle?\nAnn")
    shop.wait(hours=7)
    shop.imports()
    shop.replies()
    return message_id


def take_over(shop: Shop) -> str:
    """A message that was written to the person who had taken the conversation over."""
    shop.opens("facebook")
    shop.wait(minutes=1)
    shop.customer_writes("Hello?")
    shop.employee_writes("Sam here")
    shop.wait(minutes=1)
    message_id = shop.customer_writes("And the price?")
    shop.imports()
    shop.replies()
    return message_id


def test_the_backlog_is_in_status_its_json_and_doctor(shop: Shop, terminal: Terminal) -> None:
    hold_back(shop)
    says = (
        "held for your decision: 1 message in 1 conversation, "
        "the oldest since 2026-10-05 09:05 UTC (7 h ago)"
    )
    status = terminal.types("status")
    assert status.code == 0
    assert "\nwaiting for a person\n" in status.out
    assert says in status.out
    assert "`shoptalk backlog list`" in status.out
    [reason] = terminal.types("status", "--json").document["waiting_for_person"]
    assert (reason["reason"], reason["messages"], reason["conversations"]) == ("backlog", 1, 1)
    assert reason["since"] == "2026-10-05T09:05:00+00:00"
    doctor = terminal.types("doctor")
    assert doctor.code == 1
    assert f"BAD  customers who wait: {says}" in doctor.out
    assert terminal.types("backlog", "dismiss", "--all").out == "1 message was dismissed.\n"
    assert "waiting for a person" not in terminal.types("status").out


def test_who_was_taken_over_and_has_written_since_is_in_status_and_doctor(
    shop: Shop, terminal: Terminal
) -> None:
    shop.sells(KETTLE)
    take_over(shop)
    says = r"taken over by a person: 1 conversation, the oldest since .*: 1 Ann; answer there, or"
    assert re.search(says, terminal.types("status").out)
    document = terminal.types("status", "--json").document
    [reason] = document["waiting_for_person"]
    assert (reason["reason"], reason["conversations"]) == ("taken_over", 1)
    assert [each["conversation_id"] for each in reason["oldest"]] == [1]
    doctor = terminal.types("doctor")
    assert (doctor.code, doctor.out.count("ok   customers who wait")) == (0, 1)
    shop.wait(hours=2)
    doctor = terminal.types("doctor")
    assert (doctor.code, doctor.out.count("BAD  customers who wait")) == (1, 1)
    shop.employee_writes("It is 49.90")
    shop.imports()
    assert terminal.types("status", "--json").document["waiting_for_person"] == []


def test_each_reason_counts_conversations_and_the_last_message_decides(shop: Shop) -> None:
    shop.opens("facebook")
    shop.wait(minutes=1)
    for who in range(12):
        shop.customer_writes("Hello?", who=f"73{who:02}")
        shop.wait(minutes=1)
        shop.customer_writes("Hello??", who=f"73{who:02}")
    shop.imports()
    with shop.app.database.transaction() as session:
        session.execute(text("UPDATE messages SET outcome = 'model_failed'"))
        session.execute(text("UPDATE messages SET outcome = 'loop' WHERE id % 2 = 0"))
        session.execute(text("UPDATE conversations SET status = 'closed' WHERE id = 1"))
        found = left_to_people(session, shop.app.workspace_id())
        assert left_to_people(session, shop.app.workspace_id() + 1) == []
        assert backlog(session, shop.app.workspace_id(), held_before=shop.now).messages == 0
    assert sum(each.conversations for each in found) == 11
    for each in found:
        assert len(each.oldest) == min(each.conversations, 5)
        assert [one.since for one in each.oldest] == sorted(one.since for one in each.oldest)


def test_every_outcome_that_leaves_a_customer_alone_is_looked_for() -> None:
    asked = {*LEFT_TO_PEOPLE, Outcome.NEEDS_PERSON}  # the latter of conversations: `who_waits`
    assert asked >= {outcome for outcome in Outcome if outcome.needs_person}


class TestWhy:
    def test_a_held_message_shows_the_backlog_as_what_does_not_hold(
        self, shop: Shop, terminal: Terminal
    ) -> None:
        message_id = hold_back(shop)
        screen = terminal.types("why", message_id)
        first, said, ids, where, *rows = screen.out.splitlines()
        assert first.startswith("It waited long, so its owner decides: `shoptalk backlog list`")
        assert said == "  2026-10-05 09:05:00 UTC  Ann: Do you have the kettle? ⏎ Ann"
        assert ids == f"  message 1, {message_id}"
        assert where == "  conversation 1 on facebook"
        assert (
            "  NOT  waits for the owner's decision: yes (it is older than 6 h); wanted: no" in rows
        )

    def test_of_a_message_taken_over_sentence_and_rows_agree_with_the_way_back(
        self, shop: Shop, terminal: Terminal
    ) -> None:
        message_id = take_over(shop)
        screen = terminal.types("why", message_id)
        first, *rows = screen.out.splitlines()
        assert first == (
            "A person at the shop has taken the conversation over; the AI pauses until "
            "2026-10-05 21:01:00 UTC; `shoptalk conversations ai 1 on` ends that."
        )
        [wrong] = [row for row in rows if row.startswith("  NOT")]
        assert wrong == (
            "  NOT  the AI pauses because a person wrote: yes (a person wrote "
            "2026-10-05 09:01:00 UTC; until 2026-10-05 21:01:00 UTC); wanted: no"
        )
        shown = terminal.types("conversations", "show", "1").out
        assert "the AI pauses until 2026-10-05 21:01:00 UTC" in shown
        assert "`shoptalk conversations ai 1 on` hands it back to the AI now" in shown
        terminal.types("conversations", "ai", "1", "on")
        assert "pauses until" not in terminal.types("conversations", "show", "1").out
        assert terminal.types("why", message_id).out.startswith("It waits for the next responder")

    def test_when_the_pause_is_over_the_row_still_says_what_decided(
        self, shop: Shop, terminal: Terminal
    ) -> None:
        message_id = take_over(shop)
        shop.wait(hours=13)
        first, *rows = terminal.types("why", message_id).out.splitlines()
        assert first.startswith("A person at the shop had taken the conversation over")
        [wrong] = [row for row in rows if row.startswith("  NOT")]
        assert "it ended 2026-10-05 21:01:00 UTC" in wrong

    def test_exactly_one_row_decides_of_every_outcome(self, shop: Shop, terminal: Terminal) -> None:
        message_id = take_over(shop)
        for outcome in Outcome:
            with shop.app.database.transaction() as session:
                session.execute(
                    text("UPDATE messages SET outcome = :outcome"), {"outcome": outcome}
                )
            rows = terminal.types("why", message_id).out.splitlines()
            wrong = [row for row in rows if row.startswith("  NOT")]
            assert len(wrong) == (outcome != Outcome.ANSWERED), (outcome, wrong)

    def test_before_the_next_pass_the_sentence_says_what_the_rows_say(
        self, shop: Shop, terminal: Terminal
    ) -> None:
        shop.opens("facebook")
        shop.wait(minutes=1)
        shop.employee_writes("Sam here")
        message_id = shop.customer_writes("And the price?")
        shop.imports()
        first, *rows = terminal.types("why", message_id).out.splitlines()
        assert "taken the conversation over; the AI pauses until" in first
        assert any("NOT  the AI pauses because a person wrote" in row for row in rows)
