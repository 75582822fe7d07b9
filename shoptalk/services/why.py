"""Why a message was answered, or why not: one sentence, and each condition with its value."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from sqlalchemy.orm import Session

from shoptalk.db.conversations import find_answer_after, last_word_of_person
from shoptalk.db.handovers import is_handed_over
from shoptalk.db.models import ChannelIntegration, Conversation, Message, Turn, TurnStatus
from shoptalk.db.turns import answered_since
from shoptalk.responder.conditions import AUTHORS, Condition, Facts, Rules, conditions_of
from shoptalk.types import Outcome, SenderType


@dataclass(frozen=True, slots=True, kw_only=True)
class Explanation:
    message_id: str
    outcome: str | None
    sentence: str
    conditions: Sequence[Condition]


def in_utc(moment: datetime) -> str:
    return f"{moment.astimezone(UTC):%Y-%m-%d %H:%M:%S} UTC"


def explain(
    session: Session,
    message: Message,
    conversation: Conversation,
    *,
    rules: Rules,
    now: datetime,
    show: Callable[[datetime], str] = in_utc,
) -> Explanation:
    """Tell why, as of now.

    Args:
        show: how a moment is written.
    """
    facts = Facts(
        message=message,
        conversation=conversation,
        channel=session.get_one(ChannelIntegration, conversation.channel_integration_id),
        turn=session.get(Turn, message.turn_id) if message.turn_id else None,
        answer=find_answer_after(session, message),
        person_wrote_at=last_word_of_person(session, conversation),
        is_handed_over=is_handed_over(session, conversation),
        answered_lately=answered_since(session, conversation.id, now - timedelta(hours=1)),
        rules=rules,
        now=now,
    )
    return Explanation(
        message_id=message.message_id,
        outcome=message.outcome,
        sentence=_sentence(facts, show),
        conditions=conditions_of(facts, show),
    )


def _sentence(facts: Facts, show: Callable[[datetime], str]) -> str:
    message = facts.message
    if message.sender_type != SenderType.CUSTOMER:
        who = AUTHORS[SenderType(message.sender_type)]
        return f"It was written by {who}: only customers are answered."
    if message.outcome is not None:
        return _settled_sentence(facts, Outcome(message.outcome), show)
    if message.is_old:
        return Outcome.HISTORY.sentence
    if message.reply_sent:
        return "A reply was already sent to it."
    if facts.turn is not None and facts.turn.status == TurnStatus.SENDING:
        return _channel_sentence(facts) or _turn_sentence(facts.turn, show, now=facts.now)
    return (
        _people_sentence(facts, show)
        or _channel_sentence(facts)
        or _backlog_sentence(facts)
        or _turn_sentence(facts.turn, show, now=facts.now)
    )


def _settled_sentence(facts: Facts, outcome: Outcome, show: Callable[[datetime], str]) -> str:
    if outcome == Outcome.TAKEN_OVER:
        return _taken_over(facts, show)
    reason = f" ({facts.message.failure_reason})" if facts.message.failure_reason else ""
    return outcome.sentence.removesuffix(".") + reason + "."


def _taken_over(facts: Facts, show: Callable[[datetime], str]) -> str:
    """Who has it, until when, and the way back."""
    hand_back = f"`shoptalk conversations ai {facts.conversation.id} on`"
    sentence, until = Outcome.TAKEN_OVER.sentence.removesuffix("."), facts.paused_until
    if facts.held_since is not None:
        return f"{sentence}. A person holds it on the platform; {hand_back} hands it back."
    if until is None:
        return f"{sentence.replace('has taken', 'had taken').replace('pauses', 'paused')}."
    if facts.is_paused:
        return f"{sentence} until {show(until)}; {hand_back} ends that."
    had = sentence.replace("has taken", "had taken").replace("pauses", "paused")
    return f"{had} until {show(until)}; {hand_back} has it answered if nobody has."


def _people_sentence(facts: Facts, show: Callable[[datetime], str]) -> str | None:
    """Why the next pass will leave it to people, or to nobody."""
    if facts.conversation.is_opted_out:
        return Outcome.OPTED_OUT.sentence
    if not facts.conversation.ai_enabled:
        return (
            "The AI is switched off for this conversation: "
            f"`shoptalk conversations ai {facts.conversation.id} on` switches it on."
        )
    if facts.answer is not None:
        return Outcome.ANSWERED_BY_PERSON.sentence
    if facts.is_paused or facts.held_since is not None:
        return _taken_over(facts, show)
    if facts.is_window_closed:
        return Outcome.WINDOW_CLOSED.sentence
    most = facts.rules.most_replies_an_hour
    if facts.answered_lately >= most:
        return (
            f"The AI has answered {facts.answered_lately} times in this conversation within the "
            f"last hour, and may {most} times: a person must answer."
        )
    return None


def _channel_sentence(facts: Facts) -> str | None:
    channel = facts.channel
    if not channel.is_connected:
        return "It waits: the channel is disconnected."
    if channel.stopped_at is not None:
        return (
            f"It waits: the platform refuses the channel ({channel.last_error}). {channel.remedy}"
        )
    return None


def _backlog_sentence(facts: Facts) -> str | None:
    if facts.is_held_back:
        return (
            "It waited long, so its owner decides: `shoptalk backlog list` shows it, "
            f"`shoptalk backlog answer {facts.conversation.id}` has it answered."
        )
    if facts.waits_for_missing:
        return (
            "It waits: older messages of this channel could not be read yet"
            f" ({facts.channel.last_error or 'records of its list made no sense'})."
        )
    return None


def _turn_sentence(turn: Turn | None, show: Callable[[datetime], str], *, now: datetime) -> str:
    if turn is None:
        return "It waits for the next responder pass."
    if turn.claimed_until is not None and turn.claimed_until > now:
        return "It is being answered now."
    if turn.error is not None:
        return f"It will be tried again {show(turn.due_at)}: {turn.error}."
    if turn.status == TurnStatus.SENDING:
        return "Its answer is written down and waits to be sent."
    if turn.due_at > now:
        return f"Its turn still gathers messages, until {show(turn.due_at)}."
    return "Its turn is due and waits for the next responder pass."
