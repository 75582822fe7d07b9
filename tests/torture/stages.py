"""The platforms to torture, and what differs between them.

Each is a stage: an account that shoptalk is connected to, customers who write there, and what
they were answered, counted where it arrived. The web chat speaks no HTTP: its visitors write
into its tables, and read there.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any, Protocol

from sqlalchemy import select, true
from sqlalchemy.orm import aliased

from shoptalk.db import webchat_rows
from shoptalk.db.channels import find_account
from shoptalk.db.engine import Database
from shoptalk.db.models import ChatMessage, ChatSession
from shoptalk.sandbox.accounts import PlatformName
from shoptalk.sandbox.world import World
from shoptalk.services.connecting import connect_channel
from shoptalk.types import Clock, SenderType
from shoptalk.wiring import App
from tests.torture.context import Heard, in_platforms_order
from tests.torture.faults import CHATWOOT, GRAPH, TWILIO, Faults
from tests.torture.truth import Replies, received

TOKEN = "torture-token-of-this-account"
ACCOUNT_SID = "AC" + "0123456789abcdef" * 2
SITE = "torture.example"
OVERLAP = 20  #: POLL_OVERLAP_SECONDS; nothing of this sandbox comes late
#: Nothing but the faults and the kills is to hold anything up
_NO_LIMITS = {"two_reads_per_second": False, "daily_budget": False}


class Stage(Protocol):
    faults: Faults  #: of the platform's own requests

    def customer(self, number: int) -> str:
        """The id of a customer, as shoptalk will know him."""

    def open(self) -> None:
        """Let there be the account."""

    def wrote_before(self, customer: str, at: datetime) -> None:
        """Somebody wrote then and was not answered. The account is not connected yet."""

    def connect(self, app: App) -> None: ...

    def write(self, customer: str, text: str) -> None: ...

    def waiting(self) -> set[str]:
        """The customers who had the last word."""

    def replies(self) -> Replies: ...

    def threads(self) -> Mapping[str, Sequence[Heard]]:
        """All that was said with each customer, in the platform's order."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Remote:
    """A platform that the sandbox plays."""

    platform: PlatformName
    account_id: str
    customers: str  #: what makes a customer's id of a number
    faults: Faults
    words: Mapping[str, Any] = field(default_factory=dict)  #: more of `World.add_account`
    connected_as: str | None = None  #: None: the account's id
    config: Mapping[str, str] = field(default_factory=dict)  #: beside the token


REMOTES: dict[str, Remote] = {
    "facebook": Remote(
        platform="facebook",
        account_id="550099",
        customers="73{:014d}",
        faults=GRAPH,
        words={"settings": _NO_LIMITS},
    ),
    "instagram": Remote(
        platform="instagram",
        account_id="17841400000000099",
        customers="73{:014d}",
        faults=GRAPH,
        words={"settings": _NO_LIMITS, "login": "instagram"},
        config={"login": "instagram"},
    ),
    "twilio": Remote(
        platform="twilio",
        account_id="+15550100",
        customers="+49151{:08d}",
        faults=TWILIO,
        words={"account_sid": ACCOUNT_SID},
        connected_as=ACCOUNT_SID,
        config={"number": "+15550100"},
    ),
    "twilio-whatsapp": Remote(
        platform="twilio",
        account_id="whatsapp:+15550100",
        customers="+49151{:08d}",
        faults=TWILIO,
        words={"account_sid": ACCOUNT_SID},
        connected_as=ACCOUNT_SID,
        config={"number": "whatsapp:+15550100"},
    ),
    "chatwoot": Remote(
        platform="chatwoot", account_id="1", customers="49151{:08d}", faults=CHATWOOT
    ),
}
NAMES = (*REMOTES, "webchat")


def stage_of(name: str, world: World, database: Database, clock: Clock) -> Stage:
    return RemoteStage(REMOTES[name], world) if name in REMOTES else WebChatStage(database, clock)


