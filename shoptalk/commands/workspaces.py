"""`shoptalk workspaces`: the shops of this database."""

from dataclasses import asdict

import click

from shoptalk import values
from shoptalk.commands.common import Group, json_option, print_json, print_rows, visible, with_app
from shoptalk.commands.display import Column, column
from shoptalk.wiring import App


@click.group(cls=Group)
def workspaces() -> None:
    """List the shops, and make another.

    \b
    Examples:
      shoptalk workspaces list
      shoptalk workspaces create bakery
    """


@workspaces.command("list")
@json_option
@with_app
def list_(app: App, as_json: bool) -> None:
    """List the workspaces and how many channels are connected in each.

    \b
    Example:
      shoptalk workspaces list
    """
    from shoptalk.db.workspaces import list_workspaces

    with app.database.transaction() as session:
        rows = [asdict(each) for each in list_workspaces(session)]
    columns: list[str | Column] = ["id", column("name", text=True), "channels"]
    print_rows(rows, as_json=as_json, columns=columns, empty="There is no workspace yet.")


@workspaces.command()
@click.argument("name")
@json_option
@with_app
def create(app: App, name: str, as_json: bool) -> None:
    """Make another shop. Commands are about it where WORKSPACE is its NAME.

    \b
    Example:
      shoptalk workspaces create bakery
    """
    from shoptalk.db.workspaces import create_workspace

    try:
        name = values.passphrase(name)
    except ValueError as exc:
        raise click.BadParameter(f"{exc}.", param_hint="NAME") from None
    if not name:
        raise click.BadParameter("must not be empty.", param_hint="NAME")
    with app.database.transaction() as session:
        made = create_workspace(session, name)
        row = {"id": made.id, "name": made.name}
    if as_json:
        print_json(row)
    else:
        click.echo(visible(f"Workspace {name} is made. Set WORKSPACE to it for its commands."))
