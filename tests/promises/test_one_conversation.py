"""Two processes poll and answer one conversation, while its customer goes on writing."""

from random import Random

import pytest

from shoptalk.types import Outcome
from tests.loop.shop import ANN, Shop
from tests.promises.counting import PARROT, a_tick, another_at_work, come_to_rest, counted
from tests.promises.test_crash_points import assert_counts_agree
from tests.promises.test_deliveries import outcomes, statuses
from tests.torture.truth import Written

BURSTS = 12


@pytest.mark.parametrize(
    ("fault", "seed"),
    [
        ("drop_after", 0),
        *(
            pytest.param(fault, seed, marks=pytest.mark.thorough)
            for seed in range(1, 4)
            for fault in (None, "drop_after", "drop_before")
        ),
    ],
)
def test_bursts_are_answered_once_and_in_order(shop: Shop, fault: str | None, seed: int) -> None:
    shop.app.settings.max_replies_per_hour = 1000
    random, written, mark = Random(seed), Written(), 0
    shop.model_says(PARROT)
    shop.opens("facebook")
    if fault is not None:
        shop.world.faults.add(fault, match={"kind": "send"}, probability=0.3)
    with another_at_work(shop):
        for _ in range(BURSTS):
            for _ in range(random.randint(1, 4)):
                mark += 1
                written.note(ANN, mark)
                shop.customer_writes(f"and this #{mark}")
                shop.wait(seconds=random.choice([0, 1, 8]))
                if random.random() < 0.4:
                    a_tick(shop.app)
            shop.wait(seconds=random.choice([5, 31, 45, 70]))
            a_tick(shop.app)
    shop.world.faults.clear()
    come_to_rest(shop)
    verdict = counted(shop, written)
    assert verdict.is_clean, verdict.lines()
    assert verdict.messages == mark
    assert 1 < verdict.replies <= BURSTS * 4
    assert set(outcomes(shop)) == {Outcome.ANSWERED}
    assert set(statuses(shop)) == {"sent"}
    assert_counts_agree(shop)
