"""The tools a model is offered, each with what runs it."""

import json
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy.orm import Session

from shoptalk.agents.models.base import Tool
from shoptalk.agents.order_tool import CREATE_ORDER, create_order
from shoptalk.db import handovers
from shoptalk.db.models import Turn

HAND_OVER = Tool(
    name="hand_over",
    description=(
        "Hand the conversation over to a person at the shop, who will answer the customer: when "
        "the customer asks for a person, or for what you cannot answer or do. You will not be "
        "asked again in this conversation until a person has looked."
    ),
    parameters={
        "type": "object",
        "properties": {
            "reason": {
                "type": "string",
                "description": "For the shop: what the customer needs, in one sentence.",
            },
        },
        "required": ["reason"],
        "additionalProperties": False,
    },
)
NO_REASON = "The AI gave no reason."
TOLD = (
    "A person at the shop is told and will answer. Tell the customer so now, once, in the "
    "customer's language; promise no time."
)


def hand_over(
    session: Session,
    turn: Turn,
    arguments: str,
    *,
    now: datetime,  # noqa: ARG001  # all tools are run alike
) -> dict[str, Any]:
    """Note that the turn hands its conversation over, in the caller's transaction.

    A reason that cannot be read is no reason to keep the customer from a person.
    """
    handovers.hand_over(session, turn, _reason(arguments) or NO_REASON)
    return {"ok": True, "next": TOLD}


def _reason(arguments: str) -> str:
    try:
        given = json.loads(arguments)
    except (ValueError, RecursionError):
        return ""
    reason = given.get("reason") if isinstance(given, dict) else None
    plain = re.sub(r"[\x00-\x1f\x7f\ud800-\udfff]+", " ", reason) if isinstance(reason, str) else ""
    return plain.strip()


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    tool: Tool
    #: Called with session, turn, the arguments' JSON text, and `now`; returns what to tell
    run: Callable[..., dict[str, Any]]


TOOLBOX: Mapping[str, Entry] = {
    entry.tool.name: entry
    for entry in (
        Entry(tool=CREATE_ORDER, run=create_order),
        Entry(tool=HAND_OVER, run=hand_over),
    )
}
