"""The sandbox's world: clock, accounts, threads, messages, and what was received.

Pure Python, usable without HTTP. Every method takes the world's lock and returns quickly, so
a test may change the world while the server answers from it.
"""

import heapq
from collections.abc import Callable, Sequence
from datetime import datetime, timedelta
from itertools import count
from threading import RLock
from typing import Any, get_args

from shoptalk.sandbox.accounts import (
    LOGINS,
    PLATFORMS,
    Login,
    PlatformName,
    SandboxAccount,
    Token,
)
from shoptalk.sandbox.chatwoot.desk import Ticket
from shoptalk.sandbox.clock import SandboxClock
from shoptalk.sandbox.faults import FaultBox
from shoptalk.sandbox.ids import digits, message_id, person, thread_id
from shoptalk.sandbox.ledger import Ledger, Sent
from shoptalk.sandbox.messages import CHATWOOT_SIDES, Kind, Side, StoredMessage
from shoptalk.sandbox.threads import Thread

__all__ = ["SandboxAccount", "Sent", "StoredMessage", "Thread", "World"]

SIDES: tuple[str, ...] = get_args(Side)
THREAD_FLAGS = frozenset({"is_request", "is_blocked", "is_taken", "has_app_role"})


class World:
    def __init__(self) -> None:
        self.lock = RLock()
        self.clock = SandboxClock()
        self.faults = FaultBox()
        self.ledger = Ledger()
        self.sent: list[Sent] = []
        self.accounts: dict[str, SandboxAccount] = {}
        self.tokens: dict[str, Token] = {}
        self.on_reset: list[Callable[[], None]] = []  #: called when everything is forgotten
        self._linked: dict[str, SandboxAccount] = {}  #: Instagram accounts by their Page
        self._scoped: dict[str, SandboxAccount] = {}  #: Instagram accounts by app-scoped id
        self._threads: dict[str, Thread] = {}
        self._messages: dict[str, StoredMessage] = {}
        self._under_way: list[tuple[datetime, int, StoredMessage]] = []  #: a heap
        self._sequence = count(1)
        self._traces = count(1)

    def add_account(
        self,
        platform: PlatformName,
        account_id: str,
        name: str,
        token: str,
        *,
        username: str | None = None,
        app_secret: str | None = None,
        page_id: str | None = None,
        app_scoped_id: str | None = None,
        account_sid: str | None = None,
        login: Login = "page",
        engaged_users: int = 1000,
        token_expires_at: datetime | None = None,
        settings: dict[str, Any] | None = None,
    ) -> SandboxAccount:
        """Connect an account.

        Args:
            page_id: the Page that an Instagram account is linked to; needed for `login="page"`.
                A Messenger account and an Instagram account may share a Page and its token.
            account_sid: for Twilio, whose accounts here are senders: "+15550100" or
                "whatsapp:+15550100". Those of one account share its token.
            login: for Instagram, "page" (graph.facebook.com, a Page token) or "instagram"
                (graph.instagram.com, a token of its own).

        Raises:
            ValueError: the account exists, or the words do not fit together.
        """
        if platform not in PLATFORMS:
            raise ValueError(f"the platform is one of {', '.join(PLATFORMS)}, not {platform!r}")
        if login not in LOGINS:
            raise ValueError(f"the login is one of {', '.join(LOGINS)}, not {login!r}")
        if not account_id or not token:
            raise ValueError("an account needs an account_id and a token")
        if (platform == "twilio") != bool(account_sid):
            raise ValueError("give account_sid for twilio, and for no other platform")
        own_login = platform == "instagram" and login == "instagram"
        if platform == "instagram" and own_login == bool(page_id):
            raise ValueError("give page_id for login=page, and leave it out for login=instagram")
        if platform == "chatwoot" and not (account_id.isascii() and account_id.isdigit()):
            raise ValueError("the account_id of a Chatwoot account is a number")
        if platform == "facebook":
            page_id = account_id
        account = SandboxAccount(
            platform=platform,
            account_id=account_id,
            name=name,
            username=username or ".".join(name.lower().split()),
            token=token,
            app_secret=app_secret,
            page_id=page_id,
            app_scoped_id=app_scoped_id or (digits("scoped", account_id) if own_login else None),
            account_sid=account_sid,
            login=login,
            engaged_users=engaged_users,
        )
        account.settings.change(settings or {})
        with self.lock:
            if account_id in self.accounts:
                raise ValueError(f"there is an account {account_id} already")
            self._add_token(account, token, token_expires_at)
            self.accounts[account_id] = account
            if platform == "instagram" and page_id:
                self._linked[page_id] = account
            if account.app_scoped_id:
                self._scoped[account.app_scoped_id] = account
        return account

    @property
    def written(self) -> int:
        """How many messages were written so far; that is the newest one's `sequence_no`."""
        return len(self._messages)

    def get_account(self, account_id: str) -> SandboxAccount:
        account = self.accounts.get(account_id)
        if account is None:
            raise LookupError(f"there is no account {account_id!r}")
        return account

    def find_account(self, node_id: str) -> SandboxAccount | None:
        """Return the account with this id, which on Instagram Login may be the app-scoped one."""
        return self.accounts.get(node_id) or self._scoped.get(node_id)

    def linked_to(self, page_id: str) -> SandboxAccount | None:
        """Return the Instagram account that is linked to a Page."""
        return self._linked.get(page_id)

    def add_message(
        self,
        account_id: str,
        customer_id: str,
        text: str,
        *,
        side: Side = "customer",
        at: datetime | None = None,
        customer_name: str | None = None,
        kind: str = "text",
        reply_to: str | None = None,
        shown_after: timedelta = timedelta(0),
    ) -> StoredMessage:
        """Let somebody write.

        Args:
            at: the platform's time for it; None: now.
            customer_name: None keeps the name known so far, or makes one up; "" means that
                the platform knows no name.
            kind: what the message is; see `messages.Kind`.
            shown_after: how long reads do not show it yet, counted from now.

        Raises:
            LookupError: there is no such account.
            ValueError: the words do not fit together.
        """
        if side not in SIDES:
            raise ValueError(f"the side is one of {', '.join(SIDES)}, not {side!r}")
        if at is not None and at.tzinfo is None:
            raise ValueError("the time of a message needs a time zone")
        if kind not in {*Kind}:
            raise ValueError(f"the kind is one of {', '.join(Kind)}, not {kind!r}")
        with self.lock:
            account = self.get_account(account_id)
            if side in CHATWOOT_SIDES and account.platform != "chatwoot":
                raise ValueError(f"only Chatwoot has messages of the side {side!r}")
            customer_id = person(account, customer_id)
            now = self.clock.now()
            thread = account.threads.by_customer.get(customer_id)
            if thread is None:
                thread = self._open_thread(account, customer_id)
            if customer_name is not None:
                thread.customer_name = customer_name or None
            sequence_no = next(self._sequence)
            message = StoredMessage(
                id=message_id(account, customer_id, sequence_no, kind),
                side=side,
                text=text,
                created_at=at or now,
                sequence_no=sequence_no,
                account_id=account_id,
                customer_id=customer_id,
                kind=Kind(kind),
                reply_to=reply_to,
                shown_from=now + shown_after if shown_after else None,
            )
            thread.insert(message)
            self._messages[message.id] = message
            if thread.ticket is not None and side == "customer":
                thread.ticket.reopen(has_bot=account.settings.bot_attached)
            if side != "customer":
                thread.is_request = False
            elif thread.folder == "page_done":
                thread.folder = "inbox"
            if message.is_shown(now):
                account.threads.touch(thread, message)
            else:
                thread.unshown += 1
                heapq.heappush(self._under_way, (now + shown_after, sequence_no, message))
            return message

    def settle(self) -> datetime:
        """Let what was under way arrive; return the present. Reads call it first."""
        now = self.clock.now()
        while self._under_way and self._under_way[0][0] <= now:
            message = heapq.heappop(self._under_way)[2]
            message.shown_from = None
            account = self.accounts.get(message.account_id)
            if account is None:
                continue
            thread = account.threads.by_customer[message.customer_id]
            thread.unshown -= 1
            if not message.is_unsent:
                account.threads.touch(thread, message)
        return now

    def unsend(self, message_id: str) -> StoredMessage:
        """Take a message back: it leaves every listing, and nothing tells that it was there."""
        with self.lock:
            message = self.get_message(message_id)
            if not message.is_unsent:
                message.is_unsent = True
                self._threads_of(message).remove(message)
            return message

    def edit(self, message_id: str, text: str) -> StoredMessage:
        """Change a text in place; no time moves."""
        with self.lock:
            message = self.get_message(message_id)
            message.text = text
            return message

    def change_thread(self, account_id: str, customer_id: str, **changes: Any) -> Thread:
        """Set a thread's `folder`, `customer_name` or flags (see `THREAD_FLAGS`).

        On Chatwoot a person at the dashboard sets `status`, `assignee_id`, `labels` and
        `inbox_id`; what they do is told by activity messages, a little later.
        """
        with self.lock:
            account = self.get_account(account_id)
            thread = self.thread_of(account_id, customer_id)
            if thread is None:
                thread = self._open_thread(account, person(account, customer_id))
            if thread.ticket is not None:
                self.tell_activity(thread, thread.ticket.change(changes))
                return thread
            for name, value in changes.items():
                expected = bool if name in THREAD_FLAGS else str
                if name not in THREAD_FLAGS | {"folder", "customer_name"}:
                    raise ValueError(f"a thread has no {name!r} to change")
                if not isinstance(value, expected):
                    raise ValueError(f"the thread's {name} takes a {expected.__name__}")
            for name, value in changes.items():
                setattr(thread, name, value)
            return thread

    def tell_activity(self, thread: Thread, said: Sequence[str]) -> None:
        """Let Chatwoot note in a conversation what was done to it."""
        settings = self.get_account(thread.account_id).settings
        for words in said:
            self.add_message(
                thread.account_id,
                thread.customer_id,
                words,
                side="activity",
                shown_after=timedelta(seconds=settings.consistency_delay_seconds),
            )

    def thread_of(self, account_id: str, customer_id: str) -> Thread | None:
        account = self.accounts.get(account_id)
        if account is None:
            return None
        return account.threads.by_customer.get(person(account, customer_id))

    def find_thread(self, thread_id: str) -> Thread | None:
        return self._threads.get(thread_id)

    def find_message(self, message_id: str) -> StoredMessage | None:
        """Return the message, unsent or not; Messenger's ids are known with and without "m_"."""
        return self._messages.get(message_id) or self._messages.get(f"m_{message_id}")

    def get_message(self, message_id: str) -> StoredMessage:
        message = self.find_message(message_id)
        if message is None:
            raise LookupError(f"there is no message {message_id!r}")
        return message

    def get_token(self, text: str | None = None, *, account_id: str = "") -> Token:
        """Return the token `text`; without it, the present token of `account_id`."""
        token = self.tokens.get(text or self.get_account(account_id).token)
        if token is None:
            raise LookupError("there is no such token")
        return token

    def replace_token(self, account_id: str, text: str, *, subcode: int | None = None) -> Token:
        """Give the account, and those that share its token, a new one; the old one dies."""
        with self.lock:
            account = self.get_account(account_id)
            if text in self.tokens:
                raise ValueError("a new token is one that was not used before")
            old = self.tokens[account.token]
            new = self._add_token(account, text, None)
            old.is_dead, old.dead_subcode = True, subcode
            for each in self.accounts.values():
                if each.token == old.text:
                    each.token = text
            return new

    def trace_id(self) -> str:
        """Make up the id that Graph's errors carry for its support people."""
        return f"A{digits('trace', str(next(self._traces)))}"

    def reset(self) -> None:
        """Forget everything and show real time again."""
        with self.lock:
            self.clock.reset()
            self.faults.clear()
            self.faults.seed(0)
            self.ledger.clear()
            self.sent.clear()
            self._under_way.clear()
            for accounts in (self.accounts, self._linked, self._scoped):
                accounts.clear()
            self.tokens.clear()
            self._threads.clear()
            self._messages.clear()
            self._sequence, self._traces = count(1), count(1)
            for forget in self.on_reset:
                forget()

    def _threads_of(self, message: StoredMessage) -> Thread:
        return self.accounts[message.account_id].threads.by_customer[message.customer_id]

    def _open_thread(self, account: SandboxAccount, customer_id: str) -> Thread:
        thread = Thread(
            id=thread_id(account, customer_id),
            account_id=account.account_id,
            customer_id=customer_id,
            customer_name=f"Customer {customer_id[-4:]}",
            is_request=account.platform == "instagram" and account.settings.requests_folder,
        )
        if account.platform == "chatwoot":
            status = "pending" if account.settings.bot_attached else "open"
            thread.ticket = Ticket(display_id=len(account.threads) + 1, status=status)
        account.threads.by_customer[customer_id] = thread
        if account.platform not in {"whatsapp", "twilio", "chatwoot"}:  # threads without a node
            self._threads[thread.id] = thread
        return thread

    def _add_token(self, account: SandboxAccount, text: str, expires_at: datetime | None) -> Token:
        kind = account.token_kind
        known = self.tokens.get(text)
        if known is None:
            known = self.tokens[text] = Token(
                text=text,
                kind=kind,
                owner_id=account.owner_id,
                issued_at=self.clock.now(),
                expires_at=expires_at,
            )
        elif known.kind != kind or (kind == "page" and known.owner_id != account.owner_id):
            raise ValueError("that token belongs to another account")
        return known
