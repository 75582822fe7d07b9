from datetime import UTC, datetime
from typing import Any

import pytest

from shoptalk.platforms.meta.messenger import message_id_from
from shoptalk.platforms.meta.parser import moment_of
from shoptalk.types import Attachment, ContentType, InboundMessage, SenderType, Unreadable

from . import samples

PLAIN = {
    "created_time": "2026-10-04T09:16:03+0000",
    "from": {"id": samples.CUSTOMER_ID, "name": "Rima K"},
}
IMAGE = {"id": "5", "image_data": {"url": "https://cdn.example/5"}}


def parsed(node: object, *self_ids: str) -> InboundMessage:
    message = samples.reader(*self_ids).message(node, thread_id="t_1")
    assert isinstance(message, InboundMessage), message
    return message


def with_attachment(**attachment: Any) -> InboundMessage:
    return parsed({"id": "m_1", **PLAIN, "attachments": {"data": [attachment]}})


# The public fixtures


def test_a_message_of_the_page() -> None:
    node = samples.data("meta_restfb", "v2_5", "message.json")
    assert parsed(node, "325327235726") == InboundMessage(
        message_id="m_mid.45374638:527262bab35",
        sender_type=SenderType.EMPLOYEE,
        created_at=datetime(2016, 1, 2, 23, 40, 56, tzinfo=UTC),
        text="Test",
    )


def test_pictures_files_and_a_video() -> None:
    nodes = samples.data("meta_restfb", "v2_5", "messages-with-attachments.json")
    messages = [parsed({**PLAIN, **node}) for node in nodes]
    kinds = [message.content_type for message in messages]
    image, file, video = ContentType.IMAGE, ContentType.FILE, ContentType.VIDEO
    assert kinds == [image, image, file, file, video]
    assert messages[2].attachments == (
        Attachment(
            kind=file,
            url="https://cdn.fbsbx.com/94627237835.txt",
            mime_type="text/plain",
            name="example.txt",
            size=324,
            platform_id="94627237835",
        ),
    )
    assert messages[4].attachments[0].url == (
        "https://video.xx.fbcdn.net/hvideo-xpf1/examplevideo.mp4"
    )


def test_a_conversation_with_two_attachments_in_one_message() -> None:
    conversation = samples.data("meta_restfb", "conversation.json")
    us = samples.reader("261743132120084")
    messages, unreadable = us.messages(conversation["messages"], thread_id="t_1")
    assert not unreadable
    assert [message.sender_type for message in messages] == [
        SenderType.EMPLOYEE,
        SenderType.CUSTOMER,
    ]
    assert messages[0].content_type is ContentType.TEXT
    assert [each.kind for each in messages[0].attachments] == [ContentType.FILE, ContentType.IMAGE]
    assert messages[0].attachments[0].url is None


@pytest.mark.parametrize(
    ("path", "kind", "url"),
    [
        (
            ("v2_11", "message-with-sticker.json"),
            ContentType.STICKER,
            "https://scontent.xx.fbcdn.net/sticker.png",
        ),
        (
            ("v2_5", "message-with-share.json"),
            ContentType.SHARE,
            "https://example.org/sample.png",
        ),
        (
            ("v10_0", "message-with-generic-template.json"),
            ContentType.TEMPLATE,
            "https://example.org/item",
        ),
        (("v7_0", "message-eu.json"), ContentType.UNSUPPORTED, None),
    ],
)
def test_messages_without_text(path: tuple[str, str], kind: ContentType, url: str | None) -> None:
    message = parsed({**PLAIN, **samples.data("meta_restfb", *path)})
    assert message.content_type is kind
    assert [(each.kind, each.url) for each in message.attachments] == [(kind, url)]


def test_a_reply_to_a_story() -> None:
    message = parsed(samples.data("meta_restfb", "v10_0", "instagram-message-story.json"))
    assert message.content_type is ContentType.STORY_REPLY
    assert message.text == "Nice shot !👍🏼"
    assert message.attachments[0].platform_id == "18074819347285670"


