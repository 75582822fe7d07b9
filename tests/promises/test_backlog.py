"""What waited through a long stop is the owner's to decide, whoever else is at work meanwhile."""

from collections import Counter
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime, timedelta

import pytest
from sqlalchemy.orm import Session

from shoptalk.db import backlog
from shoptalk.db.backlog import held_messages
from shoptalk.db.models import Conversation, Message
from shoptalk.types import Outcome
from tests.cli.terminal import Terminal
from tests.loop.shop import ANN, Shop
from tests.promises.counting import PARROT, a_tick, another_at_work
from tests.promises.test_deliveries import BUFFER_SECONDS
from tests.torture.truth import marks_of

BOB, EVE, DAN = "7300000000000002", "7300000000000003", "7300000000000004"


@pytest.fixture
def shop(shop: Shop) -> Shop:
    shop.opens("facebook")
    shop.model_says(PARROT)
    shop.imports()
    return shop


def meanwhile(monkeypatch: pytest.MonkeyPatch, happens: Callable[[], object]) -> None:
    """Something happens once, right after a command has read what waits."""

    def read(
        session: Session, workspace_id: int, *, held_before: datetime, limit: int | None = None
    ) -> Sequence[tuple[Message, Conversation]]:
        found = held_messages(session, workspace_id, held_before=held_before, limit=limit)
        monkeypatch.undo()
        happens()
        return found

    monkeypatch.setattr(backlog, "held_messages", read)


def waited_long(shop: Shop, text: str = "Hello? #1", *, who: str = ANN) -> str:
    message_id = shop.customer_writes(text, who=who)
    shop.wait(hours=7)
    shop.imports()
    assert shop.replies() == {}
    return message_id


def listed(terminal: Terminal) -> list[str]:
    return [row["message_id"] for row in terminal.types("backlog", "list", "--json").document]


def answered_marks(shop: Shop) -> list[list[int]]:
    return [marks_of(sent) for sent in shop.sent()]


def outcome(shop: Shop, message_id: str) -> str | None:
    return shop.message(message_id).outcome


def held_ids(shop: Shop) -> list[int]:
    with shop.app.database.transaction() as session:
        held = held_messages(
            session, shop.app.workspace_id(), held_before=shop.now - timedelta(hours=6)
        )
    return [message.id for message, _ in held]


def release(shop: Shop) -> None:
    """Another owner says in another window: answer them."""
    ids = held_ids(shop)
    with shop.app.database.transaction() as session:
        backlog.release(session, ids)


def test_it_is_listed_by_age_and_each_is_decided_while_another_process_works(
    shop: Shop, terminal: Terminal
) -> None:
    waited = {}
    for mark, who in enumerate((BOB, ANN, EVE), start=1):
        waited[who] = shop.customer_writes(f"Hello? #{mark}", who=who)
        shop.wait(minutes=10)
    shop.wait(hours=7)
    lately = shop.customer_writes("Hello? #4", who=DAN)
    shop.wait(seconds=BUFFER_SECONDS)
    assert shop.imports()
    assert listed(terminal) == [waited[BOB], waited[ANN], waited[EVE]]
    bob, ann, _ = (
        str(row["conversation_id"]) for row in terminal.types("backlog", "list", "--json").document
    )
    with another_at_work(shop):
        assert terminal.types("backlog", "answer", bob).code == 0
        later = shop.customer_writes("Hello? #5", who=DAN)
        assert terminal.types("backlog", "dismiss", ann).code == 0
        assert listed(terminal)[-1] == waited[EVE]
    shop.wait(seconds=BUFFER_SECONDS)
    a_tick(shop.app)
    assert listed(terminal) == [waited[EVE]]
    assert shop.message(waited[EVE]).outcome is None
    assert shop.message(waited[ANN]).outcome == Outcome.DISMISSED
    for answered in (waited[BOB], lately, later):
        assert shop.message(answered).outcome == Outcome.ANSWERED
    assert sorted(mark for marks in answered_marks(shop) for mark in marks) == [1, 4, 5]


def test_two_owners_who_decide_at_once_decide_each_message_once(
    shop: Shop, terminal: Terminal
) -> None:
    waited = [
        shop.customer_writes(f"Hello? #{mark}", who=f"74{mark:014d}") for mark in range(1, 21)
    ]
    shop.wait(hours=7)
    shop.imports()
    ids = held_ids(shop)
    assert len(ids) == len(waited)

    def decide(what: Callable[[Session, Sequence[int]], int], order: Sequence[int]) -> int:
        decided = 0
        for row_id in order:
            with shop.app.database.transaction() as session:
                decided += what(session, [row_id])
        return decided

    with another_at_work(shop), ThreadPoolExecutor(2) as pool:
        answered = pool.submit(decide, backlog.release, ids)
        dismissed = pool.submit(decide, backlog.dismiss, ids[::-1])
        counts = Counter({"answered": answered.result(), "dismissed": dismissed.result()})
    a_tick(shop.app)
    assert counts.total() == len(waited)
    assert Counter(shop.message(each).outcome for each in waited) == counts
    assert len(shop.sent()) == counts["answered"]


