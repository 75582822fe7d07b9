"""Secrets stay home: no command, log line, error or row shows one, whatever goes wrong."""

import logging
import traceback
from base64 import urlsafe_b64encode
from collections.abc import Iterator, Sequence
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import text

from shoptalk import cli
from shoptalk.db.embedded import EmbeddedServer
from shoptalk.db.engine import Database
from shoptalk.db.models import ChannelIntegration
from shoptalk.logs import JsonFormatter, TextFormatter
from shoptalk.scheduler import Ticker
from shoptalk.services.connecting import connect_channel
from shoptalk.types import Account
from tests.cli.terminal import Screen, Terminal, everything_stored, terminal_of
from tests.loop.shop import ANN, KETTLE, Shop, open_shop

PAGE, INSTAGRAM, NUMBER = "990011", "17841400000000099", "990022"
PAGE_TOKEN = "EAAGsecretPageToken5c1d9"
INSTAGRAM_TOKEN = "IGAAsecretInstagramToken77ab2"
NUMBER_TOKEN = "EAAGsecretNumberToken0e4f6"
WRONG_TOKEN = "EAAGsecretMistypedToken31b8"
APP_SECRET = "secretAppSecret8d20c"
MODEL_KEY = "sandbox-secretModelKey94e7a"
PASSWORD = "secretDatabasePassword66f1"
SEAL_KEY = urlsafe_b64encode(b"secretSealingKey2b9d0".ljust(32)).decode()
SECRETS = (
    PAGE_TOKEN,
    INSTAGRAM_TOKEN,
    NUMBER_TOKEN,
    WRONG_TOKEN,
    APP_SECRET,
    MODEL_KEY,
    PASSWORD,
    SEAL_KEY,
)
CUSTOMER_WORDS, CUSTOMER_NAME, CUSTOMER_PHONE = "marzipan", "Wilhelmina", "+447700900123"
PRIVATE = (CUSTOMER_WORDS, CUSTOMER_NAME, CUSTOMER_PHONE, CUSTOMER_PHONE[1:])

CONNECT = ("channels", "connect")
WAYS = [
    ("channels", "list"),
    ("channels", "test", PAGE),
    ("channels", "test", NUMBER),
    ("channels", "test", "nosuch"),
    (*CONNECT, "facebook", "--account-id", PAGE, "--access-token", PAGE_TOKEN),
    (*CONNECT, "facebook", "--account-id", PAGE, "--access-token", WRONG_TOKEN),
    (*CONNECT, "facebook", "--account-id", PAGE, "--access-token", f"{WRONG_TOKEN} {PAGE_TOKEN}"),
    (*CONNECT, "facebook", "--account-id", PAGE, "--access-token", WRONG_TOKEN, "--nosuch"),
    (*CONNECT, "facebook", "--account-id", "12", "--access-token", PAGE_TOKEN, "--ai", "maybe"),
    (*CONNECT, "facebook", "--account-id", "12", "--access-token-file", "{token}"),
    (*CONNECT, "myspace", "--account-id", "12", "--access-token", PAGE_TOKEN),
    ("import",),
    ("import", "--channel", INSTAGRAM, "--json"),
    ("import", "--channel", NUMBER),
    ("import", "--channel", PAGE, "--file", "{token}"),
    ("products", "import", "{token}"),
    ("backfill", "--channel", PAGE),
    ("reply",),
    ("reply", "--json"),
    ("status",),
    ("status", "--json"),
    ("why", "1"),
    ("conversations", "list"),
    ("conversations", "show", "1"),
    ("messages", "list", "--json"),
    ("orders", "list", "--json"),
    ("deliveries", "list"),
    ("deliveries", "retry", "1"),
    ("doctor",),
    ("doctor", "--json"),
    ("db", "upgrade"),
]


#: Those that ask a platform something, or tell what it said before
WAYS_TO_A_PLATFORM = [
    ("channels", "test", PAGE),
    ("channels", "test", NUMBER),
    (*CONNECT, "facebook", "--account-id", PAGE, "--access-token", PAGE_TOKEN),
    ("import",),
    ("reply",),
    ("backfill", "--channel", PAGE),
    ("status", "--json"),
    ("why", "1"),
    ("doctor",),
]


class Witness(logging.Handler):
    """Remembers whatever a person, a log file or an error report may come to see."""

    def __init__(self) -> None:
        super().__init__(logging.DEBUG)
        self.heard: list[str] = []
        self.logged: list[logging.LogRecord] = []

    def emit(self, record: logging.LogRecord) -> None:
        self.logged.append(record)
        self.heard += [TextFormatter().format(record), JsonFormatter().format(record)]
        self.heard.append(repr(vars(record)))

    def hear(self, *things: object) -> None:
        for thing in things:
            self.heard += [str(thing), repr(thing)]

    def see(self, screen: Screen) -> Screen:
        self.heard += [screen.out, screen.err]
        return screen

    def hear_error(self, error: BaseException) -> None:
        self.hear(error)
        self.heard += traceback.format_exception(error)

    def found(self, words: tuple[str, ...] = SECRETS) -> list[str]:
        """Where any of the words was seen."""
        return [seen for seen in self.heard if any(word in seen for word in words)]


