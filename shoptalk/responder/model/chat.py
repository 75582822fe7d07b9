"""Chat Completions: what every OpenAI-compatible server speaks.

Every field of an answer is treated as optional, as such servers leave many out.
"""

import json
from typing import Any

import openai

from shoptalk.errors import ModelRefused, ModelUnavailable
from shoptalk.responder.model.base import Line, Prompt, Role, Said, Tool, ToolCall, legible
from shoptalk.responder.model.openai_errors import understood
from shoptalk.responder.model.request import objects_in, post, text_in

CUT_OFF = frozenset({"length", "content_filter"})  #: again and again, for the same question


class ChatModel:
    def __init__(self, client: openai.OpenAI) -> None:
        self._client = client
        self._without_reasoning: set[str] = set()  # models that take tools only so

    def begin(self, prompt: Prompt) -> "ChatTalk":
        return ChatTalk(self._client, prompt, self._without_reasoning)


class ChatTalk:
    def __init__(self, client: openai.OpenAI, prompt: Prompt, without_reasoning: set[str]) -> None:
        self._client = client
        self._prompt = prompt
        self._without_reasoning = without_reasoning
        self._messages: list[dict[str, Any]] = [
            {"role": "system", "content": prompt.instructions},
            {"role": "system", "content": prompt.situation},
            *(_message(line) for line in prompt.lines),
        ]

    def ask(self, *, timeout_seconds: float) -> Said:
        with understood():
            completion = self._create(timeout_seconds)
        choice = _first_choice(completion)
        message = choice["message"]
        if message.get("refusal"):
            raise ModelRefused("the model declined to answer")
        calls = _calls(message, so_far=len(self._messages))
        text = text_in(message, "content")
        if choice.get("finish_reason") in CUT_OFF and not calls:
            raise ModelRefused(f"the model's answer was cut off ({choice['finish_reason']})")
        self._messages.append(_as_sent(text, calls))
        return Said(text=text, tool_calls=calls)

    def tell(self, call: ToolCall, result: str) -> None:
        self._messages.append({"role": "tool", "tool_call_id": call.call_id, "content": result})

    def correct(self, instruction: str) -> None:
        self._messages.append({"role": "system", "content": instruction})

    def _create(self, timeout_seconds: float) -> Any:
        """One request; models that take tools only without reasoning are asked so from then on."""
        try:
            return self._post(timeout_seconds)
        except openai.BadRequestError as exc:
            known = self._prompt.model in self._without_reasoning
            if exc.param != "reasoning_effort" or known:
                raise
            self._without_reasoning.add(self._prompt.model)
            return self._post(timeout_seconds)

    def _post(self, timeout_seconds: float) -> Any:
        body = {
            "model": self._prompt.model,
            "messages": self._messages,
            "tools": [_tool(tool) for tool in self._prompt.tools],
        }
        if self._prompt.model in self._without_reasoning:
            body["reasoning_effort"] = "none"
        return post(self._client, "/chat/completions", body, timeout_seconds=timeout_seconds)


def _message(line: Line) -> dict[str, Any]:
    role = "user" if line.role == Role.CUSTOMER else "assistant"
    return {"role": role, "content": line.text}


def _tool(tool: Tool) -> dict[str, Any]:
    return {
        "type": "function",
        "function": {
            "name": tool.name,
            "description": tool.description,
            "parameters": dict(tool.parameters),
            "strict": True,
        },
    }


def _first_choice(completion: Any) -> dict[str, Any]:
    """The first choice, which holds a message.

    Raises:
        ModelUnavailable: there is none.
    """
    match completion:
        case {"choices": [{"message": dict()} as choice, *_]}:
            found: dict[str, Any] = choice
            return found
    raise ModelUnavailable("the model's answer cannot be read")


def _calls(message: dict[str, Any], *, so_far: int) -> list[ToolCall]:
    """The tool calls; a server that gives no id, or the same one twice, gets ours."""
    calls: list[ToolCall] = []
    for number, call in enumerate(objects_in(message, "tool_calls")):
        call_id = call.get("id")
        is_known = any(other.call_id == call_id for other in calls)
        if not call_id or not isinstance(call_id, str) or is_known:
            call_id = f"call_{so_far}_{number}"
        function = call.get("function")
        if not isinstance(function, dict):
            function = {}
        calls.append(
            ToolCall(
                call_id=call_id,
                name=text_in(function, "name"),
                arguments=_text(function.get("arguments")),
            )
        )
    return calls


def _text(arguments: Any) -> str:
    """Some servers send the arguments as an object instead of its JSON text."""
    if isinstance(arguments, str):
        return legible(arguments)
    return json.dumps(arguments)


def _as_sent(content: str, calls: list[ToolCall]) -> dict[str, Any]:
    if not calls:
        return {"role": "assistant", "content": content}
    return {
        "role": "assistant",
        "content": content or None,
        "tool_calls": [
            {
                "id": call.call_id,
                "type": "function",
                "function": {"name": call.name, "arguments": call.arguments},
            }
            for call in calls
        ],
    }
