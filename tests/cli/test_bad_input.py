"""Bad input: one sentence, exit code 2, nothing on stdout, and nothing written."""

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path
from typing import NamedTuple

import pytest
from sqlalchemy import text

from shoptalk.db.embedded import EmbeddedServer
from shoptalk.db.engine import Database
from shoptalk.db.models import Base
from shoptalk.services.connecting import connect_channel
from shoptalk.settings import Settings
from tests.cli.terminal import Screen, Terminal, everything_stored, terminal_of
from tests.loop.shop import KETTLE, PAGE, TOKEN, Shop, open_shop

NUMBER, NUMBER_TOKEN = "770022", "EAAG-number-token-value"
SECOND_PAGE = "660033"
CLOSED_PORT = "postgresql://owner:word@127.0.0.1:1/shop"

#: Every command that needs the database, with arguments that are fine.
COMMANDS = [
    ("channels", "connect", "facebook", "--account-id", PAGE, "--access-token", TOKEN),
    ("channels", "list"),
    ("channels", "list", "--json"),
    ("channels", "test", PAGE),
    ("channels", "disconnect", PAGE),
    ("import",),
    ("import", "--json"),
    ("backfill", "--channel", PAGE),
    ("reply",),
    ("run",),
    ("status",),
    ("why", "1"),
    ("conversations", "list"),
    ("conversations", "show", "1"),
    ("conversations", "ai", "1", "off"),
    ("messages", "list"),
    ("products", "import", "{catalog}"),
    ("products", "list"),
    ("orders", "list"),
    ("deliveries", "list"),
    ("deliveries", "retry", "1"),
]
every_command = pytest.mark.parametrize("words", COMMANDS, ids=" ".join)

FILES = {
    "catalog": b"product_id,name,price\nk1,Electric Kettle,49.90\n",
    "letter": b"Dear shop,\n",
    "empty": b"",
    "binary": bytes(range(128, 256)),
    "broken_json": b'[\n  {"thread_id": "t1", "message_id": }\n]\n',
    "no_records": b'[{"thread_id": 1}, {"text": "Hello"}]',
    "zip": b"PK\x03\x04 and more",
    "no_price_column": b"product_id,name\nk1,Kettle\n",
    "wrong_price": b"product_id,name,price\nk1,Kettle,9.90\nk2,Pot,cheap\n",
    "too_many_cells": b"product_id,name,price\nk1,Kettle, red,9.90\n",
    "broken_catalog": b'{"products": [\n  {"product_id": "k1", "name": "Pot" "price": 1}\n]}\n',
    "catalog_without_name": b'{"products": [\n  {"product_id": "k1", "price": 1}\n]}\n',
}


class Wrong(NamedTuple):
    """A command line, and what its error must say."""

    words: str
    says: str


