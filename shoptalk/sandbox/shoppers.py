"""Shoppers: they play the customer's side of shipped dialogues, live, and fill in the past.

A live shopper writes a group of messages as a burst, waits for the shop to answer, and goes on
with the next group. It reads nothing of the answer: that the conversation still ends in the
right order is what it is there to show.
"""

import asyncio
import json
from collections import Counter
from collections.abc import Awaitable, Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import StrEnum
from random import Random
from typing import Any

from aiohttp import web

from shoptalk.sandbox.dialogues import Dialogue, all_dialogues, live_dialogues, speaks
from shoptalk.sandbox.world import World

LIVE_LANGUAGES = ("en", "ar")
MOST_AT_ONCE = 10_000
LONGEST_PACE_SECONDS = 3600.0
LOOKS_PER_SECOND = 20
HISTORY_LASTS = timedelta(days=21)
HISTORY_ENDS_BEFORE = timedelta(hours=1)
NAMES: Mapping[str, Sequence[str]] = {
    "ar": ("منى عادل", "أحمد سمير", "هالة يوسف", "عمر شريف", "نهى كامل", "طارق منصور"),
    "zh": ("王芳", "李伟", "张敏", "刘洋"),
    "": ("Ann Baker", "James Cole", "Maria Lopez", "Chloé Martin", "Sam Okafor", "Priya Nair"),
}
#: Who does not answer a customer: himself, and on Chatwoot what he does not see, or is automatic
NO_ANSWERS = frozenset({"customer", "note", "activity", "template"})
Action = Callable[[Any], Any]


class Mood(StrEnum):
    WRITING = "writing"
    WAITING = "waiting"
    DONE = "done"  #: everything was said and answered
    GAVE_UP = "gave_up"  #: no answer came in time
    STOPPED = "stopped"


@dataclass(slots=True, kw_only=True)
class Shopper:
    account_id: str
    customer_id: str
    name: str
    dialogue: Dialogue
    mood: Mood = Mood.WRITING
    groups_answered: int = 0

    async def shop(self, world: World, *, pace: float, patience: float) -> None:
        try:
            for group in self.dialogue.customer_groups():
                self.mood = Mood.WRITING
                last = 0
                for index, text in enumerate(group):
                    if index and pace > 0:
                        await asyncio.sleep(pace)
                    last = self._write(world, text)
                self.mood = Mood.WAITING
                if not await self._is_answered(world, after=last, patience=patience):
                    self.mood = Mood.GAVE_UP
                    return
                self.groups_answered += 1
            self.mood = Mood.DONE
        except (asyncio.CancelledError, LookupError):  # a reset takes the account away
            self.mood = Mood.STOPPED

    def _write(self, world: World, text: str) -> int:
        message = world.add_message(
            self.account_id, self.customer_id, text, customer_name=self.name
        )
        return message.sequence_no

    async def _is_answered(self, world: World, *, after: int, patience: float) -> bool:
        loop = asyncio.get_running_loop()
        gives_up_at = loop.time() + patience
        while loop.time() < gives_up_at:
            thread = world.thread_of(self.account_id, self.customer_id)
            if thread is None:
                return False
            with world.lock:
                if any(
                    message.side not in NO_ANSWERS and message.sequence_no > after
                    for message in reversed(thread.messages)
                ):
                    return True
            await asyncio.sleep(min(1 / LOOKS_PER_SECOND, patience))
        return False

    def as_json(self) -> dict[str, Any]:
        order = self.dialogue.order
        return {
            "account_id": self.account_id,
            "customer_id": self.customer_id,
            "name": self.name,
            "dialogue": self.dialogue.id,
            "language": self.dialogue.language,
            "flow": self.dialogue.flow,
            "state": str(self.mood),
            "groups": len(self.dialogue.customer_groups()),
            "groups_answered": self.groups_answered,
            "expected_order": order and expected_order(order),
        }


