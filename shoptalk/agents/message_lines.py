"""What the model gets to read of one message: its text, and what came with it.

No attachment is shown to the model; that there is one, of which kind and by which name, is said in
brackets before the text.
"""

from collections.abc import Mapping
from typing import Any

from shoptalk.agents.models.base import Line, Role
from shoptalk.db.turn_input import ContextMessage
from shoptalk.types import ContentType, SenderType

LONGEST_LINE = 4000  #: characters of one message that the model gets to read
LONGEST_NAME = 200  #: characters of an attachment's name, or its link
MOST_ATTACHMENTS = 5  #: named one by one

_WORDS: Mapping[str, str] = {
    ContentType.AUDIO: "audio, such as a voice message",
    ContentType.SHARE: "shared post or link",
    ContentType.STORY_MENTION: "mention of the shop in a story",
    ContentType.STORY_REPLY: "reply to a story of the shop",
    ContentType.DELETED: "deleted message",
    ContentType.UNSUPPORTED: "content that this platform does not show to the shop",
}
#: For these the link is what was said; other links end soon and carry secrets
_LINKED = frozenset({ContentType.SHARE, ContentType.LOCATION})
NOTHING_SHOWN = (
    "[a message without text: a location, a contact or other content that this platform does not "
    "show to the shop]"
)


def line_of(message: ContextMessage) -> Line:
    text = _cut(message.content.strip(), LONGEST_LINE)
    if not _is_visible(text):
        text = ""
    text = " ".join([*_brought(message), text]).strip() or NOTHING_SHOWN
    if message.sender_type == SenderType.CUSTOMER:
        return Line(role=Role.CUSTOMER, text=text)
    if message.has_failed:
        text = f"(this did not reach the customer) {text}"
    if message.sender_type == SenderType.EMPLOYEE:
        text = f"(a colleague at the shop wrote) {text}"
    return Line(role=Role.SHOP, text=text)


def _brought(message: ContextMessage) -> list[str]:
    """What came with the text, each in brackets. The content type says what no attachment does."""
    kinds = [attachment.get("kind") for attachment in message.attachments]
    shown = [_attachment(attachment) for attachment in message.attachments[:MOST_ATTACHMENTS]]
    if len(kinds) > MOST_ATTACHMENTS:
        shown.append(f"[{len(kinds) - MOST_ATTACHMENTS} more attachments]")
    content_type = message.content_type
    if content_type == ContentType.TEXT or content_type in kinds:
        return shown
    if content_type == ContentType.UNSUPPORTED and not kinds:
        return [] if _is_visible(message.content) else [NOTHING_SHOWN]
    return [f"[{_named(content_type)}]", *shown]


def _attachment(attachment: Mapping[str, Any]) -> str:
    kind = str(attachment.get("kind") or ContentType.UNSUPPORTED)
    told = [attachment.get("title"), attachment.get("name")]
    if kind in _LINKED:
        told.append(attachment.get("url"))
    words = ", ".join(_cut(" ".join(str(one).split()), LONGEST_NAME) for one in told if one)
    return f"[{_named(kind)}: {words}]" if words else f"[{_named(kind)}]"


def _named(kind: str) -> str:
    return _WORDS.get(kind, kind.replace("_", " "))


def _is_visible(text: str) -> bool:
    return any(character.isprintable() and not character.isspace() for character in text)


def _cut(text: str, most: int) -> str:
    left_out = len(text) - most
    return text if left_out <= 0 else f"{text[:most]} […{left_out} more characters]"
