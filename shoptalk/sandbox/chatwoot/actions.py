"""What Chatwoot does when it is asked: reading, writing, and turning down."""

from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from shoptalk.sandbox.accounts import SandboxAccount
from shoptalk.sandbox.chatwoot import views
from shoptalk.sandbox.chatwoot.desk import INBOXES, PEOPLE, SALES, STATUSES, Ticket
from shoptalk.sandbox.ledger import Sent, fingerprint
from shoptalk.sandbox.threads import Thread
from shoptalk.sandbox.world import World

MOST_CHARACTERS = 150_000
MOST_A_MINUTE = 200  #: messages in one conversation
MINUTE = timedelta(minutes=1)

Json = dict[str, Any]


class Refused(Exception):
    """A request that is turned down, with the body of the answer."""

    def __init__(self, status: int, body: Json | str) -> None:
        super().__init__(str(body))
        self.status = status
        self.body = body


NOT_FOUND = Refused(404, {"error": "Resource could not be found"})


class Minutes:
    """What happened how often within the last minute, by whatever is counted."""

    def __init__(self) -> None:
        self._times: dict[str, deque[datetime]] = {}

    def clear(self) -> None:
        self._times.clear()

    def are_full(self, key: str, now: datetime, limit: int) -> bool:
        """Count one more, unless there were `limit` within the minute."""
        times = self._times.setdefault(key, deque())
        while times and (times[0] <= now - MINUTE or times[0] > now):
            times.popleft()
        if len(times) >= limit:
            return True
        times.append(now)
        return False


@dataclass(slots=True, kw_only=True)
class Ask:
    """One request, understood."""

    world: World
    account: SandboxAccount
    token: str
    now: datetime
    path: Mapping[str, str]  #: the parts of the address that have names
    query: Mapping[str, str]
    body: Mapping[str, Any]
    root: str  #: what links begin with
    minutes: Minutes
    sent: list[Sent] = field(default_factory=list)  #: what reached a customer by it

    def number(self, name: str) -> int | None:
        value = self.query.get(name)
        return int(value) if value is not None and value.lstrip("-").isdigit() else None


def _thread(ask: Ask) -> Thread:
    number = ask.path["conversation"]
    for thread in ask.account.threads.by_customer.values():
        if thread.ticket is not None and str(thread.ticket.display_id) == number:
            return thread
    raise NOT_FOUND


def _ticket(thread: Thread) -> Ticket:
    assert thread.ticket is not None
    return thread.ticket


def profile(ask: Ask) -> Json:
    account = ask.account
    role = "agent" if account.settings.agent_token else "administrator"
    return {
        "id": SALES,
        "name": PEOPLE[SALES],
        "access_token": ask.token,
        "role": role,
        "type": None,
        "accounts": [
            {"id": int(account.account_id), "name": account.name, "status": "active", "role": role}
        ],
    }


def list_inboxes(_: Ask) -> Json:
    return {
        "payload": [
            {"id": number, "name": name, "channel_type": channel}
            for number, (name, channel) in INBOXES.items()
        ]
    }


def list_conversations(ask: Ask) -> Json:
    """25 a page, latest activity first; `status` is open unless told."""
    status, of_inbox = ask.query.get("status", "open"), ask.number("inbox_id")
    found = [
        thread
        for thread in reversed(ask.account.threads.in_order)
        if status in ("all", _ticket(thread).status)
        and of_inbox in (None, _ticket(thread).inbox_id)
    ]
    assigned = [each for each in found if _ticket(each).assignee_id is not None]
    page, size = max(ask.number("page") or 1, 1), ask.account.settings.conversation_page_size
    rows = found[(page - 1) * size : page * size]
    return {
        "data": {
            "meta": {
                "mine_count": sum(_ticket(each).assignee_id == SALES for each in assigned),
                "assigned_count": len(assigned),
                "unassigned_count": len(found) - len(assigned),
                "all_count": len(found),
            },
            "payload": [
                views.conversation(ask.account, each, ask.now, root=ask.root) for each in rows
            ],
        }
    }


def show(ask: Ask) -> Json:
    return views.conversation(ask.account, _thread(ask), ask.now, root=ask.root)


