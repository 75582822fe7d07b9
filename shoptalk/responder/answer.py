"""One claimed turn, from the question whether to answer it to the reply that is sent.

    claimed -> context read -> model asked, tools run -> answer written down -> sent -> recorded

Each arrow is a commit, and no transaction is open on either side of a call to the model or the
platform. Claiming and reading are done for many turns at once, the rest for each by itself. A
process that dies leaves a claim that lapses and rows that say how far it came.
"""

import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from datetime import timedelta
from functools import partial

from sqlalchemy.orm import Session

from shoptalk.agents import order_tool
from shoptalk.agents.agent import compose_reply
from shoptalk.agents.model_circuit import ModelCircuit
from shoptalk.agents.models.base import Model, Prompt
from shoptalk.agents.prompt_builder import LAST_MESSAGES, PreparedTurn, PromptBuilder
from shoptalk.agents.toolbox import TOOLBOX
from shoptalk.backoff import backoff, stepped
from shoptalk.db import turns
from shoptalk.db.catalog import orders_of_conversation
from shoptalk.db.channels import stop_channel
from shoptalk.db.circuits import WAITS
from shoptalk.db.conversations import is_stored
from shoptalk.db.deliveries import deliveries_of, has_met, settle_unsent
from shoptalk.db.engine import Database
from shoptalk.db.models import ChannelIntegration, Turn, TurnStatus
from shoptalk.db.opt_outs import note_opted_out
from shoptalk.db.selection import BufferPolicy, SelectionPolicy
from shoptalk.db.thread_owner import note_thread_owner
from shoptalk.db.turn_input import EligibilitySnapshot, read_eligibility, read_turn_inputs
from shoptalk.errors import (
    BadPayload,
    ChannelStopped,
    ModelRefused,
    ModelUnavailable,
    PlatformError,
    PriceRefused,
    RetryLater,
    ShoptalkError,
    Throttled,
)
from shoptalk.failpoints import failpoint
from shoptalk.outcomes import outcome_of
from shoptalk.platforms.base import Capabilities, Platform, Recipient, ThreadState, thread_state
from shoptalk.responder.length_budget import ask_for_less, brevity_hint, limited, parts_of
from shoptalk.responder.loop_detection import is_loop
from shoptalk.responder.outbox import ComposedReply, Outbox, OutboxResult
from shoptalk.responder.plain_text import readable
from shoptalk.responder.reply_window import WINDOW_MARGIN
from shoptalk.responder.sender import ClaimLost, DeliverySender
from shoptalk.responder.typing_and_handoff import hand_over, recipient_of, typing_shown
from shoptalk.shop.price_guard import Placed, unbacked
from shoptalk.types import Clock, Outcome

log = logging.getLogger(__name__)

FIRST_WAIT = timedelta(seconds=10)
LONGEST_WAIT = timedelta(minutes=10)
#: what a platform has certainly not done is tried again within seconds
SOON = tuple(timedelta(seconds=seconds) for seconds in (2, 5, 15, 40, 120, 300, 600))
THROTTLED_WAIT = timedelta(minutes=1)  #: where the platform does not say how long
MOST_REFUSALS = 3  #: answers of the model that were of no use, before a person must look


@dataclass(frozen=True, slots=True, kw_only=True)
class AnswerPolicy:
    """What of the settings concerns answering."""

    buffer: BufferPolicy
    selection: SelectionPolicy
    most_replies_an_hour: int
    default_model: str
    longest_thinking: timedelta

    @property
    def claim_lasts(self) -> timedelta:
        """Longer than thinking and one request to a platform take: no claim lapses early."""
        return self.longest_thinking + timedelta(minutes=2)


class _Superseded(Exception):
    """The customer wrote more while the model was thinking."""


class _Silenced(Exception):
    """While the model was thinking it turned out that the turn is not to be answered."""

    def __init__(self, outcome: Outcome) -> None:
        super().__init__(outcome)
        self.outcome = outcome


