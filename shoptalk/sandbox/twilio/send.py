"""Twilio's send: what it refuses at once, and what it takes and fails later."""

import re
from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any

from shoptalk.sandbox.accounts import SandboxAccount
from shoptalk.sandbox.ledger import Sent, fingerprint
from shoptalk.sandbox.threads import Thread
from shoptalk.sandbox.twilio.asked import Asked
from shoptalk.sandbox.twilio.errors import TwilioError
from shoptalk.sandbox.twilio.records import WHATSAPP, Failures, listed, record
from shoptalk.sandbox.world import World

MOST_CHARACTERS = 1600
WINDOW = timedelta(hours=24)
OPT_OUT = frozenset({"STOP", "STOPALL", "UNSUBSCRIBE", "CANCEL", "END", "QUIT", "OPTOUT", "REVOKE"})
OPT_IN = frozenset({"START", "UNSTOP"})
_PHONE = re.compile(r"\+[1-9]\d{6,14}|\d{3,8}")


def post(
    world: World,
    asked: Asked,
    accounts: Sequence[SandboxAccount],
    failures: Failures,
    now: datetime,
) -> dict[str, Any]:
    """Answer `POST Messages.json`; the attempt is on record, refused or not."""
    sender, to, body = asked.text("From"), asked.text("To"), asked.text("Body")
    media = asked.form.get("MediaUrl", [])
    sent = Sent(
        at=now,
        platform="twilio",
        account_id=sender,
        recipient_id=to,
        text=body,
        fingerprint=fingerprint(asked.token),
    )
    asked.sent.append(sent)
    world.sent.append(sent)
    try:
        account = _sender(accounts, sender)
        customer_id = _recipient(sender, to)
        if not body and not media:
            raise TwilioError(21602)
        if len(body) > MOST_CHARACTERS:
            raise TwilioError(21617)
        thread = account.threads.by_customer.get(customer_id)
        if not sender.startswith(WHATSAPP) and thread is not None and has_opted_out(thread):
            raise TwilioError(21610)
    except TwilioError as refusal:
        sent.error = str(refusal.code)
        raise
    message = world.add_message(
        account.account_id,
        customer_id,
        body,
        side="api",
        kind="image" if media else "text",
        shown_after=timedelta(seconds=account.settings.consistency_delay_seconds),
    )
    sent.message_id = message.id
    failure = _later(asked, sender, thread, now)
    if failure is not None:
        failures.by_id[message.id] = failure
    return record(listed(message, account, failures, now)) | {"status": "queued", "date_sent": None}


def has_opted_out(thread: Thread) -> bool:
    """Whether the customer's last word on it was STOP or one like it."""
    for message in reversed(thread.messages):
        word = message.text.strip().upper()
        if message.side == "customer" and word in OPT_OUT | OPT_IN:
            return word in OPT_OUT
    return False


def _sender(accounts: Sequence[SandboxAccount], sender: str) -> SandboxAccount:
    for account in accounts:
        if account.account_id == sender:
            return account
    raise TwilioError(63007 if sender.startswith(WHATSAPP) else 21606)


def _recipient(sender: str, to: str) -> str:
    if sender.startswith(WHATSAPP) != to.startswith(WHATSAPP):
        raise TwilioError(21211)
    customer_id = to.removeprefix(WHATSAPP)
    if not _PHONE.fullmatch(customer_id):
        raise TwilioError(21211)
    return customer_id


def _later(
    asked: Asked, sender: str, thread: Thread | None, now: datetime
) -> tuple[int, str] | None:
    """How a message that was taken will fail, if it will: the code and the last status."""
    for fired in asked.alterations:
        if fired.name == "fails_later":
            return int(fired.params["code"]), str(fired.params["status"])
    if sender.startswith(WHATSAPP):
        wrote_at = thread.customer_wrote_at if thread else None
        if wrote_at is None or now - wrote_at >= WINDOW:
            return 63016, "failed"
        return (63014, "failed") if thread is not None and thread.is_blocked else None
    return (30003, "undelivered") if thread is not None and thread.is_blocked else None
