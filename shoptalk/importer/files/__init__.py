"""Files as a source of messages: exported chats and our own JSON.

A new format is one module and one line in FORMATS; the first that recognises a file reads it.
"""

from collections.abc import Sequence
from pathlib import Path

from shoptalk.importer.files import own_json, whatsapp_chat
from shoptalk.importer.files.base import (
    DATE_ORDERS,
    DateOrder,
    FileFormat,
    FileImport,
    FileOptions,
    FileThread,
)
from shoptalk.importer.files.source import read_source

#: A WhatsApp chat may start with "[" like a JSON list, so it is asked first.
FORMATS: Sequence[FileFormat] = (whatsapp_chat.FORMAT, own_json.FORMAT)

__all__ = [
    "DATE_ORDERS",
    "FORMATS",
    "DateOrder",
    "FileFormat",
    "FileImport",
    "FileOptions",
    "FileThread",
    "read_file",
]


def read_file(path: Path, options: FileOptions) -> FileImport:
    """Read a whole file; its format is told by its content.

    Raises:
        UsageError: the file cannot be read; the sentence names file, line and column.
    """
    source = read_source(path)
    for file_format in FORMATS:
        if file_format.recognises(source):
            return file_format.read(source, options)
    names = " or ".join(file_format.name for file_format in FORMATS)
    start = len(source.text) - len(source.text.lstrip())
    raise source.error_at(start, f"not the start of any file we know ({names})")
