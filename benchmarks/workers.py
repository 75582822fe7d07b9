"""Three workers over one PostgreSQL, killed and started again at random: what became of it all.

Customers write to a Page of the sandbox in bursts, and again once they are answered; some order.
Workers die by SIGKILL, whatever they are at. What reached the customers is counted by the sandbox's
own account of it, in the way `make torture` counts. Time runs twenty times as fast as in life.
"""

import dataclasses
import random
import signal
import subprocess
import sys
import tempfile
import time
from collections import defaultdict
from contextlib import ExitStack
from decimal import Decimal
from pathlib import Path
from typing import Any

import requests
from sqlalchemy import func, select

from benchmarks.fast_worker import FastClock
from benchmarks.process import ROOT
from benchmarks.table import Figure, at_least, at_most
from shoptalk.db import schema
from shoptalk.db.catalog import put_products
from shoptalk.db.embedded import EmbeddedServer
from shoptalk.db.engine import Database
from shoptalk.db.models import Conversation, Delivery, Message
from shoptalk.sandbox.ledger import Sent
from shoptalk.sandbox.server import SandboxServer
from shoptalk.sandbox.world import World
from shoptalk.services.connecting import connect_channel
from shoptalk.settings import Settings
from shoptalk.types import SenderType
from shoptalk.wiring import App, running
from tests.torture.truth import Verdict, Written, judge, marks_of, turns_ended

TITLE = "three workers, killed and started again at random"
SIZE = 400  #: turns
WORKERS = 3
TURNS_A_KILL = 60
CUSTOMERS = 100
PRODUCTS = 40
RATE = 20.0
LOOK_EVERY = 0.1  #: seconds
SETTLES_WITHIN = 240.0
PAGE, TOKEN = "550011", "benchmark-token"


