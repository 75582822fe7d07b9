"""What a shop can stand behind: its prices, its orders, their sums, its own descriptions."""

import re
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Protocol

from shoptalk.shop.price_guard.reading import (
    Amount,
    AmountParser,
    Quote,
    find_amounts,
    find_discounts,
)
from shoptalk.shop.price_guard.tokens import Span
from shoptalk.shop.price_guard.words import MARKS

MOST_SUMS = 2000  #: more ways to add up the lines than this prove nothing about a total


class Priced(Protocol):
    """What is sold: a product as the catalog has it."""

    @property
    def name(self) -> str: ...
    @property
    def description(self) -> str: ...
    @property
    def price(self) -> Decimal: ...
    @property
    def currency(self) -> str: ...


class Placed(Protocol):
    """An order that was just made."""

    @property
    def unit_price(self) -> Decimal: ...
    @property
    def total(self) -> Decimal: ...
    @property
    def currency(self) -> str: ...


@dataclass(frozen=True)
class PriceList:
    """What a shop may say of money, worked out once for a catalog and read for each reply."""

    prices: Mapping[Decimal, frozenset[str]]  #: the codes in which a price is asked
    texts: Sequence[tuple[str, str]]  #: name and description of the products

    @classmethod
    def of(cls, products: Iterable[Priced]) -> "PriceList":
        prices: dict[Decimal, frozenset[str]] = {}
        texts = []
        for product in products:
            _put(prices, product.price, product.currency)
            texts.append((product.name, product.description))
        return cls(prices, texts)


def unbacked(text: str, *, price_list: PriceList, orders: Collection[Placed] = ()) -> list[str]:
    """The amounts and discounts, as written, that the shop cannot stand behind.

    Backed is a price of the catalog in its currency, alone or times a whole quantity (1 to 100)
    that the text names; unit price and total of an order just made, and the total of all those
    orders; the sum of neighbouring backed amounts of the same text; and what repeats the name or
    the description of a product that the text names in full.
    """
    reader = AmountParser(text)
    backing = _Backing(reader, price_list, orders)
    amounts = {quote.span: quote.amount for quote in reader.quotes if not backing.covers(quote)}
    doubtful = set(amounts) | set(reader.discounts())
    if doubtful:
        doubtful -= _repeated(reader, price_list, doubtful, amounts)
    return [text[start:end] for start, end in sorted(doubtful)]


class _Backing:
    """What stands behind the amounts of one text."""

    def __init__(
        self, reader: AmountParser, price_list: PriceList, orders: Collection[Placed]
    ) -> None:
        self._reader, self._prices = reader, price_list.prices
        self._ordered: dict[Decimal, frozenset[str]] = {}
        totals: dict[str, Decimal] = {}
        for order in orders:
            _put(self._ordered, order.unit_price, order.currency)
            _put(self._ordered, order.total, order.currency)
            totals[order.currency] = totals.get(order.currency, Decimal(0)) + order.total
        for currency, total in totals.items():
            _put(self._ordered, total, currency)
        self._quantities = reader.quantities(0, len(reader.tokens)) | {Decimal(1)}
        self._alone = {quote.span: self._codes(quote) for quote in reader.quotes}
        self._totals: dict[str, set[Decimal]] = {}

    def covers(self, quote: Quote) -> bool:
        if self._alone[quote.span]:
            return True
        codes = frozenset[str]().union(*self._alone.values())
        if quote.amount.may_be:
            codes &= quote.amount.may_be
        return any(value in self._sums(code) for code in codes for value in quote.values)

    def _codes(self, quote: Quote) -> frozenset[str]:
        found = frozenset[str]().union(*map(self._behind, quote.values))
        return found & quote.amount.may_be if quote.amount.may_be else found

    def _behind(self, value: Decimal) -> frozenset[str]:
        found = self._ordered.get(value, frozenset[str]())
        for quantity in self._quantities:
            price = value / quantity
            if price * quantity == value:
                found |= self._prices.get(price, found)
        return found

    def _sums(self, code: str) -> set[Decimal]:
        """The sums of two or more backed amounts that stand next to each other."""
        if code not in self._totals:
            lines = [self._line(i, code) for i in range(len(self._reader.quotes))]
            lines = [line for line in lines if line]
            self._totals[code] = _sums_of_runs(lines) | _sums_of_runs(
                [
                    line
                    for line, following in zip(lines, [*lines[1:], {}], strict=True)
                    # A unit price and what it comes to are one line.
                    if not any(a * q in following for a in line for q in self._quantities)
                ]
            )
        return self._totals[code]

    def _line(self, index: int, code: str) -> set[Decimal]:
        """What a line comes to: the amount as it stands, or times the quantity beside it."""
        reader, quotes = self._reader, self._reader.quotes
        quote = quotes[index]
        if code not in self._alone[quote.span]:
            return set()
        begin = quotes[index - 1].last + 1 if index else 0
        for place in range(begin, quote.first):
            if reader.tokens[place].kind == "line":
                begin = place
        beside = reader.quantities(begin, quote.first)
        if reader.tokens[quote.last + 1 : quote.last + 2] and reader.tokens[
            quote.last + 1
        ].text in ("x", "×"):
            beside |= reader.quantities(quote.last + 2, quote.last + 3)
        values = {value for value in quote.values if code in self._behind(value)}
        return values | {
            value * quantity for value in values if value in self._prices for quantity in beside
        }


def _sums_of_runs(lines: Sequence[Collection[Decimal]]) -> set[Decimal]:
    sums: set[Decimal] = set()
    for start in range(len(lines)):
        reached = set(lines[start])
        for line in lines[start + 1 :]:
            reached = {total + value for total in reached for value in line}
            sums |= reached
            if len(sums) > MOST_SUMS:
                return sums
    return sums


def _put(prices: dict[Decimal, frozenset[str]], value: Decimal, currency: str) -> None:
    codes = MARKS.get(currency.lower(), (currency.upper(),))
    prices[value] = prices.get(value, frozenset()) | set(codes)


def _repeated(
    reader: AmountParser,
    price_list: PriceList,
    doubtful: Collection[Span],
    amounts: Mapping[Span, Amount],
) -> set[Span]:
    """Those of the doubtful amounts that only repeat what the shop wrote about a product.

    Within a product's name anything is; elsewhere, what the description has too, as long as the
    text names the product in full.
    """
    found: set[Span] = set()
    for name, description in price_list.texts:
        for match in _occurrences(name, reader.text):
            found |= {
                span for span in doubtful if match.start() <= span[0] and span[1] <= match.end()
            }
            said = find_amounts(description)
            promised = set(find_discounts(description))
            for span in doubtful:
                amount = amounts.get(span)
                if amount is None and reader.text[slice(*span)] in promised:
                    found.add(span)
                if amount is not None and any(
                    amount.value == known.value and amount.may_be <= known.may_be for known in said
                ):
                    found.add(span)
    return found


def _occurrences(name: str, text: str) -> Iterator[re.Match[str]]:
    words = name.split()
    if words and words[0].lower() in text.lower():
        yield from re.finditer(r"\s+".join(map(re.escape, words)), text, re.IGNORECASE)
