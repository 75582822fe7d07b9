import json
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path

import pytest
import requests
from shoptalk_folder import Folder

from shoptalk.errors import BadPayload, ChannelStopped, UsageError
from shoptalk.platforms.base import AdapterContext, Recipient
from shoptalk.platforms.testing import NINE, WORDS, LocalPlatformContract
from shoptalk.types import Account


def folder_of(path: Path | str) -> Folder:
    return Folder(
        Account(external_id="counter", config={"folder": str(path)}),
        AdapterContext(session=requests.Session(), settings={}, clock=lambda: NINE),
    )


class TestContract(LocalPlatformContract):
    name = "folder"
    repeats_safely = True

    @pytest.fixture(autouse=True)
    def other_side(self, tmp_path: Path) -> None:
        self.folder = tmp_path / "counter"
        self.folder.mkdir()

    def make(self) -> Folder:
        return folder_of(self.folder)

    def customer_writes(self, thread_id: str, text: str, at: datetime) -> str:
        return self._add(thread_id, "customer", text, at)

    def employee_writes(self, thread_id: str, text: str, at: datetime) -> str:
        return self._add(thread_id, "shop", text, at)

    def _add(self, thread_id: str, sender: str, text: str, at: datetime) -> str:
        file = self.folder / f"{thread_id}.json"
        content = json.loads(file.read_text()) if file.exists() else {"messages": []}
        number = str(len(content["messages"]) + 1)
        content["messages"].append(
            {"id": number, "from": sender, "at": at.isoformat(), "text": text}
        )
        file.write_text(json.dumps(content))
        return f"folder_counter/{thread_id}/{number}"

    def break_a_record(self) -> None:
        file = self.folder / "ann.json"
        content = json.loads(file.read_text())
        content["messages"] += [None, {"id": "x", "from": "customer", "text": WORDS}]
        file.write_text(json.dumps(content))

    @contextmanager
    def unavailable(self) -> Iterator[None]:
        away = self.folder.rename(self.folder.with_name("away"))
        try:
            yield
        finally:
            away.rename(self.folder)


def test_a_file_that_is_not_json_is_set_aside_and_stays_as_it_is(tmp_path: Path) -> None:
    (tmp_path / "ann.json").write_text('{"messages": [')
    (tmp_path / "bob.json").write_text('{"messages": []}')
    page = folder_of(tmp_path).fetch_page(cursor=None, limit=25, since=None)
    assert page.threads == []
    assert [(each.thread_id, each.reason) for each in page.unreadable] == [
        ("ann", "the file is not JSON")
    ]
    with pytest.raises(BadPayload):
        folder_of(tmp_path).fetch_thread("ann", cursor="", limit=25)
    assert (tmp_path / "ann.json").read_text() == '{"messages": ['


def test_what_it_does_not_understand_of_a_file_is_kept(tmp_path: Path) -> None:
    file = tmp_path / "ann.json"
    hello = {"id": "1", "from": "customer", "at": NINE.isoformat(), "text": "Hi", "mood": "good"}
    file.write_text(json.dumps({"customer": {"id": "a", "vip": True}, "messages": [hello, 7]}))
    folder = folder_of(tmp_path)
    [thread] = folder.fetch_page(cursor=None, limit=25, since=None).threads
    folder.send(Recipient(thread_id=thread.thread_id, customer_id="a"), "Hello!")
    content = json.loads(file.read_text())
    assert content["customer"] == {"id": "a", "vip": True}
    assert content["messages"][:2] == [hello, 7]
    assert len(content["messages"]) == 3
    assert sorted(each.name for each in tmp_path.iterdir()) == [".lock", "ann.json"]


@pytest.mark.parametrize("path", ["", "counter", "./counter"])
def test_a_folder_is_named_from_its_root(path: str) -> None:
    with pytest.raises(UsageError, match="--config folder=/path"):
        folder_of(path).identify()


def test_a_folder_that_is_not_there_stops_the_channel(tmp_path: Path) -> None:
    with pytest.raises(ChannelStopped) as caught:
        folder_of(tmp_path / "nowhere").identify()
    assert caught.value.remedy.endswith(".")
