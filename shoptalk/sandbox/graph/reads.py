"""Everything that reads: lists, threads, messages, people, and who we are."""

from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any

from shoptalk.sandbox.accounts import SandboxAccount
from shoptalk.sandbox.graph.errors import (
    GraphError,
    bad_parameter,
    message_gone,
    no_such_object,
    too_much_data,
)
from shoptalk.sandbox.graph.fields import Field, limit_of, parse_fields, weight
from shoptalk.sandbox.graph.nodes import (
    MESSAGE_DEFAULT,
    THREAD_DEFAULT,
    View,
    check,
    chosen,
    username,
)
from shoptalk.sandbox.graph.pages import DEFAULT_LIMIT, Shape, cut, edge
from shoptalk.sandbox.graph.question import Question
from shoptalk.sandbox.graph.targets import Node, inbox
from shoptalk.sandbox.threads import Thread, thread_activity
from shoptalk.sandbox.world import World


def read(world: World, question: Question, node: Node, now: datetime) -> dict[str, Any]:
    """Answer a GET on a node or on one of its edges."""
    match node.kind, question.path[1:]:
        case (("page" | "account"), ()):
            return _identity(world, question, node)
        case (("page" | "account"), ("conversations",)) if _has_inbox(node):
            return _conversations(question, inbox(node, question), now)
        case "thread", ():
            return _thread(question, node, now)
        case "thread", ("messages",):
            return _messages(question, node, now)
        case "message", ():
            return _message(question, node, now)
        case "customer", ():
            return _profile(question, node)
    raise no_such_object(node.id, question.method)


def _has_inbox(node: Node) -> bool:
    # WhatsApp tells of incoming messages by webhook alone: there is nothing to list.
    return node.account is None or node.account.platform != "whatsapp"


def _conversations(question: Question, account: SandboxAccount, now: datetime) -> dict[str, Any]:
    _check_message_access(account)
    fields = _fields(question, THREAD_DEFAULT)
    check(fields, "UnifiedThread")
    limit = _limit(question, account)
    _check_weight(account, limit, fields)
    view = View(account=account, question=question, now=now)
    platform = "instagram" if account.platform == "instagram" else "messenger"
    folder = question.text("folder") or "inbox"
    path = "/".join(question.path)
    params = {"fields": ",".join(map(str, fields)), "limit": str(limit), "platform": platform}
    if (person := question.text("user_id")) is not None:
        return {"data": [view.thread(each, fields, Shape()) for each in _with(account, person)]}
    if account.settings.high_volume:
        raise GraphError(
            2,
            "An unexpected error has occurred. Please retry your request later.",
            is_transient=True,
        )
    if folder != "inbox":
        params["folder"] = folder
    cursors = view.cursors(f"conversations/{folder}")
    after, before = question.text("after"), question.text("before")
    shape = Shape.of(question.alterations)
    piece = cut(
        account.threads.in_order,
        thread_activity,
        limit=limit,
        after=cursors.read(after) if after else None,
        before=cursors.read(before) if before else None,
        is_shown=_visible(account, folder, now),
        shape=shape,
    )
    rows = [view.thread(thread, fields, Shape()) for thread in piece.rows]
    return edge(rows, piece, cursors, question, path, params)


def _with(account: SandboxAccount, person: str) -> list[Thread]:
    thread = account.threads.by_customer.get(person)
    if thread is None:
        return []
    check_role(account, thread)
    return [thread] if thread.updated_at else []


def _visible(account: SandboxAccount, folder: str, now: datetime) -> Callable[[Thread], bool]:
    settings = account.settings
    idle = timedelta(days=settings.requests_idle_days)

    def is_visible(thread: Thread) -> bool:
        if settings.standard_access and not thread.has_app_role:
            return False
        if account.platform == "instagram":  # no folders there, except the hidden one
            return not (thread.is_request and thread.idle_since(now) >= idle)
        return thread.folder == folder

    return is_visible


def _thread(question: Question, node: Node, now: datetime) -> dict[str, Any]:
    account, thread = _owned(node)
    fields = _fields(question, THREAD_DEFAULT)
    check(fields, "UnifiedThread")
    _check_weight(account, 1, fields)
    view = View(account=account, question=question, now=now)
    return view.thread(thread, fields, Shape.of(question.alterations))


