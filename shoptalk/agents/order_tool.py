"""`create_order`: the one thing the model can do. It picks; the money is ours to compute.

The model names a product and a quantity and passes on who ordered. Product, price, currency and
total come from the catalog, whatever else it writes. What it gets wrong comes back as a sentence
it can read and mend.
"""

import difflib
import json
import logging
from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any

from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator
from sqlalchemy.orm import Session

from shoptalk.agents.models.base import Tool
from shoptalk.db.catalog import (
    active_products,
    find_same_purchase,
    lock_conversation,
    take_stock,
)
from shoptalk.db.models import Order, Product, Turn
from shoptalk.db.turn_input import read_dialogues
from shoptalk.shop.confirmation import has_agreed
from shoptalk.shop.price_guard import find_amounts
from shoptalk.types import SenderType

log = logging.getLogger(__name__)

MONEY = {"price", "unit_price", "discount", "total", "currency"}  #: ours to compute
MOST_OF_ONE_PRODUCT = 100  #: more than this in one order is a person's business
SAME_PURCHASE_WITHIN = timedelta(hours=24)
MOST_CANDIDATES = 8
OFFERED_WITHIN = 20  #: messages before the turn, among which an offer of ours counts

CREATE_ORDER = Tool(
    name="create_order",
    description=(
        "Place an order for one product, after the customer has confirmed it. Call it once for "
        "each product. Prices and totals are computed from the catalog and returned."
    ),
    parameters={
        "type": "object",
        "properties": {
            "product": {"type": "string", "description": "The product's id or its exact name."},
            "quantity": {"type": "integer", "description": f"1 to {MOST_OF_ONE_PRODUCT}."},
            "customer_name": {"type": "string"},
            "customer_phone": {"type": "string"},
            "address": {"type": "string", "description": "Where to deliver."},
        },
        "required": ["product", "quantity"],
        "additionalProperties": False,
    },
)


class OrderArguments(BaseModel):
    """What the model may say of an order; anything more is ignored and reported."""

    model_config = ConfigDict(extra="allow")

    product: str = Field(min_length=1, max_length=500)
    quantity: int = Field(ge=1, le=MOST_OF_ONE_PRODUCT)
    customer_name: str | None = Field(None, max_length=500)
    customer_phone: str | None = Field(None, max_length=100)
    address: str | None = Field(None, max_length=2000)

    @field_validator("quantity", mode="before")
    @classmethod
    def _is_not_a_truth(cls, value: Any) -> Any:
        if isinstance(value, bool):
            raise ValueError("must be a number")
        return value

    @field_validator("product", mode="before")
    @classmethod
    def _may_be_a_number(cls, value: Any) -> Any:
        return str(value) if type(value) is int else value

    @field_validator("customer_name", "customer_phone", "address")
    @classmethod
    def _can_be_stored(cls, value: str | None) -> str | None:
        return value.replace("\0", "") if value else None


def create_order(session: Session, turn: Turn, arguments: str, *, now: datetime) -> dict[str, Any]:
    """Make the order and take the stock, in the caller's transaction; return what to tell.

    The same purchase asked for again, by a model that repeats itself or a turn that is run again
    after a crash, returns the order that exists.
    """
    try:
        wish = OrderArguments.model_validate_json(arguments)
    except ValidationError as exc:
        return _refusal(_in_words(exc))
    if wish.model_extra:
        log.warning(
            "the model sent arguments that an order does not take; they are ignored",
            # by our own names only: what else it calls them could be a customer's words
            extra={"turn_id": turn.id, "arguments": sorted(MONEY & wish.model_extra.keys())},
        )
    conversation = lock_conversation(session, turn.conversation_id)
    found = _find_products(active_products(session, turn.workspace_id), wish.product)
    if isinstance(found, dict):
        return found
    before = find_same_purchase(
        session,
        conversation_id=conversation.id,
        turn_id=turn.id,
        product_id=found.product_id,
        quantity=wish.quantity,
        since=now - SAME_PURCHASE_WITHIN,
    )
    if before is not None:
        return _receipt(before, already_placed=True)
    if not _is_agreed(session, turn, found, wish.quantity):
        return _refusal(
            "The customer has not agreed to this yet. Name the product, the quantity and the "
            f"total of {amount(found.price * wish.quantity)} {found.currency}, and ask."
        )
    if not take_stock(session, found, wish.quantity):
        left = "is out of stock" if not found.stock else f"has only {found.stock} left"
        return _refusal(f"{found.name} {left}.")
    order = Order(
        workspace_id=turn.workspace_id,
        conversation_id=conversation.id,
        turn_id=turn.id,
        product_id=found.product_id,
        product_name=found.name,
        quantity=wish.quantity,
        unit_price=found.price,
        currency=found.currency,
        total=found.price * wish.quantity,
        customer_name=wish.customer_name or conversation.customer_name,
        customer_phone=wish.customer_phone or conversation.customer_phone,
        address=wish.address,
        ai_generated=True,
        created_at=now,
    )
    session.add(order)
    session.flush()
    return _receipt(order, already_placed=False)