@dataclass(frozen=True, slots=True, kw_only=True)
class Answerer:
    """Answers turns that this process has claimed."""

    database: Database
    outbox: Outbox
    model: Model
    model_circuit: ModelCircuit
    platform_of: Callable[[ChannelIntegration], Platform]
    policy: AnswerPolicy
    clock: Clock

    def read(self, claimed: Sequence[Turn]) -> Sequence[PreparedTurn]:
        """All that is needed to answer turns that this process has claimed, in their order."""
        now = self.clock()
        with self.database.transaction() as session:
            turns.show_processing(session, claimed)
            writer = PromptBuilder(session, default_model=self.policy.default_model, now=now)
            turn_inputs = read_turn_inputs(
                session, claimed, self.policy.selection, most_earlier=LAST_MESSAGES, now=now
            )
            contexts = [writer.write(turn_input) for turn_input in turn_inputs]
        failpoint("reply.context_read")
        return contexts

    def answer(self, context: PreparedTurn) -> Outcome | None:
        """Bring the turn as far as it goes now; return its outcome once it has one."""
        outcome = self._bring_on(context)
        if outcome is not None and outcome.needs_person:
            platform = self.platform_of(context.turn_input.channel)
            recipient = recipient_of(context.turn_input.conversation)
            turn = context.turn_input.turn
            hand_over(platform, recipient, _for_people(turn, outcome), about=_about(turn))
        return outcome

    def _bring_on(self, context: PreparedTurn) -> Outcome | None:
        turn, channel = context.turn_input.turn, context.turn_input.channel
        try:
            return self._answer(context, self.platform_of(channel))
        except ClaimLost:
            log.info("another process has taken the turn over", extra=_about(turn))
        except _Superseded:
            log.info("the customer wrote more; the burst is answered whole", extra=_about(turn))
        except _Silenced as exc:
            return self._close(turn, exc.outcome, None)
        except ModelUnavailable as exc:
            waits = ModelUnavailable(f"{WAITS}{exc}")
            self._put_back(turn, waits, wait=exc.retry_after or self._patience(turn), failed=False)
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
            self._put_back(turn, exc, wait=exc.retry_after or _soon(turn), failed=True)
        except PlatformError as exc:
            return self._close(turn, outcome_of(exc), str(exc))
        return None

    def _answer(self, context: PreparedTurn, platform: Platform) -> Outcome | None:
        turn, dialogue = context.turn_input.turn, context.turn_input.dialogue
        sender = DeliverySender(
            database=self.database,
            outbox=self.outbox,
            platform=platform,
            conversation=context.turn_input.conversation,
            why_not=lambda: self._why_not_now(context, platform),
            claim_lasts=self.policy.claim_lasts,
            clock=self.clock,
        )
        if turn.status == TurnStatus.SENDING:
            with self.database.transaction() as session:
                deliveries = deliveries_of(session, turn)
            outcome = sender.send_rest(turn, deliveries)
        else:
            state = self._thread_state(context, platform)
            why_not = self._why_not(context, context.turn_input.eligibility, platform, state)
            if why_not is None and state.thread_owner is not None:  # what was read may be outdated
                why_not = self._why_not_now(context, platform, state)
            if why_not is None and is_loop([*dialogue.earlier, *dialogue.messages]):
                why_not = Outcome.LOOP
            if why_not is not None:
                return self._close(turn, why_not, None)
            with typing_shown(platform, _asked_by(context)):
                parts = self._compose(context, platform, state)
                written = self._write_down(context, platform, parts)
                outcome = written.why_not or sender.send_new(turn, written.deliveries)
        if outcome != Outcome.ANSWERED:
            return self._close(turn, outcome, None)
        if turn.handover_reason is not None:
            outcome = Outcome.NEEDS_PERSON
            log.warning("the AI handed a conversation over to a person", extra=_about(turn))
        log.info("a turn ended", extra=_about(turn) | {"outcome": outcome, "error": None})
        return outcome

    def _thread_state(self, context: PreparedTurn, platform: Platform) -> ThreadState:
        """How the thread stands on the platform now; whose it is, is written down.

        Raises:
            RetryLater: it cannot be told now, or our side has written what no import has seen,
                and a person may have.
        """
        conversation = context.turn_input.conversation
        try:
            state = thread_state(platform, recipient_of(conversation))
        except BadPayload as exc:  # it says nothing about the reply, which can wait
            raise RetryLater(str(exc), platform=platform.name) from exc
        if state == ThreadState():
            return state
        with self.database.transaction() as session:
            if state.thread_owner is not None:
                note_thread_owner(
                    session,
                    conversation.channel_integration_id,
                    {conversation.thread_id: state.thread_owner},
                    now=self.clock(),
                )
            is_behind = state.said_by_us is not None and not is_stored(session, state.said_by_us)
        if is_behind:
            raise RetryLater(
                "what was written last has to be imported first",
                platform=platform.name,
                retry_after=FIRST_WAIT,
            )
        return state

    def _why_not(
        self,
        context: PreparedTurn,
        eligibility: EligibilitySnapshot,
        platform: Platform,
        state: ThreadState,
    ) -> Outcome | None:
        """The reason not to answer this turn now, if there is one."""
        if eligibility.opted_out:
            return Outcome.OPTED_OUT
        if not eligibility.ai_enabled:
            return Outcome.AI_OFF
        if eligibility.handed_over:
            return Outcome.NEEDS_PERSON
        if eligibility.answered_by_person:
            return Outcome.ANSWERED_BY_PERSON
        if eligibility.taken_over:
            return Outcome.TAKEN_OVER
        if eligibility.answered_lately >= self.policy.most_replies_an_hour:
            return Outcome.REPLY_LIMIT
        window = platform.capabilities.reply_window_of(context.turn_input.conversation.thread_id)
        written_at = context.turn_input.turn.last_message_at
        is_over = window is not None and self.clock() >= written_at + window - WINDOW_MARGIN
        return Outcome.WINDOW_CLOSED if is_over or not state.can_reply else None

    def _why_not_now(
        self, context: PreparedTurn, platform: Platform, state: ThreadState | None = None
    ) -> Outcome | None:
        """The reason as of now; `state`, where it was just asked for."""
        state = state or self._thread_state(context, platform)
        with self.database.transaction() as session:
            eligibility = self._eligibility(session, context.turn_input.turn)
        return self._why_not(context, eligibility, platform, state)

    def _eligibility(self, session: Session, turn: Turn) -> EligibilitySnapshot:
        policy = self.policy.selection
        return read_eligibility(session, [turn], policy, now=self.clock())[turn.id]

    def _compose(self, context: PreparedTurn, platform: Platform, state: ThreadState) -> list[str]:
        """Have the model answer; return what to send.

        Raises:
            ModelError: no answer.
            _Silenced: it was about to use a tool, and is to be silent.
        """
        reply = self._ask_model(
            context,
            platform.capabilities,
            lambda eligibility: self._why_not(context, eligibility, platform, state),
        )
        failpoint("reply.model_answered")
        return parts_of(reply, limited(platform.capabilities, state))

    def _ask_model(
        self,
        context: PreparedTurn,
        capabilities: Capabilities,
        why_not: Callable[[EligibilitySnapshot], Outcome | None],
    ) -> str:
        """Have the reply composed, orders and all."""
        turn, price_list = context.turn_input.turn, context.price_list
        orders: list[Placed] = list(context.turn_input.orders)

        def run(name: str, arguments: str) -> str:
            result = self._run_tool(name, turn, arguments, why_not)
            with self.database.transaction() as session:
                orders[:] = orders_of_conversation(session, turn.conversation_id)
            return result

        return self.model_circuit.ask(
            context.prompt,
            lambda: compose_reply(
                self.model,
                _hinted(context.prompt, brevity_hint(capabilities)),
                tools={name: partial(run, name) for name in TOOLBOX},
                as_plain_text=lambda text: readable(text, capabilities.text_format),
                find_wrong_prices=lambda text: unbacked(text, price_list=price_list, orders=orders),
                ask_for_less=lambda text: ask_for_less(text, capabilities),
                longest=self.policy.longest_thinking,
            ),
            conversation_id=turn.conversation_id,
            circuit=context.circuit,
        )

    def _run_tool(
        self,
        name: str,
        turn: Turn,
        arguments: str,
        why_not: Callable[[EligibilitySnapshot], Outcome | None],
    ) -> str:
        """Nothing is done behind the back of a person who has spoken meanwhile."""
        with self.database.transaction() as session:
            turns.lock_conversations(session, [turn.conversation_id])
            silenced = why_not(self._eligibility(session, turn))
            if silenced is not None:
                raise _Silenced(silenced)
            result = TOOLBOX[name].run(session, turn, arguments, now=self.clock())
            failpoint("order.in_transaction")
        failpoint("order.committed")
        log.info("a tool ran", extra={"turn_id": turn.id, "tool": name, "ok": result["ok"]})
        return order_tool.as_json(result)

    def _write_down(
        self, context: PreparedTurn, platform: Platform, parts: Sequence[str]
    ) -> OutboxResult:
        """Look once more at what happened meanwhile, and write the answer down if it still fits.

        Raises:
            ClaimLost, _Superseded: the answer is thrown away.
        """
        state = self._thread_state(context, platform)
        written = self.outbox.write_down(
            ComposedReply(
                turn=context.turn_input.turn,
                parts=parts,
                seen=[line.id for line in context.turn_input.dialogue.messages],
                why_not=lambda eligibility: self._why_not(context, eligibility, platform, state),
            )
        )
        failpoint("reply.written_down")
        if written.is_lost:
            raise ClaimLost
        if written.is_superseded:
            raise _Superseded
        return written

    def _patience(self, turn: Turn) -> timedelta:
        """A quarter as long again as the turn has waited: ever more rarely, without counting."""
        waited = self.clock() - turn.last_message_at
        return min(max(waited / 4, FIRST_WAIT), LONGEST_WAIT)

    def _put_back(self, turn: Turn, error: ShoptalkError, *, wait: timedelta, failed: bool) -> None:
        due_at = self.clock() + wait
        with self.database.transaction() as session:
            turns.put_back(session, turn, due_at=due_at, error=str(error), failed=failed)
        log.warning("a turn waits", extra=_about(turn) | {"error": str(error)})

    def _close(self, turn: Turn, outcome: Outcome, error: str | None) -> Outcome | None:
        """End the turn; what was written down and not sent ends with it."""
        uncertain = outcome == Outcome.DELIVERY_UNCERTAIN
        with self.database.transaction() as session:
            turns.lock_conversations(session, [turn.conversation_id])
            if uncertain and has_met(session, turn):  # an import has, meanwhile
                turns.put_back(session, turn, due_at=self.clock(), error=error, failed=False)
                return None
            ours = turns.close(
                session, [turn], outcome, now=self.clock(), error=error, is_locked=True
            )
            if ours and outcome != Outcome.ANSWERED:
                settle_unsent(
                    session, turn, "uncertain" if uncertain else "failed", error or outcome.sentence
                )
            if ours and outcome == Outcome.OPTED_OUT and error is not None:
                note_opted_out(session, turn.conversation_id, at=turn.last_message_at)
            failpoint("reply.in_close")
        failpoint("reply.closed")
        if not ours:
            return None
        log.info("a turn ended", extra=_about(turn) | {"outcome": outcome, "error": error})
        return outcome


def _for_people(turn: Turn, outcome: Outcome) -> str:
    """What the shop's people are told of a turn that is left to them."""
    if outcome == Outcome.NEEDS_PERSON and turn.handover_reason is not None:
        return f"{outcome.sentence} {turn.handover_reason}"
    return outcome.sentence


def _hinted(prompt: Prompt, hint: str | None) -> Prompt:
    """The prompt with what the platform asks of an answer."""
    return prompt if hint is None else replace(prompt, situation=f"{prompt.situation}\n{hint}")


def _asked_by(context: PreparedTurn) -> Recipient:
    """Whom to show that an answer is written, and to what."""
    messages = context.turn_input.dialogue.messages
    last = messages[-1].message_id if messages else None
    return replace(recipient_of(context.turn_input.conversation), last_message_id=last)


def _soon(turn: Turn) -> timedelta:
    return stepped(turn.attempts + 1, SOON)


def _backoff(turn: Turn) -> timedelta:
    return backoff(turn.attempts + 1, first=FIRST_WAIT, longest=LONGEST_WAIT)


def _about(turn: Turn) -> dict[str, object]:
    return {"turn_id": turn.id, "conversation_id": turn.conversation_id}
