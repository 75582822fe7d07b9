"""Catalog files: all of it or nothing, and every price to the last digit."""

import csv
import io
import json
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

import shoptalk
from shoptalk.errors import UsageError
from shoptalk.importer.catalog_file import Catalog, CatalogRow, read_catalog

HEADER = "product_id,name,description,price,currency,stock,active\n"


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "catalog"


def read(path: Path, content: str | bytes, default_currency: str = "USD") -> list[CatalogRow]:
    path.write_bytes(content.encode() if isinstance(content, str) else content)
    return read_catalog(path, default_currency).rows


def error_of(path: Path, content: str | bytes) -> str:
    with pytest.raises(UsageError) as caught:
        read(path, content)
    message = str(caught.value)
    assert message.startswith(f"{path}, ")
    assert "\n" not in message
    return message.removeprefix(f"{path}, ")


def catalog_of(path: Path, content: str) -> Catalog:
    path.write_text(content)
    return read_catalog(path, "USD")


def product(**fields: Any) -> dict[str, Any]:
    good: dict[str, Any] = {"product_id": "p1", "name": "Bottle", "price": "12.50"} | fields
    return {name: value for name, value in good.items() if value is not ...}


class TestCsv:
    def test_everything_is_taken_over(self, path: Path) -> None:
        rows = read(
            path,
            HEADER
            + 'b1,"Bottle, blue","750 ml,\n""steel""",12.50,eur,3,yes\n'
            + "\n"
            + "b2,قارورة,,0,,,\n",
        )
        assert rows == [
            CatalogRow(
                product_id="b1",
                name="Bottle, blue",
                description='750 ml,\n"steel"',
                price=Decimal("12.50"),
                currency="EUR",
                stock=3,
                active=True,
            ),
            CatalogRow(
                product_id="b2",
                name="قارورة",
                description="",
                price=Decimal(0),
                currency="USD",
                stock=None,
                active=True,
            ),
        ]

    @pytest.mark.parametrize("delimiter", [",", ";", "\t"])
    @pytest.mark.parametrize("bom", [b"", b"\xef\xbb\xbf"])
    @pytest.mark.parametrize("end", ["\n", "\r\n"])
    def test_dialects(self, path: Path, delimiter: str, bom: bytes, end: str) -> None:
        lines = [["Price", " NAME ", "colour", "product_id"], ["1.5", "Bottle", "a", "b1"]]
        text = end.join(delimiter.join(cells) for cells in lines) + end
        (row,) = read(path, bom + text.encode())
        assert (row.product_id, row.name, row.price) == ("b1", "Bottle", Decimal("1.5"))

    @pytest.mark.parametrize(
        ("text", "error"),
        [
            ("name,price\n", "line 1, column 1: the header row has no column product_id; a cat"),
            ("hello\n", "line 1, column 1: the header row has no column product_id"),
            ("\nname,price\n", "line 2, column 1: the header row has no column product_id"),
            ("name,price,name\n", "line 1, column 3: the column name is there twice"),
            (HEADER + "b1,Bottle,,12,50,,,\n", "line 2, column 8: the row has 8 columns and the"),
            (HEADER + "b1,Bottle\n", "line 2, column 3: the row has 2 columns and the header 7"),
            (HEADER + 'b1,"Bottle\n', "line 2, column 1: not readable as CSV: unexpected end"),
            (HEADER + 'b1,"a"b,,1,,,\n', "line 2, column 1: not readable as CSV: "),
            (HEADER + 'b1,"a\nb",,1,,,\nb2,,,1,,,\n', "line 4, column 2: name is missing"),
            (HEADER + ",a,,1,,,\n", "line 2, column 1: product_id is missing"),
            (HEADER + "b1,a,,,,,\n", "line 2, column 4: price is missing"),
            (
                HEADER + "b1,a,,1,,,\nb1,b,,1,,,\n",
                'line 3, column 1: product_id "b1" is already on line 2',
            ),
            (HEADER + 'b1,a,,"12,50",,,\n', "line 2, column 4: price must be a number with a"),
            (
                "product_id,name,price,stock\nb1,Bottle,12,50,\n",
                "line 2, column 5: the row has 5 columns and the header 4",
            ),
        ],
    )
    def test_mistakes_are_said_with_their_place(self, path: Path, text: str, error: str) -> None:
        assert error_of(path, text).startswith(error)

    def test_other_encodings_are_refused(self, path: Path) -> None:
        text = (HEADER + "b1,قارورة,,1,,,\n").encode("windows-1256")
        assert error_of(path, text).startswith("line 2, column 4: not UTF-8 text")


