"""WhatsApp's send endpoint. What customers write never shows here: Meta tells it by webhook."""

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any

from shoptalk.sandbox.accounts import SandboxAccount
from shoptalk.sandbox.graph.errors import GraphError, no_such_object
from shoptalk.sandbox.graph.question import Question
from shoptalk.sandbox.graph.send import Refused
from shoptalk.sandbox.ids import person
from shoptalk.sandbox.ledger import Sent, fingerprint
from shoptalk.sandbox.world import World

SERVICE_WINDOW = timedelta(hours=24)
MOST_CHARACTERS = 4096
SENDS_PER_SECOND = 80
MEDIA_KINDS = frozenset({"image", "audio", "video", "sticker"})


def post(
    world: World, question: Question, account: SandboxAccount, now: datetime
) -> tuple[dict[str, Any], list[Sent]]:
    """Answer `POST /{phone-number-id}/messages`.

    Raises:
        Refused: an error after which the attempt is still on record.
        GraphError: any other.
    """
    if question.params.get("messaging_product") != "whatsapp":
        raise _error(100, "(#100) The parameter messaging_product is required.", "")
    if question.params.get("status") == "read":
        return _mark_read(world, question, account), []
    given = question.text("to")
    if not given:
        raise _error(131008, "(#131008) Required parameter is missing", "Parameter 'to' is missing")
    recipient = person(account, given)
    sent = Sent(
        at=now,
        platform=account.platform,
        account_id=account.account_id,
        recipient_id=recipient,
        text=_body(question),
        fingerprint=fingerprint(question.token),
    )
    try:
        kind = _inspected(question)
        _check_reachable(account, recipient, kind, now)
        _check_limits(account, recipient, now)
    except GraphError as refusal:
        sent.error = refusal.label
        raise Refused(refusal, sent) from refusal
    context = question.thing("context")
    stored = world.add_message(
        account.account_id,
        recipient,
        sent.text,
        side="api",
        kind=kind if kind in MEDIA_KINDS else "file" if kind == "document" else "text",
        reply_to=context.get("message_id") if isinstance(context, dict) else None,
    )
    sent.message_id = stored.id
    told: dict[str, Any] = {"id": stored.id}
    if kind == "template":
        told["message_status"] = "accepted"
    contact = {"input": given, "wa_id": recipient}
    return {"messaging_product": "whatsapp", "contacts": [contact], "messages": [told]}, [sent]


def _inspected(question: Question) -> str:
    kind = question.text("type") or "text"
    if kind == "text":
        text = _body(question)
        if not text:
            raise _error(
                131008, "(#131008) Required parameter is missing", "Parameter 'text.body' is empty"
            )
        if len(text) > MOST_CHARACTERS:
            raise _error(
                100,
                "(#100) Invalid parameter",
                f"Param text['body'] must be at most {MOST_CHARACTERS} characters long.",
            )
    elif kind == "template":
        template = question.thing("template")
        language = template.get("language") if isinstance(template, dict) else None
        if not isinstance(language, dict) or not template.get("name"):
            raise _error(
                131008, "(#131008) Required parameter is missing", "A template needs name, language"
            )
    elif kind not in MEDIA_KINDS | {"document"}:
        raise _error(131051, "(#131051) Unsupported message type", f"Type {kind} is not supported")
    return kind


def _check_reachable(account: SandboxAccount, recipient: str, kind: str, now: datetime) -> None:
    if recipient == person(account, account.username):
        raise _error(131021, "(#131021) Recipient is the sender", "Recipient is the sender")
    thread = account.threads.by_customer.get(recipient)
    if not recipient.isdigit() or (thread is not None and thread.is_blocked):
        raise _error(131026, "(#131026) Message undeliverable", "Message undeliverable.")
    if kind == "template":
        return
    wrote_at = thread.customer_wrote_at if thread else None
    if wrote_at is None or now - wrote_at >= SERVICE_WINDOW:
        raise _error(
            131047,
            "(#131047) Re-engagement message",
            "Message failed to send because more than 24 hours have passed since the customer "
            "last replied to this number.",
        )


def _check_limits(account: SandboxAccount, recipient: str, now: datetime) -> None:
    per_second = account.settings.sends_per_second or SENDS_PER_SECOND
    if not account.meters.sends.allows(now, per_second):
        raise _error(130429, "(#130429) Rate limit hit", "Message throughput has been reached.")
    if account.settings.pair_limit and not account.meters.pairs.allows(now, recipient):
        raise _error(
            131056,
            "(#131056) (Business Account, Consumer Account) pair rate limit hit",
            "Too many messages sent to this recipient in a short period of time.",
        )


def _mark_read(world: World, question: Question, account: SandboxAccount) -> dict[str, Any]:
    message = world.find_message(question.text("message_id") or "")
    is_inbound = message is not None and message.side == "customer"
    if message is None or not is_inbound or message.account_id != account.account_id:
        raise no_such_object(question.text("message_id") or "", "post")
    typing = question.thing("typing_indicator")
    if typing is not None and (not isinstance(typing, Mapping) or typing.get("type") != "text"):
        raise _error(100, "(#100) Invalid parameter", "typing_indicator takes the type text")
    return {"success": True}


def _body(question: Question) -> str:
    text = question.thing("text")
    body = text.get("body") if isinstance(text, dict) else None
    return body if isinstance(body, str) else ""


def _error(code: int, message: str, details: str) -> GraphError:
    return GraphError(code, message, details=details)