def _messages(question: Question, node: Node, now: datetime) -> dict[str, Any]:
    account, thread = _owned(node)
    fields = _fields(question, MESSAGE_DEFAULT)
    check(fields, "Message")
    limit = _limit(question, account)
    _check_weight(account, limit, fields)
    wanted = Field(
        "messages", fields, limit, question.text("after") or None, question.text("before") or None
    )
    view = View(account=account, question=question, now=now)
    shape = Shape.of(question.alterations)
    return view.messages(thread, wanted, shape, "/".join(question.path))


def _message(question: Question, node: Node, now: datetime) -> dict[str, Any]:
    account, thread = _owned(node)
    message = node.message
    assert message is not None
    fields = _fields(question, MESSAGE_DEFAULT)
    check(fields, "Message")
    view = View(account=account, question=question, now=now)
    if not message.is_shown(now):
        raise no_such_object(node.id)
    if message.is_unsent or not view.is_readable(thread, message):
        raise message_gone()
    return view.message(thread, message, fields)


def _owned(node: Node) -> tuple[SandboxAccount, Thread]:
    account, thread = node.account, node.thread
    assert account is not None
    assert thread is not None
    _check_message_access(account)
    check_role(account, thread)
    return account, thread


def _identity(world: World, question: Question, node: Node) -> dict[str, Any]:
    account = node.account
    if node.kind == "page":
        linked = world.linked_to(node.id)
        page: dict[str, Any] = {
            "id": node.id,
            "name": account.name if account else node.id,
            "link": f"https://www.facebook.com/{node.id}",
            "category": "Shopping & retail",
            "instagram_business_account": {"id": linked.account_id} if linked else None,
        }
        return chosen(_fields(question, (Field("id"), Field("name"))), page, "Page")
    assert account is not None
    if account.platform == "whatsapp":
        number = {
            "id": account.account_id,
            "display_phone_number": account.username,
            "verified_name": account.name,
            "quality_rating": "GREEN",
            "name": account.name,
        }
        return chosen(_fields(question, (Field("id"),)), number, "WhatsAppBusinessPhoneNumber")
    profile = {
        "id": account.app_scoped_id or account.account_id,
        "user_id": account.account_id if account.login == "instagram" else None,
        "username": account.username,
        "name": account.name,
        "account_type": "BUSINESS",
    }
    return chosen(_fields(question, (Field("id"),)), profile, "IGUser")


def _profile(question: Question, node: Node) -> dict[str, Any]:
    account, thread = _owned(node)
    name = thread.customer_name
    if account.platform == "instagram":
        person: dict[str, Any] = {
            "id": node.id,
            "name": name,
            "username": username(name) if name else None,
            "profile_pic": None,
        }
        return chosen(_fields(question, (Field("id"), Field("name"))), person, "IGBusinessScopedID")
    if name is None:
        raise bad_parameter("The person has no profile to show", 2018218)
    first, _, last = name.partition(" ")
    person = {"id": node.id, "name": name, "first_name": first, "last_name": last or None}
    person["profile_pic"] = None
    return chosen(_fields(question, (Field("id"), Field("name"))), person, "User")


def _fields(question: Question, default: tuple[Field, ...]) -> tuple[Field, ...]:
    wanted = question.text("fields")
    return parse_fields(wanted) if wanted else default


def _limit(question: Question, account: SandboxAccount) -> int:
    wanted = question.text("limit")
    limit = limit_of(wanted) if wanted else DEFAULT_LIMIT
    return min(limit, account.settings.max_page_limit)


def _check_weight(account: SandboxAccount, rows: int, fields: tuple[Field, ...]) -> None:
    most = account.settings.heavy_query_weight
    if most is not None and rows * weight(fields, DEFAULT_LIMIT) > most:
        raise too_much_data()


def _check_message_access(account: SandboxAccount) -> None:
    if account.platform == "instagram" and not account.settings.message_access:
        raise GraphError(
            200,
            "(#200) The account owner has disabled access to instagram direct messages.",
            subcode=2534041,
        )


def check_role(account: SandboxAccount, thread: Thread) -> None:
    """Refuse people without a role on the app, where only those may be reached.

    Raises:
        GraphError: 200.
    """
    if account.settings.standard_access and not thread.has_app_role:
        subcode = 2534048 if account.platform == "instagram" else 2018028
        raise GraphError(
            200, "(#200) The app does not have Advanced Access for this person.", subcode=subcode
        )
