"""Twilio's REST API over HTTP: one call, one request, no retry, no redirect.

API: https://www.twilio.com/docs/usage/api
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

import requests
from requests.auth import HTTPBasicAuth

from shoptalk.errors import BadPayload, DeliveryUncertain, UsageError
from shoptalk.platforms.base import AdapterContext
from shoptalk.platforms.http import Caller, date_of, json_in, usable_token
from shoptalk.platforms.twilio.errors import error_of
from shoptalk.types import Account

VERSION = "2010-04-01"
ACCOUNT_SID = re.compile(r"AC[0-9a-fA-F]{32}")
API_KEY = re.compile(r"SK[0-9a-fA-F]{32}")


@dataclass(frozen=True, slots=True, kw_only=True)
class TwilioResponse:
    """A good answer: a JSON object."""

    body: Mapping[str, Any]
    answered_at: datetime | None  #: from the Date header, aware UTC


class TwilioApi:
    """Calls below one account.

    Args:
        account: `config` needs `access_token`, the auth token or the secret of `api_key`; and
            `account_sid`, unless that is the account's `external_id`.
        base_url: without the version, as "https://api.twilio.com".

    Raises:
        UsageError: the account's config cannot be used.
    """

    def __init__(
        self, platform: str, account: Account, surroundings: AdapterContext, *, base_url: str
    ) -> None:
        token = usable_token(platform, account, called="auth token")
        self.account_sid = str(account.config.get("account_sid") or account.external_id)
        if not ACCOUNT_SID.fullmatch(self.account_sid):
            raise UsageError(
                "Twilio's --account-id is the account SID, AC and 32 hexadecimal digits."
            )
        user = str(account.config.get("api_key") or self.account_sid)
        if user != self.account_sid and not API_KEY.fullmatch(user):
            raise UsageError("Twilio's --api-key is its SID, SK and 32 hexadecimal digits.")
        self._platform = platform
        self._caller = Caller(
            platform=platform,
            session=surroundings.session,
            auth=HTTPBasicAuth(user, token),
            base_url=base_url.rstrip("/"),
        )
        self.messaging_url = _messaging_url(base_url.rstrip("/"))  #: None: it cannot be told

    def list(self, *path: str, params: Mapping[str, str]) -> TwilioResponse:
        """Read one page of a list of the account.

        Raises:
            RetryLater: no connection, no answer, or Twilio stumbled.
            BadPayload: the answer is not Twilio's JSON.
            PlatformError: whatever the error table says.
        """
        return self._exchange("GET", self.url(*path), params=params, is_list=True)

    def get(self, *path: str) -> TwilioResponse:
        """Read one thing of the account; raises as `list` does, and GiveUp where it is gone."""
        return self._exchange("GET", self.url(*path))

    def send(self, *path: str, form: Mapping[str, str]) -> TwilioResponse:
        """Post a form that must not be repeated on a guess.

        Raises:
            RetryLater: nothing left us, or it was refused for now.
            DeliveryUncertain: it left us and no clear answer came back.
            PlatformError: whatever the error table says.
        """
        return self._exchange("POST", self.url(*path), form=form, is_send=True)

    def show_typing(self, message_id: str) -> None:
        """Show a WhatsApp customer that the answer to a message is being written.

        Raises:
            PlatformError: it was not shown.

        Source: https://www.twilio.com/docs/whatsapp/api/typing-indicators-resource
        """
        assert self.messaging_url is not None
        form = {"channel": "whatsapp", "messageId": message_id}
        self._exchange("POST", f"{self.messaging_url}/v2/Indicators/Typing.json", form=form)

    def url(self, *path: str) -> str:
        return self._caller.url(VERSION, "Accounts", self.account_sid, *path)

    def query_of_next(self, listing: Mapping[str, Any]) -> str | None:
        """The query of the page after `listing`, None where it is the last.

        Links are relative as a rule. They are never followed: the walk goes on with the query.

        Raises:
            BadPayload: the link points to another host (ForeignLink), or is no link.
        """
        link = listing.get("next_page_uri")
        if link is None or link == "":
            return None
        target = self._caller.checked_link(link, name="next_page_uri")
        if not target.query:
            raise BadPayload("there is a next page but no way to it", platform=self._platform)
        return target.query

    def _exchange(
        self,
        method: str,
        url: str,
        *,
        params: Mapping[str, str] | None = None,
        form: Mapping[str, str] | None = None,
        is_send: bool = False,
        is_list: bool = False,
    ) -> TwilioResponse:
        response = self._caller.exchange(method, url, is_send=is_send, params=params, form=form)
        return self._checked(response, is_send=is_send, is_list=is_list)

    def _checked(
        self, response: requests.Response, *, is_send: bool, is_list: bool
    ) -> TwilioResponse:
        status, body = response.status_code, json_in(response.content)
        if 200 <= status < 300:
            if isinstance(body, Mapping):
                return TwilioResponse(body=body, answered_at=date_of(response))
            kind = DeliveryUncertain if is_send else BadPayload
            raise kind("an answer that makes no sense", platform=self._platform)
        if 300 <= status < 400:
            raise BadPayload(f"HTTP {status}: a redirect is not followed", platform=self._platform)
        raise error_of(
            status,
            body,
            platform=self._platform,
            is_send=is_send,
            is_list=is_list,
            retry_after=_retry_after(response),
        )


def _messaging_url(base_url: str) -> str | None:
    """Where the API that shows typing is, as the neighbour of the one that is configured.

    The credentials go to no host that is not Twilio's: another name has no such neighbour.
    """
    head, found, tail = base_url.rpartition("api.")
    is_name = head.endswith("/") and tail.endswith("twilio.com") and "/" not in tail
    return f"{head}messaging.{tail}" if found and is_name else None


def _retry_after(response: requests.Response) -> timedelta | None:
    """Twilio does not document the header; where it is there, it is taken at its word."""
    seconds = response.headers.get("Retry-After", "")
    if not (seconds.isascii() and seconds.isdigit() and len(seconds) < 6):
        return None
    return timedelta(seconds=int(seconds))
