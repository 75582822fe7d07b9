"""A Chatwoot account for adapter tests, and what its server answers: the reference's shapes."""

from typing import Any

import requests

from shoptalk.platforms.base import AdapterContext, Recipient
from shoptalk.platforms.chatwoot.adapter import Chatwoot
from shoptalk.platforms.testing import NINE
from shoptalk.types import Account

SERVER = "https://shop.example/chat"  # a self-hosted one, below a sub-path
API = f"{SERVER}/api/v1"
CONVERSATIONS = f"{API}/accounts/1/conversations"
CONVERSATION = f"{CONVERSATIONS}/12"
MESSAGES = f"{CONVERSATION}/messages"
PROFILE = f"{API}/profile"
TOKEN = "cw-token-value-5a1f"
THREAD_ID = "chatwoot_1_12"
ANN = Recipient(thread_id=THREAD_ID, customer_id="9")
WE, BO = 7, 2  # users: the token's own, and a colleague
AT_NINE = int(NINE.timestamp())

CONTACT = {"id": 9, "name": "Ann", "type": "contact"}
COLLEAGUE = {"id": BO, "name": "Bo", "type": "user"}
OURSELVES = {"id": WE, "name": "Sales", "type": "user"}
BOT = {"id": 5, "name": "Greeter", "type": "agent_bot"}


def chatwoot(external_id: str = "1", *, typing: bool = True, **config: str) -> Chatwoot:
    config = {"access_token": TOKEN, "base_url": SERVER, "user_id": str(WE), **config}
    settings = {
        "chatwoot_base_url": "https://app.chatwoot.com",
        "chatwoot_typing_indicator_enabled": str(typing).lower(),
    }
    return Chatwoot(
        Account(external_id=external_id, config=config),
        AdapterContext(session=requests.Session(), settings=settings, clock=lambda: NINE),
    )


def profile(*account_ids: int, **more: Any) -> dict[str, Any]:
    accounts = [
        {"id": each, "name": f"Shop {each}", "status": "active", "role": "agent", **more}
        for each in account_ids or (1,)
    ]
    return {"id": WE, "name": "Sales", "access_token": TOKEN, "accounts": accounts}


def conversation(number: int = 12, **more: Any) -> dict[str, Any]:
    meta = {
        "sender": {"id": 9, "name": "Ann", "phone_number": "+4915112345678", "thumbnail": ""},
        "channel": "Channel::WebWidget",
        "assignee": None,
        "hmac_verified": False,
        **more.pop("meta", {}),
    }
    return {
        "id": number,
        "account_id": 1,
        "inbox_id": 3,
        "status": "open",
        "can_reply": True,
        "labels": [],
        "meta": meta,
        "messages": [message(801)],
        "created_at": AT_NINE - 600,
        "updated_at": AT_NINE + 0.123,
        "timestamp": AT_NINE,
        "last_activity_at": AT_NINE,
        "agent_last_seen_at": 0,
        **more,
    }


def listing(*rows: Any) -> dict[str, Any]:
    return {"data": {"meta": {"all_count": len(rows)}, "payload": list(rows)}}


def message(number: int, **more: Any) -> dict[str, Any]:
    """A customer's; the higher the number, the newer."""
    return {
        "id": number,
        "content": f"message {number}",
        "inbox_id": 3,
        "conversation_id": 12,
        "message_type": 0,
        "content_type": "text",
        "status": "sent",
        "content_attributes": {},
        "created_at": AT_NINE - 1000 + number,
        "private": False,
        "source_id": None,
        "sender": CONTACT,
        **more,
    }


def outgoing(number: int, sender: Any = OURSELVES, **more: Any) -> dict[str, Any]:
    return message(number, message_type=1, sender=sender, **more)


def thread(*rows: Any) -> dict[str, Any]:
    """As the server has it: oldest first."""
    return {"meta": {"labels": [], "contact": CONTACT}, "payload": list(rows)}
