"""Files that are no text: what they are by their first bytes, and how to get text out of them."""

import io
import zipfile
from collections.abc import Collection
from dataclasses import dataclass

_WORKBOOK = "an Excel workbook (.xlsx)"

_ZIP = b"PK\x03\x04"
_OLE = b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1"
_LOCKED = "EncryptedPackage".encode("utf-16-le")

_AS_CSV = 'save it as "CSV UTF-8 (Comma delimited)"'
_FROM_EXCEL = f"open it in Excel, and {_AS_CSV} or as .xlsx"
_FROM_LIBREOFFICE = 'open it in LibreOffice, and save it as "Text CSV" with the character set UTF-8'


@dataclass(frozen=True, slots=True)
class Kind:
    """What a file is, and what its owner can do."""

    name: str
    remedy: str


_UNPACK = "unpack it and give the file inside"
_BY_START = (
    (b"%PDF-", Kind("a PDF", "export what is in it as text, where it was made")),
    (b"\x1f\x8b", Kind("a gzip archive", _UNPACK)),
    (b"Rar!", Kind("a RAR archive", _UNPACK)),
    (b"7z\xbc\xaf\x27\x1c", Kind("a 7z archive", _UNPACK)),
    (b"\x89PNG", Kind("a picture", "give the file it was made from")),
    (b"\xff\xd8\xff", Kind("a picture", "give the file it was made from")),
    (b"SQLite format 3\0", Kind("an SQLite database", "export CSV from it")),
)


def kind_of(data: bytes) -> Kind | None:
    """What the bytes of a file are, if they are no text."""
    if data.startswith(_ZIP):
        return _packed(data)
    if data.startswith(_OLE):
        if _LOCKED in data:
            return Kind("a workbook that is locked with a password", "save it without one")
        return Kind("a workbook of old Excel (.xls)", _FROM_EXCEL)
    return next((kind for start, kind in _BY_START if data.startswith(start)), None)


def is_workbook(data: bytes) -> bool:
    """Whether it is a workbook that can be read."""
    kind = kind_of(data)
    return kind is not None and kind.name == _WORKBOOK


def markup_kind(text: str) -> Kind | None:
    """What a text is that shop systems pass off as a workbook."""
    start = text.lstrip()[:500].casefold()
    if start.startswith("<?xml") and "excel.sheet" in start:
        return Kind("a workbook of old Excel as XML", _FROM_EXCEL)
    if start.startswith(("<!doctype html", "<html", "<table", "<meta", "<head", "<style")):
        return Kind("a web page (HTML), whatever its name", _FROM_EXCEL)
    return None


def _packed(data: bytes) -> Kind:
    try:
        with zipfile.ZipFile(io.BytesIO(data)) as archive:
            names = archive.namelist()
            form = archive.read("mimetype")[:80] if _is_small(archive, "mimetype") else b""
    except (zipfile.BadZipFile, RuntimeError, NotImplementedError, OSError, ValueError):
        return Kind("a zip archive", _UNPACK)
    if b"opendocument.spreadsheet" in form:
        return Kind("a spreadsheet of LibreOffice (.ods)", _FROM_LIBREOFFICE)
    if any(name.endswith(".iwa") for name in names) or "Index.zip" in names:
        return Kind(
            "a spreadsheet of Apple Numbers (.numbers)",
            "choose File > Export To > CSV there, with the encoding UTF-8",
        )
    return _office_kind(names) or Kind("a zip archive", _UNPACK)


def _is_small(archive: zipfile.ZipFile, name: str) -> bool:
    return name in archive.namelist() and archive.getinfo(name).file_size <= 1000


def _office_kind(names: Collection[str]) -> Kind | None:
    if "xl/workbook.bin" in names:
        return Kind("a binary Excel workbook (.xlsb)", _FROM_EXCEL)
    if "xl/workbook.xml" in names:
        return Kind(_WORKBOOK, f"only a catalog can be read from one; {_FROM_EXCEL}")
    if "word/document.xml" in names:
        return Kind("a Word document (.docx)", "put its table into a spreadsheet, and save CSV")
    return None