def measure(size: int) -> list[Figure]:
    with ExitStack() as stack:
        home = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="shoptalk-bench-")))
        server = EmbeddedServer(home).enter()
        stack.callback(server.leave)
        sandbox = stack.enter_context(SandboxServer())
        clock = FastClock(RATE, time.time())
        sandbox.world.clock.run(RATE)
        sandbox.world.clock.set(clock())
        environment = _environment(sandbox, server.url, home)
        values: dict[str, Any] = {name.lower(): value for name, value in environment.items()}
        app = stack.enter_context(running(Settings(_env_file=None, **values), clock=clock))
        _open(app, sandbox)
        crew = stack.enter_context(_Crew(clock, environment))
        shop = _Customers(sandbox.world)
        began = time.perf_counter()
        kills = _drive(app, shop, crew, size)
        ended = turns_ended(app.database)
        seconds = time.perf_counter() - began
        settled = _settles(app, shop)
        verdict = judge(sandbox.world, app.database, shop.written)
        if verdict.twice:
            _tell_of_doubles(sandbox.world, app.database)
    zeros = dataclasses.fields(Verdict)[2:]
    return [
        *(at_most(each.name.replace("_", " "), getattr(verdict, each.name), 0) for each in zeros),
        at_most("messages that came to no rest", 0 if settled else 1, 0),
        at_least("workers killed", kills, size // TURNS_A_KILL),
        at_least("turns ended", ended, size),
        Figure(name="messages written", value=verdict.messages),
        Figure(name="replies received", value=verdict.replies),
        Figure(name="turns a second, sandbox and all", value=ended / seconds),
    ]


def _environment(sandbox: SandboxServer, url: str, home: Path) -> dict[str, str]:
    return {
        **sandbox.environment,
        "DATABASE_URL": url,
        "SHOPTALK_HOME": str(home),
        "OPENAI_MODEL": "sandbox-clerk",
        "GRAPH_CALLS_PER_SECOND": "0",
        "POLL_INTERVAL_SECONDS": "1",
        "POLL_OVERLAP_SECONDS": "20",
        "BUFFER_PROCESSING_INTERVAL_MS": "1000",
        "MESSAGE_BUFFER_DURATION_MS": "10000",
        "MAX_REPLIES_PER_HOUR": "100000",
        "LOG_LEVEL": "ERROR",
    }


def _open(app: App, sandbox: SandboxServer) -> None:
    """A Page without limits of its own, forty products, and a model that counts."""
    schema.upgrade(app.unchecked_database)
    limits = {"two_reads_per_second": False, "daily_budget": False}
    sandbox.world.add_account("facebook", PAGE, "Corner Shop", TOKEN, settings=limits)
    connect_channel(app, "facebook", PAGE, {"access_token": TOKEN}, name=None, ai_default=True)
    with app.database.transaction() as session:
        put_products(session, app.workspace_id(), [_product(each) for each in range(PRODUCTS)])
    script = {"script": [{"parrot": True, "repeat": None}]}
    requests.post(f"{sandbox.url}/control/model", json=script, timeout=60).raise_for_status()


def _product(number: int) -> dict[str, object]:
    return {
        "product_id": f"p{number}",
        "name": f"Product {number}",
        "description": "",
        "price": Decimal(10 + number) + Decimal("0.50"),
        "currency": "USD",
        "stock": None,
        "active": True,
    }


class _Crew:
    """The workers."""

    def __init__(self, clock: FastClock, environment: dict[str, str]) -> None:
        self._command = [
            *(sys.executable, "-m", "benchmarks.fast_worker", str(clock.rate), str(clock.began)),
        ]
        self._environment = environment
        self._workers: list[subprocess.Popen[bytes]] = []

    def __enter__(self) -> "_Crew":
        self._workers = [self._start() for _ in range(WORKERS)]
        return self

    def __exit__(self, *_: object) -> None:
        for worker in self._workers:
            worker.kill()
            worker.wait()

    def kill(self, number: int) -> None:
        worker = self._workers[number]
        worker.kill()
        if worker.wait() != -signal.SIGKILL:
            raise RuntimeError(f"a worker had ended by itself, with {worker.returncode}")
        self._workers[number] = self._start()

    def _start(self) -> "subprocess.Popen[bytes]":
        return subprocess.Popen(self._command, cwd=ROOT, env=self._environment)


class _Customers:
    """Who writes. Each message has a mark, and replies name the marks that they answer."""

    def __init__(self, world: World) -> None:
        self._world = world
        self._dice = random.Random(1)
        self._marks = 0
        self._ordered: set[tuple[str, str]] = set()
        self._ids = [f"73{number:014}" for number in range(CUSTOMERS)]
        self.written = Written()
        self.bursts = 0

    def write(self, most: int) -> None:
        """Let those write who wait for nothing, until there were `most` bursts."""
        waiting = self._waiting()
        for customer in self._ids:
            if customer not in waiting and self.bursts < most:
                self.bursts += 1
                for _ in range(self._dice.choice((1, 1, 2))):
                    self._marks += 1
                    self._world.add_message(PAGE, customer, self._words(customer))
                    self.written.note(customer, self._marks)

    def _words(self, customer: str) -> str:
        wish = (customer, f"p{self._dice.randrange(PRODUCTS)}")
        if self._dice.random() < 0.2 and wish not in self._ordered:
            self._ordered.add(wish)
            return f"yes, order {wish[1]} x2 #{self._marks}"
        return f"hello #{self._marks}"

    def _waiting(self) -> set[str]:
        threads = self._world.get_account(PAGE).threads.by_customer
        with self._world.lock:
            return {who for who, each in threads.items() if each.messages[-1].side == "customer"}


def _drive(app: App, shop: _Customers, crew: _Crew, size: int) -> int:
    """Until so many turns have ended; how many workers were killed meanwhile."""
    dice = random.Random(2)
    kills = 0
    deadline = time.monotonic() + SETTLES_WITHIN + size
    while (ended := turns_ended(app.database)) < size or kills < size // TURNS_A_KILL:
        # Some bursts are answered in two goes: more than `size` of them may be wanted.
        shop.write(most=size + CUSTOMERS)
        if ended >= (kills + 0.5) * TURNS_A_KILL:
            crew.kill(dice.randrange(WORKERS))
            kills += 1
        if time.monotonic() > deadline:
            raise RuntimeError(f"only {ended} of {size} turns ended")
        time.sleep(LOOK_EVERY * dice.uniform(0.5, 1.5))
    return kills


def _settles(app: App, shop: _Customers) -> bool:
    """Whether in the end each message is stored and has an outcome."""
    deadline = time.monotonic() + SETTLES_WITHIN
    while time.monotonic() < deadline:
        with app.database.transaction() as session:
            stored, settled = session.execute(
                select(func.count(), func.count(Message.outcome)).where(
                    Message.sender_type == SenderType.CUSTOMER
                )
            ).one()
        if stored == settled == len(shop.written.marks):
            return True
        time.sleep(0.5)
    return False


def _tell_of_doubles(world: World, database: Database) -> None:
    """What was sent twice, when, and what the deliveries say of it: on stderr."""
    answers: defaultdict[int, list[Sent]] = defaultdict(list)
    for sent in world.sent:
        for mark in marks_of(sent.text) if sent.message_id is not None else ():
            answers[mark].append(sent)
    for mark, doubles in answers.items():
        if len(doubles) == 1:
            continue
        for each in doubles:
            told = f"{each.at} to {each.recipient_id}: {each.text}"
            print(f"#{mark}: {told}, answered: {each.is_answered}", file=sys.stderr)
        with database.transaction() as session:
            rows = session.execute(
                select(Delivery.turn_id, Delivery.sending_at, Delivery.sent_at, Delivery.attempts)
                .join(Conversation, Conversation.id == Delivery.conversation_id)
                .where(Conversation.customer_id == doubles[0].recipient_id)
                .where(Delivery.content.contains(f"#{mark}"))
            )
            for row in rows:
                print(f"  {row}", file=sys.stderr)
