"""What a catalog's owner is told of a file: each mistake, and what was taken otherwise."""

import json
from pathlib import Path

import pytest

from shoptalk.errors import UsageError
from shoptalk.importer.catalog_file import Catalog, read_catalog

HEADER = "product_id,name,description,price,currency,stock,active\n"


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "catalog"


def catalog_of(path: Path, content: str) -> Catalog:
    path.write_text(content, newline="")
    return read_catalog(path, "USD")


def mistakes_of(path: Path, content: str) -> list[str]:
    with pytest.raises(UsageError) as caught:
        catalog_of(path, content)
    return str(caught.value).removeprefix(f"{path}, ").splitlines()


class TestMistakes:
    def test_all_are_said_in_the_order_of_the_file(self, path: Path) -> None:
        text = HEADER + "b1,a,,1,,,\nb2,a,,1,,x,\nb3,,,x,US,,maybe\n"
        assert mistakes_of(path, text) == [
            f"{path} has 5 mistakes, so nothing of it was imported:",
            "  line 3, column 6: stock must be a whole number, or empty where it is not tracked",
            "  line 4, column 2: name is missing",
            "  line 4, column 4: price must be a number with a decimal point, like 12.50",
            "  line 4, column 5: currency must be three letters (ISO 4217), like USD",
            "  line 4, column 7: active must be true or false (or yes, no, 1, 0)",
        ]

    @pytest.mark.parametrize(("number", "last"), [(20, "  line 21, "), (23, "  and 3 more")])
    def test_of_many_the_first_20_are_said_and_the_rest_counted(
        self, path: Path, number: int, last: str
    ) -> None:
        lines = mistakes_of(path, HEADER + "b,a,,x,,,\n" * number)
        assert lines[0] == f"{path} has {number} mistakes, so nothing of it was imported:"
        assert [line.split(",")[0] for line in lines[1:21]] == [
            f"  line {line}" for line in range(2, 22)
        ]
        assert lines[-1].startswith(last)
        assert len(lines) == min(number, 21) + 1

    def test_a_single_one_is_a_sentence(self, path: Path) -> None:
        assert mistakes_of(path, HEADER + "b1,a,,x,,,\n") == [
            "line 2, column 4: price must be a number with a decimal point, like 12.50"
        ]


class TestAboveTheHeader:
    @pytest.mark.parametrize(
        "first", ["sep=;", "SEP=;", '"sep=;"', "sep=;;;", '"sep=;",,', "sep=,", "sep=\t"]
    )
    @pytest.mark.parametrize("end", ["\n", "\r\n"])
    def test_a_hint_at_the_separator_is_skipped(self, path: Path, first: str, end: str) -> None:
        lines = [first, "product_id;name;price", "b1;Bottle, blue;12.50", ""]
        (row,) = catalog_of(path, end.join(lines)).rows
        assert (row.product_id, row.name, str(row.price)) == ("b1", "Bottle, blue", "12.50")

    @pytest.mark.parametrize("delimiter", [":", "^", "|", "\t", "~"])
    def test_a_hint_may_name_any_separator(self, path: Path, delimiter: str) -> None:
        lines = [f"sep={delimiter}", "product_id;name;price", "b1;Bottle;12.50"]
        (row,) = catalog_of(path, "\n".join(lines).replace(";", delimiter)).rows
        assert (row.product_id, row.name, str(row.price)) == ("b1", "Bottle", "12.50")

    def test_lines_are_counted_with_the_hint(self, path: Path) -> None:
        (mistake,) = mistakes_of(path, "sep=;\nproduct_id;name;price\nb1;Bottle;x\n")
        assert mistake.startswith("line 3, column 3: price must be a number")

    def test_a_title_may_stand_there(self, path: Path) -> None:
        text = "Price list, autumn\n,,\nproduct_id,name,price\nb1,Bottle,1\n"
        assert [row.product_id for row in catalog_of(path, text).rows] == ["b1"]


class TestColumns:
    def test_names_are_the_same_with_spaces_and_hyphens(self, path: Path) -> None:
        (row,) = catalog_of(path, "Product ID;Name;PRICE\nb1;Bottle;1\n").rows
        assert row.product_id == "b1"
        twice = "Product ID;name;price;product-id\nb1;Bottle;1;b2\n"
        assert mistakes_of(path, twice) == [
            "line 1, column 4: the column product_id is there twice"
        ]

    @pytest.mark.parametrize(
        ("header", "said"),
        [
            ("Stok", ["Stok (did you mean stock?)"]),
            ("colour,Stocks,tag", ["colour", "Stocks (did you mean stock?)", "tag"]),
            ("stock,Stok", ["Stok"]),
            ("Stock,,", []),
            ("descripton,Währung", ["descripton (did you mean description?)", "Währung"]),
        ],
    )
    def test_those_that_no_product_has_are_said(
        self, path: Path, header: str, said: list[str]
    ) -> None:
        cells = "1," * header.count(",") + "1"
        text = f"product_id,name,price,{header}\nb1,Bottle,1,{cells}\n"
        assert [str(column) for column in catalog_of(path, text).ignored] == said

    def test_a_name_that_is_nearly_the_missing_one_is_said(self, path: Path) -> None:
        (mistake,) = mistakes_of(path, "product_id,name,Prise\nb1,Bottle,1\n")
        assert mistake.startswith("line 1, column 1: the header row has no column price, but prise")

    def test_fields_of_json_that_no_product_has_are_said(self, path: Path) -> None:
        good = {"product_id": "p1", "name": "Bottle", "price": 1, "options": []}
        products = [good | {"Stock": 1}, good | {"product_id": "p2", "image": "a.png", "Stock": 2}]
        ignored = catalog_of(path, json.dumps(products)).ignored
        assert [str(field) for field in ignored] == ["Stock (did you mean stock?)", "image"]


def test_a_number_that_a_spreadsheet_cut_short_is_said(path: Path) -> None:
    text = "product_id,name,price\n4.00638E+12,Bottle,1\n1E5,Cup,1\n"
    (warning,) = catalog_of(path, text).warnings
    assert warning.startswith("line 2, column 1: product_id 4.00638E+12 looks like a number")


@pytest.mark.parametrize(("named", "took"), [("", 2), ("EUR", 1), ("USD", 1)])
def test_products_that_name_no_currency_are_counted(path: Path, named: str, took: int) -> None:
    text = f"product_id,name,price,currency\nb1,Bottle,1,\nb2,Cup,1,{named}\n"
    assert catalog_of(path, text).took_default == took
