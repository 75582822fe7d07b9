"""The Responses API: OpenAI's own, whose current models take tools nowhere else.

Nothing is kept at OpenAI (`store: false`): the whole context goes with each request, and a
turn that is run again begins from our own tables.
"""

import logging
from collections.abc import Mapping, Sequence
from typing import Any

import openai

from shoptalk.errors import ModelRefused, ModelUnavailable
from shoptalk.responder.model.base import Line, Prompt, Role, Said, Tool, ToolCall, legible
from shoptalk.responder.model.openai_errors import understood
from shoptalk.responder.model.request import objects_in, post, text_in

log = logging.getLogger(__name__)


class ResponsesModel:
    def __init__(self, client: openai.OpenAI) -> None:
        self._client = client

    def begin(self, prompt: Prompt) -> "ResponsesTalk":
        return ResponsesTalk(self._client, prompt)


class ResponsesTalk:
    def __init__(self, client: openai.OpenAI, prompt: Prompt) -> None:
        self._client = client
        self._prompt = prompt
        self._prompt_id = prompt.prompt_id
        self._talk: list[Any] = [_item(line) for line in prompt.lines]

    def ask(self, *, timeout_seconds: float) -> Said:
        with understood():
            response = self._create(timeout_seconds)
        if not isinstance(response, dict) or not isinstance(response.get("output"), list):
            raise ModelUnavailable("the model's answer cannot be read")
        status = response.get("status")
        if status == "incomplete":  # as it would be again, for the same question
            raise ModelRefused(f"the model's answer was cut off ({_reason(response)})")
        if status not in {"completed", None}:
            raise ModelUnavailable(f"the model's answer ended as {status}")
        output = objects_in(response, "output")
        self._talk += [_again(item) for item in output]
        return _said(output)

    def tell(self, call: ToolCall, result: str) -> None:
        self._talk.append(
            {"type": "function_call_output", "call_id": call.call_id, "output": result}
        )

    def correct(self, instruction: str) -> None:
        self._talk.append({"role": "developer", "content": instruction})

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
        body |= {
            "input": [
                {"role": "developer", "content": self._prompt.instructions},
                {"role": "developer", "content": self._prompt.situation},
                *self._talk,
            ],
            "tools": [_tool(tool) for tool in self._prompt.tools],
            "store": False,
        }
        if self._reasons():
            body["include"] = ["reasoning.encrypted_content"]
        return post(self._client, "/responses", body, timeout_seconds=timeout_seconds)

    def _reasons(self) -> bool:
        """Reasoning must be handed back between two requests; unkept, it travels encrypted."""
        return self._prompt.model.startswith(("gpt-5", "gpt-6", "o3", "o4"))


def _reason(response: Mapping[str, Any]) -> str:
    details = response.get("incomplete_details")
    return text_in(details, "reason") if isinstance(details, dict) else ""


def _is_about_prompt(error: openai.APIStatusError) -> bool:
    return (error.param or "").startswith("prompt") or "prompt" in str(error.code or "")


def _item(line: Line) -> dict[str, Any]:
    role = "user" if line.role == Role.CUSTOMER else "assistant"
    return {"role": role, "content": line.text}


def _tool(tool: Tool) -> dict[str, Any]:
    return {
        "type": "function",
        "name": tool.name,
        "description": tool.description,
        "parameters": dict(tool.parameters),
        "strict": True,
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


def _said(output: Sequence[Mapping[str, Any]]) -> Said:
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
                text.append(text_in(part, "text"))
    return Said(text="".join(text), tool_calls=calls)
