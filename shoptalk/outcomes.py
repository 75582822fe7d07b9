"""What an error of a platform means for the message that was to be answered."""

from shoptalk.errors import (
    DeliveryUncertain,
    GiveUp,
    OptedOut,
    PlatformError,
    ThreadTaken,
    WindowClosed,
)
from shoptalk.types import Outcome


def outcome_of(error: PlatformError) -> Outcome:
    """The outcome when the platform would not take the reply, or did not deliver it."""
    match error:
        case DeliveryUncertain():
            return Outcome.DELIVERY_UNCERTAIN
        case WindowClosed():
            return Outcome.WINDOW_CLOSED
        case ThreadTaken():
            return Outcome.THREAD_TAKEN
        case OptedOut():
            return Outcome.OPTED_OUT
        case GiveUp():
            return Outcome.UNREACHABLE
        case _:
            return Outcome.DELIVERY_FAILED
