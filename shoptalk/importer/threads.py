"""From what a platform shows of a thread to the rows that are stored."""

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from shoptalk.db.inbox import ThreadRows
from shoptalk.errors import BadPayload
from shoptalk.importer.platform_reader import PlatformReader
from shoptalk.importer.run_report import RunReport
from shoptalk.importer.run_report import storable as storable
from shoptalk.platforms.base import ThreadSlice
from shoptalk.types import OUR_SIDE, Attachment, Customer, InboundMessage, Unreadable

TIMES_ASKED = 3  #: for one page of a thread, before it is taken to repeat itself


@dataclass(frozen=True, slots=True)
class Segment:
    """A part of a thread, newest first, and where it ends."""

    messages: Sequence[InboundMessage]
    at_beginning: bool  #: nothing older can be read
    at_stop: bool  #: as far back as was asked
    #: For each record that made no sense, how many of the messages are newer than it
    malformed_places: Sequence[int] = ()


def segments_back(
    reader: PlatformReader, report: RunReport, piece: ThreadSlice, *, stop_at: datetime | None
) -> Iterator[Segment]:
    """A thread page by page, from its newest message back beyond `stop_at` (None: all of it).

    What the platform hides of that way is declared a gap.

    Raises:
        PlatformError: as the platform does; nothing is known to be missing but what was not read.
    """
    older = piece.older
    yield Segment(
        piece.messages,
        older is None,
        reaches(piece.messages, stop_at),
        malformed_places_of(piece.unreadable),
    )
    last = piece.messages
    asked: Counter[str] = Counter()
    is_last_again = False
    while older is not None and not reaches(last, stop_at):
        if asked[older] == TIMES_ASKED:
            if not is_last_again:
                raise BadPayload(
                    "a page of the thread repeats itself", platform=reader.platform.name
                )
            yield Segment((), at_beginning=True, at_stop=False)
            return
        asked[older] += 1
        page = reader.thread(piece.thread_id, older)
        is_last_again = reader.is_last_page_again(page)
        older, last = page.older, page.messages or last
        if page.hidden and not reaches(last, stop_at):
            report.declare_gap(
                piece.thread_id,
                "the platform shows only the newest messages of a thread",
                since=stop_at,
                until=min((message.created_at for message in last), default=None),
                at_most=page.hidden,
            )
        # What is hidden beyond `stop_at` was not declared: a walk that goes further has to.
        at_beginning = older is None and not (page.hidden and stop_at is not None)
        yield Segment(
            page.messages,
            at_beginning,
            reaches(last, stop_at),
            malformed_places_of(page.unreadable),
        )


def read_back_to(
    reader: PlatformReader, report: RunReport, piece: ThreadSlice, *, stop_at: datetime | None
) -> Segment:
    """All of that way at once."""
    messages: list[InboundMessage] = []
    malformed_places: list[int] = []
    for stretch in segments_back(reader, report, piece, stop_at=stop_at):
        malformed_places += [len(messages) + place for place in stretch.malformed_places]
        messages += stretch.messages
    return Segment(messages, stretch.at_beginning, stretch.at_stop, malformed_places)


def malformed_places_of(unreadable: Sequence[Unreadable]) -> list[int]:
    return [record.place for record in unreadable]


def reaches(messages: Sequence[InboundMessage], moment: datetime | None) -> bool:
    """Whether the messages, newest first, go back beyond a moment."""
    return moment is not None and bool(messages) and messages[-1].created_at < moment


def rows_of(
    piece: ThreadSlice,
    messages: Sequence[InboundMessage],
    *,
    history_complete: bool,
) -> ThreadRows:
    """Oldest first, each message once, nothing in them that cannot be stored."""
    unique = {message.message_id: message for message in messages}
    # Newest first as the platform has it; reversed and sorted stably, equal seconds keep order.
    ordered = list(unique.values())[::-1]
    ordered.sort(key=lambda message: message.created_at)
    return ThreadRows(
        thread_id=storable(piece.thread_id),
        customer=_storable_customer(piece.customer),
        messages=[_storable_message(message) for message in ordered],
        updated_at=piece.updated_at,
        history_complete=history_complete,
        thread_owner=piece.thread_owner,
    )


def by_our_side(messages: Sequence[InboundMessage]) -> Sequence[InboundMessage]:
    """What our side wrote among messages that wait: that a person has answered is to be known.

    But not what is of the same second as one that waits, or as the oldest, before which something
    could not be read: of one second, what is stored first counts as written first.
    """
    moments = [each.created_at for each in messages]
    waiting = {each.created_at for each in messages if each.sender_type not in OUR_SIDE}
    waiting |= {min(moments)} if moments else set()
    return [
        each for each in messages if each.sender_type in OUR_SIDE and each.created_at not in waiting
    ]


def _storable_or_none(text: str | None) -> str | None:
    return None if text is None else storable(text)


def _storable_customer(customer: Customer) -> Customer:
    return Customer(
        customer_id=storable(customer.customer_id),
        name=_storable_or_none(customer.name),
        phone=_storable_or_none(customer.phone),
    )


def _storable_message(message: InboundMessage) -> InboundMessage:
    """The message itself where it can be stored as it is, which is nearly always."""
    text, message_id = storable(message.text), storable(message.message_id)
    reply_to = _storable_or_none(message.reply_to)
    is_same = text is message.text and message_id is message.message_id
    if is_same and reply_to is message.reply_to and not message.attachments:
        return message
    return message._replace(
        message_id=message_id,
        text=text,
        attachments=[_storable_attachment(attachment) for attachment in message.attachments],
        reply_to=reply_to,
    )


def _storable_attachment(attachment: Attachment) -> Attachment:
    cleaned: dict[str, Any] = {
        name: storable(value) if type(value) is str else value
        for name, value in attachment.as_json().items()
    }
    return Attachment(**cleaned)
