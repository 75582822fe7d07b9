"""Threads, messages and people as Graph writes them: the fields asked for, the empty left out."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from shoptalk.sandbox.accounts import SandboxAccount
from shoptalk.sandbox.graph import media
from shoptalk.sandbox.graph.errors import bad_parameter, no_such_field
from shoptalk.sandbox.graph.fields import Field, plain
from shoptalk.sandbox.graph.pages import DEFAULT_LIMIT, Cursors, Shape, cut, edge
from shoptalk.sandbox.graph.question import Question
from shoptalk.sandbox.messages import Kind, StoredMessage, by_activity
from shoptalk.sandbox.threads import Thread

INSTAGRAM_READABLE = 20  #: newest messages of a thread that may be read in detail
REPLY_WINDOW = timedelta(hours=24)

PERSON = ("id", "name", "email", "username", "user_id")
MEDIA = ("image_data", "video_data", "file_url", "generic_template")
ATTACHMENT = ("id", "mime_type", "name", "size", *MEDIA)
SHARE = ("id", "link", "name", "description", "type", "url", "title", "template")
NODES: dict[str, dict[str, str | None]] = {  #: the fields of each node and what is inside them
    "UnifiedThread": {
        **dict.fromkeys(("id", "updated_time", "is_owner", "snippet", "message_count")),
        **dict.fromkeys(("unread_count", "can_reply", "is_subscribed", "link", "name")),
        **dict.fromkeys(("scoped_thread_key", "wallpaper", "folder", "linked_group")),
        **dict.fromkeys(("participants", "senders", "former_participants"), "User"),
        "messages": "Message",
    },
    "Message": {
        **dict.fromkeys(("id", "created_time", "message", "sticker", "is_unsupported")),
        **dict.fromkeys(("reply_to", "story", "reactions", "tags")),
        **dict.fromkeys(("from", "to"), "User"),
        "attachments": "Attachment",
        "shares": "Share",
    },
    "User": dict.fromkeys(PERSON),
    "Attachment": dict.fromkeys(ATTACHMENT),
    "Share": dict.fromkeys(SHARE),
}
THREAD_DEFAULT = plain("id", "updated_time")
MESSAGE_DEFAULT = plain("id", "created_time")
UNREADABLE_DETAIL = plain("id", "created_time")  #: what a list still tells of older messages


def check(fields: Iterable[Field], node_type: str) -> None:
    """Refuse fields that the node does not have.

    Raises:
        GraphError: 100, nonexisting field.
    """
    known = NODES[node_type]
    for field in fields:
        if field.name not in known:
            raise no_such_field(field.name, node_type)
        inner = known[field.name]
        if inner and field.children:
            check(field.children, inner)


@dataclass(slots=True, kw_only=True)
class View:
    """How one account looks to one question."""

    account: SandboxAccount
    question: Question
    now: datetime

    def thread(self, thread: Thread, fields: Sequence[Field], shape: Shape) -> dict[str, Any]:
        found: dict[str, Any] = {}
        for field in fields:
            if field.name == "messages":
                value: Any = self.messages(thread, field, shape)
            else:
                value = _THREAD[field.name](self, thread)
            if value is not None:
                found[field.name] = _picked(value, field)
        found["id"] = thread.id
        return found

    def messages(
        self, thread: Thread, field: Field, shape: Shape, path: str = ""
    ) -> dict[str, Any]:
        """Write the messages edge, nested in a thread or standing alone."""
        cursors = self.cursors(f"{thread.id}/messages")
        limit = min(field.limit or DEFAULT_LIMIT, self.account.settings.max_page_limit)
        fields = field.children or MESSAGE_DEFAULT
        shown = thread.shown(self.now)
        piece = cut(
            shown,
            by_activity,
            limit=limit,
            after=cursors.read(field.after) if field.after else None,
            before=cursors.read(field.before) if field.before else None,
            shape=shape,
        )
        readable_from = self._oldest_readable(shown)
        data = [
            self.message(
                thread,
                message,
                fields if message.activity >= readable_from else _still_told(fields),
            )
            for message in piece.rows
        ]
        params = {"limit": str(limit)}
        if field.children:
            params["fields"] = ",".join(map(str, field.children))
        return edge(data, piece, cursors, self.question, path or f"{thread.id}/messages", params)

    def message(
        self, thread: Thread, message: StoredMessage, fields: Sequence[Field]
    ) -> dict[str, Any]:
        found: dict[str, Any] = {}
        for field in fields:
            value = _MESSAGE[field.name](self, thread, message)
            if value is not None:
                found[field.name] = _picked(value, field)
        found["id"] = message.id
        return found

    def is_readable(self, thread: Thread, message: StoredMessage) -> bool:
        """Say whether the message's details may be read."""
        return message.activity >= self._oldest_readable(thread.shown(self.now))

    def cursors(self, list_name: str) -> Cursors:
        return Cursors(
            list_name=f"{self.account.account_id}/{list_name}",
            now=self.now,
            lifetime=timedelta(seconds=self.account.settings.cursor_lifetime_seconds),
        )

    def customer(self, thread: Thread) -> dict[str, Any]:
        name, customer_id = thread.customer_name, thread.customer_id
        if self.account.platform == "instagram":
            person = {"id": customer_id}
            return {**person, "username": username(name)} if name else person
        person = {"email": f"{customer_id}@facebook.com", "id": customer_id}
        return {"name": name, **person} if name else person

    def us(self) -> dict[str, Any]:
        account = self.account
        if account.platform != "instagram":
            email = f"{account.account_id}@facebook.com"
            return {"name": account.name, "email": email, "id": account.account_id}
        if account.settings.app_scoped_self and account.app_scoped_id:
            ours = {"id": account.app_scoped_id, "user_id": account.account_id}
            return {**ours, "username": account.username}
        return {"id": account.account_id, "username": account.username}

    def link(self, message: StoredMessage) -> str:
        root = self.question.base.split("/graph.", 1)[0]
        return media.media_link(root, message, self.now)

    def _oldest_readable(self, shown: Sequence[StoredMessage]) -> tuple[int, int]:
        if self.account.platform != "instagram" or len(shown) <= INSTAGRAM_READABLE:
            return (-(1 << 62), 0)
        return shown[-INSTAGRAM_READABLE].activity


