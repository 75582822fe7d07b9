"""What a server refused of the form of a request, and how it is asked from then on.

Servers agree on the messages and on hardly any option. A refusal that names an option costs one
more request, once: it is remembered for the model, as long as the process lives.
"""

import re
from collections.abc import Callable, Mapping
from typing import Any

import openai

Body = dict[str, Any]

MOST_TOKENS = 8192  #: of one answer with its reasoning, where nothing else is set


def _without(name: str) -> Callable[[Body], Body]:
    return lambda body: {key: value for key, value in body.items() if key != name}


def _renamed(old: str, new: str) -> Callable[[Body], Body]:
    return lambda body: {new if key == old else key: value for key, value in body.items()}


def _not_strict(body: Body) -> Body:
    """The tools without `strict`. Their schemas stay: each is a plain schema as well."""
    return {**body, "tools": [_drop_strict(tool) for tool in body.get("tools", ())]}


def _drop_strict(tool: Mapping[str, Any]) -> dict[str, Any]:
    return {
        key: _drop_strict(value) if key == "function" else value
        for key, value in tool.items()
        if key != "strict"
    }


def _is_strict(body: Body) -> bool:
    return any(
        "strict" in tool or "strict" in tool.get("function", {}) for tool in body.get("tools", ())
    )


def _system_in_first_message(body: Body) -> Body:
    system, *rest = body["messages"]
    if not rest or rest[0]["role"] != "user":
        return body
    first = {**rest[0], "content": f"{system['content']}\n\n{rest[0]['content']}"}
    return {**body, "messages": [first, *rest[1:]]}


def _has(name: str) -> Callable[[Body], bool]:
    return lambda body: name in body


#: What is named in a refusal, whether it is there to be changed, and the request without it.
#: The first that applies counts.
_CHANGES: Mapping[str, tuple[str, Callable[[Body], bool], Callable[[Body], Body]]] = {
    "effort": (
        r"\breasoning_effort\b",  # some models take tools only without reasoning
        lambda body: "reasoning_effort" not in body and "messages" in body,
        lambda body: {**body, "reasoning_effort": "none"},
    ),
    "strict": (r"\bstrict\b|\bnull\b|additionalProperties", _is_strict, _not_strict),
    "completion limit": (
        r"\bmax_completion_tokens\b",
        _has("max_completion_tokens"),
        _renamed("max_completion_tokens", "max_tokens"),
    ),
    "limit": (
        r"\bmax_tokens\b",
        _has("max_tokens"),
        _renamed("max_tokens", "max_completion_tokens"),
    ),
    "output limit": (
        r"\bmax_output_tokens\b",
        _has("max_output_tokens"),
        _without("max_output_tokens"),
    ),
    "system": (
        r"\bsystem (?:role|message)|\brole:? [\"']?system|does not support system",
        lambda body: body.get("messages", [{}])[0].get("role") == "system",
        _system_in_first_message,
    ),
    **{name: (rf"\b{name}\b", _has(name), _without(name)) for name in ("include", "store")},
}
NO_LIMIT = "no limit"  #: both names for it are refused, or it is more than a small model can hold
_EITHER_LIMIT = frozenset({"limit", "completion limit"})
_TOO_LONG = re.compile(r"context.{0,10}(?:length|window|size)|context_length_exceeded", re.I)
_LIMITS = ("max_completion_tokens", "max_tokens", "max_output_tokens")


class Refusals:
    def __init__(self) -> None:
        self._of_model: dict[str, list[str]] = {}

    def fit(self, model: str, body: Body) -> Body:
        """The request in the form that the server takes, as far as it is known."""
        for name in self._of_model.get(model, ()):
            if name == NO_LIMIT:
                body = {key: value for key, value in body.items() if key not in _LIMITS}
            elif _CHANGES[name][1](body):
                body = _CHANGES[name][2](body)
        return body

    def learn(self, model: str, body: Body, error: openai.APIStatusError) -> bool:
        """Remember what was refused of `body`. False: nothing that can be done without."""
        known = self._of_model.setdefault(model, [])
        found = self._refused(known, body, error)
        if found is not None:
            known.append(found)
        return found is not None

    def _refused(self, known: list[str], body: Body, error: openai.APIStatusError) -> str | None:
        said = f"{error.message} {error.body}"
        for words in (str(error.param or ""), said):
            for name, (pattern, applies, _) in _CHANGES.items():
                if not re.search(pattern, words, re.I) or not applies(body):
                    continue
                if name in _EITHER_LIMIT and not _EITHER_LIMIT & set(known):
                    return name
                if name in _EITHER_LIMIT:
                    return NO_LIMIT
                if name not in known:
                    return name
        has_limit = any(name in body for name in _LIMITS)
        return NO_LIMIT if has_limit and _TOO_LONG.search(said) else None


def ask(refusals: Refusals, model: str, body: Body, post: Callable[[Body], Any]) -> Any:
    """Post a request, again without what is refused of it, until it is taken or fails."""
    while True:
        fitted = refusals.fit(model, body)
        try:
            return post(fitted)
        except (openai.BadRequestError, openai.UnprocessableEntityError) as exc:
            if not refusals.learn(model, fitted, exc):
                raise
