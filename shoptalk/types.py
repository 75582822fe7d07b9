"""The plain words of the design, shared by every room. No behaviour beyond their own meaning."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Any, NamedTuple

Clock = Callable[[], datetime]  #: aware UTC; only the CLI and the scheduler pass a real one


class Work(StrEnum):
    """What a process may do of all there is to do."""

    IMPORT = "import"
    REPLY = "reply"


class SenderType(StrEnum):
    CUSTOMER = "customer"
    EMPLOYEE = "employee"  #: a person at the shop
    AGENT = "agent"  #: the AI, or another machine that speaks for the shop
    NOTE = "note"  #: between people at the shop; the customer never sees it
    ACTIVITY = "activity"  #: noted by the platform itself, such as an assignment


#: Who can be heard by the customer on our side. Notes and activities are neither an answer nor
#: part of what was said, and no model reads them.
OUR_SIDE = (SenderType.EMPLOYEE, SenderType.AGENT)


class ContentType(StrEnum):
    """What a message is, when its text alone does not say."""

    TEXT = "text"
    IMAGE = "image"
    VIDEO = "video"
    AUDIO = "audio"
    FILE = "file"
    STICKER = "sticker"
    SHARE = "share"
    STORY_MENTION = "story_mention"
    STORY_REPLY = "story_reply"
    TEMPLATE = "template"
    LOCATION = "location"
    CONTACT = "contact"
    DELETED = "deleted"
    UNSUPPORTED = "unsupported"  #: the platform will not show it to us


class ThreadOwner(StrEnum):
    """Whose a thread is by the platform's own account, where it keeps one."""

    PERSON = "person"  #: given to a person, or put away by one
    AI = "ai"  #: left to machines until one of them gives it up
    ANYONE = "anyone"


class ConversationStatus(StrEnum):
    NEW = "new"
    OPEN = "open"
    CLOSED = "closed"
    PENDING = "pending"

    @property
    def arabic(self) -> str:
        return _ARABIC_STATUS[self]

    @classmethod
    def parse(cls, text: str) -> "ConversationStatus":
        """Accept the English word or its Arabic label; raise ValueError otherwise."""
        word = text.strip()
        for status, label in _ARABIC_STATUS.items():
            if word == label:
                return status
        return cls(word.lower())


_ARABIC_STATUS = {
    ConversationStatus.NEW: "جديد",
    ConversationStatus.OPEN: "مفتوح",
    ConversationStatus.CLOSED: "مغلق",
    ConversationStatus.PENDING: "معلق",
}


class ConversationState(StrEnum):
    IDLE = "idle"
    BUFFERING = "buffering"
    PROCESSING = "processing"


class Outcome(StrEnum):
    """The one recorded reason why a customer message was or was not answered."""

    ANSWERED = "answered"
    HISTORY = "history"  #: written before the cut-over
    AI_OFF = "ai_off"
    ANSWERED_BY_PERSON = "answered_by_person"
    TAKEN_OVER = "taken_over"  #: a person has answered lately, or holds the thread
    REPLY_LIMIT = "reply_limit"  #: the AI has said enough here for an hour
    LOOP = "loop"  #: both sides repeat themselves
    DISMISSED = "dismissed"  #: the owner decided so
    WINDOW_CLOSED = "window_closed"
    UNREACHABLE = "unreachable"  #: the platform will not deliver to this customer
    THREAD_TAKEN = "thread_taken"  #: another app holds the thread
    OPTED_OUT = "opted_out"  #: the customer wants no more messages
    KEYWORD = "keyword"  #: a word like HELP, which the platform answers itself
    DELIVERY_FAILED = "delivery_failed"
    DELIVERY_UNCERTAIN = "delivery_uncertain"
    MODEL_FAILED = "model_failed"
    PRICE_REFUSED = "price_refused"  #: the model insists on a price that is not the shop's
    NEEDS_PERSON = "needs_person"  #: the AI has handed the conversation over

    @property
    def sentence(self) -> str:
        return _OUTCOME_SENTENCES[self]

    @property
    def needs_person(self) -> bool:
        """Whether the customer waits for an answer that a person could still give."""
        return self in _NEED_A_PERSON


