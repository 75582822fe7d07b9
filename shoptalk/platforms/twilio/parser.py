"""Twilio's records as messages of ours.

API: https://www.twilio.com/docs/messaging/api/message-resource
"""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Any

from shoptalk.platforms.twilio.errors import code_of, failure_of
from shoptalk.types import (
    Attachment,
    ContentType,
    Customer,
    DeliveryReport,
    InboundMessage,
    SenderType,
    Unreadable,
)

WHATSAPP = "whatsapp:"
#: A phone number, or the short code that some companies write from
SENDER = re.compile(r"\+[1-9]\d{6,14}|\d{3,8}")
#: Twilio puts this before what a trial account sends
TRIAL_PREFIX = "Sent from your Twilio trial account - "

NOT_YET = frozenset({"receiving", "scheduled"})  #: will come, or go out, later
NEVER = frozenset({"canceled"})  #: was planned, and taken back
ARRIVED = frozenset({"delivered", "read", "partially_delivered"})
FAILED = frozenset({"failed", "undelivered", "canceled"})

_KINDS = {
    "image": ContentType.IMAGE,
    "video": ContentType.VIDEO,
    "audio": ContentType.AUDIO,
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """A message, the thread it is in, and where the list has it."""

    thread_id: str
    customer: Customer
    message: InboundMessage
    listed_at: datetime | None  #: what the list is sorted by; None, and on top, until it is sent

    def is_before(self, moment: datetime | None) -> bool:
        return moment is not None and self.listed_at is not None and self.listed_at < moment


def entry_of(record: object) -> Entry | Unreadable | None:
    """A record of the list; None where it is no message (yet)."""
    if not isinstance(record, Mapping):
        return Unreadable(reason="the record is no object")
    sid = _text(record.get("sid"))
    if sid is None:
        return Unreadable(reason="the message has no sid")
    direction, status = _text(record.get("direction")), _text(record.get("status")) or ""
    if direction is None or not direction.startswith(("inbound", "outbound")):
        return Unreadable(reason="the message has no direction", message_id=sid)
    if status in NOT_YET | NEVER:
        return None
    is_theirs = direction == "inbound"
    address = _text(record.get("from" if is_theirs else "to"))
    if address is None:
        return Unreadable(reason="the message does not say who the customer is", message_id=sid)
    thread_id, customer = thread_of(address)
    sent_at = moment_of(record.get("date_sent"))
    written_at = sent_at or moment_of(record.get("date_created"))
    if written_at is None:
        return Unreadable(reason="the message has no time", thread_id=thread_id, message_id=sid)
    media = code_of(record.get("num_media")) or 0
    body = record.get("body")
    text = body if isinstance(body, str) else ""
    return Entry(
        thread_id=thread_id,
        customer=customer,
        message=InboundMessage(
            message_id=sid,
            # What a webhook of the number answered (outbound-reply) counts as the shop's too
            sender_type=SenderType.CUSTOMER if is_theirs else SenderType.EMPLOYEE,
            created_at=written_at,
            text=text if is_theirs else text.removeprefix(TRIAL_PREFIX),
            content_type=_content_type(text, media),
            attachments_apart=media,
            delivery=None if is_theirs else report_of(record),
        ),
        listed_at=sent_at,
    )


def _content_type(text: str, media: int) -> ContentType:
    """Of a message of the list, which counts media and says no more of them.

    One with neither text nor media is a location, a contact or the like: Twilio tells what it
    holds to webhooks only (Latitude, Longitude, Address, Label), and the list has no field for it.
    """
    if media:
        return ContentType.FILE
    return ContentType.TEXT if text.strip() else ContentType.UNSUPPORTED


def coming_since(record: object) -> datetime | None:
    """When a message that is still coming in was begun; None where the record is another one."""
    if not isinstance(record, Mapping) or record.get("status") != "receiving":
        return None
    return moment_of(record.get("date_created"))


def thread_of(address: str) -> tuple[str, Customer]:
    """The thread and the person of an address: "+4915112345678" or "whatsapp:+4915112345678"."""
    number = address.removeprefix(WHATSAPP)
    kind = "whatsapp" if address.startswith(WHATSAPP) else "sms"
    phone = number if number.startswith("+") else None
    return f"{kind}_{number}", Customer(customer_id=number, phone=phone)


def report_of(record: Mapping[str, Any]) -> DeliveryReport | None:
    """What became of a message of ours; None while it is on its way."""
    status = _text(record.get("status")) or ""
    if status in ARRIVED:
        return DeliveryReport(arrived=True)
    if status in FAILED:
        return failure_of(record.get("error_code"))
    return None


def attachment_of(record: object, *, url_of: Callable[[str], str]) -> Attachment:
    """One medium. Its URL wants the account's credentials, and redirects to one that does not."""
    sid = _text(record.get("sid")) if isinstance(record, Mapping) else None
    if not isinstance(record, Mapping) or sid is None:
        return Attachment(kind=ContentType.UNSUPPORTED)
    mime_type = _text(record.get("content_type"))
    kind = _KINDS.get((mime_type or "").partition("/")[0], ContentType.FILE)
    return Attachment(kind=kind, url=url_of(sid), mime_type=mime_type, platform_id=sid)


def moment_of(value: object) -> datetime | None:
    """RFC 2822, as Twilio writes times: "Fri, 20 Nov 2026 09:00:01 +0000"."""
    if not isinstance(value, str):
        return None
    try:
        moment = parsedate_to_datetime(value)
        return moment.replace(tzinfo=moment.tzinfo or UTC).astimezone(UTC)
    except (ValueError, OverflowError):
        return None


def _text(value: object) -> str | None:
    return value if isinstance(value, str) and value else None
