"""What could not be read is told by `conversations show` and by `status`."""

from datetime import timedelta

import pytest

from shoptalk.db.missing_messages import WAITS_FOR
from shoptalk.db.models import Conversation
from shoptalk.importer.thread_sync import UNREADABLE_AFTER
from tests.cli.terminal import Screen, Terminal
from tests.loop.shop import NINE, Shop

MORE_THAN_THE_LIST_SHOWS = 30


@pytest.fixture
def conversation(shop: Shop) -> str:
    """One whose newest messages are more than the list shows, and cannot be read."""
    shop.opens("facebook")
    shop.customer_writes("Hello?")
    shop.imports()
    shop.wait(minutes=10)
    for number in range(MORE_THAN_THE_LIST_SHOWS):
        shop.customer_writes(f"still there? {number}")
    shop.world.faults.add("http_status", match={"kind": "thread"}, params={"status": 400})
    return str(shop.rows(Conversation)[0].id)


def shown(terminal: Terminal, conversation: str, *words: str) -> Screen:
    screen = terminal.types("conversations", "show", conversation, *words)
    assert (screen.code, screen.err) == (0, "")
    return screen


def test_that_reading_it_failed_and_when_it_is_tried_again_is_said(
    shop: Shop, terminal: Terminal, conversation: str
) -> None:
    shop.imports()
    heading, failure, *messages = shown(terminal, conversation).out.splitlines()
    assert heading.startswith(f"Conversation {conversation} with ")
    assert failure == (
        "Reading it failed once; it is read again at 2026-10-05 09:10:10 UTC; "
        "what its customer wrote since then waits."
    )
    assert [line.rpartition("  ")[2] for line in messages] == ["Hello?"]
    document = shown(terminal, conversation, "--json").document
    assert document["read_failures"] == 1
    assert document["read_again_at"] == (NINE + timedelta(minutes=10, seconds=10)).isoformat()


def test_that_nothing_waits_any_longer_for_what_fails_again_and_again_is_said(
    shop: Shop, terminal: Terminal, conversation: str
) -> None:
    for _ in range(UNREADABLE_AFTER):
        shop.imports()
        shop.wait(hours=1)
    failure = shown(terminal, conversation).out.splitlines()[1]
    assert failure == (
        f"Reading it failed {UNREADABLE_AFTER} times; it is read again with the next poll; "
        "its newest messages no longer wait for that."
    )


def test_nothing_is_said_of_one_that_was_read(
    shop: Shop, terminal: Terminal, conversation: str
) -> None:
    shop.imports()
    shop.world.faults.clear()
    shop.wait(minutes=2)
    shop.imports()
    screen = shown(terminal, conversation, "--limit", "100")
    assert "failed" not in screen.out
    assert len(screen.out.splitlines()) == 1 + 1 + MORE_THAN_THE_LIST_SHOWS
    document = shown(terminal, conversation, "--json").document
    assert (document["read_failures"], document["read_again_at"]) == (0, None)


def gap_lines(terminal: Terminal) -> list[str]:
    screen = terminal.types("status")
    assert (screen.code, screen.err) == (0, "")
    return [line for line in screen.out.splitlines() if line.startswith("gap in ")]


def test_status_tells_a_gap_in_a_thread_with_its_bounds(
    shop: Shop, terminal: Terminal, conversation: str
) -> None:
    shop.imports()
    [thread_id] = [each.thread_id for each in shop.rows(Conversation)]
    [line] = gap_lines(terminal)
    assert line.startswith(f"gap in thread {thread_id} of channel 1: ")
    assert line.endswith(" (from 2026-10-05 08:58:00 UTC, to 2026-10-05 09:10:00 UTC)")


def test_status_tells_a_gap_in_the_list_of_a_channel(shop: Shop, terminal: Terminal) -> None:
    shop.opens("facebook")
    shop.imports()
    shop.world.faults.add("null_record", match={"kind": "list"}, params={"index": -1})
    assert gap_lines(terminal) == []
    for number in range(2):
        shop.customer_writes("Hello?", who=f"7300000000000{number:03d}")
        shop.imports()
        shop.wait(seconds=WAITS_FOR.total_seconds())
    [line] = gap_lines(terminal)
    assert line.startswith("gap in the list of channel 1: ")
    assert "None" not in line
