"""A platform in memory that plays by the rules of `shoptalk.platforms.base`, vices included, and
the desk that imports from it.

The platform holds the truth: every message ever written, and from when on readers see it. Its
list is live, newest activity first, in whole seconds; a cursor is a place in that order, so a
thread that moves while somebody pages is passed over or seen twice. What goes wrong is scripted,
one entry a call.
"""

from bisect import insort
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from enum import Enum
from itertools import count
from threading import RLock
from typing import Any

from sqlalchemy import delete, select, text

from shoptalk.db.channels import get_workspace
from shoptalk.db.engine import Database
from shoptalk.db.models import Base, ChannelIntegration, Circuit, Conversation, ImportRun, Message
from shoptalk.db.selection import BufferPolicy, open_turns
from shoptalk.errors import GiveUp, PlatformError, TooMuchData
from shoptalk.importer.channels import Importer
from shoptalk.importer.rate_limiter import RateLimiter
from shoptalk.importer.run_report import RunReport
from shoptalk.platforms.base import (
    Capabilities,
    Identity,
    Page,
    Platform,
    Recipient,
    ThreadPage,
    ThreadSlice,
    Usage,
)
from shoptalk.types import Customer, InboundMessage, SenderType, Unreadable

NINE = datetime(2026, 10, 4, 9, 0, tzinfo=UTC)
SECOND, MINUTE, HOUR, DAY = (
    timedelta(seconds=1),
    timedelta(minutes=1),
    timedelta(hours=1),
    timedelta(days=1),
)
OVERLAP = 2 * MINUTE
AT_ONCE = BufferPolicy(quiet=timedelta(0), most_messages=1, longest=timedelta(0))
INSTAGRAM_READABLE = 20

Place = tuple[datetime, int]
_numbers = count(1)  #: no id is ever given twice, whichever platform gives it
NEWEST: Place = (datetime.max.replace(tzinfo=UTC), 0)


class StillClock:
    """Time that passes when a test says so."""

    def __init__(self, now: datetime = NINE) -> None:
        self.now = now

    def __call__(self) -> datetime:
        return self.now

    def advance(self, by: timedelta) -> None:
        self.now += by


class Lists(Enum):
    """What a platform's list shows."""

    NEWEST_MESSAGES = "threads with their newest messages, as Messenger"
    WHOLE_THREADS = "threads with as much of each as is asked for, as Messenger for history"
    THREADS = "threads alone, of which the newest 20 messages can be read, as Instagram"
    BARE_MESSAGES = "messages that name their thread, as SMS"


class Vice(Enum):
    """How an answer may be bent. Vices of later pages leave a first page alone."""

    EMPTY = "no rows, and yet a next page"
    SHORT = "one row, whatever was asked for"
    TWICE = "each row twice"
    REPEAT = "the page before once more"
    SHIFT = "begins with the last row of the page before"
    BROKEN = "every row broken, for once"


Step = PlatformError | Vice | None  #: what befalls one call; None: nothing


@dataclass(slots=True, kw_only=True, eq=False)
class Written:
    """A message, as the platform knows it."""

    message_id: str
    order: int  #: in which the platform got them
    side: SenderType
    text: str
    at: datetime
    shown_from: datetime
    is_broken: bool = False

    @property
    def place(self) -> Place:
        return (self.at, self.order)


@dataclass(slots=True, kw_only=True, eq=False)
class ModelSession:
    """A thread, oldest message first."""

    thread_id: str
    messages: list[Written] = field(default_factory=list)

    @property
    def customer(self) -> Customer:
        return Customer(customer_id=f"c-{self.thread_id}", name=f"Customer {self.thread_id}")

    def shown(self, now: datetime) -> list[Written]:
        return [message for message in self.messages if message.shown_from <= now]


@dataclass(frozen=True, slots=True)
class Call:
    thread_id: str | None  #: None: the list was asked for
    cursor: str | None
    limit: int


