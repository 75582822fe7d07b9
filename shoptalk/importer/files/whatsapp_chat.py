"""WhatsApp's exported chats ("Export chat" in the app) as a thread of messages.

An export is a text file with one chat in the words of the phone it was made on. It has no ids, no
time zone, and does not say which of the two the shop is. What it says becomes:

    text                                  text
    media of a known kind                 image, video, audio, sticker or file, with the file's name
    media omitted, kind not said          file
    location                              location; the text is the link
    contact card (.vcf)                   contact
    deleted message                       deleted
    empty, waiting, view once             unsupported
    notices (encryption, missed calls)    not imported, counted as `skipped_system`

The thread is "whatsapp_" and the customer's phone number in E.164, with its "+": the number given
as an option, or the author's name where the customer is not in the phone's contacts. Otherwise it
is "whatsapp_", the name in small letters with "_" for all that is no letter or digit, and eight
hexadecimal digits of the name's SHA-256, so that "Omar!" and "Omar" do not become one thread.

A message's id is "waexport_" and the SHA-256 of its thread, local time, side, text, and its number
among the messages that are equal in all of these. A later export of the same chat gives the same
ids to the messages it shares with the first, with or without media, whatever --timezone was. An
edited message is a new one: the export does not say what it was before.
"""

import hashlib
import json
import re
import unicodedata
from collections import Counter
from collections.abc import Collection, Sequence
from datetime import UTC, datetime, tzinfo

from shoptalk.errors import UsageError
from shoptalk.importer.files.base import FileFormat, FileImport, FileOptions, FileThread
from shoptalk.importer.files.phone import find_phone
from shoptalk.importer.files.source import Source, shown
from shoptalk.importer.files.whatsapp_lines import (
    Chat,
    ChatLine,
    name_key,
    read_chat,
    starts_as_chat,
)
from shoptalk.importer.files.whatsapp_wording import LineKind
from shoptalk.types import Attachment, ContentType, Customer, InboundMessage, SenderType

#: Channels on which a WhatsApp customer can never be reached: the file is in the wrong place there.
_NOT_WHATSAPP = frozenset({"facebook", "instagram", "webchat"})

_LONGEST_SLUG = 60

_CONTENT_TYPE = {
    LineKind.TEXT: ContentType.TEXT,
    LineKind.MEDIA: ContentType.FILE,  # of unknown kind; a known kind is its own type
    LineKind.LOCATION: ContentType.LOCATION,
    LineKind.CONTACT: ContentType.CONTACT,
    LineKind.DELETED: ContentType.DELETED,
    LineKind.UNSHOWN: ContentType.UNSUPPORTED,
}


def read_whatsapp_chat(source: Source, options: FileOptions) -> FileImport:
    """Read an exported chat with one customer.

    Raises:
        UsageError: it is a group's, its dates or sides are in doubt, or options contradict it.
    """
    if options.platform in _NOT_WHATSAPP:
        raise source.error_at(0, f"a WhatsApp chat does not belong to {options.platform}")
    zone = options.zone
    chat = read_chat(source, date_order=options.date_order, known_names=options.shop_names)
    written = [line for line in chat.lines if line.author is not None]
    threads = []
    if written:
        name = _customer_name(source, chat, {name_key(name) for name in options.shop_names})
        thread_id, customer = _thread_of(source, name, options.customer_phone)
        messages = _messages(written, thread_id, customer_name=name, zone=zone)
        threads.append(FileThread(thread_id=thread_id, customer=customer, messages=messages))
    return FileImport(
        threads=threads,
        unreadable=(),
        format_name=FORMAT.name,
        skipped_system=len(chat.lines) - len(written),
        notes=_notes(chat),
    )


def _notes(chat: Chat) -> Sequence[str]:
    numbers = [str(number) for number in chat.text_like_headers]
    if not numbers:
        return ()
    more = f" and {len(numbers) - 5} more" if len(numbers) > 5 else ""
    note = (
        f"line {', '.join(numbers[:5])}{more}: looks like the start of a message, but its time "
        "does not fit there; read as text of the message before"
    )
    return (note,)


