"""What a demo tells at its end: counts, conversations, and why one message was not answered."""

import shutil
from collections.abc import Sequence

import click
from sqlalchemy.orm import Session

from shoptalk.commands.common import visible
from shoptalk.commands.conversations import transcript
from shoptalk.commands.demo_accounts import Branch
from shoptalk.commands.display import money, one_line, to_the_second
from shoptalk.db.catalog import list_orders, list_products
from shoptalk.db.conversations import (
    get_conversation,
    get_message,
    last_messages,
    list_messages,
    messages_of_turn,
)
from shoptalk.db.deliveries import deliveries_of
from shoptalk.db.models import Message, Order, Turn
from shoptalk.db.status import ChannelAnswers, channel_answers, inbox_counts
from shoptalk.services.why import Explanation, explain
from shoptalk.types import Outcome
from shoptalk.wiring import App

LINE = 100  #: columns of the widest paragraph


def tell_counts(app: App) -> None:
    workspace_id = app.workspace_id()
    with app.database.transaction() as session:
        counts = inbox_counts(session, workspace_id)
        orders = list_orders(session, workspace_id, limit=50)
    title("What happened")
    click.echo(f"  conversations imported    {counts.conversations}")
    click.echo(f"  messages imported         {counts.messages}")
    click.echo(f"  history, left alone       {counts.history}")
    click.echo(f"  turns answered            {counts.turns_answered}")
    click.echo(f"  orders made               {len(orders)}")
    for order in orders:
        customer = order.customer_name or "-"
        what = f"{order.quantity} × {order.product_name}, {money(order.total, order.currency)}"
        where = f"in conversation {order.conversation_id}"  # the same shopper may come twice
        _echo(f"{what}, for {customer}, {where}", indent=4)


def tell_one_in_full(app: App) -> None:
    """A conversation with an order, if there is any."""
    workspace_id = app.workspace_id()
    with app.database.transaction() as session:
        bought: Sequence[Order | Message] = list_orders(session, workspace_id, limit=1)
        found = bought or list_messages(
            session, workspace_id, unreplied=False, outcome=Outcome.ANSWERED, limit=1
        )
        if not found:
            return
        conversation = get_conversation(session, workspace_id, str(found[0].conversation_id))
        lines = transcript(conversation, last_messages(session, conversation.id, limit=50))
    title("One conversation in full")
    for line in lines:
        click.echo(f"  {line}")


def tell_each_platform(app: App, branches: Sequence[Branch]) -> list[str]:
    """Tell how far each got, and one answer on each; return the titles of those without any."""
    with app.database.transaction() as session:
        told = [
            (each.account.title, channel_answers(session, each.channel.id)) for each in branches
        ]
        examples = [(name, _example(session, app, found)) for name, found in told]
    title("On each platform")
    for name, found in told:
        answered = found.conversations_answered or "none"
        click.echo(f"  {name:<21} {found.conversations:>3} conversations, {answered:>4} answered")
    title("One conversation answered on each")
    for name, lines in examples:
        click.echo(f"  {name}")
        for line in lines:
            _echo(line, indent=4)
    return [name for name, found in told if not found.answered]


def _example(session: Session, app: App, found: ChannelAnswers) -> list[str]:
    """An answer, short, or why there is none."""
    if found.answered:
        names = [product.name for product in list_products(session, app.workspace_id())]
        exchanges = [_exchange(session, turn) for turn in found.answered]
        about_goods = (each for each in exchanges if any(name in each[1] for name in names))
        return next(about_goods, exchanges[0])
    if found.last_question is None:
        return ["nobody was answered: nobody wrote"]
    why = _explanation(session, app, found.last_question.message_id).sentence
    return [f"nobody was answered: {found.last_question.message_id}: {why}"]


def _exchange(session: Session, turn: Turn) -> list[str]:
    """What the customer wrote in one go, and what was answered."""
    conversation = get_conversation(session, turn.workspace_id, str(turn.conversation_id))
    customer = conversation.customer_name or conversation.customer_id
    asked = " / ".join(message.content for message in messages_of_turn(session, turn.id))
    answer = " ".join(delivery.content for delivery in deliveries_of(session, turn))
    return [f"{customer}: {' '.join(asked.split())}", f"shoptalk: {' '.join(answer.split())}"]


def _echo(text: str, *, indent: int) -> None:
    """Print a paragraph as wide as the terminal; words are kept whole."""
    click.echo(
        click.wrap_text(
            visible(text),
            min(shutil.get_terminal_size((LINE, 24)).columns, LINE),
            initial_indent=" " * indent,
            subsequent_indent=" " * (indent + 2),
        )
    )


def tell_why_not(app: App) -> None:
    """Why the message that a person answered got no answer of ours."""
    workspace_id = app.workspace_id()
    with app.database.transaction() as session:
        unanswered = list_messages(
            session,
            workspace_id,
            unreplied=False,
            outcome=Outcome.ANSWERED_BY_PERSON,
            limit=1,
        )
        if not unanswered:
            return
        [message] = unanswered
        explanation = _explanation(session, app, message.message_id)
    title("Why one message was not answered")
    click.echo(f"  $ shoptalk why {message.message_id}")
    click.echo(f"  {one_line(message.content)!r}: {explanation.sentence}")
    for condition in explanation.conditions:
        click.echo(f"    {visible(str(condition))}")


def _explanation(session: Session, app: App, message_id: str) -> Explanation:
    message, conversation = get_message(session, app.workspace_id(), message_id)
    return explain(
        session,
        message,
        conversation,
        now=app.clock(),
        rules=app.rules,
        show=to_the_second,
    )


def tell_how_to_connect() -> None:
    title("Your own account")
    click.echo("  export OPENAI_API_KEY=...    # or any compatible server with OPENAI_BASE_URL")
    click.echo("  shoptalk channels connect facebook --account-id PAGE_ID   # asks for the token")
    click.echo("  shoptalk products import catalog.csv")
    click.echo("  shoptalk run")


def title(text: str) -> None:
    click.echo()
    click.secho(text, bold=True)