class TestValues:
    @pytest.mark.parametrize(
        ("price", "expected"),
        [
            ("12.50", "12.50"),
            (" 7 ", "7"),
            ("0.0001", "0.0001"),
            ("99999999999999.9999", "99999999999999.9999"),
            ("-0", "0"),
        ],
    )
    def test_prices_as_text(self, path: Path, price: str, expected: str) -> None:
        (row,) = read(path, json.dumps([product(price=price)]))
        assert str(row.price) == expected

    @pytest.mark.parametrize(
        ("price", "expected"),
        [
            ("12.50", "12.50"),
            ("0.1", "0.1"),
            ("7", "7"),
            ("1e2", "100"),
            ("1.5E1", "15"),
            ("-0.0", "0.0"),
            ("99999999999999.9999", "99999999999999.9999"),
        ],
    )
    def test_prices_as_numbers_keep_every_digit(
        self, path: Path, price: str, expected: str
    ) -> None:
        (row,) = read(path, f'[{{"product_id": "p", "name": "n", "price": {price}}}]')
        assert str(row.price) == expected

    @pytest.mark.parametrize(
        ("price", "problem"),
        [
            ('"-1"', "price must not be negative"),
            ("-0.01", "price must not be negative"),
            ("1.00001", "price must not have more than 4 decimals"),
            ('"1.00000"', "price must not have more than 4 decimals"),
            ("1e-400", "price must not have more than 4 decimals"),
            ("1e400", "price is too large"),
            ("100000000000000", "price is too large"),
            ('"NaN"', "price must be a number"),
            ('"Infinity"', "price must be a number"),
            ('"1e2"', "price must be a number"),
            ('"$12"', "price must be a number"),
            ('"١٢"', "price must be a number"),
            ("true", "price must be a number"),
            ("[1]", "price must be a number"),
            ("null", "price is missing"),
            ('""', "price is missing"),
            ("NaN", "not valid JSON: NaN is not a number in JSON"),
            ("-Infinity", "not valid JSON: -Infinity is not a number in JSON"),
        ],
    )
    def test_prices_that_are_none(self, path: Path, price: str, problem: str) -> None:
        text = f'[\n {{"product_id": "p", "name": "n",\n  "price": {price}}}]'
        place, _, said = error_of(path, text).partition(": ")
        assert said.startswith(problem)
        assert place in ("line 3, column 12", "line 2, column 2")

    @pytest.mark.parametrize(
        ("stock", "expected"),
        [
            (0, 0),
            (7, 7),
            ("7", 7),
            ("", None),
            (None, None),
            (..., None),
            (4.0, 4),
            ("4.0", 4),
            ("4,00", 4),
            ("4.0000", 4),
            (40.000, 40),
            ("-0", 0),
        ],
    )
    def test_stock(self, path: Path, stock: Any, expected: int | None) -> None:
        catalog = catalog_of(path, json.dumps([product(stock=stock)]))
        assert [row.stock for row in catalog.rows] == [expected]
        assert catalog.warnings == []

    @pytest.mark.parametrize("stock", [-3, "-3", "-3.0", "\N{MINUS SIGN}3", -3.0])
    def test_stock_below_zero_is_none_on_the_shelf_and_is_said(
        self, path: Path, stock: Any
    ) -> None:
        catalog = catalog_of(path, "[\n" + json.dumps(product(stock=stock)) + "]")
        assert [row.stock for row in catalog.rows] == [0]
        (warning,) = catalog.warnings
        assert warning.startswith("line 2, column ")
        assert warning.endswith(": stock -3 is taken as 0")

    def test_stock_that_may_be_thousands_is_not_guessed(self, path: Path) -> None:
        error = error_of(path, json.dumps([product(stock="4.000")]))
        assert error.endswith("stock 4.000 may be 4 or 4000: write it without a separator")

    @pytest.mark.parametrize(
        "stock", [-1.5, 1.5, "1.5", "1,000", True, "many", [], 2**63, -(2**63), 1e300]
    )
    def test_stock_that_is_none(self, path: Path, stock: Any) -> None:
        assert "stock " in error_of(path, json.dumps([product(stock=stock)]))

    @pytest.mark.parametrize(
        ("active", "expected"),
        [
            (True, True), (False, False), (1, True), (0, False), ("Yes", True), ("NO", False),
            ("true", True), ("false", False), ("1", True), ("0", False), ("", True), (..., True),
        ],
    )  # fmt: skip
    def test_active(self, path: Path, active: Any, expected: bool) -> None:
        (row,) = read(path, json.dumps([product(active=active)]))
        assert row.active is expected

    @pytest.mark.parametrize(
        ("fields", "problem"),
        [
            ({"active": "maybe"}, "active must be true or false"),
            ({"active": 2}, "active must be true or false"),
            ({"currency": "US"}, "currency must be three letters"),
            ({"currency": "€€€"}, "currency must be three letters"),
            ({"currency": 840}, "currency must be three letters"),
            ({"name": 5}, "name must be text"),
            ({"name": " "}, "name is missing"),
            ({"name": "a\0b"}, "name holds a character that cannot be stored"),
            ({"description": ["x"]}, "description must be text"),
            ({"product_id": ...}, "product_id is missing"),
            ({"product_id": 1.5}, "product_id must be text"),
            ({"product_id": True}, "product_id must be text"),
            ({"variants": "none"}, "variants must be a list"),
        ],
    )
    def test_other_mistakes(self, path: Path, fields: dict[str, Any], problem: str) -> None:
        assert f": {problem}" in error_of(path, json.dumps([product(**fields)]))

    def test_numbers_and_texts_are_one_product_id(self, path: Path) -> None:
        products = [product(product_id=42), product(product_id=" 42 ")]
        assert 'product_id "42" is already on line 1' in error_of(path, json.dumps(products))

    def test_default_currency_is_checked_too(self, path: Path) -> None:
        with pytest.raises(UsageError, match="the default currency must be three letters"):
            read(path, "[]", default_currency="dollar")


