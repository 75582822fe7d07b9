"""Whether a model was shown what a thread held: its last ten messages, none dropped, in order.

The check knows nothing of how shoptalk reads its tables. It is handed what a model received and
what the platform's thread held, and asks whether there is a turn, the last so many messages of
the customer, with which the one is what promise 11 makes of the other.
"""

import re
import unicodedata
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from shoptalk.sandbox.accounts import SandboxAccount
from shoptalk.sandbox.messages import StoredMessage
from shoptalk.sandbox.threads import Thread
from shoptalk.sandbox.twilio.records import Failures, listed

LAST = 10
LONGEST_TURN = 200

#: What is said beside the words: attachments, who of the shop wrote, what did not arrive
_BESIDE = re.compile(
    r"\[[^\]]*\]|\((?:a colleague at the shop wrote|this did not reach the customer)\) "
)


@dataclass(frozen=True, slots=True)
class Heard:
    """A line of a conversation, by the customer or by the shop."""

    is_customers: bool
    text: str


def heard_in(shown: Mapping[str, Any]) -> list[Heard]:
    """The lines of a request, as the sandbox's control API tells what it showed."""
    return [Heard(line["side"] == "customer", line["text"]) for line in shown["lines"]]


def in_platforms_order(
    thread: Thread, account: SandboxAccount, now: datetime
) -> Sequence[StoredMessage]:
    if account.platform != "twilio":
        return thread.messages
    # Its order is that of the list: by when a message was sent, which is after it was taken.
    return sorted(thread.messages, key=lambda each: listed(each, account, Failures(), now).place)


#: Whether a line of the shop answers any of these lines
Answers = Callable[[Heard, Sequence[Heard]], bool]


def is_right(
    shown: Sequence[Heard],
    held: Sequence[Heard],
    *,
    answers: Answers = lambda _line, _turn: False,
) -> bool:
    """Compare.

    Args:
        shown: what a model received, oldest first; neighbours of one side may have been joined.
        held: the thread's messages in the platform's order, also later ones of the customer.
        answers: tells what of `held` came after the model was asked: what answers the newest line
            that was shown, or a later one.
    """
    wanted = _joined(shown)
    return any(_joined(context) == wanted for context in _contexts(shown, held, answers))


def _contexts(
    shown: Sequence[Heard], held: Sequence[Heard], answers: Answers
) -> Iterator[Sequence[Heard]]:
    """What a model may have been shown, one for each turn that ends as what was shown does."""
    if not shown or not shown[-1].is_customers:
        return
    end = _plain(shown[-1].text)
    theirs = [place for place, line in enumerate(held) if line.is_customers]
    for newest in range(len(theirs) - 1, -1, -1):
        if not end.endswith(_plain(held[theirs[newest]].text)):
            continue
        to_come = set(theirs[newest + 1 :])
        unasked = [held[place] for place in sorted({theirs[newest], *to_come})]
        for size in range(1, min(newest + 1, LONGEST_TURN) + 1):
            places = theirs[newest + 1 - size : newest + 1]
            turn = [held[place] for place in places]
            earlier = [
                line
                for place, line in enumerate(held)
                if place not in to_come
                and place not in places
                and (line.is_customers or not answers(line, unasked))
            ]
            if any(not line.is_customers and answers(line, turn) for line in earlier):
                break  # some of it was answered before the model was asked: it is no turn
            yield [*earlier, *turn][-max(LAST, size) :]


def _joined(lines: Sequence[Heard]) -> list[tuple[bool, str]]:
    """Runs of one side as one text, in one spelling."""
    runs: list[tuple[bool, str]] = []
    for line in lines:
        text = _plain(line.text)
        if runs and runs[-1][0] == line.is_customers:
            text = f"{runs.pop()[1]} {text}"
        runs.append((line.is_customers, text.strip()))
    return runs


def _plain(text: str) -> str:
    """One spelling: SMS has another sign for "times"."""
    text = _BESIDE.sub(" ", text)
    return " ".join(unicodedata.normalize("NFKC", text).replace("×", "x").split())
