"""`create_order`: the model picks a product and a quantity, and nothing else counts."""

import itertools
import json
import logging
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest
from sqlalchemy import select, update

from shoptalk.agents.order_tool import (
    CREATE_ORDER,
    MONEY,
    MOST_OF_ONE_PRODUCT,
    amount,
    create_order,
)
from shoptalk.db.catalog import put_products
from shoptalk.db.engine import Database
from shoptalk.db.models import ChannelIntegration, Message, Order, Product, Turn, TurnStatus
from tests.db.rows import NINE, conversation, customer_writes, open_channel, rows, store, thread

CATALOG = [
    # product_id, name, price, stock, active
    ("k1", "Electric Kettle", "49.90", 5, True),
    ("k2", "Stove Kettle, 2 l", "35.00", None, True),
    ("7", "Tea Towel", "3.3333", 1000, True),
    ("c1", "Café Crème — Größe L", "0.1", None, True),
    ("a1", "قهوة عربية", "12.5", None, True),
    ("m1", "Mug", "8", 10, True),
    ("m2", "mug", "9", 10, True),
    ("old", "Copper Kettle", "99", 3, False),
]


@pytest.fixture
def channel(database: Database) -> ChannelIntegration:
    channel = open_channel(database)
    add_products(database, channel)
    return channel


def add_products(database: Database, channel: ChannelIntegration) -> None:
    names = ("product_id", "name", "price", "stock", "active")
    with database.transaction() as session:
        put_products(
            session,
            channel.workspace_id,
            [
                {"description": "", "currency": "EUR", **dict(zip(names, line, strict=True))}
                for line in CATALOG
            ],
        )


_numbers = itertools.count(1)


def begin_turn(
    database: Database,
    channel: ChannelIntegration,
    name: str = "t1",
    *,
    text: str = "Yes, please order it.",
) -> Turn:
    """A turn of that thread with that text, while none is open there."""
    message_id = f"{name} said {next(_numbers)}"
    store(database, channel, thread(customer_writes(message_id, text=text), thread_id=name))
    with database.transaction() as session:
        for open_turn in session.scalars(select(Turn).where(Turn.status == "buffering")):
            if open_turn.conversation_id == conversation(database, name).id:
                open_turn.status = TurnStatus.ANSWERED
        session.flush()
        turn = Turn(
            workspace_id=channel.workspace_id,
            conversation_id=conversation(database, name).id,
            first_message_at=NINE,
            last_message_at=NINE,
            message_count=1,
            due_at=NINE,
            created_at=NINE,
        )
        session.add(turn)
        session.flush()
        session.execute(
            update(Message).where(Message.message_id == message_id).values(turn_id=turn.id)
        )
    return turn


@pytest.fixture
def turn(database: Database, channel: ChannelIntegration) -> Turn:
    return begin_turn(database, channel)


def call(database: Database, turn: Turn, arguments: str, *, hours: float = 0) -> dict[str, Any]:
    with database.transaction() as session:
        return create_order(session, turn, arguments, now=NINE + timedelta(hours=hours))


def order(
    database: Database, turn: Turn, product: object, quantity: object = 1, *, hours: float = 0
) -> dict[str, Any]:
    arguments = json.dumps({"product": product, "quantity": quantity})
    return call(database, turn, arguments, hours=hours)


def stock(database: Database, product_id: str) -> int | None:
    with database.transaction() as session:
        return session.scalars(select(Product.stock).where(Product.product_id == product_id)).one()


