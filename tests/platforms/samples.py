"""Accounts, surroundings and Graph nodes for the tests of the adapters."""

import itertools
import json
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl, urlsplit

import requests
import responses

from shoptalk.platforms.base import AdapterContext, Platform, Recipient, ThreadSlice
from shoptalk.platforms.meta.parser import GraphParser
from shoptalk.platforms.testing import NINE, Response
from shoptalk.types import Account, ContentType, InboundMessage

DATA = Path(__file__).parent.parent / "data"
FACEBOOK = "https://graph.facebook.example/v25.0"
INSTAGRAM = "https://graph.instagram.example/v25.0"
TOKEN = "EAAGtokenNobodyMaySee"
APP_SECRET = "appSecretNobodyMaySee"
PAGE_ID = "550011"
IG_ID = "17841400000000001"
CUSTOMER_ID = "7301002003004"
THREAD_ID = "t_10020030040"
DEBUG_TOKEN = f"{FACEBOOK}/debug_token"
#: Settings that say nothing, so that the vendor's own address counts
VENDORS_OWN = {"facebook_api_base_url": "", "instagram_api_base_url": ""}
RECIPIENT = Recipient(thread_id=THREAD_ID, customer_id=CUSTOMER_ID)


def account(external_id: str, **config: Any) -> Account:
    return Account(
        external_id=external_id,
        config={"access_token": TOKEN, "app_secret": APP_SECRET, **config},
    )


def surroundings(**settings: str) -> AdapterContext:
    defaults = {
        "facebook_api_base_url": FACEBOOK,
        "instagram_api_base_url": INSTAGRAM,
        "whatsapp_api_base_url": FACEBOOK,
    }
    return AdapterContext(
        session=requests.Session(), settings={**defaults, **settings}, clock=lambda: NINE
    )


def query(number: int) -> dict[str, str]:
    """The query of the request that was made as the `number`th, from 0."""
    return dict(parse_qsl(urlsplit(responses.calls[number].request.url or "").query))


def data(*parts: str) -> Any:
    return json.loads(DATA.joinpath(*parts).read_text(encoding="utf-8"))


def reader(*self_ids: str) -> GraphParser:
    return GraphParser(self_ids=set(self_ids or (PAGE_ID, IG_ID)))


def person(identity: str, name: str = "Rima K") -> dict[str, Any]:
    return {"id": identity, "name": name}


def message(number: int, **more: Any) -> dict[str, Any]:
    """A customer's message; the higher `number` (to 59), the newer."""
    return {
        "id": f"m_{number}",
        "created_time": f"2026-10-04T08:59:{number:02}+0000",
        "from": person(CUSTOMER_ID),
        "message": f"message {number}",
        **more,
    }


def listing(*nodes: Any, after: str | None = None, base: str = FACEBOOK) -> dict[str, Any]:
    """An edge; with `after`, one that has a next page."""
    paging: dict[str, Any] = {"cursors": {"before": "b", "after": after or "last"}}
    if after:
        paging["next"] = f"{base}/x/y?access_token={TOKEN}&limit=25&after={after}"
    return {"data": list(nodes), "paging": paging}


def thread(ours: str = PAGE_ID, **more: Any) -> dict[str, Any]:
    return {
        "id": THREAD_ID,
        "updated_time": "2026-10-04T08:59:59+0000",
        "participants": {"data": [person(CUSTOMER_ID), person(ours, "Corner Bakery")]},
        **more,
    }


def graph_error(code: int | None, subcode: int | None = None, **more: Any) -> Response:
    """An error as Graph sends it, with a message that nobody may repeat."""
    error = {"message": f"words-of-a-customer-4711 {TOKEN}", "type": "OAuthException", **more}
    if code is not None:
        error["code"] = code
    if subcode is not None:
        error["error_subcode"] = subcode
    return {"json": {"error": error}, "status": 400}


def token_facts(**facts: Any) -> Response:
    """What debug_token says of a token: `facts` beside that it is valid."""
    return {"json": {"data": {"is_valid": True, "expires_at": 0, "scopes": [], **facts}}}


def broken_threads(ours: str = PAGE_ID) -> list[Any]:
    us, changed = person(ours), "2026-10-04T08:59:59+0000"
    return [
        None,
        "t_1",
        {"updated_time": changed},
        {"id": "t_2", "updated_time": changed},
        {**thread(ours), "id": "t_3", "participants": {"data": [us]}},
        {**thread(ours), "id": "t_4", "participants": {"data": [None, us]}},
        {**thread(ours), "id": "t_5", "participants": {"data": [person("1"), person("2")]}},
        {**thread(ours), "id": "t_6", "updated_time": "yesterday"},
    ]


def read_sample_pages(
    adapter: Platform, folder: str, *, path: str, first_page_nested: bool = False
) -> list[dict[str, str]]:
    """Walk all pages of `folder` through `adapter`, in the form of its expected.json.

    Args:
        path: the account's part of the path under Meta's own address.
        first_page_nested: whether a thread's newest page is asked for as a field of the thread.
    """
    base = "https://graph.facebook.com/v25.0"
    threads: list[ThreadSlice] = []
    cursor: str | None = None
    for number in itertools.count():
        body = data(folder, f"conversations_page{number}.json")
        responses.get(f"{base}/{path}/conversations", json=body)
        page = adapter.fetch_page(cursor=cursor, limit=3, since=None)
        assert not page.unreadable
        threads += page.threads
        cursor = page.next_cursor
        if cursor is None:
            break
    found = []
    for number, slice_ in enumerate(reversed(threads)):
        assert not slice_.messages
        messages: list[InboundMessage] = []
        older: str | None = ""
        for at in itertools.count():
            body = data(folder, f"messages_{number}_page{at}.json")
            if at == 0 and first_page_nested:
                thread_id = slice_.thread_id
                responses.get(f"{base}/{thread_id}", json={"id": thread_id, "messages": body})
            else:
                responses.get(f"{base}/{slice_.thread_id}/messages", json=body)
            assert older is not None
            answer = adapter.fetch_thread(slice_.thread_id, cursor=older, limit=5)
            assert not answer.unreadable
            assert answer.hidden == 0
            messages += answer.messages
            older = answer.older
            if older is None:
                break
        found += [_as_expected(slice_.thread_id, each) for each in reversed(messages)]
    return found


def _as_expected(thread_id: str, message: InboundMessage) -> dict[str, str]:
    return {
        "conversation": thread_id,
        "id": message.message_id,
        "timestamp": message.created_at.strftime("%Y-%m-%dT%H:%M:%S%z"),
        "role": message.sender_type.value,
        "type": "text" if message.content_type is ContentType.TEXT else "media",
        "text": message.text,
    }
