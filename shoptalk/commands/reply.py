"""`shoptalk reply`: one responder pass."""

import click

from shoptalk.commands.common import json_option, print_json, with_app
from shoptalk.wiring import App


@click.command()
@json_option
@with_app
def reply(app: App, as_json: bool) -> None:
    """One responder pass, then exit: answers every turn that is due. Safe in cron.

    Exit status: 0 done (turns that must wait are tried later), 2 wrong usage or settings.

    \b
    Example:
      shoptalk reply
    """
    responder = app.responder()
    app.workspace_id()  # all shops are answered; a misspelt one is told all the same
    responder.try_models_again()
    ended = responder.answer_all_due()
    if as_json:
        print_json(dict(ended))
    elif not ended:
        click.echo("No turn is due.")
    else:
        click.echo(", ".join(f"{count} {name}" for name, count in sorted(ended.items())))
