"""An answer is written down before it goes out, by one who has time to send it."""

from collections.abc import Sequence

import pytest

from shoptalk.db.engine import Database
from shoptalk.db.liveness import Liveness
from shoptalk.db.models import ChannelIntegration, Turn
from shoptalk.db.turn_input import EligibilitySnapshot
from shoptalk.responder.outbox import ComposedReply, Outbox, OutboxResult
from shoptalk.types import Outcome

from .queue import CLAIM_LASTS, POLICY, SELECTION, claim, only_turn, open_turns
from .rows import after, customer_writes, message, store, thread

LIFE = CLAIM_LASTS.total_seconds()
LONGEST = POLICY.longest.total_seconds()


def ledger(database: Database, seconds: float) -> Outbox:
    return Outbox(
        database,
        selection=SELECTION,
        buffer=POLICY,
        claim_lasts=CLAIM_LASTS,
        clock=lambda: after(seconds),
    )


def nothing_against(eligibility: EligibilitySnapshot) -> Outcome | None:
    return None


@pytest.fixture
def claimed(database: Database, channel: ChannelIntegration, ann: Liveness) -> Turn:
    """Ann's turn of one message, gathered at 0 s and claimed at 100 s, until 250 s."""
    store(database, channel, thread(customer_writes("a", 0)))
    open_turns(database, 0)
    [turn] = claim(database, ann, 100)
    return turn


def write_down(
    database: Database, turn: Turn, seconds: float, seen: Sequence[str] = ("a",)
) -> OutboxResult:
    answer = ComposedReply(
        turn=turn,
        parts=["Hello", "there"],
        seen=[message(database, each).id for each in seen],
        why_not=nothing_against,
    )
    return ledger(database, seconds).write_down(answer)


def test_who_writes_an_answer_down_has_the_turn_for_as_long_as_sending_may_take(
    database: Database, claimed: Turn, bob: Liveness
) -> None:
    written = write_down(database, claimed, 200)
    assert [each.content for each in written.deliveries] == ["Hello", "there"]
    assert claim(database, bob, 200 + LIFE) == []
    assert [turn.id for turn in claim(database, bob, 201 + LIFE)] == [claimed.id]


def test_an_answer_that_has_not_seen_the_last_message_is_put_back_while_the_turn_may_grow(
    database: Database, channel: ChannelIntegration, claimed: Turn
) -> None:
    store(database, channel, thread(customer_writes("b", 110)))
    open_turns(database, 110)
    written = write_down(database, claimed, LONGEST - 1)
    assert (written.is_superseded, list(written.deliveries)) == (True, [])
    assert (only_turn(database).claimed_by, only_turn(database).attempts) == (None, 0)


def test_at_the_limit_of_a_turns_age_it_goes_out_and_the_rest_is_left_for_the_next_turn(
    database: Database, channel: ChannelIntegration, claimed: Turn
) -> None:
    store(database, channel, thread(customer_writes("b", 110)))
    open_turns(database, 110)
    written = write_down(database, claimed, LONGEST)
    assert [each.content for each in written.deliveries] == ["Hello", "there"]
    assert message(database, "a").turn_id == claimed.id
    assert message(database, "b").turn_id is None