@pytest.fixture
def shop(server: EmbeddedServer, database: Database, tmp_path: Path) -> Iterator[Shop]:
    """A shop whose every credential can be recognised, with something to answer."""
    address = server.url.replace("postgres:@", f"postgres:{PASSWORD}@")
    assert PASSWORD in address
    keys = {"openai_api_key": MODEL_KEY, "shoptalk_secret_key": SEAL_KEY}
    with open_shop(address, tmp_path / "home", **keys) as shop:
        accounts: list[tuple[Any, str, str, dict[str, Any]]] = [
            ("facebook", PAGE, PAGE_TOKEN, {"app_secret": APP_SECRET}),
            ("instagram", INSTAGRAM, INSTAGRAM_TOKEN, {"login": "instagram"}),
            ("whatsapp", NUMBER, NUMBER_TOKEN, {}),
        ]
        for platform, account, token, more in accounts:
            shop.world.add_account(platform, account, "Corner Shop", token, **more)
            config = {"access_token": token, **more}
            connect_channel(shop.app, platform, account, config, name=None, ai_default=True)
        shop.sells(KETTLE)
        shop.world.add_message(PAGE, ANN, CUSTOMER_WORDS, customer_name=CUSTOMER_NAME)
        shop.app.importer().import_side_by_side(shop.channels()[:2])
        shop.replies()
        shop.wait(seconds=31)
        yield shop


@pytest.fixture
def terminal(shop: Shop) -> Terminal:
    secrets = {"OPENAI_API_KEY": MODEL_KEY, "SHOPTALK_SECRET_KEY": SEAL_KEY}
    return terminal_of(shop).exporting(secrets)


@pytest.fixture
def witness(monkeypatch: pytest.MonkeyPatch) -> Iterator[Witness]:
    witness = Witness()
    explain = cli._explain

    def overheard(error: Exception) -> int:
        witness.hear_error(error)
        return explain(error)

    monkeypatch.setattr(cli, "_explain", overheard)
    ours = logging.getLogger("shoptalk")
    level = ours.level
    ours.addHandler(witness)
    ours.setLevel(logging.DEBUG)
    yield witness
    ours.removeHandler(witness)
    ours.setLevel(level)


def use_every_command(
    shop: Shop, terminal: Terminal, witness: Witness, folder: Path, **exported: str
) -> None:
    use(WAYS, shop, terminal, witness, folder, **exported)


def use(
    ways: Sequence[tuple[str, ...]],
    shop: Shop,
    terminal: Terminal,
    witness: Witness,
    folder: Path,
    **exported: str,
) -> None:
    terminal = terminal.exporting(exported)
    token = folder / "token"
    token.write_text(WRONG_TOKEN)
    for words in ways:
        typed = [word.format(token=token) for word in words]
        witness.see(terminal.types(*typed))
        shop.wait(seconds=5)
    connect = (*CONNECT, "facebook", "--account-id", PAGE)
    witness.see(terminal.types(*connect, answers=f"{PAGE_TOKEN}\n"))


@pytest.mark.parametrize("log_format", ["text", "json"])
def test_no_command_shows_a_secret(
    shop: Shop, terminal: Terminal, witness: Witness, tmp_path: Path, log_format: str
) -> None:
    use_every_command(shop, terminal, witness, tmp_path, LOG_LEVEL="DEBUG", LOG_FORMAT=log_format)
    assert len(shop.sent()) == 1
    assert witness.logged
    assert witness.found() == []


@pytest.mark.thorough
@pytest.mark.parametrize(
    ("fault", "params"),
    [
        ("graph_error", {"code": 190, "subcode": 463, "message": f"Bad token {PAGE_TOKEN}"}),
        ("graph_error", {"code": 100, "message": f"Cannot parse access token {PAGE_TOKEN}"}),
        ("graph_error", {"code": 2, "message": PAGE_TOKEN, "user_message": INSTAGRAM_TOKEN}),
        ("http_status", {"status": 500, "body": f"token {PAGE_TOKEN} refused"}),
        ("html", {"body": f"<html>{PAGE_TOKEN}</html>"}),
        ("truncate", {}),
        ("drop_before", {}),
        ("drop_after", {}),
        ("garbage_record", {}),
        ("missing_field", {}),
    ],
)
def test_no_secret_is_shown_when_a_platform_fails_at_every_call(
    shop: Shop,
    terminal: Terminal,
    witness: Witness,
    tmp_path: Path,
    fault: str,
    params: dict[str, Any],
) -> None:
    shop.world.faults.add(fault, params=params)
    use(WAYS_TO_A_PLATFORM, shop, terminal, witness, tmp_path, LOG_LEVEL="DEBUG")
    assert shop.world.faults.rules[0].fired
    assert witness.found() == []


