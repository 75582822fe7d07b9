"""`make torture`: kill shoptalk a thousand times while everything around it fails, and count.

Customers write to an account on the sandbox, or to the web chat, a model answers with the marks of
the messages it saw, one request in five meets a fault, and the processes that do the work are
killed at random instants and at named points. Everything runs ten times as fast as life, with the
real settings. At the end, each message must have been answered once or have an outcome that
says why not.

The seed repeats what each customer writes, one message after the other, what befalls the n-th
request of each kind, and whom the killer chooses each time, and where he is to die. How far each
process gets in between is up to the machine, so that no two runs are the same to the step.
"""

import argparse
import random
import sys
import tempfile
import time
from collections import deque
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path
from typing import Any

import requests
from sqlalchemy import func, select

from shoptalk.db import schema
from shoptalk.db.catalog import put_products
from shoptalk.db.channels import begin_backfill
from shoptalk.db.embedded import EmbeddedServer
from shoptalk.db.engine import Database, connect
from shoptalk.db.models import ChannelIntegration, Message
from shoptalk.failpoints import POINTS
from shoptalk.sandbox.client import SandboxControl
from shoptalk.sandbox.server import SandboxServer
from shoptalk.settings import Settings
from shoptalk.types import SenderType
from shoptalk.wiring import running
from tests.torture.context import Heard, heard_in
from tests.torture.customers import Customer, catalog
from tests.torture.deaths import Mortals
from tests.torture.faults import Toll, unleash
from tests.torture.stages import NAMES, OVERLAP, Stage, stage_of
from tests.torture.truth import Written, judge, turns_ended, wrong_contexts
from tests.torture.worker import FastClock, Spawner

RATE = 10.0
IMPATIENCE = 0.0005  #: chance, twenty times a second, that a customer writes without an answer
REHEARSED = 12  #: turns that are ended before anything fails or dies
OLD_THREADS = 60  #: of people who wrote before the cut-over, and do not any more
AN_AGE = timedelta(days=2)
COUNT_EVERY = 0.5  #: real seconds
TELL_EVERY = 10.0
SHOWN_WRONG = 3  #: of the wrong contexts, those that are printed
STANDSTILL = 120.0  #: real seconds in which no turn ends
SETTLES_WITHIN = 180.0  #: real seconds after the last kill


