"""`shoptalk why`: the reason, with every condition."""

from dataclasses import asdict

import click

from shoptalk.commands.common import json_option, moment, print_json, visible, with_app
from shoptalk.wiring import App

SHOWN = 200  #: characters of the message


@click.command()
@click.argument("message_id", metavar="MESSAGE_ID")
@json_option
@with_app
def why(app: App, message_id: str, as_json: bool) -> None:
    """Tell why a message was answered, or why not: every condition and its value.

    \b
    Example:
      shoptalk why MESSAGE_ID
    """
    from shoptalk.commands.conversations import customer_of
    from shoptalk.commands.display import shortened, to_the_second
    from shoptalk.db.conversations import get_message
    from shoptalk.services.why import explain, in_utc

    workspace_id = app.workspace_id()
    with app.database.transaction() as session:
        message, conversation = get_message(session, workspace_id, message_id)
        explanation = explain(
            session,
            message,
            conversation,
            rules=app.rules,
            now=app.clock(),
            show=in_utc if as_json else to_the_second,
        )
    if as_json:
        print_json(
            asdict(explanation)
            | {
                "id": message.id,
                "conversation_id": conversation.id,
                "sender_type": message.sender_type,
                "created_at": moment(message.created_at),
                "content": message.content,
            }
        )
        return
    click.echo(visible(explanation.sentence))
    author = customer_of(conversation) if message.sender_type == "customer" else message.sender_type
    said = shortened(message.content, SHOWN) or f"[{message.content_type}]"
    lines = [
        f"{to_the_second(message.created_at)}  {author}: {said}",
        f"message {message.id}, {message.message_id}",
        f"conversation {conversation.id} on {conversation.platform}",
        *map(str, explanation.conditions),
    ]
    for line in lines:
        click.echo(f"  {visible(line)}")
