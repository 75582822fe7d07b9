"""`make torture`: kill shoptalk a thousand times while everything around it fails, and count.

Customers write to an account on the sandbox, or to the web chat, a model answers with the marks of
the messages it saw, one request in five meets a fault, and the processes that do the work are
killed at named points and at random instants. Everything runs twenty times as fast as life, with
the real settings. At the end, each message must have been answered once or have an outcome that
says why not.
"""

import argparse
import random
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from decimal import Decimal
from pathlib import Path
from typing import Any

import requests
from sqlalchemy import func, select

from shoptalk import crashpoints
from shoptalk.app import running
from shoptalk.db import schema
from shoptalk.db.catalog import put_products
from shoptalk.db.embedded import EmbeddedServer
from shoptalk.db.engine import Database, connect
from shoptalk.db.models import Message
from shoptalk.sandbox.server import SandboxServer
from shoptalk.sandbox.world import World
from shoptalk.settings import Settings
from shoptalk.types import SenderType
from tests.torture.faults import unleash
from tests.torture.stages import NAMES, OVERLAP, Stage, stage_of
from tests.torture.truth import Written, judge, turns_ended
from tests.torture.worker import FastClock, Orders, Spawner, is_alive, kill

RATE = 20.0
PRODUCTS = 40
WORKERS = 2
IMPATIENCE = 0.0005  #: chance, twenty times a second, that a customer writes without an answer
COUNT_EVERY = 2.0  #: real seconds
SETTLES_WITHIN = 180.0  #: real seconds after the last kill


class Torture:
    def __init__(
        self,
        options: argparse.Namespace,
        spawner: Spawner,
        stage: Stage,
        world: World,
        database: Database,
    ) -> None:
        self.options = options
        self.stage = stage
        self.world = world
        self.database = database
        self.dice = random.Random(options.seed)
        self.spawner = spawner
        self.written = Written()
        self.next_mark = 1
        self.kills = 0
        self.bursts = 0
        self.pids: list[int] = []
        self.customers = [stage.customer(number) for number in range(options.customers)]

    def run(self) -> int:
        began = time.monotonic()
        unleash(self.world, self.stage.faults, seed=self.options.seed)
        self.pids = [self.spawner.spawn() for _ in range(WORKERS)]
        self._drive()
        self.world.faults.clear()
        settled = self._wait_until_settled()
        for pid in self.pids:
            kill(pid)
        verdict = judge(self.world, self.database, self.written, self.stage.replies())
        print(f"platform            {self.options.platform:>8}")
        print(f"seed                {self.options.seed:>8}")
        print(f"bursts written      {self.bursts:>8}")
        print(f"turns ended         {turns_ended(self.database):>8}")
        print(f"kills               {self.kills:>8}")
        print("\n".join(verdict.lines()))
        print(f"{time.monotonic() - began:.0f} seconds")
        if not settled:
            print("it did not come to rest in time")
        return 0 if verdict.is_clean and settled else 1

    def _drive(self) -> None:
        """Customers write, wait for their answer and write again, and processes die, until
        enough turns have ended and enough processes died.
        """
        options = self.options
        seconds_a_kill = options.seconds / max(options.kills, 1)
        began = counted_at = time.monotonic()
        ended = 0
        while ended < options.turns or self.kills < options.kills:
            waiting = self.stage.waiting()
            for customer in self.customers:  # some do not wait until their burst is answered
                if customer not in waiting or self.dice.random() < IMPATIENCE:
                    self._write_burst(customer)
            self._replace_the_dead()
            while self.kills < min(options.kills, (time.monotonic() - began) / seconds_a_kill):
                self._kill_one()
            if time.monotonic() - counted_at > COUNT_EVERY:
                ended, counted_at = turns_ended(self.database), time.monotonic()
                _show(f"{counted_at - began:.0f} s: {ended} turns ended, {self.kills} kills")
            time.sleep(0.05)

    def _write_burst(self, customer: str) -> None:
        for _ in range(self.dice.choice((1, 1, 1, 2, 3))):
            mark, self.next_mark = self.next_mark, self.next_mark + 1
            self.stage.write(customer, self._words(customer, mark))
            self.written.note(customer, mark)
        self.bursts += 1

    def _words(self, customer: str, mark: int) -> str:
        product = f"p{self.dice.randrange(PRODUCTS)}"
        match self.dice.randrange(6):
            case 0:
                ordered = {each for each in self.written.orders.values() if each[0] == customer}
                if (customer, product) in ordered:
                    return f"hello #{mark}"
                self.written.orders[mark] = (customer, product)
                return f"yes, order {product} x2 #{mark}"
            case 1:
                return f"price of {product} #{mark}"
            case 2:
                return f"lie about {product} #{mark}"
            case _:
                return f"hello #{mark}"

    def _kill_one(self) -> None:
        """Kill a worker now, at whatever it is."""
        victim = self.dice.randrange(len(self.pids))
        kill(self.pids[victim])
        self._replace(victim)

    def _replace_the_dead(self) -> None:
        """Some have met the point at which their death was arranged."""
        for number, pid in enumerate(self.pids):
            if not is_alive(pid):
                self._replace(number)

    def _replace(self, victim: int) -> None:
        self.kills += 1
        point = self.dice.choice([None, self.dice.choice(sorted(crashpoints.POINTS))])
        self.pids[victim] = self.spawner.spawn(point, passes=self.dice.randint(1, 20))

    def _wait_until_settled(self) -> bool:
        for pid in self.pids:  # the last ones live
            kill(pid)
        self.pids = [self.spawner.spawn() for _ in range(WORKERS)]
        deadline = time.monotonic() + SETTLES_WITHIN
        while time.monotonic() < deadline:
            with self.database.transaction() as session:
                stored, open_ = session.execute(
                    select(
                        func.count(),
                        func.count().filter(Message.outcome.is_(None)),
                    ).where(Message.sender_type == SenderType.CUSTOMER)
                ).one()
            if stored == len(self.written.marks) and not open_:
                return True
            time.sleep(0.5)
        return False


