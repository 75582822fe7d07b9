"""The shipped dialogues: who said what, and for the authored ones what should be ordered.

Source, licence and changes of each are in `data/README.md`.
"""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from itertools import groupby
from typing import Any


@dataclass(frozen=True, slots=True)
class Turn:
    is_customer: bool
    text: str
    offset_seconds: float


@dataclass(frozen=True, slots=True)
class Dialogue:
    id: str
    source: str
    language: str  #: BCP 47
    turns: Sequence[Turn]
    order: dict[str, Any] | None  #: what the customer should end up with; None: nothing, or unknown
    flow: str  #: what happens in an authored one: single, two, cancel, …; "" in the others

    @property
    def customer_name(self) -> str | None:
        name = (self.order or {}).get("customer_name")
        return str(name) if name else None

    def customer_groups(self) -> list[list[str]]:
        """What the customer writes in one go, between two answers of the shop."""
        return [
            [turn.text for turn in group]
            for is_customer, group in groupby(self.turns, key=lambda turn: turn.is_customer)
            if is_customer
        ]


@cache
def all_dialogues() -> tuple[Dialogue, ...]:
    # Some texts hold U+2028 and the like, so lines end at "\n" and nowhere else.
    lines = _text("dialogues.jsonl").split("\n")
    return tuple(_dialogue(json.loads(line)) for line in lines if line)


@cache
def live_dialogues() -> tuple[Dialogue, ...]:
    """Those that a shopper can play against the clerk and end as labelled; a test proves each."""
    wanted = frozenset(json.loads(_text("live.json"))["dialogues"])
    return tuple(dialogue for dialogue in all_dialogues() if dialogue.id in wanted)


def speaks(dialogue: Dialogue, languages: Sequence[str]) -> bool:
    """Whether the dialogue is in one of the languages; "ar" takes in "ar-EG" and its like."""
    return any(
        dialogue.language == language or dialogue.language.startswith(f"{language}-")
        for language in languages
    )


def _text(name: str) -> str:
    return (files("shoptalk.sandbox") / "data" / name).read_text(encoding="utf-8")


def _dialogue(raw: dict[str, Any]) -> Dialogue:
    return Dialogue(
        id=raw["id"],
        source=raw["source"],
        language=raw["language"],
        turns=tuple(
            Turn(turn["role"] == "customer", turn["text"], turn["offset_seconds"])
            for turn in raw["turns"]
        ),
        order=raw.get("order"),
        flow=(raw.get("labels") or {}).get("flow", ""),
    )
