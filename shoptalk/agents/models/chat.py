"""Chat Completions: what every OpenAI-compatible server speaks.

Every field of an answer is treated as optional, as such servers leave many out.
"""

import json
from typing import Any

from shoptalk.agents.models.base import ModelReply, Prompt, Tool, ToolCall, legible
from shoptalk.agents.models.endpoint import Endpoint
from shoptalk.agents.models.final_text import without_thoughts
from shoptalk.agents.models.layout import BETWEEN_NEIGHBOURS, Notes, lay_out, strict_schema
from shoptalk.agents.models.openai_errors import understood, unreadable
from shoptalk.agents.models.reading import as_calls, read_text, result_of
from shoptalk.agents.models.request import objects_in, text_in
from shoptalk.errors import ModelRefused

TEXT_PARTS = (None, "text", "output_text")
CUT_OFF = frozenset({"length", "content_filter"})  #: again and again, for the same question


class ChatModel(Endpoint):
    """A model over Chat Completions."""

    def begin(self, prompt: Prompt) -> "ChatCompletionsSession":
        limit = "max_completion_tokens" if self.is_openai else "max_tokens"
        options = {
            "tools": [_tool(tool, is_strict=self.is_openai) for tool in prompt.tools],
            limit: self.most_tokens,
        }
        return ChatCompletionsSession(self, prompt, options)


class ChatCompletionsSession:
    def __init__(self, endpoint: Endpoint, prompt: Prompt, options: dict[str, Any]) -> None:
        self._endpoint = endpoint
        self._prompt = prompt
        self._options = options
        self._notes = Notes.new()
        layout = lay_out(prompt, self._notes)
        self._messages: list[dict[str, Any]] = [
            {"role": "system", "content": layout.system},
            *({"role": role, "content": text} for role, text in layout.messages),
        ]

    def ask(self, *, timeout_seconds: float) -> ModelReply:
        with understood():
            completion = self._create(timeout_seconds)
        choice = _first_choice(completion)
        message = choice["message"]
        if message.get("refusal"):
            raise ModelRefused("the model declined to answer")
        calls = _calls(message, so_far=len(self._messages))
        if choice.get("finish_reason") in CUT_OFF and not calls:
            raise ModelRefused(f"the model's answer was cut off ({choice['finish_reason']})")
        said = _text_of(message.get("content"))
        if calls:
            self._messages.append(_as_sent(without_thoughts(said).strip(), calls))
            return ModelReply(text="", tool_calls=calls)
        text, written = read_text(said, self._prompt.tools)
        self._messages.append(_as_sent(without_thoughts(said).strip(), []))
        return ModelReply(text=text, tool_calls=as_calls(written))

    def tell(self, call: ToolCall, result: str) -> None:
        if call.is_written:
            self._note(result_of(call, result))
        else:
            self._messages.append({"role": "tool", "tool_call_id": call.call_id, "content": result})

    def correct(self, instruction: str) -> None:
        self._note(instruction)

    def _note(self, text: str) -> None:
        last, note = self._messages[-1], self._notes.write(text)
        if last["role"] == "user":  # two in a row are refused
            note = f"{last['content']}{BETWEEN_NEIGHBOURS}{note}"
            self._messages.pop()
        self._messages.append({"role": "user", "content": note})

    def _create(self, timeout_seconds: float) -> Any:
        model = self._prompt.model
        body = {"model": model, "messages": self._messages, **self._options}
        return self._endpoint.ask("/chat/completions", model, body, timeout_seconds=timeout_seconds)


def _tool(tool: Tool, *, is_strict: bool) -> dict[str, Any]:
    function = {"name": tool.name, "description": tool.description}
    if is_strict:
        return {
            "type": "function",
            "function": {**function, "parameters": strict_schema(tool.parameters), "strict": True},
        }
    return {"type": "function", "function": {**function, "parameters": dict(tool.parameters)}}


def _first_choice(completion: Any) -> dict[str, Any]:
    """The first choice, which holds a message.

    Raises:
        ModelError: there is none.
    """
    match completion:
        case {"choices": [{"message": dict()} as choice, *_]} if not choice.get("error"):
            found: dict[str, Any] = choice
            return found
    raise unreadable(completion)


def _calls(message: dict[str, Any], *, so_far: int) -> list[ToolCall]:
    """The tool calls; a server that gives no id, or the same one twice, gets ours."""
    calls: list[ToolCall] = []
    made = objects_in(message, "tool_calls")
    legacy = message.get("function_call")
    if not made and isinstance(legacy, dict):
        made = [{"function": legacy}]
    for number, call in enumerate(made):
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


def _text_of(content: Any) -> str:
    """A message's text; of a list of parts those that are text, and no thoughts."""
    if isinstance(content, str):
        return legible(content)
    parts = objects_in({"parts": content}, "parts")
    return "".join(text_in(part, "text") for part in parts if part.get("type") in TEXT_PARTS)


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
