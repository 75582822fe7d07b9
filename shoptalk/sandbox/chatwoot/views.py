"""Conversations and messages in Chatwoot's shapes: numbers for kinds, whole seconds for times."""

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any
from zlib import crc32

from shoptalk.sandbox.accounts import SandboxAccount
from shoptalk.sandbox.chatwoot.desk import BOTS, COLLEAGUE, GREETER, INBOXES, PEOPLE, SALES, WINDOWS
from shoptalk.sandbox.messages import Kind, StoredMessage
from shoptalk.sandbox.threads import Thread

MESSAGE_TYPES = {"customer": 0, "activity": 2, "template": 3}  #: everything else is outgoing
FAILS_AFTER = timedelta(seconds=2)  #: the channel is served in the background
FILE_TYPES = {
    Kind.IMAGE: "image",
    Kind.STICKER: "image",
    Kind.VIDEO: "video",
    Kind.AUDIO: "audio",
    Kind.FILE: "file",
    Kind.SHARE: "share",
    Kind.STORY_MENTION: "story_mention",
    Kind.STORY_REPLY: "ig_story",
}


def contact_number(account: SandboxAccount, customer_id: str) -> int:
    if customer_id.isascii() and customer_id.isdigit() and len(customer_id) < 18:
        return int(customer_id)
    return crc32(f"{account.account_id}/{customer_id}".encode(errors="replace"))


def contact(account: SandboxAccount, thread: Thread) -> dict[str, Any]:
    digits = thread.customer_id
    phone = f"+{digits}" if digits.isascii() and digits.isdigit() and len(digits) < 16 else None
    return {
        "id": contact_number(account, thread.customer_id),
        "name": thread.customer_name or "",
        "phone_number": phone,
        "email": None,
        "identifier": None,
        "thumbnail": "",
        "blocked": thread.is_blocked,
        "custom_attributes": {},
        "additional_attributes": {},
    }


def can_reply(thread: Thread, now: datetime) -> bool:
    ticket = thread.ticket
    assert ticket is not None
    window = WINDOWS[ticket.inbox_id]
    if window is None:
        return True
    return thread.customer_wrote_at is not None and now - thread.customer_wrote_at < window


def conversation(
    account: SandboxAccount, thread: Thread, now: datetime, *, root: str
) -> dict[str, Any]:
    ticket = thread.ticket
    assert ticket is not None
    shown = thread.shown(now)
    _, channel = INBOXES[ticket.inbox_id]
    said = [each for each in shown if each.side != "activity"]
    active = int(thread.updated_at.timestamp()) if thread.updated_at else 0
    meta: dict[str, Any] = {
        "sender": contact(account, thread),
        "channel": channel,
        "hmac_verified": False,
    }
    if ticket.assignee_id is not None:  # without one the key is missing
        everybody = {**PEOPLE, **BOTS}
        meta["assignee"] = {"id": ticket.assignee_id, "name": everybody[ticket.assignee_id]}
        meta["assignee_type"] = ticket.assignee_type
    return {
        "id": ticket.display_id,
        "uuid": f"00000000-0000-4000-8000-{ticket.display_id:012}",
        "account_id": int(account.account_id),
        "inbox_id": ticket.inbox_id,
        "status": ticket.status,
        "can_reply": can_reply(thread, now),
        "muted": False,
        "labels": list(ticket.labels),
        "meta": meta,
        "messages": [message(account, thread, each, now, root=root) for each in shown[-1:]],
        "last_non_activity_message": (
            message(account, thread, said[-1], now, root=root) if said else None
        ),
        "unread_count": 0,
        "custom_attributes": {},
        "additional_attributes": {},
        "created_at": int(shown[0].created_at.timestamp()) if shown else active,
        "updated_at": thread.updated_at.timestamp() if thread.updated_at else 0.0,
        "timestamp": active,
        "last_activity_at": active,
        "waiting_since": 0,
        "first_reply_created_at": 0,
        "agent_last_seen_at": 0,
        "contact_last_seen_at": 0,
        "assignee_last_seen_at": 0,
        "priority": None,
        "snoozed_until": None,
        "sla_policy_id": None,
    }


def message(
    account: SandboxAccount, thread: Thread, stored: StoredMessage, now: datetime, *, root: str
) -> dict[str, Any]:
    ticket = thread.ticket
    assert ticket is not None
    has_failed = stored.failure is not None and now >= stored.created_at + FAILS_AFTER
    about: dict[str, Any] = {}
    if stored.reply_to is not None:
        about["in_reply_to"] = int(stored.reply_to)
    if has_failed:
        about["external_error"] = stored.failure
    found: dict[str, Any] = {
        "id": int(stored.id),
        "content": stored.text or None,
        "inbox_id": ticket.inbox_id,
        "conversation_id": ticket.display_id,
        "message_type": MESSAGE_TYPES.get(stored.side, 1),
        "content_type": "text",
        "status": "failed" if has_failed else "sent",
        "content_attributes": about,
        "created_at": int(stored.created_at.timestamp()),
        "private": stored.side == "note",
        "source_id": None,
    }
    if (sender := _sender(account, thread, stored)) is not None:
        found["sender"] = sender
    if stored.kind in FILE_TYPES:  # the key is missing where there is nothing attached
        found["attachments"] = [_attachment(account, stored, root)]
    return found


def _sender(
    account: SandboxAccount, thread: Thread, stored: StoredMessage
) -> dict[str, Any] | None:
    match stored.side:
        case "customer":
            return {**contact(account, thread), "type": "contact"}
        case "activity" | "template":
            return None
        case "bot":
            return {"id": GREETER, "name": BOTS[GREETER], "type": "agent_bot"}
        case side:
            user_id = stored.sender_id or (SALES if side == "api" else COLLEAGUE)
            return {"id": user_id, "name": PEOPLE[user_id], "type": "user"}


def _attachment(account: SandboxAccount, stored: StoredMessage, root: str) -> dict[str, Any]:
    return {
        "id": int(stored.id),
        "message_id": int(stored.id),
        "file_type": FILE_TYPES[stored.kind],
        "account_id": int(account.account_id),
        "extension": None,
        "data_url": f"{root}/rails/active_storage/blobs/redirect/{stored.id}/file",
        "thumb_url": "",
        "file_size": 9211,
        "width": None,
        "height": None,
    }


def cut(
    shown: Sequence[StoredMessage], *, before: int | None, after: int | None
) -> list[StoredMessage]:
    """The stretch of a thread that is asked for, cut by id; oldest first."""
    by_id = sorted(shown, key=lambda each: int(each.id))
    if before is not None and after is not None:
        chosen = [each for each in by_id if after <= int(each.id) < before][:1000]
    elif after is not None:
        chosen = [each for each in by_id if int(each.id) > after][:100]
    elif before is not None:
        chosen = [each for each in by_id if int(each.id) < before][-20:]
    else:
        chosen = by_id[-20:]
    return sorted(chosen, key=lambda each: each.activity)
