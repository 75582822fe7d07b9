"""Messenger of a Facebook Page.

API: https://developers.facebook.com/docs/messenger-platform/conversations
"""

from collections.abc import Mapping
from datetime import datetime, timedelta

from shoptalk.errors import BadPayload, ChannelStopped
from shoptalk.platforms.base import (
    AdapterContext,
    Capabilities,
    CredentialHealth,
    Identity,
    Page,
    Recipient,
    ThreadPage,
    ThreadSlice,
)
from shoptalk.platforms.meta.client import API_VERSION, GraphClient, sent_id
from shoptalk.platforms.meta.errors import Purpose
from shoptalk.platforms.meta.parser import GraphParser, nodes_of, text_of
from shoptalk.platforms.meta.tokens import token_health
from shoptalk.types import Account, InboundMessage, Unreadable

BASE_URL = f"https://graph.facebook.com/{API_VERSION}"
#: https://developers.facebook.com/docs/permissions
PERMISSIONS = ("pages_messaging", "pages_manage_metadata", "pages_read_engagement")
#: A page of threads shows this many messages of each: enough that a normal poll is one call
SLICE_MESSAGES = 15
#: Sub-fields of shares come only when asked for
MESSAGE_FIELDS = (
    "id,created_time,from,message,attachments,sticker,"
    "shares{id,link,name,description,type,url,title},reply_to,is_unsupported"
)


