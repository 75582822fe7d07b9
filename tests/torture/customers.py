"""What the customers write, each by dice of his own, and what there is to buy."""

import random
from collections.abc import Iterator
from decimal import Decimal

from tests.torture.truth import Written

PRODUCTS = 40
MOST_MARKS = 100_000  #: of a customer


class Customer:
    """One who writes bursts. The same seed lets him write the same."""

    def __init__(self, number: int, id_: str, seed: int) -> None:
        self.id = id_  #: as shoptalk knows him
        self.bursts = 0
        self._dice = random.Random(f"{seed}/{number}")
        self._mark = number * MOST_MARKS

    def burst(self, written: Written) -> Iterator[str]:
        """The messages of his next burst, each noted when it is taken."""
        self.bursts += 1
        for _ in range(self._dice.choice((1, 1, 1, 2, 3))):
            self._mark += 1
            yield self._words(self._mark, written)
            written.note(self.id, self._mark)

    def _words(self, mark: int, written: Written) -> str:
        product = f"p{self._dice.randrange(PRODUCTS)}"
        match self._dice.randrange(6):
            case 0 if (self.id, product) in written.orders.values():
                return f"hello #{mark}"
            case 0:
                written.orders[mark] = (self.id, product)
                return f"yes, order {product} x2 #{mark}"
            case 1:
                return f"price of {product} #{mark}"
            case 2:
                return f"lie about {product} #{mark}"
            case _:
                return f"hello #{mark}"


def catalog() -> list[dict[str, object]]:
    return [
        {
            "product_id": f"p{number}",
            "name": f"Product {number}",
            "description": "",
            "price": Decimal(10 + number) + Decimal("0.50"),
            "currency": "USD",
            "stock": None,
            "active": True,
        }
        for number in range(PRODUCTS)
    ]
