"""The conditions that must all hold for a message to be answered, each with its value.

Of a message that is settled exactly one did not hold: the one that its outcome names. The others
are shown as they are now, and what does not hold any more made no difference then.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from shoptalk.db.missing_messages import waits_for_missing
from shoptalk.db.models import ChannelIntegration, Conversation, Message, Turn
from shoptalk.db.selection import SelectionPolicy
from shoptalk.types import Outcome, SenderType

AUTHORS = {
    SenderType.CUSTOMER: "a customer",
    SenderType.EMPLOYEE: "a person at the shop",
    SenderType.AGENT: "the AI",
    SenderType.NOTE: "somebody at the shop, for their colleagues",
    SenderType.ACTIVITY: "the platform itself",
}

#: The condition that did not hold, by the outcome that says so; of others it is the last.
_NAMED_BY = {
    Outcome.HISTORY: "is_old",
    Outcome.AI_OFF: "ai_enabled",
    Outcome.OPTED_OUT: "opted_out",
    Outcome.ANSWERED_BY_PERSON: "answered by a person",
    Outcome.TAKEN_OVER: "taken over",
    Outcome.REPLY_LIMIT: "replies within the hour",
    Outcome.WINDOW_CLOSED: "reply window",
    Outcome.DISMISSED: "backlog",
    Outcome.NEEDS_PERSON: "handed over",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Condition:
    """One of the things that must all hold for a message to be answered."""

    name: str  #: for programs
    title: str  #: for people
    value: str
    wanted: str  #: what it must be, while the message waits for its answer
    holds: bool
    matters: bool = True  #: False: it does not hold now, and that is not why

    def __str__(self) -> str:
        if self.holds:
            return f"ok   {self.title}: {self.value}"
        mark = "NOT" if self.matters else "-  "
        return f"{mark}  {self.title}: {self.value}; wanted: {self.wanted}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Rules:
    """What of the settings and of the platforms decides whether a message is answered."""

    selection: SelectionPolicy
    #: How long a reply is taken, by platform and by how the ids of its threads begin
    windows: Mapping[tuple[str, str], timedelta]
    most_replies_an_hour: int

    def window_of(self, conversation: Conversation) -> timedelta | None:
        fitting = [
            (len(beginning), window)
            for (platform, beginning), window in self.windows.items()
            if platform == conversation.platform and conversation.thread_id.startswith(beginning)
        ]
        return max(fitting)[1] if fitting else None


@dataclass(frozen=True, slots=True, kw_only=True)
class Facts:
    """All that is stored of a message and concerns its answer, as of now."""

    message: Message
    conversation: Conversation
    channel: ChannelIntegration
    turn: Turn | None
    answer: Message | None  #: the first that a person wrote after it
    person_wrote_at: datetime | None  #: the latest time, not handed back since
    is_handed_over: bool  #: by the AI, and no person has taken it up
    answered_lately: int  #: turns of the conversation within the last hour
    rules: Rules
    now: datetime

    @property
    def is_settled(self) -> bool:
        return self.message.outcome is not None

    @property
    def paused_until(self) -> datetime | None:
        """Until when the AI leaves the conversation alone, or left it."""
        wrote_at = self.person_wrote_at
        return wrote_at + self.rules.selection.takeover_pause if wrote_at else None

    @property
    def is_paused(self) -> bool:
        return self.paused_until is not None and self.paused_until > self.now

    @property
    def held_since(self) -> datetime | None:
        """Since when a person holds it on the platform and has not handed it back here."""
        since, resumed_at = self.conversation.held_since, self.conversation.ai_resumed_at
        return None if since and resumed_at and since <= resumed_at else since

    @property
    def window_closes_at(self) -> datetime | None:
        window = self.rules.window_of(self.conversation)
        return self.message.created_at + window if window else None

    @property
    def is_window_closed(self) -> bool:
        return self.window_closes_at is not None and self.window_closes_at <= self.now

    @property
    def is_held_back(self) -> bool:
        """Whether it waits for the owner's decision."""
        message = self.message
        return (
            not self.is_settled
            and message.turn_id is None
            and not message.released
            and message.created_at <= self.now - self.rules.selection.backlog_after
        )

    @property
    def waits_for_missing(self) -> bool:
        is_free = not self.is_settled and self.message.turn_id is None
        return is_free and waits_for_missing(self.message, self.channel, now=self.now)


def conditions_of(facts: Facts, show: Callable[[datetime], str]) -> list[Condition]:
    """Every condition, in the order in which they are looked at.

    Args:
        show: how a moment is written.
    """
    found = [
        *_of_the_message(facts, show),
        *_of_people(facts, show),
        *_of_limits(facts, show),
        *_of_the_way(facts),
    ]
    if not facts.is_settled:
        return found
    outcome = Outcome(facts.message.outcome or "")
    return [*(_as_it_was(each, outcome, facts) for each in found), _result(facts, outcome)]


def _as_it_was(condition: Condition, outcome: Outcome, facts: Facts) -> Condition:
    """Of a settled message: what its outcome names did not hold, and nothing else mattered."""
    named = _NAMED_BY.get(outcome)
    if outcome == Outcome.TAKEN_OVER and facts.person_wrote_at is None and facts.held_since:
        named = "held by a person"
    if condition.name == named:
        return replace(condition, holds=False)
    return replace(condition, matters=False)


