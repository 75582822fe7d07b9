"""What adapters share of HTTP: asking once, reading answers, telling what a failure means."""

import json
import socket
import ssl
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Any
from urllib.parse import SplitResult, quote, urlsplit

import orjson
import requests
from requests.auth import AuthBase
from urllib3.exceptions import ConnectTimeoutError, NewConnectionError

from shoptalk.errors import (
    BadPayload,
    DeliveryUncertain,
    ForeignLink,
    PlatformError,
    RetryLater,
    UsageError,
)
from shoptalk.types import Account

CONNECT_SECONDS = 5.0
READ_SECONDS = 20.0  #: between two bytes


class HeaderAuth(AuthBase):
    """As `auth` and not as a plain header, which requests would replace by a ~/.netrc entry."""

    def __init__(self, name: str, value: str) -> None:
        self._name = name
        self._value = value

    def __call__(self, request: requests.PreparedRequest) -> requests.PreparedRequest:
        request.headers[self._name] = self._value
        return request


@dataclass(frozen=True, slots=True, kw_only=True)
class Caller:
    """One account's way to its host: one call, one request, no redirect followed."""

    platform: str
    session: requests.Session
    auth: AuthBase
    base_url: str
    read_seconds: float = READ_SECONDS
    if_late: type[RetryLater] = RetryLater  #: what no answer in time is, where it is no send

    def url(self, *path: str) -> str:
        """The address of `path` below the base URL; each part is quoted."""
        return "/".join((self.base_url, *(quote(part, safe="") for part in path)))

    def exchange(
        self,
        method: str,
        url: str,
        *,
        is_send: bool,
        params: Mapping[str, str] | None = None,
        payload: Mapping[str, Any] | None = None,
        form: Mapping[str, str] | None = None,
    ) -> requests.Response:
        """Return whatever is answered; `payload` goes as JSON.

        Raises:
            RetryLater: nothing left us; or no answer came, and it may be repeated.
            DeliveryUncertain: the send left us and no answer came.
        """
        try:
            return self.session.request(
                method,
                url,
                params=params,
                json=payload,
                data=form,
                auth=self.auth,
                timeout=(CONNECT_SECONDS, self.read_seconds),
                allow_redirects=False,
            )
        except requests.RequestException as exc:
            failure = self._failure(exc, is_send=is_send)
        # Raised outside the handler: the exception underneath quotes the URL, and with it tokens
        # and customers' numbers, and would show up in a traceback.
        raise failure

    def _failure(self, exc: requests.RequestException, *, is_send: bool) -> PlatformError:
        if never_left(exc):
            return RetryLater("no connection could be made", platform=self.platform)
        is_late = isinstance(exc, requests.Timeout)
        lost = "no answer in time" if is_late else "the connection broke"
        kind = self.if_late if is_late else RetryLater
        return (DeliveryUncertain if is_send else kind)(lost, platform=self.platform)

    def checked_link(self, link: object, *, name: str) -> SplitResult:
        """The parts of a link to a next page, which names our host or none.

        Raises:
            ForeignLink: it points to another host.
            BadPayload: it is no address.
        """
        try:
            target = urlsplit(link if isinstance(link, str) else "")
            is_ours = not target.netloc or origin_of(target.geturl()) == origin_of(self.base_url)
            host = "".join(filter(str.isprintable, target.hostname or ""))[:253]
        except ValueError:
            raise BadPayload(f"{name} is not an address", platform=self.platform) from None
        if not is_ours:
            raise ForeignLink(f"{name} points to {host}; refused", platform=self.platform)
        return target


def usable_token(platform: str, account: Account, *, called: str = "access token") -> str:
    """The `access_token` in the account's config.

    Raises:
        UsageError: there is none, or no token looks like it.
    """
    token = str(account.config.get("access_token") or "").strip()
    if not token:
        raise UsageError(f"The {platform} account {account.external_id} has no {called}.")
    if not (token.isascii() and token.isprintable()) or " " in token:
        raise UsageError(
            f"The {called} of the {platform} account {account.external_id} holds "
            "characters that no token has; copy it again."
        )
    return token


def json_in(content: bytes) -> Any:
    """The JSON value in `content`, None where there is none."""
    try:
        return orjson.loads(content)
    except orjson.JSONDecodeError:
        pass  # it may be a half of a surrogate pair, or another thing that only json lets pass
    try:
        return json.loads(content)
    except (ValueError, RecursionError):  # not JSON, not Unicode, or nested to no end
        return None


def date_of(response: requests.Response) -> datetime | None:
    """The Date header as aware UTC; None where there is none."""
    try:
        moment = parsedate_to_datetime(response.headers.get("Date", ""))
    except (ValueError, TypeError):
        return None
    return moment.replace(tzinfo=moment.tzinfo or UTC).astimezone(UTC)


def origin_of(url: str) -> tuple[str, str | None, int | None]:
    """Scheme, host and port. Raises ValueError where it is no address."""
    parts = urlsplit(url)
    port = parts.port or {"https": 443, "http": 80}.get(parts.scheme)
    return parts.scheme, parts.hostname, port


_NOT_CONNECTED = (
    NewConnectionError,
    ConnectTimeoutError,
    ConnectionRefusedError,
    socket.gaierror,
    ssl.SSLCertVerificationError,
)


def never_left(exc: requests.RequestException) -> bool:
    """Whether the request certainly never left us: refused, unknown host, wrong certificate.

    Only `args` and `reason` are looked through. What Python chains on its own may be the
    leftover of an earlier call.
    """
    if isinstance(exc, requests.ConnectTimeout | ValueError):  # ValueError: not even a valid URL
        return True
    causes: list[object] = [exc]
    while causes:
        cause = causes.pop()
        if isinstance(cause, _NOT_CONNECTED):
            return True
        if isinstance(cause, Exception):
            causes += [*cause.args, getattr(cause, "reason", None)]
    return False