def expected_order(order: Mapping[str, Any]) -> dict[str, Any]:
    """A dialogue's label in the words of the catalog that is shipped with it."""
    return {
        "items": [
            {"product_id": item["variant_id"], "quantity": item["quantity"]}
            for item in order["items"]
        ],
        "total": order["total"],
    }


@dataclass(slots=True)
class Crowd:
    """The shoppers that were started and their tasks."""

    world: World
    shoppers: list[Shopper] = field(default_factory=list)
    _tasks: set[asyncio.Task[None]] = field(default_factory=set)
    _loop: asyncio.AbstractEventLoop | None = None

    def start(self, body: Any) -> dict[str, Any]:
        given = _fields(
            body, {"account_id", "count", "seed", "languages", "pace", "patience", "without"}
        )
        account_id = str(given.get("account_id", ""))
        languages = given.get("languages") or LIVE_LANGUAGES
        if isinstance(languages, str) or not all(isinstance(each, str) for each in languages):
            raise ValueError("languages is a list of codes such as en or ar")
        without = given.get("without") or []
        if isinstance(without, str) or not all(isinstance(each, str) for each in without):
            raise ValueError("without is a list of ids of dialogues")
        pools = [_spoken(language, without) for language in languages]
        for language, pool in zip(languages, pools, strict=True):
            if not pool:
                raise ValueError(f"no shopper speaks {language!r}")
        pace = _number(given, "pace", 1.0, LONGEST_PACE_SECONDS)
        patience = _number(given, "patience", 300.0, 24 * LONGEST_PACE_SECONDS)
        count = int(_number(given, "count", 1, MOST_AT_ONCE))
        dice = Random(int(_number(given, "seed", 0, 2**63)))  # noqa: S311 - play, no secrets
        self._loop = asyncio.get_running_loop()
        taken: set[str] = set()
        started = []
        for dialogue in _taking_turns(pools, count, dice):
            shopper = Shopper(
                account_id=account_id,
                customer_id=_new_customer(self.world, account_id, taken, dice),
                name=dialogue.customer_name or _name(dialogue, dice),
                dialogue=dialogue,
            )
            task = self._loop.create_task(shopper.shop(self.world, pace=pace, patience=patience))
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)
            started.append(shopper)
        self.shoppers += started
        return {"started": len(started), "shoppers": [each.as_json() for each in started]}

    def progress(self, _: Any = None) -> dict[str, Any]:
        return {
            "counts": dict(Counter(str(each.mood) for each in self.shoppers)),
            "shoppers": [each.as_json() for each in self.shoppers],
        }

    def stop(self, _: Any = None) -> dict[str, Any]:
        """Send everybody home; `progress` still tells how far they came."""
        stopped = 0
        for task in tuple(self._tasks):
            if self._loop is not None and not self._loop.is_closed() and not task.done():
                self._loop.call_soon_threadsafe(task.cancel)
                stopped += 1
        return {"stopped": stopped}

    def disperse(self) -> None:
        """Stop and forget everybody. A reset calls this, from any thread."""
        self.stop()
        self.shoppers.clear()

    def fill_history(self, body: Any) -> dict[str, Any]:
        given = _fields(body, {"account_id", "count", "seed", "until"})
        until = self.world.clock.now()
        if given.get("until") is not None:
            until = datetime.fromisoformat(str(given["until"]))
        count = int(_number(given, "count", 1, MOST_AT_ONCE))
        seed = int(_number(given, "seed", 0, 2**63))
        written = seed_history(
            self.world, str(given.get("account_id", "")), seed=seed, count=count, until=until
        )
        return {"conversations": count, "messages": written}


def routes(world: World) -> list[web.RouteDef]:
    """Return the routes that start and watch shoppers and fill in history."""
    crowd = Crowd(world)
    world.on_reset.append(crowd.disperse)
    return [
        web.post("/control/shoppers", _handler(crowd.start)),
        web.get("/control/shoppers", _handler(crowd.progress)),
        web.delete("/control/shoppers", _handler(crowd.stop)),
        web.post("/control/history", _handler(crowd.fill_history)),
    ]


