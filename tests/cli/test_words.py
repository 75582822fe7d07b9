"""The words that people meet on their first day."""

import json
import re
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from sqlalchemy import text

from shoptalk.sandbox import server
from tests.cli.terminal import Terminal
from tests.loop.shop import PAGE, TOKEN, Shop
from tests.patience import eventually
from tests.process import Process

CONNECT = ("channels", "connect")
SITE = "corner-shop.example"


@pytest.mark.parametrize(
    ("words", "meant"),
    [
        ("statu", "status"),
        ("mesages list", "messages"),
        ("channel list", "channels"),
        ("channels lst", "list"),
        ("channels list --jsn", "--json"),
        ("channels connect facebok --account-id 1 --access-token t", "facebook"),
    ],
)
def test_what_was_meant_is_named(terminal: Terminal, words: str, meant: str) -> None:
    screen = terminal.types(*words.split())
    assert screen.code == 2
    assert f"Did you mean {meant!r}?" in screen.sentence


@pytest.mark.parametrize(
    ("words", "says"),
    [
        ("facebook --inbox 3", "does not take --inbox. It takes --app-secret"),
        ("facebook --config foo=bar", "does not take --config foo"),
        ("facebook --number +15550100", "does not take --number"),
        ("facebook --login page", "does not take --login"),
        ("instagram --base-url https://x.example", "does not take --base-url"),
        ("whatsapp --api-key SK1", "does not take --api-key"),
        ("chatwoot --app-secret s", "does not take --app-secret. It takes --base-url, --inbox"),
        ("twilio --inbox 3", "does not take --inbox"),
    ],
)
def test_a_setting_that_the_platform_does_not_have_is_refused(
    shop: Shop, terminal: Terminal, words: str, says: str
) -> None:
    platform, *rest = words.split()
    how = ("--account-id", PAGE, "--access-token", TOKEN)
    screen = terminal.types(*CONNECT, platform, *how, *rest)
    assert screen.code == 2
    assert says in screen.sentence
    assert shop.channels() == []


def test_the_web_chat_takes_no_settings(shop: Shop, terminal: Terminal) -> None:
    screen = terminal.types(*CONNECT, "webchat", "--account-id", SITE, "--config", "colour=green")
    assert screen.code == 2
    assert "It takes no settings of its own." in screen.sentence


def test_an_app_secret_exported_for_other_platforms_is_no_mistake(
    shop: Shop, terminal: Terminal
) -> None:
    screen = terminal.types(*CONNECT, "webchat", "--account-id", SITE, SHOPTALK_APP_SECRET="s")
    assert screen.code == 0
    [channel] = shop.channels()
    assert shop.app.vault.open(channel.config) == {}


@pytest.mark.parametrize(
    "words",
    [
        "--shop-name x",
        "--customer-phone +4915112345678",
        "--timezone Europe/Berlin",
        "--date-order dmy",
    ],
)
def test_what_says_how_to_read_a_file_is_refused_without_one(
    terminal: Terminal, words: str
) -> None:
    screen = terminal.types("import", *words.split())
    assert screen.code == 2
    assert screen.sentence == f"{words.split()[0]} says how to read a file: give --file too."


def test_two_tokens_are_one_too_many(terminal: Terminal, tmp_path: Path) -> None:
    file = tmp_path / "token"
    file.write_text(TOKEN)
    how = ("--access-token", TOKEN, "--access-token-file", str(file))
    screen = terminal.types(*CONNECT, "facebook", "--account-id", PAGE, *how)
    assert screen.code == 2
    assert "not both" in screen.sentence


def test_connecting_again_keeps_the_name_that_was_given(shop: Shop, terminal: Terminal) -> None:
    connect = (*CONNECT, "webchat", "--account-id", SITE)
    assert terminal.types(*connect, "--name", "Our shop", "--ai", "off").code == 0
    assert "webchat 'Our shop'" in terminal.types(*connect).out
    [channel] = terminal.types("channels", "list", "--json").document
    assert (channel["display_name"], channel["ai_default"]) == ("Our shop", False)
    assert "webchat 'New'" in terminal.types(*connect, "--name", "New").out


