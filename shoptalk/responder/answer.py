"""One claimed turn, from the question whether to answer it to the reply that is sent.

    claimed -> context read -> model asked, tools run -> answer written down -> sent -> recorded

Each arrow is a commit, and no transaction is open on either side of a call to the model or the
platform. A process that dies leaves a claim that lapses and rows that say how far it came.
"""

import logging
from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta

from shoptalk.backoff import backoff
from shoptalk.crashpoints import reach
from shoptalk.db import circuits, turns
from shoptalk.db.catalog import orders_of_conversation
from shoptalk.db.channels import stop_channel
from shoptalk.db.conversations import last_messages, messages_of_turn
from shoptalk.db.deliveries import settle_unsent
from shoptalk.db.engine import Database
from shoptalk.db.models import ChannelIntegration, Conversation, Turn, TurnStatus
from shoptalk.db.opt_outs import note_opted_out
from shoptalk.errors import (
    ChannelStopped,
    ModelRefused,
    ModelUnavailable,
    PlatformError,
    PriceRefused,
    RetryLater,
    ShoptalkError,
    Throttled,
)
from shoptalk.outcomes import outcome_of
from shoptalk.platforms.base import Capabilities, Platform, Recipient
from shoptalk.responder import tools
from shoptalk.responder.agent import compose_reply
from shoptalk.responder.brevity import ask_for_less, brevity_hint, parts_of
from shoptalk.responder.context import Context, read_context
from shoptalk.responder.deliver import ClaimLost, Courier
from shoptalk.responder.loops import LOOP_LOOKS_AT, is_loop
from shoptalk.responder.model.base import Model
from shoptalk.responder.quotes import Shelf, unbacked
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
            return self._close(turn, outcome_of(exc), str(exc))
        return None

    def _answer(self, turn: Turn, conversation: Conversation, platform: Platform) -> Outcome | None:
        if turn.status == TurnStatus.BUFFERING:
            outcome = self._why_not(turn, platform)
            if outcome is not None:
                return self._close(turn, outcome, None)
            self._show_typing(turn, conversation, platform)
            self._write_answer(turn, platform)
        held_back = Courier(
            database=self.database,
            platform=platform,
            conversation=conversation,
            why_not=lambda: self._why_not(turn, platform),
            claim_lasts=self.policy.claim_lasts,
            clock=self.clock,
        ).deliver(turn)
        return self._close(turn, held_back or Outcome.ANSWERED, None)

    def _why_not(self, turn: Turn, platform: Platform) -> Outcome | None:
        """The reason not to answer this turn now, if there is one."""
        now = self.clock()
        with self.database.transaction() as session:
            conversation = session.get_one(Conversation, turn.conversation_id)
            if conversation.is_opted_out:
                return Outcome.OPTED_OUT
            if not conversation.ai_enabled:
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
            if is_loop(last_messages(session, turn.conversation_id, limit=LOOP_LOOKS_AT)):
                return Outcome.LOOP
        return self._window_outcome(turn, platform.can.reply_window_of(conversation.thread_id))

    def _window_outcome(self, turn: Turn, window: timedelta | None) -> Outcome | None:
        if window is None or self.clock() < turn.last_message_at + window - WINDOW_MARGIN:
            return None
        return Outcome.WINDOW_CLOSED

    def _show_typing(self, turn: Turn, conversation: Conversation, platform: Platform) -> None:
        if not platform.can.typing:
            return
        with self.database.transaction() as session:
            messages = messages_of_turn(session, turn.id)
        recipient = Recipient(
            thread_id=conversation.thread_id,
            customer_id=conversation.customer_id,
            last_message_id=messages[-1].message_id if messages else None,
        )
        try:
            platform.show_typing(recipient)
        except PlatformError as exc:
            log.debug("typing was not shown", extra={"error": str(exc)})

    def _write_answer(self, turn: Turn, platform: Platform) -> None:
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
                session,
                turn,
                default_model=self.policy.default_model,
                now=self.clock(),
                hint=brevity_hint(platform.can),
            )
        reach("reply.context_read")
        reply = self._ask_model(turn, context, platform.can)
        reach("reply.model_answered")
        self._commit_answer(turn, context, parts_of(reply, platform.can))

    def _ask_model(self, turn: Turn, context: Context, can: Capabilities) -> str:
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
                ask_for_less=lambda text: ask_for_less(text, can),
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
            if ours and outcome == Outcome.OPTED_OUT and error is not None:
                note_opted_out(session, turn.conversation_id, at=turn.last_message_at)
            reach("reply.in_close")
        reach("reply.closed")
        if not ours:
            return None
        log.info("a turn ended", extra=_about(turn) | {"outcome": outcome, "error": error})
        return outcome


def _backoff(turn: Turn) -> timedelta:
    return backoff(turn.attempts + 1, first=FIRST_WAIT, longest=LONGEST_WAIT)


def _about(turn: Turn) -> dict[str, object]:
    return {"turn_id": turn.id, "conversation_id": turn.conversation_id}
