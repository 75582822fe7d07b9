"""Conversations and messages as Chatwoot shows them, put into the words of the design.

What cannot be understood becomes an `Unreadable` with the reason, never an exception: the rest
of the page still counts. A reason holds no customer words.

Source: https://developers.chatwoot.com/api-reference/messages/get-messages
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from shoptalk.platforms.base import TextUnit, ThreadSlice, ThreadState
from shoptalk.types import (
    OUR_SIDE,
    Attachment,
    ContentType,
    Customer,
    DeliveryReport,
    InboundMessage,
    SenderType,
    ThreadOwner,
    Unreadable,
)

MESSAGE_TYPES = {0: "incoming", 1: "outgoing", 2: "activity", 3: "template"}
NEWEST = "newest_"  #: begins the cursor of a thread's newest page, which has this message
#: Statuses that only a person gives: the conversation was put away
PUT_AWAY = ("resolved", "snoozed")
#: What the channel behind an inbox takes as one message. Longer ones fail after they were taken
LONGEST = {
    "Channel::Whatsapp": (4096, TextUnit.CHARACTERS),
    "Channel::TwilioSms": (1600, TextUnit.CHARACTERS),
    "Channel::Sms": (1600, TextUnit.CHARACTERS),
    "Channel::FacebookPage": (2000, TextUnit.CHARACTERS),
    "Channel::Instagram": (1000, TextUnit.UTF8_BYTES),
    "Channel::Telegram": (4096, TextUnit.CHARACTERS),
    "Channel::Line": (5000, TextUnit.CHARACTERS),
    "Channel::Tiktok": (6000, TextUnit.CHARACTERS),
}
FILE_TYPES = {
    "image": ContentType.IMAGE,
    "audio": ContentType.AUDIO,
    "video": ContentType.VIDEO,
    "file": ContentType.FILE,
    "location": ContentType.LOCATION,
    "contact": ContentType.CONTACT,
    "story_mention": ContentType.STORY_MENTION,
    **dict.fromkeys(
        ("fallback", "share", "embed", "ig_reel", "ig_post", "ig_story"), ContentType.SHARE
    ),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class ChatwootParser:
    """Reads what one account shows.

    `server` sets its message ids apart from those of other servers; `user_id` is the token's
    user, to whom a conversation may be given without a person having it.
    """

    server: str
    account_id: str
    user_id: str | None = None

    def message_id(self, thread_id: str, number: int) -> str:
        """Numbers count through a server; the thread is there to find the message again."""
        return f"chatwoot_{self.server}_{thread_id.removeprefix('chatwoot_')}_{number}"

    def found_in(self, message_id: str) -> tuple[str, int]:
        """The thread of a message, and its number; what is none of ours is in no thread."""
        rest = message_id.removeprefix(f"chatwoot_{self.server}_")
        place, _, number = rest.rpartition("_")
        return f"chatwoot_{place}", number_in(number) or 0

    def thread_id(self, display_id: int) -> str:
        """Conversation numbers count through one account."""
        return f"chatwoot_{self.account_id}_{display_id}"

    def thread(self, row: object) -> ThreadSlice | Unreadable:
        """Read one row of the list. The one message it may hold is left to the thread."""
        if not isinstance(row, Mapping):
            return Unreadable(reason="the conversation is not an object")
        display_id = number_in(row.get("id"))
        if display_id is None:
            return Unreadable(reason="the conversation has no id")
        thread_id = self.thread_id(display_id)
        updated_at = moment_of(row.get("last_activity_at")) or moment_of(row.get("timestamp"))
        if updated_at is None:
            return Unreadable(
                reason="the conversation has no usable last_activity_at", thread_id=thread_id
            )
        sender = _object(_object(row.get("meta")).get("sender"))
        contact_id = number_in(sender.get("id"))
        if contact_id is None:
            return Unreadable(reason="the conversation has no contact", thread_id=thread_id)
        return ThreadSlice(
            thread_id=thread_id,
            customer=Customer(
                customer_id=str(contact_id),
                name=text_of(sender.get("name")),
                phone=_phone(sender.get("phone_number")),
            ),
            updated_at=updated_at,
            older=_newest_page(row.get("messages")),
            thread_owner=self.thread_owner(row),
        )

    def state(self, row: Mapping[str, Any], *, thread_id: str) -> ThreadState:
        """How the conversation stands; what is not told is taken to be in order."""
        channel = _object(row.get("meta")).get("channel")
        limit, unit = LONGEST.get(str(channel), (None, TextUnit.CHARACTERS))
        newest = self.message(row.get("last_non_activity_message"), thread_id=thread_id)
        is_ours = isinstance(newest, InboundMessage) and newest.sender_type in OUR_SIDE
        return ThreadState(
            thread_owner=self.thread_owner(row),
            can_reply=row.get("can_reply") is not False,
            newest=newest.message_id if isinstance(newest, InboundMessage) else None,
            said_by_us=newest.message_id if is_ours else None,
            max_text=limit,
            text_unit=unit,
        )

    def thread_owner(self, row: Mapping[str, Any]) -> ThreadOwner | None:
        """Whose the conversation is: assigned to a person, put away, a bot's, or nobody's."""
        status, meta = row.get("status"), _object(row.get("meta"))
        if self._is_person(meta) or status in PUT_AWAY:
            return ThreadOwner.PERSON
        return {"pending": ThreadOwner.AI, "open": ThreadOwner.ANYONE}.get(str(status))

    def _is_person(self, meta: Mapping[str, Any]) -> bool:
        assignee = _object(meta.get("assignee"))
        kind = meta.get("assignee_type") or assignee.get("type") or "user"
        number = number_in(assignee.get("id"))
        return number is not None and str(kind).lower() == "user" and str(number) != self.user_id

    def message(self, row: object, *, thread_id: str) -> InboundMessage | Unreadable:
        if not isinstance(row, Mapping):
            return Unreadable(reason="the message is not an object", thread_id=thread_id)
        number = number_in(row.get("id"))
        if number is None:
            return Unreadable(reason="the message has no id", thread_id=thread_id)
        message_id = self.message_id(thread_id, number)
        created_at = moment_of(row.get("created_at"))
        sender_type = _sender_type(row)
        content = row.get("content")
        text = "" if content is None else content
        for is_missing, what in (
            (created_at is None, "usable created_at"),
            (sender_type is None, "message_type that is known"),
            (not isinstance(text, str), "readable content"),
        ):
            if is_missing:
                reason = f"the message has no {what}"
                return Unreadable(reason=reason, thread_id=thread_id, message_id=message_id)
        assert created_at is not None
        assert sender_type is not None
        about = _object(row.get("content_attributes"))
        if about.get("deleted") is True:  # its text is Chatwoot's own notice now
            return InboundMessage(
                message_id=message_id,
                sender_type=sender_type,
                created_at=created_at,
                content_type=ContentType.DELETED,
            )
        attachments = _attachments(row)
        reply_to = number_in(about.get("in_reply_to"))
        return InboundMessage(
            message_id=message_id,
            sender_type=sender_type,
            created_at=created_at,
            text=text,
            content_type=_content_type(row, text, attachments),
            attachments=attachments,
            reply_to=None if reply_to is None else self.message_id(thread_id, reply_to),
            delivery=_delivery(row) if sender_type in OUR_SIDE else None,
        )


def _newest_page(shown: object) -> str:
    """The cursor of a thread's newest page, with the message that the list shows of it."""
    rows = shown if isinstance(shown, list) else []
    numbers = [number_in(row.get("id")) for row in rows if isinstance(row, Mapping)]
    known = max((number for number in numbers if number is not None), default=None)
    return "" if known is None else f"{NEWEST}{known}"


