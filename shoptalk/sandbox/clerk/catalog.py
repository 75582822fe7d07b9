"""The catalog as the prompt states it, and the choice of one product from a description.

A *kind* is what a customer calls things by ("backpack"): all products that share it. Where
names read "Backpack, green, small" the parts after the kind are its *slots*, and what the
customer wants is a value for some of them.
"""

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from decimal import Decimal
from difflib import get_close_matches
from functools import cached_property, lru_cache
from itertools import pairwise

from shoptalk.sandbox.clerk.words import BOUNDARIES, Tokens, words

_LINE = re.compile(
    r"- \[(?P<id>[^\]]+)\] (?P<name>.+?) \| (?P<price>\d+(?:\.\d+)?) (?P<currency>[A-Z]{3})"
    r" \| (?:in stock: (?P<stock>\d+)|(?P<untracked>in stock)|out of stock)(?: \| .*)?"
)
_LONGEST_NAME = 6  # words of a kind that are looked for side by side
_SHORTEST_FUZZY = 5

Wanted = Mapping[int, str]  #: slot number to value, in the order the customer said them


@dataclass(frozen=True, slots=True)
class Product:
    product_id: str
    name: str
    price: Decimal
    currency: str
    stock: int | None  #: None: not tracked

    @property
    def in_stock(self) -> bool:
        return self.stock != 0

    @property
    def head(self) -> str:
        return self.name.partition(",")[0].strip()

    @property
    def parts(self) -> tuple[str, ...]:
        return tuple(part.strip() for part in self.name.split(",")[1:])


@dataclass(frozen=True)
class Kind:
    """Products a customer may mean by one name."""

    name: str
    products: tuple[Product, ...]

    @cached_property
    def slots(self) -> tuple[Mapping[str, frozenset[Tokens]], ...]:
        """For each slot its values, and the ways to say each of them."""
        width = max(len(self.values_of(product)) for product in self.products)
        columns = [
            list(dict.fromkeys(v[i] for v in map(self.values_of, self.products) if i < len(v)))
            for i in range(width)
        ]
        return tuple(_ways_to_say(values) for values in columns)

    def values_of(self, product: Product) -> tuple[str, ...]:
        """What tells the product from its kind: the rest of its head, then its parts."""
        if len(self._heads) == 1:
            return product.parts
        shared = frozenset.intersection(*(frozenset(words(head)) for head in self._heads))
        rest = " ".join(token for token in words(product.head) if token not in shared)
        return (rest, *product.parts)

    @cached_property
    def _heads(self) -> frozenset[str]:
        return frozenset(product.head for product in self.products)

    def wanted_in(self, tokens: Tokens) -> tuple[dict[int, str], set[int]]:
        """The slot values these tokens name, and which tokens were used for it.

        Longer wordings are tried first, so that "not waterproof" is not read as "waterproof".
        A slot named twice keeps what was said last.
        """
        ways = sorted(
            (
                (way, slot, value)
                for slot, values in enumerate(self.slots)
                for value, all_ways in values.items()
                for way in all_ways
            ),
            key=lambda entry: -len(entry[0]),
        )
        used: set[int] = set()
        found: list[tuple[int, int, str]] = []
        for way, slot, value in ways:
            for start in range(len(tokens) - len(way) + 1):
                span = range(start, start + len(way))
                if tokens[start : start + len(way)] == way and used.isdisjoint(span):
                    used.update(span)
                    found.append((start, slot, value))
        wanted: dict[int, str] = {}
        for _, slot, value in sorted(found):
            wanted.pop(slot, None)
            wanted[slot] = value
        return wanted, used

    def matching(self, wanted: Wanted) -> list[Product]:
        return [
            product
            for product in self.products
            if all(
                slot < len(values := self.values_of(product)) and values[slot] == value
                for slot, value in wanted.items()
            )
        ]

    def nearest_in_stock(self, wanted: Wanted) -> Product | None:
        """The product to offer instead. What was said last weighs most, then the lower price."""
        weights = {slot: 2**rank for rank, slot in enumerate(wanted)}

        def closeness(product: Product) -> tuple[int, Decimal]:
            values = self.values_of(product)
            kept = sum(
                weights[slot]
                for slot, value in wanted.items()
                if slot < len(values) and values[slot] == value
            )
            return kept, -product.price

        return max((p for p in self.products if p.in_stock), key=closeness, default=None)

    @cached_property
    def option_words(self) -> frozenset[str]:
        return frozenset(
            token for values in self.slots for value in values for token in words(value)
        )


