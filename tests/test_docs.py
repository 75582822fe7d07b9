"""The documents are held to their word: what they show is run, what they list is compared."""

import inspect
import itertools
import json
import logging
import os
import re
import shlex
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field, fields
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import click
import pytest
import requests
from click.testing import CliRunner
from sqlalchemy import Engine, create_engine, text, update

from shoptalk import errors
from shoptalk.cli import COMMANDS, cli
from shoptalk.db import schema
from shoptalk.db.catalog import put_products
from shoptalk.db.channels import list_channels
from shoptalk.db.embedded import EmbeddedServer
from shoptalk.db.engine import DRIVER
from shoptalk.db.models import ChannelIntegration, Conversation, Delivery, Message
from shoptalk.errors import PlatformError
from shoptalk.importer.catalog_file import CatalogRow
from shoptalk.platforms.base import Capabilities
from shoptalk.sandbox.accounts import AccountSettings
from shoptalk.sandbox.chatwoot.desk import WEBSITE
from shoptalk.sandbox.chatwoot.desk import WHATSAPP as WHATSAPP_INBOX
from shoptalk.sandbox.fault_params import PARAMS
from shoptalk.sandbox.openai.script import Step
from shoptalk.sandbox.server import SandboxServer
from shoptalk.services.connecting import connect_channel
from shoptalk.settings import Settings
from shoptalk.types import Outcome
from shoptalk.wiring import App, running

ROOT = Path(__file__).parents[1]
README = ROOT / "README.md"
DOCUMENTS = sorted([*ROOT.glob("*.md"), *ROOT.glob("docs/*.md")])

