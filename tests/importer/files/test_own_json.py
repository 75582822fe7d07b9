"""Our own JSON and JSON Lines."""

import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shoptalk.errors import UsageError
from shoptalk.importer.files import FileImport, FileOptions, read_file
from shoptalk.importer.files.own_json import read_own_json
from shoptalk.importer.files.source import Source
from shoptalk.types import Attachment, ContentType, Customer, SenderType, Unreadable

OPTIONS = FileOptions(platform="webchat")


def record(number: int = 1, **fields: Any) -> dict[str, Any]:
    """A good record; None takes a field away."""
    good = {
        "thread_id": "t1",
        "message_id": f"m{number}",
        "sender": "customer",
        "created_at": f"2025-03-01T09:00:{number:02}Z",
        "text": f"text {number}",
    } | fields
    return {name: value for name, value in good.items() if value is not None}


def read(text: str) -> FileImport:
    return read_own_json(Source(Path("chat.json"), text), OPTIONS)


def read_records(*records: Any) -> FileImport:
    return read(json.dumps(records))


class TestForms:
    RECORDS = (record(1), record(2, text="a\u2028b\u0085c"))

    @pytest.mark.parametrize(
        "text",
        [
            json.dumps(RECORDS),
            json.dumps({"source": "x", "messages": RECORDS}),
            json.dumps({"messages": RECORDS}, indent=1, ensure_ascii=False),
            "\n".join(json.dumps(each, ensure_ascii=False) for each in RECORDS),
            "\r\n\r\n".join(json.dumps(each, ensure_ascii=False) for each in RECORDS) + "\r\n",
        ],
        ids=["list", "object", "indented", "lines", "lines with CRLF"],
    )
    def test_each_form_says_the_same(self, text: str, tmp_path: Path) -> None:
        path = tmp_path / "messages.any"
        for bom in (b"", b"\xef\xbb\xbf"):
            path.write_bytes(bom + text.encode())
            (thread,) = read_file(path, OPTIONS).threads
            assert [each.text for each in thread.messages] == ["text 1", "a\u2028b\u0085c"]

    def test_utf_16_with_a_mark_is_read(self, tmp_path: Path) -> None:
        path = tmp_path / "messages.json"
        path.write_bytes(json.dumps(self.RECORDS).encode("utf-16"))
        assert len(read_file(path, OPTIONS).threads) == 1

    @pytest.mark.parametrize(
        ("text", "error"),
        [
            ('[{"a": 1},\n  {"a" 2}]', "line 2, column 8: not valid JSON"),
            ('[{"a": 1},\n', "line 2, column 1: not valid JSON"),
            ("[1] []", "line 1, column 5: not valid JSON: the document has ended"),
            ("[1 2]", "line 1, column 4: not valid JSON: ',' or ']' is missing"),
            ('{"messages": 5}', 'line 1, column 1: not readable: there is no list "messages"'),
            ('{\n"thread_id": "t"}', 'line 1, column 1: not readable: there is no list "messages"'),
            ('{"messages": [], "messages": []}', "line 1, column 18: not readable: the name is"),
            ('{"a": 1}\n{"a": 2\n{"a": 3}', "line 3, column 1: not valid JSON"),
            ('{"a": 1}\n{"a": 2} {"a": 3}', "line 2, column 10: not JSON Lines: more than one"),
            ('{"a": 1}\n{"a":\n2}', "line 2, column 6: not JSON Lines: the line ends within"),
            ("[NaN]", "line 1, column 2: not valid JSON: NaN is not a number"),
            ("[1e99999999999999999999]", "line 1, column 2: not readable: a number is out of"),
            ("[" + "9" * 5000 + "]", "line 1, column 2: not valid JSON: Exceeds the limit"),
            ("[" * 200_000, "line 1, column 2: not readable: nested too deeply"),
        ],
    )
    def test_a_broken_file_is_refused_with_the_place(self, text: str, error: str) -> None:
        with pytest.raises(UsageError) as caught:
            read(text)
        assert str(caught.value).startswith(f"chat.json, {error}")


