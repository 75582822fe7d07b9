"""A shop clerk made of rules: what answers when the sandbox plays the model.

No language model and no memory. `answer` is a pure function of one request: the catalog is read
from the instructions, the state of the order from the clerk's own earlier messages. Prices come
from the catalog and totals from the tool; nothing a customer writes can change either. The order
tool is called only when the customer answers a summary of ours with a plain yes.
"""

import json
from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace
from decimal import Decimal, InvalidOperation
from enum import Enum
from typing import Any

from shoptalk.sandbox.clerk.catalog import Catalog, parse_catalog
from shoptalk.sandbox.clerk.reading import Reading, Wish, options_and_quantity, read
from shoptalk.sandbox.clerk.wording import (
    ARABIC,
    ENGLISH,
    Item,
    Order,
    Stage,
    Wording,
    choices,
    detail_lines,
    items_and_total,
    money,
    read_back,
)
from shoptalk.sandbox.clerk.words import in_arabic

ORDER_TOOL = "create_order"
HAND_OVER_TOOL = "hand_over"
CUSTOMER_MESSAGES_FOR_LANGUAGE = 3


class Side(Enum):
    CUSTOMER = "customer"
    SHOP = "shop"


@dataclass(frozen=True, slots=True)
class Said:
    side: Side
    text: str


@dataclass(frozen=True, slots=True)
class Call:
    name: str
    arguments: dict[str, Any]


@dataclass(frozen=True, slots=True)
class Result:
    """A tool call of this turn and what came back."""

    call: Call
    output: str


Answer = str | list[Call]


def answer(
    instructions: str,
    said: Sequence[Said],
    *,
    tools: Collection[str] = (),
    results: Sequence[Result] = (),
    one_call_at_a_time: bool = False,
) -> Answer:
    """Continue the conversation: a text for the customer, or the tool calls to make first.

    Args:
        instructions: the system and developer text, holding the catalog.
        said: the visible conversation, oldest first.
        tools: names of the functions that may be called now.
        results: calls already made since the customer's last message.
        one_call_at_a_time: the request asked for no parallel calls.
    """
    say = _language(said)
    answered = _answer(
        instructions, said, say, tools=tools, results=results, one_call_at_a_time=one_call_at_a_time
    )
    is_told = any(result.call.name == HAND_OVER_TOOL for result in results)
    if isinstance(answered, str) and not is_told:  # nobody at the shop knows of it
        return answered.replace(say.hand_over, say.not_sure)
    return answered


def _answer(
    instructions: str,
    said: Sequence[Said],
    say: Wording,
    *,
    tools: Collection[str],
    results: Sequence[Result],
    one_call_at_a_time: bool,
) -> Answer:
    catalog = parse_catalog(instructions)
    before, turn = _until_last_turn(said, catalog)
    if not turn:
        return say.greeting
    reading = _read(turn, before, catalog)
    order = _updated(before, reading)
    if _is_agreed(before, reading):
        calls = _order_calls(order)
        done = [result for result in results if result.call.name == ORDER_TOOL]
        open_calls = calls[len(done) :]
        if not open_calls:
            return _after_ordering(order, done, say)
        if ORDER_TOOL not in tools:
            return say.hand_over
        if not all(_is_success(result) for result in done):
            return _after_ordering(order, done, say)
        return open_calls[:1] if one_call_at_a_time else open_calls
    text = _next_step(before, order, reading, catalog, say)
    is_told = any(result.call.name == HAND_OVER_TOOL for result in results)
    asks_for_person = "person" in reading.says and say.hand_over in text
    if asks_for_person and HAND_OVER_TOOL in tools and not is_told:
        return [Call(HAND_OVER_TOOL, {"reason": f"The customer wrote: {' '.join(turn)}"})]
    return text


def order_so_far(instructions: str, said: Sequence[Said]) -> Order:
    """What the conversation says of an order and where it goes, the last message included."""
    catalog = parse_catalog(instructions)
    before, turn = _until_last_turn(said, catalog)
    return _updated(before, _read(turn, before, catalog)) if turn else before


def _language(said: Sequence[Said]) -> Wording:
    newest = [one.text for one in reversed(said) if one.side is Side.CUSTOMER]
    for text in newest[:CUSTOMER_MESSAGES_FOR_LANGUAGE]:
        arabic = in_arabic(text)
        if arabic is not None:
            return ARABIC if arabic else ENGLISH
    return ENGLISH


def _until_last_turn(said: Sequence[Said], catalog: Catalog) -> tuple[Order, list[str]]:
    """The order as it stood before the customer's last messages, and those messages."""
    order = Order()
    turn: list[str] = []
    position = 0
    while position < len(said):
        side = said[position].side
        texts = []
        while position < len(said) and said[position].side is side:
            texts.append(said[position].text)
            position += 1
        if side is Side.SHOP:
            order = read_back("\n".join(texts), order, catalog)
            turn = []
        elif position < len(said):
            order = _updated(order, _read(texts, order, catalog))
        else:
            turn = texts
    return order, turn