_OUTCOME_SENTENCES = {
    Outcome.ANSWERED: "It was answered.",
    Outcome.HISTORY: "It was written before the channel was connected: history is never answered.",
    Outcome.AI_OFF: "The AI was switched off for this conversation.",
    Outcome.ANSWERED_BY_PERSON: "A person at the shop answered it.",
    Outcome.TAKEN_OVER: "A person at the shop has taken the conversation over; the AI pauses.",
    Outcome.REPLY_LIMIT: "The AI had answered often enough in this conversation for an hour.",
    Outcome.LOOP: "Both sides were repeating themselves, as two machines do.",
    Outcome.DISMISSED: "It waited long, and the owner decided not to have it answered.",
    Outcome.WINDOW_CLOSED: "It was older than the platform's reply window.",
    Outcome.UNREACHABLE: "The platform does not deliver to this customer.",
    Outcome.THREAD_TAKEN: "Another app holds this thread on the platform.",
    Outcome.OPTED_OUT: "The customer has opted out: no message goes to them until they opt in.",
    Outcome.KEYWORD: "It was a word that the platform answers itself.",
    Outcome.DELIVERY_FAILED: "The answer could not be delivered.",
    Outcome.DELIVERY_UNCERTAIN: "Whether the answer arrived cannot be told; a person must look.",
    Outcome.MODEL_FAILED: "The model gave no usable answer.",
    Outcome.PRICE_REFUSED: "The model insisted on a price that is not the shop's.",
    Outcome.NEEDS_PERSON: "The AI has handed the conversation over to a person.",
}

_NEED_A_PERSON = frozenset(
    {
        Outcome.REPLY_LIMIT,
        Outcome.LOOP,
        Outcome.WINDOW_CLOSED,
        Outcome.UNREACHABLE,
        Outcome.DELIVERY_FAILED,
        Outcome.DELIVERY_UNCERTAIN,
        Outcome.MODEL_FAILED,
        Outcome.PRICE_REFUSED,
        Outcome.NEEDS_PERSON,
    }
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Attachment:
    """Something that came with a message. URLs are the platform's and mostly short-lived."""

    kind: ContentType
    url: str | None = None
    mime_type: str | None = None
    name: str | None = None
    size: int | None = None  #: bytes
    title: str | None = None
    platform_id: str | None = None

    def as_json(self) -> dict[str, Any]:
        pairs = {name: getattr(self, name) for name in self.__slots__}
        return {name: value for name, value in pairs.items() if value is not None}


@dataclass(frozen=True, slots=True, kw_only=True)
class DeliveryReport:
    """What the platform says became of a message it had taken from us. Final."""

    arrived: bool
    reason: str = ""  #: why it did not arrive, with the platform's own code
    outcome: Outcome = Outcome.DELIVERY_FAILED  #: what that means for the message it answered


class InboundMessage(NamedTuple):
    """One message as a platform shows it, from either side of the thread. Give fields by name.

    A tuple, because a first import makes hundreds of thousands: a frozen dataclass takes more than
    twice the processor time to make.
    """

    message_id: str  #: unique over all platforms; prefixed where the platform's own is not
    sender_type: SenderType  #: EMPLOYEE: our side; the database tells the AI's own
    created_at: datetime  #: platform time, aware UTC
    text: str = ""
    content_type: ContentType = ContentType.TEXT
    attachments: Sequence[Attachment] = ()
    reply_to: str | None = None  #: message_id this one answers, as the platform says
    attachments_apart: int = 0  #: attachments that must be asked for (see FetchesAttachments)
    delivery: DeliveryReport | None = None  #: of ours; None: not known (yet)


@dataclass(frozen=True, slots=True, kw_only=True)
class Customer:
    """The person on the other side of a thread, as far as the platform tells."""

    customer_id: str  #: the platform's id for the person, what `send` is addressed to
    name: str | None = None
    phone: str | None = None  #: E.164


@dataclass(frozen=True, slots=True, kw_only=True)
class Unreadable:
    """A record that could not be understood. The rest of its page still counts."""

    reason: str
    thread_id: str | None = None
    message_id: str | None = None
    place: int = 0  #: among a thread's messages: how many of those on its page are newer

    def as_json(self) -> dict[str, Any]:
        return {
            "reason": self.reason,
            "thread_id": self.thread_id,
            "message_id": self.message_id,
        }


@dataclass(frozen=True, slots=True, kw_only=True)
class Account:
    """A connected account, as an adapter needs it. `config` holds secrets and stays out of repr."""

    external_id: str
    config: Mapping[str, Any] = field(repr=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class ChatLine:
    """One message of a web chat session, as our own tables have it."""

    number: int  #: its place among all; grows within a session
    sender_type: SenderType
    text: str = field(repr=False)
    created_at: datetime  #: later than that of the line before it


@dataclass(frozen=True, slots=True, kw_only=True)
class ChatThread:
    """One web chat session with the newest of its lines."""

    number: int
    session_id: str
    visitor: Customer
    changed_at: datetime  #: when its newest line was written
    lines: Sequence[ChatLine]  #: newest first
    has_older: bool  #: there are lines before these
