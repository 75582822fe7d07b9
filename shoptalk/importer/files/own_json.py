"""Our own JSON: messages from any system, one object each.

A list, ``{"messages": [...]}``, or JSON Lines (an object a line, lines end at "\\n"). Of a message:

    thread_id       required, text
    message_id      required, text; unique over everything that is imported
    sender          required, "customer" or "employee"
    created_at      required, ISO 8601 with a zone: "2025-03-01T09:00:00Z"
    text            may be left out where there are attachments or a content_type
    content_type    "text" (default), "image", "audio", ...: a word of `ContentType`
    attachments     list of {kind, url, mime_type, name, size, title}; kind is required
    reply_to        message_id this one answers
    customer_name, customer_phone, customer_id
                    of the thread's customer, on any of its messages; the latest counts

Other fields are passed over. A file that is no JSON is refused as a whole; a record that is no
message is set aside as unreadable with its line and field, and the rest counts. The same record
twice counts once; another record with a message_id that is taken is set aside.
"""

import re
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Annotated, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, ValidationError, model_validator

from shoptalk.errors import UsageError
from shoptalk.importer.files.base import FileFormat, FileImport, FileOptions, FileThread
from shoptalk.importer.files.json_values import (
    Placed,
    records,
    skip_space,
    starts_as_json,
    value_at,
)
from shoptalk.importer.files.phone import find_phone
from shoptalk.importer.files.source import Source
from shoptalk.types import (
    Attachment,
    ContentType,
    Customer,
    InboundMessage,
    SenderType,
    Unreadable,
)

_UNSTORABLE = re.compile("[\0\ud800-\udfff]")
_LIST = "messages"  #: the key of the list, where the document is an object


def _storable(value: object) -> object:
    """Text with what no database can hold (NUL, halves of surrogate pairs) as U+FFFD."""
    return _UNSTORABLE.sub("\ufffd", value) if isinstance(value, str) else value


def _phone(value: object) -> str | None:
    if value is None:
        return None
    phone = find_phone(value) if isinstance(value, str) else None
    if phone is None:
        raise ValueError("must be in international form, like +201000000123")
    return phone


def _moment(value: object) -> datetime:
    if not isinstance(value, str):
        raise ValueError("must be text in ISO 8601")
    try:
        moment = datetime.fromisoformat(value)
    except ValueError as exc:
        raise ValueError("must be a moment in ISO 8601") from exc
    if moment.tzinfo is None:
        raise ValueError("must have a zone, like 2025-03-01T09:00:00Z")
    try:
        return moment.astimezone(UTC)
    except OverflowError as exc:
        raise ValueError("must lie in the years 1 to 9999") from exc


Text = Annotated[str, BeforeValidator(_storable)]
Name = Annotated[str, BeforeValidator(_storable), Field(pattern=r"\S")]
Size = Annotated[int, Field(ge=0, le=2**63 - 1, strict=True)]


class FileAttachment(BaseModel):
    kind: ContentType
    url: Text | None = None
    mime_type: Text | None = None
    name: Text | None = None
    size: Size | None = None
    title: Text | None = None


class FileMessage(BaseModel):
    """One record, as the file has it."""

    model_config = ConfigDict(hide_input_in_errors=True)

    thread_id: Name
    message_id: Name
    sender: Literal["customer", "employee"]
    created_at: Annotated[datetime, BeforeValidator(_moment)]
    text: Text | None = None
    content_type: ContentType = ContentType.TEXT
    attachments: list[FileAttachment] = []
    reply_to: Name | None = None
    customer_name: Text | None = None
    customer_phone: Annotated[str | None, BeforeValidator(_phone)] = None
    customer_id: Name | None = None

    @model_validator(mode="after")
    def _says_something(self) -> "FileMessage":
        if not self.text and not self.attachments and self.content_type is ContentType.TEXT:
            raise ValueError("text: is missing, and so are attachments")
        return self

    def as_message(self) -> InboundMessage:
        content_type = self.content_type
        if not self.text and content_type is ContentType.TEXT:
            content_type = self.attachments[0].kind
        return InboundMessage(
            message_id=self.message_id,
            sender_type=SenderType(self.sender),
            created_at=self.created_at,
            text=self.text or "",
            content_type=content_type,
            attachments=[Attachment(**each.model_dump()) for each in self.attachments],
            reply_to=self.reply_to,
        )