def seed_history(world: World, account_id: str, *, seed: int, count: int, until: datetime) -> int:
    """Fill an account with finished conversations of the weeks before `until`.

    Args:
        count: how many conversations, each with a customer of its own.
        until: aware; everything was written at least an hour before it.

    Returns:
        How many messages that was.

    Raises:
        LookupError: there is no such account.
        ValueError: `until` has no time zone.
    """
    if until.tzinfo is None:
        raise ValueError("until needs a time zone, e.g. 2026-10-04T09:15:42+00:00")
    dice = Random(seed)  # noqa: S311 - play, no secrets
    taken: set[str] = set()
    written = 0
    for dialogue in _picked(all_dialogues(), count, dice):
        lasted = timedelta(seconds=max(turn.offset_seconds for turn in dialogue.turns))
        began = until - HISTORY_ENDS_BEFORE - lasted - HISTORY_LASTS * dice.random()
        customer_id = _new_customer(world, account_id, taken, dice)
        name = dialogue.customer_name or _name(dialogue, dice)
        for turn in dialogue.turns:
            world.add_message(
                account_id,
                customer_id,
                turn.text,
                side="customer" if turn.is_customer else "employee",
                at=began + timedelta(seconds=turn.offset_seconds),
                customer_name=name,
            )
            written += 1
    return written


def _spoken(language: str, without: Collection[str]) -> list[Dialogue]:
    """The live dialogues of a language, those of `without` only where there are no others."""
    spoken = [each for each in live_dialogues() if speaks(each, [language])]
    return [each for each in spoken if each.id not in without] or spoken


def _picked(dialogues: Sequence[Dialogue], count: int, dice: Random) -> list[Dialogue]:
    """So many dialogues in a random order; each comes once before any comes again."""
    picked: list[Dialogue] = []
    while len(picked) < count:
        picked += dice.sample(dialogues, min(len(dialogues), count - len(picked)))
    return picked


def _taking_turns(pools: Sequence[Sequence[Dialogue]], count: int, dice: Random) -> list[Dialogue]:
    """So many dialogues, from one pool after the other: languages mix, however many each has."""
    share = -(-count // len(pools))
    columns = [_picked(pool, share, dice) for pool in pools]
    return [dialogue for row in zip(*columns, strict=True) for dialogue in row][:count]


def _new_customer(world: World, account_id: str, taken: set[str], dice: Random) -> str:
    """An id in the platform's style that has no thread here yet."""
    account = world.get_account(account_id)
    while True:
        # The country code 999 belongs to no country.
        phone, scoped = f"999{dice.randrange(10**9):09d}", f"72{dice.randrange(10**14):014d}"
        customer_id = {"whatsapp": phone, "twilio": f"+{phone}"}.get(account.platform, scoped)
        if customer_id not in taken and world.thread_of(account_id, customer_id) is None:
            taken.add(customer_id)
            return customer_id


def _name(dialogue: Dialogue, dice: Random) -> str:
    return dice.choice(NAMES.get(dialogue.language.partition("-")[0], NAMES[""]))


def _handler(action: Action) -> Callable[[web.Request], Awaitable[web.Response]]:
    async def handle(request: web.Request) -> web.Response:
        try:
            return web.json_response(action(json.loads(await request.read() or b"{}")))
        except LookupError as exc:
            return web.json_response({"error": str(exc)}, status=404)
        except (ValueError, TypeError) as exc:
            return web.json_response({"error": str(exc)}, status=400)

    return handle


def _fields(body: Any, known: set[str]) -> Mapping[str, Any]:
    if not isinstance(body, dict):
        raise ValueError("the body is a JSON object")
    if unknown := sorted(body.keys() - known):
        raise ValueError(f"unknown name {unknown[0]!r}; known are {', '.join(sorted(known))}")
    return body


def _number(given: Mapping[str, Any], name: str, default: float, most: float) -> float:
    value = given.get(name, default)
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value <= most:
        raise ValueError(f"{name} is a number from 0 to {most:g}")
    return value
