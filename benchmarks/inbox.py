"""A shop's inbox, the same one each time it is made: who wrote what, when.

The server serves it, and the check of content goes by it. As in any inbox most conversations
are short and a few are very long.
"""

import hashlib
import random
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

PAGE_ID = "550011"
PAGE_NAME = "Corner Shop"
TOKEN = "benchmark-page-token"
MESSAGES_EACH = 50  #: on average
LONGEST = 900
NEWEST = datetime(2026, 1, 31, 21, 0, tzinfo=UTC)
TEXTS = (
    "Hello, is the blue one still in stock?",
    "Yes, we have three left. Shall I put one aside for you?",
    "مرحبا، كم سعر التوصيل إلى بيروت؟",
    "أهلاً، التوصيل مجاني فوق خمسين دولاراً 🙂",
    "ok",
    "Thanks a lot!\nI'll come by on Saturday around 11, if that suits you.",
    'My address is "12, rue Gouraud", second floor; the bell says \\Haddad\\.',
    "👍🏽",
    """Could you send me a picture of the back of it, and tell me whether it fits a 40 cm shelf?
The last one I bought was a little too wide and I had to bring it back.""",
    "لحظة من فضلك، أتأكد من المخزون وأعود إليك خلال دقائق قليلة",
)


@dataclass(frozen=True, slots=True)
class Written:
    message_id: str
    text: str
    by_customer: bool
    at: datetime
    has_image: bool


@dataclass(frozen=True, slots=True)
class Thread:
    thread_id: str
    customer_id: str
    customer_name: str
    messages: list[Written]  #: newest first


def sizes(messages: int) -> list[int]:
    """How many messages each conversation has; `messages` in all."""
    dice = random.Random(7)
    count = max(1, messages // MESSAGES_EACH)
    drawn = [min(LONGEST, max(1, round(dice.lognormvariate(3.4, 0.95)))) for _ in range(count)]
    scale = messages / sum(drawn)
    drawn = [max(1, int(size * scale)) for size in drawn]
    place = 0
    while (lacking := messages - sum(drawn)) != 0:
        step = min(lacking, 5) if lacking > 0 else -min(-lacking, drawn[place] - 1)
        drawn[place] += step
        place = (place + 1) % count
    return drawn


def threads(messages: int) -> Iterator[Thread]:
    """The conversations, latest change first."""
    for number, size in enumerate(sizes(messages)):
        newest = NEWEST - number * timedelta(minutes=7)
        dice = random.Random(number)
        written = []
        at = newest
        for place in range(size):
            draw = dice.random()
            has_image = draw < 0.03
            written.append(
                Written(
                    message_id=f"m_{number:06}x{size - place:06}Qw8ZkT3vLr0",
                    text="" if has_image else f"{TEXTS[int(draw * 1000) % 10]} #{size - place}",
                    by_customer=draw < 0.6,
                    at=at,
                    has_image=has_image,
                )
            )
            at -= timedelta(seconds=int(draw * 90))  # several may share a second
        yield Thread(f"t_{number:010}", f"73{number:014}", f"Customer {number}", written)


class Digest:
    """A sum over rows that any order of them leaves the same, and that no row leaves alone."""

    def __init__(self) -> None:
        self.rows = 0
        self._sum = 0

    def add(self, thread_id: str, message_id: str, text: str, by_customer: bool, at: int) -> None:
        """Count one message in; `at` is in Unix seconds."""
        row = f"{thread_id}\0{message_id}\0{text}\0{by_customer:d}\0{at}"
        self._sum += int.from_bytes(hashlib.blake2b(row.encode(), digest_size=16).digest())
        self.rows += 1

    def __str__(self) -> str:
        return f"{self.rows}:{self._sum % 2**128:032x}"


def digest(messages: int) -> str:
    """What the whole inbox comes to."""
    whole = Digest()
    for thread in threads(messages):
        for each in thread.messages:
            at = int(each.at.timestamp())
            whole.add(thread.thread_id, each.message_id, each.text, each.by_customer, at)
    return str(whole)