def _sender_type(row: Mapping[str, Any]) -> SenderType | None:
    """Who is speaking. A person has answered only where nothing says that it was a machine.

    The token's own user may be a person too: the database knows by their ids which messages
    are ours.
    """
    kind = row.get("message_type")
    kind = MESSAGE_TYPES.get(kind) if isinstance(kind, int) else kind
    if kind == "activity":
        return SenderType.ACTIVITY
    if row.get("private") is True:
        return SenderType.NOTE
    if kind == "incoming":
        return SenderType.CUSTOMER
    if kind == "template":  # greetings, out-of-office, surveys
        return SenderType.AGENT
    if kind != "outgoing":
        return None
    # Without a sender it was written in the channel's own app
    sender = _object(row.get("sender")).get("type") or "user"
    is_rule = _object(row.get("content_attributes")).get("automation_rule_id") is not None
    is_person = str(sender).lower() == "user" and not is_rule
    return SenderType.EMPLOYEE if is_person else SenderType.AGENT


def _delivery(row: Mapping[str, Any]) -> DeliveryReport | None:
    """What the channel behind the inbox made of a message of ours; "sent" says nothing yet."""
    if row.get("status") in ("delivered", "read"):
        return DeliveryReport(arrived=True)
    if row.get("status") != "failed":
        return None
    said = text_of(_object(row.get("content_attributes")).get("external_error")) or ""
    code = said.partition(":")[0].strip()  # the rest may quote the customer's number
    reason = "the channel behind the inbox did not deliver it"
    return DeliveryReport(arrived=False, reason=f"{reason} ({code})" if code.isdigit() else reason)


