"""Instagram direct messages, over a linked Page or over Instagram Login.

The two logins do not mix: a Page's token works on graph.facebook.com with the *Page's* id in
the path, an Instagram Login token on graph.instagram.com with "me".

API: https://developers.facebook.com/docs/instagram-platform
"""

from collections.abc import Mapping
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any

from shoptalk.errors import BadPayload, ChannelStopped, UsageError
from shoptalk.platforms.base import (
    AdapterContext,
    Capabilities,
    CredentialHealth,
    Identity,
    Page,
    Recipient,
    TextUnit,
    ThreadPage,
    ThreadSlice,
)
from shoptalk.platforms.meta.client import API_VERSION, GraphClient, GraphResponse, sent_id
from shoptalk.platforms.meta.errors import Purpose
from shoptalk.platforms.meta.parser import GraphParser, nodes_of, text_of
from shoptalk.platforms.meta.tokens import token_health
from shoptalk.types import Account, Unreadable

PAGE_BASE_URL = f"https://graph.facebook.com/{API_VERSION}"
LOGIN_BASE_URL = f"https://graph.instagram.com/{API_VERSION}"
READ_SECONDS = 25.0  # lists of busy accounts have been seen to take over 12
#: Older messages of a thread are listed, but their details are refused
READABLE_MESSAGES = 20
INVALID_TOKEN = 190
#: Of a Page's token. https://developers.facebook.com/docs/permissions
PERMISSIONS = ("instagram_basic", "instagram_manage_messages", "pages_manage_metadata")
MESSAGE_FIELDS = (
    "id,created_time,from,message,attachments,"
    "shares{id,link,name,description,template},story,reply_to,is_unsupported"
)


class Login(StrEnum):
    PAGE = "page"
    INSTAGRAM = "instagram"


