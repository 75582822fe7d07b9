"""What an answer does on the platform beside being sent: typing, and handing over to people."""

import logging
from collections.abc import Iterator, Mapping
from contextlib import contextmanager

from shoptalk.db.models import Conversation
from shoptalk.errors import PlatformError
from shoptalk.platforms.base import HandsOver, HidesTyping, Platform, Recipient

log = logging.getLogger(__name__)


def recipient_of(conversation: Conversation) -> Recipient:
    return Recipient(thread_id=conversation.thread_id, customer_id=conversation.customer_id)


@contextmanager
def typing_shown(platform: Platform, recipient: Recipient) -> Iterator[None]:
    """Show that an answer is being written, for as long as one is. A courtesy: it may fail."""
    if not platform.capabilities.typing:
        yield
        return
    try:
        platform.show_typing(recipient)
    except PlatformError as exc:
        log.debug("typing was not shown", extra={"error": str(exc)})
    try:
        yield
    finally:
        _hide_typing(platform, recipient)


def _hide_typing(platform: Platform, recipient: Recipient) -> None:
    if not isinstance(platform, HidesTyping):
        return
    try:
        platform.hide_typing(recipient)
    except PlatformError as exc:
        log.debug("typing was not hidden", extra={"error": str(exc)})


def hand_over(
    platform: Platform, recipient: Recipient, reason: str, *, about: Mapping[str, object]
) -> None:
    """Tell the shop's people on the platform that a customer is left to them.

    The turn is closed by now and stays so, whatever becomes of this.
    """
    if not isinstance(platform, HandsOver):
        return
    try:
        platform.hand_over(recipient, reason)
    except PlatformError as exc:
        log.warning("it was not handed over", extra={**about, "error": str(exc)})
