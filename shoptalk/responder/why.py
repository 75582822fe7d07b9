"""Why a message was answered, or why not: each condition with its value, and one sentence."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy.orm import Session

from shoptalk.db.conversations import find_answer_after
from shoptalk.db.models import ChannelIntegration, Conversation, Message, Turn, TurnStatus
from shoptalk.db.unread import is_ahead
from shoptalk.types import Outcome, SenderType

_AUTHORS = {
    SenderType.EMPLOYEE: "a person at the shop",
    SenderType.AGENT: "the AI",
    SenderType.NOTE: "somebody at the shop, for their colleagues",
    SenderType.ACTIVITY: "the platform itself",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Condition:
    """One of the things that must all hold for a message to be answered."""

    name: str
    value: str
    wanted: str  #: what it must be, while the message waits for its answer
    holds: bool

    def __str__(self) -> str:
        mark = "ok " if self.holds else "NOT"
        return f"{mark}  {self.name} is {self.value}; wanted: {self.wanted}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Explanation:
    message_id: str
    outcome: str | None
    sentence: str
    conditions: Sequence[Condition]


def explain(
    session: Session,
    message: Message,
    conversation: Conversation,
    *,
    now: datetime,
    backlog_after: timedelta,
) -> Explanation:
    channel = session.get_one(ChannelIntegration, conversation.channel_integration_id)
    turn = session.get(Turn, message.turn_id) if message.turn_id else None
    return Explanation(
        message_id=message.message_id,
        outcome=message.outcome,
        sentence=_sentence(
            message, conversation, channel, turn, now=now, backlog_after=backlog_after
        ),
        conditions=_conditions(
            message, conversation, channel, turn, person=find_answer_after(session, message)
        ),
    )


def _conditions(
    message: Message,
    conversation: Conversation,
    channel: ChannelIntegration,
    turn: Turn | None,
    *,
    person: Message | None,
) -> list[Condition]:
    held_since = conversation.held_since
    if held_since and conversation.ai_resumed_at and held_since <= conversation.ai_resumed_at:
        held_since = None
    return [
        Condition(
            name="sender_type",
            value=message.sender_type,
            wanted=SenderType.CUSTOMER,
            holds=message.sender_type == SenderType.CUSTOMER,
        ),
        Condition(
            name="is_old",
            value=f"{_yes(message.is_old)} (written {_moment(message.created_at)}, "
            f"channel connected {_moment(channel.connected_at)})",
            wanted="no",
            holds=not message.is_old,
        ),
        Condition(
            name="ai_enabled",
            value=_yes(conversation.ai_enabled),
            wanted="yes",
            holds=conversation.ai_enabled,
        ),
        Condition(
            name="opted_out",
            value=_opted_out(conversation),
            wanted="no",
            holds=not conversation.is_opted_out,
        ),
        Condition(
            name="reply_sent",
            value=_yes(message.reply_sent),
            wanted="no" if message.outcome != Outcome.ANSWERED else "no, until it was answered",
            holds=not message.reply_sent or message.outcome == Outcome.ANSWERED,
        ),
        Condition(
            name="channel",
            value=_channel_state(channel),
            wanted="connected",
            holds=channel.is_connected and channel.stopped_at is None,
        ),
        Condition(
            name="answered by a person",
            value=_moment(person.created_at) if person else "no",
            wanted="no",
            holds=person is None,
        ),
        Condition(
            name="held by a person",
            value=f"since {_moment(held_since)}" if held_since else "no",
            wanted="no",
            holds=held_since is None,
        ),
        Condition(
            name="turn",
            value=f"{turn.id}, {turn.status}" if turn else "none yet",
            wanted="one",
            holds=turn is not None,
        ),
    ]


def _opted_out(conversation: Conversation) -> str:
    said_at = conversation.opted_out_at if conversation.is_opted_out else None
    return f"yes (since {_moment(said_at)})" if said_at else "no"


def _channel_state(channel: ChannelIntegration) -> str:
    if not channel.is_connected:
        return "disconnected"
    return "connected" if channel.stopped_at is None else f"stopped: {channel.last_error}"


def _moment(moment: datetime) -> str:
    return f"{moment:%Y-%m-%d %H:%M:%S} UTC"


def _yes(value: bool) -> str:
    return "yes" if value else "no"


def _sentence(
    message: Message,
    conversation: Conversation,
    channel: ChannelIntegration,
    turn: Turn | None,
    *,
    now: datetime,
    backlog_after: timedelta,
) -> str:
    if message.sender_type != SenderType.CUSTOMER:
        who = _AUTHORS[SenderType(message.sender_type)]
        return f"It was written by {who}: only customers are answered."
    if message.outcome is not None:
        reason = f" ({message.failure_reason})" if message.failure_reason else ""
        return Outcome(message.outcome).sentence.removesuffix(".") + reason + "."
    if message.is_old:
        return Outcome.HISTORY.sentence
    if message.reply_sent:
        return "A reply was already sent to it."
    if conversation.is_opted_out:
        return Outcome.OPTED_OUT.sentence
    if not conversation.ai_enabled:
        return "The AI is switched off for this conversation."
    if not channel.is_connected:
        return "It waits: the channel is disconnected."
    if channel.stopped_at is not None:
        return (
            f"It waits: the platform refuses the channel ({channel.last_error}). {channel.remedy}"
        )
    if turn is None and not message.released and message.created_at <= now - backlog_after:
        return "It waited long, so its owner decides: `shoptalk backlog list`."
    if turn is None and is_ahead(message, channel, now=now):
        return (
            "It waits: older messages of this channel could not be read yet"
            f" ({channel.last_error or 'records of its list made no sense'})."
        )
    if turn is None:
        return "It waits for the next responder pass."
    return _open_turn_sentence(turn, now=now)


def _open_turn_sentence(turn: Turn, *, now: datetime) -> str:
    if turn.claimed_until is not None and turn.claimed_until > now:
        return "It is being answered now."
    if turn.error is not None:
        return f"It will be tried again at {turn.due_at:%H:%M:%S} UTC: {turn.error}."
    if turn.status == TurnStatus.SENDING:
        return "Its answer is written down and waits to be sent."
    if turn.due_at > now:
        return f"Its turn still gathers messages, until {turn.due_at:%H:%M:%S} UTC."
    return "Its turn is due and waits for the next responder pass."
