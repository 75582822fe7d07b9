"""What Twilio's error codes mean for us: one table for refusals and for messages that failed.

The code decides, where there is one. Some come at once as an answer, some only later in the
status of a message that was taken; a few come either way.

Source: https://www.twilio.com/docs/api/errors
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from shoptalk.errors import (
    BadPayload,
    ChannelStopped,
    DeliveryUncertain,
    GiveUp,
    OptedOut,
    PlatformError,
    RetryLater,
    Throttled,
    WindowClosed,
)
from shoptalk.outcomes import outcome_of
from shoptalk.types import DeliveryReport, Outcome

QUEUE_FULL_WAIT = timedelta(minutes=15)  #: the queue holds hours; a minute changes nothing


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    meaning: str  #: plain words; becomes the error's text
    kind: type[PlatformError]
    remedy: str = ""  #: what the channel's owner has to do, for ChannelStopped
    retry_after: timedelta | None = None


_CONNECT_AGAIN = (
    "Take the account SID and the auth token (or an API key and its secret) from the Twilio "
    "console, and connect the channel again."
)
_CHECK_SENDER = (
    "Check in the Twilio console that this account has the number and that it may send, then "
    "connect the channel with it."
)


def _give_up(meaning: str) -> Row:
    return Row(meaning=meaning, kind=GiveUp)


def _refused(meaning: str) -> Row:
    return Row(meaning=meaning, kind=BadPayload)


def _busy(meaning: str, wait: timedelta | None = None) -> Row:
    return Row(meaning=meaning, kind=Throttled, retry_after=wait)


ROWS: Mapping[int, Row] = {
    20001: _refused("a parameter makes no sense to Twilio"),
    20003: Row(
        meaning="Twilio does not accept the credentials",
        kind=ChannelStopped,
        remedy=_CONNECT_AGAIN,
    ),
    20404: _give_up("there is no such thing at Twilio"),
    20429: _busy("too many requests of this account are under way"),
    21211: _give_up("the number is not valid"),
    21408: _give_up(
        "sending to this country is not enabled; the Twilio console has it under Messaging, "
        "Geo permissions"
    ),
    21602: _refused("the message had no body"),
    21606: Row(meaning="the number cannot send SMS", kind=ChannelStopped, remedy=_CHECK_SENDER),
    21608: _give_up("a trial account reaches verified numbers only"),
    21610: Row(meaning="the customer has opted out", kind=OptedOut),
    21611: _busy("the number's queue is full", QUEUE_FULL_WAIT),
    21612: _give_up("Twilio knows no way to this number"),
    21614: _give_up("the number is no mobile number"),
    21617: _refused("the body was longer than 1600 characters"),
    30001: _busy("Twilio's queue overflowed", QUEUE_FULL_WAIT),
    30002: Row(
        meaning="the account is suspended",
        kind=ChannelStopped,
        remedy="Settle in the Twilio console why the account is suspended, "
        "then run `shoptalk channels test` for the channel.",
    ),
    30003: _give_up("the handset is switched off or out of reach"),
    30004: _refused("the message was blocked"),
    30005: _give_up("the number is unknown or no longer in use"),
    30006: _give_up("the number is a landline, or its carrier cannot be reached"),
    30007: _refused("the carrier filtered the message"),
    30008: _refused("the carrier gave no reason"),
    63007: Row(
        meaning="Twilio has no WhatsApp sender of this number",
        kind=ChannelStopped,
        remedy=_CHECK_SENDER,
    ),
    63014: Row(meaning="the customer has blocked the sender or opted out", kind=OptedOut),
    63015: _give_up("the customer has not joined the WhatsApp sandbox"),
    63016: Row(meaning="the 24 hours for a reply are over", kind=WindowClosed),
    63017: _busy("the account sends more than it may in a second"),
    63018: _busy("WhatsApp limits how fast this number may send"),
    63021: _refused("WhatsApp rejected the content"),
    63024: _give_up("the recipient is not valid"),
}


def error_of(
    status: int,
    body: Any,
    *,
    platform: str,
    is_send: bool,
    is_list: bool,
    retry_after: timedelta | None,
) -> PlatformError:
    """The error that an answer other than 2xx stands for.

    Args:
        body: the answer's JSON, whatever it is.
        is_send: repeating the call may say the same thing twice.
        is_list: the call was for the account's own list; what is missing there is the account.
    """
    code = code_of(body.get("code")) if isinstance(body, Mapping) else None
    if status == 429 or code == 20429:  # never processed, so safe to repeat
        return Throttled(
            _worded(ROWS[20429], 20429), platform=platform, code=20429, retry_after=retry_after
        )
    if status >= 500 or status == 408:
        text = f"HTTP {status}" if code is None else f"Twilio failed ({code})"
        return (DeliveryUncertain if is_send else RetryLater)(text, platform=platform, code=code)
    if status == 401 or (is_list and status == 404 and code is not None):
        return _stopped(ROWS[20003], code or 20003, platform=platform)
    if code is None:
        # Not Twilio's words: something on the way answered, and what became of a send is open
        kind = DeliveryUncertain if is_send else BadPayload
        return kind(f"HTTP {status} without an answer that makes sense", platform=platform)
    row = ROWS.get(code) or _refused("Twilio refused it")
    if row.kind is ChannelStopped:
        return _stopped(row, code, platform=platform)
    if issubclass(row.kind, RetryLater):
        wait = retry_after or row.retry_after
        return row.kind(_worded(row, code), platform=platform, code=code, retry_after=wait)
    return row.kind(_worded(row, code), platform=platform, code=code)


def failure_of(code: object) -> DeliveryReport:
    """What it means that a message which Twilio had taken did not arrive. Nothing is sent again:
    also what a wait might cure is left to a person, who may decide to.
    """
    number = code_of(code)
    if number is None:
        return DeliveryReport(arrived=False, reason="Twilio gave no reason")
    row = ROWS.get(number) or _refused("Twilio could not deliver it")
    outcome = (
        outcome_of(row.kind(platform="twilio"))
        if issubclass(row.kind, GiveUp)
        else Outcome.DELIVERY_FAILED
    )
    return DeliveryReport(arrived=False, reason=_worded(row, number), outcome=outcome)


def code_of(value: object) -> int | None:
    """A code as an int, also where it comes as text."""
    if isinstance(value, int) and not isinstance(value, bool):
        return value
    if isinstance(value, str) and value.isascii() and value.isdigit() and len(value) < 10:
        return int(value)
    return None


def _stopped(row: Row, code: int, *, platform: str) -> ChannelStopped:
    return ChannelStopped(_worded(row, code), platform=platform, code=code, remedy=row.remedy)


def _worded(row: Row, code: int) -> str:
    return f"{row.meaning} ({code})"
