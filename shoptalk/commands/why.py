"""`shoptalk why`: the reason, with every condition."""

from dataclasses import asdict
from datetime import timedelta

import click

from shoptalk.app import App
from shoptalk.commands.common import json_option, print_json, visible, with_app


@click.command()
@click.argument("message_id", metavar="MESSAGE_ID")
@json_option
@with_app
def why(app: App, message_id: str, as_json: bool) -> None:
    """Tell why a message was answered, or why not: every condition and its value."""
    from shoptalk.db.conversations import get_message
    from shoptalk.responder.why import explain

    workspace_id = app.workspace_id()
    with app.database.transaction() as session:
        message, conversation = get_message(session, workspace_id, message_id)
        explanation = explain(
            session,
            message,
            conversation,
            now=app.clock(),
            backlog_after=timedelta(seconds=app.settings.backlog_after_seconds),
        )
    if as_json:
        print_json(asdict(explanation))
        return
    click.echo(visible(explanation.sentence))
    for condition in explanation.conditions:
        click.echo(f"  {visible(str(condition))}")
    click.echo(f"  outcome: {explanation.outcome or 'none yet'}")