def _is_agreed(session: Session, turn: Turn, product: Product, quantity: int) -> bool:
    """Whether the customer wants it, in the turn's own words; not whether the model says so."""
    total = product.price * quantity
    dialogue = read_dialogues(session, [turn], most_earlier=OFFERED_WITHIN)[turn.id]
    offered = any(
        product.name.casefold() in message.content.casefold()
        or any(quoted.value == total for quoted in find_amounts(message.content))
        for message in dialogue.earlier
        if message.sender_type != SenderType.CUSTOMER
    )
    return has_agreed([message.content for message in dialogue.messages], offered=offered)


def _find_products(products: Sequence[Product], wanted: str) -> Product | dict[str, Any]:
    """The one product meant, by id or name, or a refusal that helps to name it."""
    for product in products:
        if product.product_id == wanted.strip():
            return product
    name = _plain(wanted)
    exact = [product for product in products if _plain(product.name) == name]
    words = set(name.split())
    partly = [
        product for product in products if words and words <= set(_plain(product.name).split())
    ]
    matches = exact or partly
    if len(matches) == 1:
        return matches[0]
    if matches:
        return _refusal(
            f"{len(matches)} products are called like that: name one by its id.", matches
        )
    near = difflib.get_close_matches(
        name, [_plain(product.name) for product in products], n=MOST_CANDIDATES, cutoff=0.4
    )
    close = [product for product in products if _plain(product.name) in near]
    return _refusal("No product of the catalog is called like that.", close)


def _plain(name: str) -> str:
    return " ".join("".join(c if c.isalnum() else " " for c in name.casefold()).split())


def _refusal(sentence: str, candidates: Sequence[Product] = ()) -> dict[str, Any]:
    answer: dict[str, Any] = {"ok": False, "error": sentence}
    if candidates:
        answer["candidates"] = [
            f"[{product.product_id}] {product.name}" for product in candidates[:MOST_CANDIDATES]
        ]
    return answer


def _in_words(error: ValidationError) -> str:
    problems = (
        f"{'.'.join(str(part) for part in problem['loc']) or 'arguments'}: {problem['msg']}"
        for problem in error.errors(include_input=False, include_url=False)
    )
    return "The order was not placed. " + "; ".join(problems) + "."


def _receipt(order: Order, *, already_placed: bool) -> dict[str, Any]:
    return {
        "ok": True,
        "order_id": order.id,
        "product_name": order.product_name,
        "quantity": order.quantity,
        "unit_price": amount(order.unit_price),
        "currency": order.currency,
        "total": amount(order.total),
        "already_placed": already_placed,
    }


def amount(value: Any) -> str:
    """An amount of money as a shop writes it: two decimals, more where the price has them."""
    plain = f"{value:.4f}".rstrip("0")
    whole, _, decimals = plain.partition(".")
    return f"{whole}.{decimals.ljust(2, '0')}"


def as_json(result: dict[str, Any]) -> str:
    return json.dumps(result, ensure_ascii=False)