def test_no_secret_is_shown_when_the_model_fails(
    shop: Shop, terminal: Terminal, witness: Witness
) -> None:
    for error in (
        {"status": 401, "code": "invalid_api_key", "message": f"Incorrect key: {MODEL_KEY}"},
        {"status": 429, "message": f"Too many requests by {MODEL_KEY}"},
        {"status": 400, "message": f"The header Bearer {MODEL_KEY} makes no sense"},
        {"status": 500, "message": MODEL_KEY},
    ):
        shop.model_says({"error": error})
        witness.see(terminal.types("reply", LOG_LEVEL="DEBUG"))
        witness.see(terminal.types("why", "1"))
        witness.see(terminal.types("status", "--json"))
        shop.wait(minutes=10)
    witness.see(terminal.types("doctor", OPENAI_BASE_URL="http://127.0.0.1:1/v1"))
    witness.see(terminal.types("doctor", OPENAI_MODEL="gpt-none"))
    witness.hear(everything_stored(shop.app.database))
    assert any("a turn waits" in seen for seen in witness.heard)
    assert witness.found() == []


def test_no_secret_is_shown_when_a_token_has_died(
    shop: Shop, terminal: Terminal, witness: Witness, tmp_path: Path
) -> None:
    shop.control.kill_token(PAGE, subcode=460)
    shop.control.expire_token(INSTAGRAM, shop.now - timedelta(days=1))
    shop.world.replace_token(NUMBER, "EAAGsecondNumberToken")
    use_every_command(shop, terminal, witness, tmp_path, LOG_LEVEL="DEBUG")
    assert any("password was changed" in seen for seen in witness.heard)
    assert witness.found() == []


def test_no_token_goes_where_a_foreign_next_page_points(
    shop: Shop, terminal: Terminal, witness: Witness
) -> None:
    url = f"{shop.server.url}/evil.example/v25.0/steal?access_token={PAGE_TOKEN}"
    shop.world.faults.add("foreign_next", params={"url": url.replace("127.0.0.1", "localhost")})
    for number in range(30):
        shop.world.add_message(PAGE, f"7300{number:03d}", CUSTOMER_WORDS)
    for words in (("import",), ("backfill", "--channel", PAGE), ("status",), ("doctor",)):
        witness.see(terminal.types(*words, LOG_LEVEL="DEBUG"))
    assert shop.world.faults.rules[0].fired
    assert any("refused" in seen for seen in witness.heard)
    assert shop.control.tokens_sent_abroad() == 0
    assert shop.world.ledger.calls(kind="foreign") == []
    assert witness.found() == []


@pytest.mark.parametrize(
    "address",
    [
        f"postgresql://owner:{PASSWORD}@127.0.0.1:1/shop",
        f"postgresql://owner:{PASSWORD}@127.0.0.1:port/shop",
        f"postgresql://owner:{PASSWORD}@127.0.0.1/shop?sslmode=maybe",
        f"postgresql://owner:{PASSWORD}@127.0.0.1/shop?nonsense=1",
        f"mysql://owner:{PASSWORD}@127.0.0.1/shop",
        f"{PASSWORD}",
    ],
)
def test_no_password_is_shown_when_the_database_cannot_be_used(
    terminal: Terminal, witness: Witness, address: str
) -> None:
    for words in (("channels", "list"), ("import",), ("run",), ("doctor",), ("db", "upgrade")):
        screen = witness.see(terminal.types(*words, DATABASE_URL=address, LOG_LEVEL="DEBUG"))
        assert screen.code in {1, 2}
    assert witness.found() == []


def test_no_secret_is_shown_by_wrong_settings(terminal: Terminal, witness: Witness) -> None:
    wrong = {"POLL_INTERVAL_SECONDS": MODEL_KEY, "LOG_LEVEL": APP_SECRET, "OPENAI_BASE_URL": "x"}
    for name, value in wrong.items():
        assert witness.see(terminal.exporting({name: value}).types("channels", "list")).code == 2
    witness.see(terminal.types("doctor", SHOPTALK_SECRET_KEY=f"another{SEAL_KEY}"))
    assert witness.found() == []


def test_no_secret_is_shown_by_a_tick(shop: Shop, witness: Witness) -> None:
    ticker = Ticker(shop.app, shop.app.importer(), shop.app.responder())
    ticker.tick()
    ticker.stop()
    shop.world.faults.add("http_status", params={"status": 503, "body": PAGE_TOKEN})
    shop.control.kill_token(PAGE, subcode=463)
    shop.wait(minutes=5)
    ticker = Ticker(shop.app, shop.app.importer(), shop.app.responder())
    ticker.tick()
    ticker.stop()
    witness.hear(ticker)
    assert witness.logged
    assert witness.found() == []


