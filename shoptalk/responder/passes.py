"""A responder pass: what waits becomes turns, and the turns that are due are answered."""

import logging
from collections import Counter
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta

from shoptalk.crashpoints import reach
from shoptalk.db import turns
from shoptalk.db.models import Turn
from shoptalk.db.presence import Presence
from shoptalk.responder.answer import Answerer
from shoptalk.types import Outcome

log = logging.getLogger(__name__)


class Responder:
    """Answers due turns, several side by side; a conversation's turns one after the other."""

    def __init__(
        self,
        answerer: Answerer,
        presence: Presence,
        *,
        windows: Mapping[tuple[str, str], timedelta],
        concurrency: int,
    ) -> None:
        self._answerer = answerer
        self._presence = presence
        self._windows = windows
        self._concurrency = concurrency

    def answer_all_due(self, *, stop: Callable[[], bool] = lambda: False) -> Counter[str]:
        """Answer until nothing is due; return how many turns ended how ("waiting": not yet).

        `stop` is asked between rounds, so that a scheduler can end with nothing half done.
        """
        ended: Counter[str] = Counter()
        with ThreadPoolExecutor(self._concurrency) as pool:
            while not stop():
                claimed = self._claim()
                if not claimed:
                    break
                ended.update(outcome or "waiting" for outcome in pool.map(self._answer, claimed))
        return ended

    def _claim(self) -> list[Turn]:
        now, policy = self._answerer.clock(), self._answerer.policy
        claimant = self._presence.name()  # another one a claim, should a thread outlive its own
        with self._answerer.database.transaction() as session:
            turns.settle(session, policy.selection, self._windows, now=now)
        with self._answerer.database.transaction() as session:
            turns.gather(
                session,
                policy.buffer,
                now=now,
                held_before=now - policy.selection.backlog_after,
            )
        reach("reply.gathered")
        with self._answerer.database.transaction() as session:
            claimed = list(
                turns.claim_due(
                    session,
                    claimant=claimant,
                    now=now,
                    until=now + self._answerer.policy.claim_lasts,
                    limit=self._concurrency,
                )
            )
        with self._answerer.database.transaction() as session:
            turns.show_processing(session, claimed)
        reach("reply.claimed")
        return claimed

    def _answer(self, turn: Turn) -> Outcome | None:
        """One bad turn stops itself alone: its claim lapses and it is tried again."""
        try:
            return self._answerer.answer(turn)
        except Exception as exc:
            log.error(
                "a turn broke off",
                extra={"turn_id": turn.id, "error": type(exc).__name__},
                exc_info=log.isEnabledFor(logging.DEBUG),
            )
            return None
