"""What the tests of the promises share: bringing a shop to rest, and counting at the platform.

Customers write marks (`#17`), and the sandbox's parrot answers with the marks that it heard: what
the platform received tells which messages each reply answers.
"""

import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from datetime import timedelta

from shoptalk.db.channels import list_channels
from shoptalk.db.models import Message, Turn, TurnStatus
from shoptalk.types import SenderType
from shoptalk.wiring import App
from tests.loop.shop import Shop
from tests.torture.truth import Verdict, Written, judge

PARROT = {"parrot": True, "repeat": None}
PAUSE = timedelta(seconds=70)  #: longer than reading back waits, and than any first backoff
MOST_ROUNDS = 15


def come_to_rest(shop: Shop) -> None:
    """Import and reply, and let time pass, until nothing is left to do."""
    for _ in range(MOST_ROUNDS):
        shop.imports()
        shop.replies()
        if is_at_rest(shop):
            return
        shop.wait(seconds=PAUSE.total_seconds())
    waiting = [(turn.id, turn.status, turn.error) for turn in shop.rows(Turn) if is_open(turn)]
    raise AssertionError(f"it did not come to rest; open turns: {waiting}")


def is_at_rest(shop: Shop) -> bool:
    """Whether all that the platform shows is stored, and all that customers wrote is settled."""
    stored = {message.message_id: message for message in shop.rows(Message)}
    threads = [
        thread
        for account in shop.world.accounts.values()
        if account.platform != "whatsapp"  # which shows nothing
        for thread in account.threads.by_customer.values()
    ]
    shown = {message.id for thread in threads for message in thread.messages}
    settled = all(
        message.outcome is not None
        for message in stored.values()
        if message.sender_type == SenderType.CUSTOMER
    )
    return settled and shown <= stored.keys() and not any(map(is_open, shop.rows(Turn)))


def is_open(turn: Turn) -> bool:
    return turn.status in (TurnStatus.BUFFERING, TurnStatus.SENDING)


def counted(shop: Shop, written: Written) -> Verdict:
    return judge(shop.world, shop.app.database, written)


def another_process(shop: Shop) -> App:
    """A second shoptalk on the same database, with the same clock. To be closed."""
    return App(shop.app.settings, clock=shop.world.clock.now)


def a_tick(app: App) -> None:
    """As by hand: a channel that failed before is imported all the same."""
    with app.database.transaction() as session:
        channels = list_channels(session, app.workspace_id())
    app.importer().import_side_by_side(channels)
    app.responder().answer_all_due()


@contextmanager
def another_at_work(shop: Shop) -> Iterator[None]:
    """Another process, which polls and replies all the time."""
    app, is_over = another_process(shop), threading.Event()

    def tick_on() -> int:
        ticks = 0
        while not is_over.is_set() or ticks == 0:
            a_tick(app)
            ticks += 1
        return ticks

    with ThreadPoolExecutor(1) as pool:
        at_work = pool.submit(tick_on)
        try:
            yield
        finally:
            is_over.set()
            assert at_work.result(timeout=60) > 0
            app.close()