def _customer_name(source: Source, chat: Chat, shop_keys: Collection[str]) -> str | None:
    """The author who is not the shop; None where only the shop wrote and nothing names the other.

    Raises:
        UsageError: it is not clear which of the authors is the shop.
    """
    first_lines: dict[str, int] = {}
    for line in chat.lines:
        if line.author is not None:
            first_lines.setdefault(line.author, line.line)
    authors = list(first_lines)
    listed = ", ".join(f'"{shown(author)}"' for author in authors[:5])
    if len(authors) > 2:
        raise source.error_in(
            first_lines[authors[2]],
            1,
            f"a third person writes here, and the chat of a group cannot be imported ({listed})",
        )
    start = first_lines[authors[0]]
    if not shop_keys:
        raise source.error_in(start, 1, f"say with --shop-name who the shop is: {listed}")
    customers = [author for author in authors if name_key(author) not in shop_keys]
    if len(customers) == 2:
        raise source.error_in(start, 1, f"--shop-name is neither of the two who write: {listed}")
    if customers:
        return customers[0]
    if len(authors) == 2:
        raise source.error_in(start, 1, f"--shop-name is both who write: {listed}")
    other = chat.named_by_notice
    return other if other is not None and name_key(other) not in shop_keys else None


def _thread_of(source: Source, name: str | None, wanted_phone: str | None) -> tuple[str, Customer]:
    shown_phone = find_phone(name) if name else None
    phone = shown_phone
    if wanted_phone is not None:
        phone = find_phone(wanted_phone)
        if phone is None:
            raise UsageError("--customer-phone is in international form, like +201000000123")
        if shown_phone not in (None, phone):
            raise source.error_at(0, f"the chat is with {shown_phone}, not with {phone}")
    name_unless_phone = None if shown_phone else name
    if phone is not None:
        customer = Customer(customer_id=phone, name=name_unless_phone, phone=phone)
    elif name is not None:
        customer = Customer(customer_id=slug(name), name=name)
    else:
        raise source.error_at(0, "only the shop writes here: give --customer-phone")
    return f"whatsapp_{customer.customer_id}", customer


def slug(name: str) -> str:
    """A name as part of an id: readable, and different for different names."""
    normal = unicodedata.normalize("NFC", name)
    words = re.findall(r"\w+", unicodedata.normalize("NFKC", name).casefold())
    readable = "_".join(words)[:_LONGEST_SLUG].strip("_")
    digest = hashlib.sha256(normal.encode()).hexdigest()[:8]
    return f"{readable}_{digest}" if readable else digest


def _messages(
    lines: Sequence[ChatLine], thread_id: str, *, customer_name: str | None, zone: tzinfo
) -> Sequence[InboundMessage]:
    messages: list[InboundMessage] = []
    equal: Counter[str] = Counter()
    latest: datetime | None = None
    for line in lines:
        side = SenderType.CUSTOMER if line.author == customer_name else SenderType.EMPLOYEE
        said = line.described
        content_type = said.media or _CONTENT_TYPE[said.kind]
        # The side, not the name: a name changes when the customer is added to the contacts.
        key = json.dumps([thread_id, line.written_at.isoformat(), side, said.text])
        equal[key] += 1
        digest = hashlib.sha256(f"{key} {equal[key]}".encode()).hexdigest()
        latest = _in_utc(line.written_at, zone, not_before=latest)
        messages.append(
            InboundMessage(
                message_id=f"waexport_{digest}",
                sender_type=side,
                created_at=latest,
                text=said.text,
                content_type=content_type,
                attachments=_attachments(line, content_type),
            )
        )
    return messages


def _attachments(line: ChatLine, content_type: ContentType) -> Sequence[Attachment]:
    match line.described.kind:
        case LineKind.MEDIA | LineKind.CONTACT:
            return (Attachment(kind=content_type, name=line.described.filename),)
        case LineKind.LOCATION:
            link = line.described.text.split()[0]
            return (Attachment(kind=content_type, url=link),)
        case _:
            return ()


def _in_utc(local: datetime, zone: tzinfo, *, not_before: datetime | None) -> datetime:
    """The moment of a local time.

    In the hour that comes twice when the clocks go back, the second is meant as soon as the first
    would put the message before the one it follows.
    """
    moment = local.replace(tzinfo=zone).astimezone(UTC)
    if not_before is not None and moment < not_before:
        second = local.replace(tzinfo=zone, fold=1).astimezone(UTC)
        if second >= not_before:
            return second
    return moment


FORMAT = FileFormat(name="WhatsApp chat export", recognises=starts_as_chat, read=read_whatsapp_chat)
