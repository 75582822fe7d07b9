"""The quote guard: which amounts of money in a reply the shop cannot stand behind.

Whoever doubts whether a number is a price (`reading`) takes it for one; whoever doubts whether it
is backed (`backing`) says that it is not. Nothing here knows which product a price was said of.
"""

from shoptalk.shop.price_guard.backing import Placed, PriceList, unbacked
from shoptalk.shop.price_guard.reading import Amount, find_amounts, find_discounts

__all__ = ["Amount", "Placed", "PriceList", "find_amounts", "find_discounts", "unbacked"]
