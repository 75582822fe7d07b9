"""Meta's Graph API over HTTP, shared by Messenger, Instagram and WhatsApp.

One call, one request: no retry, no pacing, no redirect. The access token travels in the
`Authorization` header and (but for `debug_token`) nowhere else, because Meta copies a token
given as a parameter into its paging links. Those links are never followed: a walk goes on by
the cursor in them.

API: https://developers.facebook.com/docs/graph-api/overview
"""

import hashlib
import hmac
import math
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from http import HTTPStatus
from typing import Any, TypeGuard
from urllib.parse import parse_qs

import requests

from shoptalk.errors import (
    BadPayload,
    DeliveryUncertain,
    RetryLater,
    Throttled,
    TimedOut,
    UsageError,
)
from shoptalk.platforms.base import AdapterContext, Usage
from shoptalk.platforms.http import (
    READ_SECONDS,
    Caller,
    HeaderAuth,
    date_of,
    json_in,
    usable_token,
)
from shoptalk.platforms.meta.errors import Purpose, platform_error, whole_number
from shoptalk.types import Account

API_VERSION = "v25.0"
USAGE_HEADERS = ("x-app-usage", "x-page-usage", "x-business-use-case-usage")
METERS = ("call_count", "total_time", "total_cputime")  # whole percentages


@dataclass(frozen=True, slots=True, kw_only=True)
class GraphResponse:
    """A good answer: a JSON object without an error in it."""

    body: Mapping[str, Any]
    usage: Usage | None
    answered_at: datetime | None  #: from the Date header, aware UTC


class GraphClient:
    """Calls one host for one account.

    Args:
        account: `config` needs `access_token` and may hold `app_secret` and
            `appsecret_proof` ("time", the default, or "classic").
        base_url: with the version, as "https://graph.facebook.com/v25.0".
        read_seconds: how long to wait for an answer.

    Raises:
        UsageError: the account's config cannot be used.
    """

    def __init__(
        self,
        platform: str,
        account: Account,
        surroundings: AdapterContext,
        *,
        base_url: str,
        read_seconds: float = READ_SECONDS,
    ) -> None:
        self._token = usable_token(platform, account)
        self._proof_form = str(account.config.get("appsecret_proof") or "time")
        if self._proof_form not in ("time", "classic"):
            raise UsageError('appsecret_proof must be "time" or "classic".')
        self._platform = platform
        self._app_secret = str(account.config.get("app_secret") or "")
        self._clock = surroundings.clock
        self._caller = Caller(
            platform=platform,
            session=surroundings.session,
            auth=HeaderAuth("Authorization", f"Bearer {self._token}"),
            base_url=base_url.rstrip("/"),
            read_seconds=read_seconds,
            if_late=TimedOut,
        )

    def get(self, *path: str, params: Mapping[str, str], purpose: Purpose) -> GraphResponse:
        """Read `path` below the base URL; each part is quoted.

        Raises:
            RetryLater: no connection, no answer (TimedOut), or Meta stumbled.
            BadPayload: the answer is not Graph's JSON.
            PlatformError: whatever the error table says.
        """
        response = self._caller.exchange(
            "GET", self._caller.url(*path), is_send=False, params={**params, **self._proof()}
        )
        return self._checked(response, purpose)

    def post(self, *path: str, payload: Mapping[str, Any], purpose: Purpose) -> GraphResponse:
        """Post `payload` as JSON.

        Raises:
            RetryLater: nothing left us, or it was refused for now.
            DeliveryUncertain: only for Purpose.SEND: it left us and no clear answer came back.
            PlatformError: whatever the error table says.
        """
        is_send = purpose is Purpose.SEND
        response = self._caller.exchange(
            "POST", self._caller.url(*path), is_send=is_send, params=self._proof(), payload=payload
        )
        return self._checked(response, purpose)

    def debug_token(self) -> GraphResponse:
        """Ask Meta about our own access token.

        The token goes out twice: in the header as who is asking, and as `input_token`, what
        is asked about. The second must be a parameter, Meta knows no header for it, so this
        is the one URL that holds a secret. Like every URL it is kept out of errors, and
        `shoptalk.logs` silences the one logger below us that would quote it.

        Source: https://developers.facebook.com/docs/graph-api/reference/debug_token
        """
        params = {"input_token": self._token}
        return self.get("debug_token", params=params, purpose=Purpose.ACCOUNT)

    def next_cursor(self, listing: Mapping[str, Any]) -> str | None:
        """The cursor of the page after `listing`, None where it is the last.

        Only a missing `next` marks the end: `cursors.after` may be there on the last page.

        Raises:
            ForeignLink: `next` points to another host.
            BadPayload: no cursor can be found.
        """
        paging = listing.get("paging")
        link = paging.get("next") if isinstance(paging, Mapping) else None
        if not isinstance(paging, Mapping) or not link:
            return None
        target = self._caller.checked_link(link, name="paging.next")
        cursors = paging.get("cursors")
        after = cursors.get("after") if isinstance(cursors, Mapping) else None
        after = after or parse_qs(target.query).get("after", [""])[0]
        if not isinstance(after, str) or not after:
            raise BadPayload("there is a next page but no cursor to it", platform=self._platform)
        return after

    def _proof(self) -> dict[str, str]:
        """Prove that we hold the app secret. The timed form is good for 5 minutes.

        Source: https://developers.facebook.com/docs/graph-api/guides/secure-requests
        """
        if not self._app_secret:
            return {}
        message, extra = self._token, {}
        if self._proof_form == "time":
            unix_time = str(int(self._clock().timestamp()))
            message, extra = f"{self._token}|{unix_time}", {"appsecret_time": unix_time}
        digest = hmac.new(self._app_secret.encode(), message.encode(), hashlib.sha256)
        return {"appsecret_proof": digest.hexdigest(), **extra}

    def _checked(self, response: requests.Response, purpose: Purpose) -> GraphResponse:
        status, body = response.status_code, json_in(response.content)
        usage = usage_from(response.headers)
        regain_after = usage.regain_after if usage else None
        error = body.get("error") if isinstance(body, Mapping) else None
        if isinstance(error, Mapping) and whole_number(error.get("code")) is not None:
            raise platform_error(
                error, platform=self._platform, purpose=purpose, regain_after=regain_after
            )
        if 200 <= status < 300 and isinstance(body, Mapping) and error is None:
            return GraphResponse(body=body, usage=usage, answered_at=date_of(response))
        if 300 <= status < 400:
            raise BadPayload(f"HTTP {status}: a redirect is not followed", platform=self._platform)
        text = f"HTTP {status} without an answer that makes sense"
        if status == HTTPStatus.TOO_MANY_REQUESTS:
            raise Throttled(text, platform=self._platform, retry_after=regain_after)
        if purpose is Purpose.SEND:
            raise DeliveryUncertain(text, platform=self._platform)
        if status >= 500 or status == HTTPStatus.REQUEST_TIMEOUT:
            raise RetryLater(text, platform=self._platform)
        raise BadPayload(text, platform=self._platform)


