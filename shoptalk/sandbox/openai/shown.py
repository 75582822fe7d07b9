"""What the model was shown of a conversation, request by request, for tests that compare.

A request that follows in the same talk, after a tool's result or a correction, shows the
conversation and then what the model itself said of it: only the conversation is kept.
"""

from collections import deque
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from shoptalk.sandbox.clerk.answering import Said, Side
from shoptalk.sandbox.openai.asking import NOTE, text_of

KEPT = 2000  #: requests

_SIDES = {"user": Side.CUSTOMER, "assistant": Side.SHOP}
#: What the shop wrote before the customer's first message stands after this in the system message.
_BEGAN = "Before the customer's first message below, the shop had written:\n"
_INSTRUCTING = frozenset({"system", "developer"})
#: How the fixed question begins by which shoptalk finds out whether the model answers at all.
_CHECK = "This is a check that the model can be asked."


@dataclass(frozen=True, slots=True)
class Shown:
    """One request, as far as it shows a conversation."""

    number: int  #: from 1
    at: datetime
    written: int  #: messages that the sandbox's platforms had by then
    lines: tuple[Said, ...]  #: oldest first

    def as_json(self) -> dict[str, Any]:
        return {
            "number": self.number,
            "at": self.at.isoformat(),
            "written": self.written,
            "lines": [{"side": line.side.value, "text": line.text} for line in self.lines],
        }


class ShownLog:
    """The latest requests."""

    def __init__(self) -> None:
        self._kept: deque[Shown] = deque(maxlen=KEPT)
        self._count = 0

    def note(self, items: Iterable[Mapping[str, Any]], *, at: datetime, written: int) -> None:
        items = list(items)
        if items and text_of(items[0].get("content")).startswith(_CHECK):
            return  # it shows no conversation
        self._count += 1
        self._kept.append(Shown(self._count, at, written, conversation_in(items)))

    def after(self, number: int) -> list[Shown]:
        """What was noted after a number; what is not kept any more is missing."""
        return [shown for shown in list(self._kept) if shown.number > number]

    def clear(self) -> None:
        self._kept.clear()
        self._count = 0


def conversation_in(items: Iterable[Mapping[str, Any]]) -> tuple[Said, ...]:
    """The lines of both sides in the messages of either API, up to where a talk went on.

    The model's own words beside a call, and those that it was told off for, are no line.
    """
    lines: list[Said] = []
    instructions = ""
    for item in items:
        note = NOTE.match(text_of(item.get("content")))
        if item.get("role") == "user" and note and note[0] in instructions:
            while lines and lines[-1].side is Side.SHOP:
                lines.pop()
            break
        role, kind = item.get("role"), item.get("type", "message")
        goes_on = kind != "message" or role == "tool" or bool(item.get("tool_calls"))
        if goes_on or (role in _INSTRUCTING and lines):
            while lines and lines[-1].side is Side.SHOP:
                lines.pop()
            break
        if role in _INSTRUCTING:
            instructions += text_of(item.get("content"))
            _, began, by_shop = instructions.partition(_BEGAN)
            if began and not lines:
                lines.append(Said(Side.SHOP, by_shop))
        side = _SIDES.get(str(role))
        if side is not None:
            lines.append(Said(side, text_of(item.get("content"))))
    return tuple(lines)
