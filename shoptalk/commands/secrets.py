"""`shoptalk secrets`: the key that seals the stored credentials."""

import click

from shoptalk.commands.common import Group, json_option, print_done, with_app
from shoptalk.wiring import App


@click.group(cls=Group)
def secrets() -> None:
    """Look after the key that seals the stored credentials.

    \b
    Example:
      shoptalk secrets rotate
    """


@secrets.command()
@json_option
@with_app
def rotate(app: App, as_json: bool) -> None:
    """Seal every channel's credentials with a new key.

    The key file gets a new key by itself. With SHOPTALK_SECRET_KEY put the new key first, as in
    new,old: credentials are sealed with it, and the others can be dropped afterwards. Safe to
    run again whenever it was interrupted.

    \b
    Example:
      shoptalk secrets rotate
    """
    from shoptalk.services.key_rotation import rotate as rotate_keys
    from shoptalk.vault import KEY_FILE

    rotated = rotate_keys(app)
    for channel_id in rotated.left:
        click.echo(
            f"Channel {channel_id} is disconnected and sealed with a key that is not at hand; "
            "it was left as it is.",
            err=True,
        )
    channels = f"{rotated.sealed} channel{'' if rotated.sealed == 1 else 's'}"
    document = {"sealed": rotated.sealed, "left": list(rotated.left)}
    if app.settings.shoptalk_secret_key is None:
        print_done(
            f"Sealed the credentials of {channels} with a new key, and dropped the old one. "
            f"Another machine on the same database needs a copy of {KEY_FILE}.",
            document,
            as_json=as_json,
        )
        return
    count = app.vault.key_count
    dropped = "The second key" if count == 2 else f"The keys after it, 2 to {count},"
    print_done(
        f"Sealed the credentials of {channels} with the first key of SHOPTALK_SECRET_KEY. "
        f"{dropped} can be dropped now.",
        document,
        as_json=as_json,
    )