class Instagram:
    """One professional account. `external_id` is its id, that of its Page, or "me".

    Config: `access_token`; optional `app_secret`, `appsecret_proof`. `identify` finds out
    `login` ("page" or "instagram"), `page_id` and `self_ids`, and the rest relies on them.
    """

    name = "instagram"
    capabilities = Capabilities(
        polled=True,
        history=True,
        typing=True,
        max_text=1000,
        text_unit=TextUnit.UTF8_BYTES,
        reply_window=timedelta(hours=24),
        readable_messages=READABLE_MESSAGES,
        calls_per_second=2.0,
        most_listed=25,  # longer lists of busy accounts time out
        settings=frozenset({"app_secret", "appsecret_proof", "login"}),
    )

    def __init__(self, account: Account, surroundings: AdapterContext) -> None:
        try:
            self._login = Login(account.config["login"]) if account.config.get("login") else None
        except ValueError:
            raise UsageError('login must be "page" or "instagram".') from None
        settings = surroundings.settings
        self._clients = {
            login: GraphClient(
                self.name, account, surroundings, base_url=base_url, read_seconds=READ_SECONDS
            )
            for login, base_url in {
                Login.PAGE: settings.get("facebook_api_base_url") or PAGE_BASE_URL,
                Login.INSTAGRAM: settings.get("instagram_api_base_url") or LOGIN_BASE_URL,
            }.items()
        }
        self._graph = self._clients[self._login or Login.PAGE]
        self._external_id = account.external_id
        self._page_id = str(account.config.get("page_id") or "")
        self._node = (
            "me" if self._login is Login.INSTAGRAM else self._page_id or account.external_id
        )
        known = (account.external_id, self._page_id, *(account.config.get("self_ids") or ()))
        self._reader = GraphParser(self_ids={str(each) for each in known if each})

    def identify(self) -> Identity:
        """Ask who we are; without a known `login`, over the Page first.

        Raises:
            ChannelStopped: the token fits neither login, or belongs to another account.
        """
        if self._login is Login.INSTAGRAM:
            return self._identify_by_login()
        try:
            return self._identify_by_page()
        except ChannelStopped as exc:
            if self._login is Login.PAGE or exc.code != INVALID_TOKEN:
                raise
            over_page = exc
        try:
            return self._identify_by_login()
        except ChannelStopped as exc:
            # A subcode (expired, password changed) comes only from the login that knows the token
            telling = over_page if over_page.subcode is not None else exc
            raise ChannelStopped(
                f"over the linked Page: {over_page}; over Instagram Login: {exc}",
                platform=self.name,
                code=telling.code,
                subcode=telling.subcode,
                remedy=telling.remedy,
            ) from None

    def _identify_by_page(self) -> Identity:
        # Whether external_id is the Page's or Instagram's cannot be seen from it; a Page's
        # token knows its own Page.
        answer = self._clients[Login.PAGE].get(
            self._page_id or "me",
            params={"fields": "id,name,instagram_business_account{id,username}"},
            purpose=Purpose.ACCOUNT,
        )
        page_id = text_of(answer.body.get("id"))
        if page_id is None:
            raise BadPayload("the Page has no id", platform=self.name)
        linked = answer.body.get("instagram_business_account")
        account_id = text_of(linked.get("id")) if isinstance(linked, Mapping) else None
        if not isinstance(linked, Mapping) or account_id is None:
            raise ChannelStopped(
                f"no Instagram account is linked to Page {page_id}",
                platform=self.name,
                remedy="Link an Instagram professional account to the Page, then connect again.",
            )
        return self._identity(
            answer,
            ids=(account_id, page_id),
            display_name=text_of(linked.get("username")) or text_of(answer.body.get("name")),
            config={"login": Login.PAGE.value, "page_id": page_id},
        )

    def _identify_by_login(self) -> Identity:
        answer = self._clients[Login.INSTAGRAM].get(
            "me", params={"fields": "id,user_id,username"}, purpose=Purpose.ACCOUNT
        )
        # `user_id` is our side of a conversation, `id` the same account as this app knows it
        ids = (text_of(answer.body.get("user_id")), text_of(answer.body.get("id")))
        return self._identity(
            answer,
            ids=tuple(each for each in ids if each),
            display_name=text_of(answer.body.get("username")),
            config={"login": Login.INSTAGRAM.value},
        )

    def _identity(
        self,
        answer: GraphResponse,
        *,
        ids: tuple[str, ...],
        display_name: str | None,
        config: dict[str, str],
    ) -> Identity:
        """Check `ids`, the account's own id first, against the one we were given."""
        if not ids:
            raise BadPayload("the account has no id", platform=self.name)
        if self._external_id not in (*ids, "me"):
            raise ChannelStopped(
                f"the access token belongs to account {ids[0]}, not to {self._external_id}",
                platform=self.name,
                remedy=f"Connect the channel with the account id {ids[0]}, or with the other "
                "account's own token.",
            )
        return Identity(
            external_id=ids[0] if self._external_id == "me" else self._external_id,
            display_name=display_name or ids[0],
            platform_time=answer.answered_at,
            config={**config, "self_ids": list(dict.fromkeys(ids))},
        )

    def check_credentials(self) -> CredentialHealth:
        """Instagram Login has no way to ask: its token's end is known only when it has come."""
        if self._login is not Login.PAGE:
            return CredentialHealth()
        return token_health(self._graph, platform=self.name, needs=PERMISSIONS)

    def fetch_page(
        self,
        *,
        cursor: str | None,
        limit: int,
        since: datetime | None,
    ) -> Page:
        """List threads without their messages: asked for both, busy accounts time out."""
        params = {
            "platform": "instagram",
            "fields": "id,updated_time,participants",
            "limit": str(limit),
        }
        if cursor is not None:
            params["after"] = cursor
        answer = self._graph.get(
            self._node, "conversations", params=params, purpose=Purpose.ACCOUNT
        )
        rows = nodes_of(answer.body)
        if rows is None:
            raise BadPayload("the answer holds no list of threads", platform=self.name)
        threads = [self._reader.thread(row) for row in rows]
        return Page(
            threads=[
                ThreadSlice(
                    thread_id=thread.thread_id,
                    customer=thread.customer,
                    updated_at=thread.updated_at,
                    older="",
                )
                for thread in threads
                if not isinstance(thread, Unreadable)
            ],
            next_cursor=self._graph.next_cursor(answer.body),
            unreadable=[each for each in threads if isinstance(each, Unreadable)],
            usage=answer.usage,
        )

    def fetch_thread(self, thread_id: str, *, cursor: str, limit: int) -> ThreadPage:
        """Read the newest 20 messages at most, mostly in one call.

        A cursor other than "" holds how many of the 20 have been seen, then Graph's own.
        `hidden` is 1 where there are more than 20: how many more, Instagram does not say.
        """
        seen, after = _unpacked(cursor)
        wanted = max(1, min(limit, READABLE_MESSAGES - seen))
        if after:
            answer = self._graph.get(
                thread_id,
                "messages",
                params={"fields": MESSAGE_FIELDS, "limit": str(wanted), "after": after},
                purpose=Purpose.THREAD,
            )
            listing: Mapping[str, Any] = answer.body
        else:
            answer = self._graph.get(
                thread_id,
                params={"fields": f"messages.limit({wanted}){{{MESSAGE_FIELDS}}}"},
                purpose=Purpose.THREAD,
            )
            listing = answer.body.get("messages", {"data": []})
        nodes = nodes_of(listing)
        if nodes is None:
            raise BadPayload("the answer holds no list of messages", platform=self.name)
        messages, unreadable = self._reader.messages(listing, thread_id=thread_id)
        seen += len(nodes)
        following = self._graph.next_cursor(listing)
        is_over = following is None or seen >= READABLE_MESSAGES
        return ThreadPage(
            messages=messages,
            older=None if is_over else f"{seen}:{following}",
            unreadable=unreadable,
            hidden=1 if is_over and following is not None else 0,
            usage=answer.usage,
        )

    def send(self, recipient: Recipient, text: str) -> str:
        """Send `text` within the 24-hour window; no tag is ever used.

        Args:
            recipient: `customer_id` is the person's Instagram-scoped id.
            text: up to 1000 bytes of UTF-8.

        Returns:
            The message id, as reading shows it.

        Source: https://developers.facebook.com/docs/messenger-platform/instagram
        """
        payload = {"recipient": {"id": recipient.customer_id}, "message": {"text": text}}
        answer = self._graph.post(self._node, "messages", payload=payload, purpose=Purpose.SEND)
        return sent_id(answer.body, platform=self.name)

    def show_typing(self, recipient: Recipient) -> None:
        payload = {"recipient": {"id": recipient.customer_id}, "sender_action": "typing_on"}
        self._graph.post(self._node, "messages", payload=payload, purpose=Purpose.TYPING)


def _unpacked(cursor: str) -> tuple[int, str]:
    """Messages seen and Graph's cursor, from "12:QVFI..."; 0 and "" for the newest page."""
    seen, _, after = cursor.partition(":")
    return (int(seen) if seen.isdecimal() else 0), after
