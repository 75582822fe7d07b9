"""What the model's server remembers: conversations, responses, its settings, what was asked."""

from collections import deque
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, fields
from datetime import datetime, timedelta
from typing import Any

from shoptalk.sandbox.openai.asking import new_id
from shoptalk.sandbox.openai.cache import PromptCache
from shoptalk.sandbox.openai.errors import ApiError
from shoptalk.sandbox.openai.models import TOOLS_NEED_NO_REASONING
from shoptalk.sandbox.openai.script import Script
from shoptalk.sandbox.openai.shown import ShownLog

KEY_PREFIX = "sandbox"  # by default any such key will do, so that runs can be told apart
KEPT_REQUESTS = 2000
MINUTE = timedelta(minutes=1)


@dataclass(slots=True)
class Settings:
    key: str | None = None  #: the only good key; None: every one that begins with "sandbox"
    #: Pattern of models whose Chat Completions take tools only without reasoning; "": none
    no_reasoning_families: str = TOOLS_NEED_NO_REASONING
    requests_per_minute: int | None = None  #: None: no limit, but the headers are sent
    tokens_per_minute: int | None = None
    context_tokens: int = 128_000
    conversations: bool = True  #: False: as most compatible servers, 404
    responses: bool = True
    prompts: dict[str, str] = field(default_factory=dict)  #: instructions by prompt id

    def accepts(self, key: str) -> bool:
        return key == self.key if self.key is not None else key.startswith(KEY_PREFIX)

    def change(self, wanted: Mapping[str, Any]) -> None:
        known = {each.name for each in fields(self)}
        unknown = wanted.keys() - known
        if unknown:
            raise ValueError(
                f"there is no setting {sorted(unknown)[0]!r}; known are {', '.join(sorted(known))}"
            )
        for name, value in wanted.items():
            setattr(self, name, value)


@dataclass(slots=True)
class Conversation:
    id: str
    created_at: int
    metadata: dict[str, str]
    items: list[dict[str, Any]] = field(default_factory=list)
    is_locked: bool = False

    def as_json(self) -> dict[str, Any]:
        return {
            "id": self.id,
            "object": "conversation",
            "created_at": self.created_at,
            "metadata": self.metadata,
        }


@dataclass(frozen=True, slots=True)
class StoredResponse:
    body: dict[str, Any]
    items: list[dict[str, Any]]  #: everything up to and including its output


@dataclass(frozen=True, slots=True)
class Received:
    at: datetime
    path: str
    body: Any
    status: int

    def as_json(self) -> dict[str, Any]:
        return {**asdict(self), "at": self.at.isoformat()}


class ModelState:
    def __init__(self) -> None:
        self.settings = Settings()
        self.script = Script()
        self.cache = PromptCache()
        self.conversations: dict[str, Conversation] = {}
        self.responses: dict[str, StoredResponse] = {}
        self.received: deque[Received] = deque(maxlen=KEPT_REQUESTS)
        self.shown = ShownLog()
        self._spent: deque[tuple[datetime, int]] = deque()

    def reset(self) -> None:
        self.settings = Settings()
        self.script.clear()
        self.cache.clear()
        self.conversations.clear()
        self.responses.clear()
        self.received.clear()
        self.shown.clear()
        self._spent.clear()

    def get_conversation(self, conversation_id: object) -> Conversation:
        found = self.conversations.get(str(conversation_id))
        if found is None:
            raise ApiError(f"Conversation with id '{conversation_id}' not found.", status=404)
        return found

    def get_response(self, response_id: str, *, param: str | None = None) -> StoredResponse:
        found = self.responses.get(response_id)
        if found is None:
            raise ApiError(
                f"Previous response with id '{response_id}' not found."
                if param
                else f"Response with id '{response_id}' not found.",
                status=400 if param else 404,
                param=param,
                code="previous_response_not_found" if param else None,
            )
        return found

    def spend(self, now: datetime, tokens: int) -> dict[str, str]:
        """Count a request against the limits; return the rate headers.

        Raises:
            ApiError: 429. Refused requests count too, as with the vendor.
        """
        while self._spent and self._spent[0][0] <= now - MINUTE:
            self._spent.popleft()
        self._spent.append((now, tokens))
        oldest = self._spent[0][0]
        wait_seconds = max(1, round((oldest + MINUTE - now).total_seconds()))
        most_requests = self.settings.requests_per_minute or 10_000
        most_tokens = self.settings.tokens_per_minute or 2_000_000
        left_requests = most_requests - len(self._spent)
        left_tokens = most_tokens - sum(spent for _, spent in self._spent)
        headers = {
            "x-ratelimit-limit-requests": str(most_requests),
            "x-ratelimit-limit-tokens": str(most_tokens),
            "x-ratelimit-remaining-requests": str(max(0, left_requests)),
            "x-ratelimit-remaining-tokens": str(max(0, left_tokens)),
            "x-ratelimit-reset-requests": f"{wait_seconds}s",
            "x-ratelimit-reset-tokens": f"{wait_seconds}s",
        }
        over_requests = self.settings.requests_per_minute is not None and left_requests < 0
        over_tokens = self.settings.tokens_per_minute is not None and left_tokens < 0
        if over_requests or over_tokens:
            raise ApiError(
                f"Rate limit reached for {'requests' if over_requests else 'tokens'} per minute. "
                f"Please try again in {wait_seconds}s.",
                status=429,
                type_="requests" if over_requests else "tokens",
                code="rate_limit_exceeded",
                headers={**headers, "Retry-After": str(wait_seconds)},
            )
        return headers

    def new_conversation(self, now: datetime, metadata: dict[str, str]) -> Conversation:
        conversation = Conversation(new_id("conv"), int(now.timestamp()), metadata)
        self.conversations[conversation.id] = conversation
        return conversation


def stored_item(item: Mapping[str, Any]) -> dict[str, Any]:
    """An item as conversations and responses keep it: with an id, content in parts."""
    kind = item.get("type", "message")
    prefix = {"message": "msg", "function_call": "fc", "function_call_output": "fco"}
    kept = {**item, "type": kind, "id": item.get("id") or new_id(prefix.get(kind, "item"))}
    if kind != "reasoning":
        kept.setdefault("status", "completed")
    if kind == "message" and isinstance(item.get("content"), str):
        is_ours = item.get("role") == "assistant"
        part: dict[str, Any] = {
            "type": "output_text" if is_ours else "input_text",
            "text": item["content"],
        }
        if is_ours:
            part["annotations"] = []
        kept["content"] = [part]
    return kept
