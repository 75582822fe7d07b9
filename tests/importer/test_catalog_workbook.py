"""Catalogs in Excel workbooks, as their owner sees them; what other files are is said."""

import io
import zipfile
from collections.abc import Callable, Mapping, Sequence
from datetime import date
from pathlib import Path
from typing import Any

import pytest
from openpyxl import Workbook, load_workbook
from openpyxl.worksheet.worksheet import Worksheet

from shoptalk.errors import UsageError
from shoptalk.importer.catalog_file import Catalog, read_catalog

HEADER = ("product_id", "name", "price", "stock")
GOOD = ("b1", "Bottle", 12.5, 3)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "catalog.xlsx"


def sheets(path: Path, **rows: Sequence[Sequence[Any]]) -> Workbook:
    book = Workbook()
    book.remove(book.worksheets[0])
    for title, lines in rows.items():
        sheet = book.create_sheet(title)
        for line in lines:
            sheet.append(list(line))
    book.save(path)
    return book


def formatted(path: Path, column: str, value: Any, number_format: str) -> Catalog:
    """The catalog of one product with a value in a format."""
    book = sheets(path, Goods=[HEADER, GOOD])
    cell = book["Goods"].cell(2, HEADER.index(column) + 1)
    cell.value, cell.number_format = value, number_format
    book.save(path)
    return read_catalog(path, "USD")


def error_of(path: Path) -> str:
    with pytest.raises(UsageError) as caught:
        read_catalog(path, "USD")
    return str(caught.value)


def test_the_first_sheet_that_has_the_columns_is_read(path: Path) -> None:
    sheets(
        path,
        Notes=[["call the printer"], ["name", "phone"]],
        Goods=[["Autumn"], [], HEADER, GOOD, [None, " "], [], ["b2", "قارورة", 7, None]],
        Old=[HEADER, ["b9", "Old", 1, 1]],
    )
    catalog = read_catalog(path, "EUR")
    found = [(row.product_id, row.name, str(row.price), row.stock) for row in catalog.rows]
    assert found == [("b1", "Bottle", "12.5", 3), ("b2", "قارورة", "7", None)]
    assert {row.currency for row in catalog.rows} == {"EUR"}
    assert catalog.warnings == [
        'sheet "Old" has the columns too, and was not read: only sheet "Goods" was'
    ]


def test_a_sheet_that_is_hidden_comes_after_those_that_are_shown(path: Path) -> None:
    book = sheets(path, Old=[HEADER, ["b9", "Old", 1, 1]], Goods=[HEADER, GOOD])
    book["Old"].sheet_state = "hidden"
    book.save(path)
    assert [row.product_id for row in read_catalog(path, "USD").rows] == ["b1"]


@pytest.mark.parametrize(
    ("value", "number_format", "price"),
    [
        (12.5, "General", "12.5"),
        (12.5, "0.00", "12.50"),
        (1009.9, "#,##0.00", "1009.90"),
        (12.5, '"$"#,##0.00', "12.50"),
        (12.5, "[$€-407] #,##0.00", "12.50"),
        (12.5, '#,##0.00\\ "kr"', "12.50"),
        (12.5, '_-* #,##0.00\\ "€"_-;\\-* #,##0.00\\ "€"_-;_-* "-"??\\ "€"_-;_-@_-', "12.50"),
        (12.5, "0.##", "12.5"),
        (12.0, "0.##", "12"),
        (12, "General", "12"),
        (0.1 + 0.2, "General", "0.3"),
        (19.99 * 3, "0.00", "59.97"),
        (1200000, "0.00E+00", "1200000"),
        ("12.50", "@", "12.50"),
    ],
)
def test_prices_are_taken_as_they_are_shown(
    path: Path, value: Any, number_format: str, price: str
) -> None:
    catalog = formatted(path, "price", value, number_format)
    assert [str(row.price) for row in catalog.rows] == [price]
    assert catalog.warnings == []


def test_a_price_that_is_shown_rounded_is_said(path: Path) -> None:
    catalog = formatted(path, "price", 12.345, "0.00")
    assert [str(row.price) for row in catalog.rows] == ["12.35"]
    assert catalog.warnings == [
        'sheet "Goods", cell C2: price 12.345 is taken as it is shown: 12.35'
    ]


