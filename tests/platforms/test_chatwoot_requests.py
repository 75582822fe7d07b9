"""Each request of the adapter, held against the vendor's published description of its API.

The table is what the description says of the operations we use, as it came with release 4.10 and
again in August 2026: which parameters there are, which must be there, and what they may hold.
Typing is described in the later one only.
"""

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import parse_qsl, urlsplit

import pytest
import responses

from .chatwoot_samples import (
    ANN,
    API,
    CONVERSATION,
    CONVERSATIONS,
    MESSAGES,
    PROFILE,
    SERVER,
    THREAD_ID,
    TOKEN,
    WE,
    chatwoot,
    conversation,
    listing,
    outgoing,
    profile,
    thread,
)

NUMBER = r"\d+"
STATUS = "open|resolved|pending|snoozed"
ACCOUNT = f"/api/v1/accounts/{NUMBER}"
ONE = f"{ACCOUNT}/conversations/{NUMBER}"


@dataclass(frozen=True, kw_only=True)
class Operation:
    query: Mapping[str, str] = field(default_factory=dict)  #: name to what it may hold
    body: Mapping[str, type | tuple[type, ...] | str] = field(default_factory=dict)
    required: frozenset[str] = frozenset()


OPERATIONS: Mapping[tuple[str, str], Operation] = {
    ("GET", "/api/v1/profile"): Operation(),
    ("GET", f"{ACCOUNT}/inboxes"): Operation(),
    ("GET", f"{ACCOUNT}/conversations"): Operation(
        query={
            "assignee_type": "me|unassigned|all|assigned",
            "status": f"all|{STATUS}",
            "q": ".+",
            "inbox_id": NUMBER,
            "team_id": NUMBER,
            "labels": ".+",
            "page": NUMBER,
        }
    ),
    ("GET", ONE): Operation(),
    ("GET", f"{ONE}/messages"): Operation(query={"after": NUMBER, "before": NUMBER}),
    ("POST", f"{ONE}/messages"): Operation(
        body={
            "content": str,
            "message_type": "outgoing|incoming",
            "private": bool,
            "content_type": "text|input_email|cards|input_select|form|article",
            "content_attributes": dict,
            "campaign_id": int,
            "template_params": dict,
        },
        required=frozenset({"content"}),
    ),
    ("POST", f"{ONE}/toggle_typing_status"): Operation(
        body={"typing_status": "on|off", "is_private": bool},
        required=frozenset({"typing_status"}),
    ),
    ("POST", f"{ONE}/toggle_status"): Operation(
        body={"status": STATUS, "snoozed_until": (int, float)}, required=frozenset({"status"})
    ),
    ("POST", f"{ONE}/labels"): Operation(body={"labels": list}, required=frozenset({"labels"})),
    ("POST", f"{ONE}/assignments"): Operation(
        body={"assignee_id": (int, float), "team_id": (int, float)}
    ),
}


def problems(method: str, url: str, body: Any) -> list[str]:
    """What is wrong with a request by the description; nothing, if all is well."""
    address = urlsplit(url.removeprefix(SERVER))
    found = [
        each
        for (verb, path), each in OPERATIONS.items()
        if verb == method and re.fullmatch(path, address.path)
    ]
    if len(found) != 1:
        return [f"{method} {address.path} is described {len(found)} times"]
    [operation] = found
    given = dict(parse_qsl(address.query, keep_blank_values=True))
    wrong = [
        f"{name}={value}"
        for name, value in given.items()
        if not re.fullmatch(operation.query.get(name, "$^"), value)
    ]
    wrong += [f"{name} is missing" for name in operation.required if name not in body]
    return wrong + [
        f"{name}: {value!r}"
        for name, value in body.items()
        if not _fits(value, operation.body.get(name))
    ]


def _fits(value: Any, wanted: type | tuple[type, ...] | str | None) -> bool:
    if isinstance(wanted, str):
        return isinstance(value, str) and re.fullmatch(wanted, value) is not None
    if wanted is None or (isinstance(value, bool) and wanted is not bool):
        return False
    return isinstance(value, wanted)


@responses.activate
def test_each_request_is_valid_by_the_vendors_description() -> None:
    responses.get(PROFILE, json=profile())
    responses.get(f"{API}/accounts/1/inboxes", json={"payload": [{"id": 3, "name": "Website"}]})
    responses.get(CONVERSATIONS, json=listing(conversation()))
    responses.get(CONVERSATION, json=conversation(status="pending"))
    responses.get(CONVERSATION, json=conversation(meta={"assignee": {"id": WE}}))
    responses.get(MESSAGES, json=thread(outgoing(802)))
    responses.post(MESSAGES, json=outgoing(802))
    for name in ("toggle_typing_status", "toggle_status", "labels", "assignments"):
        responses.post(f"{CONVERSATION}/{name}", json={})
    everything, inbox = chatwoot(), chatwoot(inbox="3")
    for platform in (everything, inbox):
        platform.identify()
        platform.fetch_page(cursor=None, limit=25, since=None)
        platform.fetch_page(cursor="2", limit=25, since=None)
    everything.fetch_thread(THREAD_ID, cursor="", limit=50)
    everything.fetch_thread(THREAD_ID, cursor="801", limit=50)
    everything.send(ANN, "مرحبا")
    everything.fetch_delivery("chatwoot_shop.example/chat_1_12_802")
    everything.show_typing(ANN)
    everything.hide_typing(ANN)
    everything.hand_over(ANN, "why")
    everything.thread_state(ANN)
    used = set()
    for call in responses.calls:
        request = call.request
        assert request.headers["api_access_token"] == TOKEN
        body = json.loads(request.body) if request.body else {}
        assert problems(str(request.method), str(request.url), body) == []
        path = urlsplit(str(request.url)).path.removeprefix("/chat")
        used |= {
            (method, pattern)
            for method, pattern in OPERATIONS
            if method == request.method and re.fullmatch(pattern, path)
        }
    assert used == set(OPERATIONS)


@pytest.mark.parametrize(
    ("method", "path", "body"),
    [
        ("GET", "/accounts/1/conversations?status=new", {}),
        ("GET", "/accounts/1/conversations?sort_by=last_activity_at_desc", {}),
        ("GET", "/accounts/1/conversations/12/messages?before=x", {}),
        ("GET", "/accounts/1/reports", {}),
        ("POST", "/accounts/1/conversations/12/messages", {"private": True}),
        ("POST", "/accounts/1/conversations/12/messages", {"content": "x", "private": 1}),
        ("POST", "/accounts/1/conversations/12/messages", {"content": "x", "echo": "1"}),
        ("POST", "/accounts/1/conversations/12/toggle_status", {"status": "shut"}),
        ("POST", "/accounts/1/conversations/12/assignments", {"assignee_id": None}),
    ],
)
def test_the_check_finds_what_is_wrong(method: str, path: str, body: dict[str, Any]) -> None:
    assert problems(method, f"{API}{path}", body) != []