class FakePlatform:
    """One account.

    `script` holds what befalls the calls to come, `before_call` runs before each is answered
    (its argument: how many came before), and `calls` is the ledger.
    """

    def __init__(
        self,
        clock: StillClock,
        lists: Lists = Lists.NEWEST_MESSAGES,
        *,
        shown: int = 10,
        most_rows: int = 100,
    ) -> None:
        readable = INSTAGRAM_READABLE if lists is Lists.THREADS else None
        self.capabilities = Capabilities(
            polled=True,
            history=True,
            typing=False,
            max_text=2000,
            readable_messages=readable,
            most_listed=1000 if lists is Lists.BARE_MESSAGES else 100,
            lists_messages=lists is Lists.BARE_MESSAGES,
        )
        self.name = f"fake{next(_numbers)}"  # no breaker of one trips for another
        self.lists = lists
        self.talks: dict[str, ModelSession] = {}
        self.calls: list[Call] = []
        self.script: deque[Step] = deque()
        self.broken_threads: dict[str, PlatformError] = {}  #: reading them fails
        self.broken_rows: set[str] = set()  #: their rows of the list make no sense
        self.too_much_above: int | None = None  #: rows in one answer
        self.repeats_for_ever = False
        self.usage: Usage | None = None
        self.before_call: Callable[[int], None] = lambda _: None
        self._clock = clock
        self._shown = shown  # messages of a thread in the list
        self._most_rows = most_rows  # of the list in one page, whatever is asked for
        self._written = 0
        self._lock = RLock()
        if lists is Lists.WHOLE_THREADS:  # the optional part of what a platform does
            self.fetch_past = self._fetch_past

    # The world

    def write(
        self,
        thread_id: str,
        text: str = "",
        *,
        at: datetime | None = None,
        side: SenderType = SenderType.CUSTOMER,
        shown_after: timedelta = timedelta(0),
        is_broken: bool = False,
    ) -> Written:
        """Let somebody write now, or at another moment; readers see it `shown_after` that."""
        with self._lock:
            self._written += 1
            at = at or self._clock()
            message = Written(
                message_id=f"m_{next(_numbers)}",
                order=self._written,
                side=side,
                text=text or f"line {self._written}",
                at=at.replace(microsecond=0),
                shown_from=at + shown_after,
                is_broken=is_broken,
            )
            talk = self.talks.setdefault(thread_id, ModelSession(thread_id=thread_id))
            insort(talk.messages, message, key=lambda each: each.place)
            return message

    # What readers get

    def identify(self) -> Identity:
        return Identity(external_id="1", display_name="Shop", platform_time=self._clock())

    def fetch_page(self, *, cursor: str | None, limit: int, since: datetime | None) -> Page:
        return self._listed(cursor, limit, since, shown=self._shown)

    def _fetch_past(self, *, cursor: str | None, limit: int, messages: int) -> Page:
        return self._listed(cursor, limit, None, shown=messages)

    def _listed(
        self, cursor: str | None, limit: int, since: datetime | None, *, shown: int
    ) -> Page:
        vice = self._called(Call(None, cursor, limit))
        with self._lock:
            self._refuse(limit)
            is_bare = self.lists is Lists.BARE_MESSAGES
            rows = self._bare(since) if is_bare else self._threads(shown)
            places = [place for place, _ in rows]
            taken, following = self._cut(places, cursor, min(limit, self._most_rows), vice)
            slices = [rows[position][1] for position in taken]
            aside = [
                Unreadable(reason="the row makes no sense", thread_id=each.thread_id)
                for each in slices
                if vice is Vice.BROKEN or each.thread_id in self.broken_rows
            ]
            lost = {each.thread_id for each in aside}
            if self.lists is Lists.BARE_MESSAGES:  # a row is a message
                aside += [record for each in slices for record in each.unreadable]
                slices = [each for each in slices if each.messages]
            return Page(
                threads=[each for each in slices if each.thread_id not in lost],
                next_cursor=following,
                unreadable=aside,
                usage=self.usage,
            )

    def fetch_thread(self, thread_id: str, *, cursor: str, limit: int) -> ThreadPage:
        vice = self._called(Call(thread_id, cursor, limit))
        with self._lock:
            self._refuse(limit)
            if thread_id in self.broken_threads:
                raise self.broken_threads[thread_id]
            talk = self.talks.get(thread_id)
            if talk is None:
                raise GiveUp("no such thread", platform=self.name)
            everything = talk.shown(self._clock())[::-1]
            readable = everything[: self.capabilities.readable_messages]
            places = [message.place for message in readable]
            taken, following = self._cut(places, cursor or None, limit, vice)
            messages, unreadable = self._as_seen(talk, [readable[each] for each in taken], vice)
            return ThreadPage(
                messages=messages,
                older=following,
                unreadable=unreadable,
                hidden=len(everything) - len(readable) if following is None else 0,
            )

    def send(self, recipient: Recipient, text: str) -> str:
        return self.write(recipient.thread_id, text, side=SenderType.EMPLOYEE).message_id

    def show_typing(self, recipient: Recipient) -> None:
        pass

    # How

    def _called(self, call: Call) -> Vice | None:
        self.before_call(len(self.calls))
        self.calls.append(call)
        step = self.script.popleft() if self.script else None
        if isinstance(step, PlatformError):
            raise step
        return Vice.REPEAT if self.repeats_for_ever else step

    def _refuse(self, limit: int) -> None:
        if self.too_much_above is not None and limit > self.too_much_above:
            raise TooMuchData("please reduce the amount of data", platform=self.name)

    def _threads(self, shown: int) -> list[tuple[Place, ThreadSlice]]:
        now = self._clock()
        rows: list[tuple[Place, ThreadSlice]] = []
        for talk in self.talks.values():
            visible = talk.shown(now)[::-1]
            if not visible:
                continue
            front: list[InboundMessage] = []
            unreadable: list[Unreadable] = []
            older = "" if self.lists is Lists.THREADS else None
            if self.lists in (Lists.NEWEST_MESSAGES, Lists.WHOLE_THREADS):
                newest = visible[:shown]
                front, unreadable = self._as_seen(talk, newest, None)
                older = _written_cursor(newest[-1].place) if len(visible) > len(newest) else None
            piece = ThreadSlice(
                thread_id=talk.thread_id,
                customer=talk.customer,
                updated_at=visible[0].at,
                messages=front,
                older=older,
                unreadable=unreadable,
            )
            rows.append((visible[0].place, piece))
        return sorted(rows, key=lambda row: row[0], reverse=True)

    def _bare(self, since: datetime | None) -> list[tuple[Place, ThreadSlice]]:
        rows: list[tuple[Place, ThreadSlice]] = []
        for talk in self.talks.values():
            for message in talk.shown(self._clock()):
                if since is not None and message.at < since:
                    continue
                good, broken = self._as_seen(talk, [message], None)
                piece = ThreadSlice(
                    thread_id=talk.thread_id,
                    customer=talk.customer,
                    updated_at=None,
                    messages=good,
                    unreadable=broken,
                )
                rows.append((message.place, piece))
        return sorted(rows, key=lambda row: row[0], reverse=True)

    def _cut(
        self, places: Sequence[Place], cursor: str | None, limit: int, vice: Vice | None
    ) -> tuple[list[int], str | None]:
        """Which rows, newest first, the page after `cursor` holds, and the cursor after them."""
        after = NEWEST if cursor is None else _read_cursor(cursor)
        start = next((i for i, place in enumerate(places) if place < after), len(places))
        if cursor is not None and vice is Vice.REPEAT:
            start = max(0, start - limit)
        if cursor is not None and vice is Vice.SHIFT:
            start = max(0, start - 1)
        if vice is Vice.EMPTY:
            return [], _written_cursor(after)
        wanted = 1 if vice is Vice.SHORT else limit
        taken = list(range(start, min(start + wanted, len(places))))
        is_last = not taken or taken[-1] == len(places) - 1
        following = None if is_last else _written_cursor(places[taken[-1]])
        if vice is Vice.TWICE:
            taken = [each for each in taken for _ in range(2)]
        return taken, following

    def _as_seen(
        self, talk: ModelSession, messages: Sequence[Written], vice: Vice | None
    ) -> tuple[list[InboundMessage], list[Unreadable]]:
        good: list[InboundMessage] = []
        broken: list[Unreadable] = []
        for message in messages:
            if message.is_broken or vice is Vice.BROKEN:
                reason = "the message has no sender"
                broken.append(
                    Unreadable(
                        reason=reason,
                        thread_id=talk.thread_id,
                        message_id=message.message_id,
                        place=len(good),
                    )
                )
            else:
                good.append(
                    InboundMessage(
                        message_id=message.message_id,
                        sender_type=message.side,
                        created_at=message.at,
                        text=message.text,
                    )
                )
        return good, broken