class TestMessages:
    def test_everything_is_taken_over(self) -> None:
        everything = record(
            created_at="2025-03-01T11:00:00+02:00",
            sender="employee",
            text="here",
            content_type="image",
            attachments=[{"kind": "image", "url": "https://example.com/a", "size": 5, "name": "a"}],
            reply_to="m0",
            customer_name="Omar",
            customer_phone="+20 100 000 0123",
            customer_id="c1",
            unknown={"x": [1.5]},
        )
        (thread,) = read_records(everything).threads
        assert thread.customer == Customer(customer_id="c1", name="Omar", phone="+201000000123")
        (message,) = thread.messages
        assert message.message_id == "m1"
        assert message.sender_type is SenderType.EMPLOYEE
        assert message.created_at == datetime(2025, 3, 1, 9, tzinfo=UTC)
        assert message.content_type is ContentType.IMAGE
        assert message.reply_to == "m0"
        assert message.attachments == [
            Attachment(kind=ContentType.IMAGE, url="https://example.com/a", size=5, name="a")
        ]

    def test_threads_are_apart_and_oldest_first(self) -> None:
        same = "2025-03-01T09:00:02Z"
        found = read_records(
            record(3, created_at=same),
            record(4, thread_id="t2"),
            record(2, created_at=same),
            record(1),
        )
        ids = [[each.message_id for each in thread.messages] for thread in found.threads]
        assert ids == [["m1", "m3", "m2"], ["m4"]]

    def test_customer_is_what_the_latest_message_says(self) -> None:
        found = read_records(
            record(2, customer_name="Omar H."), record(1, customer_name="Omar"), record(3)
        )
        assert found.threads[0].customer == Customer(customer_id="t1", name="Omar H.")

    def test_kind_of_the_attachment_is_the_kind_of_a_message_without_text(self) -> None:
        found = read_records(record(text=None, attachments=[{"kind": "audio"}]))
        assert found.threads[0].messages[0].content_type is ContentType.AUDIO

    def test_the_same_record_twice_counts_once(self) -> None:
        found = read_records(record(), record())
        assert len(found.threads[0].messages) == 1
        assert found.threads[0].unreadable == found.unreadable == []

    def test_another_record_with_the_same_id_is_set_aside(self) -> None:
        lines = [record(1), record(1, text="other"), record(1, thread_id="t2")]
        found = read("\n".join(json.dumps(each) for each in lines))
        reason = "message_id: another message of this id is on line 1"
        assert found.threads[0].unreadable == [
            Unreadable(reason=f"line 2, {reason}", thread_id="t1", message_id="m1")
        ]
        assert found.unreadable == [
            Unreadable(reason=f"line 3, {reason}", thread_id="t2", message_id="m1")
        ]

    @pytest.mark.parametrize(
        ("fields", "reason"),
        [
            ({"thread_id": None}, "thread_id: is missing"),
            ({"thread_id": " "}, "thread_id: must not be blank"),
            ({"message_id": 5}, "message_id: must be text"),
            ({"sender": "agent"}, "sender: Input should be 'customer' or 'employee'"),
            ({"created_at": None}, "created_at: is missing"),
            ({"created_at": 1740819600}, "created_at: must be text in ISO 8601"),
            ({"created_at": "1 March"}, "created_at: must be a moment in ISO 8601"),
            ({"created_at": "2025-03-01T09:00:00"}, "created_at: must have a zone"),
            ({"created_at": "0001-01-01T00:00:00+10:00"}, "created_at: must lie in the years"),
            ({"text": None}, "text: is missing, and so are attachments"),
            ({"text": ["a"]}, "text: must be text"),
            ({"content_type": "hologram"}, "content_type: Input should be"),
            ({"attachments": [{"url": "x"}]}, "attachments.0.kind: is missing"),
            ({"attachments": [{"kind": "file", "size": -1}]}, "attachments.0.size: "),
            ({"attachments": {}}, "attachments: "),
            ({"customer_phone": "0100"}, "customer_phone: must be in international form"),
        ],
    )
    def test_a_bad_record_is_set_aside_and_the_rest_counts(
        self, fields: dict[str, Any], reason: str
    ) -> None:
        found = read("\n".join(json.dumps(each) for each in [record(1), record(2, **fields)]))
        bad = [*found.unreadable, *found.threads[0].unreadable]
        assert len(found.threads[0].messages) == 1
        assert [each.reason.partition(", ")[2].startswith(reason) for each in bad] == [True]
        assert bad[0].reason.startswith("line 2, ")

    @pytest.mark.parametrize("value", [5, "text", None, [], True])
    def test_a_record_that_is_no_object_is_set_aside(self, value: Any) -> None:
        found = read_records(record(), value)
        assert found.unreadable == [Unreadable(reason="line 1, the record: must be an object")]

    def test_reasons_do_not_repeat_the_customer(self) -> None:
        found = read_records(record(created_at="secret"), record(2, sender="secret"))
        assert not any("secret" in each.reason for each in found.unreadable)

    def test_what_cannot_be_stored_is_replaced(self) -> None:
        found = read_records(record(text="a\0b\ud83d c", message_id="m\0"))
        assert found.threads[0].messages[0].text == "a\ufffdb\ufffd c"
        assert found.threads[0].messages[0].message_id == "m\ufffd"


