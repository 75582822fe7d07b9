"""What adapters share of HTTP: reading answers, and telling what a failure means."""

import json
import socket
import ssl
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Any
from urllib.parse import urlsplit

import requests
from urllib3.exceptions import ConnectTimeoutError, NewConnectionError


def json_in(content: bytes) -> Any:
    """The JSON value in `content`, None where there is none."""
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
