"""What the model is told of a conversation: its last messages as they were, and its orders."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from itertools import count

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from shoptalk.agents.models.base import Prompt, Role
from shoptalk.agents.prompt_builder import LAST_MESSAGES, ORDERS_TOLD, PromptBuilder
from shoptalk.db.engine import Database
from shoptalk.db.models import ChannelIntegration, Conversation, Message, Order, Turn
from shoptalk.db.selection import SelectionPolicy
from shoptalk.db.turn_input import read_turn_inputs
from tests.db.rows import NINE, after, open_channel

POLICY = SelectionPolicy(takeover_pause=timedelta(hours=12), backlog_after=timedelta(hours=6))
NOW = after(3600)
LONG_AGO = NOW - timedelta(hours=7)
NUMBERS = count(1)


@dataclass(frozen=True, slots=True)
class Written:
    """One message as a test wants it stored."""

    sender: str
    text: str
    second: int  #: after nine
    waits: bool = False
    content_type: str = "text"
    failed: bool = False
    at: datetime | None = None

    @property
    def written_at(self) -> datetime:
        return self.at or after(self.second)


class ModelSession:
    """A conversation, with messages in the order in which they are stored."""

    def __init__(self, database: Database, channel: ChannelIntegration) -> None:
        self._database = database
        self._number = next(NUMBERS)
        self._places = count(1)
        with database.transaction() as session:
            conversation = Conversation(
                channel_integration_id=channel.id,
                workspace_id=channel.workspace_id,
                platform="facebook",
                channel="facebook",
                thread_id=f"t{self._number}",
                customer_id=f"c{self._number}",
            )
            session.add(conversation)
            session.flush()
            turn = Turn(
                workspace_id=channel.workspace_id,
                conversation_id=conversation.id,
                first_message_at=NOW,
                last_message_at=NOW,
                message_count=1,
                due_at=NOW,
                created_at=NOW,
            )
            session.add(turn)
            session.flush()
            self.id, self.turn_id = conversation.id, turn.id
            self.workspace_id = channel.workspace_id

    def hears(self, *written: Written, of_turn: bool = False) -> None:
        with self._database.transaction() as session:
            for each in written:
                place = next(self._places)
                waits = of_turn or each.waits
                session.add(
                    Message(
                        conversation_id=self.id,
                        message_id=f"m{self._number}.{place}",
                        content=each.text,
                        sender_type=each.sender,
                        is_old=each.written_at < NINE,
                        outcome="answered" if each.sender == "customer" and not waits else None,
                        content_type=each.content_type,
                        status="failed" if each.failed else "received",
                        created_at=each.written_at,
                        imported_at=NOW,
                        sequence_no=place,
                        turn_id=self.turn_id if of_turn else None,
                    )
                )

    def orders(self, *goods: tuple[str, int, str], in_turn: bool = False) -> None:
        with self._database.transaction() as session:
            for name, quantity, price in goods:
                session.add(
                    Order(
                        workspace_id=self.workspace_id,
                        conversation_id=self.id,
                        turn_id=self.turn_id if in_turn else None,
                        product_id=name,
                        product_name=name,
                        quantity=quantity,
                        unit_price=Decimal(price),
                        currency="USD",
                        total=Decimal(price) * quantity,
                        created_at=NINE,
                    )
                )

    def prompt(self) -> Prompt:
        with self._database.transaction() as session:
            turn = session.get_one(Turn, self.turn_id)
            turn_inputs = read_turn_inputs(
                session, [turn], POLICY, most_earlier=LAST_MESSAGES, now=NOW
            )
            [context] = [
                PromptBuilder(session, default_model="m", now=NOW).write(turn_input)
                for turn_input in turn_inputs
            ]
            return context.prompt

    def told(self) -> list[tuple[str, str]]:
        return [(line.role, line.text) for line in self.prompt().lines]


@pytest.fixture
def channel(database: Database) -> ChannelIntegration:
    return open_channel(database)


@pytest.fixture
def talk(database: Database, channel: ChannelIntegration) -> ModelSession:
    return ModelSession(database, channel)


def said(number: int, sender: str = "customer") -> Written:
    return Written(sender, f"words {number}", number)


@pytest.mark.parametrize("earlier", range(13))
@pytest.mark.parametrize("burst", [1, 2, 5, 9, 10, 11])
def test_the_last_ten_messages_reach_the_model_whatever_the_length(
    talk: ModelSession, earlier: int, burst: int
) -> None:
    talk.hears(*(said(n, "agent" if n % 2 else "customer") for n in range(earlier)))
    talk.hears(*(said(n) for n in range(earlier, earlier + burst)), of_turn=True)
    kept = max(10, burst)
    wanted = [f"words {n}" for n in range(earlier + burst)][-kept:]
    assert [text for _, text in talk.told()] == wanted


_SENDERS = st.sampled_from(["customer", "customer", "agent", "employee", "note", "activity"])
_SHAPES = st.sampled_from([("text", "words"), ("image", ""), ("text", ""), ("location", "words")])


@st.composite
def conversations(draw: st.DrawFn) -> tuple[list[Written], list[Written], list[Written]]:
    """What was said, in the order of its arrival here; what still waits; and the turn."""
    numbers = count(1)

    def message(sender: str, second: int, *, waits: bool = False) -> Written:
        content_type, text = draw(_SHAPES)
        text = f"{text} {next(numbers)}" if text else ""
        return Written(sender, text, second, content_type=content_type, waits=waits)

    senders = draw(st.lists(_SENDERS, max_size=30))
    # Seconds repeat, and what arrives late has an earlier one than what is stored before it.
    earlier = [message(sender, draw(st.integers(-20, 20))) for sender in senders]
    waiting = [message("customer", 30, waits=True) for _ in range(draw(st.integers(0, 3)))]
    burst = [message("customer", draw(st.integers(0, 25))) for _ in range(draw(st.integers(1, 50)))]
    return earlier, waiting, burst


@given(conversations())
@settings(max_examples=150)
def test_what_reaches_the_model_is_what_the_promise_says(
    database: Database,
    channel: ChannelIntegration,
    talked: tuple[list[Written], list[Written], list[Written]],
) -> None:
    earlier, waiting, burst = talked
    talk = ModelSession(database, channel)
    talk.hears(*earlier, *waiting)
    talk.hears(*burst, of_turn=True)
    burst, earlier = _left_to_the_person(burst, earlier)
    assert talk.told() == [_as_told(each) for each in _promised(earlier, burst)]


def _left_to_the_person(
    burst: list[Written], earlier: list[Written]
) -> tuple[list[Written], list[Written]]:
    """What a person answered is not of the turn any more, unless that is all of it: then the turn
    is closed, and what the model would be told does not matter but is still in order."""
    answered = max((each.second for each in earlier if each.sender == "employee"), default=-99)
    rest = [each for each in burst if each.second >= answered]
    if not rest:
        return burst, earlier
    return rest, [*earlier, *(each for each in burst if each.second < answered)]


def _promised(earlier: Sequence[Written], burst: Sequence[Written]) -> list[Written]:
    """The last ten messages, in order, none dropped; a burst is whole and comes last."""
    in_order = sorted(burst, key=lambda each: each.second)
    heard = [each for each in earlier if each.sender not in ("note", "activity")]
    newest_first = sorted(heard, key=lambda each: each.second)[::-1]
    for each in newest_first:
        if len(in_order) >= 10:
            break
        in_order.insert(0, each)
    return in_order


def _as_told(each: Written) -> tuple[str, str]:
    text = each.text
    if each.content_type != "text":
        text = f"[{each.content_type}] {text}".strip()
    text = text or NOTHING
    if each.sender == "employee":
        text = f"(a colleague at the shop wrote) {text}"
    return ("customer" if each.sender == "customer" else "shop"), text


NOTHING = (
    "[a message without text: a location, a contact or other content that this platform does not "
    "show to the shop]"
)


def test_what_was_written_while_our_reply_was_on_its_way_comes_after_it(talk: ModelSession) -> None:
    talk.hears(said(1), said(3, "agent"), said(4, "agent"))
    talk.hears(said(2), said(5), of_turn=True)
    assert [text for _, text in talk.told()] == [f"words {n}" for n in (1, 3, 4, 2, 5)]


def test_what_waits_for_the_owner_is_told_and_what_waits_for_its_own_answer_is_not(
    talk: ModelSession,
) -> None:
    held = Written("customer", "is it in blue?", 0, waits=True, at=LONG_AGO)
    talk.hears(held, Written("customer", "and in green?", 50, waits=True))
    talk.hears(Written("customer", "hello??", 40), of_turn=True)
    assert [text for _, text in talk.told()] == ["is it in blue?", "hello??"]


def test_history_from_before_the_cut_over_is_told(talk: ModelSession) -> None:
    talk.hears(Written("customer", "my address is Oak Street 5", -90))
    talk.hears(said(1), of_turn=True)
    assert [text for _, text in talk.told()] == ["my address is Oak Street 5", "words 1"]


def test_what_did_not_reach_the_customer_is_told_so(talk: ModelSession) -> None:
    talk.hears(Written("agent", "It is 5.00 USD.", 1, failed=True))
    talk.hears(said(2), of_turn=True)
    assert talk.told()[0] == (Role.SHOP, "(this did not reach the customer) It is 5.00 USD.")


def test_orders_of_the_conversation_are_told_beside_those_of_the_turn(talk: ModelSession) -> None:
    talk.hears(said(1), of_turn=True)
    talk.orders(("Kettle", 2, "49.90"), ("Blue\nMug", 1, "5"))
    talk.orders(("Lamp", 3, "10"), in_turn=True)
    first, second, third = [line.id for line in _orders(talk)]
    told = talk.prompt().situation.splitlines()
    assert told[0] == "It is Sunday, 01 March 2026, 10:00 UTC."
    assert told[1].startswith("Orders placed earlier in this conversation;")
    assert told[2:4] == [
        f"- order {first} of 01 March 2026: 2 × Kettle, 99.80 USD.",
        f"- order {second} of 01 March 2026: 1 × Blue Mug, 5.00 USD.",
    ]
    assert told[4].startswith(f"In this turn order {third} was already placed: 3 × Lamp, 30.00 USD")
    assert len(told) == 5


def test_of_many_orders_the_latest_are_told(talk: ModelSession) -> None:
    talk.hears(said(1), of_turn=True)
    talk.orders(*((f"Product {n}", 1, "1") for n in range(8)))
    told = talk.prompt().situation.splitlines()
    assert told[1].startswith(f"The latest {ORDERS_TOLD} orders placed earlier")
    assert [line.split("× ")[1] for line in told[2:]] == [
        f"Product {n}, 1.00 USD." for n in range(3, 8)
    ]


def test_a_conversation_without_orders_is_told_the_date_only(talk: ModelSession) -> None:
    talk.hears(said(1), of_turn=True)
    assert talk.prompt().situation == f"It is {NOW.astimezone(UTC):%A, %d %B %Y, %H:%M} UTC."


def _orders(talk: ModelSession) -> Sequence[Order]:
    with talk._database.transaction() as session:
        return session.query(Order).order_by(Order.id).all()