def _result(facts: Facts, outcome: Outcome) -> Condition:
    reason = f" ({facts.message.failure_reason})" if facts.message.failure_reason else ""
    return Condition(
        name="outcome",
        title="what came of it",
        value=f"{outcome}{reason}",
        wanted="answered",
        holds=outcome == Outcome.ANSWERED,
        matters=outcome not in _NAMED_BY,
    )


def _of_the_message(facts: Facts, show: Callable[[datetime], str]) -> Sequence[Condition]:
    message, conversation = facts.message, facts.conversation
    out_at = conversation.opted_out_at if conversation.is_opted_out else None
    return [
        Condition(
            name="sender_type",
            title="written by",
            value=AUTHORS[SenderType(message.sender_type)],
            wanted="a customer",
            holds=message.sender_type == SenderType.CUSTOMER,
        ),
        Condition(
            name="is_old",
            title="written before the channel was connected",
            value=f"{_yes(message.is_old)} (written {show(message.created_at)}, "
            f"connected {show(facts.channel.connected_at)})",
            wanted="no",
            holds=not message.is_old,
        ),
        Condition(
            name="reply_sent",
            title="a reply was sent to it",
            value=_yes(message.reply_sent),
            wanted="no",
            holds=not message.reply_sent or message.outcome == Outcome.ANSWERED,
        ),
        Condition(
            name="opted_out",
            title="the customer wants no more messages",
            value=f"yes, since {show(out_at)}" if out_at else "no",
            wanted="no",
            holds=out_at is None,
        ),
        Condition(
            name="ai_enabled",
            title="the AI is on for this conversation",
            value=_yes(conversation.ai_enabled),
            wanted="yes",
            holds=conversation.ai_enabled,
        ),
    ]


def _of_people(facts: Facts, show: Callable[[datetime], str]) -> Sequence[Condition]:
    answer, wrote_at, until = facts.answer, facts.person_wrote_at, facts.paused_until
    pause = "no"
    if wrote_at and until:
        ended = "until" if facts.is_paused else "it ended"
        pause = f"{_yes(facts.is_paused)} (a person wrote {show(wrote_at)}; {ended} {show(until)})"
    held_since = facts.held_since
    since, reason = facts.conversation.handed_over_at, facts.conversation.handed_over_reason
    is_waiting = facts.is_handed_over and since is not None
    return [
        Condition(
            name="handed over",
            title="the AI has handed the conversation over to a person",
            value=f"yes, since {show(since)}: {reason}" if since and is_waiting else "no",
            wanted="no",
            holds=not is_waiting,
        ),
        Condition(
            name="answered by a person",
            title="a person at the shop has answered it",
            value=f"yes, {show(answer.created_at)}" if answer else "no",
            wanted="no",
            holds=answer is None,
        ),
        Condition(
            name="taken over",
            title="the AI pauses because a person wrote",
            value=pause,
            wanted="no",
            holds=not facts.is_paused,
        ),
        Condition(
            name="held by a person",
            title="a person holds the conversation on the platform",
            value=f"yes, since {show(held_since)}" if held_since else "no",
            wanted="no",
            holds=held_since is None,
        ),
    ]


def _of_limits(facts: Facts, show: Callable[[datetime], str]) -> Sequence[Condition]:
    closes_at, most = facts.window_closes_at, facts.rules.most_replies_an_hour
    window = "none on this platform"
    if closes_at is not None:
        window = f"{'closed since' if facts.is_window_closed else 'open until'} {show(closes_at)}"
    longest = _hours(facts.rules.selection.backlog_after)
    backlog = f"no (older than {longest} would)"
    if facts.is_held_back:
        backlog = f"yes (it is older than {longest})"
    elif facts.message.released:
        backlog = "no (it may be answered)"
    return [
        Condition(
            name="reply window",
            title="the platform's reply window",
            value=window,
            wanted="open",
            holds=not facts.is_window_closed,
        ),
        Condition(
            name="replies within the hour",
            title="replies of the AI in this conversation within the last hour",
            value=f"{facts.answered_lately}",
            wanted=f"fewer than {most}",
            holds=facts.answered_lately < most,
        ),
        Condition(
            name="backlog",
            title="waits for the owner's decision",
            value=backlog,
            wanted="no",
            holds=not facts.is_held_back,
        ),
    ]


def _of_the_way(facts: Facts) -> Sequence[Condition]:
    channel, turn = facts.channel, facts.turn
    return [
        Condition(
            name="older messages",
            title="older messages of this channel could be read",
            value=_yes(not facts.waits_for_missing),
            wanted="yes",
            holds=not facts.waits_for_missing,
        ),
        Condition(
            name="channel",
            title="the channel",
            value=_channel_state(channel),
            wanted="connected",
            holds=channel.is_connected and channel.stopped_at is None,
        ),
        Condition(
            name="turn",
            title="its turn",
            value=f"{turn.id}, {turn.status}" if turn else "none yet",
            wanted="one",
            holds=turn is not None,
        ),
    ]


def _channel_state(channel: ChannelIntegration) -> str:
    if not channel.is_connected:
        return "disconnected"
    return "connected" if channel.stopped_at is None else f"stopped: {channel.last_error}"


def _hours(span: timedelta) -> str:
    hours = span.total_seconds() / 3600
    return f"{hours:g} h" if hours >= 1 else f"{hours * 60:g} min"


def _yes(value: bool) -> str:
    return "yes" if value else "no"
