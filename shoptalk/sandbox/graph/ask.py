"""The Graph API: authorise, meter, answer. One synchronous function from question to answer.

`ask` never raises for anything a client can do; whatever goes wrong is an answer too.
"""

from datetime import datetime
from typing import Any

from shoptalk.sandbox.accounts import SandboxAccount
from shoptalk.sandbox.graph import send, whatsapp
from shoptalk.sandbox.graph.batch import MOST_ITEMS, answer_batch
from shoptalk.sandbox.graph.damage import damaged
from shoptalk.sandbox.graph.errors import GraphError, bad_parameter, no_such_object
from shoptalk.sandbox.graph.question import Answer, Question, dumps
from shoptalk.sandbox.graph.reads import read
from shoptalk.sandbox.graph.targets import (
    READS,
    Node,
    check_access,
    inbox,
    kind_of,
    node_of,
)
from shoptalk.sandbox.graph.tokens import (
    account_of,
    authorised,
    check_proof,
    debug_token,
    refresh,
)
from shoptalk.sandbox.ledger import Sent
from shoptalk.sandbox.world import World

READS_PER_SECOND = 2
UNKNOWN_CALLER = frozenset({104, 190})
BLOCKED = {"facebook": 80006, "instagram": 80002}
USE_CASE = {"facebook": "messenger", "instagram": "instagram"}


def ask(world: World, question: Question) -> Answer:
    """Answer one question, alone or out of a batch."""
    with world.lock:
        now = world.settle()
        sent: list[Sent] = []
        failure: GraphError | None = None
        node = node_of(world, question)
        try:
            body, sent = _answered(world, question, node, now)
        except send.Refused as refused:
            sent, failure = [refused.sent], refused.error
        except GraphError as error:
            failure = error
        if question.path:  # what a batch sent was noted with each of its items
            world.sent.extend(sent)
        headers = {"facebook-api-version": question.version}
        if node.account is not None and (failure is None or failure.code not in UNKNOWN_CALLER):
            headers.update(_usage(node.account, question, node, now))
        if failure is not None:
            body, status = failure.body(world.trace_id()), failure.status
            return Answer(status=status, body=body, headers=headers, sent=sent)
        if question.alterations:
            body = damaged(body, question, question.alterations)
        return Answer(status=200, body=body, headers=headers, sent=sent)


def _answered(
    world: World, question: Question, node: Node, now: datetime
) -> tuple[Any, list[Sent]]:
    if question.method == "GET" and question.path == ("debug_token",):
        return debug_token(world, question, now), []
    token = authorised(world, question, now)
    check_proof(node.account or account_of(world, token), question, now)
    match question.method, question.path:
        case "GET", ("refresh_access_token",) if question.host == "graph.instagram.com":
            return refresh(token, now), []
        case "POST", () if question.host == "graph.facebook.com" and not question.in_batch:
            return answer_batch(world, question, lambda inner: ask(world, inner))
        case "GET", () if "ids" in question.params:
            return _several(world, question), []
    if node.account is not None:
        _meter(node.account, kind_of(question, node), now)
    check_access(question, node, token)
    if question.method == "GET":
        return read(world, question, node, now), []
    if question.method == "POST" and question.path[1:] == ("messages",):
        if node.kind not in {"page", "account"}:
            raise no_such_object(node.id, "post")
        account = inbox(node, question)
        post = whatsapp.post if account.platform == "whatsapp" else send.post
        return post(world, question, account, now)
    raise no_such_object(node.id, question.method)


def _several(world: World, question: Question) -> dict[str, Any]:
    """Answer `GET /?ids=a,b`: all of them or none, each metered like a question of its own."""
    ids = [part.strip() for part in str(question.params["ids"]).split(",") if part.strip()]
    if not ids or len(ids) > MOST_ITEMS:
        raise bad_parameter(f"Param ids takes 1 to {MOST_ITEMS} ids")
    found: dict[str, Any] = {}
    for each in dict.fromkeys(ids):
        now = world.clock.now()
        inner = Question(
            method="GET",
            host=question.host,
            path=(each,),
            base=question.base,
            params={name: value for name, value in question.params.items() if name != "ids"},
            version=question.version,
            token=question.token,
            is_token_in_params=question.is_token_in_params,
        )
        body, _ = _answered(world, inner, node_of(world, inner), now)
        found[each] = body
    return found


def _meter(account: SandboxAccount, kind: str, now: datetime) -> None:
    """Count a call, also one that is refused.

    Raises:
        GraphError: 80006 or 80002, the day's budget is used up; 613, too many in one second.
    """
    meters, settings = account.meters, account.settings
    meters.calls += 1
    meters.budget.add(now)
    is_paced = kind not in READS or meters.reads.allows(now, READS_PER_SECOND)
    if account.platform == "whatsapp":
        return
    if settings.daily_budget and meters.budget.total > account.calls_per_day:
        code = BLOCKED[account.platform]
        raise GraphError(
            code, f"(#{code}) There have been too many calls to this account. Wait a bit."
        )
    if settings.two_reads_per_second and not is_paced:
        raise GraphError(613, "(#613) Calls to this api have exceeded the rate limit.")


def _usage(
    account: SandboxAccount, question: Question, node: Node, now: datetime
) -> dict[str, str]:
    """Return the usage header: percentages, and absent until there were enough calls."""
    meters = account.meters
    few = meters.calls <= account.settings.usage_header_after
    if account.platform == "whatsapp" or few or not account.settings.daily_budget:
        return {}
    percent = 100 * meters.budget.total // max(account.calls_per_day, 1)
    usage = {
        "type": "pages" if kind_of(question, node) == "identity" else USE_CASE[account.platform],
        "call_count": percent,
        "total_cputime": percent // 3,
        "total_time": percent // 2,
        "estimated_time_to_regain_access": meters.budget.minutes_until_below(
            now, account.calls_per_day
        ),
    }
    return {"x-business-use-case-usage": dumps({account.owner_id: [usage]})}