def test_everything_instagram_can_put_into_one_message() -> None:
    node = samples.data("meta_restfb", "v10_0", "instagram-message.json")
    message = parsed({**node, "created_time": PLAIN["created_time"]})
    assert [each.kind for each in message.attachments] == [
        ContentType.VIDEO,
        ContentType.SHARE,
        ContentType.STORY_MENTION,
        ContentType.STORY_REPLY,
    ]
    share = message.attachments[1]
    assert (share.title, share.platform_id) == ("Some product title", "<EXTERNAL_ID>")
    assert message.content_type is ContentType.STORY_MENTION


@pytest.mark.parametrize(
    "path",
    [("v7_0", "message-eu.json"), ("v2_11", "message-with-sticker.json")],
)
def test_a_message_without_time_or_sender_is_set_aside(path: tuple[str, str]) -> None:
    node = samples.data("meta_restfb", *path)
    result = samples.reader().message(node, thread_id="t_1")
    assert result == Unreadable(
        reason="the message has no usable created_time", thread_id="t_1", message_id=node["id"]
    )


# What a message is


@pytest.mark.parametrize(
    ("mime_type", "kind"),
    [
        ("audio/mp4", ContentType.AUDIO),
        ("Video/mp4", ContentType.VIDEO),
        ("image/heic", ContentType.IMAGE),
        ("application/pdf", ContentType.FILE),
        (None, ContentType.FILE),
    ],
)
def test_a_file_is_told_by_its_mime_type(mime_type: str | None, kind: ContentType) -> None:
    message = with_attachment(id="7", file_url="https://cdn.example/7", mime_type=mime_type)
    assert message.content_type is kind


def test_a_sticker_shown_twice_is_one() -> None:
    as_attachment = {"id": "9", "image_data": {"url": "https://cdn.example/9"}, "type": "sticker"}
    node = {"sticker": "https://cdn.example/9", "attachments": {"data": [as_attachment]}}
    message = parsed({"id": "m_1", **PLAIN, **node})
    assert [each.kind for each in message.attachments] == [ContentType.STICKER]


def test_an_image_rendered_as_a_sticker_is_one() -> None:
    image = {"url": "https://cdn.example/9", "render_as_sticker": True}
    assert with_attachment(image_data=image).content_type is ContentType.STICKER


def test_a_booking_is_a_template() -> None:
    message = with_attachment(id="8", appointment_booking={"title": "Haircut"})
    assert message.content_type is ContentType.TEMPLATE
    assert message.attachments[0].title == "Haircut"


def test_a_share_with_the_keys_of_2026() -> None:
    share = {"id": "3", "type": "ig_reel", "url": "https://ig.example/r/3", "title": "Cakes"}
    message = parsed({"id": "m_1", **PLAIN, "message": "", "shares": {"data": [share]}})
    assert message.content_type is ContentType.SHARE
    assert message.attachments == (
        Attachment(
            kind=ContentType.SHARE,
            url="https://ig.example/r/3",
            name="ig_reel",
            title="Cakes",
            platform_id="3",
        ),
    )


def test_text_with_a_link_or_a_picture_is_text() -> None:
    shared = {"shares": {"data": [{"link": "https://x.example"}]}}
    node = {**PLAIN, **shared, "attachments": {"data": [IMAGE]}}
    message = parsed({"id": "m_1", **node, "message": "https://x.example"})
    assert message.content_type is ContentType.TEXT
    assert len(message.attachments) == 2


def test_an_expired_story_has_no_link() -> None:
    story = {"mention": {"link": "", "id": "18"}}
    message = parsed({"id": "m_1", **PLAIN, "message": "", "story": story})
    assert message.content_type is ContentType.STORY_MENTION
    assert message.attachments == (
        Attachment(kind=ContentType.STORY_MENTION, url=None, platform_id="18"),
    )