FENCE = re.compile(r"^```(\w*)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
ASSIGNMENT = re.compile(r"([A-Z_]+)=(.*)", re.DOTALL)
LINK = re.compile(r"\[[^\]]*\]\(([^)\s]+)\)")
HEADING = re.compile(r"^#+ (.+)$", re.MULTILINE)

PAGE, INSTAGRAM, INSTAGRAM_LOGIN, PHONE = "550011", "17841400000000001", "17841400000000002", "4711"
CHATWOOT = "61"
ACCOUNT_SID, SENDERS = "AC" + "0123456789abcdef" * 2, ("+15550100", "whatsapp:+15550100")
TOKENS = {
    PAGE: "page-token",
    INSTAGRAM: "ig-page",
    INSTAGRAM_LOGIN: "ig-login",
    PHONE: "wa",
    CHATWOOT: "cw",
    ACCOUNT_SID: "twilio-token",
}
PORT = "8765"  #: the port in the documents; the tests take a free one

#: The commands that run until they are stopped, and what they say once they are at work.
UNTIL_STOPPED = {
    "run": "imported",
    "worker": "imported",
    "sandbox": "listens on",
    "demo": "messages imported",
}

#: What a setting without a default of its own has in the README's table.
DEFAULTS_IN_WORDS = {
    "DATABASE_URL": "embedded server",
    "SHOPTALK_HOME": "user data directory",
    "SHOPTALK_SECRET_KEY": "made and kept in `SHOPTALK_HOME`",
    "OPENAI_API_KEY": "none",
    "SHOP_TIMEZONE": "the system's",
}

CATALOG = "product_id,name,price,currency\nb-750,Bottle 750 ml,12.50,USD\n"
CHAT = "[21/03/2024, 09:15:42] Omar: Is it in stock?\n[21/03/2024, 09:16:10] Corner Shop: It is.\n"


@dataclass(frozen=True, slots=True)
class Shown:
    """A line of a document that calls shoptalk."""

    place: str
    arguments: tuple[str, ...]
    environment: Mapping[str, str] = field(default_factory=dict, hash=False)

    def __str__(self) -> str:
        return f"{self.place}: {shlex.join(self.arguments)}"

    @property
    def is_until_stopped(self) -> bool:
        return self.arguments[0] in UNTIL_STOPPED


def lines_shown(document: Path) -> Iterator[tuple[str, list[str]]]:
    """The place and the words of each command line in the document's fenced blocks."""
    content = document.read_text(encoding="utf-8")
    for block in FENCE.finditer(content):
        language, lines = block.groups()
        first = content.count("\n", 0, block.start(2)) + 1
        for number, line in enumerate(lines.splitlines(), start=first):
            if language == "console" and line.startswith("$ "):
                yield f"{document.name}:{number}", shlex.split(line[2:], comments=True)
            elif language == "sh":
                yield f"{document.name}:{number}", shlex.split(line, comments=True)


def every_command(command: click.Command, path: str) -> Iterator[tuple[str, click.Command]]:
    yield path, command
    if isinstance(command, click.Group):
        context = click.Context(command)
        for name in command.list_commands(context):
            below = command.get_command(context, name)
            assert below is not None
            yield from every_command(below, f"{path} {name}")


EVERY_COMMAND = dict(every_command(cli, "shoptalk"))


def examples(path: str) -> list[list[str]]:
    """The words of each example in a command's help."""
    text = inspect.cleandoc(EVERY_COMMAND[path].help or "")
    _, found, lines = text.partition("\b\nExample")
    return [shlex.split(line) for line in lines.splitlines()[1:] if found and line.strip()]


def everything_shown() -> Iterator[tuple[str, list[str]]]:
    for document in DOCUMENTS:
        yield from lines_shown(document)
    for path in EVERY_COMMAND:
        for words in examples(path):
            if "COMMAND" not in words:
                yield f"{path} --help", words


def commands_shown() -> Iterator[Shown]:
    seen = set()
    for place, words in everything_shown():
        environment = {}
        while words and (assignment := ASSIGNMENT.fullmatch(words[0])):
            environment[assignment[1]] = assignment[2]
            words = words[1:]
        shown = Shown(place, tuple(words[1:]), environment)
        if words[:1] == ["shoptalk"] and shown.arguments not in seen:
            seen.add(shown.arguments)
            yield shown


SHOWN = list(commands_shown())


@dataclass(frozen=True, slots=True)
class Shop:
    """A sandbox, a shoptalk that has seen some of everything, and what its rows are called."""

    environment: Mapping[str, str]
    engine: Engine  #: of the server's own database, to make others
    template: str
    names: Mapping[str, str]  #: what stands for the placeholders

    def arguments(self, shown: Shown) -> list[str]:
        return [self.names.get(word, word) for word in shown.arguments]


@pytest.fixture(scope="module")
def shop(server: EmbeddedServer, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Shop]:
    engine = create_engine(
        DRIVER + server.url.partition("://")[2], isolation_level="AUTOCOMMIT", pool_pre_ping=True
    )
    template = "docs_shop"
    with engine.connect() as connection:
        connection.execute(text(f"CREATE DATABASE {template}"))
    with SandboxServer() as sandbox, pytest.MonkeyPatch.context() as patch:
        for name in Settings.model_fields:
            patch.delenv(name.upper(), raising=False)
        environment = {
            **sandbox.environment,
            "OPENAI_MODEL": "sandbox-clerk",
            "SHOPTALK_HOME": str(tmp_path_factory.mktemp("home")),
            "GRAPH_CALLS_PER_SECOND": "0",
            "MESSAGE_BUFFER_DURATION_MS": "0",
        }
        values: dict[str, Any] = {name.lower(): value for name, value in environment.items()}
        settings = Settings(_env_file=None, database_url=url_of(engine, template), **values)
        with running(settings, clock=lambda: datetime.now(UTC)) as app:
            names = opened(app, sandbox)
        yield Shop(environment, engine, template, names)
    with engine.connect() as connection:
        connection.execute(text(f"DROP DATABASE {template} WITH (FORCE)"))
    engine.dispose()


def url_of(engine: Engine, database: str) -> str:
    address = engine.url.set(drivername="postgresql", database=database)
    return address.render_as_string(hide_password=False)


def opened(app: App, sandbox: SandboxServer) -> dict[str, str]:
    """Fill the shop; return what stands for the placeholders.

    There is a message that waited long, one that was answered, and one whose answer the platform
    did not deliver.
    """
    schema.upgrade(app.unchecked_database)
    world, now = sandbox.world, datetime.now(UTC)
    unmetered = {"two_reads_per_second": False}
    world.add_account("facebook", PAGE, "Corner Shop", TOKENS[PAGE], settings=unmetered)
    world.add_account(
        "instagram", INSTAGRAM, "corner.shop", TOKENS[INSTAGRAM], page_id="660022"
    ).settings.change(unmetered)
    world.add_account(
        "instagram", INSTAGRAM_LOGIN, "corner.two", TOKENS[INSTAGRAM_LOGIN], login="instagram"
    ).settings.change(unmetered)
    world.add_account("whatsapp", PHONE, "Corner Shop", TOKENS[PHONE])
    world.add_account("chatwoot", CHATWOOT, "Corner Shop", TOKENS[CHATWOOT])
    for sender in SENDERS:
        world.add_account(
            "twilio", sender, "Corner Shop", TOKENS[ACCOUNT_SID], account_sid=ACCOUNT_SID
        )
    for platform, account, more in (
        ("facebook", PAGE, {}),
        ("instagram", INSTAGRAM_LOGIN, {"login": "instagram"}),
        ("whatsapp", PHONE, {}),
        ("twilio", ACCOUNT_SID, {"number": SENDERS[0]}),
    ):
        config = {"access_token": TOKENS[account], **more}
        connect_channel(app, platform, account, config, name=None, ai_default=True)
    world.add_message(PAGE, "71", "Anyone there?", at=now - timedelta(hours=7))
    world.add_message(PAGE, "72", "Hello?")
    world.add_message(INSTAGRAM_LOGIN, "73", "Hello?")
    world.faults.add(
        "graph_error", match={"kind": "send", "account": INSTAGRAM_LOGIN}, params={"code": 551}
    )
    with app.database.transaction() as session:
        session.execute(update(ChannelIntegration).values(connected_at=now - timedelta(hours=8)))
        row = CatalogRow(
            product_id="b-750",
            name="Bottle 750 ml",
            description="",
            price=Decimal("12.50"),
            currency="USD",
            stock=5,
            active=True,
        )
        put_products(session, app.workspace_id(), [asdict(row)])
    with app.database.transaction() as session:
        channels = list_channels(session, app.workspace_id())
    app.importer().import_side_by_side(channels[:2])
    assert app.responder().answer_all_due() == {"answered": 1, "unreachable": 1}
    world.faults.clear()
    with app.database.transaction() as session:
        waits = session.query(Conversation).filter_by(customer_id="71").one()
        failed = session.query(Delivery).filter_by(status="failed").one()
        answered = session.query(Message).filter_by(outcome="answered").one()
        return {
            "PAGE_ID": PAGE,
            "INSTAGRAM_ID": INSTAGRAM,
            "INSTAGRAM_LOGIN_ID": INSTAGRAM_LOGIN,
            "PHONE_NUMBER_ID": PHONE,
            "CHATWOOT_ACCOUNT_ID": CHATWOOT,
            "CHATWOOT_ADDRESS": f"{sandbox.url}/chatwoot",
            "INBOX_ID": str(WEBSITE),
            "WHATSAPP_INBOX_ID": str(WHATSAPP_INBOX),
            "ACCOUNT_SID": ACCOUNT_SID,
            "CHANNEL_ID": str(channels[0].id),
            "CONVERSATION_ID": str(waits.id),
            "DELIVERY_ID": str(failed.id),
            "MESSAGE_ID": answered.message_id,
            PORT: "0",
        }


databases = itertools.count(1)


@pytest.fixture
def environment(shop: Shop, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[Path]:
    """The reader's shell, in a folder with the files the documents speak of."""
    name = f"docs_{next(databases)}"
    with shop.engine.connect() as connection:
        connection.execute(text(f"CREATE DATABASE {name} TEMPLATE {shop.template}"))
    for variable, value in shop.environment.items():
        monkeypatch.setenv(variable, value)
    monkeypatch.setenv("DATABASE_URL", url_of(shop.engine, name))
    home = shutil.copytree(shop.environment["SHOPTALK_HOME"], tmp_path / "shoptalk-home")
    monkeypatch.setenv("SHOPTALK_HOME", str(home))  # one database, one key file
    (tmp_path / "catalog.csv").write_text(CATALOG)
    (tmp_path / "chat.txt").write_text(CHAT)
    levels = {each: logging.getLogger(each).level for each in (None, "shoptalk")}
    yield tmp_path
    for logger, level in levels.items():  # a command sets up logging for its process
        logging.getLogger(logger).setLevel(level)
    with shop.engine.connect() as connection:
        connection.execute(text(f"DROP DATABASE {name} WITH (FORCE)"))


def set_up_shell(shown: Shown, shop: Shop, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    arguments = shop.arguments(shown)
    for account in set(arguments) & TOKENS.keys():
        monkeypatch.setenv("SHOPTALK_ACCESS_TOKEN", TOKENS[account])
    for variable, value in shown.environment.items():
        monkeypatch.setenv(variable, value)
    if "WORKSPACE" in shown.environment:  # made by a line before
        CliRunner().invoke(cli, ["workspaces", "create", shown.environment["WORKSPACE"]])
    return arguments


@pytest.mark.parametrize("shown", [each for each in SHOWN if not each.is_until_stopped], ids=str)
def test_a_command_line_of_the_documents_works(
    shown: Shown, shop: Shop, environment: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    arguments = set_up_shell(shown, shop, monkeypatch)
    result = CliRunner().invoke(cli, arguments)
    if arguments == ["doctor"]:  # this shop has a backlog for the lines about that
        wrong = [line for line in result.output.splitlines() if not line.startswith("ok  ")]
        assert all(line.startswith("BAD  customers who wait: held for") for line in wrong)
        return
    assert result.exit_code == 0, f"{result.output}{result.exception!r}"


@pytest.mark.parametrize("shown", [each for each in SHOWN if each.is_until_stopped], ids=str)
def test_what_runs_until_it_is_stopped_exits_0_when_it_is(
    shown: Shown, shop: Shop, environment: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    arguments = set_up_shell(shown, shop, monkeypatch)
    assert stopped_once_it_says(UNTIL_STOPPED[arguments[0]], arguments) == 0


def test_any_other_command_that_is_stopped_exits_143(shop: Shop, environment: Path) -> None:
    asks_for_a_token = ["channels", "connect", "facebook", "--account-id", PAGE]
    assert stopped_once_it_says("Access token", asks_for_a_token) == 143


def stopped_once_it_says(words: str, arguments: Sequence[str]) -> int:
    """Start a command, wait until it says something, stop it by SIGTERM; its exit code."""
    with subprocess.Popen(
        [sys.executable, "-c", "from shoptalk.cli import main; main()", *arguments],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        start_new_session=True,  # no terminal to ask for a token
        env={**os.environ, "PYTHONPATH": str(ROOT)},
    ) as process:
        assert process.stdout is not None
        said = b""
        while words.encode() not in said:
            more = os.read(process.stdout.fileno(), 4096)
            assert more, f"it ended by itself: {said.decode(errors='replace')}"
            said += more
        process.send_signal(signal.SIGTERM)
        process.stdout.read()
        return process.wait()


def test_the_documents_show_commands() -> None:
    assert len(SHOWN) > 30
    assert {shown.arguments[0] for shown in SHOWN} >= {"import", "reply", "run", "sandbox", "demo"}


def test_each_call_of_the_control_api_is_answered() -> None:
    calls = [
        words for _, words in lines_shown(ROOT / "docs" / "sandbox.md") if words[:1] == ["curl"]
    ]
    assert calls
    with SandboxServer() as sandbox:
        for words in calls:
            [address] = [word for word in words if word.startswith("http://")]
            body = words[words.index("-d") + 1] if "-d" in words else None
            method = words[words.index("-X") + 1] if "-X" in words else "POST" if body else "GET"
            here = address.replace(f"http://127.0.0.1:{PORT}", sandbox.url)
            answer = requests.request(method, here, data=body, timeout=60)
            assert answer.status_code == 200, f"{shlex.join(words)}: {answer.text}"


def test_every_command_is_in_the_readme() -> None:
    content = README.read_text(encoding="utf-8")
    leaves = list(LEAVES)
    assert len(leaves) > len(COMMANDS)
    assert [path for path in leaves if f"`{path}" not in content] == []


@pytest.mark.parametrize("path", EVERY_COMMAND)
def test_every_command_and_option_has_help(path: str) -> None:
    command = EVERY_COMMAND[path]
    assert command.help
    options = [each for each in command.params if isinstance(each, click.Option)]
    assert [option.name for option in options if not option.help] == []


#: Those that tell a story or run until they are stopped.
WITHOUT_JSON = {f"shoptalk {name}" for name in UNTIL_STOPPED}
LEAVES = {path: each for path, each in EVERY_COMMAND.items() if not isinstance(each, click.Group)}


@pytest.mark.parametrize("path", EVERY_COMMAND)
def test_every_help_has_an_example_of_its_own_command(path: str) -> None:
    shown = examples(path)
    assert shown
    if path != "shoptalk":
        assert [words for words in shown if not shlex.join(words).startswith(path)] == []


@pytest.mark.parametrize("path", EVERY_COMMAND)
def test_no_help_is_cut(path: str) -> None:
    text = CliRunner().invoke(cli, [*path.split()[1:], "--help"]).output
    usage, *lines = text.splitlines()
    assert usage.startswith("Usage: ")  # whose "..." says: any number of them
    assert [line for line in lines if line.endswith(("...", "…"))] == []


def test_every_command_that_ends_by_itself_has_json() -> None:
    without = {
        path for path, each in LEAVES.items() if "as_json" not in {p.name for p in each.params}
    }
    assert without == WITHOUT_JSON


@pytest.mark.parametrize("path", sorted(LEAVES.keys() - WITHOUT_JSON))
def test_json_is_one_document_on_stdout(
    path: str, shop: Shop, environment: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    shown = Shown(path, tuple(examples(path)[0][1:]))
    arguments = [each for each in set_up_shell(shown, shop, monkeypatch) if each != "--json"]
    result = CliRunner().invoke(cli, [*arguments, "--json"])
    expected = 1 if arguments == ["doctor"] else 0  # it finds the shop's backlog
    assert result.exit_code == expected, f"{result.output}{result.exception!r}"
    assert result.stdout.count("\n") == 1
    json.loads(result.stdout)


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_completion_is_there_for_each_shell(shell: str) -> None:
    program = "import sys; sys.argv[0] = 'shoptalk'; from shoptalk.cli import main; main()"
    script = subprocess.run(
        [sys.executable, "-c", program],
        env={**os.environ, "_SHOPTALK_COMPLETE": f"{shell}_source", "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert script.returncode == 0
    assert "_SHOPTALK_COMPLETE=" in script.stdout
    assert f"_SHOPTALK_COMPLETE={shell}_source shoptalk" in README.read_text("utf-8")


def test_the_readme_lists_every_setting_with_its_default() -> None:
    rows = dict(
        re.findall(r"^\| `([A-Z_]+)` \| (.+?) \| ", README.read_text("utf-8"), re.MULTILINE)
    )
    defaults = {name.upper(): each.default for name, each in Settings.model_fields.items()}
    assert rows == {
        name: DEFAULTS_IN_WORDS.get(name, f"`{default}`") for name, default in defaults.items()
    }


def test_the_readme_lists_every_outcome() -> None:
    assert first_cells(README, "outcome") == [str(outcome) for outcome in Outcome]


def test_the_operations_page_names_the_outcomes_that_are_handed_over() -> None:
    page = (ROOT / "docs" / "operations.md").read_text("utf-8")
    named = re.search(r"ends in a way that needs a person \(([^)]+)\)", page)
    assert named is not None
    assert re.findall(r"`(\w+)`", named[1]) == [str(each) for each in Outcome if each.needs_person]


def test_the_operations_page_lists_every_log_line() -> None:
    line = re.compile(r'\blog\.(?:info|warning|error)\(\s*"([^"]+)"')
    sources = [path.read_text("utf-8") for path in (ROOT / "shoptalk").rglob("*.py")]
    logged = {words for source in sources for words in line.findall(source)}
    calls = sum(len(re.findall(r"\blog\.(?:info|warning|error)\(", each)) for each in sources)
    assert calls == sum(len(line.findall(each)) for each in sources)
    assert set(first_cells(ROOT / "docs" / "operations.md", "line")) == logged


def test_the_sandbox_page_lists_every_fault_and_setting() -> None:
    page = ROOT / "docs" / "sandbox.md"
    assert sorted(first_cells(page, "fault")) == sorted(PARAMS)
    assert sorted(first_cells(page, "setting")) == sorted(
        each.name for each in fields(AccountSettings)
    )
    assert sorted(first_cells(page, "in a step")) == sorted(each.name for each in fields(Step))


def test_the_adapters_page_lists_what_a_platform_can_do_and_every_error_it_may_raise() -> None:
    page = ROOT / "docs" / "adapters.md"
    assert sorted(first_cells(page, "field")) == sorted(each.name for each in fields(Capabilities))
    known = {name for name, each in vars(errors).items() if isinstance(each, type)}
    platforms_own = {name for name in known if issubclass(getattr(errors, name), PlatformError)}
    assert set(first_cells(page, "error")) - {"retry_after", "remedy"} == (
        platforms_own - {"PlatformError"} | {"UsageError"}
    )


def first_cells(document: Path, title: str) -> list[str]:
    """The names in the first column of the table whose first heading is `title`."""
    content = document.read_text(encoding="utf-8")
    table = re.search(rf"^\| {title} \|.*\n\|[ |-]+\n((?:\|.*\n)+)", content, re.MULTILINE)
    assert table is not None, f"{document.name} has no table of {title}"
    cells = [row.split("|")[1] for row in table[1].splitlines()]
    return [name for cell in cells for name in re.findall(r"`([^`]+)`", cell)]


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: path.name)
def test_links_lead_somewhere(document: Path) -> None:
    for target in LINK.findall(FENCE.sub("", document.read_text(encoding="utf-8"))):
        if target.startswith(("https://", "http://")):
            continue
        name, _, anchor = target.partition("#")
        path = document.parent / name if name else document
        assert path.exists(), target
        if anchor:
            assert anchor in anchors(path), target


def anchors(document: Path) -> set[str]:
    """The headings of a document as links name them."""
    content = FENCE.sub("", document.read_text(encoding="utf-8"))
    return {
        re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-")
        for heading in HEADING.findall(content)
    }
