"""A message as the sandbox keeps it: the truth, whatever a platform chooses to show of it."""

from dataclasses import dataclass, field
from datetime import UTC, datetime
from enum import StrEnum
from typing import Any, Literal

Side = Literal["customer", "employee", "api", "bot", "note", "activity", "template"]
#: who wrote it: the customer, a person at the shop, or a call to the send endpoint. On Chatwoot
#: also another bot, a person for their colleagues, the server itself, and its automatic greetings
CHATWOOT_SIDES = frozenset({"bot", "note", "activity", "template"})

Activity = tuple[int, int]
#: (microseconds since 1970, order of arrival): unique, and what lists and cursors sort by


class Kind(StrEnum):
    TEXT = "text"
    IMAGE = "image"
    STICKER = "sticker"
    VIDEO = "video"
    AUDIO = "audio"
    FILE = "file"
    SHARE = "share"
    STORY_REPLY = "story_reply"
    STORY_MENTION = "story_mention"
    UNSUPPORTED = "unsupported"


def microseconds(at: datetime) -> int:
    return round(at.timestamp() * 1_000_000)


def graph_time(at: datetime) -> str:
    """Write a moment the way Graph does: whole seconds, no colon in the offset."""
    return f"{at.astimezone(UTC):%Y-%m-%dT%H:%M:%S}+0000"


@dataclass(slots=True, kw_only=True, eq=False)
class StoredMessage:
    id: str
    side: Side
    text: str
    created_at: datetime
    sequence_no: int  #: order of arrival over all accounts; two messages may share an instant
    account_id: str
    customer_id: str
    kind: Kind = Kind.TEXT
    reply_to: str | None = None
    shown_from: datetime | None = None  #: not listed before this; None: at once
    reactions: dict[str, str] = field(default_factory=dict)  #: by the id of who reacted
    is_unsent: bool = False
    sender_id: int | None = None  #: on Chatwoot: of the user or bot; None: the usual one
    failure: str | None = None  #: on Chatwoot: why the channel did not deliver it after all
    created_time: str = field(init=False)
    activity: Activity = field(init=False)

    def __post_init__(self) -> None:
        self.created_at = self.created_at.astimezone(UTC)
        self.created_time = graph_time(self.created_at)
        self.activity = (microseconds(self.created_at), self.sequence_no)

    def is_shown(self, now: datetime) -> bool:
        return self.shown_from is None or self.shown_from <= now

    def as_json(self) -> dict[str, Any]:
        return {
            "id": self.id,
            "side": self.side,
            "kind": str(self.kind),
            "text": self.text,
            "created_at": self.created_at.isoformat(),
            "account_id": self.account_id,
            "customer_id": self.customer_id,
            "reply_to": self.reply_to,
            "is_unsent": self.is_unsent,
            "shown_from": self.shown_from.isoformat() if self.shown_from else None,
            "reactions": dict(self.reactions),
        }


def by_activity(message: StoredMessage) -> Activity:
    return message.activity
