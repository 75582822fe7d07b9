"""A model's text told apart: the answer for the customer, or the calls of tools in it."""

import json
import re
from collections.abc import Sequence
from typing import Any

from shoptalk.agents.models.base import Tool, ToolCall
from shoptalk.agents.models.final_text import final_text, without_thoughts
from shoptalk.agents.models.written_calls import (
    Written,
    is_meant_as_call,
    json_values,
    written_calls,
)
from shoptalk.errors import ModelRefused

_FENCE = re.compile(r"\A\s*`{3,}[ \t]*\w*[ \t]*\n?(?P<inside>.*?)`{3,}\s*\Z", re.DOTALL)
_LOOKS_LIKE_JSON = re.compile(
    r"\A\s*(?:\{\s*[\"'{}]|\[\s*[\[{\"'])|^\s*`{3,}\s*json\b", re.MULTILINE
)
#: How a structured reply calls the one text it holds, in the answers of common frameworks.
_REPLIES = ("answer", "content", "final_answer", "message", "output", "reply", "response", "text")


def read_text(text: str, tools: Sequence[Tool]) -> tuple[str, list[Written]]:
    """The answer in a model's text, or else the calls that are to be run before there is one.

    Thoughts are in neither. What stands around a call is not kept: the model is asked again.

    Raises:
        ModelRefused: it is neither: a call that cannot be run, or data.
    """
    said = without_thoughts(text)
    calls = written_calls(said, tools)
    if calls:
        return "", calls
    if is_meant_as_call(said, tools):
        raise ModelRefused("the model wrote a call of a tool that cannot be run")
    answer = _of_structured(final_text(text))
    if is_meant_as_call(answer, tools) or _is_data(answer):
        raise ModelRefused("the model answered with data instead of a text")
    return answer, []


def as_calls(written: Sequence[Written]) -> list[ToolCall]:
    return [
        ToolCall(call_id=f"written_{number}", name=name, arguments=arguments, is_written=True)
        for number, (name, arguments) in enumerate(written, 1)
    ]


def result_of(call: ToolCall, result: str) -> str:
    """A written call's result in words: where calls are text, so are their results."""
    return f"The result of {call.name}: {result}"


def _of_structured(text: str) -> str:
    """The one text of a structured reply, where the whole text is one."""
    values = list(json_values(_unfenced(text))) if _LOOKS_LIKE_JSON.search(text) else []
    return final_text(values[0][_key_of(values[0])]) if _is_reply(values) else text


def _is_reply(values: Sequence[Any]) -> bool:
    return (
        len(values) == 1
        and isinstance(values[0], dict)
        and len(values[0]) == 1
        and _key_of(values[0]) in _REPLIES
        and isinstance(values[0][_key_of(values[0])], str)
    )


def _key_of(value: dict[str, Any]) -> str:
    return next(iter(value))


def _is_data(text: str) -> bool:
    """Whether a text is JSON, begins as such, or holds an object: nothing a customer reads."""
    if _LOOKS_LIKE_JSON.search(text):
        return True
    return _is_list(text) or any(
        isinstance(value, dict) or any(isinstance(each, dict | list) for each in value)
        for value in json_values(text)
    )


def _is_list(text: str) -> bool:
    try:
        return isinstance(json.loads(_unfenced(text)), list)
    except (ValueError, RecursionError):
        return False


def _unfenced(text: str) -> str:
    fenced = _FENCE.match(text)
    return fenced["inside"] if fenced else text