def sent_id(body: Mapping[str, Any], *, platform: str) -> str:
    """The id in the answer to a send; without one nobody knows what became of the message."""
    message_id = body.get("message_id")
    if not isinstance(message_id, str) or not message_id:
        raise DeliveryUncertain("the answer to a send holds no message id", platform=platform)
    return message_id


def usage_from(headers: Mapping[str, str]) -> Usage | None:
    """The fullest meter over all usage headers; None where none can be read.

    Source: https://developers.facebook.com/docs/graph-api/overview/rate-limiting#headers
    """
    percents: list[int] = []
    waits: list[timedelta] = []
    for name in USAGE_HEADERS:
        for meters in _meters(json_in(headers.get(name, "").encode())):
            percents += [math.ceil(meters[key]) for key in METERS if _is_amount(meters.get(key))]
            minutes = meters.get("estimated_time_to_regain_access")
            if _is_amount(minutes) and minutes > 0:  # 0 only says "not blocked now"
                waits.append(timedelta(minutes=minutes))
    if not percents and not waits:
        return None
    return Usage(percent=max(percents, default=100), regain_after=max(waits, default=None))


def _meters(header: Any) -> list[Mapping[str, Any]]:
    """The app header is one object of meters; the business header holds lists of them by id."""
    if not isinstance(header, Mapping):
        return []
    lists = [value for value in header.values() if isinstance(value, list)]
    nested = [each for meters in lists for each in meters if isinstance(each, Mapping)]
    return [header, *nested]


def _is_amount(value: object) -> TypeGuard[float]:
    return isinstance(value, int | float) and not isinstance(value, bool) and 0 <= value < 1_000_000