def _content_type(
    row: Mapping[str, Any], text: str, attachments: tuple[Attachment, ...]
) -> ContentType:
    kinds = [attachment.kind for attachment in attachments]
    if ContentType.STORY_MENTION in kinds:
        return ContentType.STORY_MENTION
    if text.strip():
        return ContentType.TEXT
    if row.get("content_type") == "sticker":
        return ContentType.STICKER
    return kinds[0] if kinds else ContentType.UNSUPPORTED


def _attachments(row: Mapping[str, Any]) -> tuple[Attachment, ...]:
    """The key is missing where there are none; one that is no list counts as one broken."""
    found = row.get("attachments")
    if found is None:
        return ()
    return tuple(_attachment(each) for each in (found if isinstance(found, list) else [None]))


def _attachment(node: object) -> Attachment:
    if not isinstance(node, Mapping):
        return Attachment(kind=ContentType.UNSUPPORTED)
    number, size = number_in(node.get("id")), number_in(node.get("file_size"))
    title = text_of(node.get("fallback_title")) or text_of(node.get("transcribed_text"))
    latitude, longitude = node.get("coordinates_lat"), node.get("coordinates_long")
    if title is None and isinstance(latitude, int | float) and isinstance(longitude, int | float):
        title = f"{latitude}, {longitude}"
    return Attachment(
        kind=FILE_TYPES.get(str(node.get("file_type")), ContentType.UNSUPPORTED),
        url=text_of(node.get("data_url")),
        size=size,
        title=title,
        platform_id=None if number is None else str(number),
    )


def number_in(value: object) -> int | None:
    """A whole number that is not negative, also one written as text."""
    if isinstance(value, str) and value.isascii() and value.isdigit() and len(value) < 19:
        return int(value)
    is_number = isinstance(value, int) and not isinstance(value, bool)
    return value if is_number and 0 <= value < 10**18 else None  # type: ignore[operator,return-value]


def text_of(value: object) -> str | None:
    return value if isinstance(value, str) and value else None


def moment_of(value: object) -> datetime | None:
    """Whole seconds since 1970, where 0 means never; or ISO with an offset."""
    try:
        if isinstance(value, str):
            moment = datetime.fromisoformat(value)
            return moment.astimezone(UTC) if moment.tzinfo else None
        if isinstance(value, int | float) and not isinstance(value, bool) and value > 0:
            return datetime.fromtimestamp(value, UTC)
    except (ValueError, OverflowError, OSError):
        return None
    return None


def _phone(value: object) -> str | None:
    is_phone = isinstance(value, str) and value.startswith("+") and value[1:].isdigit()
    return str(value) if is_phone else None


def _object(value: object) -> Mapping[str, Any]:
    return value if isinstance(value, Mapping) else {}