TYPED = [
    Wrong("channels test nosuch", "no channel 'nosuch'"),
    Wrong("channels test 999999999999999999999999", "no channel '9999"),
    Wrong("channels disconnect 99", "no channel '99'"),
    Wrong("channels connect chatwoot --account-id one --access-token t", "no id of a Chatwoot ac"),
    Wrong(
        "channels connect chatwoot --account-id 1 --access-token t --base-url chat.example",
        "must begin with https://",
    ),
    Wrong(
        "channels connect chatwoot --account-id 1 --access-token t --inbox website",
        "'website' is no id of an inbox",
    ),
    Wrong("channels connect chatwoot --account-id 1 --access-token t", "token is not valid.*nginx"),
    Wrong("import --channel nosuch", "no channel 'nosuch'"),
    Wrong("backfill --channel nosuch", "no channel 'nosuch'"),
    Wrong("import --channel nosuch --file {letter}", "no channel 'nosuch'"),
    Wrong(
        "channels connect myspace --account-id 1 --access-token t", "no platform 'myspace'.*face"
    ),
    Wrong("channels connect facebook --access-token t", "Missing option '--account-id'"),
    Wrong(f"channels connect facebook --account-id {PAGE} --access-token x", "token is not valid"),
    Wrong(f"channels connect facebook --account-id 99 --access-token {TOKEN}", "does not exist"),
    Wrong("channels connect facebook --account-id 9 --access-token بيت", "ARABIC LETTER BEH"),
    Wrong(
        "channels connect facebook --account-id 9 --access-token-file {empty}", "no access token"
    ),
    Wrong("channels connect facebook --account-id 9 --access-token-file {binary}", "is not text"),
    Wrong("channels connect facebook --account-id 9 --access-token-file {none}", "does not exist"),
    Wrong("channels connect facebook --account-id 9 --access-token t --ai maybe", "'maybe'"),
    Wrong(f"backfill --channel {PAGE} --since yesterday", "'yesterday' is not a date: write it as"),
    Wrong(f"backfill --channel {PAGE} --until 2026-02-30", "'2026-02-30' is not a date"),
    Wrong(f"backfill --channel {PAGE} --since 0001-01-01T00:00+14:00", "is not a date"),
    Wrong(f"backfill --channel {PAGE} --since 2026-02-01 --until 2026-01-01", "later than --until"),
    Wrong(f"backfill --channel {NUMBER}", "whatsapp.*cannot be polled.*--file"),
    Wrong(f"import --channel {NUMBER}", "whatsapp.*cannot be polled.*--file"),
    Wrong("import --file {letter}", "--file needs --channel"),
    Wrong(f"import --channel {PAGE} --file {{letter}}", "line 1, column 1: not the start"),
    Wrong(f"import --channel {PAGE} --file {{empty}}", "the file is empty"),
    Wrong(f"import --channel {PAGE} --file {{binary}}", "line 1, column 1: not UTF-8 text"),
    Wrong(f"import --channel {PAGE} --file {{broken_json}}", "line 2, column 37"),
    Wrong(f"import --channel {PAGE} --file {{no_records}}", "no record.*: line 1, .*thread"),
    Wrong(f"import --channel {PAGE} --file {{zip}}", "zip archive: unpack it"),
    Wrong(f"import --channel {PAGE} --file {{none}}", "does not exist"),
    Wrong(f"import --channel {PAGE} --file {{folder}}", "is a directory"),
    Wrong("products import {none}", "does not exist"),
    Wrong("products import {empty}", "the file is empty"),
    Wrong("products import {binary}", "line 1, column 1: not UTF-8 text"),
    Wrong("products import {no_price_column}", "line 1, column 1: .*no column price"),
    Wrong("products import {wrong_price}", "line 3, column 3: price must be a number"),
    Wrong("products import {too_many_cells}", "line 2, column 4: .*4 columns and the header 3"),
    Wrong("products import {broken_catalog}", "line 2, column 38"),
    Wrong("products import {catalog_without_name}", "line 2, column 3: name is missing"),
    Wrong("products import {catalog} --currency dollars", "three letters"),
    Wrong("nosuch", "No such command 'nosuch'"),
    Wrong("channels nosuch", "No such command 'nosuch'"),
    Wrong("channels list --nosuch", "No such option '--nosuch'"),
    Wrong("channels test", "Missing argument 'ID'"),
    Wrong("channels list too many", "unexpected extra argument"),
    Wrong("why nosuch", "no message 'nosuch': `shoptalk messages list`"),
    Wrong("why 999", "no message '999'"),
    Wrong("why \udcff", "not UTF-8 text"),
    Wrong("conversations show nosuch", "no conversation 'nosuch': `shoptalk conversations list`"),
    Wrong("conversations ai 999 on", "no conversation '999'"),
    Wrong("conversations ai 1 perhaps", "'perhaps' is not one of 'on', 'off'"),
    Wrong("conversations list --status nonsense", "'nonsense' is none of new, open, closed, pend"),
    Wrong("conversations list --limit 0", "not in the range"),
    Wrong("messages list --outcome nonsense", "'nonsense' is not one of"),
    Wrong("deliveries list --status nonsense", "'nonsense' is not one of"),
    Wrong("deliveries retry 999", "no delivery '999': `shoptalk deliveries list`"),
    Wrong("deliveries retry abc", "no delivery 'abc'"),
    Wrong("deliveries retry 1", "Delivery 1 is sent: only failed and uncertain"),
    Wrong("sandbox --port 99999", "not in the range"),
    Wrong("sandbox --port {taken_port}", "Port [0-9]+ is in use: choose another"),
]

