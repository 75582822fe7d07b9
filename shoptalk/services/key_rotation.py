"""Changing the key that seals the stored credentials.

With a key file: a new key is put before the old one (`vault.add_new_key`), every channel's
credentials are sealed with it in one transaction (`reseal`), and the old one is dropped
(`vault.drop_old_keys`). After each step the file opens whatever is stored, so a kill between any
two leaves everything at work, and the next rotation ends what it began.

With SHOPTALK_SECRET_KEY the owner puts the new key first and drops the old ones; only the middle
step is ours.
"""

from dataclasses import dataclass

from shoptalk.db.encrypted import claim_key, lock_encrypted
from shoptalk.db.engine import Database
from shoptalk.db.models import ChannelIntegration
from shoptalk.errors import UsageError
from shoptalk.vault import Vault, add_new_key, drop_old_keys
from shoptalk.wiring import App


@dataclass(frozen=True, slots=True, kw_only=True)
class Rotated:
    sealed: int  #: channels whose credentials are under the first key now
    left: tuple[int, ...]  #: disconnected channels that no key of ours opens


def rotate(app: App) -> Rotated:
    """Seal every channel's credentials with a new key.

    Raises:
        UsageError: there is no new key to seal with, or a connected channel's credentials open
            with none of ours. Nothing has changed then.
    """
    vault, database = app.vault, app.database
    has_key_file = app.settings.shoptalk_secret_key is None
    if not has_key_file and vault.key_count == 1:
        raise UsageError(
            "SHOPTALK_SECRET_KEY holds one key only: put a new one and a comma before it, and "
            "run `shoptalk secrets rotate` again."
        )
    with database.transaction() as alone:  # from before the first step until after the last
        claim_key(alone)
        if not has_key_file:
            return reencrypt(database, vault)
        home = app.settings.shoptalk_home
        reencrypt(database, app.reopened_vault())  # so that what cannot be opened is said first
        add_new_key(home)
        rotated = reencrypt(database, app.reopened_vault())
        drop_old_keys(home)
        app.reopened_vault()
    return rotated


def reencrypt(database: Database, vault: Vault) -> Rotated:
    """Seal all credentials with the vault's first key, in one transaction.

    Raises:
        UsageError: those of a connected channel open with none of its keys. None is changed.
    """
    left = []
    with database.transaction() as session:
        channels = lock_encrypted(session)
        for channel in channels:
            sealed = _resealed(vault, channel)
            if sealed is None:
                left.append(channel.id)
            else:
                channel.config = sealed
    return Rotated(sealed=len(channels) - len(left), left=tuple(left))


def _resealed(vault: Vault, channel: ChannelIntegration) -> str | None:
    """None for a disconnected channel whose key is lost: dropping ours takes nothing from it."""
    try:
        return vault.reencrypt(channel.config)
    except UsageError:
        if not channel.is_connected:
            return None
    raise UsageError(
        f"The credentials of channel {channel.id} ({channel.channel} {channel.display_name!r}) "
        "were sealed with a key that is not at hand: connect the channel again, or disconnect "
        "it first. Nothing was changed."
    )
