"""Who wants no more messages: the latest word counts, in whatever order words are read."""

from itertools import permutations

import pytest

from shoptalk.db.engine import Database
from shoptalk.db.models import ChannelIntegration
from shoptalk.db.opt_outs import Word, note_opted_out, note_words
from shoptalk.importer.opt_out_keywords import words_of
from shoptalk.platforms.base import Keywords
from shoptalk.types import Outcome

from .rows import (
    after,
    conversation,
    customer_writes,
    message,
    open_channel,
    shop_writes,
    store,
    thread,
)

KEYWORDS = Keywords(
    stop=frozenset({"stop", "cancel"}),
    start=frozenset({"start"}),
    answered=frozenset({"start", "help"}),
)


def note(database: Database, channel: ChannelIntegration, *words: Word) -> None:
    with database.transaction() as session:
        note_words(session, channel.id, words)


def word(text: str, seconds: float, *, thread_id: str = "t1") -> Word:
    [found] = words_of(
        [thread(customer_writes(f"m{seconds}", seconds, text=text), thread_id=thread_id)], KEYWORDS
    )
    return found


@pytest.mark.parametrize(
    ("said", "is_out"),
    [
        ([("stop", 1)], True),
        ([("stop", 1), ("start", 2)], False),
        ([("start", 1), ("stop", 2)], True),
        ([("stop", 1), ("start", 2), ("cancel", 3)], True),
        ([("stop", 1), ("start", 1)], True),
        ([("help", 1)], False),
    ],
)
def test_the_latest_word_counts_in_whatever_order_words_are_read(
    database: Database,
    channel: ChannelIntegration,
    said: list[tuple[str, float]],
    is_out: bool,
) -> None:
    for number, order in enumerate(permutations(said)):
        store(database, channel, thread(customer_writes(f"first {number}"), thread_id=f"{number}"))
        for text, seconds in order:
            note(database, channel, word(text, seconds, thread_id=str(number)))
        assert conversation(database, str(number)).is_opted_out is is_out


def test_a_word_opts_out_in_its_own_thread_and_channel_only(
    database: Database, channel: ChannelIntegration
) -> None:
    other = open_channel(database, workspace="another shop", account="other")
    store(database, channel, customer_writes("m1", 1))
    store(database, channel, thread(customer_writes("m2", 1), thread_id="t2"))
    store(database, other, thread(customer_writes("m3", 1), thread_id="t3"))
    note(database, other, word("stop", 1))
    assert not conversation(database, "t1").is_opted_out
    note(database, channel, word("stop", 1))
    assert conversation(database, "t1").is_opted_out
    assert not conversation(database, "t2").is_opted_out
    assert not conversation(database, "t3").is_opted_out


def test_a_word_gets_its_outcome_unless_it_has_one(
    database: Database, channel: ChannelIntegration
) -> None:
    said = [
        customer_writes("old", -60, text="stop"),
        customer_writes("out", 1, text="Stop"),
        customer_writes("in", 2, text="START"),
        customer_writes("help", 3, text=" help\n"),
        customer_writes("more", 4, text="help me"),
        shop_writes("ours", 5, text="help"),
    ]
    store(database, channel, *said)
    note(database, channel, *words_of([thread(*said)], KEYWORDS))
    outcomes = {each.message_id: message(database, each.message_id).outcome for each in said}
    assert outcomes == {
        "old": Outcome.HISTORY,
        "out": Outcome.OPTED_OUT,
        "in": Outcome.KEYWORD,
        "help": Outcome.KEYWORD,
        "more": None,
        "ours": None,
    }


@pytest.mark.parametrize(("text", "counts"), [
    ("STOP", True), (" stop. ", True), ("Stop!!", True), ("Cancel", True),
    ("please stop", False), ("stop it", False), ("Start!", False), ("Help!", False), ("", False),
])  # fmt: skip
def test_only_a_message_that_is_nothing_else_is_a_word(text: str, counts: bool) -> None:
    found = words_of([thread(customer_writes("m1", text=text))], KEYWORDS)
    assert bool(found) is counts


def test_a_platform_without_words_has_none() -> None:
    assert words_of([thread(customer_writes("m1", text="stop"))], None) == []


def test_what_the_platform_says_is_undone_by_a_later_word_only(
    database: Database, channel: ChannelIntegration
) -> None:
    store(database, channel, customer_writes("m1", 1))
    with database.transaction() as session:
        note_opted_out(session, conversation(database).id, at=after(10))
    note(database, channel, word("start", 9))
    assert conversation(database).is_opted_out
    note(database, channel, word("start", 11))
    assert not conversation(database).is_opted_out