class TestFiles:
    @pytest.mark.parametrize(
        ("data", "error"),
        [
            (b"", "line 1, column 1: the file is empty"),
            (b" \r\n", "line 1, column 1: the file is empty"),
            (b"\n  hello", "line 2, column 3: not the start of any file we know"),
            (b'[\n"\xff"]', "line 2, column 2: not UTF-8 text"),
            (b"PK\x03\x04...", "is a zip archive: unpack it"),
            (b"<?xml", "line 1, column 1: not the start of any file we know"),
        ],
    )
    def test_what_cannot_be_read_is_said(self, data: bytes, error: str, tmp_path: Path) -> None:
        path = tmp_path / "some.file"
        path.write_bytes(data)
        with pytest.raises(UsageError) as caught:
            read_file(path, OPTIONS)
        assert str(caught.value).removeprefix(str(path)).lstrip(", ").startswith(error)

    def test_a_missing_file_is_said(self, tmp_path: Path) -> None:
        with pytest.raises(UsageError, match="cannot be read: No such file"):
            read_file(tmp_path / "none", OPTIONS)
        with pytest.raises(UsageError, match="cannot be read: Is a directory"):
            read_file(tmp_path, OPTIONS)
        with pytest.raises(UsageError, match="cannot be read: bad name"):
            read_file(tmp_path / "a\0b", OPTIONS)


TEXTS = st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"]), min_size=1)
RECORDS = st.lists(
    st.builds(
        record,
        st.integers(0, 59),
        thread_id=st.sampled_from(["t1", "t2"]),
        text=TEXTS,
        customer_name=st.none() | TEXTS,
    ),
    unique_by=lambda each: each["message_id"],
)


@given(records=RECORDS, as_lines=st.booleans(), is_ascii=st.booleans())
def test_every_record_comes_back(
    records: list[dict[str, Any]], as_lines: bool, is_ascii: bool
) -> None:
    if as_lines and records:
        text = "\n".join(json.dumps(each, ensure_ascii=is_ascii) for each in records)
    else:
        text = json.dumps(records, ensure_ascii=is_ascii)
    found = read(text)
    written = {each["message_id"]: (each["thread_id"], each["text"]) for each in records}
    assert not found.unreadable
    assert {
        message.message_id: (thread.thread_id, message.text)
        for thread in found.threads
        for message in thread.messages
    } == written


ANY_JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    max_leaves=12,
)


@given(
    value=ANY_JSON
    | st.lists(st.fixed_dictionaries({}, optional=dict.fromkeys(record(), ANY_JSON))),
    cut=st.integers(0, 5),
)
def test_any_json_is_read_or_refused(value: Any, cut: int) -> None:
    text = json.dumps(value)
    for form in (text, text[:-cut], json.dumps({"messages": value}), f"[{text}]"):
        if not form.strip():
            continue
        try:
            found = read(form)
        except UsageError:
            continue
        assert all(thread.messages for thread in found.threads)
