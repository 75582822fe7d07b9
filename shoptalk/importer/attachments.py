"""Attachments that a list only counts: asked for, once, before their message is stored."""

from collections.abc import Callable
from dataclasses import replace

from shoptalk.db.engine import Database
from shoptalk.db.inbox import find_stored
from shoptalk.errors import BadPayload, GiveUp, RetryLater, Throttled
from shoptalk.importer.platform_reader import PlatformReader
from shoptalk.platforms.base import FetchesAttachments, Page, ThreadSlice
from shoptalk.types import InboundMessage

Failure = RetryLater | BadPayload  #: that may pass
#: Whether a message is stored without its attachments, which cannot be told now; or it raises.
#: False: it is left out, for a later run.
DoesWithout = Callable[[ThreadSlice, InboundMessage, Failure], bool]


def with_attachments(
    database: Database, reader: PlatformReader, page: Page, *, does_without: DoesWithout
) -> Page:
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

    def completed(piece: ThreadSlice) -> ThreadSlice:
        messages = [
            _asked_for(reader, piece, message, does_without)
            if message.message_id in wanted
            else message
            for message in piece.messages
        ]
        return replace(piece, messages=[each for each in messages if each is not None])

    pieces = [completed(piece) for piece in page.threads]
    return replace(page, threads=[piece for piece in pieces if not _says_nothing(piece)])


def _says_nothing(piece: ThreadSlice) -> bool:
    """Whether all that a list of bare messages shows of a thread was left out."""
    return piece.updated_at is None and not (piece.messages or piece.unreadable)


def _asked_for(
    reader: PlatformReader, piece: ThreadSlice, message: InboundMessage, does_without: DoesWithout
) -> InboundMessage | None:
    try:
        attachments = reader.attachments(message.message_id)
    except Throttled:
        raise
    except (GiveUp, RetryLater, BadPayload) as exc:
        is_kept = isinstance(exc, GiveUp) or does_without(piece, message, exc)
        said = "its attachments" if is_kept else "it waits for its attachments"
        reader.put_aside(f"{said}: {exc}", piece.thread_id, message.message_id)
        return message if is_kept else None
    if not attachments:
        return message
    return message._replace(attachments=attachments, content_type=attachments[0].kind)
