"""Threads and messages as the Graph API shows them, put into the words of the design.

What cannot be understood becomes an `Unreadable` with the reason, never an exception: the rest
of the page still counts. A reason holds no customer words. A field without data is missing from
the JSON, which is no error.

Sources:
https://developers.facebook.com/docs/graph-api/reference/conversation
https://developers.facebook.com/docs/graph-api/reference/message
"""

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from shoptalk.platforms.base import in_their_places
from shoptalk.types import (
    Attachment,
    ContentType,
    Customer,
    InboundMessage,
    SenderType,
    Unreadable,
)

#: The stand-in for media withheld under European privacy rules: this id, a notice as the name
EU_PLACEHOLDER_ID = "1234"
#: A message without any of these is its text
RICH_FIELDS = frozenset({"attachments", "sticker", "shares", "story"})


@dataclass(frozen=True, slots=True, kw_only=True)
class Thread:
    """One row of the list of conversations, without its messages."""

    thread_id: str
    customer: Customer
    updated_at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class GraphParser:
    """Reads the nodes of one account.

    `self_ids` are all ids that mean the account itself; `message_id_from` turns an id into the
    form that reading and sending share.
    """

    self_ids: Collection[str]
    message_id_from: Callable[[str], str] = str

    def thread(self, node: object) -> Thread | Unreadable:
        """Read one row: id, updated_time, and the one participant who is not us."""
        if not isinstance(node, dict):
            return Unreadable(reason="the thread is not an object")
        thread_id = text_of(node.get("id"))
        if thread_id is None:
            return Unreadable(reason="the thread has no id")
        updated_at = moment_of(node.get("updated_time"))
        if updated_at is None:
            return Unreadable(reason="the thread has no usable updated_time", thread_id=thread_id)
        people = nodes_of(node.get("participants"))
        if not people:
            return Unreadable(reason="the thread has no participants", thread_id=thread_id)
        ids = [text_of(each.get("id")) if isinstance(each, dict) else None for each in people]
        others = {
            identity: each
            for identity, each in zip(ids, people, strict=True)
            if identity is not None and identity not in self.self_ids
        }
        if len(others) != 1:
            what = "nobody" if not others else "several people"
            return Unreadable(
                reason=f"the thread has {what} beside this account", thread_id=thread_id
            )
        ((customer_id, person),) = others.items()
        name = text_of(person.get("name")) or text_of(person.get("username"))
        return Thread(
            thread_id=thread_id,
            customer=Customer(customer_id=customer_id, name=name),
            updated_at=updated_at,
        )

    def messages(
        self, listing: Mapping[str, Any], *, thread_id: str
    ) -> tuple[list[InboundMessage], list[Unreadable]]:
        """Read the messages of a `{"data": [...]}`, in its order, and what could not be read."""
        return in_their_places(
            self.message(node, thread_id=thread_id) for node in nodes_of(listing) or []
        )

    def message(self, node: object, *, thread_id: str) -> InboundMessage | Unreadable:
        if not isinstance(node, dict):
            return Unreadable(reason="the message is not an object", thread_id=thread_id)
        raw_id = text_of(node.get("id"))
        if raw_id is None:
            return Unreadable(reason="the message has no id", thread_id=thread_id)
        message_id = self.message_id_from(raw_id)
        created_at = moment_of(node.get("created_time"))
        sender = node.get("from")
        sender_id = text_of(sender.get("id")) if isinstance(sender, dict) else None
        text = node.get("message")
        if text is None:
            text = ""
        if created_at is None or sender_id is None or not isinstance(text, str):
            lacking = (
                "usable created_time"
                if created_at is None
                else "sender"
                if sender_id is None
                else "readable text"
            )
            reason = f"the message has no {lacking}"
            return Unreadable(reason=reason, thread_id=thread_id, message_id=message_id)
        attachments: list[Attachment] = []
        if not RICH_FIELDS.isdisjoint(node):
            attachments = [*_attachments(node), *_shares(node), *_story(node)]
        reply = node.get("reply_to")
        reply_to = text_of(reply.get("mid")) if isinstance(reply, dict) else None
        return InboundMessage(
            message_id=message_id,
            sender_type=(
                SenderType.EMPLOYEE if sender_id in self.self_ids else SenderType.CUSTOMER
            ),
            created_at=created_at,
            text=text,
            content_type=_main_content(node, text, attachments),
            attachments=tuple(attachments),
            reply_to=None if reply_to is None else self.message_id_from(reply_to),
        )


def nodes_of(listing: object) -> list[Any] | None:
    """The nodes of an edge, None where it is not `{"data": [...]}`."""
    nodes = listing.get("data") if isinstance(listing, dict) else None
    return nodes if isinstance(nodes, list) else None


def text_of(value: object) -> str | None:
    """A text or an id that came as a number; None where it is empty or something else."""
    if isinstance(value, str):
        return value or None
    return str(value) if isinstance(value, int) and not isinstance(value, bool) else None


def moment_of(value: object) -> datetime | None:
    """Graph's times: "2026-10-04T09:15:42+0000", or Unix seconds under `date_format=U`.

    None where it is neither, or without an offset: a naive time would be a guess.
    """
    try:
        if isinstance(value, str) and not value.isdecimal():
            moment = datetime.fromisoformat(value)
            if moment.tzinfo is UTC:
                return moment
            return moment.astimezone(UTC) if moment.tzinfo else None
        if isinstance(value, str | int | float) and not isinstance(value, bool):
            return datetime.fromtimestamp(float(value), UTC)
    except (ValueError, OverflowError, OSError):
        return None
    return None


