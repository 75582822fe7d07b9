"""SMS and MMS of a Twilio number, and WhatsApp over Twilio, polled like any other platform.

Twilio lists bare messages, one direction of a number at a time: what came in, then what went out.
Its date filter knows days, so a poll sees some messages again. What became of a message it took
shows in the list, or later when asked.

API: https://www.twilio.com/docs/messaging/api/message-resource
"""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import parse_qsl, urlencode

from shoptalk.errors import BadPayload, DeliveryUncertain, GiveUp, UsageError
from shoptalk.platforms.base import (
    AdapterContext,
    Capabilities,
    Identity,
    Keywords,
    Page,
    Recipient,
    TextUnit,
    ThreadPage,
    ThreadSlice,
)
from shoptalk.platforms.twilio.client import TwilioApi
from shoptalk.platforms.twilio.parser import (
    SENDER,
    WHATSAPP,
    Entry,
    attachment_of,
    coming_since,
    entry_of,
    report_of,
)
from shoptalk.types import Account, Attachment, DeliveryReport, Unreadable

BASE_URL = "https://api.twilio.com"
MOST_ROWS = 1000  #: of one page
COMING_FOR = timedelta(hours=1)  #: what takes longer to come in is stuck, and not waited for
HISTORY_ROWS = 500  #: asked for at once where nothing is known yet
INCOMING, OUTGOING = "To", "From"  #: the two lists of a number, by the parameter that makes them
#: What of the link to the next page makes the next request; the address is ours to say
_OF_NEXT = frozenset({"DateSent", "DateSent>", "DateSent<", "PageSize", "Page", "PageToken"})

_REFUSED_AFTER = frozenset(
    {"stop", "stopall", "unsubscribe", "cancel", "end", "quit", "optout", "revoke"}
)
SMS_KEYWORDS = Keywords(
    stop=_REFUSED_AFTER,
    start=frozenset({"start", "unstop"}),
    answered=frozenset({"help", "start", "unstop"}),
)
#: Nothing is blocked or answered for us there, and "cancel" may well be about an order
WHATSAPP_KEYWORDS = Keywords(
    stop=frozenset({"stop", "stopall", "unsubscribe", "optout"}),
    start=frozenset({"start", "unstop"}),
)

SMS = Capabilities(
    polled=True,
    history=True,
    typing=False,
    max_text=10,  # more are joined again by few carriers; they stay below 1600 characters
    text_unit=TextUnit.SMS_SEGMENTS,
    length_budget=3,
    reply_windows={"whatsapp_": timedelta(hours=24)},
    keywords=SMS_KEYWORDS,
    most_listed=1000,  # its largest PageSize: few calls, and a long walk that soon ends
    lists_messages=True,
    settings=frozenset({"number", "api_key"}),
)
ON_WHATSAPP = replace(
    SMS,
    typing=True,
    max_text=1600,
    text_unit=TextUnit.CHARACTERS,
    length_budget=None,
    keywords=WHATSAPP_KEYWORDS,
)