@pytest.mark.parametrize(
    "content",
    [
        {},
        {"message": ""},
        {"message": " \n"},
        {"message": None, "attachments": {"data": []}},
        {"is_unsupported": True},
        {"is_unsupported": True, "attachments": {"data": [IMAGE]}},
        {"attachments": {"data": [{"id": "1234", "name": "Media not available"}]}},
        {"attachments": {"data": [None]}},
        {"attachments": {"data": [{"id": "6", "shared_planet": {}}]}},
        {"attachments": "gone"},
        {"shares": {"data": ["gone"]}},
    ],
)
def test_what_the_platform_will_not_show(content: dict[str, Any]) -> None:
    assert parsed({"id": "m_1", **PLAIN, **content}).content_type is ContentType.UNSUPPORTED


def test_text_is_kept_as_it_is() -> None:
    text = "  مرحبا\u200f\n\n👍🏼\u0000 "
    message = parsed({"id": "m_1", **PLAIN, "message": text, "is_unsupported": True})
    assert message.text == text
    assert message.content_type is ContentType.TEXT


@pytest.mark.parametrize("mid", ["m_7", "7"])
def test_what_a_reply_answers_has_the_id_of_a_read(mid: str) -> None:
    reader = type(samples.reader())(self_ids={"1"}, message_id_from=message_id_from)
    node = {"id": "m_8", **PLAIN, "reply_to": {"mid": mid, "is_self_reply": False}}
    message = reader.message(node, thread_id="t_1")
    assert isinstance(message, InboundMessage)
    assert message.reply_to == "m_7"


# What cannot be read


@pytest.mark.parametrize(
    ("node", "reason"),
    [
        (None, "not an object"),
        ([], "not an object"),
        ("m_1", "not an object"),
        ({**PLAIN}, "no id"),
        ({**PLAIN, "id": ""}, "no id"),
        ({**PLAIN, "id": {}}, "no id"),
        ({**PLAIN, "id": "m_1", "created_time": "2026-10-04"}, "created_time"),
        ({**PLAIN, "id": "m_1", "created_time": None}, "created_time"),
        ({**PLAIN, "id": "m_1", "from": None}, "sender"),
        ({**PLAIN, "id": "m_1", "from": {"name": "Rima K"}}, "sender"),
        ({**PLAIN, "id": "m_1", "message": {"text": "x"}}, "text"),
    ],
)
def test_a_broken_message_is_set_aside_with_the_reason(node: object, reason: str) -> None:
    result = samples.reader().message(node, thread_id="t_1")
    assert isinstance(result, Unreadable)
    assert reason in result.reason
    assert result.thread_id == "t_1"


def test_an_instagram_conversation_names_its_customer() -> None:
    conversation = samples.data("meta_restfb", "v10_0", "instagram-conversation.json")
    node = {**conversation, "updated_time": PLAIN["created_time"]}
    thread = samples.reader("<IGID>").thread(node)
    assert not isinstance(thread, Unreadable)
    assert (thread.customer.customer_id, thread.customer.name) == ("<IGSID>", "<IG_USER_NAME>")


@pytest.mark.parametrize(
    ("value", "moment"),
    [
        ("2026-10-04T09:15:42+0000", datetime(2026, 10, 4, 9, 15, 42, tzinfo=UTC)),
        ("2026-10-04T11:15:42+02:00", datetime(2026, 10, 4, 9, 15, 42, tzinfo=UTC)),
        ("2026-10-04T09:15:42Z", datetime(2026, 10, 4, 9, 15, 42, tzinfo=UTC)),
        (1791105342, datetime(2026, 10, 4, 9, 15, 42, tzinfo=UTC)),
        ("1791105342", datetime(2026, 10, 4, 9, 15, 42, tzinfo=UTC)),
        ("2026-10-04T09:15:42", None),
        ("0001-01-01T00:00:00+2359", None),
        (10**40, None),
        (float("nan"), None),
        (True, None),
        ("<TIMESTAMP>", None),
        ("", None),
        (None, None),
    ],
)
def test_times(value: object, moment: datetime | None) -> None:
    assert moment_of(value) == moment