def _written_cursor(place: Place) -> str:
    return f"{place[0].isoformat()}#{place[1]}"


def _read_cursor(cursor: str) -> Place:
    at, _, order = cursor.partition("#")
    return datetime.fromisoformat(at), int(order)


def empty(database: Database) -> None:
    """For the next example of a property: what a test began with."""
    with database.transaction() as session:
        names = ", ".join(table.name for table in Base.metadata.sorted_tables)
        session.execute(text(f"TRUNCATE {names} RESTART IDENTITY CASCADE"))


class Desk:
    """Channels of one database, each on a platform of its own, and the importer for them."""

    def __init__(self, database: Database, clock: StillClock, *, concurrency: int = 4) -> None:
        self.database = database
        self.clock = clock
        self.platforms: dict[int, Platform] = {}
        self.first = 0  #: id of the channel connected first, meant where none is named
        self._concurrency = concurrency
        self.restart()

    def restart(self) -> None:
        """Another process goes on: it knows what is stored, and nothing else."""
        self.importer = Importer(
            self.database,
            platform_of=lambda channel: self.platforms[channel.id],
            rate_limiter_of=lambda _: RateLimiter(0),
            overlap=OVERLAP,
            concurrency=self._concurrency,
            clock=self.clock,
        )

    def connect(self, platform: Platform) -> int:
        """Connect a platform now; return the channel's id."""
        with self.database.transaction() as session:
            session.execute(delete(Circuit))  # what another platform of this name did before
            channel = ChannelIntegration(
                workspace_id=get_workspace(session, "shop").id,
                channel=platform.name,
                external_id=str(next(_numbers)),
                display_name="Shop",
                config="",
                connected_at=self.clock().replace(microsecond=0),
            )
            session.add(channel)
            session.flush()
            self.platforms[channel.id] = platform
            self.first = self.first or channel.id
            return channel.id

    def channel(self, channel_id: int = 0) -> ChannelIntegration:
        """The channel's row as it is now."""
        with self.database.transaction() as session:
            return session.get_one(ChannelIntegration, channel_id or self.first)

    def poll(self, channel_id: int = 0) -> RunReport:
        return self.importer.poll(self.channel(channel_id))

    def read_history(self, channel_id: int = 0, **words: Any) -> RunReport:
        words.setdefault("at_once", True)
        return self.importer.read_history(self.channel(channel_id), **words)

    def import_one(self, channel_id: int = 0) -> list[RunReport]:
        return self.importer.import_one(self.channel(channel_id))

    def conversation(self, thread_id: str, channel_id: int = 0) -> Conversation:
        with self.database.transaction() as session:
            return session.scalars(
                select(Conversation).where(
                    Conversation.channel_integration_id == (channel_id or self.first),
                    Conversation.thread_id == thread_id,
                )
            ).one()

    def messages(self, thread_id: str | None = None, channel_id: int = 0) -> list[Message]:
        """What is stored, of one thread or of all, in the order that others read it in."""
        statement = (
            select(Message)
            .join(Conversation, Conversation.id == Message.conversation_id)
            .where(Conversation.channel_integration_id == (channel_id or self.first))
            .order_by(Message.conversation_id, Message.created_at, Message.sequence_no)
        )
        if thread_id is not None:
            statement = statement.where(Conversation.thread_id == thread_id)
        with self.database.transaction() as session:
            return list(session.scalars(statement).all())

    def message_ids(self, channel_id: int = 0) -> set[str]:
        statement = (
            select(Message.message_id)
            .join(Conversation, Conversation.id == Message.conversation_id)
            .where(Conversation.channel_integration_id == (channel_id or self.first))
        )
        with self.database.transaction() as session:
            return set(session.scalars(statement).all())

    def texts(self, thread_id: str | None = None, channel_id: int = 0) -> list[str]:
        return [message.content for message in self.messages(thread_id, channel_id)]

    def gathered(self, thread_id: str = "A") -> list[str]:
        """The texts of what is or was to be answered by now, oldest first."""
        with self.database.transaction() as session:
            open_turns(session, AT_ONCE, now=self.clock())
        return [message.content for message in self.messages(thread_id) if message.turn_id]

    def runs(self, channel_id: int = 0) -> list[ImportRun]:
        with self.database.transaction() as session:
            return list(
                session.scalars(
                    select(ImportRun)
                    .where(ImportRun.channel_integration_id == (channel_id or self.first))
                    .order_by(ImportRun.id)
                ).all()
            )

    def gaps(self, channel_id: int = 0) -> list[dict[str, Any]]:
        return [gap for run in self.runs(channel_id) for gap in run.gaps]
