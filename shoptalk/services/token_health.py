"""Watching credentials: ask the platform how they fare, note it, and say in time what to do.

Asked are: whoever connects or tests a channel, `doctor`, and once a day the scheduler. What a
platform cannot tell now is no failure of the channel.
"""

import logging
import shlex
from dataclasses import dataclass
from datetime import datetime, timedelta

from shoptalk.db.channels import claim_token_check, note_credentials, stop_channel
from shoptalk.db.models import ChannelIntegration
from shoptalk.errors import ChannelStopped, PlatformError, ShoptalkError
from shoptalk.platforms.base import CredentialHealth, Identity, Platform, credential_health
from shoptalk.wiring import App

CHECK_EVERY = timedelta(days=1)
WARN_BEFORE = timedelta(days=7)

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class Checked:
    identity: Identity
    channel: ChannelIntegration  #: with what was noted


def check_channel(app: App, channel: ChannelIntegration) -> Checked:
    """Ask whose the credentials are and how they fare, and note the latter.

    Raises:
        ChannelStopped: the platform refuses them. Nothing is noted; the caller decides.
        PlatformError: the platform did not answer.
    """
    platform = app.platform_of(channel)
    identity = platform.identify()
    health = find_health(platform)
    if health is None:
        return Checked(identity=identity, channel=channel)
    with app.database.transaction() as session:
        noted = note_credentials(
            session,
            channel,
            checked_at=app.clock(),
            expires_at=health.expires_at,
            data_access_expires_at=health.data_access_expires_at,
            missing_permissions=health.missing_permissions,
        )
    return Checked(identity=identity, channel=noted or channel)


def find_health(platform: Platform) -> CredentialHealth | None:
    """None where it cannot be told now.

    Raises:
        ChannelStopped: the credentials are dead.
    """
    try:
        return credential_health(platform)
    except ChannelStopped:
        raise
    except PlatformError as exc:
        extra = {"platform": platform.name, "error": str(exc)}
        log.warning("how long the credentials last cannot be told now", extra=extra)
        return None


def check_next_due(app: App) -> bool:
    """Check the channel whose daily check is due; return False when none is.

    Only a platform that refuses the account stops the channel. Any other failure waits for
    the next day.
    """
    with app.database.transaction() as session:
        channel = claim_token_check(session, now=app.clock(), every=CHECK_EVERY)
    if channel is None:
        return False
    about = {"channel_id": channel.id}
    try:
        checked = check_channel(app, channel)
    except ChannelStopped as exc:
        refuse(app, channel, exc)
        log.warning("the credentials are refused", extra=about | {"error": str(exc)})
    except ShoptalkError as exc:
        log.warning("the credentials could not be checked", extra=about | {"error": str(exc)})
    else:
        for warning in credential_warnings(checked.channel, now=app.clock()):
            log.warning("the credentials need attention", extra=about | {"warning": warning})
    return True


def refuse(app: App, channel: ChannelIntegration, why: ChannelStopped) -> None:
    """Stop the channel, unless it has been given other credentials meanwhile."""
    now, config = app.clock(), channel.config
    with app.database.transaction() as session:
        stop_channel(session, channel.id, str(why), why.remedy, now=now, config=config)


def credential_warnings(channel: ChannelIntegration, *, now: datetime) -> list[str]:
    """What the owner has to see to soon, or should have: a sentence each, with what to do."""
    if not channel.is_connected:
        return []
    account = shlex.quote(channel.external_id)
    connect = f"run `shoptalk channels connect {channel.channel} --account-id {account}` again."
    warnings = []
    if channel.missing_permissions:
        several = len(channel.missing_permissions) > 1
        warnings.append(
            f"The access token lacks the permission{'s' if several else ''} "
            f"{', '.join(channel.missing_permissions)}: grant {'them' if several else 'it'} to "
            f"the app, make a new token and {connect}"
        )
    expiry = channel.token_expires_at
    if expiry is not None and expiry <= now + WARN_BEFORE:
        verb = "expired" if expiry <= now else "expires"
        warnings.append(
            f"The access token {verb} on {expiry:%Y-%m-%d}: make a new one and {connect}"
        )
    end = channel.data_access_expires_at
    if end is not None and end <= now + WARN_BEFORE:
        verb = "ended" if end <= now else "ends"
        warnings.append(
            f"The app's access to the account's data {verb} on {end:%Y-%m-%d}: let the account's "
            f"owner allow the app again, make a new token and {connect}"
        )
    return warnings
