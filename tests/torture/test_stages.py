"""What `make torture` stands on: customers are known by the names that it counts with."""

from decimal import Decimal

import pytest

from shoptalk.db.models import Conversation
from shoptalk.importer.catalog_file import CatalogRow
from shoptalk.sandbox.world import World
from tests.loop.shop import Shop
from tests.promises.counting import PARROT
from tests.torture.__main__ import main
from tests.torture.faults import MODEL, SHARE, unleash
from tests.torture.stages import NAMES, stage_of
from tests.torture.truth import CLAIMED, Written, judge

PRODUCT = CatalogRow(
    product_id="p7",
    name="Product 7",
    description="",
    price=Decimal("17.50"),
    currency="USD",
    stock=None,
    active=True,
)


@pytest.mark.thorough
@pytest.mark.parametrize("name", NAMES)
def test_an_order_is_answered_and_counted_where_the_answer_arrives(shop: Shop, name: str) -> None:
    stage = stage_of(name, shop.world, shop.app.database, shop.world.clock.now)
    shop.sells(PRODUCT)
    shop.model_says(PARROT)
    stage.open()
    stage.connect(shop.app)
    shop.wait(seconds=5)
    customer, other = stage.customer(1), stage.customer(2)
    stage.write(customer, "yes, order p7 x2 #1")
    assert stage.waiting() == {customer}
    shop.answers()
    stage.write(other, "hello #2")
    assert stage.waiting() == {other}
    replies = stage.replies()
    assert list(replies) == [customer]
    [reply] = replies[customer]
    assert "#1" in reply
    assert CLAIMED.findall(reply) == ["7"]
    assert [row.customer_id for row in shop.rows(Conversation)] == [customer]
    written = Written(by_customer={customer: [1]}, orders={1: (customer, "p7")})
    verdict = judge(shop.world, shop.app.database, written, replies)
    assert verdict.is_clean, verdict.lines()


@pytest.mark.parametrize("name", NAMES)
def test_one_request_in_five_meets_a_fault(shop: Shop, name: str) -> None:
    stage = stage_of(name, shop.world, shop.app.database, shop.world.clock.now)
    world = World()
    unleash(world, stage.faults, seed=1)
    shares: dict[str | None, float] = {}
    for rule in world.faults.rules:
        shares[rule.match.kind] = shares.get(rule.match.kind, 0) + rule.probability
    assert shares == {kind: pytest.approx(SHARE) for kind in {*stage.faults, *MODEL}}
    assert {"send", "list"} <= shares.keys() or name == "webchat"


def test_a_platform_that_cannot_be_tortured_is_refused(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("sys.argv", ["torture", "--platform", "pigeon"])
    with pytest.raises(SystemExit) as stopped:
        main()
    assert stopped.value.code == 2
    assert "pigeon" in capsys.readouterr().err
