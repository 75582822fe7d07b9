"""The two transactions around a reply's way out: it is written down, sent, recorded.

Turns that come to them at the same time share them.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import timedelta

from shoptalk.db import turns
from shoptalk.db.deliveries import Receipt, record_sent
from shoptalk.db.engine import Database
from shoptalk.db.models import Delivery, Turn
from shoptalk.db.selection import BufferPolicy, SelectionPolicy
from shoptalk.db.turn_input import EligibilitySnapshot, read_eligibility
from shoptalk.failpoints import failpoint
from shoptalk.responder.group_commit import GroupCommit
from shoptalk.types import Clock, Outcome


@dataclass(frozen=True, slots=True, kw_only=True)
class ComposedReply:
    """What the model said to a turn."""

    turn: Turn
    parts: Sequence[str]
    seen: Sequence[int]  #: the messages it was shown, by row id
    why_not: Callable[[EligibilitySnapshot], Outcome | None]  #: the reason, if any, not to send it


@dataclass(frozen=True, slots=True, kw_only=True)
class OutboxResult:
    """What became of an answer; at most one of these."""

    deliveries: Sequence[Delivery] = ()  #: to be sent at once, the first marked as leaving
    why_not: Outcome | None = None
    is_superseded: bool = False  #: the customer has written more: the turn was put back
    is_lost: bool = False  #: another process has taken the turn over


@dataclass(frozen=True, slots=True, kw_only=True)
class Sent:
    """A part that the platform took."""

    turn: Turn
    receipt: Receipt
    is_last: bool  #: of the turn, which ends with it


class Outbox:
    """Where answers and what became of them are entered.

    Args:
        claim_lasts: how long one who writes an answer down may take to send it.
    """

    def __init__(
        self,
        database: Database,
        *,
        selection: SelectionPolicy,
        buffer: BufferPolicy,
        claim_lasts: timedelta,
        clock: Clock,
    ) -> None:
        self._database = database
        self._selection = selection
        self._buffer = buffer
        self._claim_lasts = claim_lasts
        self._clock = clock
        self._answers = GroupCommit(self._write_down, key=lambda each: each.turn.conversation_id)
        self._sent = GroupCommit(self._record, key=lambda each: each.turn.conversation_id)

    def write_down(self, answer: ComposedReply) -> OutboxResult:
        """Look once more at what happened meanwhile; write the answer down if it still fits."""
        return self._answers(answer)

    def record(self, sent: Sent) -> bool:
        """Keep that a part was sent. False: it ended the turn no more, which was taken over."""
        return self._sent(sent)

    def _write_down(self, answers: Sequence[ComposedReply]) -> list[OutboxResult]:
        now = self._clock()
        with self._database.transaction() as session:
            current = turns.lock(session, [answer.turn for answer in answers])
            eligibilities = read_eligibility(
                session, list(current.values()), self._selection, now=now
            )
            fates: dict[int, OutboxResult] = {}
            fitting: list[ComposedReply] = []
            for answer in answers:
                turn = current.get(answer.turn.id)
                if turn is None:
                    fates[answer.turn.id] = OutboxResult(is_lost=True)
                    continue
                eligibility = eligibilities[turn.id]
                why_not = answer.why_not(eligibility)
                has_more = eligibility.message_count > len(answer.seen)
                if why_not is not None:
                    fates[turn.id] = OutboxResult(why_not=why_not)
                elif has_more and now < turn.created_at + self._buffer.longest:
                    turns.put_back(session, turn, due_at=turn.due_at, error=None, failed=False)
                    fates[turn.id] = OutboxResult(is_superseded=True)
                else:
                    if has_more:
                        turns.leave_for_next_turn(session, turn, seen=answer.seen)
                    fitting.append(answer)
            written = turns.write_down(
                session,
                {answer.turn: answer.parts for answer in fitting},
                now=now,
                until=now + self._claim_lasts,
            )
            failpoint("reply.in_write_down")
        return [
            fates.get(answer.turn.id) or OutboxResult(deliveries=written[answer.turn.id])
            for answer in answers
        ]

    def _record(self, sent: Sequence[Sent]) -> list[bool]:
        now = self._clock()
        with self._database.transaction() as session:
            record_sent(session, [each.receipt for each in sent], now=now)
            ended = [each.turn for each in sent if each.is_last]
            closed = turns.close(session, ended, Outcome.ANSWERED, now=now, is_locked=True)
            failpoint("reply.in_close")
        return [not each.is_last or each.turn.id in closed for each in sent]
