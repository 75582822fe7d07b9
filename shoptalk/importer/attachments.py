"""Attachments that a list only counts: asked for, once, before their message is stored."""

from dataclasses import replace

from shoptalk.db.engine import Database
from shoptalk.db.inbox import find_stored
from shoptalk.errors import BadPayload, GiveUp
from shoptalk.importer.reader import Reader
from shoptalk.platforms.base import FetchesAttachments, Page, ThreadSlice
from shoptalk.types import InboundMessage


def with_attachments(database: Database, reader: Reader, page: Page) -> Page:
    """The page with what its new messages bring; those that are stored are left as they are.

    Raises:
        PlatformError: the platform cannot tell now; the page is to be read again.
    """
    if not isinstance(reader.platform, FetchesAttachments):
        return page
    listed = [message for piece in page.threads for message in piece.messages]
    apart = [message.message_id for message in listed if message.attachments_apart]
    if not apart:
        return page
    with database.transaction() as session:
        stored = find_stored(session, apart)
    wanted = {message_id for message_id in apart if message_id not in stored}
    return replace(page, threads=[_completed(reader, piece, wanted) for piece in page.threads])


def _completed(reader: Reader, piece: ThreadSlice, wanted: set[str]) -> ThreadSlice:
    messages = [
        _asked_for(reader, piece, message) if message.message_id in wanted else message
        for message in piece.messages
    ]
    return replace(piece, messages=messages)


def _asked_for(reader: Reader, piece: ThreadSlice, message: InboundMessage) -> InboundMessage:
    try:
        attachments = reader.attachments(message.message_id)
    except (GiveUp, BadPayload) as exc:
        reader.put_aside(f"its attachments: {exc}", piece.thread_id, message.message_id)
        return message
    if not attachments:
        return message
    return replace(message, attachments=attachments, content_type=attachments[0].kind)
