"""The prompt cache: how much of a request was seen at the beginning of a recent one.

What is kept is the rendered request: model, tools, format and effort, then the messages, since
a change in any of them makes all that follows new.
"""

import json
from collections import deque
from collections.abc import Mapping, Sequence
from typing import Any

from shoptalk.sandbox.openai.asking import CHARACTERS_PER_TOKEN

SHORTEST_PREFIX_TOKENS = 1024
KEPT_PER_PREFIX = 16
KEPT_PREFIXES = 256

_HEAD = (
    "model",
    "tools",
    "parallel_tool_calls",
    "response_format",
    "text",
    "reasoning_effort",
    "reasoning",
    "verbosity",
    "instructions",
)


class PromptCache:
    def __init__(self) -> None:
        # Prompts that share less than the shortest prefix can never help each other.
        self._recent: dict[str, deque[str]] = {}

    def clear(self) -> None:
        self._recent.clear()

    def cached_tokens(self, prompt: str) -> int:
        """Return how many tokens of this prompt are cached, and keep it for the next."""
        least = SHORTEST_PREFIX_TOKENS * CHARACTERS_PER_TOKEN
        if len(prompt) < least:
            return 0
        start = prompt[:least]
        recent = self._recent.pop(start, None) or deque(maxlen=KEPT_PER_PREFIX)
        longest = max((_common(prompt, other) for other in recent), default=0)
        if prompt not in recent:
            recent.append(prompt)
        self._recent[start] = recent  # now the youngest
        while len(self._recent) > KEPT_PREFIXES:
            del self._recent[next(iter(self._recent))]
        return longest // CHARACTERS_PER_TOKEN


def rendered(body: Mapping[str, Any], messages: Sequence[Mapping[str, Any]]) -> str:
    parts = [json.dumps({name: body.get(name)}, ensure_ascii=False) for name in _HEAD]
    parts += [
        json.dumps({k: v for k, v in message.items() if k != "id"}, ensure_ascii=False)
        for message in messages
    ]
    return "\n".join(parts)


def _common(one: str, other: str) -> int:
    """The length of the common prefix, by halving: comparing slices is fast, characters slow."""
    low, high = 0, min(len(one), len(other))
    while low < high:
        middle = (low + high + 1) // 2
        if one[low:middle] == other[low:middle]:
            low = middle
        else:
            high = middle - 1
    return low