def username(name: str) -> str:
    """Turn a name into an Instagram handle."""
    return ".".join(name.lower().split())


def _still_told(fields: Sequence[Field]) -> tuple[Field, ...]:
    told = {field.name for field in UNREADABLE_DETAIL}
    return tuple(field for field in fields if field.name in told)


def _picked(value: Any, field: Field) -> Any:
    """Keep of a nested value what was asked for, row by row where it is a list."""
    if field.name == "messages":
        return value
    if isinstance(value, dict) and isinstance(value.get("data"), list):
        rows = value["data"][: field.limit] if field.limit else value["data"]
        if field.name == "shares" and not field.children:
            return {"data": [{"id": row["id"]} for row in rows]}  # the rest is shown on request
        return {**value, "data": [_picked_row(row, field) for row in rows]}
    return _picked_row(value, field)


def _picked_row(row: Any, field: Field) -> Any:
    if not field.children or not isinstance(row, dict):
        return row
    return {
        child.name: _picked_row(row[child.name], child)
        for child in field.children
        if child.name in row
    } | ({"id": row["id"]} if "id" in row else {})


def _people(view: View, thread: Thread) -> dict[str, Any]:
    return {"data": [view.customer(thread), view.us()]}


def _snippet(view: View, thread: Thread) -> str | None:
    shown = thread.shown(view.now)
    return shown[-1].text[:80] if shown and view.account.platform == "facebook" else None


def _unread(view: View, thread: Thread) -> int:
    count = 0
    for message in reversed(thread.shown(view.now)):
        if message.side != "customer":
            break
        count += 1
    return count


def _can_reply(view: View, thread: Thread) -> bool:
    wrote_at = thread.customer_wrote_at
    return wrote_at is not None and view.now - wrote_at < REPLY_WINDOW


def _on_messenger(read: Callable[[View, Thread], Any]) -> Callable[[View, Thread], Any]:
    """Make a field that Instagram knows by name and never fills."""
    return lambda view, thread: read(view, thread) if view.account.platform == "facebook" else None


def _nothing(*_: object) -> None:
    """A field that exists and has no data here."""


