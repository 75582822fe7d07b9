"""What the responder needs of a model, and nothing a vendor adds to it.

A *talk* is one turn's exchange: ask, hand in the results of the tools it called, ask again. What
the shop says to the model and what customers wrote travel in separate roles throughout.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, Protocol


class Role(StrEnum):
    CUSTOMER = "customer"
    SHOP = "shop"  #: whatever our side said, the AI or a person


@dataclass(frozen=True, slots=True, kw_only=True)
class Line:
    """One message of the conversation so far."""

    role: Role
    text: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Tool:
    """A function the model may call.

    `parameters` is a plain JSON schema of a flat object: one type for each property, and what is
    not `required` may be left out. Every server reads that.
    """

    name: str
    description: str
    parameters: Mapping[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class Prompt:
    """Everything the model is told. Order matters: what all customers share comes first."""

    model: str
    instructions: str  #: the shop's words, rules and catalog; the same for every customer
    situation: str  #: date, customer's name, orders made: this turn's own
    lines: Sequence[Line]  #: oldest first; the last ones are the turn
    tools: Sequence[Tool]
    prompt_id: str | None = None  #: a dashboard prompt that stands for `instructions`


@dataclass(frozen=True, slots=True, kw_only=True)
class ToolCall:
    call_id: str
    name: str
    arguments: str  #: JSON text as the model wrote it, valid or not
    is_written: bool = False  #: it stood in the model's text


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelReply:
    """One answer: text, tool calls, or both."""

    text: str
    tool_calls: Sequence[ToolCall] = ()


class ModelSession(Protocol):
    def ask(self, *, timeout_seconds: float) -> ModelReply:
        """Let the model speak.

        Raises:
            ModelUnavailable: it could not be reached, or is overloaded.
            ModelRefused: it declined, its answer was cut off, or the request can never succeed.
        """
        ...

    def tell(self, call: ToolCall, result: str) -> None:
        """Hand in a tool's result (JSON text), one for each call before asking again."""
        ...

    def correct(self, instruction: str) -> None:
        """Tell the model, as the shop's own system, what is wrong with what it said."""
        ...


class Model(Protocol):
    def begin(self, prompt: Prompt) -> ModelSession: ...


def legible(text: str) -> str:
    """Text of a model's answer without halves of surrogate pairs, which nobody can pass on."""
    return text.encode(errors="ignore").decode()