class Twilio:
    """One sender: a phone number for SMS and MMS, or a WhatsApp sender.

    `external_id` is the sender's address, "+15550100" or "whatsapp:+15550100"; to connect it,
    the account SID. Config: `access_token` and `number`; optional `api_key`. `account_sid` is
    learnt while connecting.
    """

    name = "twilio"
    capabilities = SMS

    def __init__(self, account: Account, surroundings: AdapterContext) -> None:
        self._address = address_of(account.config.get("number") or account.external_id)
        self._is_whatsapp = self._address.startswith(WHATSAPP)
        self._api = TwilioApi(
            self.name,
            account,
            surroundings,
            base_url=surroundings.settings.get("twilio_api_base_url") or BASE_URL,
        )
        if self._is_whatsapp:
            self.capabilities = replace(ON_WHATSAPP, typing=self._api.messaging_url is not None)

    def identify(self) -> Identity:
        """Ask for what polling will ask for: an API key may read messages and not the account.

        That the number is this account's cannot be told so; a send shows it.
        """
        answer = self._api.list("Messages.json", params={INCOMING: self._address, "PageSize": "1"})
        self._rows(answer.body, "messages")
        return Identity(
            external_id=self._address,
            display_name=self._address,
            platform_time=answer.answered_at,
            config={"account_sid": self._api.account_sid, "number": self._address},
        )

    def fetch_page(self, *, cursor: str | None, limit: int, since: datetime | None) -> Page:
        """One page of what came in; after the last one, of what went out.

        A row is a message, of which `limit` are asked for, and more where `since` is None. The
        filter goes by days: a page may reach further back than `since`, but none begins there.
        """
        which, more = _read_cursor(cursor)
        params = {which: self._address, "PageSize": str(min(limit, MOST_ROWS))}
        if since is None:
            params["PageSize"] = str(HISTORY_ROWS)
        else:
            params["DateSent>"] = f"{since.astimezone(UTC):%Y-%m-%d}"
        answer = self._api.list("Messages.json", params={**params, **more})
        rows = self._rows(answer.body, "messages")
        entries, unreadable = _entries(rows, since=since)
        following = self._cursor_after(which, answer.body)
        if any(each.is_before(since) for each in entries):
            following = None
        if following is None and which == INCOMING:
            following = _written_cursor(OUTGOING)
        return Page(
            threads=_threads(entries),
            next_cursor=following,
            unreadable=unreadable,
            settled_until=_settled_until(answer.answered_at, rows) if cursor is None else None,
            another_list_follows=which == INCOMING,
        )

    def fetch_thread(self, thread_id: str, *, cursor: str, limit: int) -> ThreadPage:
        """A thread from its newest message backwards: our side first, then the customer's.

        There is no list of both. Whoever reads back what was sent needs ours; what customers
        wrote comes with the pages of the account.
        """
        customer = self._customer_in(thread_id)
        which, more = _read_cursor(cursor or _written_cursor(OUTGOING))
        other = INCOMING if which == OUTGOING else OUTGOING
        params = {which: self._address, other: customer, "PageSize": str(min(limit, MOST_ROWS))}
        answer = self._api.list("Messages.json", params={**params, **more})
        entries, unreadable = _entries(self._rows(answer.body, "messages"))
        following = self._cursor_after(which, answer.body)
        if following is None and which == OUTGOING:
            following = _written_cursor(INCOMING)
        return ThreadPage(
            messages=[entry.message for entry in _newest_first(entries)],
            older=following,
            unreadable=unreadable,
        )

    def send(self, recipient: Recipient, text: str) -> str:
        """Send `text` as one SMS or WhatsApp message.

        Args:
            recipient: the number is in `thread_id` ("sms_+4915112345678").
            text: 1 to 1600 characters; an SMS is billed by the segment.

        Returns:
            The message's SID, "SM" or "MM" and 32 hexadecimal digits. It means queued: what
            becomes of it is told by `fetch_delivery` and by polling.

        Source: https://www.twilio.com/docs/messaging/api/message-resource#create-a-message-resource
        """
        to = self._customer_in(recipient.thread_id)
        form = {OUTGOING: self._address, INCOMING: to, "Body": text}
        answer = self._api.send("Messages.json", form=form)
        sid = answer.body.get("sid")
        if not isinstance(sid, str) or not sid:
            raise DeliveryUncertain("the answer to a send has no sid", platform=self.name)
        return sid

    def show_typing(self, recipient: Recipient) -> None:
        """Show it for the customer's newest message, which is marked as read with it."""
        if not self.capabilities.typing:
            raise UsageError("Twilio shows typing on WhatsApp only, not for SMS.")
        if recipient.last_message_id is None:
            raise GiveUp("there is no message to show it for", platform=self.name)
        self._api.show_typing(recipient.last_message_id)

    def fetch_delivery(self, message_id: str) -> DeliveryReport | None:
        answer = self._api.get("Messages", f"{message_id}.json")
        if answer.body.get("sid") != message_id:
            raise BadPayload("the answer is about another message", platform=self.name)
        return report_of(answer.body)

    def fetch_attachments(self, message_id: str) -> Sequence[Attachment]:
        answer = self._api.get("Messages", message_id, "Media.json")
        return [
            attachment_of(
                row, url_of=lambda sid: self._api.url("Messages", message_id, "Media", sid)
            )
            for row in self._rows(answer.body, "media_list")
        ]

    def _rows(self, listing: Mapping[str, Any], name: str) -> list[Any]:
        rows = listing.get(name)
        if not isinstance(rows, list):
            raise BadPayload(f"the answer holds no {name}", platform=self.name)
        return rows

    def _cursor_after(self, which: str, listing: Mapping[str, Any]) -> str | None:
        query = self._api.query_of_next(listing)
        if query is None:
            return None
        kept = [(name, value) for name, value in parse_qsl(query) if name in _OF_NEXT]
        return _written_cursor(which, kept)

    def _customer_in(self, thread_id: str) -> str:
        """The address of the customer in a thread of this sender."""
        beginning = "whatsapp_" if self._is_whatsapp else "sms_"
        number = thread_id.removeprefix(beginning)
        if number == thread_id or not number:
            raise GiveUp("the thread is not one of this sender", platform=self.name)
        return f"{WHATSAPP}{number}" if self._is_whatsapp else number