class Messenger:
    """One Page. `external_id` is the Page's id, or "me" for the Page of the token.

    Config: `access_token`; optional `app_secret`, `appsecret_proof`, `self_ids`, and `folder`
    ("inbox" by default; "page_done", "other" and "spam" are known).
    """

    name = "facebook"
    capabilities = Capabilities(
        polled=True,
        history=True,
        typing=True,
        max_text=2000,
        reply_window=timedelta(hours=24),
        calls_per_second=2.0,
        settings=frozenset({"app_secret", "appsecret_proof", "folder"}),
    )

    def __init__(self, account: Account, surroundings: AdapterContext) -> None:
        self._account_id = account.external_id
        self._folder = str(account.config.get("folder") or "")
        self._graph = GraphClient(
            self.name,
            account,
            surroundings,
            base_url=surroundings.settings.get("facebook_api_base_url") or BASE_URL,
        )
        self._reader = GraphParser(
            self_ids={account.external_id, *map(str, account.config.get("self_ids") or ())},
            message_id_from=message_id_from,
        )

    def identify(self) -> Identity:
        answer = self._graph.get(
            self._account_id, params={"fields": "id,name"}, purpose=Purpose.ACCOUNT
        )
        page_id = text_of(answer.body.get("id"))
        if page_id is None:
            raise BadPayload("the account has no id", platform=self.name)
        if self._account_id not in (page_id, "me"):
            raise ChannelStopped(
                f"the account id {self._account_id} stands for Page {page_id}",
                platform=self.name,
                remedy=f"Connect the channel with the account id {page_id}.",
            )
        return Identity(
            external_id=page_id,
            display_name=text_of(answer.body.get("name")) or page_id,
            platform_time=answer.answered_at,
            config={"self_ids": [page_id]},
        )

    def check_credentials(self) -> CredentialHealth:
        return token_health(self._graph, platform=self.name, needs=PERMISSIONS)

    def fetch_page(
        self,
        *,
        cursor: str | None,
        limit: int,
        since: datetime | None,
    ) -> Page:
        return self._list(cursor=cursor, limit=limit, messages=SLICE_MESSAGES, since=since)

    def fetch_past(self, *, cursor: str | None, limit: int, messages: int) -> Page:
        return self._list(cursor=cursor, limit=limit, messages=messages, since=None)

    def _list(
        self, *, cursor: str | None, limit: int, messages: int, since: datetime | None
    ) -> Page:
        nested = f"messages.limit({messages}){{{MESSAGE_FIELDS}}}"
        params = {
            "platform": "messenger",
            "fields": f"id,updated_time,participants,{nested}",
            "limit": str(limit),
        }
        if self._folder:
            params["folder"] = self._folder
        if cursor is not None:
            params["after"] = cursor
        answer = self._graph.get(
            self._account_id, "conversations", params=params, purpose=Purpose.ACCOUNT
        )
        rows = nodes_of(answer.body)
        if rows is None:
            raise BadPayload("the answer holds no list of threads", platform=self.name)
        results = [self._slice(row, since) for row in rows]
        return Page(
            threads=[each for each in results if isinstance(each, ThreadSlice)],
            next_cursor=self._graph.next_cursor(answer.body),
            unreadable=[each for each in results if isinstance(each, Unreadable)],
            usage=answer.usage,
        )

    def fetch_thread(self, thread_id: str, *, cursor: str, limit: int) -> ThreadPage:
        params = {"fields": MESSAGE_FIELDS, "limit": str(limit)}
        if cursor:
            params["after"] = cursor
        answer = self._graph.get(thread_id, "messages", params=params, purpose=Purpose.THREAD)
        if nodes_of(answer.body) is None:
            raise BadPayload("the answer holds no list of messages", platform=self.name)
        messages, unreadable = self._reader.messages(answer.body, thread_id=thread_id)
        return ThreadPage(
            messages=messages,
            older=self._graph.next_cursor(answer.body),
            unreadable=unreadable,
            usage=answer.usage,
        )

    def send(self, recipient: Recipient, text: str) -> str:
        """Send `text` as an answer within the 24-hour window; no tag is ever used.

        Args:
            recipient: `customer_id` is the person's page-scoped id.
            text: 1 to 2000 characters.

        Returns:
            The message id with its "m_", as reading shows it, also where sending leaves it out.

        Source: https://developers.facebook.com/docs/messenger-platform/reference/send-api
        """
        payload = {
            "recipient": {"id": recipient.customer_id},
            "messaging_type": "RESPONSE",
            "message": {"text": text},
        }
        answer = self._graph.post(
            self._account_id, "messages", payload=payload, purpose=Purpose.SEND
        )
        return message_id_from(sent_id(answer.body, platform=self.name))

    def show_typing(self, recipient: Recipient) -> None:
        payload = {"recipient": {"id": recipient.customer_id}, "sender_action": "typing_on"}
        self._graph.post(self._account_id, "messages", payload=payload, purpose=Purpose.TYPING)

    def _slice(self, row: object, since: datetime | None) -> ThreadSlice | Unreadable:
        thread = self._reader.thread(row)
        if isinstance(thread, Unreadable):
            return thread
        assert isinstance(row, Mapping)
        is_unchanged = since is not None and thread.updated_at < since
        # Most rows of most polls are unchanged: nobody will want their messages.
        listing = None if is_unchanged else row.get("messages")
        messages: list[InboundMessage] = []
        unreadable: list[Unreadable] = []
        older: str | None = ""  # without a readable list of messages the thread is read by itself
        if isinstance(listing, Mapping) and nodes_of(listing) is not None:
            messages, unreadable = self._reader.messages(listing, thread_id=thread.thread_id)
            try:
                older = self._graph.next_cursor(listing)
            except BadPayload as exc:
                # What the row shows still counts; that there is more is put on record
                older = None
                unreadable.append(
                    Unreadable(reason=str(exc), thread_id=thread.thread_id, place=len(messages))
                )
        return ThreadSlice(
            thread_id=thread.thread_id,
            customer=thread.customer,
            updated_at=thread.updated_at,
            messages=messages,
            older=older,
            unreadable=unreadable,
        )


def message_id_from(platform_id: str) -> str:
    """Reading shows "m_AbC", and sending may answer "AbC" for the same message."""
    return platform_id if platform_id.startswith("m_") else f"m_{platform_id}"