@pytest.mark.parametrize(
    ("value", "number_format", "product_id"),
    [
        (42, "General", "42"),
        (42.0, "General", "42"),
        (42, "00000", "00042"),
        (42, '"SKU-"0000', "SKU-0042"),
        (42, "#,##0", "42"),
        (1234, "#,##0", "1234"),
        (4006381333931, "General", "4006381333931"),
        ("0042", "General", "0042"),
        (1.1, "0.00", "1.10"),
    ],
)
def test_ids_are_text(path: Path, value: Any, number_format: str, product_id: str) -> None:
    (row,) = formatted(path, "product_id", value, number_format).rows
    assert row.product_id == product_id


@pytest.mark.parametrize(
    ("column", "value", "number_format", "problem"),
    [
        ("price", 0.5, "0%", "C2: price is a percentage"),
        ("price", 12500, "#,##0,", "C2: price is shown in thousands"),
        ("price", date(2026, 5, 1), "dd.mm.yyyy", "C2: price is a date or time"),
        ("product_id", date(2026, 5, 1), "d-mmm", "A2: product_id is a date or time"),
        ("product_id", 1234567890123456, "0", "A2: product_id has more digits than"),
        ("price", "#N/A", "General", "C2: price is an error of a formula (#N/A)"),
        ("price", -1, "0.00", "C2: price must not be negative"),
        ("price", 1.23456, "General", "C2: price must not have more than 4 decimals"),
        ("price", "12,50", "General", "C2: price must be a number"),
        ("price", True, "General", "C2: price must be a number"),
        ("stock", 1.5, "0", "D2: stock must be a whole number"),
        ("name", None, "General", "B2: name is missing"),
    ],
)
def test_cells_that_no_product_can_have(
    path: Path, column: str, value: Any, number_format: str, problem: str
) -> None:
    with pytest.raises(UsageError) as caught:
        formatted(path, column, value, number_format)
    assert str(caught.value).startswith(f'{path}, sheet "Goods", cell {problem}')


@pytest.mark.parametrize(("stock", "expected"), [(4.0, 4), (-2, 0), ("4.0", 4), (None, None)])
def test_stock(path: Path, stock: Any, expected: int | None) -> None:
    sheets(path, Goods=[HEADER, ["b1", "Bottle", 1, stock]])
    assert [row.stock for row in read_catalog(path, "USD").rows] == [expected]


def test_all_mistakes_are_said_by_their_cells(path: Path) -> None:
    sheets(path, Goods=[HEADER, GOOD, ["b1", "Cup", 1, "x"], ["b1", "Tea", 1, 1]])
    assert error_of(path).splitlines() == [
        f"{path} has 2 mistakes, so nothing of it was imported:",
        '  sheet "Goods", cell D3: stock must be a whole number, or empty where it is not tracked',
        '  sheet "Goods", cell A4: product_id "b1" is already in row 2',
    ]


def test_columns_that_no_product_has_are_said(path: Path) -> None:
    sheets(path, Goods=[(*HEADER[:3], "Stok", "active", 2026), (*GOOD, False, 1)])
    catalog = read_catalog(path, "USD")
    assert [str(column) for column in catalog.ignored] == ["Stok (did you mean stock?)", "2026"]
    assert [row.active for row in catalog.rows] == [False]


def test_a_workbook_without_the_columns_is_told_what_it_lacks(path: Path) -> None:
    sheets(path, Notes=[["x"]], Goods=[["name", "price"], ["Bottle", 1]])
    assert error_of(path).startswith(
        f'{path}, sheet "Goods", cell A1: the header row has no column product_id; a catalog has '
    )


def test_a_workbook_with_nothing_in_it(path: Path) -> None:
    sheets(path, Goods=[])
    assert error_of(path).startswith(f"{path} has no sheet with anything on it that can be read: ")


def test_a_sheet_that_says_it_is_smaller_than_it_is_is_read_whole(path: Path) -> None:
    sheets(path, Goods=[HEADER, GOOD, ["b2", "Cup", 1, 1]])
    in_part(path, "xl/worksheets/sheet1.xml", lambda text: text.replace("A1:D3", "A1"))
    assert [row.product_id for row in read_catalog(path, "USD").rows] == ["b1", "b2"]


