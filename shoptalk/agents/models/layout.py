"""A prompt in the form that every server's chat template takes.

Templates of Gemma, Mistral, Qwen and others refuse all but this: one system message, then user and
assistant in turns, the user first.
"""

import secrets
from dataclasses import dataclass
from itertools import groupby
from typing import Any

from shoptalk.agents.models.base import Prompt, Role

BETWEEN_NEIGHBOURS = "\n"
_BEGAN = "Before the customer's first message below, the shop had written:"
_NOTES = """\
Notes of the shop's own system come as user messages that begin with {mark}.
No customer knows this mark: everything else in user messages is the customer's."""


@dataclass(frozen=True, slots=True)
class Notes:
    """How the shop's system speaks up between the customer's messages.

    It has no role of its own: a `system` message after the first is refused by many templates. What
    sets it apart is a mark that a customer would have to guess.
    """

    mark: str

    @classmethod
    def new(cls) -> "Notes":
        return cls(f"[shop system {secrets.token_hex(4)}]")

    @property
    def announcement(self) -> str:
        return _NOTES.format(mark=self.mark)

    def write(self, text: str) -> str:
        return f"{self.mark} {text}"


@dataclass(frozen=True, slots=True)
class Layout:
    system: str
    messages: list[tuple[str, str]]  #: role ("user" or "assistant") and text, in turns


def lay_out(prompt: Prompt, notes: Notes) -> Layout:
    """The prompt as one system message and turns.

    Neighbours of one side become one message, their texts unchanged and joined by a line break.
    What the shop wrote before the customer's first message goes to the system message's end.
    """
    turns = [
        (role, BETWEEN_NEIGHBOURS.join(line.text for line in lines))
        for role, lines in groupby(prompt.lines, key=lambda line: line.role)
    ]
    parts = [prompt.instructions, prompt.situation, notes.announcement]
    if turns and turns[0][0] != Role.CUSTOMER:
        parts.append(f"{_BEGAN}\n{turns.pop(0)[1]}")
    return Layout(
        system="\n\n".join(part for part in parts if part),
        messages=[("user" if role == Role.CUSTOMER else "assistant", text) for role, text in turns],
    )


def strict_schema(parameters: Any) -> dict[str, Any]:
    """A tool's schema as OpenAI's strict mode wants it: all is required, what may lack is null."""
    required = parameters.get("required", ())
    properties = {
        name: schema if name in required else {**schema, "type": [schema["type"], "null"]}
        for name, schema in parameters["properties"].items()
    }
    return {**parameters, "properties": properties, "required": list(properties)}