_THREAD: dict[str, Callable[[View, Thread], Any]] = {
    "id": lambda _, thread: thread.id,
    "updated_time": lambda _, thread: thread.updated_time,
    "participants": _people,
    "senders": _on_messenger(_people),
    "former_participants": _on_messenger(lambda *_: {"data": []}),
    "snippet": _snippet,
    "message_count": _on_messenger(lambda view, thread: len(thread.shown(view.now))),
    "unread_count": _on_messenger(_unread),
    "can_reply": _on_messenger(_can_reply),
    "is_subscribed": _on_messenger(lambda *_: True),
    "link": _on_messenger(lambda _, thread: f"/{thread.account_id}/inbox/{thread.id}/"),
    "folder": _on_messenger(lambda _, thread: thread.folder),
    "scoped_thread_key": _on_messenger(lambda _, thread: thread.id),
    "is_owner": lambda _, thread: False if thread.is_taken else None,
    "name": _nothing,
    "wallpaper": _nothing,
    "linked_group": _nothing,
}


def _from(view: View, thread: Thread, message: StoredMessage) -> dict[str, Any]:
    return view.customer(thread) if message.side == "customer" else view.us()


def _to(view: View, thread: Thread, message: StoredMessage) -> dict[str, Any]:
    return {"data": [view.us() if message.side == "customer" else view.customer(thread)]}


def _attachments(view: View, _: Thread, message: StoredMessage) -> dict[str, Any] | None:
    if message.kind == Kind.TEXT:
        return None
    found = media.attachments(message, view.account.platform, view.link(message))
    return {"data": found} if found else None


def _shares(view: View, _: Thread, message: StoredMessage) -> dict[str, Any] | None:
    found = media.shares(message, view.account.platform)
    return {"data": found} if found else None


def _sticker(view: View, _: Thread, message: StoredMessage) -> str | None:
    is_shown = message.kind == Kind.STICKER and view.account.platform == "facebook"
    return view.link(message) if is_shown else None


def _story(view: View, _: Thread, message: StoredMessage) -> dict[str, Any] | None:
    if message.kind == Kind.TEXT or view.account.platform != "instagram":
        return None
    return media.story(message, view.link(message), view.now)


def _reactions(_: View, __: Thread, message: StoredMessage) -> dict[str, Any] | None:
    if not message.reactions:
        return None
    rows = [{"reaction": sign, "users": [{"id": who}]} for who, sign in message.reactions.items()]
    return {"data": rows}


def _tags(view: View, _: Thread, message: StoredMessage) -> dict[str, Any] | None:
    if view.account.platform != "facebook":
        return None
    names = ["inbox", "source:chat"] if message.side == "customer" else ["inbox", "sent"]
    return {"data": [{"name": name} for name in names]}


def _reply_to(_: View, thread: Thread, message: StoredMessage) -> dict[str, Any] | None:
    if message.reply_to is None:
        return None
    of_customer = any(m.id == message.reply_to and m.side == "customer" for m in thread.messages)
    return {"mid": message.reply_to, "is_self_reply": of_customer == (message.side == "customer")}


_MESSAGE: dict[str, Callable[[View, Thread, StoredMessage], Any]] = {
    "id": lambda _, __, message: message.id,
    "created_time": lambda _, __, message: message.created_time,
    # Content that is not shown has no text at all; a sticker or a share has an empty one.
    "message": lambda _, __, message: None if message.kind == Kind.UNSUPPORTED else message.text,
    "from": _from,
    "to": _to,
    "attachments": _attachments,
    "shares": _shares,
    "sticker": _sticker,
    "story": _story,
    "reactions": _reactions,
    "reply_to": _reply_to,
    "is_unsupported": lambda _, __, message: True if message.kind == Kind.UNSUPPORTED else None,
    "tags": _tags,
}


def chosen(fields: Sequence[Field], node: dict[str, Any], node_type: str) -> dict[str, Any]:
    """Pick the fields of a node that is held as a plain dict.

    Raises:
        GraphError: 100, nonexisting field.
    """
    for field in fields:
        if field.name not in node:
            raise no_such_field(field.name, node_type)
    if not node.get("id"):
        raise bad_parameter("the node has no id")
    picked = {field.name: node[field.name] for field in fields if node[field.name] is not None}
    return {**picked, "id": node["id"]}
