"""Connecting an account: the platform is asked first, and only what it confirms is stored."""

from collections.abc import Mapping

from shoptalk.db import channels as rows
from shoptalk.db.encrypted import keep_key
from shoptalk.db.models import ChannelIntegration
from shoptalk.errors import UsageError
from shoptalk.platforms import registry
from shoptalk.services.token_health import find_health
from shoptalk.types import Account
from shoptalk.wiring import App


def connect_channel(
    app: App,
    platform: str,
    account_id: str,
    config: Mapping[str, str],
    *,
    name: str | None,
    ai_default: bool | None,
) -> ChannelIntegration:
    """Connect an account, or give a connected one new credentials.

    The cut-over is the platform's time where it tells it, whole seconds. An account that only
    gets a new token keeps its own: what came in while the old one was dead is still new. It keeps
    its name and settings too, as far as others are not given.

    Args:
        config: an "app_secret" that is "" takes a kept one away.
        ai_default: whether new conversations start with the AI on; None: as before, and on for
            a new account.

    Raises:
        UsageError: unknown platform, or the account belongs to another workspace.
        ChannelStopped: the platform refuses the credentials. Nothing is stored.
    """
    database = app.database
    workspace_id = app.workspace_id()
    config = {**_kept(app, workspace_id, platform, account_id), **config}
    config = {key: value for key, value in config.items() if value}
    adapter = app.platform(platform, Account(external_id=account_id, config=config))
    identity = adapter.identify()
    known = {**config, **identity.config}
    # Anew, with what was learnt: which login it is decides what can be told
    account = Account(external_id=identity.external_id, config=known)
    health = find_health(app.platform(platform, account))
    cut_over = (identity.platform_time or app.clock()).replace(microsecond=0)
    with database.transaction() as session:
        keep_key(session)
        sealed = app.reopened_vault().seal(known)
        before = rows.find_account(session, platform, identity.external_id)
        if before is not None and before.workspace_id != workspace_id:
            raise UsageError(
                f"Account {identity.external_id} is connected in another workspace: "
                "its customers would be answered twice."
            )
        agent = rows.get_default_agent(session, workspace_id)
        channel = before or ChannelIntegration(
            workspace_id=workspace_id,
            channel=platform,
            external_id=identity.external_id,
            agent_id=agent.id,
            connected_at=cut_over,
        )
        if before is not None and not before.is_connected:
            channel.connected_at = cut_over
            rows.leave_to_history(session, channel.id, now=app.clock())
        channel.display_name = (
            name or (before.display_name if before else None) or identity.display_name
        )
        channel.config = sealed
        if ai_default is not None:
            channel.ai_default = ai_default
        channel.is_connected = True
        channel.stopped_at = channel.last_error = channel.remedy = channel.next_poll_at = None
        channel.failures = 0
        # What was known of the old credentials says nothing of these; without an answer the
        # next tick asks again
        channel.token_checked_at = app.clock() if health else None
        channel.token_expires_at = health.expires_at if health else None
        channel.data_access_expires_at = health.data_access_expires_at if health else None
        channel.missing_permissions = list(health.missing_permissions) if health else []
        if not adapter.capabilities.history:
            channel.history_state = "done"
        session.add(channel)
        session.flush()
        session.refresh(channel)
    return channel


#: What belongs to the token, and is told anew with it.
_WITH_TOKEN = frozenset({"access_token", "api_key", "login"})


def _kept(app: App, workspace_id: int, platform: str, account_id: str) -> dict[str, str]:
    """The settings of an account that was connected before."""
    with app.database.transaction() as session:
        before = rows.find_account(session, platform, account_id)
    if before is None or before.workspace_id != workspace_id:
        return {}
    try:
        config = app.opened(before.config)
    except UsageError:  # its key is lost: connecting anew is the way out
        return {}
    known = registry.adapter(platform).capabilities.settings
    return {
        name: value
        for name, value in config.items()
        if name not in _WITH_TOKEN and (known is None or name in known)
    }
