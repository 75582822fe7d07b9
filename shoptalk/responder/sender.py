"""Sending what is written down, each part once, whatever happens in between.

A part is marked `sending` before it leaves. Whoever finds one so marked does not know whether it
arrived: it reads the thread back first, and sends again only what the platform does not have.
"""

from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime, timedelta

from shoptalk.db.deliveries import (
    BY_HAND,
    SETTLED,
    Receipt,
    begin_sending,
    ids_of_sent,
    message_id_of,
    send_again,
    wait_again,
)
from shoptalk.db.delivery_reports import first_check
from shoptalk.db.engine import Database
from shoptalk.db.models import Conversation, Delivery, Turn
from shoptalk.db.turns import close, hold
from shoptalk.errors import BadPayload, DeliveryUncertain, PlatformError, RetryLater
from shoptalk.failpoints import failpoint
from shoptalk.platforms.base import Platform, Recipient, TellsDelivery, ThreadPage, thread_state
from shoptalk.responder.outbox import Outbox, Sent
from shoptalk.types import OUR_SIDE, Clock, Outcome

#: That a part is in the thread is seen as soon as it is there.
LOOKS_AFTER = tuple(timedelta(seconds=seconds) for seconds in (5, 15, 30, 60))
#: That it is not there is believed no sooner: platforms' lists lag behind.
READ_BACK_AFTER = LOOKS_AFTER[-1]
#: what makes no sense now may make some later; then a person has to look
READ_BACK_FOR = timedelta(minutes=15)
MOST_SENDS = 30  #: about a day, as long as most reply windows; then a person has to look
LONGEST_WAIT = timedelta(hours=1)
#: longer than any request of ours may still be under way, and than a platform's lists lag behind
CLOCKS_DIFFER_BY = timedelta(minutes=2)
MOST_PAGES_BACK = 5


class ClaimLost(Exception):
    """Another process has taken the turn over; nothing more may be done for it here."""


