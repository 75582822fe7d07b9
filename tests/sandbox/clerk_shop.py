"""A shop run by the clerk, with a tiny order tool, for the tests of the sandbox's model half."""

import json
from collections.abc import Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from importlib.resources import files
from typing import Any

from shoptalk.sandbox.clerk.answering import Call, Result, Said, Side, answer

ORDER_TOOL_PARAMETERS: dict[str, Any] = {
    "type": "object",
    "properties": {
        "product": {"type": "string"},
        "quantity": {"type": "integer"},
        "customer_name": {"type": ["string", "null"]},
        "customer_phone": {"type": ["string", "null"]},
        "address": {"type": ["string", "null"]},
    },
    "required": ["product", "quantity", "customer_name", "customer_phone", "address"],
    "additionalProperties": False,
}
VISIBLE_MESSAGES = 10


def catalog() -> list[dict[str, Any]]:
    source = files("shoptalk.sandbox") / "data" / "catalog.json"
    products: list[dict[str, Any]] = json.loads(
        source.read_text(encoding="utf-8"), parse_float=Decimal
    )["products"]
    return products


def catalog_lines(products: Sequence[dict[str, Any]]) -> str:
    lines = [
        f"- [{p['product_id']}] {p['name']} | {p['price']} {p['currency']} | "
        + (f"in stock: {p['stock']}" if p["stock"] else "out of stock")
        for p in products
    ]
    return "\n".join(["You sell for a shop.", "", "Catalog:", *lines])


PROMPT = catalog_lines(catalog())


@dataclass
class Till:
    """The order tool as the clerk meets it: prices from the catalog, refusals in words."""

    orders: list[dict[str, Any]] = field(default_factory=list)
    refusal: dict[str, Any] | None = None

    def ring_up(self, arguments: dict[str, Any]) -> str:
        if self.refusal is not None:
            return json.dumps(self.refusal)
        product = next(p for p in catalog() if p["product_id"] == arguments["product"])
        total = product["price"] * arguments["quantity"]
        self.orders.append({**arguments, "total": total})
        return json.dumps(
            {
                "ok": True,
                "order_id": len(self.orders),
                "product_name": product["name"],
                "quantity": arguments["quantity"],
                "unit_price": str(product["price"]),
                "currency": "USD",
                "total": str(total),
                "already_placed": False,
            }
        )


@dataclass
class Counter:
    """One customer's conversation with the clerk, of which only the end is visible."""

    till: Till = field(default_factory=Till)
    said: list[Said] = field(default_factory=list)
    prompt: str = PROMPT
    one_call_at_a_time: bool = False

    def say(self, *texts: str) -> str:
        """Let the customer write these; return the answer, tool calls carried out."""
        self.said += [Said(Side.CUSTOMER, text) for text in texts]
        results: list[Result] = []
        while True:
            answered = self.ask(results)
            if isinstance(answered, str):
                self.said.append(Said(Side.SHOP, answered))
                return answered
            results += [Result(call, self.till.ring_up(call.arguments)) for call in answered]

    def ask(self, results: Sequence[Result] = ()) -> str | list[Call]:
        return answer(
            self.prompt,
            self.said[-VISIBLE_MESSAGES:],
            tools=["create_order"],
            results=results,
            one_call_at_a_time=self.one_call_at_a_time,
        )
