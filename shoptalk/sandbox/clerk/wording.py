"""What the clerk writes, in English and Arabic, and how it reads its own messages back.

The clerk remembers nothing between two requests, and a request may show only the end of a
conversation. So every message about an order states all of it, one line an item and one line a
detail, in a form that `read_back` understands in either language.
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from enum import Enum, auto

from shoptalk.sandbox.clerk.catalog import Catalog, Kind, Product
from shoptalk.sandbox.clerk.reading import NO_DETAILS, Details
from shoptalk.sandbox.clerk.words import words

MOST_LISTED = 8


class Stage(Enum):
    """How far the order had come with our last message."""

    OPEN = auto()
    QUOTED = auto()  #: items and prices were named
    SUMMARISED = auto()  #: everything was repeated and we asked whether to place the order
    PLACED = auto()
    DROPPED = auto()  #: the customer did not want it


@dataclass(frozen=True, slots=True)
class Item:
    quantity: int
    kind: Kind
    wanted: Mapping[int, str]
    product: Product | None  #: None: the customer has to choose


@dataclass(frozen=True, slots=True)
class Order:
    """What is known of the order under discussion."""

    items: tuple[Item, ...] = ()
    details: Details = NO_DETAILS
    stage: Stage = Stage.OPEN

    @property
    def chosen(self) -> bool:
        return bool(self.items) and all(item.product is not None for item in self.items)


@dataclass(frozen=True, slots=True)
class Wording:
    greeting: str
    menu: str
    nothing_yet: str
    quote: str
    choose: str
    which_one: str
    available: str
    out_of_stock: str
    sold_out: str
    only_left: str
    ask_instead: str
    how_many: str
    unknown_goods: str
    catalog_price: str
    total: str
    name: str
    address: str
    phone: str
    ask_details: str
    missing: Mapping[str, str]
    ask_missing: str
    summary: str
    confirm: str
    placed: str
    placed_before: str
    failed: str
    choices: str
    dropped: str
    welcome: str
    hand_over: str
    not_sure: str
    comma: str = ", "


ENGLISH = Wording(
    greeting="Hello! How can I help you today?",
    menu="We have: {names}. Which one are you interested in?",
    nothing_yet="Gladly. What would you like to order?",
    quote="That comes to:",
    choose="I need to know a little more to find the right one:",
    which_one="which one?",
    available="We have:",
    out_of_stock="Sorry, {name} is out of stock. I can offer this instead:",
    sold_out="Sorry, {name} is out of stock.",
    only_left="Sorry, only {stock} of {name} are in stock. I can offer:",
    ask_instead="Would you like that?",
    how_many="How many {name} would you like, please?",
    unknown_goods="Sorry, I did not find that in our catalog.",
    catalog_price="Our prices are the ones in the catalog; I cannot change them.",
    total="Total",
    name="Name",
    address="Address",
    phone="Phone",
    ask_details="To order, could I have your name, address and phone?",
    missing={"name": "your name", "address": "the address", "phone": "a phone number"},
    ask_missing="To order, I still need {missing}.",
    summary="To confirm:",
    confirm="Shall I place the order?",
    placed="Thank you, your order is placed.",
    placed_before="Your order was placed already. Thank you!",
    failed="I could not place the order: {error}",
    choices="Please choose one of: {names}.",
    dropped="No problem, nothing was ordered. Just write if you would like something else.",
    welcome="You are welcome!",
    hand_over="I am not sure about that, so I am passing it on to a colleague who will answer you.",
    not_sure="I am not sure about that. You can ask for a person from the shop.",
)
ARABIC = Wording(
    greeting="أهلا بحضرتك، أقدر أساعدك إزاي؟",
    menu="عندنا: {names}. أي واحد يهمك؟",
    nothing_yet="بكل سرور. تحب تطلب إيه؟",
    quote="الحساب كالتالي:",
    choose="محتاج أعرف تفاصيل أكتر عشان أحدد المطلوب:",
    which_one="أي واحد؟",
    available="المتوفر عندنا:",
    out_of_stock="للأسف {name} غير متوفر حاليا. ممكن أعرض عليك بداله:",
    sold_out="للأسف {name} غير متوفر حاليا.",
    only_left="للأسف المتوفر من {name} هو {stock} فقط. ممكن أعرض عليك:",
    ask_instead="تحب ناخده؟",
    how_many="كام قطعة من {name} لو سمحت؟",
    unknown_goods="للأسف مش لاقي ده في الكتالوج عندنا.",
    catalog_price="أسعارنا هي أسعار الكتالوج ومقدرش أغيرها.",
    total="الإجمالي",
    name="الاسم",
    address="العنوان",
    phone="رقم التليفون",
    ask_details="عشان نكمل الطلب، ممكن الاسم والعنوان ورقم التليفون؟",
    missing={"name": "الاسم", "address": "العنوان", "phone": "رقم التليفون"},
    ask_missing="عشان نكمل الطلب، محتاج كمان: {missing}.",
    summary="للتأكيد:",
    confirm="أأكد الطلب؟",
    placed="تمام، الطلب اتسجل. شكرا لحضرتك.",
    placed_before="الطلب متسجل بالفعل. شكرا لحضرتك!",
    failed="مقدرتش أسجل الطلب: {error}",
    choices="ممكن تختار واحد من: {names}.",
    dropped="ولا يهمك، مفيش حاجة اتطلبت. لو حبيت حاجة تانية ابعتلي.",
    welcome="العفو، تحت أمرك!",
    hand_over="مش متأكد من ده، هحول رسالتك لزميل يرد على حضرتك.",
    not_sure="مش متأكد من ده. ممكن تطلب تكلم حد من المحل.",
    comma="، ",
)
WORDINGS = (ENGLISH, ARABIC)

_RESOLVED = re.compile(r"- (\d+) × (.+): \d+(?:\.\d+)? [A-Z]{3}")
_OPEN = re.compile(
    rf"- (\d+) × (.+): (?:{'|'.join(re.escape(wording.which_one) for wording in WORDINGS)})"
)
_DETAIL = {
    name: re.compile(rf"(?:{'|'.join(getattr(w, name) for w in WORDINGS)}): (.+)")
    for name in ("name", "address", "phone")
}


def money(amount: Decimal, currency: str) -> str:
    return f"{amount:.2f} {currency}"


def items_and_total(items: Sequence[Item], say: Wording) -> list[str]:
    lines = [item_line(item, say) for item in items]
    products = [item.product for item in items if item.product is not None]
    if len(products) == len(items) and len({product.currency for product in products}) == 1:
        total = sum(
            (product.price * item.quantity for product, item in zip(products, items, strict=True)),
            Decimal(0),
        )
        lines.append(f"{say.total}: {money(total, products[0].currency)}")
    return lines


def item_line(item: Item, say: Wording) -> str:
    product = item.product
    if product is None:
        described = ", ".join((item.kind.name, *item.wanted.values()))
        return f"- {item.quantity} × {described}: {say.which_one}"
    total = money(product.price * item.quantity, product.currency)
    return f"- {item.quantity} × {product.name}: {total}"


def choices(item: Item, say: Wording) -> list[str]:
    """What there is to choose from: the products, or what they differ in when there are many."""
    matching = [product for product in item.kind.matching(item.wanted) if product.in_stock]
    if len(matching) <= MOST_LISTED:
        listed = [f"• {p.name} ({money(p.price, p.currency)})" for p in matching]
    else:
        listed = [
            "• " + " / ".join(values)
            for slot in range(len(item.kind.slots))
            if slot not in item.wanted
            and (
                values := list(
                    dict.fromkeys(
                        item.kind.values_of(product)[slot]
                        for product in matching
                        if slot < len(item.kind.values_of(product))
                    )
                )
            )
        ]
    return [say.available, *listed] if listed else []


def detail_lines(details: Details, say: Wording) -> list[str]:
    return [
        f"{getattr(say, name)}: {value}"
        for name in ("name", "address", "phone")
        if (value := getattr(details, name))
    ]


def read_back(text: str, before: Order, catalog: Catalog) -> Order:
    """What the shop's side leaves of the order with messages written one after the other."""
    lines = [stripped for line in text.splitlines() if (stripped := line.strip())]
    newest = lines[_newest_statement(lines) :]
    items = tuple(item for line in newest if (item := _read_item(line, catalog)) is not None)
    details = before.details
    for line in lines:
        for name, pattern in _DETAIL.items():
            if match := pattern.fullmatch(line):
                details = details.updated(Details(**{name: match[1]}))
    if any(line in (w.placed, w.placed_before) for line in lines for w in WORDINGS):
        return Order((), details, Stage.PLACED)
    if any(w.dropped in lines for w in WORDINGS):
        return Order((), details, Stage.DROPPED)
    if items:
        # Only as the last thing said: a colleague's remark after it may be what "ok" answers.
        asked = any(w.confirm == lines[-1] for w in WORDINGS) and details.complete
        return Order(items, details, Stage.SUMMARISED if asked else Stage.QUOTED)
    # A colleague, or an answer about something else, came between: summarise again first.
    stage = Stage.QUOTED if before.items else before.stage
    return Order(before.items, details, stage)


def _newest_statement(lines: Sequence[str]) -> int:
    """Where the last account of the order begins: an earlier one above it is out of date."""
    openings = {getattr(w, name) for w in WORDINGS for name in ("quote", "summary", "choose")}
    return max((place for place, line in enumerate(lines) if line in openings), default=0)


def _read_item(line: str, catalog: Catalog) -> Item | None:
    resolved, still_open = _RESOLVED.fullmatch(line), _OPEN.fullmatch(line)
    match = resolved or still_open
    if match is None:
        return None
    quantity = int(match[1])
    product = catalog.get(match[2]) if resolved else None
    tokens = words(product.head if product else match[2])
    found = catalog.find_kind(tokens, 0)
    if product is not None:
        kind = found[0] if found else catalog.kind((product,))
        return Item(quantity, kind, dict(enumerate(kind.values_of(product))), product)
    if found is None:
        return None
    kind, end = found
    wanted, _ = kind.wanted_in(tokens[end:])
    return Item(quantity, kind, wanted, None)
