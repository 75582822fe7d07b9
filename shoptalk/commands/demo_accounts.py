"""The shop of a demo: its accounts, what they have behind them, and shoptalk connected to each."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from importlib.resources import as_file, files

import click

from shoptalk.commands.demo_stage import Stage
from shoptalk.db.models import ChannelIntegration

SEED = 7
SHOP_NAME = "Nour Store"
TOKEN = "demo-token"  # noqa: S105  # opens nothing but the sandbox
TWILIO_SID = "AC" + "0123456789abcdef" * 2


@dataclass(frozen=True, slots=True, kw_only=True)
class DemoAccount:
    """An account of the shop's. Those of the sandbox have a token."""

    title: str  #: what people call the platform
    described: str
    platform: str
    account_id: str
    name: str = SHOP_NAME
    token: str | None = None
    played_as: Mapping[str, str] = field(default_factory=dict)  #: more for the sandbox
    config: Mapping[str, str] = field(default_factory=dict)  #: more for shoptalk
    connects_as: str | None = None  #: None: by the account_id
    past: int = 0  #: finished conversations it has had
    shoppers: int = 0  #: that begin to write in each wave
    seed: int = SEED


MESSENGER = DemoAccount(
    title="Messenger",
    described="a Page",
    platform="facebook",
    account_id="550011",
    token=TOKEN,
    past=25,
    shoppers=3,
)
INSTAGRAM = DemoAccount(
    title="Instagram",
    described="an Instagram account",
    platform="instagram",
    account_id="17841400000000001",
    name="nour.store",
    token=TOKEN + "-ig",
    played_as={"login": "instagram"},
    config={"login": "instagram"},
    past=10,
    shoppers=1,
)
SMS = DemoAccount(
    title="SMS over Twilio",
    described="a number at Twilio",
    platform="twilio",
    account_id="+15550100",
    token=TOKEN + "-twilio",
    played_as={"account_sid": TWILIO_SID},
    config={"number": "+15550100"},
    connects_as=TWILIO_SID,
    past=5,
    shoppers=1,
    seed=104,
)
TWILIO_WHATSAPP = DemoAccount(
    title="WhatsApp over Twilio",
    described="a WhatsApp sender there",
    platform="twilio",
    account_id="whatsapp:+15550100",
    token=TOKEN + "-twilio",
    played_as={"account_sid": TWILIO_SID},
    config={"number": "whatsapp:+15550100"},
    connects_as=TWILIO_SID,
    past=5,
    shoppers=1,
    seed=117,
)
CHATWOOT = DemoAccount(
    title="Chatwoot",
    described="a Chatwoot account",
    platform="chatwoot",
    account_id="1",
    token=TOKEN + "-chatwoot",
    past=5,
    shoppers=1,
    seed=130,
)
WEB_CHAT = DemoAccount(
    title="Web chat",
    described="a web chat",
    platform="webchat",
    account_id="nour-store.example",
    shoppers=1,
    seed=102,
)
CLOUD_WHATSAPP = DemoAccount(
    title="WhatsApp by file",
    described="a number on WhatsApp's Cloud API",
    platform="whatsapp",
    account_id="4711",
    token=TOKEN + "-wa",
    past=2,
    seed=120,
)


PLAIN = (MESSENGER, INSTAGRAM)
EVERY_PLATFORM = (
    replace(MESSENGER, shoppers=2),
    replace(INSTAGRAM, seed=142),
    SMS,
    TWILIO_WHATSAPP,
    CHATWOOT,
    WEB_CHAT,
    CLOUD_WHATSAPP,
)


@dataclass(frozen=True, slots=True)
class Branch:
    """An account, and shoptalk's channel for it."""

    account: DemoAccount
    channel: ChannelIntegration


def open_the_shop(stage: Stage, accounts: Sequence[DemoAccount]) -> list[Branch]:
    """Let the accounts have a past, fill the catalog, and connect shoptalk to each."""
    for account in accounts:
        if account.token is not None:
            _add_to_sandbox(stage, account, account.token)
    branches = [Branch(account, _connected(stage, account)) for account in accounts]
    count = _fill_catalog(stage)
    described = all_of([account.described for account in accounts])
    click.echo(f"Connected {described}; the catalog has {count} products.")
    return branches


def _add_to_sandbox(stage: Stage, account: DemoAccount, token: str) -> None:
    control = stage.control
    control.add_account(
        account.platform, account.account_id, account.name, token, **account.played_as
    )
    # Meta allows 2 reads a second; a demo of half a minute has no time for that.
    control.change_settings(account.account_id, two_reads_per_second=False)
    if account.past:
        control.fill_history(account.account_id, account.past, seed=account.seed)


def _connected(stage: Stage, account: DemoAccount) -> ChannelIntegration:
    from shoptalk.services.connecting import connect_channel

    token = {} if account.token is None else {"access_token": account.token}
    return connect_channel(
        stage.app,
        account.platform,
        account.connects_as or account.account_id,
        {**token, **account.config},
        name=None,
        ai_default=True,
    )


def _fill_catalog(stage: Stage) -> int:
    from shoptalk.db.catalog import put_products
    from shoptalk.importer.catalog_file import read_catalog

    with as_file(files("shoptalk.sandbox") / "data" / "catalog.json") as path:
        rows = read_catalog(path, default_currency="USD").rows
    workspace_id = stage.app.workspace_id()
    with stage.app.database.transaction() as session:
        put_products(session, workspace_id, [asdict(row) for row in rows])
    return len(rows)


def all_of(names: Sequence[str]) -> str:
    *others, last = names
    return f"{', '.join(others)} and {last}" if others else last
