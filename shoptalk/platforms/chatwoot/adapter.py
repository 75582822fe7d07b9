"""Chatwoot, in the cloud or self-hosted: all that its inboxes bring in, WhatsApp among it.

API: https://developers.chatwoot.com/api-reference/introduction
"""

import re
from dataclasses import replace
from datetime import datetime

from shoptalk.errors import BadPayload, ChannelStopped, DeliveryUncertain, GiveUp, UsageError
from shoptalk.platforms.base import (
    AdapterContext,
    Capabilities,
    Identity,
    Page,
    Recipient,
    ThreadPage,
    ThreadSlice,
    ThreadState,
    in_their_places,
)
from shoptalk.platforms.chatwoot.client import (
    RIGHTS,
    ChatwootClient,
    Purpose,
    server_name,
    usable_base_url,
)
from shoptalk.platforms.chatwoot.parser import NEWEST, ChatwootParser, number_in, text_of
from shoptalk.types import Account, DeliveryReport, InboundMessage, Unreadable

BASE_URL = "https://app.chatwoot.com"
LIST_PAGE = 25  #: conversations that the server shows at once, unless its owner set another number
THREAD_PAGE = 20  #: messages that the server shows at once; it takes no wish
HANDED_OVER = "needs-person"  #: the label of a conversation that the AI has given up
ACCOUNT_ID = re.compile(r"(?P<account>\d{1,18})(/(?P<inbox>\d{1,18}))?(@(?P<server>.+))?", re.ASCII)