class TestJson:
    @pytest.mark.parametrize("indent", [None, 2])
    def test_a_list_and_an_object_say_the_same(self, path: Path, indent: int | None) -> None:
        products = [product(), product(product_id="p2")]
        rows = read(path, json.dumps(products, indent=indent))
        assert [row.product_id for row in rows] == ["p1", "p2"]
        assert read(path, json.dumps({"a": 1, "products": products}, indent=indent)) == rows

    @pytest.mark.parametrize(
        ("text", "error"),
        [
            ('[\n  {"product_id": }]', "line 2, column 18: not valid JSON: Expecting value"),
            ('{"items": []}', 'line 1, column 1: not readable: there is no list "products"'),
            ("[\n 5]", "line 2, column 2: a product must be an object"),
            ('[\n\n {"price": 1, "name": "n"}]', "line 3, column 2: product_id is missing"),
            (
                '[{"product_id": "p", "name": "n", "price": 1, "price": 2}]',
                "line 1, column 47: not readable: the name is there twice",
            ),
            (
                '[{"product_id": "p", "name": "n", "variants": [\n 5]}]',
                "line 2, column 2: a variant must be an object",
            ),
            (
                '[{"product_id": "p", "name": "n", "variants": [{"price": 1}]}]',
                "line 1, column 48: variant_id is missing",
            ),
            (
                '[{"name": "n", "variants": [{"variant_id": "v", "price": 1, "available": 0}]}]',
                "line 1, column 29: available must be true or false",
            ),
            (
                '[{"name": "n", "variants": [{"variant_id": "v", "options": 5, "price": 1}]}]',
                "line 1, column 29: options must be an object or a list",
            ),
            ('[{"name": "n", "variants": [\n{"variant_id": "v"}]}]', "line 2, column 1: price is"),
        ],
    )
    def test_mistakes_are_said_with_their_place(self, path: Path, text: str, error: str) -> None:
        assert error_of(path, text).startswith(error)

    def test_variants_become_products(self, path: Path) -> None:
        variants = [
            {"variant_id": "v1", "options": {"size": "L", "colour": "blue"}, "available": False},
            {"variant_id": "v2", "options": {"colour": "red", "size": 2, "gift": True}, "price": 9},
            {"variant_id": "v3", "options": ["plain"], "stock": 4, "active": False},
            {"variant_id": "v4"},
        ]
        rows = read(path, json.dumps([product(options=["colour", "size"], variants=variants)]))
        found = [(row.product_id, row.name, str(row.price), row.stock, row.active) for row in rows]
        assert found == [
            ("v1", "Bottle (blue, L)", "12.50", 0, True),
            ("v2", "Bottle (red, 2, yes)", "9", None, True),
            ("v3", "Bottle (plain)", "12.50", 4, False),
            ("v4", "Bottle", "12.50", None, True),
        ]

    def test_same_variant_id_in_two_products_is_a_mistake(self, path: Path) -> None:
        twins = [product(name=name, variants=[{"variant_id": "v"}]) for name in ("A", "B")]
        text = "[" + ",\n".join(json.dumps(each) for each in twins) + "]"
        error = error_of(path, text)
        assert error.startswith("line 2, column ")
        assert error.endswith('product_id "v" is already on line 1')


