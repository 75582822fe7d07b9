"""Whose a conversation is, step by step, as the platform's account of it changes."""

from dataclasses import replace

import pytest

from shoptalk.db.engine import Database
from shoptalk.db.models import ChannelIntegration
from shoptalk.db.thread_owner import note_thread_owner
from shoptalk.types import ThreadOwner
from tests.db.rows import after, conversation, open_channel, store, thread

PERSON, AI, ANYONE = ThreadOwner.PERSON, ThreadOwner.AI, ThreadOwner.ANYONE


@pytest.mark.parametrize(
    ("told", "held"),
    [
        ([ANYONE], False),
        ([AI], False),
        ([PERSON], True),
        ([PERSON, ANYONE], False),  # given back
        ([PERSON, AI], False),
        ([AI, ANYONE], True),  # taken from the machines
        ([AI, ANYONE, ANYONE], True),
        ([AI, ANYONE, PERSON], True),
        ([AI, ANYONE, PERSON, ANYONE], False),
        ([AI, ANYONE, AI], False),
        ([AI, PERSON, ANYONE], False),
        ([ANYONE, PERSON, PERSON, ANYONE, PERSON], True),
    ],
)
def test_who_holds_it(database: Database, told: list[ThreadOwner], held: bool) -> None:
    channel = open_channel(database)
    store(database, channel, thread())
    for number, thread_owner in enumerate(told):
        tell(database, channel, thread_owner, seconds=number)
    now = conversation(database)
    assert (now.held_since is not None) == held
    assert now.thread_owner == told[-1]


def tell(
    database: Database, channel: ChannelIntegration, thread_owner: ThreadOwner, *, seconds: float
) -> None:
    with database.transaction() as session:
        note_thread_owner(session, channel.id, {"t1": thread_owner}, now=after(seconds))


def test_it_is_held_since_it_was_first_seen_so(database: Database) -> None:
    channel = open_channel(database)
    store(database, channel, thread())
    for seconds, thread_owner in ((0, ANYONE), (5, PERSON), (9, PERSON)):
        tell(database, channel, thread_owner, seconds=seconds)
    assert conversation(database).held_since == after(5)


def test_other_threads_and_those_of_other_channels_are_left_alone(database: Database) -> None:
    ours, theirs = open_channel(database), open_channel(database, account="another")
    store(database, ours, thread(), thread(thread_id="t2"))
    tell(database, theirs, PERSON, seconds=0)
    assert conversation(database).thread_owner is None
    tell(database, ours, PERSON, seconds=0)
    assert conversation(database).thread_owner == PERSON
    assert conversation(database, "t2").thread_owner is None


def test_a_page_that_tells_nothing_changes_nothing(database: Database) -> None:
    channel = open_channel(database)
    store(database, channel, replace(thread(), thread_owner=PERSON))
    store(database, channel, thread())
    assert conversation(database).thread_owner == PERSON
    assert conversation(database).held_since is not None


def test_of_a_thread_that_is_shown_twice_the_later_word_counts(database: Database) -> None:
    channel = open_channel(database)
    shown = [replace(thread(), thread_owner=thread_owner) for thread_owner in (PERSON, ANYONE)]
    store(database, channel, *shown)
    assert conversation(database).thread_owner == ANYONE
