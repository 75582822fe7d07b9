"""One message of each kind that Chatwoot has."""

from typing import Any

import pytest

from shoptalk.platforms.chatwoot.parser import ChatwootParser, moment_of, number_in
from shoptalk.types import Attachment, ContentType, InboundMessage, SenderType, Unreadable

from .chatwoot_samples import BOT, COLLEAGUE, OURSELVES, THREAD_ID, message, outgoing

READER = ChatwootParser(server="chat.example", account_id="1", user_id="7")


def read(row: Any) -> InboundMessage:
    found = READER.message(row, thread_id=THREAD_ID)
    assert isinstance(found, InboundMessage)
    return found


@pytest.mark.parametrize(
    ("row", "sender"),
    [
        (message(801), SenderType.CUSTOMER),
        (message(801, message_type="incoming"), SenderType.CUSTOMER),
        (outgoing(801, COLLEAGUE), SenderType.EMPLOYEE),
        (outgoing(801, OURSELVES), SenderType.EMPLOYEE),  # the database knows which are ours
        (outgoing(801, None), SenderType.EMPLOYEE),  # written in the channel's own app
        (outgoing(801, BOT), SenderType.AGENT),
        (outgoing(801, {"id": 1, "type": "captain_assistant"}), SenderType.AGENT),
        (
            outgoing(801, COLLEAGUE, content_attributes={"automation_rule_id": 4}),
            SenderType.AGENT,
        ),
        (message(801, message_type=3, sender=None), SenderType.AGENT),
        (message(801, message_type=2, sender=None), SenderType.ACTIVITY),
        (message(801, message_type=2, private=True), SenderType.ACTIVITY),
        (outgoing(801, COLLEAGUE, private=True), SenderType.NOTE),
        (outgoing(801, BOT, private=True), SenderType.NOTE),
    ],
)
def test_who_is_speaking(row: dict[str, Any], sender: SenderType) -> None:
    assert read(row).sender_type == sender


def test_an_id_says_which_server_it_is_of() -> None:
    first, second = read(message(801)), read(message(802, content_attributes={"in_reply_to": 801}))
    assert first.message_id == "chatwoot_chat.example_1_12_801"
    assert second.reply_to == first.message_id


@pytest.mark.parametrize(
    ("file_type", "kind"),
    [
        ("image", ContentType.IMAGE),
        ("audio", ContentType.AUDIO),
        ("video", ContentType.VIDEO),
        ("file", ContentType.FILE),
        ("location", ContentType.LOCATION),
        ("contact", ContentType.CONTACT),
        ("story_mention", ContentType.STORY_MENTION),
        ("fallback", ContentType.SHARE),
        ("share", ContentType.SHARE),
        ("embed", ContentType.SHARE),
        ("ig_reel", ContentType.SHARE),
        ("ig_post", ContentType.SHARE),
        ("ig_story", ContentType.SHARE),
        ("hologram", ContentType.UNSUPPORTED),
        (None, ContentType.UNSUPPORTED),
    ],
)
def test_an_attachment_has_its_kind(file_type: str | None, kind: ContentType) -> None:
    found = read(
        message(
            801,
            content=None,
            attachments=[
                {"id": 5, "file_type": file_type, "data_url": "https://x/y", "file_size": 9}
            ],
        )
    )
    assert found.text == ""
    assert found.content_type == kind
    assert found.attachments == (Attachment(kind=kind, url="https://x/y", size=9, platform_id="5"),)


def test_a_place_is_told_by_its_coordinates_and_a_voice_note_by_its_words() -> None:
    place = {"file_type": "location", "coordinates_lat": 52.5, "coordinates_long": 13.4}
    voice = {"file_type": "audio", "transcribed_text": "two kettles please"}
    found = read(message(801, attachments=[place, voice]))
    assert [each.title for each in found.attachments] == ["52.5, 13.4", "two kettles please"]
    assert found.content_type is ContentType.TEXT


@pytest.mark.parametrize("attachments", ["photo.png", {"id": 5}, [None]])
def test_attachments_that_cannot_be_read_are_not_passed_over(attachments: Any) -> None:
    found = read(message(801, content="", attachments=attachments))
    assert [each.kind for each in found.attachments] == [ContentType.UNSUPPORTED]


@pytest.mark.parametrize(
    ("more", "kind"),
    [
        ({"content": None}, ContentType.UNSUPPORTED),
        ({"content": "", "content_type": "sticker"}, ContentType.STICKER),
        ({"content_type": "incoming_email"}, ContentType.TEXT),
        ({"content_type": "input_csat", "message_type": 3}, ContentType.TEXT),
    ],
)
def test_what_a_message_is(more: dict[str, Any], kind: ContentType) -> None:
    assert read(message(801, **more)).content_type == kind


def test_the_notice_in_place_of_a_deleted_message_is_nobodys_words() -> None:
    row = message(801, content="This message was deleted", content_attributes={"deleted": True})
    found = read(row)
    assert (found.text, found.content_type) == ("", ContentType.DELETED)
    assert found.sender_type is SenderType.CUSTOMER


@pytest.mark.parametrize(
    ("row", "reason"),
    [
        (None, "not an object"),
        ({"content": "x"}, "no id"),
        (message(801, created_at=0), "created_at"),
        (message(801, created_at="2026-10-04T09:00:00"), "created_at"),
        (message(801, message_type=None), "message_type"),
        (message(801, message_type=9), "message_type"),
        (message(801, message_type=[0]), "message_type"),
        (message(801, content=["x"]), "content"),
    ],
)
def test_what_makes_no_sense_is_set_aside(row: Any, reason: str) -> None:
    found = READER.message(row, thread_id=THREAD_ID)
    assert isinstance(found, Unreadable)
    assert reason in found.reason
    assert found.thread_id == THREAD_ID


def test_never_is_no_moment() -> None:
    assert moment_of(0) is None
    assert moment_of(True) is None
    assert moment_of(1e300) is None
    assert moment_of(float("nan")) is None
    moment = moment_of(1795000000)
    assert moment is not None
    assert moment_of(moment.isoformat()) == moment


def test_numbers_are_read_as_text_too_and_nothing_else_is() -> None:
    assert number_in("12") == number_in(12) == 12
    for wrong in (None, True, -1, 1.5, "", "x", "١", 10**19, "9" * 19):
        assert number_in(wrong) is None
