"""What the model reads of one message, for all that platforms can show."""

from collections.abc import Mapping
from typing import Any

import pytest

from shoptalk.agents.message_lines import LONGEST_LINE, NOTHING_SHOWN, line_of
from shoptalk.agents.models.base import Role
from shoptalk.db.turn_input import ContextMessage
from shoptalk.platforms.chatwoot.parser import ChatwootParser
from shoptalk.platforms.meta.parser import GraphParser
from shoptalk.platforms.twilio.parser import Entry, entry_of
from shoptalk.types import Attachment, ContentType, InboundMessage, SenderType

UNSHOWN = "[content that this platform does not show to the shop]"


def spoken(message: InboundMessage) -> ContextMessage:
    """As storing and reading it again leave it."""
    return ContextMessage(
        id=1,
        message_id=message.message_id,
        sender_type=message.sender_type,
        content_type=message.content_type,
        content=message.text,
        attachments=[attachment.as_json() for attachment in message.attachments],
    )


def says(
    text: str = "",
    content_type: ContentType = ContentType.TEXT,
    *attachments: Attachment,
    sender: SenderType = SenderType.CUSTOMER,
    has_failed: bool = False,
) -> str:
    return line_of(
        ContextMessage(
            id=1,
            message_id="m1",
            sender_type=sender,
            content_type=content_type,
            content=text,
            attachments=[attachment.as_json() for attachment in attachments],
            has_failed=has_failed,
        )
    ).text


@pytest.mark.parametrize("content_type", [each for each in ContentType if each != "text"])
def test_a_message_that_is_no_text_says_what_it_is(content_type: ContentType) -> None:
    alone = says("", content_type)
    assert alone.startswith("[")
    assert alone.endswith("]")
    assert "_" not in alone
    assert says("look", content_type).endswith("look")


@pytest.mark.parametrize(
    ("text", "content_type"),
    [("", "text"), (" \n", "text"), ("\u200b", "text"), ("", "unsupported"), ("\u200e", "text")],
)
def test_a_message_of_which_nothing_is_known_says_so(text: str, content_type: str) -> None:
    assert says(text, ContentType(content_type)) == NOTHING_SHOWN


def test_a_text_with_an_image_says_that_there_is_one() -> None:
    image = Attachment(kind=ContentType.IMAGE, url="https://cdn.example/1?token=secret")
    assert says("How much is this?", ContentType.TEXT, image) == "[image] How much is this?"


def test_each_of_several_attachments_is_told_and_many_are_counted() -> None:
    image = Attachment(kind=ContentType.IMAGE)
    file = Attachment(kind=ContentType.FILE, name="measures\nof mine.pdf")
    assert says("", ContentType.IMAGE, image, file) == "[image] [file: measures of mine.pdf]"
    assert says("", ContentType.IMAGE, *[image] * 5) == " ".join(["[image]"] * 5)
    assert says("", ContentType.IMAGE, *[image] * 8).endswith("[image] [3 more attachments]")


def test_a_location_and_a_shared_post_are_told_with_their_links() -> None:
    place = Attachment(kind=ContentType.LOCATION, title="Home", url="https://maps.example/?q=1,2")
    assert says("", ContentType.LOCATION, place) == (
        "[location: Home, https://maps.example/?q=1,2]"
    )
    post = Attachment(kind=ContentType.SHARE, title="Blue mug", url="https://shop.example/mug")
    assert says("this one?", ContentType.TEXT, post) == (
        "[shared post or link: Blue mug, https://shop.example/mug] this one?"
    )


def test_links_to_media_are_not_told() -> None:
    for kind in (ContentType.IMAGE, ContentType.AUDIO, ContentType.FILE, ContentType.STICKER):
        file = Attachment(kind=kind, url="https://cdn.example/1?token=secret")
        assert "secret" not in says("", kind, file)


def test_a_long_name_and_a_long_text_are_cut_and_say_so() -> None:
    file = Attachment(kind=ContentType.FILE, name="x" * 300)
    assert says("", ContentType.FILE, file) == f"[file: {'x' * 200} […100 more characters]]"
    assert says("y" * (LONGEST_LINE + 7)) == f"{'y' * LONGEST_LINE} […7 more characters]"
    assert says("y" * LONGEST_LINE) == "y" * LONGEST_LINE


def test_who_of_our_side_wrote_is_told() -> None:
    line = says("I will see.", sender=SenderType.EMPLOYEE)
    assert line == "(a colleague at the shop wrote) I will see."
    assert says("It is 5.00 USD.", sender=SenderType.AGENT) == "It is 5.00 USD."
    assert says("Hi", sender=SenderType.AGENT, has_failed=True) == (
        "(this did not reach the customer) Hi"
    )
    image = Attachment(kind=ContentType.IMAGE)
    assert says("", ContentType.IMAGE, image, sender=SenderType.EMPLOYEE) == (
        "(a colleague at the shop wrote) [image]"
    )