def _show(progress: str) -> None:
    if sys.stderr.isatty():
        print(f"\r{progress}", end="", file=sys.stderr, flush=True)


@contextmanager
def set_up(options: argparse.Namespace, spawner: Spawner) -> Iterator[Torture]:
    """A sandbox on quick time, a database, and one connected account."""
    with tempfile.TemporaryDirectory(prefix="shoptalk-torture-") as folder:
        home = Path(folder)
        embedded = EmbeddedServer(home).enter()
        database = connect(embedded.url)
        try:
            schema.upgrade(database)
            with SandboxServer() as server:
                clock = FastClock.start(RATE)
                server.world.clock.run(RATE)
                server.world.clock.set(clock())
                stage = stage_of(options.platform, server.world, database, clock)
                settings = _settings(server, embedded.url, home)
                requests.post(
                    f"{server.url}/control/model",
                    json={"script": [{"parrot": True, "repeat": None}]},
                    timeout=10,
                ).raise_for_status()
                with running(Settings(_env_file=None, **settings), clock=clock) as app:
                    stage.connect(app)
                    with app.database.transaction() as session:
                        put_products(session, app.workspace_id(), _catalog())
                spawner.orders = Orders(settings, clock)
                yield Torture(options, spawner, stage, server.world, database)
        finally:
            database.close()
            embedded.leave()


def _settings(server: SandboxServer, url: str, home: Path) -> dict[str, Any]:
    return {
        **{name.lower(): value for name, value in server.environment.items()},
        "database_url": url,
        "shoptalk_home": home,
        "openai_model": "sandbox-clerk",
        "graph_calls_per_second": 0,
        "max_replies_per_hour": 100_000,
        "worker_concurrency": 8,
        "poll_overlap_seconds": OVERLAP,
    }


def _catalog() -> list[dict[str, object]]:
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


def main() -> int:
    parser = argparse.ArgumentParser(prog="torture", description=__doc__)
    parser.add_argument("--platform", choices=NAMES, default="facebook")
    parser.add_argument("--turns", type=int, default=10_000)
    parser.add_argument("--kills", type=int, default=1_000)
    parser.add_argument("--seconds", type=float, default=400, help="in which the kills happen")
    parser.add_argument("--customers", type=int, default=250)
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args()
    spawner = Spawner()  # forks before there is any thread
    try:
        with set_up(options, spawner) as torture:
            return torture.run()
    finally:
        spawner.close()


if __name__ == "__main__":
    sys.exit(main())
