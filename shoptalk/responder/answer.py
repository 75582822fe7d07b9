"""One claimed turn, from the question whether to answer it to the reply that is sent.

    claimed -> context read -> model asked, tools run -> answer written down -> sent -> recorded

Each arrow is a commit, and no transaction is open on either side of a call to the model or the
platform. A process that dies leaves a claim that lapses and rows that say how far it came.
"""

import logging
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta

from shoptalk.backoff import backoff
from shoptalk.crashpoints import reach
from shoptalk.db import circuits, turns
from shoptalk.db.catalog import orders_of_conversation
from shoptalk.db.channels import stop_channel
from shoptalk.db.conversations import is_stored, last_messages, messages_of_turn
from shoptalk.db.custody import note_custody
from shoptalk.db.deliveries import settle_unsent
from shoptalk.db.engine import Database
from shoptalk.db.models import ChannelIntegration, Conversation, Turn, TurnStatus
from shoptalk.errors import (
    BadPayload,
    ChannelStopped,
    DeliveryUncertain,
    GiveUp,
    ModelRefused,
    ModelUnavailable,
    PlatformError,
    PriceRefused,
    RetryLater,
    ShoptalkError,
    ThreadTaken,
    Throttled,
    WindowClosed,
)
from shoptalk.platforms.base import (
    HandsOver,
    HidesTyping,
    Platform,
    Recipient,
    ThreadState,
    thread_state,
)
from shoptalk.responder import tools
from shoptalk.responder.agent import compose_reply
from shoptalk.responder.context import Context, read_context
from shoptalk.responder.deliver import ClaimLost, Courier
from shoptalk.responder.loops import LOOP_LOOKS_AT, is_loop
from shoptalk.responder.model.base import Model
from shoptalk.responder.quotes import Shelf, unbacked
from shoptalk.responder.split import split
from shoptalk.responder.window import WINDOW_MARGIN
from shoptalk.types import Clock, Outcome

log = logging.getLogger(__name__)

FIRST_WAIT = timedelta(seconds=10)
LONGEST_WAIT = timedelta(minutes=10)
THROTTLED_WAIT = timedelta(minutes=1)  #: where the platform does not say how long
MOST_REFUSALS = 3  #: answers of the model that were of no use, before a person must look


@dataclass(frozen=True, slots=True, kw_only=True)
class AnswerPolicy:
    """What of the settings concerns answering."""

    buffer: turns.BufferPolicy
    selection: turns.SelectionPolicy
    most_replies_an_hour: int
    default_model: str
    longest_thinking: timedelta

    @property
    def claim_lasts(self) -> timedelta:
        """Longer than thinking and one request to a platform take: no claim lapses early."""
        return self.longest_thinking + timedelta(minutes=2)


