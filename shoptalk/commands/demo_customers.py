"""Who writes to the shop in a demo: shoppers, visitors of the web chat, chats out of a file.

Each is told of the waves, in which more of them come, and has a moment to act each second.
"""

from collections.abc import Collection
from dataclasses import dataclass, field
from datetime import UTC, datetime
from random import Random
from typing import Any, Protocol

from shoptalk.commands.demo_accounts import SHOP_NAME, Branch, DemoAccount
from shoptalk.commands.demo_stage import Stage
from shoptalk.db.models import ChannelIntegration
from shoptalk.sandbox.dialogues import Dialogue, live_dialogues, speaks
from shoptalk.types import SenderType

WAVES = (1, 6, 11, 16)  #: seconds at which more customers begin to write
PACE_SECONDS, PATIENCE_SECONDS = 0.7, 60


class Customers(Protocol):
    def come(self, wave: int) -> None:
        """Some begin to write, the same ones in every demo. `wave` is its second."""

    def act(self) -> None:
        """A second has passed."""

    def are_done(self) -> bool:
        """Whether all that came have said everything and were answered, or have given up."""


def customers_of(stage: Stage, branch: Branch) -> Customers:
    match branch.account.platform:
        case "webchat":
            return Visitors(stage, branch)
        case "whatsapp":
            return ExportedChats(stage, branch)
        case _:
            return Shoppers(stage, branch.account)


@dataclass(slots=True)
class Shoppers:
    """Customers on a platform that the sandbox plays; it plays them as well."""

    stage: Stage
    account: DemoAccount

    def come(self, wave: int) -> None:
        self.stage.control.start_shoppers(
            self.account.account_id,
            self.account.shoppers,
            seed=self.account.seed + wave,
            pace=PACE_SECONDS,
            patience=PATIENCE_SECONDS,
            without=_played(self.stage),
        )

    def act(self) -> None:
        """They act by themselves."""

    def are_done(self) -> bool:
        return not any(
            each["state"] in {"writing", "waiting"}
            for each in self.stage.control.shoppers()["shoppers"]
            if each["account_id"] == self.account.account_id
        )


@dataclass(slots=True)
class Visitor:
    """Somebody on the shop's site: writes a group of messages, then waits for the answer."""

    session_id: str
    dialogue: Dialogue
    groups: list[list[str]]  #: what is left to say; the first is empty while he waits

    def act(self, stage: Stage, channel: ChannelIntegration) -> None:
        from shoptalk.db import webchat_rows

        if not self.groups:
            return
        with stage.app.database.transaction() as session:
            visitor = webchat_rows.keep_visitor(
                session, channel, self.session_id, name=self.dialogue.customer_name
            )
            talk = webchat_rows.open_session(session, visitor, self.session_id)
            assert talk is not None  # each has a session of its own
            if self.groups[0]:
                webchat_rows.visitor_writes(
                    session, talk, self.groups[0].pop(0), now=stage.app.clock()
                )
                return
            [newest] = webchat_rows.lines_before(session, talk, before=None, limit=1)
            if newest.sender_type != SenderType.CUSTOMER:
                del self.groups[0]


@dataclass(slots=True)
class Visitors:
    """Those who write into the web chat, as its page will: into shoptalk's own tables."""

    stage: Stage
    branch: Branch
    _came: list[Visitor] = field(default_factory=list)

    def come(self, wave: int) -> None:
        account = self.branch.account
        played = {*_played(self.stage), *(visitor.dialogue.id for visitor in self._came)}
        for dialogue in _dialogues(account.shoppers, seed=account.seed + wave, but=played):
            name = f"visitor-{len(self._came) + 1}"
            self._came.append(Visitor(name, dialogue, dialogue.customer_groups()))

    def act(self) -> None:
        for visitor in self._came:
            visitor.act(self.stage, self.branch.channel)

    def are_done(self) -> bool:
        return not any(visitor.groups for visitor in self._came)


@dataclass(slots=True)
class ExportedChats:
    """Customers on the Cloud API, which lists nothing: the owner exports their chats on the phone.

    All of them come with the first wave and write once. What the chat has of the past is history.
    """

    stage: Stage
    branch: Branch
    _waiting: set[str] = field(default_factory=set)

    def come(self, wave: int) -> None:
        if wave != WAVES[0]:
            return
        control, account = self.stage.control, self.branch.account
        threads = control.threads(account.account_id)
        dialogues = _dialogues(len(threads), seed=account.seed)
        for thread, dialogue in zip(threads, dialogues, strict=True):
            customer_id = thread["customer_id"]
            for text in dialogue.customer_groups()[0]:
                control.add_message(account.account_id, customer_id, text)
            self._import(control.thread(account.account_id, customer_id))
            self._waiting.add(customer_id)

    def _import(self, thread: dict[str, Any]) -> None:
        from shoptalk.importer.file_import import import_file
        from shoptalk.importer.files import FileOptions

        path = self.stage.home / f"WhatsApp Chat - {thread['customer_id']}.txt"
        path.write_text(exported_chat(thread), encoding="utf-8")
        options = FileOptions(
            platform=self.branch.account.platform,
            shop_names=[SHOP_NAME],
            customer_phone=f"+{thread['customer_id']}",
            date_order="DMY",
        )
        app = self.stage.app
        import_file(app.database, self.branch.channel, path, options, now=app.clock())

    def act(self) -> None:
        """They wait."""

    def are_done(self) -> bool:
        sent = self.stage.control.sent(self.branch.account.account_id)
        self._waiting -= {each["recipient_id"] for each in sent}
        return not self._waiting


def exported_chat(thread: dict[str, Any]) -> str:
    """A thread of the sandbox's as an iPhone in UTC exports the chat."""
    lines = []
    for message in thread["messages"]:
        at = datetime.fromisoformat(message["created_at"]).astimezone(UTC)
        author = thread["customer_name"] if message["side"] == "customer" else SHOP_NAME
        lines.append(f"[{at:%d/%m/%Y, %H:%M:%S}] {author}: {message['text']}\n")
    return "".join(lines)


def _played(stage: Stage) -> list[str]:
    """What shoppers have played: two who buy the same look like one order made twice."""
    return [each["dialogue"] for each in stage.control.shoppers()["shoppers"]]


def _dialogues(count: int, *, seed: int, but: Collection[str] = frozenset()) -> list[Dialogue]:
    """So many in English, of those whose ids `but` does not name while there are enough."""
    english = [each for each in live_dialogues() if speaks(each, ["en"])]
    fresh = [each for each in english if each.id not in but]
    pool = fresh if len(fresh) >= count else english
    return Random(seed).sample(pool, count)  # noqa: S311 - play, no secrets
