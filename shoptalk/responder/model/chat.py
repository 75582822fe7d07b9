"""Chat Completions: what every OpenAI-compatible server speaks.

Every field of an answer is treated as optional, as such servers leave many out.
"""

import json
from typing import Any

import openai

from shoptalk.errors import ModelRefused, ModelUnavailable
from shoptalk.responder.model.base import Line, Prompt, Role, Said, Tool, ToolCall, legible
from shoptalk.responder.model.openai_errors import understood


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
        choices: list[Any] = getattr(completion, "choices", None) or []
        if not choices or choices[0].message is None:
            raise ModelUnavailable("the model's answer cannot be read")
        message = choices[0].message
        if getattr(message, "refusal", None):
            raise ModelRefused("the model declined to answer")
        calls = _calls(message, so_far=len(self._messages))
        text = legible(message.content or "")
        if choices[0].finish_reason == "length" and not calls:
            raise ModelUnavailable("the model's answer was cut off")
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
        silent = self._prompt.model in self._without_reasoning
        client: Any = self._client.with_options(timeout=timeout_seconds)
        return client.chat.completions.create(
            model=self._prompt.model,
            messages=self._messages,
            tools=[_tool(tool) for tool in self._prompt.tools],
            reasoning_effort="none" if silent else openai.omit,
        )


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


def _calls(message: Any, *, so_far: int) -> list[ToolCall]:
    """The tool calls; a server that gives no id, or the same one twice, gets ours."""
    calls: list[ToolCall] = []
    for number, call in enumerate(getattr(message, "tool_calls", None) or []):
        call_id = getattr(call, "id", None)
        if not call_id or any(other.call_id == call_id for other in calls):
            call_id = f"call_{so_far}_{number}"
        function = getattr(call, "function", None)
        calls.append(
            ToolCall(
                call_id=call_id,
                name=legible(getattr(function, "name", None) or ""),
                arguments=_text(getattr(function, "arguments", None)),
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
