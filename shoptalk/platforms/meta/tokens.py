"""How an access token fares, as Meta tells it: when it ends, and what it may not do.

Source: https://developers.facebook.com/docs/graph-api/reference/debug_token
"""

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

from shoptalk.errors import BadPayload, ChannelStopped, PlatformError, RetryLater
from shoptalk.platforms.base import CredentialHealth
from shoptalk.platforms.meta.client import GraphClient
from shoptalk.platforms.meta.errors import RECONNECT, Purpose, platform_error, whole_number

#: Errors about the token itself. Any other says only that it may not be asked about here
ABOUT_THE_TOKEN = frozenset({0, 102, 104, 190})


def token_health(graph: GraphClient, *, platform: str, needs: Sequence[str]) -> CredentialHealth:
    """Ask about the client's own token.

    Meta wants whoever asks to be a developer of the token's app, and refuses others with code
    100, also when they ask about themselves. That is no news, and no reason to stop a channel.

    Args:
        needs: the permissions without which the platform cannot be used.

    Raises:
        ChannelStopped: the token is dead.
        RetryLater, BadPayload: no answer that makes sense.
    """
    try:
        answer = graph.debug_token()
    except RetryLater:
        raise
    except PlatformError as exc:
        if exc.code is None or exc.code in ABOUT_THE_TOKEN:
            raise
        return CredentialHealth()
    data = answer.body.get("data")
    if not isinstance(data, Mapping):
        raise BadPayload("the answer holds nothing about the token", platform=platform)
    if data.get("is_valid") is False:
        raise _dead(data.get("error"), platform)
    granted = data.get("scopes")
    return CredentialHealth(
        expires_at=_moment(data.get("expires_at")),
        data_access_expires_at=_moment(data.get("data_access_expires_at")),
        missing_permissions=[each for each in needs if each not in granted]
        if isinstance(granted, list)
        else (),
    )


def _dead(reason: object, platform: str) -> PlatformError:
    error: Mapping[str, Any] = reason if isinstance(reason, Mapping) else {}
    # Named otherwise than in every other answer, and 0 where there is no subcode
    named = {"code": error.get("code"), "error_subcode": error.get("subcode") or None}
    found = platform_error(named, platform=platform, purpose=Purpose.ACCOUNT)
    if isinstance(found, ChannelStopped):
        return found
    return ChannelStopped("the access token is not valid", platform=platform, remedy=RECONNECT)


def _moment(unix_time: object) -> datetime | None:
    """Meta writes 0 for never."""
    seconds = whole_number(unix_time)
    if seconds is None or seconds <= 0:
        return None
    try:
        return datetime.fromtimestamp(seconds, UTC)
    except (ValueError, OverflowError, OSError):  # beyond the calendar
        return None
