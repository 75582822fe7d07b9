"""What a question is about: which node its path names, whose it is, and of what kind it is."""

from dataclasses import dataclass
from typing import Literal

from shoptalk.sandbox.accounts import SandboxAccount, Token
from shoptalk.sandbox.faults import Target
from shoptalk.sandbox.graph.errors import GraphError, bad_parameter, no_such_object
from shoptalk.sandbox.graph.question import Question
from shoptalk.sandbox.messages import StoredMessage
from shoptalk.sandbox.threads import Thread
from shoptalk.sandbox.world import World

NodeKind = Literal["page", "account", "thread", "message", "customer", "nothing"]
READS = frozenset({"list", "thread", "message"})  #: what two calls a second are for


@dataclass(slots=True, kw_only=True)
class Node:
    kind: NodeKind
    id: str
    account: SandboxAccount | None = None  #: None: nobody's, or a Page without an inbox
    thread: Thread | None = None
    message: StoredMessage | None = None


def node_of(world: World, question: Question) -> Node:
    """Return what the first part of the path names, without asking who may see it."""
    name = question.path[0] if question.path else ""
    token = world.tokens.get(question.token or "")
    if name == "me" and token is not None:
        name = token.owner_id
    account = world.find_account(name)
    linked = world.linked_to(name)
    if linked is not None or (account is not None and account.platform == "facebook"):
        chosen = _of_page(question, messenger=account, instagram=linked)
        return Node(kind="page", id=name, account=chosen)
    if account is not None:
        return Node(kind="account", id=account.account_id, account=account)
    if (thread := world.find_thread(name)) is not None:
        owner = world.accounts[thread.account_id]
        return Node(kind="thread", id=name, account=owner, thread=thread)
    if (message := world.find_message(name)) is not None:
        owner = world.accounts[message.account_id]
        of = owner.threads.by_customer[message.customer_id]
        return Node(kind="message", id=message.id, account=owner, thread=of, message=message)
    for candidate in accounts_of(world, token):
        if (of_person := candidate.threads.by_customer.get(name)) is not None:
            return Node(kind="customer", id=name, account=candidate, thread=of_person)
    return Node(kind="nothing", id=name, account=next(iter(accounts_of(world, token)), None))


def accounts_of(world: World, token: Token | None) -> list[SandboxAccount]:
    """Return the accounts a token speaks for: a Page may have two inboxes."""
    if token is None:
        return []
    both = (world.accounts.get(token.owner_id), world.linked_to(token.owner_id))
    return [account for account in both if account is not None]


def kind_of(question: Question, node: Node) -> str:
    """Return the ledger's word for the question."""
    match question.method, question.path:
        case "GET", ():
            return "multi" if "ids" in question.params else "other"
        case "POST", ():
            return "batch"
        case "GET", ("debug_token" | "refresh_access_token",):
            return "debug"
        case "GET", (_, "conversations"):
            return "list"
        case "POST", (_, "messages"):
            params = question.params
            is_courtesy = "sender_action" in params or params.get("status") == "read"
            return "typing" if is_courtesy else "send"
        case "GET", (_, "messages") if node.kind == "thread":
            return "thread"
        case "GET", (_,):
            return {
                "page": "identity",
                "account": "identity",
                "thread": "thread",
                "message": "message",
                "customer": "profile",
            }.get(node.kind, "other")
        case _:
            return "other"


def target_of(world: World, question: Question) -> Target:
    """Describe a question to the fault rules and the ledger."""
    with world.lock:
        node = node_of(world, question)
    return Target(
        host=question.host,
        method=question.method,
        path="/" + "/".join(question.path),
        kind=kind_of(question, node),
        account_id=node.account.account_id if node.account else None,
        is_first_page=question.is_first_page,
        in_batch=question.in_batch,
    )


def check_access(question: Question, node: Node, token: Token) -> None:
    """Refuse a node that the token does not reach.

    Raises:
        GraphError: 100/33; 3, an Instagram account asked for by its own id on Facebook's host.
    """
    account = node.account
    if node.kind == "nothing" or (account is None and node.kind != "page"):
        raise no_such_object(node.id, question.method)
    if node.kind == "page":
        if token.owner_id != node.id:
            raise no_such_object(node.id, question.method)
        return
    assert account is not None
    reaches = token.owner_id == account.owner_id
    if account.platform == "whatsapp":
        reaches = token.text == account.token
    if not reaches:
        raise no_such_object(node.id, question.method)
    is_linked = account.platform == "instagram" and account.login == "page"
    if node.kind == "account" and is_linked and len(question.path) > 1:
        raise GraphError(3, "(#3) Application does not have the capability to make this API call.")


def inbox(node: Node, question: Question) -> SandboxAccount:
    """Return the account whose threads a Page or account node is asked for.

    Raises:
        GraphError: 100/2534013, Instagram is asked for where none is linked.
    """
    if node.account is not None:
        return node.account
    if _wants_instagram(question):
        raise bad_parameter("The Page is not linked to an Instagram account", 2534013)
    raise no_such_object(node.id, question.method)


def _of_page(
    question: Question, *, messenger: SandboxAccount | None, instagram: SandboxAccount | None
) -> SandboxAccount | None:
    """Choose between a Page's inboxes: by `platform`, or by whom a message is for."""
    if question.method == "POST" and len(question.path) == 2:
        recipient = question.thing("recipient")
        person = recipient.get("id") if isinstance(recipient, dict) else None
        for account in (messenger, instagram):
            if account is not None and str(person) in account.threads.by_customer:
                return account
        return messenger or instagram
    if len(question.path) == 2:
        return instagram if _wants_instagram(question) else messenger
    return messenger or instagram


def _wants_instagram(question: Question) -> bool:
    return str(question.params.get("platform", "")).lower() == "instagram"
