"""`shoptalk db`: the schema."""

import click

from shoptalk.commands.common import Group, json_option, print_done, with_app
from shoptalk.wiring import App


@click.group(cls=Group)
def db() -> None:
    """Create or migrate the database schema.

    \b
    Example:
      shoptalk db upgrade
    """


@db.command()
@json_option
@with_app
def upgrade(app: App, as_json: bool) -> None:
    """Create the schema, or bring it up to date. Safe to run twice at once.

    \b
    Example:
      shoptalk db upgrade
    """
    from shoptalk.db import schema

    revision = schema.upgrade(app.unchecked_database)
    print_done(f"The schema is at revision {revision}.", {"revision": revision}, as_json=as_json)
