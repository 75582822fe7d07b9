"""The quote guard: which amounts of money in a reply the shop cannot stand behind.

Whoever doubts whether a number is a price (`reading`) takes it for one; whoever doubts whether it
is backed (`backing`) says that it is not. Nothing here knows which product a price was said of.
"""

from shoptalk.responder.quotes.backing import Placed, Shelf, unbacked
from shoptalk.responder.quotes.reading import Amount, find_amounts, find_discounts

__all__ = ["Amount", "Placed", "Shelf", "find_amounts", "find_discounts", "unbacked"]