class Chatwoot:
    """One account of one server, or one inbox of it.

    `external_id` is "1@chat.example", with an inbox "1/3@chat.example"; until the account is
    connected the number alone does. Config: `access_token` of a user; optional `base_url` and
    `inbox`. Which server it is stays with the account, so that its token goes nowhere else.
    """

    name = "chatwoot"
    capabilities = Capabilities(
        polled=True,
        history=True,
        typing=True,
        max_text=150_000,
        settings=frozenset({"base_url", "inbox"}),
    )

    def __init__(self, account: Account, surroundings: AdapterContext) -> None:
        given = ACCOUNT_ID.fullmatch(account.external_id)
        if given is None:
            raise UsageError(
                f"{account.external_id!r} is no id of a Chatwoot account: it is the number "
                "after /accounts/ in the address that the browser shows."
            )
        self._account_id = given["account"]
        self._inbox_id = str(account.config.get("inbox") or given["inbox"] or "") or None
        if self._inbox_id is not None and number_in(self._inbox_id) is None:
            raise UsageError(f"{self._inbox_id!r} is no id of an inbox: it is a number.")
        self._base_url = usable_base_url(
            str(
                account.config.get("base_url")
                or surroundings.settings.get("chatwoot_base_url")
                or BASE_URL
            )
        )
        server = server_name(self._base_url)
        if given["server"] not in (None, server):
            raise UsageError(
                f"The account {account.external_id} is not one of {server}: "
                "give its server's address with --base-url."
            )
        user_id = account.config.get("user_id")
        self._reader = ChatwootParser(
            server=server,
            account_id=self._account_id,
            user_id=None if user_id is None else str(user_id),
        )
        self._server = server
        self._client = ChatwootClient(account, surroundings, base_url=self._base_url)
        if surroundings.settings.get("chatwoot_typing_indicator_enabled") == "false":
            self.capabilities = replace(self.capabilities, typing=False)

    def identify(self) -> Identity:
        """Who the token's user is, and whether the account, and the inbox, are theirs."""
        answer = self._client.get("profile", purpose=Purpose.ACCOUNT)
        user_id, accounts = number_in(answer.body.get("id")), answer.body.get("accounts")
        if user_id is None or not isinstance(accounts, list):
            raise BadPayload("the profile has no id or no accounts", platform=self.name)
        theirs = {
            str(number): each
            for each in accounts
            if isinstance(each, dict) and (number := number_in(each.get("id"))) is not None
        }
        account = theirs.get(self._account_id)
        if account is None:
            known = ", ".join(theirs) or "none"
            raise ChannelStopped(
                f"the token's user has no account {self._account_id}",
                platform=self.name,
                remedy=f"Connect with an account of this user ({known}), or with another token.",
            )
        if account.get("status") == "suspended":
            raise ChannelStopped(
                f"the account {self._account_id} is suspended", platform=self.name, remedy=RIGHTS
            )
        name = text_of(account.get("name")) or f"account {self._account_id}"
        config = {"base_url": self._base_url, "user_id": str(user_id)}
        where = self._account_id
        if self._inbox_id is not None:
            name = f"{name}, {self._inbox_name(self._inbox_id)}"
            config["inbox"] = self._inbox_id
            where = f"{self._account_id}/{self._inbox_id}"
        return Identity(
            external_id=f"{where}@{self._server}",
            display_name=name,
            platform_time=answer.answered_at,
            config=config,
        )

    def _inbox_name(self, inbox_id: str) -> str:
        answer = self._client.get("accounts", self._account_id, "inboxes", purpose=Purpose.ACCOUNT)
        rows = answer.body.get("payload")
        if not isinstance(rows, list):
            raise BadPayload("the answer holds no list of inboxes", platform=self.name)
        names = {
            str(number): text_of(row.get("name")) or f"inbox {number}"
            for row in rows
            if isinstance(row, dict) and (number := number_in(row.get("id"))) is not None
        }
        if inbox_id not in names:
            known = ", ".join(f"{number} {name}" for number, name in names.items()) or "none"
            raise ChannelStopped(
                f"the token's user sees no inbox {inbox_id}",
                platform=self.name,
                remedy=f"Connect with one of these inboxes ({known}), or with another token.",
            )
        return names[inbox_id]

    def fetch_page(self, *, cursor: str | None, limit: int, since: datetime | None) -> Page:
        """List conversations of every status, latest activity first, as is Chatwoot's default.

        A page is as long as the server likes, and nothing says which is the last: only an empty
        one is. But the server counts all of them, so that a page which leaves some out is known.
        `cursor` is the number of the page, and how long the first was.

        Raises:
            BadPayload: the first page has left some out, as it turns out now.

        Source: https://developers.chatwoot.com/api-reference/conversations/conversations-list
        """
        page, size = _read_cursor(cursor)
        params = {"status": "all", "assignee_type": "all", "page": str(page)}
        if self._inbox_id is not None:
            params["inbox_id"] = self._inbox_id
        answer = self._client.get(
            "accounts", self._account_id, "conversations", params=params, purpose=Purpose.ACCOUNT
        )
        data = answer.body.get("data")
        rows = data.get("payload") if isinstance(data, dict) else None
        if not isinstance(data, dict) or not isinstance(rows, list):
            raise BadPayload("the answer holds no list of conversations", platform=self.name)
        results = [self._reader.thread(row) for row in rows]
        return Page(
            threads=[each for each in results if isinstance(each, ThreadSlice)],
            next_cursor=f"{page + 1}.{size or len(rows)}" if rows else None,
            unreadable=[each for each in results if isinstance(each, Unreadable)],
            left_out=self._left_out(page, size, len(rows), data.get("meta")),
        )

    def _left_out(self, page: int, size: int, shown: int, meta: object) -> int:
        """How many conversations the server counts for this page and does not show."""
        count = number_in(meta.get("all_count")) if isinstance(meta, dict) else None
        if count is None:
            return 0
        if page == 1:  # its length is the server's to choose
            return 0 if shown else min(count, LIST_PAGE)
        if not size:
            return 0
        expected = max(0, min(size, count - (page - 1) * size))
        if shown > size or (shown < expected and size < LIST_PAGE):
            raise BadPayload("the list left out conversations", platform=self.name)
        return max(0, expected - shown)

    def fetch_thread(self, thread_id: str, *, cursor: str, limit: int) -> ThreadPage:
        """20 messages up to the one numbered `cursor`, which is asked for again: a page that does
        not show it left something out. "" means the newest.

        Source: https://developers.chatwoot.com/api-reference/messages/get-messages
        """
        is_newest, known = not cursor or cursor.startswith(NEWEST), cursor.removeprefix(NEWEST)
        known_number = number_in(known) if known else None
        answer = self._client.get(
            *self._conversation(thread_id),
            "messages",
            params={} if is_newest else {"before": str((known_number or 0) + 1)},
            purpose=Purpose.THREAD,
        )
        rows = answer.body.get("payload")
        if not isinstance(rows, list):
            raise BadPayload("the answer holds no list of messages", platform=self.name)
        results = [self._reader.message(row, thread_id=thread_id) for row in rows]
        messages, unreadable = in_their_places(reversed(results))
        # Cut by id and sorted by time: the two differ where messages were brought in from elsewhere
        messages.sort(key=lambda message: message.created_at, reverse=True)
        numbers = [number_in(row.get("id")) for row in rows if isinstance(row, dict)]
        numbered = [number for number in numbers if number is not None]
        is_told = known_number is not None and len(numbered) == len(rows)
        if is_told and max(numbered, default=0) < (known_number or 0):
            raise BadPayload("the conversation left out messages", platform=self.name)
        oldest = min(numbered, default=None)
        is_whole_page = len(rows) >= THREAD_PAGE and oldest is not None and oldest != known_number
        return ThreadPage(
            messages=messages,
            older=str(oldest) if is_whole_page else None,
            unreadable=unreadable,
        )

    def thread_state(self, recipient: Recipient) -> ThreadState:
        """An assignment reaches the list only with the activity that tells of it, a little later.

        Source: https://developers.chatwoot.com/api-reference/conversations/conversation-details
        """
        answer = self._client.get(*self._conversation(recipient.thread_id), purpose=Purpose.THREAD)
        if number_in(answer.body.get("id")) is None:
            raise BadPayload("the answer holds no conversation", platform=self.name)
        return self._reader.state(answer.body, thread_id=recipient.thread_id)

    def send(self, recipient: Recipient, text: str) -> str:
        """Send `text` to the customer.

        Args:
            recipient: only `thread_id` counts.
            text: 1 to 150 000 characters; most channels behind an inbox take fewer, see
                `thread_state`.

        Returns:
            The message id. It means stored: WhatsApp, SMS and the like are served afterwards.

        Source: https://developers.chatwoot.com/api-reference/messages/create-new-message
        """
        payload = {"content": text, "message_type": "outgoing", "private": False}
        answer = self._client.post(
            *self._conversation(recipient.thread_id),
            "messages",
            payload=payload,
            purpose=Purpose.SEND,
        )
        number = number_in(answer.body.get("id"))
        if number is None:
            raise DeliveryUncertain("the answer to a send has no id", platform=self.name)
        return self._reader.message_id(recipient.thread_id, number)

    def fetch_delivery(self, message_id: str) -> DeliveryReport | None:
        """Read one message again: Chatwoot takes it first, and its channel may refuse it later."""
        thread_id, number = self._reader.found_in(message_id)
        answer = self._client.get(
            *self._conversation(thread_id),
            "messages",
            params={"after": str(number), "before": str(number + 1)},
            purpose=Purpose.THREAD,
        )
        rows = answer.body.get("payload")
        if not isinstance(rows, list):
            raise BadPayload("the answer holds no list of messages", platform=self.name)
        read = [self._reader.message(row, thread_id=thread_id) for row in rows]
        reports = [
            each.delivery
            for each in read
            if isinstance(each, InboundMessage) and each.message_id == message_id
        ]
        return reports[0] if reports else None

    def show_typing(self, recipient: Recipient) -> None:
        self._toggle_typing(recipient, "on")

    def hide_typing(self, recipient: Recipient) -> None:
        """The server does not end it by itself."""
        self._toggle_typing(recipient, "off")

    def _toggle_typing(self, recipient: Recipient, typing_status: str) -> None:
        if not self.capabilities.typing:
            raise UsageError("CHATWOOT_TYPING_INDICATOR_ENABLED is off: no typing is shown.")
        self._client.post(
            *self._conversation(recipient.thread_id),
            "toggle_typing_status",
            payload={"typing_status": typing_status, "is_private": False},
            purpose=Purpose.CHANGE,
        )

    def hand_over(self, recipient: Recipient, reason: str) -> None:
        """Open the conversation, label it and leave the reason as a private note.

        Opening it with an agent's token assigns it to that agent, which is us: it is given back,
        so that it stands among the unassigned. One that is open and labelled stays as it is.
        """
        path = self._conversation(recipient.thread_id)
        found = self._client.get(*path, purpose=Purpose.THREAD).body
        known = found.get("labels")
        labels = (
            [each for each in known if isinstance(each, str)] if isinstance(known, list) else []
        )
        is_open, is_labelled = found.get("status") == "open", HANDED_OVER in labels
        if is_open and is_labelled:
            return
        change = Purpose.CHANGE
        if not is_open:
            self._client.post(*path, "toggle_status", payload={"status": "open"}, purpose=change)
            self._give_back(path)
        if not is_labelled:  # the whole set is replaced
            payload = {"labels": [*labels, HANDED_OVER]}
            self._client.post(*path, "labels", payload=payload, purpose=change)
        note = {"content": f"shoptalk: {reason}", "message_type": "outgoing", "private": True}
        self._client.post(*path, "messages", payload=note, purpose=change)

    def _give_back(self, path: tuple[str, ...]) -> None:
        meta = self._client.get(*path, purpose=Purpose.THREAD).body.get("meta")
        assignee = meta.get("assignee") if isinstance(meta, dict) else None
        if isinstance(assignee, dict) and str(assignee.get("id")) == self._reader.user_id:
            nobody = {"assignee_id": 0}  # the API has no other word for it
            self._client.post(*path, "assignments", payload=nobody, purpose=Purpose.CHANGE)

    def _conversation(self, thread_id: str) -> tuple[str, ...]:
        """Where a conversation is, below the API's root."""
        account, _, number = thread_id.removeprefix("chatwoot_").partition("_")
        if account != self._account_id or number_in(number) is None:
            raise GiveUp("that is no conversation of this account", platform=self.name)
        return ("accounts", account, "conversations", number)


def _read_cursor(cursor: str | None) -> tuple[int, int]:
    """The number of the page, and how long the first was; 0: that is what is asked for."""
    page, _, size = (cursor or "1.0").partition(".")
    return int(page), int(size or 0)