@dataclass(frozen=True)
class Catalog:
    products: tuple[Product, ...]

    def get(self, name: str) -> Product | None:
        return self._by_name.get(name)

    @cached_property
    def _by_name(self) -> Mapping[str, Product]:
        return {product.name: product for product in self.products}

    @cached_property
    def heads(self) -> Mapping[Tokens, tuple[Product, ...]]:
        heads: dict[Tokens, tuple[Product, ...]] = {}
        for product in self.products:
            tokens = words(product.head)
            heads[tokens] = (*heads.get(tokens, ()), product)
        return heads

    @cached_property
    def head_names(self) -> list[str]:
        return list(dict.fromkeys(product.head for product in self.products))

    @cached_property
    def _by_word(self) -> Mapping[str, tuple[Product, ...]]:
        """Products by a single word of their head, where that word is no option of another."""
        by_word: dict[str, list[Product]] = {}
        for head, products in self.heads.items():
            for word in head:
                if len(word) > 1 and word not in self.option_words:
                    by_word.setdefault(word, []).extend(products)
        return {word: tuple(products) for word, products in by_word.items()}

    @cached_property
    def option_words(self) -> frozenset[str]:
        return frozenset(
            token for product in self.products for part in product.parts for token in words(part)
        )

    def find_kind(self, tokens: Tokens, start: int) -> tuple[Kind, int] | None:
        """The kind named at `start`, and the position after its name."""
        for length in range(min(_LONGEST_NAME, len(tokens) - start), 0, -1):
            products = self.heads.get(tokens[start : start + length])
            if products:
                return self.kind(products), start + length
        products = self._by_word.get(tokens[start]) or self._misspelt(tokens[start])
        return (self.kind(products), start + 1) if products else None

    def _misspelt(self, token: str) -> tuple[Product, ...]:
        if not token.isascii() or not token.isalpha() or len(token) < _SHORTEST_FUZZY:
            return ()
        if token in self.option_words:
            return ()
        close = get_close_matches(token, self._long_words, n=1, cutoff=0.84)
        return self._by_word[close[0]] if close else ()

    @cached_property
    def _long_words(self) -> list[str]:
        return [word for word in self._by_word if len(word) >= _SHORTEST_FUZZY]

    @cached_property
    def _kinds(self) -> dict[tuple[Product, ...], Kind]:
        return {}

    def kind(self, products: tuple[Product, ...]) -> Kind:
        if products not in self._kinds:
            self._kinds[products] = Kind(_shared_name(products), products)
        return self._kinds[products]


@lru_cache(maxsize=16)
def parse_catalog(instructions: str) -> Catalog:
    """Read the lines after the first line "Catalog:"; a line of another form ends them."""
    lines = iter(instructions.splitlines())
    for line in lines:
        if line.strip() == "Catalog:":
            break
    return Catalog(tuple(_products(lines)))


def _products(lines: Iterable[str]) -> Iterable[Product]:
    for line in lines:
        match = _LINE.fullmatch(line.strip())
        if match is None:
            if line.strip():
                return
            continue
        stock = match["stock"]
        yield Product(
            product_id=match["id"],
            name=match["name"],
            price=Decimal(match["price"]),
            currency=match["currency"],
            stock=int(stock) if stock else None if match["untracked"] else 0,
        )


def _shared_name(products: tuple[Product, ...]) -> str:
    heads = list(dict.fromkeys(product.head for product in products))
    if len(heads) == 1:
        return heads[0]
    shared = frozenset.intersection(*(frozenset(words(head)) for head in heads))
    return " ".join(token for token in words(heads[0]) if token in shared)


def _ways_to_say(values: list[str]) -> dict[str, frozenset[Tokens]]:
    """Each value in full, and shorter where that cannot be mistaken for another value.

    A number is never said alone ("20" may be how many), but with its neighbour ("20 hours").
    """
    full = {value: _without_boundaries(words(value)) for value in values}
    frequent = {
        token
        for tokens in full.values()
        for token in tokens
        if sum(token in others for others in full.values()) > 1
    }
    short = {
        value: tuple(token for token in tokens if token not in frequent)
        for value, tokens in full.items()
    }
    ways: dict[str, frozenset[Tokens]] = {}
    for value, tokens in full.items():
        said = {tokens}
        brief = short[value]
        if any(token[0].isdigit() for token in tokens):
            said |= {
                pair for pair in pairwise(tokens) if pair[0][0].isdigit() or pair[1][0].isdigit()
            }
            said |= {pair[::-1] for pair in said if len(pair) == 2 and pair[0] == "size"}
        elif brief and brief != ("not",) and list(short.values()).count(brief) == 1:
            said.add(brief)
        ways[value] = frozenset(way for way in said if way)
    return ways


def _without_boundaries(tokens: Tokens) -> Tokens:
    return tuple(token for token in tokens if token not in BOUNDARIES)
