"""What can be connected, how it is listed, and connecting what takes no token."""

from dataclasses import replace
from importlib.metadata import EntryPoint, entry_points

import pytest

from shoptalk.platforms import registry
from shoptalk.platforms.webchat.adapter import WebChat
from tests.cli.terminal import Terminal
from tests.loop.shop import TOKEN, Shop

SITE = "corner-shop.example"
CONNECT = ("channels", "connect", "webchat", "--account-id", SITE)


def add_entry(monkeypatch: pytest.MonkeyPatch, name: str, value: str) -> None:
    ours = dict(registry._entry_points())
    entry = EntryPoint(name, value, registry.GROUP)
    monkeypatch.setattr(registry, "_entry_points", lambda: {**ours, name: entry})
    registry.adapter.cache_clear()


def test_every_platform_is_listed_with_what_it_can_do(terminal: Terminal) -> None:
    rows = {row["name"]: row for row in terminal.types("platforms", "list", "--json").document}
    assert {"facebook", "instagram", "webchat", "whatsapp"} <= set(rows)
    facebook, webchat = rows["facebook"], rows["webchat"]
    assert (facebook["polled"], facebook["token"]) == (True, True)
    assert (facebook["max_text"], facebook["text_unit"]) == (2000, "characters")
    assert facebook["reply_window_seconds"] == 24 * 3600
    assert (webchat["history"], webchat["typing"], webchat["token"]) == (True, True, False)
    assert webchat["reply_window_seconds"] is None
    assert rows["whatsapp"]["polled"] is False
    assert {row["distribution"].partition(" ")[0] for row in rows.values()} == {"shoptalk"}
    assert {row["error"] for row in rows.values()} == {None}


def test_the_list_is_a_table_for_people(terminal: Terminal) -> None:
    screen = terminal.types("platforms", "list")
    assert screen.code == 0
    [line] = [line for line in screen.out.splitlines() if line.startswith("instagram")]
    assert "1,000 bytes" in line
    assert "24 h" in line


@pytest.mark.parametrize(
    ("value", "reason"),
    [
        ("no_such_package:Pigeon", "No module named 'no_such_package'"),
        ("shoptalk.platforms.webchat.adapter:Pigeon", "has no attribute 'Pigeon'"),
        ("shoptalk.platforms.webchat.adapter:WebChat", "is no adapter of that name"),
        ("tests.cli.breaks_when_imported:Pigeon", "RuntimeError: its own fault"),
    ],
)
def test_one_that_cannot_be_loaded_is_listed_with_the_reason_and_harms_no_other(
    shop: Shop, terminal: Terminal, monkeypatch: pytest.MonkeyPatch, value: str, reason: str
) -> None:
    add_entry(monkeypatch, "pigeon", value)
    rows = {row["name"]: row for row in terminal.types("platforms", "list", "--json").document}
    assert reason in rows["pigeon"]["error"]
    assert rows["pigeon"]["polled"] is None
    assert rows["webchat"]["polled"] is True
    screen = terminal.types("platforms", "list")
    assert screen.code == 0
    assert reason in screen.out
    assert terminal.types(*CONNECT).code == 0
    refused = terminal.types("channels", "connect", "pigeon", "--account-id", "1")
    assert refused.code == 2
    assert reason in refused.sentence


def test_nobody_takes_the_place_of_one_of_ours(monkeypatch: pytest.MonkeyPatch) -> None:
    entries = list(entry_points(group=registry.GROUP))
    impostor = EntryPoint("facebook", "elsewhere:Facebook", registry.GROUP)
    for order in ([impostor, *entries], [*entries, impostor]):
        monkeypatch.setattr(registry, "entry_points", lambda group, order=order: order)
        registry._entry_points.cache_clear()
        assert registry.distribution("facebook").startswith("shoptalk ")
    registry._entry_points.cache_clear()


def test_the_web_chat_is_connected_tested_and_polled_without_a_token(
    shop: Shop, terminal: Terminal
) -> None:
    screen = terminal.types(*CONNECT)
    assert (screen.code, screen.err) == (0, "")
    assert "Connected webchat 'corner-shop.example' as channel 1." in screen.out
    assert terminal.types("channels", "test", SITE).out == (
        "Channel 1 works: webchat 'corner-shop.example'.\n"
    )
    assert terminal.types("import").code == 0


def test_a_token_exported_for_other_platforms_is_not_kept_for_one_that_takes_none(
    shop: Shop, terminal: Terminal
) -> None:
    assert terminal.types(*CONNECT, SHOPTALK_ACCESS_TOKEN=TOKEN).code == 0
    [channel] = shop.channels()
    assert shop.app.vault.open(channel.config) == {}


@pytest.mark.parametrize(
    ("words", "says"),
    [
        ((*CONNECT, "--access-token", "x"), "takes no access token"),
        (("channels", "connect", "webchat", "--account-id", "a shop"), "is a name for the site"),
        (("channels", "connect", "webchat", "--account-id", "../x"), "is a name for the site"),
        (("channels", "connect", "webchat", "--account-id", ""), "is a name for the site"),
        ((*CONNECT, "--config", "folder"), "write NAME=VALUE"),
        ((*CONNECT, "--config", "=x"), "write NAME=VALUE"),
        ((*CONNECT, "--config", "access_token=x"), "have options of their own"),
        ((*CONNECT, "--config", "a=1", "--config", "a=2"), "each name once"),
    ],
)
def test_what_cannot_be_connected_so_is_one_sentence(
    shop: Shop, terminal: Terminal, words: tuple[str, ...], says: str
) -> None:
    screen = terminal.types(*words)
    assert screen.code == 2
    assert says in screen.sentence
    assert shop.channels() == []


def test_what_else_a_platform_wants_is_kept_sealed(
    shop: Shop, terminal: Terminal, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(WebChat, "capabilities", replace(WebChat.capabilities, settings=None))
    done = terminal.types(*CONNECT, "--config", "colour=green=ish", "--config", "size=")
    assert done.code == 0
    [channel] = shop.channels()
    assert "green" not in channel.config
    kept = shop.app.vault.open(channel.config)
    assert kept == {"colour": "green=ish"}, "an empty value is none"
    assert terminal.types(*CONNECT, "--config", "size=9").code == 0
    [channel] = shop.channels()
    assert shop.app.vault.open(channel.config) == {"colour": "green=ish", "size": "9"}
