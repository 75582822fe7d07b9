"""The parrot: a model for counting with, where the clerk is one for talking with.

It answers each customer's run of messages by naming the marks in them (`#17`), so that whoever
reads what the shop sent can tell which messages each reply answers. `order PRODUCT x2 #17` makes
it call `create_order`; `price of PRODUCT #18` quotes the catalog, and `lie about PRODUCT #19` a
price of its own invention until it is told to mend its words.
"""

import json
import re
from collections.abc import Sequence

from shoptalk.sandbox.clerk.answering import Call, Result, Said, Side

LIE = "1.23"
MARK = re.compile(r"#\w+")
ORDER = re.compile(r"order (\S+) x(\d+)")
PRICE = re.compile(r"(price of|lie about) (\S+)")
CATALOG_LINE = re.compile(r"^- \[(\S+)\] [^|]*\| ([\d.]+ \w+) \|", re.MULTILINE)


def squawk(
    instructions: Sequence[str], said: Sequence[Said], results: Sequence[Result]
) -> str | list[Call]:
    """The reply to what was said since our side last spoke, or the calls that it needs first."""
    heard = _since_we_spoke(said)
    wishes = [match for line in heard for match in ORDER.finditer(line)]
    if wishes and not results:
        return [
            Call("create_order", _arguments(match.group(1), int(match.group(2))))
            for match in wishes
        ]
    marks = [mark for line in heard for mark in MARK.findall(line)]
    words = [f"About {' '.join(marks) or 'that'}:"]
    words += [_outcome(result) for result in results]
    prices = dict(CATALOG_LINE.findall("\n".join(instructions)))
    mended = len(instructions) > 2  # the rules, the situation, and a correction
    for line in heard:
        for asked, product in PRICE.findall(line):
            lies = asked == "lie about" and not mended
            words.append(f"that is {LIE} USD." if lies else f"that is {prices.get(product)}.")
    return " ".join([*words, "Anything else?"])


def _since_we_spoke(said: Sequence[Said]) -> list[str]:
    """What the customer wrote after our last words; the words beside a tool call are none."""
    heard: list[str] = []
    for line in said:
        if line.side is Side.SHOP:
            heard = []
        else:
            heard.append(line.text)
    return heard


def _arguments(product: str, quantity: int) -> dict[str, object]:
    return {
        "product": product,
        "quantity": quantity,
        "customer_name": "Pat",
        "customer_phone": None,
        "address": None,
    }


def _outcome(result: Result) -> str:
    try:
        told = json.loads(result.output)
    except ValueError:
        return "that went wrong."
    if not told.get("ok"):
        return "that cannot be ordered."
    return (
        f"ordered {told['quantity']} × {told['product_name']}, {told['total']} {told['currency']}."
    )
