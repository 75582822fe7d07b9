"""The customers who wait for a person: what `status`, `doctor`, the live view and `run` say."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from shoptalk.commands.common import moment
from shoptalk.commands.display import ago, count, one_line, when
from shoptalk.db.handovers import HandedOver
from shoptalk.db.waiting import NAMED, Backlog, LeftToPeople
from shoptalk.types import Outcome
from shoptalk.wiring import App

BACKLOG = "backlog"  #: the reason of what waits for the owner's decision

_REASONS = {
    BACKLOG: "held for your decision",
    Outcome.TAKEN_OVER: "taken over by a person",
    Outcome.AI_OFF: "the AI is off",
    Outcome.REPLY_LIMIT: "the AI's replies of the hour were used up",
    Outcome.LOOP: "both sides repeated themselves",
    Outcome.WINDOW_CLOSED: "the platform's reply window is over",
    Outcome.UNREACHABLE: "the platform does not deliver to them",
    Outcome.DELIVERY_FAILED: "the answer could not be delivered",
    Outcome.DELIVERY_UNCERTAIN: "whether the answer arrived is not known",
    Outcome.MODEL_FAILED: "the model gave no usable answer",
    Outcome.PRICE_REFUSED: "the model insisted on a wrong price",
}

_REMEDIES = {
    BACKLOG: "`shoptalk backlog list` shows them, "
    "`shoptalk backlog answer --all` has them answered",
    Outcome.WINDOW_CLOSED: "reach them another way",
    Outcome.UNREACHABLE: "reach them another way",
    Outcome.DELIVERY_FAILED: "`shoptalk deliveries list --status failed` says why",
    Outcome.DELIVERY_UNCERTAIN: "look in the thread; `shoptalk deliveries list --status uncertain`",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Reason:
    """Customers who wait for a person for one reason."""

    name: str  #: "backlog", or the outcome of what they wrote
    title: str
    conversations: int
    messages: int | None  #: None: not counted
    since: datetime
    what_to_do: str
    oldest: Sequence[dict[str, Any]]

    def line(self, *, now: datetime) -> str:
        """One line for people."""
        size = count(self.conversations, "conversation")
        if self.messages is not None:
            size = f"{count(self.messages, 'message')} in {size}"
        return (
            f"{self.title}: {size}, the oldest since {when(self.since)} "
            f"({ago(self.since, now=now)}){self._named()}; {self.what_to_do}"
        )

    def _named(self) -> str:
        if not self.oldest:
            return ""
        names = [
            f"{each['conversation_id']} {one_line(each['customer'])}"
            + (f" ({one_line(each['why'])})" if "why" in each else "")
            for each in self.oldest
        ]
        more = ["…"] if self.conversations > len(names) else []
        return f": {', '.join([*names, *more])}"

    def as_json(self) -> dict[str, Any]:
        return {
            "reason": self.name,
            "conversations": self.conversations,
            "messages": self.messages,
            "since": moment(self.since),
            "oldest": [each | {"since": moment(each["since"])} for each in self.oldest],
            "what_to_do": self.what_to_do,
        }


def waiting_for_people(app: App, workspace_id: int) -> list[Reason]:
    """Who waits for a person, by reason; what the owner must decide comes first."""
    from shoptalk.db.handovers import who_waits
    from shoptalk.db.waiting import backlog, left_to_people

    held_before = app.clock() - app.rules.selection.backlog_after
    with app.database.transaction() as session:
        held = backlog(session, workspace_id, held_before=held_before)
        left = left_to_people(session, workspace_id)
        handed_over = who_waits(session, workspace_id)
    return [*_of_backlog(held), *_of_handed_over(handed_over), *map(_of_outcome, left)]


def _of_handed_over(waiting: Sequence[HandedOver]) -> list[Reason]:
    if not waiting:
        return []
    return [
        Reason(
            name=Outcome.NEEDS_PERSON,
            title="handed over by the AI",
            conversations=len(waiting),
            messages=None,
            since=waiting[0].since,
            what_to_do=f"answer there, or `shoptalk conversations ai {waiting[0].conversation_id} "
            "on` has the AI answer",
            oldest=[
                {
                    "conversation_id": each.conversation_id,
                    "customer": each.customer,
                    "since": each.since,
                    "why": each.reason,
                }
                for each in waiting[:NAMED]
            ],
        )
    ]


def _of_backlog(held: Backlog) -> list[Reason]:
    if held.since is None:
        return []
    return [
        Reason(
            name=BACKLOG,
            title=_REASONS[BACKLOG],
            conversations=held.conversations,
            messages=held.messages,
            since=held.since,
            what_to_do=_REMEDIES[BACKLOG],
            oldest=(),
        )
    ]


def _of_outcome(left: LeftToPeople) -> Reason:
    outcome = left.outcome
    first = left.oldest[0].conversation_id
    return Reason(
        name=outcome,
        title=_REASONS.get(outcome, outcome.replace("_", " ")),
        conversations=left.conversations,
        messages=None,
        since=left.since,
        what_to_do=_REMEDIES.get(
            outcome,
            f"answer there, or `shoptalk conversations ai {first} on` has the AI answer",
        ),
        oldest=[
            {
                "conversation_id": each.conversation_id,
                "customer": each.customer,
                "since": each.since,
            }
            for each in left.oldest[:NAMED]
        ],
    )
