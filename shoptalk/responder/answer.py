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

from shoptalk.backoff import backoff, stepped
from shoptalk.crashpoints import reach
from shoptalk.db import turns
from shoptalk.db.briefs import Standing, read_briefs, read_standings
from shoptalk.db.catalog import orders_of_conversation
from shoptalk.db.channels import stop_channel
from shoptalk.db.circuits import WAITS
from shoptalk.db.conversations import is_stored
from shoptalk.db.custody import note_custody
from shoptalk.db.deliveries import deliveries_of, has_met, settle_unsent
from shoptalk.db.engine import Database
from shoptalk.db.models import ChannelIntegration, Turn, TurnStatus
from shoptalk.db.opt_outs import note_opted_out
from shoptalk.db.selection import BufferPolicy, SelectionPolicy
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
from shoptalk.outcomes import outcome_of
from shoptalk.platforms.base import Capabilities, Platform, Recipient, ThreadState, thread_state
from shoptalk.responder import tools
from shoptalk.responder.agent import compose_reply
from shoptalk.responder.asking import Asking
from shoptalk.responder.brevity import ask_for_less, brevity_hint, limited, parts_of
from shoptalk.responder.context import LAST_MESSAGES, Context, Writer
from shoptalk.responder.deliver import ClaimLost, Courier
from shoptalk.responder.ledger import Answer, Ledger, Written
from shoptalk.responder.loops import is_loop
from shoptalk.responder.manners import hand_over, recipient_of, typing_shown
from shoptalk.responder.model.base import Model, Prompt
from shoptalk.responder.plain_text import readable
from shoptalk.responder.quotes import Placed, unbacked
from shoptalk.responder.toolbox import TOOLBOX
from shoptalk.responder.window import WINDOW_MARGIN
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
    ledger: Ledger
    model: Model
    asking: Asking
    platform_of: Callable[[ChannelIntegration], Platform]
    policy: AnswerPolicy
    clock: Clock

    def read(self, claimed: Sequence[Turn]) -> Sequence[Context]:
        """All that is needed to answer turns that this process has claimed, in their order."""
        now = self.clock()
        with self.database.transaction() as session:
            turns.show_processing(session, claimed)
            writer = Writer(session, default_model=self.policy.default_model, now=now)
            briefs = read_briefs(
                session, claimed, self.policy.selection, most_earlier=LAST_MESSAGES, now=now
            )
            contexts = [writer.write(brief) for brief in briefs]
        reach("reply.context_read")
        return contexts

    def answer(self, context: Context) -> Outcome | None:
        """Bring the turn as far as it goes now; return its outcome once it has one."""
        outcome = self._bring_on(context)
        if outcome is not None and outcome.needs_person:
            platform = self.platform_of(context.brief.channel)
            recipient = recipient_of(context.brief.conversation)
            turn = context.brief.turn
            hand_over(platform, recipient, _for_people(turn, outcome), about=_about(turn))
        return outcome

    def _bring_on(self, context: Context) -> Outcome | None:
        turn, channel = context.brief.turn, context.brief.channel
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

    def _answer(self, context: Context, platform: Platform) -> Outcome | None:
        turn, dialogue = context.brief.turn, context.brief.dialogue
        courier = Courier(
            database=self.database,
            ledger=self.ledger,
            platform=platform,
            conversation=context.brief.conversation,
            why_not=lambda: self._why_not_now(context, platform),
            claim_lasts=self.policy.claim_lasts,
            clock=self.clock,
        )
        if turn.status == TurnStatus.SENDING:
            with self.database.transaction() as session:
                deliveries = deliveries_of(session, turn)
            outcome = courier.send_rest(turn, deliveries)
        else:
            state = self._thread_state(context, platform)
            why_not = self._why_not(context, context.brief.standing, platform, state)
            if why_not is None and state.custody is not None:  # what was read may be outdated
                why_not = self._why_not_now(context, platform, state)
            if why_not is None and is_loop([*dialogue.earlier, *dialogue.messages]):
                why_not = Outcome.LOOP
            if why_not is not None:
                return self._close(turn, why_not, None)
            with typing_shown(platform, _asked_by(context)):
                parts = self._compose(context, platform, state)
                written = self._write_down(context, platform, parts)
                outcome = written.why_not or courier.send_new(turn, written.deliveries)
        if outcome != Outcome.ANSWERED:
            return self._close(turn, outcome, None)
        if turn.handover_reason is not None:
            outcome = Outcome.NEEDS_PERSON
            log.warning("the AI handed a conversation over to a person", extra=_about(turn))
        log.info("a turn ended", extra=_about(turn) | {"outcome": outcome, "error": None})
        return outcome

    def _thread_state(self, context: Context, platform: Platform) -> ThreadState:
        """How the thread stands on the platform now; whose it is, is written down.

        Raises:
            RetryLater: it cannot be told now, or our side has written what no import has seen,
                and a person may have.
        """
        conversation = context.brief.conversation
        try:
            state = thread_state(platform, recipient_of(conversation))
        except BadPayload as exc:  # it says nothing about the reply, which can wait
            raise RetryLater(str(exc), platform=platform.name) from exc
        if state == ThreadState():
            return state
        with self.database.transaction() as session:
            if state.custody is not None:
                note_custody(
                    session,
                    conversation.channel_integration_id,
                    {conversation.thread_id: state.custody},
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
        self, context: Context, standing: Standing, platform: Platform, state: ThreadState
    ) -> Outcome | None:
        """The reason not to answer this turn now, if there is one."""
        if standing.opted_out:
            return Outcome.OPTED_OUT
        if not standing.ai_enabled:
            return Outcome.AI_OFF
        if standing.handed_over:
            return Outcome.NEEDS_PERSON
        if standing.answered_by_person:
            return Outcome.ANSWERED_BY_PERSON
        if standing.taken_over:
            return Outcome.TAKEN_OVER
        if standing.answered_lately >= self.policy.most_replies_an_hour:
            return Outcome.REPLY_LIMIT
        window = platform.can.reply_window_of(context.brief.conversation.thread_id)
        written_at = context.brief.turn.last_message_at
        is_over = window is not None and self.clock() >= written_at + window - WINDOW_MARGIN
        return Outcome.WINDOW_CLOSED if is_over or not state.can_reply else None

    def _why_not_now(
        self, context: Context, platform: Platform, state: ThreadState | None = None
    ) -> Outcome | None:
        """The reason as of now; `state`, where it was just asked for."""
        state = state or self._thread_state(context, platform)
        with self.database.transaction() as session:
            standing = self._standing(session, context.brief.turn)
        return self._why_not(context, standing, platform, state)

    def _standing(self, session: Session, turn: Turn) -> Standing:
        policy = self.policy.selection
        return read_standings(session, [turn], policy, now=self.clock())[turn.id]

    def _compose(self, context: Context, platform: Platform, state: ThreadState) -> list[str]:
        """Have the model answer; return what to send.

        Raises:
            ModelError: no answer.
            _Silenced: it was about to use a tool, and is to be silent.
        """
        reply = self._ask_model(
            context,
            platform.can,
            lambda standing: self._why_not(context, standing, platform, state),
        )
        reach("reply.model_answered")
        return parts_of(reply, limited(platform.can, state))

    def _ask_model(
        self, context: Context, can: Capabilities, why_not: Callable[[Standing], Outcome | None]
    ) -> str:
        """Have the reply composed, orders and all."""
        turn, shelf = context.brief.turn, context.shelf
        orders: list[Placed] = list(context.brief.orders)

        def run(name: str, arguments: str) -> str:
            result = self._run_tool(name, turn, arguments, why_not)
            with self.database.transaction() as session:
                orders[:] = orders_of_conversation(session, turn.conversation_id)
            return result

        return self.asking.ask(
            context.prompt,
            lambda: compose_reply(
                self.model,
                _hinted(context.prompt, brevity_hint(can)),
                tools={name: partial(run, name) for name in TOOLBOX},
                as_plain_text=lambda text: readable(text, can.text_format),
                find_wrong_prices=lambda text: unbacked(text, shelf=shelf, orders=orders),
                ask_for_less=lambda text: ask_for_less(text, can),
                longest=self.policy.longest_thinking,
            ),
            conversation_id=turn.conversation_id,
            circuit=context.circuit,
        )

    def _run_tool(
        self, name: str, turn: Turn, arguments: str, why_not: Callable[[Standing], Outcome | None]
    ) -> str:
        """Nothing is done behind the back of a person who has spoken meanwhile."""
        with self.database.transaction() as session:
            turns.lock_conversations(session, [turn.conversation_id])
            silenced = why_not(self._standing(session, turn))
            if silenced is not None:
                raise _Silenced(silenced)
            result = TOOLBOX[name].run(session, turn, arguments, now=self.clock())
            reach("order.in_transaction")
        reach("order.committed")
        log.info("a tool ran", extra={"turn_id": turn.id, "tool": name, "ok": result["ok"]})
        return tools.as_json(result)

    def _write_down(self, context: Context, platform: Platform, parts: Sequence[str]) -> Written:
        """Look once more at what happened meanwhile, and write the answer down if it still fits.

        Raises:
            ClaimLost, _Superseded: the answer is thrown away.
        """
        state = self._thread_state(context, platform)
        written = self.ledger.write_down(
            Answer(
                turn=context.brief.turn,
                parts=parts,
                seen=[line.id for line in context.brief.dialogue.messages],
                why_not=lambda standing: self._why_not(context, standing, platform, state),
            )
        )
        reach("reply.written_down")
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
            reach("reply.in_close")
        reach("reply.closed")
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


def _asked_by(context: Context) -> Recipient:
    """Whom to show that an answer is written, and to what."""
    messages = context.brief.dialogue.messages
    last = messages[-1].message_id if messages else None
    return replace(recipient_of(context.brief.conversation), last_message_id=last)


def _soon(turn: Turn) -> timedelta:
    return stepped(turn.attempts + 1, SOON)


def _backoff(turn: Turn) -> timedelta:
    return backoff(turn.attempts + 1, first=FIRST_WAIT, longest=LONGEST_WAIT)


def _about(turn: Turn) -> dict[str, object]:
    return {"turn_id": turn.id, "conversation_id": turn.conversation_id}
