"""What a Chatwoot account has beside threads and messages: inboxes, people, a ticket a thread."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from datetime import timedelta
from typing import Any

STATUSES = ("open", "resolved", "pending", "snoozed")
SALES, COLLEAGUE, GREETER = 1, 2, 3  #: the token's own user, a person, and somebody else's bot
PEOPLE = {SALES: "Sales", COLLEAGUE: "Bo"}
BOTS = {GREETER: "Greeter"}
WEBSITE, WHATSAPP = 1, 2
INBOXES = {WEBSITE: ("Website", "Channel::WebWidget"), WHATSAPP: ("WhatsApp", "Channel::Whatsapp")}
#: How long after the customer's last message the channel delivers; None: for ever
WINDOWS: Mapping[int, timedelta | None] = {WEBSITE: None, WHATSAPP: timedelta(hours=24)}


@dataclass(slots=True, kw_only=True)
class Ticket:
    """A thread as Chatwoot's conversation."""

    display_id: int
    inbox_id: int = WEBSITE
    status: str = "open"
    assignee_id: int | None = None
    assignee_type: str | None = None
    labels: list[str] = field(default_factory=list)
    typing: list[str] = field(default_factory=list)  #: "on" and "off", as they were asked for

    def change(self, wanted: Mapping[str, Any]) -> list[str]:
        """Set what a person at the dashboard can; return what the activity messages say.

        Raises:
            ValueError: a name or a value that makes no sense.
        """
        known = {"status", "assignee_id", "labels", "inbox_id"}
        if unknown := sorted(set(wanted) - known):
            raise ValueError(f"a conversation has no {unknown[0]!r} to change")
        new = {"status": self.status, "assignee_id": self.assignee_id, **wanted}
        new = {"labels": self.labels, "inbox_id": self.inbox_id, **new}
        if new["status"] not in STATUSES:
            raise ValueError(f"the status is one of {', '.join(STATUSES)}")
        if new["assignee_id"] not in {None, *PEOPLE, *BOTS}:
            raise ValueError(f"the assignee is null or one of {', '.join(map(str, PEOPLE))}")
        if new["inbox_id"] not in INBOXES:
            raise ValueError(f"the inbox is one of {', '.join(map(str, INBOXES))}")
        labels = new["labels"]
        if not isinstance(labels, list) or not all(isinstance(each, str) for each in labels):
            raise ValueError("labels are a list of words")
        said = []
        if new["assignee_id"] != self.assignee_id:
            name = {**PEOPLE, **BOTS}.get(new["assignee_id"])
            said.append(f"Assigned to {name} by Bo" if name else "Conversation unassigned by Bo")
        if new["status"] != self.status:
            said.append(f"Conversation was marked {new['status']} by Bo")
        self.status, self.inbox_id, self.labels = new["status"], new["inbox_id"], list(labels)
        self.assignee_id = new["assignee_id"]
        self.assignee_type = None
        if self.assignee_id is not None:
            self.assignee_type = "AgentBot" if self.assignee_id in BOTS else "User"
        return said

    def reopen(self, *, has_bot: bool) -> None:
        """The customer has written: what was put away comes back."""
        if self.status in {"resolved", "snoozed"}:
            self.status = "pending" if has_bot else "open"

    def as_json(self) -> dict[str, Any]:
        return asdict(self)
