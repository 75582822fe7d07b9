"""One customer's thread, and the order in which an account lists its threads."""

from bisect import bisect_left, insort
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from shoptalk.sandbox.chatwoot.desk import Ticket
from shoptalk.sandbox.messages import Activity, StoredMessage, by_activity, graph_time


@dataclass(slots=True, kw_only=True, eq=False)
class Thread:
    id: str
    account_id: str
    customer_id: str
    customer_name: str | None  #: None: the platform knows no name either
    messages: list[StoredMessage] = field(default_factory=list)  #: oldest first, unsent ones gone
    folder: str = "inbox"
    is_request: bool = False  #: in Instagram's Requests folder
    is_blocked: bool = False  #: the customer blocked the account, or has no WhatsApp
    is_taken: bool = False  #: another app holds the thread
    has_app_role: bool = False  #: seen under Standard Access
    customer_wrote_at: datetime | None = None  #: opens the reply window
    updated_at: datetime | None = None  #: of the newest message ever shown
    updated_time: str = ""
    activity: Activity = (0, 0)
    unshown: int = 0  #: messages that are still on their way
    ticket: Ticket | None = None  #: on Chatwoot only

    def shown(self, now: datetime) -> Sequence[StoredMessage]:
        """The messages a reader sees now, oldest first."""
        if not self.unshown:
            return self.messages
        return [message for message in self.messages if message.is_shown(now)]

    def insert(self, message: StoredMessage) -> None:
        insort(self.messages, message, key=by_activity)
        if message.side == "customer":
            wrote_at = self.customer_wrote_at
            self.customer_wrote_at = max(wrote_at or message.created_at, message.created_at)

    def remove(self, message: StoredMessage) -> None:
        position = bisect_left(self.messages, message.activity, key=by_activity)
        del self.messages[position]

    def touch(self, message: StoredMessage) -> None:
        """Take `message` into account for `updated_time`, which never goes back."""
        if message.activity > self.activity:
            self.activity = message.activity
            self.updated_at = message.created_at
            self.updated_time = graph_time(message.created_at)

    def idle_since(self, now: datetime) -> timedelta:
        return now - self.updated_at if self.updated_at else timedelta(0)

    def as_json(self) -> dict[str, Any]:
        return {
            "id": self.id,
            "account_id": self.account_id,
            "customer_id": self.customer_id,
            "customer_name": self.customer_name,
            "folder": self.folder,
            "is_request": self.is_request,
            "is_blocked": self.is_blocked,
            "is_taken": self.is_taken,
            "has_app_role": self.has_app_role,
            "updated_at": self.updated_at.isoformat() if self.updated_at else None,
            **({"ticket": self.ticket.as_json()} if self.ticket else {}),
            "messages": [message.as_json() for message in self.messages],
        }


def thread_activity(thread: Thread) -> Activity:
    return thread.activity


class ThreadIndex:
    """An account's threads, found by customer and kept in order of latest activity."""

    def __init__(self) -> None:
        self.by_customer: dict[str, Thread] = {}
        self.in_order: list[Thread] = []  #: least recently active first; none without messages

    def __len__(self) -> int:
        return len(self.by_customer)

    def touch(self, thread: Thread, message: StoredMessage) -> None:
        """Move `thread` to where `message` puts it; a binary search, never a sort."""
        if thread.activity != (0, 0):
            del self.in_order[bisect_left(self.in_order, thread.activity, key=thread_activity)]
        thread.touch(message)
        insort(self.in_order, thread, key=thread_activity)
