"""Every sample export is read as its expectation says."""

import json
from pathlib import Path
from typing import Any

import pytest

from shoptalk.errors import UsageError
from shoptalk.importer.files import FileOptions, read_file
from shoptalk.importer.files.source import read_source
from shoptalk.importer.files.whatsapp_lines import ChatLine, read_chat
from shoptalk.types import ContentType, SenderType

SAMPLES = Path(__file__).parents[2] / "data" / "imports"
OURS = sorted((SAMPLES / "whatsapp").glob("*_[01].txt"))
CHAT_MINER = sorted((SAMPLES / "whatsapp_chat_miner").glob("whatsapp_test_*.txt"))
AMBIGUOUS = SAMPLES / "whatsapp" / "ambiguous_day_month.txt"

CONTENT_TYPES = {
    "text": ContentType.TEXT,
    "media": ContentType.FILE,
    "deleted": ContentType.DELETED,
    "location": ContentType.LOCATION,
    "contact": ContentType.CONTACT,
}


def expected_of(path: Path) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(path.with_suffix(".expected.json").read_text("utf-8"))
    return found


def as_expected(line: ChatLine, like: dict[str, Any]) -> dict[str, Any]:
    """The line in the words of the expectation, optional keys where that has them."""
    described = line.described
    resolution = "minutes" if like["timestamp"].count(":") == 1 else "seconds"
    found: dict[str, Any] = {
        "timestamp": line.written_at.isoformat(timespec=resolution),
        "author": line.author,
        "type": described.kind.value,
        "text": described.text,
    }
    if "media" in like:
        found["media"] = described.media and described.media.value
    if described.filename is not None:
        found["filename"] = described.filename
    if described.is_edited:
        found["edited"] = True
    return found


def test_all_samples_are_here() -> None:
    assert len(OURS) == 22
    assert len(CHAT_MINER) == 5


@pytest.mark.parametrize("path", OURS, ids=lambda path: path.stem)
def test_lines_are_as_expected(path: Path) -> None:
    expected = expected_of(path)["messages"]
    lines = read_chat(read_source(path), date_order=None).lines
    assert [as_expected(line, like) for line, like in zip(lines, expected, strict=True)] == expected


@pytest.mark.parametrize("path", OURS, ids=lambda path: path.stem)
def test_messages_are_as_expected(path: Path) -> None:
    expected = expected_of(path)
    written = [each for each in expected["messages"] if each["type"] != "system"]
    found = read_file(path, FileOptions(platform="whatsapp", shop_names=["Nour Store"]))
    (thread,) = found.threads
    assert found.skipped_system == 1
    assert found.unreadable == thread.unreadable == ()
    assert [message.text for message in thread.messages] == [each["text"] for each in written]
    assert [message.sender_type for message in thread.messages] == [
        SenderType.EMPLOYEE if each["author"] == "Nour Store" else SenderType.CUSTOMER
        for each in written
    ]
    assert [message.created_at.isoformat()[:16] for message in thread.messages] == [
        each["timestamp"][:16] for each in written
    ]
    assert [message.content_type for message in thread.messages] == [
        each.get("media") or CONTENT_TYPES[each["type"]] for each in written
    ]
    assert len({message.message_id for message in thread.messages}) == len(written)


@pytest.mark.parametrize("path", OURS, ids=lambda path: path.stem)
def test_the_right_order_given_is_the_order_found(path: Path) -> None:
    order = expected_of(path)["date_order"]
    source = read_source(path)
    assert read_chat(source, date_order=order) == read_chat(source, date_order=None)


@pytest.mark.parametrize("path", CHAT_MINER, ids=lambda path: path.stem)
def test_chat_miner_lines_are_as_expected(path: Path) -> None:
    target = json.loads((path.parent / "whatsapp_target.json").read_text("utf-8"))
    found = [
        {
            "timestamp": line.written_at.isoformat(),
            "author": line.author,
            "message": " ".join(line.described.text.split("\n")),
        }
        for line in read_chat(read_source(path), date_order=None).lines
        if line.author is not None
    ]
    assert found == target[::-1]


@pytest.mark.parametrize("path", CHAT_MINER, ids=lambda path: path.stem)
def test_a_group_is_refused(path: Path) -> None:
    with pytest.raises(UsageError, match=r"line 5, column 1: a third person writes here.*group"):
        read_file(path, FileOptions(platform="whatsapp", shop_names=["John Doe"]))


def test_ambiguous_dates_are_not_guessed() -> None:
    with pytest.raises(UsageError, match=r"line 1, column 1: 03/04/24 can be read.*--date-order"):
        read_file(AMBIGUOUS, FileOptions(platform="whatsapp", shop_names=["Nour Store"]))


@pytest.mark.parametrize(
    ("order", "dates"),
    [
        ("DMY", ["2024-04-03", "2024-04-04", "2024-04-05", "2024-04-06"]),
        ("MDY", ["2024-03-04", "2024-04-04", "2024-05-04", "2024-06-04"]),
        ("YMD", ["2003-04-24"]),
    ],
)
def test_ambiguous_dates_are_read_as_told(order: Any, dates: list[str]) -> None:
    options = FileOptions(platform="whatsapp", shop_names=["Nour Store"], date_order=order)
    if order == "YMD":  # 2003 is before WhatsApp
        with pytest.raises(UsageError, match="no date when read as YMD"):
            read_file(AMBIGUOUS, options)
        return
    (thread,) = read_file(AMBIGUOUS, options).threads
    assert [f"{message.created_at:%Y-%m-%d}" for message in thread.messages] == dates
