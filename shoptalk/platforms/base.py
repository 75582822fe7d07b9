"""What every platform must be able to do for us.

An adapter translates one vendor's API into the words of the design and does nothing else:
no database, no sleeping, no retrying. Each method makes at most one HTTP request (`identify`
and `hand_over` may make a few), so that whoever calls it can count and pace. A call that cannot
be completed raises one of `shoptalk.errors`; the job decides what happens next.

A *slice* is the newest part of one thread as one answer shows it. A *cursor* is the vendor's
pointer to the next page, worthless after this poll and never a URL.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Protocol, runtime_checkable

import requests

from shoptalk.types import (
    Attachment,
    ChatLine,
    ChatThread,
    Clock,
    Customer,
    DeliveryReport,
    InboundMessage,
    ThreadOwner,
    Unreadable,
)


class TextUnit(StrEnum):
    CHARACTERS = "characters"  #: Unicode code points
    UTF8_BYTES = "utf8_bytes"
    UTF16_UNITS = "utf16_units"
    SMS_SEGMENTS = "sms_segments"  #: what an SMS is cut into and billed by (see sms_segments.py)


class TextFormat(StrEnum):
    """What the customers' apps make of marks in a text."""

    PLAIN = "plain"  #: nothing: they are shown
    WHATSAPP = "whatsapp"  #: *bold* and _italic_
    MARKDOWN = "markdown"


@dataclass(frozen=True, slots=True, kw_only=True)
class Keywords:
    """Words that mean something to the platform when a message is nothing else. In lower case."""

    stop: frozenset[str]  #: the customer wants no more messages
    start: frozenset[str]  #: and takes that back
    answered: frozenset[str] = frozenset()  #: the platform answers these itself


@dataclass(frozen=True, slots=True, kw_only=True)
class Capabilities:
    """What a platform can do, as data. The rest of the code asks this, never the name."""

    polled: bool  #: messages can be fetched; False: they come in by file or another way
    history: bool  #: messages from before the connection can be fetched
    typing: bool
    max_text: int  #: longest text of one message, in `text_unit`
    text_unit: TextUnit = TextUnit.CHARACTERS
    text_format: TextFormat = TextFormat.PLAIN
    #: How much of `text_unit` an answer should keep to, where more costs the shop; None: no matter
    length_budget: int | None = None
    reply_window: timedelta | None = None  #: after the customer's last message; None: no limit
    #: By how a thread's id begins, where threads differ; goes before `reply_window`
    reply_windows: Mapping[str, timedelta] = field(default_factory=dict)
    keywords: Keywords | None = None
    readable_messages: int | None = None  #: newest a thread shows in detail; None: all of them
    calls_per_second: float | None = None  #: reads allowed per account
    most_listed: int = 100  #: threads that one answer can list without trouble
    lists_messages: bool = False  #: the list is of bare messages, not of threads
    needs_token: bool = True  #: connecting takes an access token
    #: The names of what `account.config` may hold beside the token; None: anything
    settings: frozenset[str] | None = None

    def reply_window_of(self, thread_id: str) -> timedelta | None:
        for beginning, window in self.reply_windows.items():
            if thread_id.startswith(beginning):
                return window
        return self.reply_window


@dataclass(frozen=True, slots=True, kw_only=True)
class Usage:
    """The allowance as the platform reports it. Absent means unknown, not zero."""

    percent: int  #: the highest of the platform's meters; it throttles at 100
    regain_after: timedelta | None = None  #: set while blocked


@dataclass(frozen=True, slots=True, kw_only=True)
class Identity:
    """Who the credentials belong to, and what the platform's clock says."""

    external_id: str  #: the account's own id, as its owner knows it
    display_name: str
    platform_time: datetime | None  #: from the answer; None where the platform does not tell
    #: Learnt while asking (a linked page, our own ids); kept with the credentials
    config: Mapping[str, str | Sequence[str]] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class CredentialHealth:
    """What the platform tells about credentials that work. Empty: it tells nothing."""

    expires_at: datetime | None = None  #: None: never, or the platform does not tell
    #: When the account's owner has to allow the app in anew, though the token goes on working
    data_access_expires_at: datetime | None = None
    missing_permissions: Sequence[str] = ()  #: what we need and the token was not given