ME, THEM = "1", "2"
GRAPH = GraphParser(self_ids={ME})


def on_graph(**fields: Any) -> str:
    node = {"id": "m1", "created_time": "2026-03-01T09:00:00+0000", "from": {"id": THEM}, **fields}
    read = GRAPH.message(node, thread_id="t1")
    assert isinstance(read, InboundMessage)
    return line_of(spoken(read)).text


def listed(*nodes: Mapping[str, Any]) -> dict[str, Any]:
    return {"data": list(nodes)}


@pytest.mark.parametrize(
    ("fields", "told"),
    [
        ({"message": "Hi"}, "Hi"),
        ({"message": ""}, NOTHING_SHOWN),
        ({"is_unsupported": True}, NOTHING_SHOWN),
        ({"attachments": listed({"id": "5", "image_data": {"url": "u"}})}, "[image]"),
        (
            {"message": "this?", "attachments": listed(*[{"image_data": {"url": "u"}}] * 2)},
            "[image] [image] this?",
        ),
        (
            {"attachments": listed({"mime_type": "audio/mp4", "file_url": "u"})},
            "[audio, such as a voice message]",
        ),
        (
            {"attachments": listed({"mime_type": "a/pdf", "file_url": "u", "name": "bill.pdf"})},
            "[file: bill.pdf]",
        ),
        ({"attachments": listed({"video_data": {"url": "u"}})}, "[video]"),
        ({"sticker": "https://sticker.example/1"}, "[sticker]"),
        (
            {"shares": listed({"link": "https://shop.example/p", "name": "Mug"})},
            "[shared post or link: Mug, https://shop.example/p]",
        ),
        (
            {"message": "is it sold?", "story": {"reply_to": {"id": "9", "link": ""}}},
            "[reply to a story of the shop] is it sold?",
        ),
        ({"story": {"mention": {"id": "9"}}}, "[mention of the shop in a story]"),
        ({"message": "x", "attachments": listed({"id": "5"})}, f"{UNSHOWN} x"),
        ({"attachments": listed({"generic_template": {"title": "Offer"}})}, "[template: Offer]"),
    ],
)
def test_on_messenger_and_instagram(fields: dict[str, Any], told: str) -> None:
    assert on_graph(**fields) == told


CHATWOOT = ChatwootParser(server="desk.example", account_id="1")


@pytest.mark.parametrize(
    ("fields", "told"),
    [
        ({"content": "Hi"}, "Hi"),
        ({"content": None}, NOTHING_SHOWN),
        ({"attachments": [{"file_type": "image", "data_url": "u"}]}, "[image]"),
        (
            {"content": "this?", "attachments": [{"file_type": "image"}, {"file_type": "file"}]},
            "[image] [file] this?",
        ),
        (
            {"attachments": [{"file_type": "audio", "transcribed_text": "two mugs please"}]},
            "[audio, such as a voice message: two mugs please]",
        ),
        (
            {"attachments": [{"file_type": "location", "fallback_title": "Oak Street 5"}]},
            "[location: Oak Street 5]",
        ),
        ({"attachments": [{"file_type": "contact"}]}, "[contact]"),
        ({"content_type": "sticker"}, "[sticker]"),
        ({"attachments": [{"file_type": "hologram"}]}, UNSHOWN),
        ({"content": "gone", "content_attributes": {"deleted": True}}, "[deleted message]"),
    ],
)
def test_on_chatwoot(fields: dict[str, Any], told: str) -> None:
    row = {"id": 1, "message_type": 0, "created_at": 1_772_355_600, "content": "", **fields}
    read = CHATWOOT.message(row, thread_id="chatwoot_1_1")
    assert isinstance(read, InboundMessage)
    assert line_of(spoken(read)).text == told


@pytest.mark.parametrize(
    ("fields", "content_type", "told"),
    [
        ({"body": "Hi"}, "text", "Hi"),
        # A location over WhatsApp: only webhooks tell where
        ({"body": "", "from": "whatsapp:+4915112345678"}, "unsupported", NOTHING_SHOWN),
        ({"body": None}, "unsupported", NOTHING_SHOWN),
        ({"body": "", "num_media": "1"}, "file", "[file]"),
        ({"body": "look", "num_media": "1"}, "file", "[file] look"),
    ],
)
def test_on_twilio(fields: dict[str, Any], content_type: str, told: str) -> None:
    record = {
        "sid": "SM1",
        "direction": "inbound",
        "status": "received",
        "from": "+4915112345678",
        "to": "+15550100",
        "num_media": "0",
        "date_sent": "Fri, 20 Nov 2026 09:00:01 +0000",
        **fields,
    }
    entry = entry_of(record)
    assert isinstance(entry, Entry)
    assert entry.message.content_type == content_type
    line = line_of(spoken(entry.message))
    assert (line.role, line.text) == (Role.CUSTOMER, told)