@pytest.mark.parametrize("name", ["products.json", "catalog.json"])
def test_the_catalogs_of_the_sandbox_are_read_whole(name: str) -> None:
    path = Path(shoptalk.__file__).parent / "sandbox" / "data" / name
    document = json.loads(path.read_text("utf-8"), parse_float=Decimal)
    products = document if isinstance(document, list) else document["products"]
    priced = [each for one in products for each in one.get("variants") or [one]]
    rows = read_catalog(path, "USD").rows
    assert [row.product_id for row in rows] == [
        each.get("variant_id") or each["product_id"] for each in priced
    ]
    assert [row.price for row in rows] == [Decimal(each["price"]) for each in priced]
    assert [row.stock for row in rows] == [
        0 if each.get("available") is False else each.get("stock") for each in priced
    ]


@given(
    products=st.lists(
        st.builds(
            product,
            product_id=st.text("abc123-", min_size=1, max_size=6),
            name=st.text(
                st.characters(exclude_categories=["Cs", "Cc", "Z"]), min_size=1, max_size=9
            ),
            price=st.decimals(0, 10**10, places=4).map(str) | st.integers(0, 10**9).map(str),
            currency=st.sampled_from(["EUR", "USD", "EGP"]),
            stock=st.none() | st.integers(0, 10**6),
            active=st.booleans(),
            description=st.text(
                st.characters(exclude_categories=["Cs"], exclude_characters="\0"), max_size=20
            ).map(str.strip),
        ),
        unique_by=lambda each: each["product_id"],
        max_size=6,
    ),
    delimiter=st.sampled_from(",;"),
)
def test_csv_and_json_say_the_same(
    path: Path, products: list[dict[str, Any]], delimiter: str
) -> None:
    columns = ["product_id", "name", "price", "currency", "stock", "active", "description"]
    text = io.StringIO()
    writer = csv.DictWriter(text, columns, delimiter=delimiter)
    writer.writeheader()
    writer.writerows(products)
    rows = read(path, text.getvalue())
    assert rows == read(path, json.dumps(products))
    assert [(row.product_id, str(row.price), row.stock) for row in rows] == [
        (each["product_id"], each["price"], each["stock"]) for each in products
    ]


@given(text=st.text() | st.text(HEADER + '"\n\r;{}[]:0.-'))
def test_any_text_is_read_or_refused(path: Path, text: str) -> None:
    for content in (text, HEADER + text, f"[{text}]", f'[{{"product_id": "p", {text}}}]'):
        try:
            read(path, content.encode("utf-8", "replace"))
        except UsageError:
            continue
