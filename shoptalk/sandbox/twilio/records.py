"""Messages as Twilio writes them down: strings for numbers, RFC 2822 for times.

What became of a message is not kept but told by the clock: queued, sent, then at its end.
"""

from dataclasses import dataclass, field
from datetime import datetime, timedelta
from email.utils import format_datetime
from hashlib import sha256
from typing import Any, Literal

from shoptalk.sandbox.accounts import SandboxAccount
from shoptalk.sandbox.messages import Activity, Kind, StoredMessage, microseconds

VERSION = "2010-04-01"
WHATSAPP = "whatsapp:"
WITH_MEDIA = {
    Kind.IMAGE: "image/jpeg",
    Kind.STICKER: "image/webp",
    Kind.VIDEO: "video/mp4",
    Kind.AUDIO: "audio/ogg",
    Kind.FILE: "application/pdf",
}
UNSENT: int = 1 << 62  #: sorts above every time
Direction = Literal["inbound", "outbound-api", "outbound-reply"]


@dataclass(slots=True)
class Failures:
    """Messages that were taken and will not arrive, by id: the code, and the last status."""

    by_id: dict[str, tuple[int, str]] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Listed:
    """A message in the account's list, with where the list has it now."""

    message: StoredMessage
    account: SandboxAccount
    direction: Direction
    status: str
    sent_at: datetime | None
    error_code: int | None = None

    @property
    def place(self) -> Activity:
        at = microseconds(self.sent_at.replace(microsecond=0)) if self.sent_at else UNSENT
        return at, self.message.sequence_no

    @property
    def addresses(self) -> tuple[str, str]:
        """From and to."""
        ours = self.account.account_id
        prefix = WHATSAPP if ours.startswith(WHATSAPP) else ""
        theirs = f"{prefix}{self.message.customer_id}"
        return (theirs, ours) if self.direction == "inbound" else (ours, theirs)


def listed(
    message: StoredMessage, account: SandboxAccount, failures: Failures, now: datetime
) -> Listed:
    """Say how a message stands now."""
    written_at, settings = message.created_at, account.settings
    if message.side == "customer":
        arrives_at = written_at
        if message.kind in WITH_MEDIA:
            arrives_at += timedelta(seconds=settings.receiving_seconds)
        if now < arrives_at:
            return Listed(message, account, "inbound", "receiving", None)
        return Listed(message, account, "inbound", "received", arrives_at)
    if message.side == "employee":
        return Listed(message, account, "outbound-api", "delivered", written_at)
    sent_at = written_at + timedelta(seconds=settings.queue_seconds)
    ends_at = sent_at + timedelta(seconds=settings.delivery_seconds)
    if now < sent_at:
        return Listed(message, account, "outbound-api", "queued", None)
    if now < ends_at:
        return Listed(message, account, "outbound-api", "sent", sent_at)
    code, last = failures.by_id.get(message.id, (None, "delivered"))
    return Listed(message, account, "outbound-api", last, sent_at, code)


def demo_reply(message: StoredMessage, account: SandboxAccount) -> Listed:
    """What a number left with Twilio's demo address answers to each message."""
    reply = StoredMessage(
        id="SM" + sha256(f"reply/{message.id}".encode()).hexdigest()[:32],
        side="employee",
        text="Thanks for the message. Configure your number's SMS URL to change this message.",
        created_at=message.created_at + timedelta(seconds=1),
        sequence_no=message.sequence_no,
        account_id=message.account_id,
        customer_id=message.customer_id,
    )
    return Listed(reply, account, "outbound-reply", "delivered", reply.created_at)


def record(row: Listed) -> dict[str, Any]:
    """The message as Twilio answers it."""
    message, sid = row.message, row.account.account_sid
    sender, receiver = row.addresses
    uri = f"/{VERSION}/Accounts/{sid}/Messages/{message.id}"
    return {
        "sid": message.id,
        "account_sid": sid,
        "messaging_service_sid": None,
        "from": sender,
        "to": receiver,
        "body": message.text,
        "direction": row.direction,
        "status": row.status,
        "num_media": "1" if message.kind in WITH_MEDIA else "0",
        "num_segments": str(max(1, -(-len(message.text) // 153))),
        "date_created": _written(message.created_at),
        "date_sent": _written(row.sent_at) if row.sent_at else None,
        "date_updated": _written(row.sent_at or message.created_at),
        "error_code": row.error_code,
        "error_message": None,
        "price": None,
        "price_unit": None,
        "api_version": VERSION,
        "uri": f"{uri}.json",
        "subresource_uris": {"media": f"{uri}/Media.json"},
    }


def media_sid(message: StoredMessage) -> str:
    return "ME" + sha256(f"media/{message.id}".encode()).hexdigest()[:32]


def media_record(row: Listed) -> dict[str, Any]:
    message, account_sid, sid = row.message, row.account.account_sid, media_sid(row.message)
    at = _written(message.created_at)
    return {
        "sid": sid,
        "account_sid": account_sid,
        "parent_sid": message.id,
        "content_type": WITH_MEDIA[message.kind],
        "date_created": at,
        "date_updated": at,
        "uri": f"/{VERSION}/Accounts/{account_sid}/Messages/{message.id}/Media/{sid}.json",
    }


def _written(at: datetime) -> str:
    return format_datetime(at.replace(microsecond=0))
