"""`python -m tests.transcript`: what a model is sent of six conversations, word for word.

Conversations in four languages, of 3, 7 and 15 messages, are answered through the sandbox; printed
is the body of the request for the last turn of each. The instructions are printed once.
"""

# ruff: noqa: T201  # it prints

import json
import tempfile
from pathlib import Path
from typing import Any

import requests

from shoptalk.db import schema
from shoptalk.db.embedded import EmbeddedServer
from shoptalk.db.engine import connect
from tests.loop.shop import KETTLE, Shop, open_shop

ENGLISH = ["Hi", "Do you have kettles?", "How many litres?", "I am Ann, 7 Mill Road", "Is it new?"]
GERMAN = ["Guten Tag", "Haben Sie Wasserkocher?", "Wie viel Liter?", "Ist er leise?", "Danke!"]
ARABIC = ["السلام عليكم", "عندكم غلايات؟", "كم لتر؟", "عنواني شارع النيل ٥", "شكرا"]
JAPANESE = [
    "こんにちは",
    "ケトルはありますか",
    "何リットルですか",
    "住所は東京です",
    "お願いします",
]

#: Of each: who, the language's words, messages, and how many of them are the last burst
TALKS = [
    ("7300000000000011", ENGLISH, 3, 1),
    ("7300000000000012", GERMAN, 7, 1),
    ("7300000000000013", ARABIC, 15, 1),
    ("7300000000000014", JAPANESE, 7, 3),
    ("7300000000000015", ARABIC, 3, 3),
    ("7300000000000016", ENGLISH, 15, 3),
]


def hold(shop: Shop, who: str, words: list[str], length: int, burst: int) -> dict[str, Any]:
    """One conversation; the body of the request for its last turn."""
    said = 0
    while said < length - burst:
        shop.customer_writes(f"{words[said // 2 % len(words)]} ({said + 1})", who=who)
        shop.model_says({"text": f"({said + 2}) Yes."})
        shop.answers()
        said += 2
        shop.wait(minutes=1)
    for number in range(said, length):
        shop.customer_writes(f"{words[number % len(words)]} ({number + 1})", who=who)
        shop.wait(seconds=2)
    shop.model_says({"text": "Yes."})
    shop.answers()
    asked = requests.get(f"{shop.server.url}/control/model", timeout=60).json()["requests"]
    body: dict[str, Any] = asked[-1]["body"]
    return body


def main() -> None:
    with tempfile.TemporaryDirectory(prefix="shoptalk-transcript-") as folder:
        embedded = EmbeddedServer(Path(folder)).enter()
        try:
            database = connect(embedded.url)
            schema.upgrade(database)
            database.close()
            with open_shop(
                embedded.url, Path(folder) / "home", max_replies_per_hour=100, log_level="error"
            ) as shop:
                shop.opens("facebook")
                shop.sells(KETTLE)
                for number, (who, words, length, burst) in enumerate(TALKS, 1):
                    body = hold(shop, who, words, length, burst)
                    print(f"\n{number}. {length} messages, the last {burst} unanswered:")
                    _print(body, with_instructions=number == 1)
        finally:
            embedded.leave()


def _print(body: dict[str, Any], *, with_instructions: bool) -> None:
    first, *rest = body["messages"]
    if with_instructions:
        others = {name: body[name] for name in body if name != "messages"}
        print(json.dumps(others, ensure_ascii=False))
        print(json.dumps(first, ensure_ascii=False))
    for message in rest:
        print(json.dumps(message, ensure_ascii=False))


if __name__ == "__main__":
    main()