def messages(ask: Ask) -> Json:
    thread = _thread(ask)
    chosen = views.cut(
        thread.shown(ask.now), before=ask.number("before"), after=ask.number("after")
    )
    return {
        "meta": {
            "labels": list(_ticket(thread).labels),
            "additional_attributes": {},
            "contact": {**views.contact(ask.account, thread), "type": "contact"},
            "agent_last_seen_at": None,
            "assignee_last_seen_at": None,
        },
        "payload": [
            views.message(ask.account, thread, each, ask.now, root=ask.root) for each in chosen
        ],
    }


def post_message(ask: Ask) -> Json:
    """Store a message, 200. Whether the channel delivers it is told later, on the message."""
    thread = _thread(ask)
    content, private = ask.body.get("content"), ask.body.get("private") is True
    sent = Sent(
        at=ask.now,
        platform=ask.account.platform,
        account_id=ask.account.account_id,
        recipient_id=thread.customer_id,
        text=content if isinstance(content, str) else "",
        fingerprint=fingerprint(ask.token),
    )
    problem = None
    if not isinstance(content, str) or not content:
        problem = "Validation failed: Content can't be blank"
    elif len(content) > MOST_CHARACTERS:
        problem = f"Validation failed: Content is too long (maximum is {MOST_CHARACTERS})"
    elif ask.body.get("message_type", "outgoing") != "outgoing":
        problem = "Incoming messages are only allowed in Api inboxes"
    elif ask.minutes.are_full(f"{ask.account.account_id}/{thread.id}", ask.now, MOST_A_MINUTE):
        problem = "Too many messages"
    if problem is not None:
        sent.error = "422"
        ask.world.sent.append(sent)
        raise Refused(422, {"error": problem})
    settings = ask.account.settings
    stored = ask.world.add_message(
        ask.account.account_id,
        thread.customer_id,
        str(content),
        side="note" if private else "api",
        shown_after=timedelta(seconds=settings.consistency_delay_seconds),
    )
    stored.sender_id = SALES
    if not private:
        if settings.fails_later or not views.can_reply(thread, ask.now):
            stored.failure = "131047: Message failed to send because the window is over"
        sent.message_id = stored.id
        ask.sent.append(sent)
        ask.world.sent.append(sent)
    return views.message(ask.account, thread, stored, ask.now, root=ask.root)


def toggle_typing(ask: Ask) -> str:
    """Answer 200 and nothing, whatever was asked for; nothing ends it but the next call."""
    ticket, wanted = _ticket(_thread(ask)), ask.body.get("typing_status")
    if wanted in {"on", "off"} and ask.body.get("is_private") is not True:
        ticket.typing.append(str(wanted))
    return ""


def toggle_status(ask: Ask) -> Json:
    """Set the status. Whoever opens it as an agent gets it assigned."""
    thread = _thread(ask)
    ticket, wanted = _ticket(thread), ask.body.get("status")
    if wanted not in STATUSES:
        wanted = "resolved" if ticket.status == "open" else "open"
    changes: Json = {"status": wanted}
    if wanted == "open" and ask.account.settings.agent_token:
        changes["assignee_id"] = SALES
    ask.world.tell_activity(thread, ticket.change(changes))
    return {
        "meta": {},
        "payload": {
            "success": True,
            "conversation_id": ticket.display_id,
            "current_status": ticket.status,
            "snoozed_until": None,
        },
    }


def set_labels(ask: Ask) -> Json:
    """Replace the whole set."""
    ticket, wanted = _ticket(_thread(ask)), ask.body.get("labels")
    if not isinstance(wanted, list):
        raise Refused(422, {"error": "labels is missing"})
    ticket.labels = [str(each) for each in wanted]
    return {"payload": ticket.labels}


def assign(ask: Ask) -> Json | None:
    """Assign to a user; a number that is nobody's takes the assignment away."""
    thread = _thread(ask)
    wanted = ask.body.get("assignee_id")
    user_id = wanted if wanted in PEOPLE else None
    ask.world.tell_activity(thread, _ticket(thread).change({"assignee_id": user_id}))
    return {"id": user_id, "name": PEOPLE[user_id]} if user_id in PEOPLE else None