@dataclass(frozen=True, slots=True, kw_only=True)
class ThreadSlice:
    """One thread on a page, with what the page shows of its messages."""

    thread_id: str
    customer: Customer
    #: When the thread last changed, platform time; None where the platform lists bare messages,
    #: in which case `messages` is everything the page has and there is nothing to compare
    updated_at: datetime | None
    messages: Sequence[InboundMessage] = ()  #: newest first
    #: Cursor for `fetch_thread` to read on where `messages` ends; None: the thread has no more.
    #: "" is the cursor of a newest page, for platforms whose list shows no messages
    older: str | None = None
    unreadable: Sequence[Unreadable] = ()
    thread_owner: ThreadOwner | None = None  #: whose it is; None: the platform does not tell


@dataclass(frozen=True, slots=True, kw_only=True)
class ThreadState:
    """How a thread stands at this moment. Where the platform does not tell: nothing is known."""

    thread_owner: ThreadOwner | None = None
    can_reply: bool = True  #: False: the thread's reply window is over
    newest: str | None = None  #: message_id of the newest message, whoever wrote it
    #: `message_id` of the newest message, where our side wrote it: by a person, perhaps
    said_by_us: str | None = None
    max_text: int | None = None  #: where a thread takes less than the platform's `max_text`
    text_unit: TextUnit = TextUnit.CHARACTERS


@dataclass(frozen=True, slots=True, kw_only=True)
class Page:
    """One answer to "what has changed lately", newest first as far as the platform keeps to it."""

    threads: Sequence[ThreadSlice]
    next_cursor: str | None  #: None on the last page; a page may be empty and still have one
    unreadable: Sequence[Unreadable] = ()  #: records that could not even be placed in a thread
    #: Of a first page: platform time before which nothing is still to come, where the platform
    #: tells; None: as of the newest row
    settled_until: datetime | None = None
    #: Rows that the platform counts and did not show; asked again, it may show them
    left_out: int = 0
    #: The walk goes on with a list that begins at the present, however old this page's rows are
    another_list_follows: bool = False
    usage: Usage | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class ThreadPage:
    """One answer to "what does this thread say", newest first."""

    messages: Sequence[InboundMessage]
    older: str | None  #: None: the beginning of the thread, or of what may be read of it
    unreadable: Sequence[Unreadable] = ()
    hidden: int = 0  #: older messages the platform admits to but will not show (a gap)
    usage: Usage | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Recipient:
    thread_id: str
    customer_id: str
    last_message_id: str | None = None  #: the customer's newest, which some show typing for
    #: The delivery's own name, the same at each try; who can tell by it sends nothing twice
    reference: str | None = None


class ChatDesk(Protocol):
    """Our own web chat as its adapter sees it: the sessions of one site.

    Each call is complete when it returns. All raise RetryLater where nothing was changed, and
    `add` raises DeliveryUncertain where that cannot be told.
    """

    def threads(
        self,
        *,
        since: datetime | None,
        before: tuple[datetime, int] | None,
        limit: int,
        lines: int,
    ) -> Sequence[ChatThread]:
        """Sessions by latest change, with up to `lines` of their newest lines each.

        Args:
            before: `changed_at` and `number` of the session after which to go on.
        """
        ...

    def lines(
        self, session_id: str, *, before: int | None, limit: int
    ) -> Sequence[ChatLine] | None:
        """A session's lines, newest first, those before the line `before`; None: no session."""
        ...

    def add(
        self, session_id: str, text: str, *, reference: str | None, at: datetime
    ) -> ChatLine | None:
        """Add the agent's line, or find the one that has this reference; None: no session."""
        ...

    def show_typing(self, session_id: str, *, until: datetime) -> None: ...


@dataclass(frozen=True, slots=True, kw_only=True)
class AdapterContext:
    """What an adapter is handed beside its account."""

    session: requests.Session
    #: Base URLs by setting name, e.g. "facebook_api_base_url"; switches as "true" or "false"
    settings: Mapping[str, str]
    clock: Clock
    chat: ChatDesk | None = None  #: this account's, where our own tables are the platform


