"""What became of our messages: as the list shows it, and asked for where it no longer does."""

from shoptalk.db.delivery_reports import deliveries_to_check, note_reports
from shoptalk.errors import ChannelStopped, PlatformError, RetryLater
from shoptalk.importer.poll_run import PollRun
from shoptalk.platforms.base import Page
from shoptalk.types import DeliveryReport

ASKED_AT_ONCE = 20  #: in one poll; the rest waits for the next


class DeliveryNews:
    """What one poll of a channel learns about deliveries."""

    def __init__(self, run: PollRun) -> None:
        self._run = run
        self._reports: dict[str, DeliveryReport] = {}
        self._asked: list[str] = []

    def gather(self, page: Page) -> None:
        """Take what the list shows: most messages have arrived before they leave it."""
        for piece in page.threads:
            for message in piece.messages:
                if message.delivery is not None:
                    self._reports[message.message_id] = message.delivery

    def ask(self) -> None:
        """Ask about what is due and the list did not show. A failure costs news only."""
        if not self._run.reader.tells_delivery:
            return
        with self._run.database.transaction() as session:
            due = deliveries_to_check(
                session, self._run.channel.id, now=self._run.clock(), limit=ASKED_AT_ONCE
            )
        for message_id in due:
            if message_id not in self._reports:
                try:
                    report = self._run.reader.delivery(message_id)
                except (RetryLater, ChannelStopped):
                    return
                except PlatformError as exc:
                    self._run.reader.put_aside(f"what became of it: {exc}", None, message_id)
                    report = None
                if report is not None:
                    self._reports[message_id] = report
            self._asked.append(message_id)

    def note(self) -> None:
        """Settle what was learnt; what was asked in vain is asked again later."""
        if self._reports or self._asked:
            with self._run.database.transaction() as session:
                note_reports(
                    session,
                    self._run.channel.id,
                    self._reports,
                    asked=self._asked,
                    now=self._run.clock(),
                )
