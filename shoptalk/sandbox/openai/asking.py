"""One request in the model's own terms, whichever API it came through, and the reply to it."""

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any
from uuid import uuid4

from shoptalk.sandbox.clerk.answering import Call, Result, Said, Side, answer
from shoptalk.sandbox.clerk.form import filled_form
from shoptalk.sandbox.openai.parrot import squawk
from shoptalk.sandbox.openai.rules import Body, chosen_names
from shoptalk.sandbox.openai.script import Step

CHARACTERS_PER_TOKEN = 4
#: How the shop's own system marks what it says in the customer's role; announced beforehand.
NOTE = re.compile(r"\[shop system [0-9a-f]+\]")


@dataclass(frozen=True, slots=True)
class ToolCall:
    call_id: str
    name: str
    arguments: str  #: JSON text, or what a test put in its place


@dataclass(frozen=True, slots=True)
class Reply:
    text: str | None = None
    calls: Sequence[ToolCall] = ()
    refusal: str | None = None
    incomplete: str | None = None
    failed: str | None = None

    @property
    def tokens(self) -> int:
        written = [self.text or "", self.refusal or ""]
        written += [call.name + call.arguments for call in self.calls]
        return tokens_of("".join(written))


@dataclass(slots=True)
class Asking:
    instructions: list[str] = field(default_factory=list)
    said: list[Said] = field(default_factory=list)
    results: list[Result] = field(default_factory=list)  #: since the customer's last message
    tools: list[str] = field(default_factory=list)
    one_call_at_a_time: bool = False
    form: Mapping[str, Any] | None = None  #: the schema of the wanted JSON; {}: any JSON
    _calls: dict[str, Call] = field(default_factory=dict)

    def hear(self, role: str, content: object) -> None:
        text = text_of(content)
        mark = NOTE.match(text)
        if role == "user" and mark and any(mark[0] in each for each in self.instructions):
            role = "system"
        if role in ("system", "developer"):
            self.instructions.append(text)
            if self.said and self.said[-1].side is Side.SHOP:
                self.said.pop()  # told off for it: it was never sent
        elif role == "user":
            self.said.append(Said(Side.CUSTOMER, text))
            self.results.clear()
        elif role == "assistant" and text:
            self.said.append(Said(Side.SHOP, text))

    def called(self, call_id: str, name: str, arguments: str) -> None:
        try:
            parsed = json.loads(arguments)
        except ValueError:
            parsed = {}
        self._calls[call_id] = Call(name, parsed if isinstance(parsed, dict) else {})

    def returned(self, call_id: str, output: object) -> None:
        call = self._calls.get(call_id)
        if call is not None:
            self.results.append(Result(call, text_of(output)))

    def clerk_reply(self) -> Reply:
        if self.form is not None:
            filled = filled_form(self.form, "\n".join(self.instructions), self.said)
            return Reply(text=json.dumps(filled, ensure_ascii=False))
        said = list(self.said)
        if self.results:  # what the model remarked beside its calls is no answer yet
            while said and said[-1].side is Side.SHOP:
                said.pop()
        answered = answer(
            "\n".join(self.instructions),
            said,
            tools=self.tools,
            results=self.results,
            one_call_at_a_time=self.one_call_at_a_time,
        )
        return _as_reply(answered)

    def parrot_reply(self) -> Reply:
        return _as_reply(squawk(self.instructions, self.said, self.results))


def _as_reply(answered: str | Sequence[Call]) -> Reply:
    if isinstance(answered, str):
        return Reply(text=answered)
    return Reply(
        calls=[
            ToolCall(new_id("call"), call.name, json.dumps(call.arguments, ensure_ascii=False))
            for call in answered
        ]
    )


def asking_chat(body: Body) -> Asking:
    asking = Asking(one_call_at_a_time=body.get("parallel_tool_calls") is False)
    names = [tool["function"]["name"] for tool in body.get("tools") or ()]
    asking.tools = _allowed(body.get("tool_choice"), names, nested=True)
    wanted = body.get("response_format") or {}
    if wanted.get("type", "text") != "text":
        asking.form = (wanted.get("json_schema") or {}).get("schema") or {}
    for message in body["messages"]:
        role = message["role"]
        if role == "tool":
            asking.returned(message["tool_call_id"], message.get("content"))
            continue
        asking.hear(role, message.get("content"))
        for call in message.get("tool_calls") or ():
            asking.called(call["id"], call["function"]["name"], call["function"]["arguments"])
    return asking


def asking_responses(body: Body, items: Sequence[Mapping[str, Any]]) -> Asking:
    """Read a Responses request; `items` are the earlier items and the new input."""
    asking = Asking(one_call_at_a_time=body.get("parallel_tool_calls") is False)
    names = [tool["name"] for tool in body.get("tools") or ()]
    asking.tools = _allowed(body.get("tool_choice"), names, nested=False)
    wanted = (body.get("text") or {}).get("format") or {}
    if wanted.get("type", "text") != "text":
        asking.form = wanted.get("schema") or {}
    if body.get("instructions"):
        asking.hear("system", body["instructions"])
    for item in items:
        match item.get("type", "message"):
            case "message":
                asking.hear(item["role"], item.get("content"))
            case "function_call":
                asking.called(item["call_id"], item["name"], item["arguments"])
            case "function_call_output":
                asking.returned(item["call_id"], item.get("output"))
    return asking


def _allowed(choice: object, names: list[str], *, nested: bool) -> list[str]:
    if choice == "none":
        return []
    return chosen_names(choice, nested=nested) if isinstance(choice, dict) else names


def scripted_reply(step: Step) -> Reply:
    calls = [
        ToolCall(
            call.get("id") or new_id("call"),
            call["name"],
            arguments
            if isinstance(arguments := call.get("arguments", {}), str)
            # NaN is no JSON, but models do write it.
            else json.dumps(arguments, ensure_ascii=False),
        )
        for call in step.tool_calls
    ]
    return Reply(step.text, calls, step.refusal, step.incomplete, step.failed)


def cut(reply: Reply, most_tokens: object) -> Reply:
    """The reply as far as the token limit of the request lets it come."""
    if not isinstance(most_tokens, int) or reply.tokens <= most_tokens or reply.failed:
        return reply
    text = (reply.text or "")[: most_tokens * CHARACTERS_PER_TOKEN]
    return Reply(text=text, incomplete="max_output_tokens")


def text_of(content: object) -> str:
    if isinstance(content, str):
        return content
    if not isinstance(content, list):
        return ""
    return "\n".join(
        str(part.get("text") or part.get("refusal") or "")
        for part in content
        if isinstance(part, dict)
    )


def tokens_of(text: str) -> int:
    return -(-len(text) // CHARACTERS_PER_TOKEN)


def new_id(prefix: str) -> str:
    return f"{prefix}_{uuid4().hex[:24]}"