SETTINGS = [
    ({"DATABASE_URL": "shop.db"}, "DATABASE_URL must begin with postgresql://"),
    ({"DATABASE_URL": "mysql://owner:word@127.0.0.1/shop"}, "must begin with postgresql://"),
    ({"DATABASE_URL": "postgresql://owner:word@127.0.0.1:port/shop"}, "cannot be understood"),
    ({"DATABASE_URL": CLOSED_PORT}, "The database cannot be reached"),
    ({"DATABASE_URL": "postgresql://127.0.0.1/shop?sslmode=maybe"}, "invalid sslmode"),
    ({"POLL_INTERVAL_SECONDS": "abc"}, "POLL_INTERVAL_SECONDS must be a number"),
    ({"POLL_INTERVAL_SECONDS": "0"}, "POLL_INTERVAL_SECONDS must be at least 0.1"),
    ({"FACEBOOK_API_BASE_URL": "foo"}, "FACEBOOK_API_BASE_URL .*must begin with https://"),
    ({"LOG_LEVEL": "LOUD"}, "LOG_LEVEL .*'DEBUG', 'INFO', 'WARNING' or 'ERROR'"),
    ({"DATABASE_URL": None, "SHOPTALK_HOME": "{letter}/home"}, "Set SHOPTALK_HOME to a writable"),
]


@pytest.fixture(scope="module")
def shop(
    server: EmbeddedServer, migrated: Database, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Shop]:
    """A shop with something in every table that a command could harm; shared, as none may."""
    tables = ", ".join(table.name for table in Base.metadata.sorted_tables)
    with migrated.transaction() as session:
        session.execute(text(f"TRUNCATE {tables} RESTART IDENTITY CASCADE"))
    with pytest.MonkeyPatch.context() as patch:
        for name in Settings.model_fields:
            patch.delenv(name.upper(), raising=False)
        with open_shop(server.url, tmp_path_factory.mktemp("shop") / "home") as shop:
            shop.world.add_account("whatsapp", NUMBER, "Corner Shop", NUMBER_TOKEN)
            config = {"access_token": NUMBER_TOKEN}
            shop.opens("facebook")
            connect_channel(shop.app, "whatsapp", NUMBER, config, name=None, ai_default=True)
            shop.sells(KETTLE)
            shop.customer_writes("Hello!")
            assert shop.answers() == {"answered": 1}
            yield shop


@pytest.fixture
def terminal(shop: Shop) -> Terminal:
    return terminal_of(shop)


@pytest.fixture
def names(shop: Shop, tmp_path: Path) -> dict[str, str]:
    """What the words in braces stand for."""
    for name, content in FILES.items():
        (tmp_path / name).write_bytes(content)
    known = {name: str(tmp_path / name) for name in (*FILES, "none")}
    return known | {"folder": str(tmp_path), "taken_port": shop.server.url.rpartition(":")[2]}


def refused(screen: Screen, says: str) -> None:
    """Assert that the command ended as bad input ends."""
    assert screen.code == 2, screen
    assert screen.out == ""
    assert_matches(screen.sentence, says)


def assert_matches(sentence: str, says: str) -> None:
    with pytest.raises(AssertionError, match=says):  # shows both when they do not match
        raise AssertionError(sentence)


@pytest.mark.parametrize("wrong", TYPED, ids=lambda wrong: ascii(wrong.words))
def test_wrong_words_get_a_sentence_and_change_nothing(
    terminal: Terminal, migrated: Database, names: dict[str, str], wrong: Wrong
) -> None:
    before = everything_stored(migrated)
    refused(terminal.types(*(word.format(**names) for word in wrong.words.split(" "))), wrong.says)
    assert everything_stored(migrated) == before


@pytest.mark.parametrize(("environment", "says"), SETTINGS, ids=lambda value: str(value)[:60])
def test_wrong_settings_get_a_sentence_and_change_nothing(
    terminal: Terminal,
    migrated: Database,
    names: dict[str, str],
    environment: dict[str, str | None],
    says: str,
) -> None:
    before = everything_stored(migrated)
    exported = {name: value and value.format(**names) for name, value in environment.items()}
    refused(terminal.exporting(exported).types("channels", "list"), says)
    assert everything_stored(migrated) == before


