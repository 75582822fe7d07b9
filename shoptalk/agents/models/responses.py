"""The Responses API: OpenAI's own, whose current models take tools nowhere else.

Nothing is kept at OpenAI (`store: false`): the whole context goes with each request, and a
turn that is run again begins from our own tables.
"""

import logging
from collections.abc import Mapping, Sequence
from typing import Any

import openai

from shoptalk.agents.models.base import ModelReply, Prompt, Tool, ToolCall, legible
from shoptalk.agents.models.endpoint import Endpoint
from shoptalk.agents.models.layout import BETWEEN_NEIGHBOURS, Notes, lay_out, strict_schema
from shoptalk.agents.models.openai_errors import ended_as, understood, unreadable
from shoptalk.agents.models.reading import as_calls, read_text, result_of
from shoptalk.agents.models.request import objects_in, text_in
from shoptalk.errors import ModelRefused

TEXT_PARTS = (None, "output_text", "text")

log = logging.getLogger(__name__)


class ResponsesModel(Endpoint):
    """A model over Responses."""

    def begin(self, prompt: Prompt) -> "ResponsesSession":
        options = {
            "tools": [_tool(tool, is_strict=self.is_openai) for tool in prompt.tools],
            "max_output_tokens": self.most_tokens,
            "store": False,
        }
        return ResponsesSession(self, prompt, options)


class ResponsesSession:
    def __init__(self, endpoint: Endpoint, prompt: Prompt, options: dict[str, Any]) -> None:
        self._endpoint = endpoint
        self._prompt = prompt
        self._options = options
        self._prompt_id = prompt.prompt_id
        self._notes = Notes.new()
        layout = lay_out(prompt, self._notes)
        self._talk: list[Any] = [
            _item("system", layout.system),
            *(_item(role, text) for role, text in layout.messages),
        ]

    def ask(self, *, timeout_seconds: float) -> ModelReply:
        with understood():
            response = self._create(timeout_seconds)
        if not isinstance(response, dict) or not isinstance(response.get("output"), list):
            raise unreadable(response)
        status = response.get("status")
        if status == "incomplete":  # as it would be again, for the same question
            raise ModelRefused(f"the model's answer was cut off ({_reason(response)})")
        if status not in {"completed", None}:
            raise ended_as(status, response)
        output = objects_in(response, "output")
        self._talk += [_again(item) for item in output]
        said = _said(output)
        if said.tool_calls:
            return said
        text, written = read_text(said.text, self._prompt.tools)
        return ModelReply(text=text, tool_calls=as_calls(written))

    def tell(self, call: ToolCall, result: str) -> None:
        if call.is_written:
            self.correct(result_of(call, result))
            return
        self._talk.append(
            {"type": "function_call_output", "call_id": call.call_id, "output": result}
        )

    def correct(self, instruction: str) -> None:
        note = self._notes.write(instruction)
        last = self._talk[-1]
        if last.get("role") == "user":  # two in a row are refused by some templates
            note = f"{last['content'][0]['text']}{BETWEEN_NEIGHBOURS}{note}"
            self._talk.pop()
        self._talk.append(_item("user", note))

    def _create(self, timeout_seconds: float) -> Any:
        """One request; a dashboard prompt that is gone is replaced by our own instructions."""
        try:
            return self._post(timeout_seconds)
        except (openai.BadRequestError, openai.NotFoundError) as exc:
            if self._prompt_id is None or not _is_about_prompt(exc):
                raise
            log.warning(
                "the dashboard prompt is refused; the agent's own instructions are used",
                extra={"prompt_id": self._prompt_id},
            )
            self._prompt_id = None
            return self._post(timeout_seconds)

    def _post(self, timeout_seconds: float) -> Any:
        body: dict[str, Any] = (
            {"prompt": {"id": self._prompt_id}}
            if self._prompt_id is not None
            else {"model": self._prompt.model}
        )
        body |= {"input": self._talk, **self._options}
        if self._reasons():
            body["include"] = ["reasoning.encrypted_content"]
        return self._endpoint.ask(
            "/responses", self._prompt.model, body, timeout_seconds=timeout_seconds
        )

    def _reasons(self) -> bool:
        """Reasoning must be handed back between two requests; unkept, it travels encrypted."""
        return self._prompt.model.startswith(("gpt-5", "gpt-6", "o3", "o4"))


def _reason(response: Mapping[str, Any]) -> str:
    details = response.get("incomplete_details")
    return text_in(details, "reason") if isinstance(details, dict) else ""


def _is_about_prompt(error: openai.APIStatusError) -> bool:
    return (error.param or "").startswith("prompt") or "prompt" in str(error.code or "")


def _item(role: str, text: str) -> dict[str, Any]:
    """A message in the long form, which servers other than OpenAI's insist on."""
    kind = "output_text" if role == "assistant" else "input_text"
    return {"type": "message", "role": role, "content": [{"type": kind, "text": text}]}


def _tool(tool: Tool, *, is_strict: bool) -> dict[str, Any]:
    # Left out, OpenAI's own API would make the schema strict by itself.
    return {
        "type": "function",
        "name": tool.name,
        "description": tool.description,
        "parameters": strict_schema(tool.parameters) if is_strict else dict(tool.parameters),
        "strict": is_strict,
    }


def _again(value: Any) -> Any:
    """What the model said, fit to be handed back to it."""
    match value:
        case str():
            return legible(value)
        case Mapping():
            return {key: _again(each) for key, each in value.items() if each is not None}
        case list():
            return [_again(each) for each in value]
    return value


def _said(output: Sequence[Mapping[str, Any]]) -> ModelReply:
    text: list[str] = []
    calls: list[ToolCall] = []
    for item in output:
        if item.get("type") == "function_call":
            calls.append(
                ToolCall(
                    call_id=item.get("call_id") or "",
                    name=text_in(item, "name"),
                    arguments=text_in(item, "arguments"),
                )
            )
        elif item.get("type") == "message" and item.get("phase") != "commentary":
            for part in objects_in(item, "content"):
                if part.get("type") == "refusal":
                    raise ModelRefused("the model declined to answer")
                if part.get("type") in TEXT_PARTS:
                    text.append(text_in(part, "text"))
    return ModelReply(text="".join(text), tool_calls=calls)