@runtime_checkable
class Platform(Protocol):
    """One connected account. Constructed as `adapter(account, surroundings)`."""

    name: str  #: the word used in settings, tables and logs, e.g. "facebook"
    capabilities: Capabilities

    def identify(self) -> Identity:
        """Ask the platform who we are; the cheap credential check."""
        ...

    def fetch_page(self, *, cursor: str | None, limit: int, since: datetime | None) -> Page:
        """List up to `limit` threads, latest change first.

        Args:
            cursor: from the previous page of the same walk; None for the first.
            limit: wished for; the platform may give fewer.
            since: for platforms that can filter; others ignore it. The caller filters anyway.
                Threads that have not changed since may come without messages.

        Raises:
            UsageError: where `capabilities.polled` is False.
        """
        ...

    def fetch_thread(self, thread_id: str, *, cursor: str, limit: int) -> ThreadPage:
        """Read a thread from `cursor` backwards in time; "" begins at its newest message."""
        ...

    def send(self, recipient: Recipient, text: str) -> str:
        """Send `text` and return the message_id under which polling will show it.

        Raises:
            RetryLater: refused before anything was sent.
            GiveUp: this customer can never be reached so (WindowClosed, ThreadTaken: why).
            DeliveryUncertain: it left us and no clear answer came back.
        """
        ...

    def show_typing(self, recipient: Recipient) -> None:
        """Show that an answer is being written. A courtesy: callers ignore its failure."""
        ...


@runtime_checkable
class TellsCredentialHealth(Protocol):
    """The optional part of `Platform`: an adapter may leave it out, and then has no news."""

    def check_credentials(self) -> CredentialHealth:
        """Ask how long the credentials last and what they lack. Guess nothing.

        Raises:
            ChannelStopped: the credentials are dead, as `identify` would say.
        """
        ...


@runtime_checkable
class ShowsPast(Protocol):
    """The optional part of `Platform` for lists that show as much of each thread as is asked for.

    A walk into history then costs hardly a call of a thread's own.
    """

    def fetch_past(self, *, cursor: str | None, limit: int, messages: int) -> Page:
        """As `fetch_page`, with up to `messages` of each thread; the platform may give fewer."""
        ...


@runtime_checkable
class TellsDelivery(Protocol):
    """Optional: what became of a message can be asked after the platform has taken it.

    What the list shows of it comes with the messages, as `InboundMessage.delivery`.
    """

    def fetch_delivery(self, message_id: str) -> DeliveryReport | None:
        """Ask about one message of ours; None: still on its way."""
        ...


@runtime_checkable
class FetchesAttachments(Protocol):
    """Optional: the list says how many attachments a message has, and no more."""

    def fetch_attachments(self, message_id: str) -> Sequence[Attachment]: ...


def in_their_places(
    newest_first: Iterable[InboundMessage | Unreadable],
) -> tuple[list[InboundMessage], list[Unreadable]]:
    """A thread's page told apart: its messages, and with its place what could not be read."""
    messages: list[InboundMessage] = []
    unreadable: list[Unreadable] = []
    for each in newest_first:
        if isinstance(each, InboundMessage):
            messages.append(each)
        else:
            unreadable.append(replace(each, place=len(messages)))
    return messages, unreadable


def credential_health(platform: Platform) -> CredentialHealth:
    """What the adapter can tell about its credentials; empty where it cannot.

    Raises:
        PlatformError: it could not be told now. ChannelStopped: the credentials are dead.
    """
    if isinstance(platform, TellsCredentialHealth):
        return platform.check_credentials()
    return CredentialHealth()


@runtime_checkable
class TellsThreadState(Protocol):
    """Optional: the platform knows whose a thread is, and its lists tell it late."""

    def thread_state(self, recipient: Recipient) -> ThreadState:
        """Ask how the thread stands now; asked just before each answer."""
        ...


def thread_state(platform: Platform, recipient: Recipient) -> ThreadState:
    """How the thread stands, as far as the adapter can tell.

    Raises:
        PlatformError: it could not be told now.
    """
    if isinstance(platform, TellsThreadState):
        return platform.thread_state(recipient)
    return ThreadState()


@runtime_checkable
class HidesTyping(Protocol):
    """Optional: what `show_typing` shows stays until it is hidden."""

    def hide_typing(self, recipient: Recipient) -> None:
        """Show that nothing is being written any more. A courtesy, as showing it is."""
        ...


@runtime_checkable
class HandsOver(Protocol):
    """Optional: people at the shop work on the platform, and can be told that it is their turn."""

    def hand_over(self, recipient: Recipient, reason: str) -> None:
        """Put the thread before the shop's people, with the reason; never before the customer.

        Doing it again where it was done changes nothing.

        Raises:
            PlatformError: some of it was not done.
        """
        ...
