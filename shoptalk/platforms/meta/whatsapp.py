"""WhatsApp over Meta's Cloud API. It sends; what customers write comes in by file.

The Cloud API hands messages to webhooks only: no endpoint lists them. It shows typing only
against the id of a received message, which only a webhook gets, so there is no typing either.

API: https://developers.facebook.com/docs/whatsapp/cloud-api
"""

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import NoReturn

from shoptalk.errors import BadPayload, ChannelStopped, DeliveryUncertain, GiveUp, UsageError
from shoptalk.platforms.base import (
    AdapterContext,
    Capabilities,
    CredentialHealth,
    Identity,
    Page,
    Recipient,
    TextFormat,
    ThreadPage,
)
from shoptalk.platforms.meta.client import API_VERSION, GraphClient
from shoptalk.platforms.meta.errors import Purpose
from shoptalk.platforms.meta.parser import text_of
from shoptalk.platforms.meta.tokens import token_health
from shoptalk.types import Account

BASE_URL = f"https://graph.facebook.com/{API_VERSION}"

#: https://developers.facebook.com/docs/permissions
PERMISSIONS = ("whatsapp_business_messaging",)


class WhatsApp:
    """One phone number. `external_id` is Meta's phone-number id, not the number.

    Config: `access_token`; optional `app_secret` and `appsecret_proof`.
    """

    name = "whatsapp"
    capabilities = Capabilities(
        polled=False,
        history=False,
        typing=False,
        max_text=4096,
        text_format=TextFormat.WHATSAPP,
        reply_window=timedelta(hours=24),
        settings=frozenset({"app_secret", "appsecret_proof"}),
    )

    def __init__(self, account: Account, surroundings: AdapterContext) -> None:
        self._phone_number_id = account.external_id
        self._graph = GraphClient(
            self.name,
            account,
            surroundings,
            base_url=surroundings.settings.get("whatsapp_api_base_url") or BASE_URL,
        )

    def identify(self) -> Identity:
        answer = self._graph.get(
            self._phone_number_id,
            params={"fields": "id,display_phone_number,verified_name"},
            purpose=Purpose.ACCOUNT,
        )
        number_id = text_of(answer.body.get("id"))
        if number_id is None:
            raise BadPayload("the phone number has no id", platform=self.name)
        if number_id != self._phone_number_id:
            raise ChannelStopped(
                f"the account id {self._phone_number_id} stands for phone number {number_id}",
                platform=self.name,
                remedy=f"Connect the channel with the account id {number_id}.",
            )
        number = text_of(answer.body.get("display_phone_number"))
        return Identity(
            external_id=number_id,
            display_name=text_of(answer.body.get("verified_name")) or number or number_id,
            platform_time=answer.answered_at,
        )

    def check_credentials(self) -> CredentialHealth:
        """Only this notices in time that a test token is about to end: nothing is polled."""
        return token_health(self._graph, platform=self.name, needs=PERMISSIONS)

    def fetch_page(
        self,
        *,
        cursor: str | None,
        limit: int,
        since: datetime | None,
    ) -> Page:
        _refuse_polling()

    def fetch_thread(
        self,
        thread_id: str,
        *,
        cursor: str,
        limit: int,
    ) -> ThreadPage:
        _refuse_polling()

    def send(self, recipient: Recipient, text: str) -> str:
        """Send `text` within the 24-hour window; no template is ever used.

        Args:
            recipient: `customer_id` is the phone number, with or without "+"; where it is
                empty, the number in `thread_id` ("whatsapp_+96170000000") counts.
            text: 1 to 4096 characters.

        Returns:
            The message id ("wamid...."). It means accepted; whether it was delivered is told
            to webhooks only.

        Source: https://developers.facebook.com/docs/whatsapp/cloud-api/guides/send-messages
        """
        number = recipient.customer_id or recipient.thread_id.removeprefix("whatsapp_")
        if not number.removeprefix("+").isdigit():
            raise GiveUp("the chat was imported without a phone number", platform=self.name)
        payload = {
            "messaging_product": "whatsapp",
            "recipient_type": "individual",
            "to": number,
            "type": "text",
            "text": {"preview_url": False, "body": text},
        }
        answer = self._graph.post(
            self._phone_number_id, "messages", payload=payload, purpose=Purpose.SEND
        )
        messages = answer.body.get("messages")
        first = messages[0] if isinstance(messages, list) and messages else None
        message_id = text_of(first.get("id")) if isinstance(first, Mapping) else None
        if message_id is None:
            raise DeliveryUncertain("the answer to a send has no id", platform=self.name)
        return message_id

    def show_typing(self, recipient: Recipient) -> None:
        raise UsageError(
            "WhatsApp's Cloud API shows typing only in answer to a message it gave to a webhook."
        )


def _refuse_polling() -> NoReturn:
    raise UsageError(
        "WhatsApp's Cloud API cannot be polled: it gives messages to webhooks only. "
        "Bring them in from an exported chat with `shoptalk import --file FILE`."
    )