# What the model gets wrong comes back as words


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ('{"product": "k1", "quantity": 0}', "quantity: Input should be greater than or equal to"),
        ('{"product": "k1", "quantity": -1}', "quantity: Input should be greater than or equal to"),
        ('{"product": "k1", "quantity": 101}', "quantity: Input should be less than or equal to"),
        ('{"product": "k1", "quantity": 1e9}', "quantity: Input should be less than or equal to"),
        ('{"product": "k1", "quantity": 1e999}', "quantity: Input should be"),
        (f'{{"product": "k1", "quantity": {"9" * 400}}}', "quantity: "),
        ('{"product": "k1", "quantity": "two"}', "quantity: Input should be a valid integer"),
        ('{"product": "k1", "quantity": "²"}', "quantity: Input should be a valid integer"),
        ('{"product": "k1", "quantity": NaN}', "quantity: Input should be a finite number"),
        ('{"product": "k1", "quantity": true}', "quantity: Value error, must be a number"),
        ('{"product": "k1", "quantity": 2.5}', "quantity: Input should be a valid integer"),
        ('{"product": "k1", "quantity": null}', "quantity: Input should be a valid integer"),
        ('{"product": "k1", "quantity": [2]}', "quantity: Input should be a valid integer"),
        ('{"product": "k1"}', "quantity: Field required"),
        ('{"quantity": 1}', "product: Field required"),
        ('{"product": "", "quantity": 1}', "product: String should have at least 1 character"),
        ('{"product": null, "quantity": 1}', "product: Input should be a valid string"),
        ('{"product": ["k1"], "quantity": 1}', "product: Input should be a valid string"),
        ('{"product": "k1", "quantity": 1, "address": 7}', "address: Input should be a valid str"),
        ('{"product": "k1", "quantity": 1', "arguments: Invalid JSON"),
        ("", "arguments: Invalid JSON"),
        ("two kettles please", "arguments: Invalid JSON"),
        ('{"product": "k\\ud800", "quantity": 1}', "arguments: Invalid JSON"),
        ('{"product": "k\ud800", "quantity": 1}', "arguments: "),
        ('[{"product": "k1", "quantity": 1}]', "arguments: Input should be an object"),
        ('"k1"', "arguments: Input should be an object"),
        ("null", "arguments: Input should be an object"),
    ],
)
def test_wrong_arguments_place_no_order_and_say_what_is_wrong(
    database: Database, turn: Turn, arguments: str, words: str
) -> None:
    answer = call(database, turn, arguments)
    assert answer["ok"] is False
    assert answer["error"].startswith(f"The order was not placed. {words}")
    assert rows(database, Order) == []
    assert stock(database, "k1") == 5


@pytest.mark.parametrize(
    ("product", "candidates"),
    [
        ("Electric Kettel", ["[k1] Electric Kettle", "[k2] Stove Kettle, 2 l"]),
        ("bicycle", None),
        ("k", None),
        ("K1", None),
        ("'; DROP TABLE orders; --", None),
        ("!!!", None),
        (" ", None),
    ],
)
def test_an_unknown_product_is_refused_with_what_is_close(
    database: Database, turn: Turn, product: str, candidates: list[str] | None
) -> None:
    answer = order(database, turn, product)
    assert answer["error"] == "No product of the catalog is called like that."
    assert answer.get("candidates") == candidates
    assert rows(database, Order) == []


@pytest.mark.parametrize("product", ["old", "Copper Kettle", "copper"])
def test_a_product_that_is_not_active_is_not_sold(
    database: Database, turn: Turn, product: str
) -> None:
    assert order(database, turn, product)["ok"] is False
    assert rows(database, Order) == []
    assert stock(database, "old") == 3


@pytest.mark.parametrize(
    ("product", "candidates"),
    [
        ("kettle", ["[k1] Electric Kettle", "[k2] Stove Kettle, 2 l"]),
        ("MUG", ["[m1] Mug", "[m2] mug"]),
    ],
)
def test_an_ambiguous_product_is_refused_with_the_ids_to_choose_from(
    database: Database, turn: Turn, product: str, candidates: list[str]
) -> None:
    answer = order(database, turn, product)
    assert answer["error"] == "2 products are called like that: name one by its id."
    assert answer["candidates"] == candidates
    assert rows(database, Order) == []


def test_products_of_another_shop_are_unknown(database: Database, turn: Turn) -> None:
    other = open_channel(database, workspace="other", account="other")
    with database.transaction() as session:
        other_shops = Product(
            workspace_id=other.workspace_id,
            product_id="x1",
            name="Bicycle",
            price=Decimal(1),
            currency="EUR",
            stock=1,
        )
        session.add(other_shops)
    assert order(database, turn, "x1")["ok"] is False
    assert stock(database, "x1") == 1


# What the model may say


@pytest.mark.parametrize(
    ("product", "product_id"),
    [
        ("k1", "k1"),
        (" k1 ", "k1"),
        ("m2", "m2"),
        ("7", "7"),
        (7, "7"),
        ("Electric Kettle", "k1"),
        ("eLECTRIC kETTLE", "k1"),
        ("electric", "k1"),
        ("stove kettle 2 l", "k2"),
        ("kettle stove", "k2"),
        ("CAFÉ CRÈME - GRÖSSE L", "c1"),
        ("قهوة", "a1"),
    ],
)
def test_a_product_is_found_by_id_by_name_in_any_case_or_by_a_part_of_its_own(
    database: Database, turn: Turn, product: object, product_id: str
) -> None:
    assert order(database, turn, product)["ok"] is True
    [placed] = rows(database, Order)
    assert placed.product_id == product_id


