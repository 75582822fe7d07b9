"""What a shop stands behind, as the quote guard looks at it."""

from dataclasses import dataclass
from decimal import Decimal


@dataclass(frozen=True)
class Product:
    name: str
    price: Decimal
    currency: str = "USD"
    description: str = ""


@dataclass(frozen=True)
class Order:
    unit_price: Decimal
    total: Decimal
    currency: str = "USD"
