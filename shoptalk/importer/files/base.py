"""What is asked of a reader of files, and what it gives back.

A *format* is one kind of file. Its reader turns a whole file into threads of messages, or raises
UsageError and gives nothing: no database, no clock, no half-read files.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, tzinfo
from typing import Literal
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from shoptalk.errors import UsageError
from shoptalk.importer.files.source import Source
from shoptalk.types import Customer, InboundMessage, Unreadable

DateOrder = Literal["DMY", "MDY", "YMD"]
DATE_ORDERS: Sequence[DateOrder] = ("DMY", "MDY", "YMD")


@dataclass(frozen=True, slots=True, kw_only=True)
class FileOptions:
    """What the person who imports knows and the file may not say."""

    platform: str  #: of the channel the file is imported into, e.g. "whatsapp"
    shop_names: Sequence[str] = ()  #: who "we" are in an exported chat
    customer_phone: str | None = None  #: international form, "+201000000123"
    timezone: str = "UTC"  #: IANA name; what local times without a zone mean
    date_order: DateOrder | None = None  #: None: told by the file, or an error

    def __post_init__(self) -> None:
        if self.date_order is not None and self.date_order not in DATE_ORDERS:
            raise UsageError(f"--date-order is one of {', '.join(DATE_ORDERS)}")

    @property
    def zone(self) -> tzinfo:
        """The time zone of local times.

        Raises:
            UsageError: there is none of this name.
        """
        if self.timezone == "UTC":  # also where the machine has no time zone database
            return UTC
        try:
            return ZoneInfo(self.timezone)
        except (ZoneInfoNotFoundError, ValueError, OSError) as exc:
            raise UsageError(
                f"--timezone: there is no time zone {self.timezone!r}; names are like Africa/Cairo"
            ) from exc


@dataclass(frozen=True, slots=True, kw_only=True)
class FileThread:
    """One thread of a file."""

    thread_id: str
    customer: Customer
    messages: Sequence[InboundMessage]  #: oldest first, never empty
    unreadable: Sequence[Unreadable] = ()  #: records of this thread that make no sense


@dataclass(frozen=True, slots=True, kw_only=True)
class FileImport:
    """What a file holds. A record is in a thread's `unreadable` or in ours, never in both."""

    threads: Sequence[FileThread]
    unreadable: Sequence[Unreadable]  #: records of no thread, or of one without messages
    format_name: str
    skipped_system: int = 0  #: lines the app itself wrote into the chat, nobody's messages
    notes: Sequence[str] = ()  #: what was decided in doubt, for the person who imports


@dataclass(frozen=True, slots=True, kw_only=True)
class FileFormat:
    name: str
    recognises: Callable[[Source], bool]  #: by content, and cheaply
    read: Callable[[Source, FileOptions], FileImport]