@every_command
def test_every_command_says_that_the_database_cannot_be_reached(
    terminal: Terminal, names: dict[str, str], words: tuple[str, ...]
) -> None:
    typed = [word.format(**names) for word in words]
    refused(terminal.types(*typed, DATABASE_URL=CLOSED_PORT), "The database cannot be reached")


@every_command
def test_every_command_refuses_a_schema_newer_than_the_program(
    terminal: Terminal, migrated: Database, names: dict[str, str], words: tuple[str, ...]
) -> None:
    before = everything_stored(migrated)
    with newer_schema(migrated):
        screen = terminal.types(*(word.format(**names) for word in words))
    refused(screen, r"schema \(9999\) is newer than this shoptalk .*upgrade shoptalk")
    assert everything_stored(migrated) == before


def test_a_newer_schema_is_not_upgraded_either(terminal: Terminal, migrated: Database) -> None:
    with newer_schema(migrated):
        refused(terminal.types("db", "upgrade"), "newer than this shoptalk")
        assert revision(migrated) == "9999"


@contextmanager
def newer_schema(database: Database) -> Iterator[None]:
    """The database as a later shoptalk would leave it."""
    today = revision(database)
    set_revision(database, "9999")
    try:
        yield
    finally:
        set_revision(database, today)


def set_revision(database: Database, number: str) -> None:
    with database.transaction() as session:
        session.execute(text("UPDATE alembic_version SET version_num = :to"), {"to": number})


def revision(database: Database) -> str:
    with database.transaction() as session:
        return str(session.scalar(text("SELECT version_num FROM alembic_version")))


def test_a_token_is_not_asked_for_where_there_is_nobody_to_ask(terminal: Terminal) -> None:
    screen = terminal.types("channels", "connect", "facebook", "--account-id", PAGE, answers="")
    assert (screen.code, screen.out) == (2, "")
    asked, said = screen.err.splitlines()
    assert asked == "Access token: "
    assert_matches(said, "Error: .*no terminal.*SHOPTALK_ACCESS_TOKEN")


@pytest.mark.parametrize("command", ["reply", "run"])
def test_answering_without_a_key_to_a_model_is_refused(
    terminal: Terminal, migrated: Database, command: str
) -> None:
    before = everything_stored(migrated)
    refused(terminal.types(command, OPENAI_API_KEY=None), "OPENAI_API_KEY is not set")
    refused(terminal.types(command, OPENAI_API_KEY=""), "OPENAI_API_KEY is not set")
    assert everything_stored(migrated) == before


@pytest.mark.parametrize(
    "words",
    [
        ("import",),
        ("run",),
        ("backfill", "--channel", PAGE),
        ("channels", "test", PAGE),
        ("channels", "connect", "facebook", "--account-id", PAGE, "--access-token", TOKEN),
    ],
    ids=" ".join,
)
def test_a_home_that_cannot_be_used_is_said_before_anything_is_done(
    terminal: Terminal, migrated: Database, names: dict[str, str], words: tuple[str, ...]
) -> None:
    before = everything_stored(migrated)
    screen = terminal.types(*words, SHOPTALK_HOME=f"{names['letter']}/home")
    refused(screen, "Set SHOPTALK_HOME to a writable folder, or SHOPTALK_SECRET_KEY")
    assert everything_stored(migrated) == before


def test_credentials_sealed_with_another_key_are_said_to_be(terminal: Terminal) -> None:
    refused(
        terminal.types("channels", "test", PAGE, SHOPTALK_SECRET_KEY="another"),
        "sealed with another key: set SHOPTALK_SECRET_KEY",
    )