def test_who_writes_again_is_answered_and_the_old_still_waits(
    shop: Shop, terminal: Terminal
) -> None:
    old = waited_long(shop)
    new = shop.customer_writes("Are you there? #2")
    shop.wait(seconds=BUFFER_SECONDS)
    shop.imports()
    assert shop.replies() == {"answered": 1}
    assert answered_marks(shop) == [[1, 2]]  # the model is told what the owner still holds
    assert listed(terminal) == [old]
    assert terminal.types("backlog", "answer", "--all").code == 0
    assert shop.replies() == {"answered": 1}
    assert [marks[-1:] for marks in answered_marks(shop)] == [[2], [1]]
    assert {shop.message(each).outcome for each in (old, new)} == {Outcome.ANSWERED}
    assert shop.replies() == {}


def test_who_writes_again_while_the_owner_decides_is_answered_once_and_in_order(
    shop: Shop, terminal: Terminal
) -> None:
    waited_long(shop)
    shop.customer_writes("Are you there? #2")
    shop.imports()
    assert shop.replies() == {}  # its buffer runs
    assert terminal.types("backlog", "answer", "--all").code == 0
    shop.replies()
    shop.wait(seconds=BUFFER_SECONDS)
    with another_at_work(shop):
        shop.customer_writes("Thanks! #3", who=BOB)
        a_tick(shop.app)
    assert answered_marks(shop) == [[1, 2]]


def test_what_a_person_answers_leaves_the_list(shop: Shop, terminal: Terminal) -> None:
    message_id = waited_long(shop)
    shop.employee_writes("Sam here, sorry for the wait")
    with another_at_work(shop):
        assert listed(terminal) in ([], [message_id])
    assert listed(terminal) == []
    assert shop.message(message_id).outcome == Outcome.ANSWERED_BY_PERSON
    told = terminal.types("backlog", "dismiss", "1")
    assert (told.code, told.sentence) == (2, "Nothing waits in conversation 1.")


def test_what_was_answered_meanwhile_is_not_dismissed(
    shop: Shop, terminal: Terminal, monkeypatch: pytest.MonkeyPatch
) -> None:
    message_id = waited_long(shop)

    def it_is_answered() -> None:
        release(shop)
        assert shop.replies() == {"answered": 1}

    meanwhile(monkeypatch, it_is_answered)
    assert terminal.types("backlog", "dismiss", "--all").out == "0 messages were dismissed.\n"
    assert outcome(shop, message_id) == Outcome.ANSWERED
    assert len(shop.sent()) == 1


def test_what_was_gathered_meanwhile_is_not_dismissed(
    shop: Shop, terminal: Terminal, monkeypatch: pytest.MonkeyPatch
) -> None:
    message_id = waited_long(shop)

    def it_is_gathered() -> None:
        release(shop)
        shop.app.responder()._selector.select()

    meanwhile(monkeypatch, it_is_gathered)
    assert terminal.types("backlog", "dismiss", "--all").out == "0 messages were dismissed.\n"
    assert outcome(shop, message_id) is None
    assert shop.replies() == {"answered": 1}
    assert outcome(shop, message_id) == Outcome.ANSWERED


def test_what_a_person_answered_meanwhile_is_not_dismissed(
    shop: Shop, terminal: Terminal, monkeypatch: pytest.MonkeyPatch
) -> None:
    message_id = waited_long(shop)

    def a_person_answers() -> None:
        shop.employee_writes("Sam here, sorry")
        shop.imports()
        assert shop.replies() == {}

    meanwhile(monkeypatch, a_person_answers)
    assert terminal.types("backlog", "dismiss", "--all").out == "0 messages were dismissed.\n"
    assert outcome(shop, message_id) == Outcome.ANSWERED_BY_PERSON
    assert listed(terminal) == []
    assert shop.sent() == []


def test_what_was_dismissed_meanwhile_is_not_answered(
    shop: Shop, terminal: Terminal, monkeypatch: pytest.MonkeyPatch
) -> None:
    message_id = waited_long(shop)

    def it_is_dismissed() -> None:
        with shop.app.database.transaction() as session:
            backlog.dismiss(session, held_ids(shop))

    meanwhile(monkeypatch, it_is_dismissed)
    assert terminal.types("backlog", "answer", "--all").out == "0 messages will be answered.\n"
    assert shop.replies() == {}
    assert outcome(shop, message_id) == Outcome.DISMISSED
    assert shop.sent() == []
