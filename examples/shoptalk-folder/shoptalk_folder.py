"""Conversations as JSON files in a folder. The format is in this distribution's README."""

import fcntl
import json
import os
import re
import tempfile
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Literal

from pydantic import AwareDatetime, BaseModel, Field, ValidationError

from shoptalk.errors import BadPayload, ChannelStopped, GiveUp, RetryLater, UsageError
from shoptalk.platforms.base import (
    AdapterContext,
    Capabilities,
    Identity,
    Page,
    Recipient,
    ThreadPage,
    ThreadSlice,
)
from shoptalk.types import Account, Customer, InboundMessage, SenderType, Unreadable

THREAD_ID = re.compile(r"[A-Za-z0-9_-]{1,100}")
SHOWN = 20  #: newest messages of a thread in the list


class Record(BaseModel):
    """One message as the file has it."""

    id: str = Field(min_length=1)
    sender: Literal["customer", "shop"] = Field(alias="from")
    at: AwareDatetime
    text: str


class Person(BaseModel):
    id: str = Field(min_length=1)
    name: str | None = None
    phone: str | None = None


@dataclass(frozen=True, kw_only=True)
class Thread:
    """A file as it was read. `messages` is newest first."""

    thread_id: str
    customer: Customer
    messages: list[InboundMessage]
    unreadable: list[Unreadable]

    @property
    def place(self) -> tuple[datetime, str]:
        """Where it stands in the list: by its latest message, and of equals by its name."""
        return self.messages[0].created_at, self.thread_id


class Folder:
    """One folder. Config: `folder`, its absolute path. There are no credentials."""

    name = "folder"
    capabilities = Capabilities(
        polled=True, history=True, typing=False, max_text=10_000, needs_token=False
    )

    def __init__(self, account: Account, surroundings: AdapterContext) -> None:
        self._account = account.external_id
        self._folder = Path(str(account.config.get("folder") or ""))
        self._clock = surroundings.clock

    def identify(self) -> Identity:
        if not self._folder.is_absolute():
            raise UsageError("Say which folder, from its root: --config folder=/path/to/folder.")
        if not self._folder.is_dir():
            raise ChannelStopped(
                "the folder is not there",
                platform=self.name,
                remedy="Make it, or connect the channel with another one.",
            )
        return Identity(
            external_id=self._account,
            display_name=self._folder.name,
            platform_time=self._clock(),  # whoever writes the files goes by the same clock
        )

    def fetch_page(self, *, cursor: str | None, limit: int, since: datetime | None) -> Page:
        """List threads by their latest message. Reads every file: a folder has no index."""
        before = self._place(cursor) if cursor is not None else None
        threads, unreadable = self._threads()
        wanted = [
            thread
            for thread in sorted(threads, key=lambda each: each.place, reverse=True)
            if (before is None or thread.place < before)
            and (since is None or thread.place[0] >= since)
        ]
        shown = wanted[:limit]
        return Page(
            threads=[_slice(thread) for thread in shown],
            next_cursor=_cursor(shown[-1]) if len(wanted) > limit else None,
            unreadable=unreadable if cursor is None else (),
        )

    def fetch_thread(self, thread_id: str, *, cursor: str, limit: int) -> ThreadPage:
        """Read on after the message that the cursor names: one that comes late moves nothing."""
        with self._failures_as_ours():
            thread = self._read(self._file(thread_id))
        ids = [message.message_id for message in thread.messages]
        if cursor and cursor not in ids:
            raise BadPayload("the cursor is none of ours", platform=self.name)
        begin = ids.index(cursor) + 1 if cursor else 0
        shown = thread.messages[begin : begin + limit]
        is_end = begin + limit >= len(ids)
        return ThreadPage(
            messages=shown,
            older=None if is_end else shown[-1].message_id,
            unreadable=thread.unreadable if not cursor else (),
        )

    def send(self, recipient: Recipient, text: str) -> str:
        """Add `text` to the thread's file, once for each `recipient.reference`."""
        with self._failures_as_ours(), self._alone():
            file = self._file(recipient.thread_id)
            content = self._load(file)
            for record in content["messages"]:
                if recipient.reference and _reference(record) == recipient.reference:
                    return self._message_id(recipient.thread_id, str(record["id"]))
            number = uuid.uuid4().hex
            content["messages"].append(
                {
                    "id": number,
                    "from": "shop",
                    "at": self._clock().isoformat(),
                    "text": text,
                    "reference": recipient.reference,
                }
            )
            _replace(file, content)
        return self._message_id(recipient.thread_id, number)

    def show_typing(self, recipient: Recipient) -> None:
        raise UsageError("Nobody looks at a folder while an answer is being written.")

    # Files

    @contextmanager
    def _failures_as_ours(self) -> Iterator[None]:
        """Until the new file is in place nothing has changed: all may be tried again."""
        try:
            yield
        except OSError as exc:
            reason = exc.strerror or "the folder cannot be read"
            raise RetryLater(reason, platform=self.name) from None

    @contextmanager
    def _alone(self) -> Iterator[None]:
        with (self._folder / ".lock").open("ab") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            yield

    def _file(self, thread_id: str) -> Path:
        file = self._folder / f"{thread_id}.json"
        if not self._folder.is_dir():
            raise FileNotFoundError(2, "the folder is not there")
        if not THREAD_ID.fullmatch(thread_id) or not file.is_file():
            raise GiveUp("there is no such thread", platform=self.name)
        return file

    def _threads(self) -> tuple[list[Thread], list[Unreadable]]:
        """All that hold a message, and the files that make no sense."""
        threads, unreadable = [], []
        with self._failures_as_ours():
            for file in sorted(self._folder.iterdir()):
                if file.suffix != ".json" or file.name.startswith("."):
                    continue
                try:
                    thread = self._read(file)
                except BadPayload as exc:
                    unreadable.append(Unreadable(reason=str(exc), thread_id=file.stem))
                    continue
                if thread.messages:
                    threads.append(thread)
                else:
                    unreadable += thread.unreadable
        return threads, unreadable

    def _read(self, file: Path) -> Thread:
        content = self._load(file)
        person = Person(id=file.stem)
        try:
            person = Person.model_validate(content.get("customer") or person.model_dump())
        except ValidationError as exc:
            raise BadPayload(f"customer: {_wrong(exc)}", platform=self.name) from None
        messages, unreadable = [], []
        for record in content["messages"]:
            try:
                messages.append(self._message(file.stem, Record.model_validate(record)))
            except ValidationError as exc:
                unreadable.append(Unreadable(reason=_wrong(exc), thread_id=file.stem))
        messages.sort(key=lambda message: message.created_at)  # stably: equals keep their order
        return Thread(
            thread_id=file.stem,
            customer=Customer(customer_id=person.id, name=person.name, phone=person.phone),
            messages=messages[::-1],
            unreadable=unreadable,
        )

    def _load(self, file: Path) -> dict[str, Any]:
        if not THREAD_ID.fullmatch(file.stem):
            raise BadPayload("the file's name is no thread's", platform=self.name)
        try:
            content = json.loads(file.read_bytes())
        except (ValueError, RecursionError):
            raise BadPayload("the file is not JSON", platform=self.name) from None
        if not isinstance(content, dict) or not isinstance(content.get("messages"), list):
            raise BadPayload("the file has no list of messages", platform=self.name)
        return content

    def _message(self, thread_id: str, record: Record) -> InboundMessage:
        is_customer = record.sender == "customer"
        return InboundMessage(
            message_id=self._message_id(thread_id, record.id),
            sender_type=SenderType.CUSTOMER if is_customer else SenderType.EMPLOYEE,
            created_at=record.at.astimezone(UTC),
            text=record.text,
        )

    def _message_id(self, thread_id: str, record_id: str) -> str:
        """Unique over all platforms and folders."""
        return f"folder_{self._account}/{thread_id}/{record_id}"

    def _place(self, cursor: str) -> tuple[datetime, str]:
        moment, _, thread_id = cursor.partition(" ")
        try:
            return datetime.fromisoformat(moment).astimezone(UTC), thread_id
        except ValueError:
            raise BadPayload("the cursor is none of ours", platform=self.name) from None