def test_nothing_in_memory_shows_a_secret_when_printed(shop: Shop, witness: Witness) -> None:
    app = shop.app
    responder = app.responder()
    witness.hear(app, app.settings, app.vault, app.database, app.database.engine, app.liveness)
    witness.hear(app.settings.model_dump(), app.settings.model_dump_json())
    witness.hear(app.importer(), responder, responder._answerer, responder._answerer.model)
    for channel in shop.channels():
        account = Account(external_id=channel.external_id, config=app.vault.open(channel.config))
        assert account.config["access_token"] in SECRETS
        witness.hear(channel, account, replace(account), app.platform_of(channel))
    assert witness.found() == []


def test_no_row_holds_a_secret_and_credentials_are_sealed(
    shop: Shop, terminal: Terminal, witness: Witness, tmp_path: Path
) -> None:
    shop.world.faults.add("graph_error", after=9, params={"code": 2, "message": PAGE_TOKEN})
    use_every_command(shop, terminal, witness, tmp_path)
    stored = everything_stored(shop.app.database)
    assert len(stored["channel_integrations"]) == 3
    witness.hear(stored)
    assert witness.found() == []
    sealed = [channel.config for channel in shop.rows(ChannelIntegration)]
    assert all(config.startswith("gAAAA") for config in sealed)


def test_no_key_file_is_readable_by_others(shop: Shop, terminal: Terminal) -> None:
    connect = (*CONNECT, "facebook", "--account-id", PAGE, "--access-token", PAGE_TOKEN)
    for channel in shop.channels():  # sealed with another key
        assert terminal.types("channels", "disconnect", str(channel.id)).code == 0
    assert terminal.exporting({"SHOPTALK_SECRET_KEY": None}).types(*connect).code == 0
    [key] = Path(shop.app.settings.shoptalk_home).iterdir()
    assert key.stat().st_mode & 0o777 == 0o600


@pytest.mark.parametrize("log_format", ["text", "json"])
def test_no_log_line_above_debug_tells_what_a_customer_wrote_or_who_they_are(
    shop: Shop, terminal: Terminal, witness: Witness, tmp_path: Path, log_format: str
) -> None:
    chat = tmp_path / "chat.txt"
    chat.write_text(f"24/09/2026, 08:30 - {CUSTOMER_NAME}: {CUSTOMER_WORDS}\n")
    how = ("--shop-name", "Corner Shop", "--customer-phone", CUSTOMER_PHONE, "--date-order", "DMY")
    terminal = terminal.exporting({"LOG_LEVEL": "INFO", "LOG_FORMAT": log_format})
    shop.world.add_message(PAGE, ANN, f"{CUSTOMER_WORDS}, call {CUSTOMER_PHONE}")
    screens = [
        terminal.types("import", "--channel", NUMBER, "--file", str(chat), *how),
        terminal.types("import"),
        terminal.types("backfill", "--channel", PAGE),
        terminal.types("reply"),
    ]
    shop.wait(minutes=2)
    for fault in ("garbage_record", "missing_field", "truncate", "http_status"):
        shop.world.faults.clear()
        shop.world.faults.add(fault)
        screens += [terminal.types("import"), terminal.types("reply")]
        shop.wait(minutes=20)
    shop.world.faults.clear()
    shop.world.add_message(PAGE, ANN, CUSTOMER_WORDS)
    with shop.app.database.transaction() as session:
        session.execute(text(REFUSE_MESSAGES))
    try:
        screens += [terminal.types("import"), terminal.types("import")]
    finally:
        with shop.app.database.transaction() as session:
            session.execute(text("DROP TRIGGER refuse ON messages"))
    assert any("an import broke off" in screen.err for screen in screens)
    assert any("a turn ended" in screen.err for screen in screens)
    lines = [line for screen in screens for line in screen.err.splitlines()]
    assert [line for line in lines if any(word in line for word in PRIVATE)] == []
    above_debug = [record for record in witness.logged if record.levelno > logging.DEBUG]
    told = [TextFormatter().format(record) + repr(vars(record)) for record in above_debug]
    assert [line for line in told if any(word in line for word in PRIVATE)] == []


REFUSE_MESSAGES = """
    CREATE OR REPLACE FUNCTION refuse() RETURNS trigger LANGUAGE plpgsql
        AS $$ BEGIN RAISE EXCEPTION 'the disk is full'; END $$;
    CREATE TRIGGER refuse BEFORE INSERT ON messages FOR EACH ROW EXECUTE FUNCTION refuse();
"""