class RemoteStage:
    def __init__(self, remote: Remote, world: World) -> None:
        self._remote = remote
        self._world = world
        self.faults = remote.faults

    def customer(self, number: int) -> str:
        return self._remote.customers.format(number)

    def open(self) -> None:
        remote = self._remote
        self._world.add_account(
            remote.platform, remote.account_id, "Torture", TOKEN, **remote.words
        )

    def wrote_before(self, customer: str, at: datetime) -> None:
        for minute in range(3):
            written_at = at + timedelta(minutes=minute)
            self._world.add_message(self._remote.account_id, customer, "Hello?", at=written_at)

    def connect(self, app: App) -> None:
        remote = self._remote
        connect_channel(
            app,
            remote.platform,
            remote.connected_as or remote.account_id,
            {"access_token": TOKEN, **remote.config},
            name=None,
            ai_default=True,
        )

    def write(self, customer: str, text: str) -> None:
        self._world.add_message(self._remote.account_id, customer, text)

    def waiting(self) -> set[str]:
        account = self._world.get_account(self._remote.account_id)
        with self._world.lock:
            return {
                customer
                for customer, thread in account.threads.by_customer.items()
                if thread.messages[-1].side == "customer"
            }

    def replies(self) -> Replies:
        return received(self._world)

    def threads(self) -> Mapping[str, Sequence[Heard]]:
        account = self._world.get_account(self._remote.account_id)
        with self._world.lock:
            return {
                customer: [
                    Heard(message.side == "customer", message.text)
                    for message in in_platforms_order(thread, account, self._world.clock.now())
                    if message.side not in ("note", "activity")
                ]
                for customer, thread in account.threads.by_customer.items()
            }


class WebChatStage:
    """A visitor has one session, which bears his id."""

    def __init__(self, database: Database, clock: Clock) -> None:
        self.faults: Faults = {}  # what it asks of the model meets some all the same
        self._database = database
        self._clock = clock

    def customer(self, number: int) -> str:
        return f"visitor-{number}"

    def open(self) -> None:
        """It is opened with its connection."""

    def wrote_before(self, customer: str, at: datetime) -> None:
        """Before that there is nowhere to write."""

    def connect(self, app: App) -> None:
        connect_channel(app, "webchat", SITE, {}, name=None, ai_default=True)

    def write(self, customer: str, text: str) -> None:
        with self._database.transaction() as session:
            channel = find_account(session, "webchat", SITE)
            assert channel is not None
            visitor = webchat_rows.keep_visitor(session, channel, customer)
            opened = webchat_rows.open_session(session, visitor, customer)
            assert opened is not None
            webchat_rows.visitor_writes(session, opened, text, now=self._clock())

    def waiting(self) -> set[str]:
        newest = (
            select(ChatMessage)
            .where(
                ChatMessage.channel_integration_id == ChatSession.channel_integration_id,
                ChatMessage.session_id == ChatSession.session_id,
            )
            .order_by(ChatMessage.id.desc())
            .limit(1)
            .lateral()
        )
        last_word = aliased(ChatMessage, newest)
        with self._database.transaction() as session:
            return set(
                session.scalars(
                    select(ChatSession.session_id)
                    .join(last_word, true())
                    .where(last_word.sender_type == SenderType.CUSTOMER)
                )
            )

    def replies(self) -> Replies:
        found: dict[str, list[str]] = {}
        with self._database.transaction() as session:
            for customer, text in session.execute(
                select(ChatMessage.session_id, ChatMessage.content)
                .where(ChatMessage.sender_type == SenderType.AGENT)
                .order_by(ChatMessage.id)
            ):
                found.setdefault(customer, []).append(text)
        return found

    def threads(self) -> Mapping[str, Sequence[Heard]]:
        found: dict[str, list[Heard]] = {}
        with self._database.transaction() as session:
            for customer, sender, text in session.execute(
                select(
                    ChatMessage.session_id, ChatMessage.sender_type, ChatMessage.content
                ).order_by(ChatMessage.id)
            ):
                line = Heard(sender == SenderType.CUSTOMER, text)
                found.setdefault(customer, []).append(line)
        return found