def _read(texts: Sequence[str], order: Order, catalog: Catalog) -> Reading:
    reading = read(texts, catalog, awaited=order.details.missing if order.items else ())
    if order.items and not reading.wishes and not reading.is_confirmation and reading.loose:
        return options_and_quantity(reading, texts, _in_focus(order).kind)
    return reading


def _in_focus(order: Order) -> Item:
    """The item that words without a name refer to: one still open, else the last."""
    return next((item for item in order.items if item.product is None), order.items[-1])


def _is_agreed(before: Order, reading: Reading) -> bool:
    return before.stage is Stage.SUMMARISED and before.chosen and reading.is_confirmation


def _updated(order: Order, reading: Reading) -> Order:
    """The order after the customer's messages, before any answer of ours."""
    details = order.details.updated(reading.details)
    items = list(order.items)
    if reading.says & {"decline", "refusal"} and not reading.about_goods:
        return Order((), details, Stage.OPEN)
    for wish in reading.wishes:
        if "decline" in reading.says:
            items = [item for item in items if item.kind.name != wish.kind.name]
        else:
            _apply(wish, items)
    if not reading.wishes and reading.quantity is not None:
        _change_quantity(items, reading.quantity, reading.replaces)
    return Order(tuple(items), details, order.stage)


def _apply(wish: Wish, items: list[Item]) -> None:
    meant = set(wish.kind.products)
    same = next((i for i, item in enumerate(items) if meant & set(item.kind.products)), None)
    if same is None:
        if wish.instead and items:
            items.pop()
        items.append(_resolved(_item(wish)))
        return
    item = items[same]
    quantity = item.quantity if wish.quantity is None else wish.quantity
    if meant < set(item.kind.products):
        items[same] = _resolved(Item(quantity, wish.kind, wish.wanted, None))
        return
    # ModelReply later, weighs more: the new values go to the end.
    wanted = {slot: value for slot, value in item.wanted.items() if slot not in wish.wanted}
    changed = bool(wish.wanted.items() - item.wanted.items())
    if changed and item.product is not None and not item.kind.matching({**wanted, **wish.wanted}):
        wanted = {}
    items[same] = _resolved(Item(quantity, item.kind, {**wanted, **wish.wanted}, None))


def _item(wish: Wish) -> Item:
    return Item(1 if wish.quantity is None else wish.quantity, wish.kind, wish.wanted, None)


def _resolved(item: Item) -> Item:
    fitting = [product for product in item.kind.matching(item.wanted) if product.in_stock]
    return replace(item, product=fitting[0] if len(fitting) == 1 else None)


def _change_quantity(items: list[Item], quantity: int, replaces: int | None) -> None:
    fitting = [i for i, item in enumerate(items) if replaces in (None, item.quantity)]
    if len(fitting) == 1:
        items[fitting[0]] = replace(items[fitting[0]], quantity=quantity)
    else:  # which of them is not clear, so all are asked for again
        items[:] = [replace(item, quantity=0) for item in items]


def _next_step(
    before: Order, order: Order, reading: Reading, catalog: Catalog, say: Wording
) -> str:
    says = reading.says
    if says & {"person", "stop"}:
        return say.hand_over
    if says & {"decline", "refusal"} and not reading.about_goods:
        if before.stage is Stage.PLACED:
            return say.hand_over if says & {"cancel_placed"} else say.welcome
        return say.dropped
    if before.items and not order.items:
        return say.dropped
    if order.items and reading.understood:
        return _about_order(order, reading, say)
    if "bargain" in says:
        return f"{say.catalog_price}\n{say.hand_over}" if order.items else say.catalog_price
    if order.items or not reading.understood:
        return say.hand_over
    return _without_order(before, reading, catalog, say)


def _without_order(before: Order, reading: Reading, catalog: Catalog, say: Wording) -> str:
    says = reading.says
    if "thanks" in says or (reading.is_confirmation and before.stage is Stage.PLACED):
        return say.placed_before if reading.is_confirmation else say.welcome
    if says & {"menu", "stock"} and catalog.products:
        return say.menu.format(names=say.comma.join(catalog.head_names))
    if "greeting" in says and not says & {"wish", "price"}:
        return say.greeting
    if reading.is_confirmation:
        return say.nothing_yet
    if says & {"wish", "price"} and catalog.products:
        names = say.comma.join(catalog.head_names)
        return f"{say.unknown_goods}\n{say.menu.format(names=names)}"
    return say.hand_over