class Torture:
    def __init__(
        self,
        options: argparse.Namespace,
        spawner: Spawner,
        stage: Stage,
        server: SandboxServer,
        database: Database,
    ) -> None:
        self.options = options
        self.control = SandboxControl(server.url)
        self.stage = stage
        self.world = server.world
        self.database = database
        self.dice = random.Random(options.seed)
        self.mortals = Mortals(spawner, random.Random(f"{options.seed}/deaths"))
        self.written = Written()
        self.shown: list[Sequence[Heard]] = []  #: to the model, a conversation a request
        self._noted = 0  #: requests
        self.customers = [
            Customer(number, stage.customer(number), options.seed)
            for number in range(options.customers)
        ]

    def run(self) -> int:
        began = time.monotonic()
        unleash(self.world, self.stage.faults, seed=self.options.seed)
        self.mortals.begin()
        keeps_going = self._drive()
        toll = Toll.of(self.world)
        self.world.faults.clear()
        settled = keeps_going and self._wait_until_settled()
        self.mortals.end()
        self._note_shown()
        wrong = wrong_contexts(self.shown, self.stage.threads(), self.written)
        verdict = judge(
            self.world,
            self.database,
            self.written,
            self.stage.replies(),
            context_wrong=len(wrong),
        )
        _say("platform", self.options.platform)
        _say("seed", self.options.seed)
        _say("bursts written", sum(customer.bursts for customer in self.customers))
        _say("turns ended", turns_ended(self.database))
        _say("kills at random", self.mortals.killed)
        died_at = self.mortals.died_at
        missed = ", ".join(sorted(POINTS - died_at.keys()))
        _say("kills at points", died_at.total(), f"never at {missed}" if missed else "at each")
        _say("requests", toll.requests)
        _say("faults", toll.faults, f"{toll.share:.1%} of the requests")
        print("\n".join(verdict.lines()))
        _say("contexts compared", len(self.shown))
        for lines, thread in wrong[:SHOWN_WRONG]:
            _tell("the model was shown", lines)
            _tell("the thread holds", thread)
        _say("seconds", round(time.monotonic() - began))
        if not settled:
            print("it did not come to rest in time")
        return 0 if verdict.is_clean and settled else 1

    def write_burst(self, customer: Customer) -> None:
        for words in customer.burst(self.written):
            self.stage.write(customer.id, words)

    def _drive(self) -> bool:
        """Customers write, wait for their answer and write again, and processes die, until
        enough turns have ended and enough processes died. False: it stands still.
        """
        options = self.options
        began = counted_at = moved_at = told_at = time.monotonic()
        ended = 0
        to_come: deque[float] = deque()  #: moments at which somebody is killed
        while ended < options.turns or self.mortals.killed < options.kills:
            waiting = self.stage.waiting()
            for customer in self.customers:  # some do not wait until their burst is answered
                if customer.id not in waiting or self.dice.random() < IMPATIENCE:
                    self.write_burst(customer)
            self.mortals.replace_the_dead()
            now = time.monotonic()
            while to_come and to_come[0] <= now:
                to_come.popleft()
                self.mortals.kill_one()
            if now - counted_at > COUNT_EVERY:
                self._note_shown()
                counted_at, before, ended = now, ended, turns_ended(self.database)
                moved_at = now if ended > before else moved_at
                if now - moved_at > STANDSTILL:
                    return False
                if now - told_at > TELL_EVERY:
                    told_at = now
                    _show(f"{now - began:.0f} s: {ended} turns ended, {self.mortals.killed} kills")
                share = min(ended / options.turns, 1) if options.turns else 1
                due = round(options.kills * share) - self.mortals.killed - len(to_come)
                to_come.extend(sorted(now + COUNT_EVERY * self.dice.random() for _ in range(due)))
            time.sleep(0.05)
        return True

    def _note_shown(self) -> None:
        """Keep what the model was shown; its server keeps the latest requests only."""
        for each in self.control.shown(after=self._noted):
            if each["number"] != self._noted + 1:
                raise RuntimeError("the model was shown more than its server keeps")
            self._noted += 1
            self.shown.append(heard_in(each))

    def _wait_until_settled(self) -> bool:
        """With workers that live, and nothing that fails."""
        self.mortals.make_way()
        deadline = time.monotonic() + SETTLES_WITHIN
        while time.monotonic() < deadline:
            with self.database.transaction() as session:
                stored, open_ = session.execute(
                    select(
                        func.count(),
                        func.count().filter(Message.outcome.is_(None)),
                    ).where(Message.sender_type == SenderType.CUSTOMER, ~Message.is_old)
                ).one()
            self._note_shown()
            if stored == len(self.written.marks) and not open_:
                return True
            time.sleep(0.5)
        return False


def _say(name: str, figure: object, more: str = "") -> None:
    print(f"{name:<20}{figure:>8}  {more}".rstrip())


def _tell(what: str, lines: Sequence[Heard]) -> None:
    print(f"{what}:")
    for line in lines:
        print(f"    {'customer' if line.is_customers else 'shop'}: {line.text}")


def _show(progress: str) -> None:
    end = "\r" if sys.stderr.isatty() else "\n"
    print(progress, end=end, file=sys.stderr, flush=True)


@contextmanager
def set_up(options: argparse.Namespace, spawner: Spawner) -> Iterator[Torture]:
    """A sandbox on quick time, a database, one connected account, and a nursery that has worked."""
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
                    timeout=60,
                ).raise_for_status()
                with running(Settings(_env_file=None, **settings), clock=clock) as app:
                    stage.open()
                    for number in range(OLD_THREADS):
                        stage.wrote_before(stage.customer(10**6 + number), clock() - AN_AGE)
                    stage.connect(app)
                    with app.database.transaction() as session:
                        put_products(session, app.workspace_id(), catalog())
                torture = Torture(options, spawner, stage, server, database)
                for customer in torture.customers[:REHEARSED]:
                    torture.write_burst(customer)
                spawner.rehearse(settings, clock, turns=REHEARSED)
                with database.transaction() as session:  # what was rehearsed of history is to come
                    for channel_id in session.scalars(select(ChannelIntegration.id)):
                        begin_backfill(session, channel_id, since=None)
                yield torture
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


def main() -> int:
    parser = argparse.ArgumentParser(prog="torture", description=__doc__)
    parser.add_argument("--platform", choices=NAMES, default="facebook")
    parser.add_argument("--turns", type=int, default=10_000)
    parser.add_argument("--kills", type=int, default=1_000, help="at random, spread over the turns")
    parser.add_argument("--customers", type=int, default=400)
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