def _slice(thread: Thread) -> ThreadSlice:
    shown = thread.messages[:SHOWN]
    return ThreadSlice(
        thread_id=thread.thread_id,
        customer=thread.customer,
        updated_at=thread.messages[0].created_at,
        messages=shown,
        older=shown[-1].message_id if len(thread.messages) > SHOWN else None,
        unreadable=thread.unreadable,
    )


def _cursor(thread: Thread) -> str:
    moment, thread_id = thread.place
    return f"{moment.isoformat()} {thread_id}"


def _reference(record: Any) -> object:
    """The reference of one of ours; a customer's record cannot stand in its way."""
    is_ours = isinstance(record, dict) and record.get("from") == "shop" and "id" in record
    return record.get("reference") if is_ours else None


def _wrong(error: ValidationError) -> str:
    """Which fields are wrong, without what is in them."""
    return "; ".join(
        f"{'.'.join(str(part) for part in each['loc']) or 'record'}: {each['type']}"
        for each in error.errors(include_input=False, include_url=False)
    )


def _replace(file: Path, content: dict[str, Any]) -> None:
    """Put the new file in the old one's place: whoever reads sees one or the other, whole."""
    descriptor, name = tempfile.mkstemp(dir=file.parent, prefix=".", suffix=".new")
    try:
        with os.fdopen(descriptor, "w", encoding="utf-8") as new:
            json.dump(content, new, indent=2)
            new.flush()
            os.fsync(new.fileno())
        Path(name).replace(file)
    except BaseException:
        Path(name).unlink(missing_ok=True)
        raise