def _about_order(order: Order, reading: Reading, say: Wording) -> str:
    opening = [say.catalog_price] if "bargain" in reading.says else []
    for index, item in enumerate(order.items):
        if item.quantity < 1:
            return "\n".join([*opening, say.how_many.format(name=_name(item)), *_open(order, say)])
        fitting = item.kind.matching(item.wanted)
        if item.product is None and not any(product.in_stock for product in fitting):
            return "\n".join([*opening, *_offer(order, index, say)])
        product = item.product
        if product is not None and product.stock is not None and item.quantity > product.stock:
            return "\n".join([*opening, *_less(order, index, say)])
    if not order.chosen:
        open_items = [item for item in order.items if item.product is None]
        listed = [line for item in open_items for line in choices(item, say)]
        return "\n".join([*opening, say.choose, *items_and_total(order.items, say), *listed])
    return "\n".join([*opening, *_quote_or_summary(order, say)])


def _quote_or_summary(order: Order, say: Wording) -> list[str]:
    details = order.details
    lines = [*items_and_total(order.items, say), *detail_lines(details, say)]
    if details.complete:
        return [say.summary, *lines, say.confirm]
    missing = [text for name, text in say.missing.items() if not getattr(details, name)]
    if len(missing) == len(say.missing):
        return [say.quote, *lines, say.ask_details]
    return [say.quote, *lines, say.ask_missing.format(missing=say.comma.join(missing))]


def _name(item: Item) -> str:
    return item.product.name if item.product else ", ".join((item.kind.name, *item.wanted.values()))


def _open(order: Order, say: Wording) -> list[str]:
    """The items as they stand, an impossible quantity shown as one until it is answered."""
    return items_and_total(
        [item if item.quantity > 0 else replace(item, quantity=1) for item in order.items], say
    )


def _offer(order: Order, index: int, say: Wording) -> list[str]:
    item = order.items[index]
    product = item.kind.nearest_in_stock(item.wanted)
    others = [*order.items[:index], *order.items[index + 1 :]]
    if product is None:
        return [say.sold_out.format(name=_name(item)), *items_and_total(others, say)]
    offered = replace(item, product=product, wanted=dict(enumerate(item.kind.values_of(product))))
    items = [*order.items[:index], offered, *order.items[index + 1 :]]
    return [
        say.out_of_stock.format(name=_name(item)),
        *items_and_total(items, say),
        say.ask_instead,
    ]


def _less(order: Order, index: int, say: Wording) -> list[str]:
    item = order.items[index]
    stock = (item.product.stock if item.product else None) or 0
    items = [*order.items[:index], replace(item, quantity=stock), *order.items[index + 1 :]]
    return [
        say.only_left.format(name=_name(item), stock=stock),
        *items_and_total(items, say),
        say.ask_instead,
    ]


def _order_calls(order: Order) -> list[Call]:
    details = order.details
    return [
        Call(
            ORDER_TOOL,
            {
                "product": item.product.product_id,
                "quantity": item.quantity,
                "customer_name": details.name or None,
                "customer_phone": details.phone or None,
                "address": details.address or None,
            },
        )
        for item in order.items
        if item.product is not None
    ]


def _after_ordering(order: Order, results: Sequence[Result], say: Wording) -> str:
    """Tell what became of each item; what was not ordered stays under discussion."""
    outputs = [_parsed(result.output) for result in results]
    placed = [output for output in outputs if output is not None and output.get("ok") is True]
    lines = []
    sums: dict[str, Decimal] = {}
    for output in placed:
        total, currency = _decimal(output.get("total")), str(output.get("currency") or "")
        if total is None:
            return say.hand_over
        sums[currency] = sums.get(currency, Decimal(0)) + total
        name, quantity = output.get("product_name"), output.get("quantity")
        lines.append(f"• {quantity} × {name}: {money(total, currency)}")
    if len(placed) < len(order.items):
        left = [
            item
            for i, item in enumerate(order.items)
            if i >= len(outputs) or outputs[i] not in placed
        ]
        refusals = [output for output in outputs if output is not None and output not in placed]
        if not refusals:
            return say.hand_over
        return "\n".join([*lines, *_refused(refusals[0], say), *items_and_total(left, say)])
    before = all(output.get("already_placed") is True for output in placed)
    totals = [f"{say.total}: {money(amount, currency)}" for currency, amount in sums.items()]
    return "\n".join([say.placed_before if before else say.placed, *lines, *totals])


def _refused(output: dict[str, Any], say: Wording) -> list[str]:
    lines = [say.failed.format(error=str(output.get("error") or "").strip())]
    candidates = output.get("candidates")
    if isinstance(candidates, list) and candidates:
        lines.append(say.choices.format(names=" / ".join(map(str, candidates))))
    return lines


def _is_success(result: Result) -> bool:
    output = _parsed(result.output)
    return output is not None and output.get("ok") is True


def _parsed(output: str) -> dict[str, Any] | None:
    try:
        value = json.loads(output)
    except ValueError:
        return None
    return value if isinstance(value, dict) else None


def _decimal(value: object) -> Decimal | None:
    try:
        amount = Decimal(str(value))
    except InvalidOperation:
        return None
    return amount if amount.is_finite() else None
