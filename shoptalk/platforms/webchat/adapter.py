"""The shop's own web chat. Its other side is our own tables, asked through a `ChatDesk`."""

import re
from datetime import UTC, datetime, timedelta
from typing import NoReturn

from shoptalk.errors import BadPayload, GiveUp, UsageError
from shoptalk.platforms.base import (
    AdapterContext,
    Capabilities,
    ChatDesk,
    Identity,
    Page,
    Recipient,
    ThreadPage,
    ThreadSlice,
)
from shoptalk.types import Account, ChatLine, ChatThread, InboundMessage, SenderType

#: It names the site in addresses.
SITE = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,99}")
LINES_SHOWN = 20  #: of each session in the list: mostly all that is new, and no second question
DIGITS = 19  #: of the first number that is longer than any row's
TYPING_LASTS = timedelta(seconds=30)


class WebChat:
    """One site. `external_id` is the name its owner gives it; there are no credentials.

    A thread is a visitor's session. Moments grow within one, so none of its messages is late.
    """

    name = "webchat"
    capabilities = Capabilities(
        polled=True,
        history=True,
        typing=True,
        max_text=4000,
        needs_token=False,
        settings=frozenset(),
    )

    def __init__(self, account: Account, surroundings: AdapterContext) -> None:
        if surroundings.chat is None:
            raise UsageError("The web chat needs the shop's own tables, and none were given.")
        self._site = account.external_id
        self._desk: ChatDesk = surroundings.chat
        self._clock = surroundings.clock

    def identify(self) -> Identity:
        """Raise UsageError where the site's name is none; nobody is asked."""
        if not SITE.fullmatch(self._site):
            raise UsageError(
                "The account id of a web chat is a name for the site, of up to 100 letters, "
                "digits, dots, hyphens and underscores, as in corner-shop.example."
            )
        return Identity(
            external_id=self._site, display_name=self._site, platform_time=self._clock()
        )

    def fetch_page(self, *, cursor: str | None, limit: int, since: datetime | None) -> Page:
        before = None if cursor is None else _place(cursor)
        found = self._desk.threads(since=since, before=before, limit=limit, lines=LINES_SHOWN)
        more = len(found) == limit
        return Page(
            threads=[_slice(thread) for thread in found],
            next_cursor=_cursor(found[-1]) if more else None,
        )

    def fetch_thread(self, thread_id: str, *, cursor: str, limit: int) -> ThreadPage:
        before = _number(cursor) if cursor else None
        found = self._desk.lines(thread_id, before=before, limit=limit + 1)
        if found is None:
            self._refuse()
        shown = found[:limit]
        return ThreadPage(
            messages=[_message(line) for line in shown],
            older=str(shown[-1].number) if len(found) > limit else None,
        )

    def send(self, recipient: Recipient, text: str) -> str:
        """Add `text` to the session, once for each `recipient.reference`.

        Returns:
            "webchat_" and the row's number.
        """
        line = self._desk.add(
            recipient.thread_id, text, reference=recipient.reference, at=self._clock()
        )
        if line is None:
            self._refuse()
        return _message_id(line)

    def show_typing(self, recipient: Recipient) -> None:
        self._desk.show_typing(recipient.thread_id, until=self._clock() + TYPING_LASTS)

    def _refuse(self) -> NoReturn:
        raise GiveUp("there is no such session", platform=self.name)


def _slice(thread: ChatThread) -> ThreadSlice:
    return ThreadSlice(
        thread_id=thread.session_id,
        customer=thread.visitor,
        updated_at=thread.changed_at,
        messages=[_message(line) for line in thread.lines],
        older=str(thread.lines[-1].number) if thread.has_older else None,
    )


def _message(line: ChatLine) -> InboundMessage:
    # Which of ours are the AI's is for the database to tell, as with any platform.
    is_visitor = line.sender_type == SenderType.CUSTOMER
    return InboundMessage(
        message_id=_message_id(line),
        sender_type=SenderType.CUSTOMER if is_visitor else SenderType.EMPLOYEE,
        created_at=line.created_at,
        text=line.text,
    )


def _message_id(line: ChatLine) -> str:
    return f"webchat_{line.number}"


def _cursor(thread: ChatThread) -> str:
    return f"{thread.changed_at.astimezone(UTC).isoformat()} {thread.number}"


def _place(cursor: str) -> tuple[datetime, int]:
    written, _, number = cursor.partition(" ")
    try:
        moment = datetime.fromisoformat(written)
    except ValueError:
        raise BadPayload("the cursor is none of ours", platform=WebChat.name) from None
    return moment, _number(number)


def _number(cursor: str) -> int:
    if not (cursor.isascii() and cursor.isdigit() and len(cursor) < DIGITS):
        raise BadPayload("the cursor is none of ours", platform=WebChat.name)
    return int(cursor)
