"""`/v1/conversations`: items kept for us until we delete them."""

from collections.abc import Awaitable, Callable
from typing import Any

from aiohttp import web

from shoptalk.sandbox.clock import SandboxClock
from shoptalk.sandbox.openai.errors import ApiError, invalid_value
from shoptalk.sandbox.openai.rules import Body, check_metadata, check_new_items
from shoptalk.sandbox.openai.state import Conversation, ModelState, stored_item

Json = dict[str, Any]
LARGEST_PAGE, USUAL_PAGE = 100, 20


class Conversations:
    def __init__(self, state: ModelState, clock: SandboxClock) -> None:
        self._state = state
        self._clock = clock

    def table(self) -> list[tuple[str, str, Callable[[web.Request, Any], Awaitable[Json]]]]:
        one, items = "conversations/{id}", "conversations/{id}/items"
        return [
            ("POST", "conversations", self.create),
            ("GET", one, self.get),
            ("POST", one, self.update),
            ("DELETE", one, self.delete),
            ("POST", items, self.add_items),
            ("GET", items, self.list_items),
            ("GET", items + "/{item}", self.get_item),
            ("DELETE", items + "/{item}", self.delete_item),
        ]

    async def create(self, _: web.Request, body: Body) -> Json:
        self._check_offered()
        metadata = body.get("metadata")
        check_metadata(metadata)
        items = check_new_items(body.get("items") or [])
        conversation = self._state.new_conversation(self._clock.now(), dict(metadata or {}))
        conversation.items += [stored_item(item) for item in items]
        return conversation.as_json()

    async def get(self, request: web.Request, _: Body) -> Json:
        return self._conversation(request).as_json()

    async def update(self, request: web.Request, body: Body) -> Json:
        conversation = self._conversation(request)
        check_metadata(body.get("metadata"))
        conversation.metadata = dict(body.get("metadata") or {})
        return conversation.as_json()

    async def delete(self, request: web.Request, _: Body) -> Json:
        conversation = self._conversation(request)
        del self._state.conversations[conversation.id]
        return {"id": conversation.id, "object": "conversation.deleted", "deleted": True}

    async def add_items(self, request: web.Request, body: Body) -> Json:
        conversation = self._conversation(request)
        added = [stored_item(item) for item in check_new_items(body.get("items"))]
        conversation.items += added
        return _page(added, has_more=False)

    async def list_items(self, request: web.Request, _: Body) -> Json:
        items = list(self._conversation(request).items)
        if request.query.get("order", "desc") != "asc":
            items.reverse()
        after = request.query.get("after")
        if after is not None:
            position = next((i for i, item in enumerate(items) if item["id"] == after), None)
            if position is None:
                raise invalid_value("after", f"no item {after!r}.")
            items = items[position + 1 :]
        limit = _limit(request.query.get("limit", str(USUAL_PAGE)))
        return _page(items[:limit], has_more=len(items) > limit)

    async def get_item(self, request: web.Request, _: Body) -> Json:
        return self._item(request)[1]

    async def delete_item(self, request: web.Request, _: Body) -> Json:
        conversation, item = self._item(request)
        conversation.items.remove(item)
        return conversation.as_json()

    def _item(self, request: web.Request) -> tuple[Conversation, Json]:
        conversation = self._conversation(request)
        wanted = request.match_info["item"]
        for item in conversation.items:
            if item["id"] == wanted:
                return conversation, item
        raise ApiError(f"Item with id '{wanted}' not found in conversation.", status=404)

    def _conversation(self, request: web.Request) -> Conversation:
        self._check_offered()
        return self._state.get_conversation(request.match_info["id"])

    def _check_offered(self) -> None:
        if not self._state.settings.conversations:
            raise ApiError("Invalid URL (/v1/conversations)", status=404)


def _limit(text: str) -> int:
    if not text.isdigit() or not 1 <= int(text) <= LARGEST_PAGE:
        raise invalid_value("limit", f"an integer from 1 to {LARGEST_PAGE}.")
    return int(text)


def _page(items: list[Json], *, has_more: bool) -> Json:
    return {
        "object": "list",
        "data": items,
        "first_id": items[0]["id"] if items else None,
        "last_id": items[-1]["id"] if items else None,
        "has_more": has_more,
    }