@pytest.mark.parametrize("words", ["messages list", "messages list --outcome loop"])
def test_an_empty_list_of_messages_says_so(terminal: Terminal, words: str) -> None:
    assert terminal.types(*words.split()).out == "No messages.\n"


def test_messages_are_listed_with_their_customer_and_a_handle_for_why(
    shop: Shop, terminal: Terminal
) -> None:
    shop.opens("facebook")
    shop.wait(minutes=1)
    message_id = shop.customer_writes("Hello\nthere")
    shop.imports()
    header, line = terminal.types("messages", "list").out.splitlines()
    assert re.split("  +", header) == [
        *("id", "written", "conv.", "customer", "author", "outcome", "content"),
        "message id",
    ]
    assert re.split("  +", line) == [
        *("1", "2026-10-05 09:01 UTC", "1", "Ann", "customer", "-", "Hello ⏎ there"),
        message_id,
    ]
    assert terminal.types("why", "1").code == 0
    berlin = terminal.types("messages", "list", SHOP_TIMEZONE="Europe/Berlin")
    assert "2026-10-05 11:01 CEST" in berlin.out
    [row] = terminal.types("messages", "list", "--json", SHOP_TIMEZONE="Europe/Berlin").document
    assert row["created_at"] == "2026-10-05T09:01:00+00:00"


def test_deliveries_are_listed_with_their_time(shop: Shop, terminal: Terminal) -> None:
    shop.opens("facebook")
    shop.customer_writes("Hello!")
    assert shop.answers() == {"answered": 1}
    header, line = terminal.types("deliveries", "list").out.splitlines()
    assert "written" in header
    assert re.search(r"2026-10-05 09:00 UTC +1 +Ann +sent +2026-10-05 09:00 UTC", line)


@pytest.mark.parametrize("name", ["Berlin", "Europe", "../x", "+02:00", "GMT+99"])
def test_a_time_zone_that_is_none_is_refused(terminal: Terminal, name: str) -> None:
    screen = terminal.exporting({"SHOP_TIMEZONE": name}).types("status")
    assert screen.code == 2
    assert "SHOP_TIMEZONE" in screen.sentence
    assert "is no time zone: write an IANA name such as Europe/Berlin" in screen.sentence


def test_status_is_not_folded_where_it_is_piped(shop: Shop, terminal: Terminal) -> None:
    shop.opens("facebook")
    error = "the platform refuses the account because of a reason that is told at some length " * 3
    with shop.app.database.transaction() as session:
        session.execute(text("UPDATE channel_integrations SET last_error = :it"), {"it": error})
    lines = terminal.types("status").out.splitlines()
    assert error.strip() in lines[1]


def test_the_program_runs_as_a_module() -> None:
    ran = subprocess.run(
        [sys.executable, "-m", "shoptalk", "--version"], capture_output=True, text=True, check=True
    )
    assert ran.stdout.startswith("shoptalk, version ")


def test_run_logs_how_it_begins_what_it_waits_for_and_what_it_did(
    shop: Shop, tmp_path: Path
) -> None:
    with Process(shop, tmp_path, LOG_FORMAT="json") as process:
        eventually(lambda: any("no channel is connected" in line for line in process.lines))
        assert process.tell(signal.SIGINT) == 0
    logged = {line["message"]: line for line in map(json.loads, process.lines)}
    assert (logged["started"]["channels"], logged["started"]["database"]) == (0, "DATABASE_URL")
    assert "`shoptalk channels connect`" in logged["no channel is connected"]["what_to_do"]
    assert logged["stopped"].keys() >= {"ticks", "messages_imported", "turns_answered", "seconds"}


def test_the_sandbox_prints_a_home_of_its_own(
    terminal: Terminal, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(server, "serve", lambda port, ready: ready(f"http://127.0.0.1:{port}"))
    homes = [
        re.findall(r"^export SHOPTALK_HOME=(\S+/shoptalk-sandbox\S*)$", screen.out, re.M)
        for screen in (terminal.types("sandbox"), terminal.types("sandbox", "--port", "8799"))
    ]
    assert [len(found) for found in homes] == [1, 1]
    assert homes[0] != homes[1]
