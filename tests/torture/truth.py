"""What must have come of it: counted from what the platform received, against what was written."""

import re
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from decimal import Decimal

from sqlalchemy import func, select

from shoptalk.db.engine import Database
from shoptalk.db.models import Conversation, Message, Order, Product, Turn
from shoptalk.sandbox.world import World
from shoptalk.types import Outcome, SenderType
from tests.torture.context import Heard, is_right

MARK = re.compile(r"#(\d+)")
#: What a reply says was ordered; an SMS has another sign for "times"
CLAIMED = re.compile(r"ordered \d+ [×x] Product (\d+),")
AMOUNT = re.compile(r"(\d+\.\d+) [A-Z]{3}\b")

Replies = Mapping[str, Sequence[str]]  #: what reached each customer, in the platform's order


@dataclass(slots=True)
class Written:
    """What the customers wrote. Marks are numbers that only go up."""

    by_customer: dict[str, list[int]] = field(default_factory=dict)
    orders: dict[int, tuple[str, str]] = field(default_factory=dict)  #: mark -> customer, product

    def note(self, customer: str, mark: int) -> None:
        self.by_customer.setdefault(customer, []).append(mark)

    @property
    def marks(self) -> set[int]:
        return {mark for marks in self.by_customer.values() for mark in marks}


@dataclass(frozen=True, slots=True)
class Verdict:
    """Every figure but the first two must be 0."""

    messages: int
    replies: int
    lost: int
    twice: int
    out_of_order: int
    without_outcome: int
    orders_doubled: int
    orders_missing: int
    wrong_price: int
    tokens_abroad: int
    history_answered: int
    context_wrong: int = 0  #: requests that showed the model something else than the thread held

    @property
    def is_clean(self) -> bool:
        return not any(getattr(self, name) for name in self.__slots__[2:])

    def lines(self) -> list[str]:
        return [f"{name.replace('_', ' '):<20}{getattr(self, name):>8}" for name in self.__slots__]


def judge(
    world: World,
    database: Database,
    written: Written,
    replies: Replies | None = None,
    *,
    context_wrong: int = 0,
) -> Verdict:
    """Count.

    Args:
        replies: None: what the sandbox's platforms received.
        context_wrong: as counted with `wrong_contexts`.
    """
    outcomes = _outcomes(database)
    replies = received(world) if replies is None else replies
    answers = Counter(
        mark for texts in replies.values() for text in texts for mark in marks_of(text)
    )
    answered = {mark for mark, outcome in outcomes.items() if outcome == Outcome.ANSWERED}
    orders = _orders(database)
    claimed = {
        (customer, product)
        for customer, texts in replies.items()
        for text in texts
        for product in CLAIMED.findall(text)
    }
    return Verdict(
        messages=len(written.marks),
        replies=sum(map(len, replies.values())),
        lost=len(written.marks - outcomes.keys()) + len(answered - answers.keys()),
        twice=sum(1 for count in answers.values() if count > 1),
        out_of_order=sum(1 for texts in replies.values() if not _ascends(texts)),
        without_outcome=sum(1 for outcome in outcomes.values() if outcome is None),
        orders_doubled=sum(1 for count in orders.values() if count > 1),
        orders_missing=sum(
            1 for customer, number in claimed if not orders[(customer, f"p{number}")]
        ),
        wrong_price=_wrong_prices(database, replies),
        tokens_abroad=len(world.ledger.tokens_sent_abroad()),
        history_answered=len(replies.keys() - written.by_customer.keys()),
        context_wrong=context_wrong,
    )


def wrong_contexts(
    shown: Iterable[Sequence[Heard]], held: Mapping[str, Sequence[Heard]], written: Written
) -> list[tuple[Sequence[Heard], Sequence[Heard]]]:
    """The conversations shown to the model that are not what the customer's thread held, with it.

    Args:
        held: by customer, all that their threads hold in the end, in the platform's order.
    """
    thread_of = {
        mark: held.get(name, ()) for name, marks in written.by_customer.items() for mark in marks
    }
    wrong = []
    for lines in shown:
        marks = marks_of(lines[-1].text) if lines else []
        thread = thread_of.get(marks[-1], ()) if marks else ()
        if not is_right(lines, thread, answers=names_any_of):
            wrong.append((lines, thread))
    return wrong


def names_any_of(reply: Heard, lines: Sequence[Heard]) -> bool:
    """Whether a reply answers one of these messages, by its mark."""
    named = set(marks_of(reply.text))
    return any(not named.isdisjoint(marks_of(line.text)) for line in lines)


def marks_of(text: str) -> list[int]:
    return [int(mark) for mark in MARK.findall(text)]


def _outcomes(database: Database) -> dict[int, str | None]:
    with database.transaction() as session:
        rows = session.execute(
            select(Message.content, Message.outcome).where(
                Message.sender_type == SenderType.CUSTOMER, ~Message.is_old
            )
        )
        return {mark: outcome for content, outcome in rows for mark in marks_of(content)}


def received(world: World) -> Replies:
    """What reached each customer through the sandbox's platforms."""
    replies: dict[str, list[str]] = {}
    for sent in list(world.sent):
        if sent.message_id is not None:
            customer = sent.recipient_id.removeprefix("whatsapp:")  # as Twilio addresses them
            replies.setdefault(customer, []).append(sent.text)
    return replies


def _orders(database: Database) -> Counter[tuple[str, str]]:
    with database.transaction() as session:
        rows = session.execute(
            select(Conversation.customer_id, Order.product_id).join(
                Conversation, Conversation.id == Order.conversation_id
            )
        )
        return Counter((row.customer_id, row.product_id) for row in rows)


def _wrong_prices(database: Database, replies: Replies) -> int:
    """Amounts that are neither in the catalog nor the total of an order of that customer."""
    with database.transaction() as session:
        prices = set(session.scalars(select(Product.price)))
        totals = {
            (row.customer_id, row.total)
            for row in session.execute(
                select(Conversation.customer_id, Order.total).join(
                    Conversation, Conversation.id == Order.conversation_id
                )
            )
        }
    return sum(
        amount not in prices and (customer, amount) not in totals
        for customer, texts in replies.items()
        for text in texts
        for amount in map(Decimal, AMOUNT.findall(text))
    )


def _ascends(texts: Iterable[str]) -> bool:
    marks = [mark for text in texts for mark in marks_of(text)]
    return marks == sorted(marks)


def turns_ended(database: Database) -> int:
    with database.transaction() as session:
        return int(session.scalar(select(func.count()).where(Turn.closed_at.is_not(None))) or 0)
