"""How long after a customer's message a platform takes a reply, as far as we trust it."""

from collections.abc import Iterable
from datetime import timedelta

from shoptalk.platforms.registry import Adapter

WINDOW_MARGIN = timedelta(minutes=5)  #: the platform's clock decides, not ours


def reply_windows(adapters: Iterable[Adapter]) -> dict[str, timedelta]:
    """The window of each platform that has one, by name, less the margin."""
    return {
        adapter.name: adapter.can.reply_window - WINDOW_MARGIN
        for adapter in adapters
        if adapter.can.reply_window is not None
    }
