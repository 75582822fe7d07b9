"""Shoppers against the clerk in real threads, and the history that they fill in."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
import requests

from shoptalk.sandbox.client import SandboxControl
from shoptalk.sandbox.dialogues import live_dialogues, speaks
from shoptalk.sandbox.server import SandboxServer
from shoptalk.sandbox.shoppers import seed_history
from shoptalk.sandbox.world import World
from tests.sandbox.clerk_shop import Counter

PAGE, PHONE_ID = "550011", "880022"
NINE = datetime(2026, 3, 1, 9, 0, tzinfo=UTC)


class Shop:
    """Answers every thread that ends with a customer, as the AI would."""

    def __init__(self, world: World, account_id: str) -> None:
        self.world = world
        self.account = world.get_account(account_id)
        self.counters: dict[str, Counter] = {}

    def answer_all(self) -> None:
        with self.world.lock:
            threads = list(self.account.threads.by_customer.values())
        for thread in threads:
            with self.world.lock:
                messages = list(thread.messages)
            counter = self.counters.setdefault(thread.customer_id, Counter())
            new = [m.text for m in messages if m.side == "customer"][self._heard(counter) :]
            if new:
                reply = counter.say(*new)
                self.world.add_message(
                    self.account.account_id, thread.customer_id, reply, side="api"
                )

    @staticmethod
    def _heard(counter: Counter) -> int:
        return sum(said.side.value == "customer" for said in counter.said)


@pytest.fixture
def server() -> Iterator[SandboxServer]:
    with SandboxServer() as server:
        server.world.add_account("facebook", PAGE, "Corner Shop", "page-token")
        server.world.add_account("whatsapp", PHONE_ID, "Corner Shop", "phone-token")
        yield server


def control(
    server: SandboxServer, method: str, path: str, body: Any = None, *, status: int = 200
) -> Any:
    response = requests.request(method, f"{server.url}/control/{path}", json=body)
    assert response.status_code == status, response.text
    return response.json()


def start(server: SandboxServer, **body: Any) -> list[dict[str, Any]]:
    given = {"account_id": PAGE, "pace": 0, "patience": 20, **body}
    shoppers: list[dict[str, Any]] = control(server, "POST", "shoppers", given)["shoppers"]
    return shoppers


def test_shoppers_get_what_they_came_for(server: SandboxServer) -> None:
    started = start(server, count=12, seed=3)
    assert len({shopper["customer_id"] for shopper in started}) == 12
    languages = [shopper["language"].partition("-")[0] for shopper in started]
    assert languages.count("en") == languages.count("ar") == 6
    shop = Shop(server.world, PAGE)
    while set(control(server, "GET", "shoppers")["counts"]) & {"writing", "waiting"}:
        shop.answer_all()
    progress = control(server, "GET", "shoppers")
    assert progress["counts"] == {"done": 12}
    for shopper in progress["shoppers"]:
        orders = shop.counters[shopper["customer_id"]].till.orders
        placed = [{"product_id": o["product"], "quantity": o["quantity"]} for o in orders]
        expected = shopper["expected_order"]
        assert placed == (expected["items"] if expected else [])


def test_a_shopper_on_chatwoot_waits_for_what_it_sees(server: SandboxServer) -> None:
    server.world.add_account("chatwoot", "1", "Corner Shop", "cw-token")
    with SandboxControl(server.url) as control:
        (shopper,) = control.start_shoppers("1", 1, seed=1, pace=0, patience=1)
        for side in ("note", "activity", "template"):
            control.add_message("1", shopper["customer_id"], "for the colleagues", side=side)
        while control.shoppers()["counts"] == {"waiting": 1}:
            continue
        [shopper] = control.shoppers()["shoppers"]
    assert (shopper["state"], shopper["groups_answered"]) == ("gave_up", 0)


def test_a_past_is_filled_in_from_another_process(server: SandboxServer) -> None:
    until = datetime.now(UTC) - timedelta(days=2)
    with SandboxControl(server.url) as control:
        assert control.fill_history(PHONE_ID, 3, seed=1, until=until) > 3
        threads = control.threads(PHONE_ID)
    assert len(threads) == 3
    written = [datetime.fromisoformat(m["created_at"]) for t in threads for m in t["messages"]]
    assert max(written) < until


def test_the_same_seed_brings_the_same_shoppers(server: SandboxServer) -> None:
    first = start(server, count=5, seed=1, account_id=PHONE_ID, languages=["ar"])
    assert control(server, "DELETE", "shoppers")["stopped"] == 5
    second = start(server, count=5, seed=1, account_id=PHONE_ID, languages=["ar"])
    assert [s["dialogue"] for s in first] == [s["dialogue"] for s in second]
    assert all(shopper["language"].startswith("ar") for shopper in first)
    assert all(shopper["customer_id"].isdigit() for shopper in first)
    both = {shopper["customer_id"] for shopper in first + second}
    assert len(both) == 10, "a thread that exists is nobody else's"


def test_shoppers_leave_out_the_dialogues_of_others_while_there_are_more(
    server: SandboxServer,
) -> None:
    first = start(server, count=3, seed=1, languages=["en"])
    played = [shopper["dialogue"] for shopper in first]
    others = start(server, count=3, seed=1, languages=["en"], without=played)
    assert not {shopper["dialogue"] for shopper in others} & set(played)
    every = [each.id for each in live_dialogues()]
    assert len(start(server, count=2, seed=1, languages=["en"], without=every)) == 2


def test_a_group_is_a_burst_and_waits_for_its_answer(server: SandboxServer) -> None:
    (shopper,) = start(server, count=1, seed=1, languages=["ar-EG"])
    (dialogue,) = [each for each in live_dialogues() if each.id == shopper["dialogue"]]
    groups = dialogue.customer_groups()
    said: list[str] = []
    for index, group in enumerate(groups):
        said += group
        while len(texts_of(server, shopper)) < len(said):
            control(server, "GET", "shoppers")
        assert texts_of(server, shopper) == said
        server.world.add_message(PAGE, shopper["customer_id"], f"answer {index}", side="employee")
    while control(server, "GET", "shoppers")["counts"] != {"done": 1}:
        continue


def texts_of(server: SandboxServer, shopper: dict[str, Any]) -> list[str]:
    thread = server.world.thread_of(PAGE, shopper["customer_id"])
    with server.world.lock:
        return [m.text for m in thread.messages if m.side == "customer"] if thread else []


def test_a_shopper_who_gets_no_answer_gives_up(server: SandboxServer) -> None:
    start(server, count=2, patience=0.01)
    while control(server, "GET", "shoppers")["counts"] != {"gave_up": 2}:
        continue


def test_a_reset_sends_everybody_home(server: SandboxServer) -> None:
    start(server, count=2)
    server.world.reset()
    assert control(server, "GET", "shoppers") == {"counts": {}, "shoppers": []}


@pytest.mark.parametrize(
    ("body", "status"),
    [
        ({"account_id": "nobody", "count": 1}, 404),
        ({"account_id": PAGE, "count": -1}, 400),
        ({"account_id": PAGE, "count": "x"}, 400),
        ({"account_id": PAGE, "languages": ["xx"]}, 400),
        ({"account_id": PAGE, "languages": "en"}, 400),
        ({"account_id": PAGE, "speed": 1}, 400),
        ([], 400),
    ],
)
def test_a_bad_request_is_said_to_be_one(server: SandboxServer, body: Any, status: int) -> None:
    assert control(server, "POST", "shoppers", body, status=status)["error"]


def test_history_is_finished_and_past() -> None:
    world = World()
    account = world.add_account("instagram", "770033", "Shop", "token", page_id=PAGE)
    written = seed_history(world, "770033", seed=5, count=180, until=NINE)
    threads = list(account.threads.by_customer.values())
    assert len(threads) == 180
    messages = [message for thread in threads for message in thread.messages]
    assert len(messages) == written
    assert {message.side for message in messages} == {"customer", "employee"}
    times = [message.created_at for message in messages]
    assert max(times) <= NINE - timedelta(hours=1)
    assert min(times) >= NINE - timedelta(days=24)
    for thread in threads:
        assert thread.messages == sorted(thread.messages, key=lambda m: m.created_at)


def test_the_same_seed_writes_the_same_history() -> None:
    texts = []
    for _ in range(2):
        world = World()
        account = world.add_account("facebook", PAGE, "Shop", "token")
        seed_history(world, PAGE, seed=5, count=7, until=NINE)
        texts.append(
            [m.text for thread in account.threads.by_customer.values() for m in thread.messages]
        )
    assert texts[0] == texts[1]


def test_history_over_control(server: SandboxServer) -> None:
    body = {"account_id": PAGE, "count": 3, "seed": 1, "until": NINE.isoformat()}
    answer = control(server, "POST", "history", body)
    assert answer["conversations"] == 3
    threads = control(server, "GET", f"threads?account_id={PAGE}")["threads"]
    assert len(threads) == 3
    naive = {**body, "until": "2026-03-01T09:00:00"}
    assert "time zone" in control(server, "POST", "history", naive, status=400)["error"]


def test_languages_take_in_their_regions() -> None:
    live = live_dialogues()
    assert any(dialogue.language == "ar-EG" and speaks(dialogue, ["ar"]) for dialogue in live)
    assert not any(speaks(dialogue, ["a"]) for dialogue in live)