@pytest.mark.parametrize(
    "words",
    [
        ("import", "--channel", PAGE, "--file", "{letter}"),
        ("products", "import", "{catalog}"),
        ("channels", "connect", "facebook", "--account-id", "9", "--access-token-file", "{letter}"),
    ],
    ids=lambda words: words[0],
)
def test_a_file_that_may_not_be_read_is_refused(
    terminal: Terminal,
    names: dict[str, str],
    words: tuple[str, ...],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def not_for_you(path: Path, *_: object, **__: object) -> bytes:
        raise PermissionError(13, "Permission denied", str(path))

    typed = [word.format(**names) for word in words]
    monkeypatch.setattr(Path, "read_bytes", not_for_you)
    if "--access-token-file" in words:  # the secret key is read in the same way
        monkeypatch.setattr(Path, "read_text", not_for_you)
    refused(terminal.types(*typed), "cannot be read: Permission denied")


@pytest.fixture
def second_page(shop: Shop) -> str:
    """Another connected Page, for what changes it."""
    account = SECOND_PAGE + str(len(shop.world.accounts))
    shop.world.add_account("facebook", account, "Side Street", f"EAAG-token-of-{account}")
    config = {"access_token": f"EAAG-token-of-{account}"}
    connect_channel(shop.app, "facebook", account, config, name=None, ai_default=True)
    return account


def test_an_expired_token_is_named_as_such_when_connecting(
    shop: Shop, terminal: Terminal, migrated: Database
) -> None:
    expired = shop.now - timedelta(days=1)
    shop.world.add_account("facebook", "441", "Old Shop", "EAAG-old", token_expires_at=expired)
    before = everything_stored(migrated)
    screen = terminal.types(
        "channels", "connect", "facebook", "--account-id", "441", "--access-token", "EAAG-old"
    )
    refused(screen, "facebook: the access token has expired .*Make a new, long-lived access token")
    assert everything_stored(migrated) == before


def test_an_expired_token_stops_its_channel_with_a_remedy(
    shop: Shop, terminal: Terminal, second_page: str
) -> None:
    shop.control.expire_token(second_page, shop.now)
    refused(terminal.types("channels", "test", second_page), "the access token has expired")
    [channel] = [
        channel
        for channel in terminal.types("channels", "list", "--json").document
        if channel["external_id"] == second_page
    ]
    assert channel["state"] == "stopped"
    assert "expired" in channel["last_error"]
    assert "Make a new, long-lived access token" in channel["remedy"]
    refused(terminal.types("backfill", "--channel", second_page), "stopped: .*expired.*Make a new")


def test_importing_a_channel_whose_token_has_expired_says_what_to_do(
    shop: Shop, terminal: Terminal, second_page: str
) -> None:
    shop.control.kill_token(second_page, subcode=463)
    for _ in ("the platform is asked", "the channel is stopped"):
        screen = terminal.types("import", "--channel", second_page, "--json")
        assert screen.code == 2
        assert_matches(screen.sentence, "Side Street: the access token has expired .*Make a new")
        [report] = screen.document
        assert report["remedy"]
        assert "expired" in report["error"]


def test_disconnecting_twice_is_refused(
    terminal: Terminal, migrated: Database, second_page: str
) -> None:
    assert terminal.types("channels", "disconnect", second_page).code == 0
    before = everything_stored(migrated)
    refused(terminal.types("channels", "disconnect", second_page), "disconnected already")
    refused(terminal.types("import", "--channel", second_page), "connect it again first")
    assert everything_stored(migrated) == before


def test_a_platform_that_fails_for_now_is_no_bad_input(
    shop: Shop, terminal: Terminal, migrated: Database
) -> None:
    before = everything_stored(migrated)
    screen = terminal.types(
        "channels",
        "connect",
        "facebook",
        "--account-id",
        PAGE,
        "--access-token",
        TOKEN,
        FACEBOOK_API_BASE_URL="http://127.0.0.1:1/v25.0",
    )
    assert (screen.code, screen.out) == (1, "")
    assert_matches(screen.sentence, "facebook: no connection could be made")
    assert everything_stored(migrated) == before


def test_an_address_without_a_chatwoot_is_asked_about(shop: Shop, terminal: Terminal) -> None:
    account = ("--account-id", "1", "--access-token", "t", "--base-url", shop.server.url)
    screen = terminal.types("channels", "connect", "chatwoot", *account)
    assert (screen.code, screen.out) == (1, "")
    assert screen.sentence.endswith("HTTP 404: is there a Chatwoot at this address?")
