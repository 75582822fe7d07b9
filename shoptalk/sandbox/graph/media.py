"""What messages carry beside text, in Graph's shapes, and the short-lived links to it."""

from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import parse_qs, urlencode
from zlib import crc32

from shoptalk.sandbox.messages import Kind, StoredMessage

LINK_LIFETIME = timedelta(hours=36)
STORY_LIFETIME = timedelta(hours=24)
# A 1x1 transparent PNG: what every media link yields, whatever it is said to be.
PIXEL = bytes.fromhex(
    "89504e470d0a1a0a0000000d4948445200000001000000010806000000"
    "1f15c4890000000d49444154789c6360000002000001e221bc330000000049454e44ae426082"
)
_MIME = {Kind.IMAGE: "image/jpeg", Kind.VIDEO: "video/mp4", Kind.AUDIO: "audio/mp4"}
_SUFFIX = {Kind.IMAGE: "jpg", Kind.VIDEO: "mp4", Kind.AUDIO: "mp4", Kind.FILE: "pdf"}


def media_link(root: str, message: StoredMessage, now: datetime) -> str:
    """Return a link good for a day and a half or more.

    It changes once a day and not with every read, so that an idle inbox keeps its ETag.
    """
    midnight = datetime(now.year, now.month, now.day, tzinfo=UTC) + timedelta(days=1)
    expiry = int((midnight + LINK_LIFETIME).timestamp())
    return f"{root}/cdn/{_number(message)}?{urlencode({'oe': f'{expiry:x}'})}"


def is_expired(query: str, now: datetime) -> bool:
    """Say whether the link with this query string is dead, or was never one of ours."""
    try:
        expiry = int(parse_qs(query)["oe"][0], 16)
    except (KeyError, ValueError):
        return True
    return now.timestamp() >= expiry


def attachments(message: StoredMessage, platform: str, link: str) -> list[dict[str, Any]]:
    """Return a message's attachments as Graph lists them; empty for most."""
    kind, number = message.kind, str(_number(message))
    if kind == Kind.STICKER:
        picture = {**_picture(link), "render_as_sticker": True}
        return [{"id": number, "mime_type": "image/png", "name": "sticker", "image_data": picture}]
    if kind not in {Kind.IMAGE, Kind.VIDEO, Kind.AUDIO, Kind.FILE}:
        return []
    found: dict[str, Any] = {
        "id": number,
        "mime_type": _MIME.get(kind, "application/pdf"),
        "name": f"{kind}-{number}.{_SUFFIX[kind]}",
        "size": 0 if platform == "instagram" else len(PIXEL),
    }
    if kind == Kind.IMAGE:
        found["image_data"] = _picture(link)
    elif kind == Kind.VIDEO:
        found["video_data"] = {
            "width": 720,
            "height": 1280,
            "length": 7,
            "video_type": 1,
            "rotation": 0,
            "url": link,
            "preview_url": f"{link}&preview=1",
        }
        found["image_data"] = {"width": 720, "height": 1280}  # test video_data first
    else:
        found["file_url"] = link
    return [found]


def shares(message: StoredMessage, platform: str) -> list[dict[str, Any]]:
    """Return what was shared; Instagram shows nothing of it to those who poll."""
    if message.kind != Kind.SHARE or platform == "instagram":
        return []
    number = _number(message)
    link = f"https://www.facebook.com/permalink/{number}"
    return [
        {
            "id": str(number),
            "link": link,
            "name": "A shared post",
            "description": "What the post says",
            "type": "post",
            "url": link,
            "title": "A shared post",
        }
    ]


def story(message: StoredMessage, link: str, now: datetime) -> dict[str, Any] | None:
    """Return the story that a message is about; its link is empty once the story is over."""
    if message.kind not in {Kind.STORY_REPLY, Kind.STORY_MENTION}:
        return None
    is_over = now - message.created_at >= STORY_LIFETIME
    shown = {"link": "" if is_over else link, "id": str(_number(message))}
    return {"reply_to" if message.kind == Kind.STORY_REPLY else "mention": shown}


def _picture(link: str) -> dict[str, Any]:
    size = {"width": 1080, "height": 1080, "max_width": 1080, "max_height": 1080}
    return {**size, "url": link, "preview_url": f"{link}&preview=1", "image_type": 1}


def _number(message: StoredMessage) -> int:
    return 10**9 + crc32(message.id.encode())