def address_of(number: object) -> str:
    """A sender's address from what a person types: "+1 555-0100", "whatsapp:+15550100".

    Raises:
        UsageError: it is neither a number nor a short code.
    """
    given = str(number or "").strip()
    bare = given[len(WHATSAPP) :] if given.lower().startswith(WHATSAPP) else given
    plain = "".join(letter for letter in bare if letter not in " -().\u00a0")
    if not SENDER.fullmatch(plain) or (bare != given and not plain.startswith("+")):
        raise UsageError(
            "Twilio needs the number that customers write to: --number +15550100, "
            "or --number whatsapp:+15550100 for WhatsApp."
        )
    return f"{WHATSAPP}{plain}" if bare != given else plain


def _entries(
    rows: Sequence[object], *, since: datetime | None = None
) -> tuple[list[Entry], list[Unreadable]]:
    """The rows as messages, newest first; those that make no sense, as far back as `since`."""
    found = [entry_of(row) for row in rows]
    is_before = [isinstance(each, Entry) and each.is_before(since) for each in found]
    known_from = is_before.index(True) if True in is_before else len(found)
    return (
        [each for each in found if isinstance(each, Entry)],
        [each for each in found[:known_from] if isinstance(each, Unreadable)],
    )


def _settled_until(answered_at: datetime | None, rows: Sequence[object]) -> datetime | None:
    """By Twilio's clock, or a number that sends and gets nothing would never move on. What is
    still coming in counts from when it was begun, and holds the rest back until it is here.
    """
    if answered_at is None:
        return None
    coming = [began for row in rows if (began := coming_since(row)) is not None]
    return min([answered_at, *(each for each in coming if each > answered_at - COMING_FOR)])


def _threads(entries: Sequence[Entry]) -> list[ThreadSlice]:
    """The messages of a page by thread, the thread of the newest message first."""
    by_thread: dict[str, list[Entry]] = {}
    for entry in _newest_first(entries):
        by_thread.setdefault(entry.thread_id, []).append(entry)
    return [
        ThreadSlice(
            thread_id=thread_id,
            customer=found[0].customer,
            updated_at=None,
            messages=[entry.message for entry in found],
        )
        for thread_id, found in by_thread.items()
    ]


def _newest_first(entries: Sequence[Entry]) -> list[Entry]:
    """As listed, but for what is not sent yet: that stands on top of the list, not of the time."""
    return sorted(entries, key=lambda entry: entry.message.created_at, reverse=True)


def _written_cursor(which: str, query: Sequence[tuple[str, str]] = ()) -> str:
    return urlencode([("list", which), *query])


def _read_cursor(cursor: str | None) -> tuple[str, dict[str, str]]:
    """Which list, and what to ask it for beside the first page's questions."""
    more = dict(parse_qsl(cursor or ""))
    which = more.pop("list", INCOMING)
    return which, more
