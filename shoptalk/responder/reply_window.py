"""How long after a customer's message a platform takes a reply, as far as we trust it."""

from collections.abc import Iterable
from datetime import timedelta

from shoptalk.platforms.registry import Adapter

WINDOW_MARGIN = timedelta(minutes=5)  #: the platform's clock decides, not ours


def reply_windows(adapters: Iterable[Adapter]) -> dict[tuple[str, str], timedelta]:
    """Each window that there is, less the margin, by platform and by how its threads' ids begin."""
    found: dict[tuple[str, str], timedelta] = {}
    for adapter in adapters:
        windows = {"": adapter.capabilities.reply_window, **adapter.capabilities.reply_windows}
        for beginning, window in windows.items():
            if window is not None:
                found[adapter.name, beginning] = window - WINDOW_MARGIN
    return found
