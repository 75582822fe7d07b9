"""Picking up at once what a wake-up tells of, beside the ticks.

A channel whose platform has something new is polled, and a responder pass is made. Wake-ups that
come during such a poll are followed by another: it may have begun before they were written.
"""

from collections.abc import Callable, Collection, Iterator
from contextlib import contextmanager
from datetime import datetime
from threading import Event

from shoptalk.db.channels import pollable_channels
from shoptalk.db.models import ChannelIntegration
from shoptalk.db.wakeup import Listener, Wakeup, WakeupKind
from shoptalk.db.webchat_rows import channels_with_unseen
from shoptalk.importer.channels import Importer
from shoptalk.wiring import App


class WakeupHandler:
    """What is done when something was heard.

    Args:
        importer: None: another process polls.
        reply: has a responder pass made by somebody.
    """

    def __init__(self, app: App, importer: Importer | None, *, reply: Callable[[], None]) -> None:
        self._app = app
        self._importer = importer
        self._reply = reply

    def hear(self, wakeups: Collection[Wakeup]) -> None:
        polled = {each.channel_id for each in wakeups if each.kind == WakeupKind.POLL}
        is_stored = any(each.kind == WakeupKind.REPLY for each in wakeups)
        if self._poll(polled) or is_stored:
            self._reply()

    def catch_up(self) -> None:
        """See to what may have come while nobody listened."""
        with self._app.database.transaction() as session:
            unseen = channels_with_unseen(session)
        self._poll(unseen)
        self._reply()

    def _poll(self, channel_ids: Collection[int]) -> bool:
        """Poll those that may be polled now; tell whether there was anything new."""
        if not channel_ids or self._importer is None:
            return False
        now = self._app.clock()
        with self._app.database.transaction() as session:
            connected = pollable_channels(session)
        reports = [
            self._importer.poll(channel)
            for channel in connected
            if channel.id in channel_ids
            and self._app.is_polled(channel)
            and not _is_failing(channel, now)
        ]
        return any(report.stored.new for report in reports)


def _is_failing(channel: ChannelIntegration, now: datetime) -> bool:
    """Whether it waits because of trouble, and not only for its turn."""
    return bool(channel.failures and channel.next_poll_at and channel.next_poll_at > now)


@contextmanager
def handling_wakeups(
    app: App, importer: Importer | None, *, reply: Callable[[], None], until: Event
) -> Iterator[None]:
    """Listen while the block runs, or until the event; at its end nothing is half done."""
    handler = WakeupHandler(app, importer, reply=reply)
    listener = Listener(
        app.database.engine,
        on_wakeups=handler.hear,
        on_connected=handler.catch_up,
        until=until,
    )
    listener.start()
    try:
        yield
    finally:
        until.set()
        listener.join()
