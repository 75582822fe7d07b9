"""Chatwoot's application API over HTTP, and what its error codes mean for us.

One call, one request: no retry, no pacing, no redirect. The token travels in the header
`api_access_token` and nowhere else. What an error says decides between a few meanings and is
never repeated: it may quote what was sent.

API: https://developers.chatwoot.com/api-reference/introduction
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from email.utils import parsedate_to_datetime
from enum import StrEnum
from http import HTTPStatus
from typing import Any
from urllib.parse import urlsplit

import requests

from shoptalk.errors import (
    BadPayload,
    ChannelStopped,
    DeliveryUncertain,
    GiveUp,
    PlatformError,
    RetryLater,
    Throttled,
    UsageError,
)
from shoptalk.platforms.base import AdapterContext
from shoptalk.platforms.http import Caller, HeaderAuth, date_of, json_in, usable_token
from shoptalk.types import Account

PLATFORM = "chatwoot"
FLOOD_WAIT = timedelta(minutes=1)  #: 200 messages a conversation and minute

RECONNECT = (
    "Copy the access token from the profile page of a Chatwoot user and connect the channel "
    "again. Behind nginx, set `underscores_in_headers on`, or the token does not get through."
)
NO_BOTS = (
    "Connect the channel again with the access token of a user: a bot's may not read messages."
)
RIGHTS = (
    "Make the token's user an administrator, or an agent of the inbox, and check the account id; "
    "then run `shoptalk channels test` with the channel's id."
)
PAY = "See to the account's plan in Chatwoot, then run `shoptalk channels test`."
LOOK = "Check the address, the account id and the inbox, and connect the channel again."
ADDRESS = "is there a Chatwoot at this address?"


class Purpose(StrEnum):
    """What a call was for; the same status can mean different things."""

    ACCOUNT = "account"  #: reading the account itself or its list of conversations
    THREAD = "thread"  #: reading one conversation
    CHANGE = "change"  #: typing, labels, status: harmless to repeat
    SEND = "send"  #: repeating it may say the same thing twice


@dataclass(frozen=True, slots=True, kw_only=True)
class ChatwootResponse:
    body: Mapping[str, Any]  #: {} where a change is answered with nothing or with a list
    answered_at: datetime | None  #: from the Date header, aware UTC


class ChatwootClient:
    """Calls one server for one account.

    Args:
        account: `config` needs `access_token`.
        base_url: with its sub-path, if it has one, as "https://shop.example/chat".

    Raises:
        UsageError: the token or the address cannot be used.
    """

    def __init__(self, account: Account, surroundings: AdapterContext, *, base_url: str) -> None:
        self._clock = surroundings.clock
        self._caller = Caller(
            platform=PLATFORM,
            session=surroundings.session,
            auth=HeaderAuth("api_access_token", usable_token(PLATFORM, account)),
            base_url=f"{base_url}/api/v1",
        )

    def get(
        self, *path: str, params: Mapping[str, str] | None = None, purpose: Purpose
    ) -> ChatwootResponse:
        """Read `path` below the API's root; each part is quoted.

        Raises:
            RetryLater: no connection, no answer, or the server stumbled.
            BadPayload: the answer is not Chatwoot's JSON.
            PlatformError: whatever the status says.
        """
        response = self._caller.exchange(
            "GET", self._caller.url(*path), is_send=False, params=params
        )
        return self._checked(response, purpose)

    def post(self, *path: str, payload: Mapping[str, Any], purpose: Purpose) -> ChatwootResponse:
        """Post `payload` as JSON.

        Raises:
            DeliveryUncertain: only for Purpose.SEND: it left us and no clear answer came back.
            PlatformError: as for `get`.
        """
        is_send = purpose is Purpose.SEND
        response = self._caller.exchange(
            "POST", self._caller.url(*path), is_send=is_send, payload=payload
        )
        return self._checked(response, purpose)

    def _checked(self, response: requests.Response, purpose: Purpose) -> ChatwootResponse:
        status, body = response.status_code, json_in(response.content)
        if 200 <= status < 300:
            if isinstance(body, Mapping):
                return ChatwootResponse(body=body, answered_at=date_of(response))
            if purpose is Purpose.CHANGE:  # typing is answered with nothing at all
                return ChatwootResponse(body={}, answered_at=date_of(response))
        raise _error_of(
            status, body, purpose, retry_after=_retry_after(response, now=self._clock())
        )


def _error_of(
    status: int, body: object, purpose: Purpose, *, retry_after: timedelta | None
) -> PlatformError:
    """What a status other than a good answer means.

    Chatwoot answers 401 to a dead token and to missing rights alike, and 422 to whatever goes
    wrong while a message is made, also after it was stored.
    """
    said = _said(body)
    is_one_thread = purpose is not Purpose.ACCOUNT
    match status:
        case HTTPStatus.UNAUTHORIZED if "for bots" in said:
            return _stopped("the token is a bot's, which may not read", NO_BOTS, status)
        case HTTPStatus.UNAUTHORIZED if "not authorized to do this" in said:
            if is_one_thread:
                return _give_up("the token's user may not see this conversation", status)
            return _stopped("the token's user has no right to this", RIGHTS, status)
        case HTTPStatus.UNAUTHORIZED if "suspended" in said:
            return _stopped("the account is suspended", RIGHTS, status)
        case HTTPStatus.UNAUTHORIZED:
            return _stopped("the access token is not valid", RECONNECT, status)
        case HTTPStatus.PAYMENT_REQUIRED:
            return _stopped("Chatwoot wants to be paid", PAY, status)
        case HTTPStatus.FORBIDDEN if is_one_thread:
            return _give_up("the server forbids this", status)
        case HTTPStatus.FORBIDDEN:
            return _stopped("the server forbids access", RIGHTS, status)
        case HTTPStatus.NOT_FOUND if isinstance(body, Mapping):
            if is_one_thread:
                return _give_up("the conversation does not exist (any more)", status)
            return _stopped("there is no such account or inbox", LOOK, status)
        case HTTPStatus.TOO_MANY_REQUESTS:
            return Throttled(
                "too many requests", platform=PLATFORM, code=status, retry_after=retry_after
            )
        case HTTPStatus.UNPROCESSABLE_ENTITY if "too many messages" in said:
            return Throttled(
                "too many messages in one conversation",
                platform=PLATFORM,
                code=status,
                retry_after=retry_after or FLOOD_WAIT,
            )
        case HTTPStatus.UNPROCESSABLE_ENTITY if _is_refused(body, said):
            return _give_up("Chatwoot refuses this", status)
    if 300 <= status < 400:
        return BadPayload(
            f"HTTP {status}: a redirect is not followed; give the address it leads to",
            platform=PLATFORM,
            code=status,
        )
    if status == HTTPStatus.NOT_FOUND and purpose is not Purpose.SEND:
        return BadPayload(f"HTTP {status}: {ADDRESS}", platform=PLATFORM, code=status)
    text = f"HTTP {status} without an answer that makes sense"
    if purpose is Purpose.SEND:
        return DeliveryUncertain(text, platform=PLATFORM, code=status)
    if status >= 500 or status == HTTPStatus.REQUEST_TIMEOUT:
        return RetryLater(text, platform=PLATFORM, code=status, retry_after=retry_after)
    return BadPayload(text, platform=PLATFORM, code=status)


def _stopped(text: str, remedy: str, status: int) -> ChannelStopped:
    return ChannelStopped(text, platform=PLATFORM, code=status, remedy=remedy)


def _give_up(text: str, status: int) -> GiveUp:
    return GiveUp(text, platform=PLATFORM, code=status)


def _said(body: object) -> str:
    """The words of an error, to tell meanings apart; in lower case."""
    if not isinstance(body, Mapping):
        return ""
    words = [body.get(name) for name in ("error", "message", "description")]
    listed = body.get("errors")
    words += listed if isinstance(listed, list) else []
    return " ".join(each for each in words if isinstance(each, str)).lower()


def _is_refused(body: object, said: str) -> bool:
    """Whether a 422 says that the record itself was refused: then nothing was stored."""
    has_attributes = isinstance(body, Mapping) and bool(body.get("attributes"))
    return has_attributes or "validation failed" in said or "is too long" in said


def _retry_after(response: requests.Response, *, now: datetime) -> timedelta | None:
    """The header Retry-After, in seconds or as a moment; None where it is missing."""
    value = response.headers.get("Retry-After", "").strip()
    if value.isascii() and value.isdigit() and len(value) < 7:
        return timedelta(seconds=int(value))
    try:
        moment = parsedate_to_datetime(value)
    except (ValueError, TypeError):
        return None
    if moment.tzinfo is None:
        return None
    return max(moment - (date_of(response) or now), timedelta(0))


def usable_base_url(text: str) -> str:
    """The server's address without a slash at its end.

    Raises:
        UsageError: it is none.
    """
    problem = UsageError(
        "The address of the Chatwoot server must look like https://chat.example or "
        "https://example.com/chat, without user, query or fragment."
    )
    try:
        parts = urlsplit(text.strip())
        port = parts.port
    except ValueError:
        raise problem from None
    is_plain = not (parts.query or parts.fragment or parts.username or parts.password)
    if parts.scheme not in ("http", "https") or not parts.hostname or not is_plain:
        raise problem
    host = parts.hostname.lower()
    host = f"[{host}]" if ":" in host else host
    where = host if port is None else f"{host}:{port}"
    return f"{parts.scheme}://{where}{parts.path.rstrip('/')}"


def server_name(base_url: str) -> str:
    """What sets a server apart from others, as "chat.example" or "example.com:8080/chat"."""
    parts = urlsplit(base_url)
    is_usual = parts.port in (None, {"http": 80, "https": 443}[parts.scheme])
    host = parts.hostname or ""
    host = f"[{host}]" if ":" in host else host
    return f"{host if is_usual else f'{host}:{parts.port}'}{parts.path}"