@pytest.mark.parametrize("quantity", [2, "2", 2.0])
def test_a_whole_number_is_a_quantity_however_it_is_written(
    database: Database, turn: Turn, quantity: object
) -> None:
    assert order(database, turn, "k1", quantity)["quantity"] == 2
    assert stock(database, "k1") == 3


def test_the_largest_quantity_is_sold_where_stock_is_not_counted(
    database: Database, turn: Turn
) -> None:
    assert order(database, turn, "k2", MOST_OF_ONE_PRODUCT)["total"] == "3500.00"
    assert stock(database, "k2") is None


def test_prices_the_model_writes_are_ignored_and_reported(
    database: Database, turn: Turn, caplog: pytest.LogCaptureFixture
) -> None:
    arguments = {
        "product": "k1",
        "quantity": 2,
        "price": 0.01,
        "unit_price": "0",
        "discount": "100%",
        "total": 0,
        "currency": "USD",
        "status": "paid",
    }
    with caplog.at_level(logging.WARNING):
        answer = call(database, turn, json.dumps(arguments))
    assert answer == {
        "ok": True,
        "order_id": 1,
        "product_name": "Electric Kettle",
        "quantity": 2,
        "unit_price": "49.90",
        "currency": "EUR",
        "total": "99.80",
        "already_placed": False,
    }
    [placed] = rows(database, Order)
    assert (placed.unit_price, placed.total) == (Decimal("49.9"), Decimal("99.8"))
    assert (placed.currency, placed.status, placed.ai_generated) == ("EUR", "new", True)
    [record] = caplog.records
    # "status" is not money, and a name the model made up could be a customer's words
    assert vars(record)["arguments"] == sorted(MONEY & arguments.keys())
    assert vars(record)["turn_id"] == turn.id


def test_who_ordered_is_what_the_model_passes_on_or_else_what_is_known(
    database: Database, turn: Turn
) -> None:
    said = {"customer_name": "Nadia", "customer_phone": "+96170000000", "address": "7 Mill Road"}
    call(database, turn, json.dumps({"product": "k1", "quantity": 1, **said}))
    call(database, turn, json.dumps({"product": "k2", "quantity": 1, "customer_name": None}))
    first, second = rows(database, Order)
    assert {name: getattr(first, name) for name in said} == said
    assert (second.customer_name, second.customer_phone, second.address) == ("Rima", None, None)


def test_characters_the_database_cannot_hold_are_left_out(database: Database, turn: Turn) -> None:
    said = {"customer_name": "Na\0dia", "customer_phone": "\0", "address": "7 Mill\0 Road"}
    assert order(database, turn, "k1\0")["ok"] is False
    assert call(database, turn, json.dumps({"product": "k1", "quantity": 1, **said}))["ok"] is True
    placed = rows(database, Order)[0]
    assert (placed.customer_name, placed.address) == ("Nadia", "7 Mill Road")


def test_money_is_exact(database: Database, turn: Turn) -> None:
    assert order(database, turn, "7", 3)["total"] == "9.9999"
    assert order(database, turn, "c1", 3)["total"] == "0.30"
    totals = [placed.total for placed in rows(database, Order)]
    assert totals == [Decimal("9.9999"), Decimal("0.3")]
    assert all(isinstance(total, Decimal) for total in totals)


@pytest.mark.parametrize(
    ("value", "written"),
    [
        ("0", "0.00"),
        ("8", "8.00"),
        ("12.5", "12.50"),
        ("3.3333", "3.3333"),
        ("1.005", "1.005"),
        ("99999999999999.9999", "99999999999999.9999"),
    ],
)
def test_an_amount_has_two_decimals_or_as_many_as_the_price(value: str, written: str) -> None:
    assert amount(Decimal(value)) == written


def test_the_tool_takes_nothing_that_is_money() -> None:
    properties = CREATE_ORDER.parameters["properties"]
    assert set(properties) == {
        "product",
        "quantity",
        "customer_name",
        "customer_phone",
        "address",
    }
    assert CREATE_ORDER.parameters["additionalProperties"] is False
    assert CREATE_ORDER.parameters["required"] == ["product", "quantity"]


# One order a purchase