class _Superseded(Exception):
    """The customer wrote more while the model was thinking."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Answerer:
    """Answers turns that this process has claimed."""

    database: Database
    model: Model
    platform_of: Callable[[ChannelIntegration], Platform]
    policy: AnswerPolicy
    clock: Clock

    def answer(self, turn: Turn) -> Outcome | None:
        """Bring the turn as far as it goes now; return its outcome once it has one."""
        with self.database.transaction() as session:
            conversation = session.get_one(Conversation, turn.conversation_id)
            channel = session.get_one(ChannelIntegration, conversation.channel_integration_id)
        outcome = self._bring_on(turn, conversation, channel)
        if outcome is not None and outcome.needs_person:
            self._hand_over(turn, conversation, channel, outcome)
        return outcome

    def _bring_on(
        self, turn: Turn, conversation: Conversation, channel: ChannelIntegration
    ) -> Outcome | None:
        try:
            return self._answer(turn, conversation, self.platform_of(channel))
        except ClaimLost:
            log.info("another process has taken the turn over", extra=_about(turn))
        except _Superseded:
            log.info("the customer wrote more; the burst is answered whole", extra=_about(turn))
        except ModelUnavailable as exc:
            wait = exc.retry_after or backoff(1, first=FIRST_WAIT, longest=LONGEST_WAIT)
            self._put_back(turn, exc, wait=wait, failed=False)
        except ModelRefused as exc:
            if turn.attempts + 1 >= MOST_REFUSALS:
                return self._close(turn, Outcome.MODEL_FAILED, str(exc))
            self._put_back(turn, exc, wait=_backoff(turn), failed=True)
        except PriceRefused as exc:
            return self._close(turn, Outcome.PRICE_REFUSED, str(exc))
        except ChannelStopped as exc:
            now, config = self.clock(), channel.config
            with self.database.transaction() as session:
                stop_channel(session, channel.id, str(exc), exc.remedy, now=now, config=config)
            self._put_back(turn, exc, wait=FIRST_WAIT, failed=False)
        except Throttled as exc:
            self._put_back(turn, exc, wait=exc.retry_after or THROTTLED_WAIT, failed=False)
        except RetryLater as exc:
            self._put_back(turn, exc, wait=exc.retry_after or _backoff(turn), failed=True)
        except PlatformError as exc:
            return self._close(turn, _outcome_of(exc), str(exc))
        return None

    def _answer(self, turn: Turn, conversation: Conversation, platform: Platform) -> Outcome | None:
        if turn.status != TurnStatus.BUFFERING:
            return self._deliver(turn, conversation, platform)
        state = self._thread_state(conversation, platform)
        outcome = self._why_not(turn, platform, state)
        if outcome is not None:
            return self._close(turn, outcome, None)
        with self._typing(conversation, platform):
            self._write_answer(turn, platform, state)
            return self._deliver(turn, conversation, platform)

    def _deliver(
        self, turn: Turn, conversation: Conversation, platform: Platform
    ) -> Outcome | None:
        held_back = Courier(
            database=self.database,
            platform=platform,
            conversation=conversation,
            why_not=lambda: self._why_not(
                turn, platform, self._thread_state(conversation, platform)
            ),
            claim_lasts=self.policy.claim_lasts,
            clock=self.clock,
        ).deliver(turn)
        return self._close(turn, held_back or Outcome.ANSWERED, None)

    def _thread_state(self, conversation: Conversation, platform: Platform) -> ThreadState:
        """How the thread stands on the platform now; whose it is, is written down."""
        try:
            state = thread_state(platform, _recipient(conversation))
        except BadPayload as exc:  # it says nothing about the reply, which can wait
            raise RetryLater(str(exc), platform=platform.name) from exc
        if state.custody is not None:
            with self.database.transaction() as session:
                note_custody(
                    session,
                    conversation.channel_integration_id,
                    {conversation.thread_id: state.custody},
                    now=self.clock(),
                )
        return state

    def _why_not(self, turn: Turn, platform: Platform, state: ThreadState) -> Outcome | None:
        """The reason not to answer this turn now, if there is one.

        Raises:
            RetryLater: our side has written what no import has seen, and a person may have.
        """
        now = self.clock()
        with self.database.transaction() as session:
            if state.said_by_us is not None and not is_stored(session, state.said_by_us):
                raise RetryLater(
                    "what was written last has to be imported first",
                    platform=platform.name,
                    retry_after=FIRST_WAIT,
                )
            if not session.get_one(Conversation, turn.conversation_id).ai_enabled:
                return Outcome.AI_OFF
            if turns.find_answer_by_person(session, turn) is not None:
                return Outcome.ANSWERED_BY_PERSON
            since = now - self.policy.selection.takeover_pause
            if turns.is_taken_over(session, turn, since=since):
                return Outcome.TAKEN_OVER
            an_hour_ago = now - timedelta(hours=1)
            answered = turns.count_answered(session, turn, since=an_hour_ago)
            if answered >= self.policy.most_replies_an_hour:
                return Outcome.REPLY_LIMIT
            said = last_messages(session, turn.conversation_id, limit=LOOP_LOOKS_AT, only_said=True)
            if is_loop(said):
                return Outcome.LOOP
        if not state.can_reply:
            return Outcome.WINDOW_CLOSED
        return self._window_outcome(turn, platform)

    def _window_outcome(self, turn: Turn, platform: Platform) -> Outcome | None:
        window = platform.can.reply_window
        if window is None or self.clock() < turn.last_message_at + window - WINDOW_MARGIN:
            return None
        return Outcome.WINDOW_CLOSED

    @contextmanager
    def _typing(self, conversation: Conversation, platform: Platform) -> Iterator[None]:
        """Show that an answer is being written, for as long as one is. A courtesy: it may fail."""
        if not platform.can.typing:
            yield
            return
        recipient = _recipient(conversation)
        try:
            platform.show_typing(recipient)
        except PlatformError as exc:
            log.debug("typing was not shown", extra={"error": str(exc)})
        try:
            yield
        finally:
            if isinstance(platform, HidesTyping):
                try:
                    platform.hide_typing(recipient)
                except PlatformError as exc:
                    log.debug("typing was not hidden", extra={"error": str(exc)})

    def _hand_over(
        self,
        turn: Turn,
        conversation: Conversation,
        channel: ChannelIntegration,
        outcome: Outcome,
    ) -> None:
        """Put the conversation before the shop's people, where they work on the platform.

        The turn is closed by now and stays so, whatever becomes of this.
        """
        platform = self.platform_of(channel)
        if not isinstance(platform, HandsOver):
            return
        try:
            platform.hand_over(_recipient(conversation), outcome.sentence)
        except PlatformError as exc:
            log.warning("it was not handed over", extra=_about(turn) | {"error": str(exc)})

    def _write_answer(self, turn: Turn, platform: Platform, state: ThreadState) -> None:
        """Have the model answer and write its words down as deliveries.

        Raises:
            ModelError: no answer.
            ClaimLost, _Superseded: the answer is thrown away.
        """
        with self.database.transaction() as session:
            if turns.lock(session, turn) is None:
                raise ClaimLost
            turns.leave_to_person(session, turn)
            context = read_context(
                session, turn, default_model=self.policy.default_model, now=self.clock()
            )
        reach("reply.context_read")
        reply = self._ask_model(turn, context)
        reach("reply.model_answered")
        limit, unit = platform.can.max_text, platform.can.text_unit
        if state.max_text is not None:
            limit, unit = state.max_text, state.text_unit
        parts = split(reply, limit=limit, unit=unit)
        self._commit_answer(turn, context, parts)

    def _ask_model(self, turn: Turn, context: Context) -> str:
        """Have the reply composed, unless the model has failed everybody lately."""
        with self.database.transaction() as session:
            broken = circuits.find_open(session, circuits.MODEL, now=self.clock())
        if broken is not None and broken.open_until is not None:
            raise ModelUnavailable(
                f"the model fails again and again: {broken.last_error}",
                retry_after=broken.open_until - self.clock(),
            )
        try:
            reply = compose_reply(
                self.model,
                context.prompt,
                create_order=lambda arguments: self._create_order(turn, arguments),
                find_wrong_prices=lambda text: self._find_wrong_prices(turn, context, text),
                longest=self.policy.longest_thinking,
            )
        except ModelUnavailable as exc:
            with self.database.transaction() as session:
                circuits.note_failure(session, circuits.MODEL, str(exc), now=self.clock())
            raise
        with self.database.transaction() as session:
            circuits.note_success(session, circuits.MODEL, now=self.clock())
        return reply

    def _find_wrong_prices(self, turn: Turn, context: Context, text: str) -> list[str]:
        """The amounts of a reply that neither the catalog nor the customer's orders know."""
        with self.database.transaction() as session:
            orders = orders_of_conversation(session, turn.conversation_id)
        return unbacked(text, shelf=Shelf.of(context.products), orders=orders)

    def _create_order(self, turn: Turn, arguments: str) -> str:
        with self.database.transaction() as session:
            result = tools.create_order(session, turn, arguments, now=self.clock())
            reach("order.in_transaction")
        reach("order.committed")
        log.info("create_order", extra={"turn_id": turn.id, "ok": result["ok"]})
        return tools.as_json(result)

    def _commit_answer(self, turn: Turn, context: Context, parts: list[str]) -> None:
        """Look once more at what happened meanwhile, and write the answer down if it still fits."""
        now = self.clock()
        with self.database.transaction() as session:
            current = turns.lock(session, turn)
            if current is None:
                raise ClaimLost
            written_since = len(messages_of_turn(session, turn.id)) > len(context.messages)
            superseded = written_since and now < current.created_at + self.policy.buffer.longest
            if superseded:
                turns.put_back(session, turn, due_at=current.due_at, error=None, failed=False)
            else:
                turns.leave_for_next_turn(session, turn, seen=context.message_ids)
                turns.write_down(session, turn, parts, now=now)
            reach("reply.in_write_down")
        reach("reply.written_down")
        if superseded:
            raise _Superseded

    def _put_back(self, turn: Turn, error: ShoptalkError, *, wait: timedelta, failed: bool) -> None:
        due_at = self.clock() + wait
        with self.database.transaction() as session:
            turns.put_back(session, turn, due_at=due_at, error=str(error), failed=failed)
        log.warning("a turn waits", extra=_about(turn) | {"error": str(error)})

    def _close(self, turn: Turn, outcome: Outcome, error: str | None) -> Outcome | None:
        """End the turn; what was written down and not sent ends with it."""
        with self.database.transaction() as session:
            ours = turns.close(session, turn, outcome, now=self.clock(), error=error)
            if ours and outcome != Outcome.ANSWERED:
                uncertain = outcome == Outcome.DELIVERY_UNCERTAIN
                settle_unsent(
                    session, turn, "uncertain" if uncertain else "failed", error or outcome.sentence
                )
            reach("reply.in_close")
        reach("reply.closed")
        if not ours:
            return None
        log.info("a turn ended", extra=_about(turn) | {"outcome": outcome, "error": error})
        return outcome


def _outcome_of(error: PlatformError) -> Outcome:
    """What it means for the turn that the platform would not take the reply."""
    match error:
        case DeliveryUncertain():
            return Outcome.DELIVERY_UNCERTAIN
        case WindowClosed():
            return Outcome.WINDOW_CLOSED
        case ThreadTaken():
            return Outcome.THREAD_TAKEN
        case GiveUp():
            return Outcome.UNREACHABLE
        case _:
            return Outcome.DELIVERY_FAILED


def _recipient(conversation: Conversation) -> Recipient:
    return Recipient(thread_id=conversation.thread_id, customer_id=conversation.customer_id)


def _backoff(turn: Turn) -> timedelta:
    return backoff(turn.attempts + 1, first=FIRST_WAIT, longest=LONGEST_WAIT)


def _about(turn: Turn) -> dict[str, object]:
    return {"turn_id": turn.id, "conversation_id": turn.conversation_id}
