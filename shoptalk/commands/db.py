"""`shoptalk db`: the schema."""

import click

from shoptalk.app import App
from shoptalk.commands.common import with_app


@click.group()
def db() -> None:
    """Create or migrate the database schema."""


@db.command()
@with_app
def upgrade(app: App) -> None:
    """Create the schema, or bring it up to date. Safe to run twice at once."""
    from shoptalk.db import schema

    revision = schema.upgrade(app.unchecked_database)
    click.echo(f"The schema is at revision {revision}.")