@dataclass(slots=True)
class _Thread:
    """The records of one thread, as they come."""

    records: list[FileMessage] = field(default_factory=list)
    unreadable: list[Unreadable] = field(default_factory=list)


def read_own_json(source: Source, options: FileOptions) -> FileImport:  # noqa: ARG001
    """Read our own JSON or JSON Lines. The options are not needed: the records say it all.

    Raises:
        UsageError: the file is no JSON, or not of this form.
    """
    threads: defaultdict[str, _Thread] = defaultdict(_Thread)
    first_of: dict[str, tuple[int, FileMessage]] = {}
    unplaced: list[Unreadable] = []
    for record in _records(source):
        line, _ = source.place(record.offset)
        message = _validated(record.value)
        if isinstance(message, FileMessage):
            first_line, first = first_of.setdefault(message.message_id, (line, message))
            if first is message:
                threads[message.thread_id].records.append(message)
                continue
            if first == message:  # exports that overlap, put together
                continue
            message = f"message_id: another message of this id is on line {first_line}"
        bad = _unreadable(record.value, f"line {line}, {message}")
        home = unplaced if bad.thread_id is None else threads[bad.thread_id].unreadable
        home.append(bad)
    for thread in threads.values():
        if not thread.records:
            unplaced += thread.unreadable
    return FileImport(
        threads=[_file_thread(name, each) for name, each in threads.items() if each.records],
        unreadable=unplaced,
        format_name=FORMAT.name,
    )


def _records(source: Source) -> Sequence[Placed]:
    if not _is_json_lines(source):
        return records(source, _LIST)
    found = []
    offset = 0
    for line in source.text.split("\n"):
        start, stop = skip_space(source, offset), offset + len(line)
        offset = stop + 1
        if start >= stop:  # a blank line
            continue
        value, end = value_at(source, start)
        if end > stop:
            raise source.error_at(stop, "not JSON Lines: the line ends within a record")
        rest = skip_space(source, end)
        if rest < stop:
            raise source.error_at(rest, "not JSON Lines: more than one record on the line")
        found.append(Placed(value, start))
    return found


def _is_json_lines(source: Source) -> bool:
    """Whether the first line is a whole object that is not itself the document."""
    start = skip_space(source, 0)
    if not source.text.startswith("{", start):
        return False
    line = Source(source.path, source.text[start:].partition("\n")[0])
    try:
        first, _ = value_at(line, 0)
    except UsageError:
        return False  # it goes on on the next line, or the document's own error will say more
    return _LIST not in first


def _validated(value: object) -> FileMessage | str:
    """The message, or the field that is wrong and what is wrong with it."""
    if not isinstance(value, dict):
        return "the record: must be an object"
    try:
        return FileMessage.model_validate(value)
    except ValidationError as exc:
        first = exc.errors(include_url=False, include_context=False, include_input=False)[0]
        problem = _PROBLEMS.get(first["type"], first["msg"].removeprefix("Value error, "))
        where = ".".join(str(part) for part in first["loc"])
        return f"{where}: {problem}" if where else problem


_PROBLEMS = {
    "missing": "is missing",
    "string_type": "must be text",
    "string_pattern_mismatch": "must not be blank",
}


def _unreadable(value: object, reason: str) -> Unreadable:
    found = value if isinstance(value, dict) else {}
    ids = {
        name: _UNSTORABLE.sub("\ufffd", found[name])
        for name in ("thread_id", "message_id")
        if isinstance(found.get(name), str) and found[name].strip()
    }
    return Unreadable(
        reason=reason, thread_id=ids.get("thread_id"), message_id=ids.get("message_id")
    )


def _file_thread(thread_id: str, thread: _Thread) -> FileThread:
    # Stable: messages of one moment keep the order of the file.
    ordered = sorted(thread.records, key=lambda record: record.created_at)
    latest: dict[str, str] = {}
    for record in ordered:
        said = {
            "customer_id": record.customer_id,
            "name": record.customer_name,
            "phone": record.customer_phone,
        }
        latest |= {name: value for name, value in said.items() if value}
    customer_id = latest.get("customer_id") or latest.get("phone") or thread_id
    return FileThread(
        thread_id=thread_id,
        customer=Customer(
            customer_id=customer_id, name=latest.get("name"), phone=latest.get("phone")
        ),
        messages=[record.as_message() for record in ordered],
        unreadable=thread.unreadable,
    )


FORMAT = FileFormat(
    name="shoptalk JSON or JSON Lines", recognises=starts_as_json, read=read_own_json
)
