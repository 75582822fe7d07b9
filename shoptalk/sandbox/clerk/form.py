"""A JSON form filled in from a conversation, for requests that want structured output.

The clerk knows an order and its details; a property named for one of them gets it. Everything
else is left as empty as the schema lets it be: nothing is made up.
"""

from collections.abc import Mapping, Sequence
from typing import Any

from shoptalk.sandbox.clerk.answering import Said, order_so_far

Schema = Mapping[str, Any]
_EMPTY: Mapping[str, Any] = {
    "null": None,
    "string": "",
    "integer": 0,
    "number": 0,
    "boolean": False,
    "array": [],
}
DEEPEST = 10


def filled_form(schema: Schema, instructions: str, said: Sequence[Said]) -> dict[str, Any]:
    order = order_so_far(instructions, said)
    item = order.items[0] if order.items else None
    known = {
        "phone": order.details.phone,
        "address": order.details.address,
        "quantity": item.quantity if item else None,
        "product": item.product.name if item and item.product else None,
        "name": order.details.name,  # last: "product_name" is the product's
    }
    return {
        name: _value(name, part, known) for name, part in (schema.get("properties") or {}).items()
    }


def _value(name: str, schema: Schema, known: Mapping[str, Any], depth: int = 0) -> Any:
    kinds = _kinds(schema)
    for word, fact in known.items():
        if word in name.lower():
            if fact and ("integer" if isinstance(fact, int) else "string") in kinds:
                return fact
            break
    if "null" in kinds:
        return None
    if schema.get("enum"):
        return schema["enum"][0]
    if "object" in kinds and depth < DEEPEST:
        return {
            inner: _value(inner, part, known, depth + 1)
            for inner, part in (schema.get("properties") or {}).items()
        }
    return next((_EMPTY[kind] for kind in kinds if kind in _EMPTY), None)


def _kinds(schema: Schema) -> list[str]:
    kind = schema.get("type")
    kinds = [kind] if isinstance(kind, str) else list(kind or ())
    for option in schema.get("anyOf") or ():
        kinds += _kinds(option)
    return kinds