@dataclass(frozen=True, slots=True, kw_only=True)
class DeliverySender:
    """What sending takes, beside the turn itself."""

    database: Database
    outbox: Outbox
    platform: Platform
    conversation: Conversation
    why_not: Callable[[], Outcome | None]  #: the reason, if any, to be silent now
    claim_lasts: timedelta
    clock: Clock

    def send_new(self, turn: Turn, deliveries: Sequence[Delivery]) -> Outcome:
        """Send an answer that was just written down, its first part already marked as leaving.

        Returns and raises as `send_rest` does.
        """
        first, *rest = deliveries
        self._send(turn, first, tries=1, is_last=not rest)
        return self.send_rest(turn, rest) if rest else Outcome.ANSWERED

    def send_rest(self, turn: Turn, deliveries: Sequence[Delivery]) -> Outcome:
        """Send all that is left of the turn's deliveries, in order, and end the turn.

        Before each part, also of a reply that was begun, it is asked whether to be silent. What a
        person tries again by hand is sent whatever the answer.

        Returns:
            ANSWERED, with the turn closed; or why the rest was not sent, with the turn still open.

        Raises:
            RetryLater: not now; what is left waits.
            DeliveryUncertain: a part may or may not have arrived, and there is no way to tell.
            GiveUp, ChannelStopped: as the platform says; what is left was not sent.
            BadPayload: a part was sent often enough, and never arrived.
            ClaimLost: somebody else is at it.
        """
        is_closed = False
        for delivery in deliveries:
            if delivery.status in SETTLED:
                continue
            was_begun = delivery.status == "sending"
            if was_begun:
                found = self._arrived_as(delivery)
                if found is not None:
                    self._record(turn, delivery, found, is_last=False)
                    continue
            held_back = None if delivery.failure_reason == BY_HAND else self.why_not()
            if held_back is not None:
                return held_back
            if was_begun:
                self._note_not_arrived(delivery)
            self._mark(turn, delivery)
            is_closed = delivery is deliveries[-1]
            self._send(turn, delivery, tries=delivery.attempts + 1, is_last=is_closed)
        if not is_closed:
            with self.database.transaction() as session:
                if not close(session, [turn], Outcome.ANSWERED, now=self.clock()):
                    raise ClaimLost
                failpoint("reply.in_close")
            failpoint("reply.closed")
        return Outcome.ANSWERED

    def _recipient_of(self, delivery: Delivery) -> Recipient:
        return Recipient(
            thread_id=self.conversation.thread_id,
            customer_id=self.conversation.customer_id,
            reference=f"delivery_{delivery.id}",
        )

    def _mark(self, turn: Turn, delivery: Delivery) -> None:
        """Write down that the part leaves us now."""
        now = self.clock()
        with self.database.transaction() as session:
            if not hold(session, turn, until=now + self.claim_lasts):
                raise ClaimLost
            if not begin_sending(session, turn, delivery, now=now):
                raise ClaimLost

    def _send(self, turn: Turn, delivery: Delivery, *, tries: int, is_last: bool) -> None:
        failpoint("send.marked")
        try:
            message_id = self.platform.send(self._recipient_of(delivery), delivery.content)
        except DeliveryUncertain as exc:
            # It stays `sending`, as it does when anything unforeseen happens.
            if not self.platform.capabilities.history:
                raise
            raise self._looked_for_later(str(exc), timedelta(0), tries) from exc
        except PlatformError as exc:
            with self.database.transaction() as session:
                wait_again(session, delivery, str(exc))
            raise
        failpoint("send.answered")
        self._record(turn, delivery, message_id, is_last=is_last)
        failpoint("send.recorded")
        if is_last:
            failpoint("reply.closed")

    def _record(self, turn: Turn, delivery: Delivery, message_id: str, *, is_last: bool) -> None:
        is_told = isinstance(self.platform, TellsDelivery)
        receipt = Receipt(
            delivery=delivery,
            message_id=message_id,
            check_at=first_check(is_told=is_told, now=self.clock()),
        )
        if not self.outbox.record(Sent(turn=turn, receipt=receipt, is_last=is_last)):
            raise ClaimLost

    def _arrived_as(self, delivery: Delivery) -> str | None:
        """The platform's id of a part that somebody began to send; None: it does not have it.

        Raises:
            RetryLater: too early to tell.
            DeliveryUncertain: the platform cannot tell.
        """
        assert delivery.sending_at is not None
        if delivery.message_id is not None:  # polling has met it
            return delivery.message_id
        waited = self.clock() - delivery.sending_at
        if waited >= _believed_after(delivery.attempts):
            return self._find_in_thread(delivery, since=delivery.sending_at)
        found = None
        if self.platform.capabilities.history and waited >= LOOKS_AFTER[0]:
            with suppress(DeliveryUncertain):  # the last look decides
                found = self._find_in_thread(delivery, since=delivery.sending_at)
        if found is None:
            said = "it may have been sent; the thread is read back first"
            raise self._looked_for_later(said, waited, delivery.attempts)
        return found

    def _looked_for_later(self, said: str, waited: timedelta, tries: int) -> RetryLater:
        """Until the next look in the thread, or where there is none, the end of the wait."""
        ends = _believed_after(tries)
        looks = LOOKS_AFTER if self.platform.capabilities.history else ()
        ahead = [look for look in looks if waited < look < ends]
        later = min(ends, max(READ_BACK_AFTER, waited * 2))
        until = (ahead[0] if ahead else later) - waited
        return RetryLater(said, platform=self.platform.name, retry_after=until)

    def _find_in_thread(self, delivery: Delivery, *, since: datetime) -> str | None:
        """The id of our text in the thread, written since we began to send it."""
        if not self.platform.capabilities.history:
            raise DeliveryUncertain(
                "the platform cannot be asked whether it arrived", platform=self.platform.name
            )
        earliest = since - CLOCKS_DIFFER_BY
        with self.database.transaction() as session:
            known = ids_of_sent(session, self.conversation.id, since=earliest)
            # After that: where polling has met it by now, it is among the known ones.
            met = message_id_of(session, delivery)
        if met is not None:
            return met
        newest = self._newest(delivery, since=since)
        cursor: str | None = ""
        is_empty = True
        for _ in range(MOST_PAGES_BACK):
            page = self._read_back(cursor or "", since=since)
            is_empty = is_empty and not page.messages
            shown = {message.message_id for message in page.messages}
            if newest is not None and newest not in shown:
                raise self._makes_no_sense("the thread leaves out its newest message", since)
            newest = None
            for message in page.messages:
                if (
                    message.sender_type in OUR_SIDE
                    and message.created_at >= earliest
                    and message.message_id not in known
                    and message.text.strip() == delivery.content.strip()
                ):
                    return message.message_id
            if page.unreadable:
                raise self._makes_no_sense("the thread holds messages that make no sense", since)
            if page.messages and page.messages[-1].created_at < earliest:
                return None
            cursor = page.older
            if cursor is None:
                if page.hidden:
                    break
                if is_empty:  # what is answered stands there
                    raise self._makes_no_sense("the thread shows no messages", since)
                return None
        raise DeliveryUncertain(
            "the thread has moved on too far to tell", platform=self.platform.name
        )

    def _newest(self, delivery: Delivery, *, since: datetime) -> str | None:
        """What a whole thread would show first, where the platform tells apart from it."""
        try:
            return thread_state(self.platform, self._recipient_of(delivery)).newest
        except BadPayload as exc:
            raise self._makes_no_sense(str(exc), since) from exc

    def _read_back(self, cursor: str, *, since: datetime) -> ThreadPage:
        try:
            return self.platform.fetch_thread(self.conversation.thread_id, cursor=cursor, limit=20)
        except BadPayload as exc:
            raise self._makes_no_sense(str(exc), since) from exc

    def _makes_no_sense(self, said: str, since: datetime) -> PlatformError:
        """It says nothing about the delivery, which is asked for again for a while."""
        if self.clock() >= since + READ_BACK_FOR:
            return DeliveryUncertain(said, platform=self.platform.name)
        return RetryLater(said, platform=self.platform.name, retry_after=READ_BACK_AFTER)

    def _note_not_arrived(self, delivery: Delivery) -> None:
        """It may be sent again, unless it was sent too often.

        Raises:
            RetryLater: it has arrived after all.
            BadPayload: the platform will not have it.
        """
        if delivery.attempts >= MOST_SENDS:
            raise BadPayload(
                f"it was sent {delivery.attempts} times, and never arrived",
                platform=self.platform.name,
            )
        with self.database.transaction() as session:
            is_missing = send_again(session, delivery, "the platform did not have it; sent again")
        if not is_missing:
            raise RetryLater("an import has met it meanwhile", platform=self.platform.name)


def _believed_after(tries: int) -> timedelta:
    """How long after a send it is believed not to have arrived: longer with each in vain."""
    return min(READ_BACK_AFTER * (1 << max(0, tries - 1)), LONGEST_WAIT)