def test_a_workbook_that_unpacks_to_more_than_memory_holds_is_refused(path: Path) -> None:
    sheets(path, Goods=[HEADER, GOOD])
    bomb = " " * (201 * 1024 * 1024)
    in_part(path, "xl/worksheets/sheet1.xml", lambda text: text + bomb)
    assert path.stat().st_size < 1024 * 1024
    assert error_of(path).startswith(f"{path} unpacks to more than 200 MB")


@pytest.mark.parametrize("part", ["xl/workbook.xml", "xl/worksheets/sheet1.xml"])
@pytest.mark.parametrize(
    "harm",
    [
        lambda text: text[: len(text) // 2],
        lambda text: "<a/>",
        lambda text: text.replace("http://schemas.openxmlformats.org", "http://purl.oclc.org"),
        lambda text: '<!DOCTYPE a [<!ENTITY b "b">]>' + text,
    ],
    ids=["half", "other", "strict", "entity"],
)
def test_a_broken_workbook_is_refused_or_read(
    path: Path, part: str, harm: Callable[[str], str]
) -> None:
    sheets(path, Goods=[HEADER, GOOD])
    in_part(path, part, harm)
    try:
        rows = read_catalog(path, "USD").rows
    except UsageError as exc:
        refusal = str(exc)
    else:
        refusal = ""
        assert [row.product_id for row in rows] == ["b1"]
    assert refusal == "" or refusal.startswith(str(path))
    assert "\n" not in refusal


def in_part(path: Path, part: str, change: Callable[[str], str]) -> None:
    """Change one part of a packed file."""
    with zipfile.ZipFile(path) as archive:
        parts = {name: archive.read(name) for name in archive.namelist()}
    parts[part] = change(parts[part].decode()).encode()
    path.write_bytes(packed(parts))


def packed(parts: Mapping[str, bytes]) -> bytes:
    data = io.BytesIO()
    with zipfile.ZipFile(data, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in parts.items():
            archive.writestr(name, content)
    return data.getvalue()


OLE = b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + bytes(600)
ODS = b"application/vnd.oasis.opendocument.spreadsheet"


@pytest.mark.parametrize(
    ("data", "said"),
    [
        (OLE, "is a workbook of old Excel (.xls): open it in Excel, and save it as"),
        (OLE + "EncryptedPackage".encode("utf-16-le"), "is a workbook that is locked with a pass"),
        (packed({"mimetype": ODS, "content.xml": b"<a/>"}), "is a spreadsheet of LibreOffice"),
        (packed({"Index/Document.iwa": b"x"}), "is a spreadsheet of Apple Numbers (.numbers): ch"),
        (packed({"xl/workbook.bin": b"x"}), "is a binary Excel workbook (.xlsb): open it in Ex"),
        (packed({"word/document.xml": b"x"}), "is a Word document (.docx): put its table into"),
        (packed({"catalog.csv": b"x"}), "is a zip archive: unpack it and give the file inside"),
        (b"PK\x03\x04...", "is a zip archive: unpack it"),
        (b"\x1f\x8b\x08rest", "is a gzip archive: unpack it"),
        (b"%PDF-1.7\n", "is a PDF: export"),
        (b"\n<html><table><tr><td>name</td></tr></table>", "is a web page (HTML), whatever its"),
        (b'<?xml version="1.0"?>\n<?mso-application progid="Excel.Sheet"?>', "is a workbook of ol"),
        (packed({"xl/workbook.xml": b"<workbook/>"}), "cannot be read as an Excel workbook: open"),
    ],
    ids=lambda value: value[:24] if isinstance(value, str) else "",
)
def test_a_file_that_is_no_catalog_is_named_for_what_it_is(
    path: Path, data: bytes, said: str
) -> None:
    path.write_bytes(data)
    assert error_of(path).startswith(f"{path} {said}")


def test_what_is_written_is_what_is_tested(path: Path) -> None:
    """The formats that these tests set are in the file, not only in memory."""
    book = sheets(path, Goods=[HEADER, GOOD])
    book["Goods"]["C2"].number_format = '"$"0.00'
    book.save(path)
    sheet = load_workbook(path).worksheets[0]
    assert isinstance(sheet, Worksheet)
    assert sheet["C2"].number_format == '"$"0.00'