def _main_content(node: Mapping[str, Any], text: str, attachments: list[Attachment]) -> ContentType:
    """Text says what a message is, except where it is about a story.

    A message with neither text nor attachment is one that the platform will not show: shared
    posts and profiles on Instagram come so, and `is_unsupported` where Meta admits it.
    """
    if text and not attachments and not text.isspace():
        return ContentType.TEXT
    kinds = [attachment.kind for attachment in attachments]
    for kind in (ContentType.STORY_MENTION, ContentType.STORY_REPLY):
        if kind in kinds:
            return kind
    if text.strip():
        return ContentType.TEXT
    if node.get("is_unsupported") in (True, "true"):
        return ContentType.UNSUPPORTED
    shown = [kind for kind in kinds if kind is not ContentType.UNSUPPORTED]
    return shown[0] if shown else ContentType.UNSUPPORTED


def _attachments(node: Mapping[str, Any]) -> list[Attachment]:
    edge = node.get("attachments")
    found = [_attachment(each) for each in _list_or_broken(edge)]
    sticker = text_of(node.get("sticker"))
    # Since August 2026 a sticker comes as a field and as an attachment as well
    if sticker is not None and all(each.kind is not ContentType.STICKER for each in found):
        found.insert(0, Attachment(kind=ContentType.STICKER, url=sticker))
    return found


def _attachment(node: object) -> Attachment:
    """One attachment. A video may carry an image too (its size), so video is asked first."""
    if not isinstance(node, dict):
        return Attachment(kind=ContentType.UNSUPPORTED)
    kind, url, title = ContentType.UNSUPPORTED, None, None
    mime_type, size = text_of(node.get("mime_type")), node.get("size")
    video, image = node.get("video_data"), node.get("image_data")
    template, booking = node.get("generic_template"), node.get("appointment_booking")
    if isinstance(video, dict):
        kind, url = ContentType.VIDEO, text_of(video.get("url"))
    elif isinstance(image, dict):
        is_sticker = image.get("render_as_sticker") is True or node.get("type") == "sticker"
        kind = ContentType.STICKER if is_sticker else ContentType.IMAGE
        url = text_of(image.get("url"))
    elif isinstance(template, dict):
        action = template.get("cta")
        kind, title = ContentType.TEMPLATE, text_of(template.get("title"))
        url = text_of(action.get("url")) if isinstance(action, dict) else None
        url = url or text_of(template.get("media_url"))
    elif booking is not None:
        kind = ContentType.TEMPLATE
        title = text_of(booking.get("title")) if isinstance(booking, dict) else None
    elif node.get("type") == "sticker":
        kind, url = ContentType.STICKER, text_of(node.get("url")) or text_of(node.get("file_url"))
    elif (node.get("file_url") or mime_type) and node.get("id") != EU_PLACEHOLDER_ID:
        kind, url = _kind_of_file(mime_type), text_of(node.get("file_url"))
    return Attachment(
        kind=kind,
        url=url,
        mime_type=mime_type,
        name=text_of(node.get("name")),
        size=size if isinstance(size, int) and not isinstance(size, bool) else None,
        title=title,
        platform_id=text_of(node.get("id")),
    )


def _kind_of_file(mime_type: str | None) -> ContentType:
    """Only the mime type tells a voice note from a document."""
    family = (mime_type or "").partition("/")[0].lower()
    kinds = {
        "audio": ContentType.AUDIO,
        "video": ContentType.VIDEO,
        "image": ContentType.IMAGE,
    }
    return kinds.get(family, ContentType.FILE)


def _shares(node: Mapping[str, Any]) -> list[Attachment]:
    """Shared links, posts and products. Posts carry type, url and title since March 2026."""
    found = []
    for each in _list_or_broken(node.get("shares")):
        if not isinstance(each, dict):
            found.append(Attachment(kind=ContentType.UNSUPPORTED))
            continue
        url = text_of(each.get("url")) or text_of(each.get("link"))
        products = [product for product in _products(each) if isinstance(product, dict)]
        found += [
            Attachment(
                kind=ContentType.SHARE,
                url=url,
                title=text_of(product.get("name")),
                platform_id=text_of(product.get("retailer_id")) or text_of(product.get("id")),
            )
            for product in products
        ]
        if not products:
            found.append(
                Attachment(
                    kind=ContentType.SHARE,
                    url=url,
                    name=text_of(each.get("type")),
                    title=text_of(each.get("title")) or text_of(each.get("name")),
                    platform_id=text_of(each.get("id")),
                )
            )
    return found


def _products(share: Mapping[str, Any]) -> list[Any]:
    """The products of a shared template: template.payload.product.elements.data."""
    node: object = share
    for key in ("template", "payload", "product", "elements"):
        node = node.get(key) if isinstance(node, dict) else None
    return nodes_of(node) or []


def _story(node: Mapping[str, Any]) -> list[Attachment]:
    """Mention of us in a story, or reply to ours; the link is "" once the story is over."""
    story = node.get("story")
    if not isinstance(story, dict):
        return []
    kinds = {"mention": ContentType.STORY_MENTION, "reply_to": ContentType.STORY_REPLY}
    return [
        Attachment(
            kind=kind,
            url=text_of(story[key].get("link")),
            platform_id=text_of(story[key].get("id")),
        )
        for key, kind in kinds.items()
        if isinstance(story.get(key), dict)
    ]


def _list_or_broken(edge: object) -> list[Any]:
    """The nodes of an optional edge. One that is there but is no list counts as one broken node,
    so that the message does not pass for one without anything attached."""
    if edge is None:
        return []
    nodes = nodes_of(edge)
    return [None] if nodes is None else nodes
