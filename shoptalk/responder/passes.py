"""A responder pass: what waits becomes turns, and the turns that are due are answered."""

import logging
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from dataclasses import dataclass
from datetime import datetime, timedelta

from shoptalk.agents.prompt_builder import PreparedTurn
from shoptalk.agents.toolbox import TOOLBOX
from shoptalk.db import circuits, turns
from shoptalk.db.engine import Database
from shoptalk.db.liveness import Liveness
from shoptalk.db.outage import is_outage, reason
from shoptalk.db.selection import BufferPolicy, SelectionPolicy, close_unanswerable, open_turns
from shoptalk.failpoints import failpoint
from shoptalk.responder.answer import Answerer
from shoptalk.types import Clock, Outcome

log = logging.getLogger(__name__)

WORTH_ASKING = 20  #: turns at once, of which each costs little enough
ASK_AGAIN_SECONDS = 0.2  #: for what is due, while others are still being answered


@dataclass(frozen=True, slots=True, kw_only=True)
class Selector:
    """Decides what is to be answered: what waits becomes turns, or gets the reason why not."""

    database: Database
    buffer: BufferPolicy
    policy: SelectionPolicy
    #: How long a reply is taken, by platform and how the thread's id begins
    windows: Mapping[tuple[str, str], timedelta]
    clock: Clock

    def select(self) -> None:
        now = self.clock()
        with self.database.transaction() as session:
            close_unanswerable(session, self.policy, self.windows, now=now)
        with self.database.transaction() as session:
            open_turns(session, self.buffer, now=now, held_before=now - self.policy.backlog_after)
        failpoint("reply.gathered")

    def next_due(self) -> datetime | None:
        """When somebody should answer next."""
        with self.database.transaction() as session:
            return turns.next_due(session)


class Responder:
    """Answers due turns, several side by side; a conversation's turns one after the other."""

    def __init__(
        self, answerer: Answerer, selector: Selector, liveness: Liveness, *, concurrency: int
    ) -> None:
        self._answerer = answerer
        self._selector = selector
        self._liveness = liveness
        self._concurrency = concurrency

    def answer_all_due(self, *, stop: Callable[[], bool] = lambda: False) -> Counter[str]:
        """Answer until nothing is due; return how many turns ended how ("waiting": not yet).

        `stop` is asked before more is begun, so that a scheduler can end with nothing half done.
        """
        ended: Counter[str] = Counter()
        under_way: set[Future[Outcome | None]] = set()
        is_dry = False  # nothing was due when last asked
        is_slow = False  # none of those under way has ended for a while
        self._selector.select()
        with ThreadPoolExecutor(self._concurrency) as pool:
            while True:
                room = self._concurrency - len(under_way)
                is_worth_asking = room >= self._worth_asking or (is_slow and room > 0)
                if not is_dry and is_worth_asking and not stop():
                    contexts = self._claim(room)
                    is_dry = len(contexts) < room
                    under_way |= {pool.submit(self._answer, context) for context in contexts}
                if not under_way:
                    return ended
                done, under_way = wait(under_way, ASK_AGAIN_SECONDS, FIRST_COMPLETED)
                is_slow = not done
                ended.update(future.result() or "waiting" for future in done)
                if is_dry and not (done and under_way):
                    # What became due meanwhile does not wait for a slow model.
                    self._selector.select()
                    is_dry = False

    def try_models_again(self) -> None:
        """Ask at once whether models answer again that are left alone: somebody may have acted."""
        answerer = self._answerer
        with answerer.database.transaction() as session:
            models = circuits.models_left_alone(session, now=answerer.clock())
        answerer.model_circuit.ask_anyway(models, [entry.tool for entry in TOOLBOX.values()])

    @property
    def _worth_asking(self) -> int:
        """Free places from which on more turns are claimed: reading many costs hardly more."""
        return max(1, min(self._concurrency // 2, WORTH_ASKING))

    def _claim(self, limit: int) -> Sequence[PreparedTurn]:
        now = self._answerer.clock()
        claimant = self._liveness.name()  # another one a claim, should a thread outlive its own
        with self._answerer.database.transaction() as session:
            claimed = turns.claim_due(
                session,
                claimant=claimant,
                now=now,
                until=now + self._answerer.policy.claim_lasts,
                limit=limit,
            )
        failpoint("reply.claimed")
        return self._answerer.read(claimed) if claimed else ()

    def _answer(self, context: PreparedTurn) -> Outcome | None:
        """One bad turn stops itself alone: its claim lapses and it is tried again."""
        try:
            return self._answerer.answer(context)
        except Exception as exc:
            log.error(
                "a turn broke off",
                extra={
                    "turn_id": context.turn_input.turn.id,
                    "error": reason(exc) if is_outage(exc) else type(exc).__name__,
                },
                exc_info=log.isEnabledFor(logging.DEBUG),
            )
            return None