def test_the_same_purchase_asked_for_twice_is_one_order(database: Database, turn: Turn) -> None:
    first = order(database, turn, "k1", 2)
    again = order(database, turn, "electric kettle", 2)
    assert again == {**first, "already_placed": True}
    assert len(rows(database, Order)) == 1
    assert stock(database, "k1") == 3


def test_the_same_purchase_asked_for_by_many_threads_at_once_is_one_order(
    database: Database, turn: Turn
) -> None:
    with ThreadPoolExecutor(6) as pool:
        answers = list(pool.map(lambda _: order(database, turn, "k1", 2), range(6)))
    assert {answer["order_id"] for answer in answers} == {rows(database, Order)[0].id}
    assert [answer["already_placed"] for answer in answers].count(False) == 1
    assert len(rows(database, Order)) == 1
    assert stock(database, "k1") == 3


@pytest.mark.parametrize(
    ("hours", "quantity", "orders"), [(1, 2, 1), (24, 2, 1), (24.1, 2, 2), (1, 1, 2)]
)
def test_a_later_turn_doubles_a_purchase_only_when_it_is_another_one(
    database: Database,
    channel: ChannelIntegration,
    turn: Turn,
    hours: float,
    quantity: int,
    orders: int,
) -> None:
    order(database, turn, "k1", 2)
    later = begin_turn(database, channel)
    assert later.id != turn.id
    answer = order(database, later, "k1", quantity, hours=hours)
    assert answer["already_placed"] is (orders == 1)
    assert len(rows(database, Order)) == orders


def test_a_cancelled_order_does_not_stand_in_the_way(
    database: Database, channel: ChannelIntegration, turn: Turn
) -> None:
    order(database, turn, "k1", 2)
    with database.transaction() as session:
        session.get_one(Order, 1).status = "cancelled"
    assert order(database, begin_turn(database, channel), "k1", 2)["already_placed"] is False


def test_two_products_are_two_orders(database: Database, turn: Turn) -> None:
    order(database, turn, "k1")
    order(database, turn, "m1")
    assert [placed.product_id for placed in rows(database, Order)] == ["k1", "m1"]


def test_two_customers_who_want_the_same_are_two_orders(
    database: Database, channel: ChannelIntegration, turn: Turn
) -> None:
    other = begin_turn(database, channel, "t2")
    order(database, turn, "k1", 2)
    assert order(database, other, "k1", 2)["already_placed"] is False
    assert stock(database, "k1") == 1


# Stock


def test_what_is_not_there_is_not_sold(
    database: Database, channel: ChannelIntegration, turn: Turn
) -> None:
    answer = order(database, turn, "k1", 6)
    assert answer == {"ok": False, "error": "Electric Kettle has only 5 left."}
    order(database, turn, "k1", 5)
    other = begin_turn(database, channel, "t2")
    answer = order(database, other, "k1", 1)
    assert answer == {"ok": False, "error": "Electric Kettle is out of stock."}
    assert stock(database, "k1") == 0
    assert len(rows(database, Order)) == 1


def test_stock_never_falls_below_zero_however_many_buy_at_once(
    database: Database, channel: ChannelIntegration
) -> None:
    buyers = [begin_turn(database, channel, f"t{number}") for number in range(6)]
    with ThreadPoolExecutor(6) as pool:
        answers = list(pool.map(lambda buyer: order(database, buyer, "k1", 2), buyers))
    assert [answer["ok"] for answer in answers].count(True) == 2
    assert stock(database, "k1") == 1
    assert len(rows(database, Order)) == 2


def test_stock_is_given_back_when_the_order_is_not_kept(database: Database, turn: Turn) -> None:
    def break_off() -> None:
        with database.transaction() as session:
            answer = create_order(session, turn, '{"product": "k1", "quantity": 2}', now=NINE)
            assert answer["ok"] is True
            raise RuntimeError("the process ends here")

    with pytest.raises(RuntimeError, match="ends here"):
        break_off()
    assert stock(database, "k1") == 5
    assert rows(database, Order) == []


@pytest.mark.parametrize("text", ["How much is the kettle?", "Hello", "No thanks, cancel it"])
def test_nothing_is_ordered_that_the_customer_did_not_ask_for(
    database: Database, channel: ChannelIntegration, text: str
) -> None:
    told = order(database, begin_turn(database, channel, text=text), "k1")
    assert told["ok"] is False
    assert "has not agreed" in told["error"]
    assert rows(database, Order) == []
