"""The Send API of Messenger and Instagram: messages, sender actions, and all the refusals."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from shoptalk.sandbox.accounts import SandboxAccount
from shoptalk.sandbox.graph.errors import GraphError, bad_parameter
from shoptalk.sandbox.graph.question import Question
from shoptalk.sandbox.graph.reads import check_role
from shoptalk.sandbox.ledger import Sent, fingerprint
from shoptalk.sandbox.threads import Thread
from shoptalk.sandbox.world import World

REPLY_WINDOW = timedelta(hours=24)
HUMAN_AGENT_WINDOW = timedelta(days=7)
MESSENGER_CHARACTERS = 2000
INSTAGRAM_BYTES = 1000
MOST_QUICK_REPLIES = 13
MOST_METADATA = 1000
MESSAGING_TYPES = frozenset({"RESPONSE", "UPDATE", "MESSAGE_TAG", "UTILITY"})
ACTIONS = frozenset({"typing_on", "typing_off", "mark_seen", "react", "unreact"})
SENDS_PER_SECOND = {"graph.facebook.com": 300, "graph.instagram.com": 100}
ATTACHMENT_KINDS = {  #: what an attachment is stored as
    "image": "image",
    "audio": "audio",
    "video": "video",
    "file": "file",
    "template": "unsupported",
    "like_heart": "sticker",
    "MEDIA_SHARE": "share",
}


@dataclass(frozen=True, slots=True)
class Wanted:
    """A message that has passed inspection."""

    text: str
    kind: str = "text"
    reply_to: str | None = None


def post(
    world: World, question: Question, account: SandboxAccount, now: datetime
) -> tuple[dict[str, Any], list[Sent]]:
    """Answer `POST /{account}/messages`.

    Returns:
        The answer and what was sent: nothing for a sender action.

    Raises:
        Refused: an error after which the attempt is still on record.
        GraphError: any other.
    """
    recipient = _recipient(question)
    if "sender_action" in question.params:
        if "message" in question.params:
            raise bad_parameter("A sender_action cannot be sent together with a message", 2018014)
        thread = _reachable(account, recipient, question, now)
        _act(world, question, account, thread)
        return {"recipient_id": recipient}, []
    message = question.thing("message")
    sent = Sent(
        at=now,
        platform=account.platform,
        account_id=account.account_id,
        recipient_id=recipient,
        text=_text_of(message),
        fingerprint=fingerprint(question.token),
    )
    try:
        wanted = _inspected(world, question, account, message)
        thread = _reachable(account, recipient, question, now)
        per_second = account.settings.sends_per_second or SENDS_PER_SECOND[account.host]
        if not account.meters.sends.allows(now, per_second):
            raise GraphError(
                613, "(#613) Calls to this api have exceeded the rate limit.", subcode=2534040
            )
    except GraphError as refusal:
        sent.error = refusal.label
        raise Refused(refusal, sent) from refusal
    stored = world.add_message(
        account.account_id,
        thread.customer_id,
        wanted.text,
        side="api",
        kind=wanted.kind,
        reply_to=wanted.reply_to,
        shown_after=timedelta(seconds=account.settings.consistency_delay_seconds),
    )
    sent.message_id, sent.text = stored.id, stored.text
    told = stored.id if account.settings.send_id_prefix else stored.id.removeprefix("m_")
    return {"recipient_id": recipient, "message_id": told}, [sent]


class Refused(Exception):
    """A send that was turned down, with what is to be remembered of it."""

    def __init__(self, error: GraphError, sent: Sent) -> None:
        super().__init__(str(error))
        self.error = error
        self.sent = sent


def _recipient(question: Question) -> str:
    recipient = question.thing("recipient")
    person = recipient.get("id") if isinstance(recipient, dict) else None
    if not isinstance(person, str) or not person:
        raise bad_parameter("Param recipient must be an object with the id of a person")
    return person


def _reachable(
    account: SandboxAccount, recipient: str, question: Question, now: datetime
) -> Thread:
    """Return the recipient's thread, if the account may write to it now."""
    on_instagram = account.platform == "instagram"
    if on_instagram and not account.settings.message_access:
        raise GraphError(200, "(#200) The owner has disabled message access.", subcode=2534041)
    thread = account.threads.by_customer.get(recipient)
    if thread is None:
        raise bad_parameter("No matching user found", 2534014 if on_instagram else 2018001)
    check_role(account, thread)
    if thread.is_blocked:
        raise GraphError(551, "(#551) This person isn't available right now.", subcode=1545041)
    if thread.is_taken:
        if on_instagram:
            raise bad_parameter("The app is not the owner of the thread", 2534037)
        raise GraphError(
            10,
            "(#10) Message failed to send because another app is controlling this thread now.",
            subcode=2018300,
        )
    _check_window(account, thread, question, now)
    return thread


def _check_window(
    account: SandboxAccount, thread: Thread, question: Question, now: datetime
) -> None:
    tag = question.text("tag")
    if question.text("messaging_type") == "MESSAGE_TAG" or tag is not None:
        if tag not in {"HUMAN_AGENT", "CUSTOMER_FEEDBACK"}:
            raise bad_parameter(f"The message tag {tag!r} is not supported")
        if tag != "HUMAN_AGENT" or not account.settings.human_agent:
            raise GraphError(10, f"(#10) The app has no permission to use the tag {tag}.")
    window = HUMAN_AGENT_WINDOW if tag == "HUMAN_AGENT" else REPLY_WINDOW
    wrote_at = thread.customer_wrote_at
    if wrote_at is None or now - wrote_at >= window:
        raise GraphError(
            10,
            "(#10) This message is sent outside of allowed window.",
            subcode=2534022 if account.platform == "instagram" else 2018278,
        )


def _act(world: World, question: Question, account: SandboxAccount, thread: Thread) -> None:
    action = question.text("sender_action")
    if action not in ACTIONS:
        raise bad_parameter(f"Param sender_action must be one of {', '.join(sorted(ACTIONS))}")
    allowed = {"recipient", "sender_action", "payload", "messaging_type", "access_token"}
    proof = {"appsecret_proof", "appsecret_time"}
    if set(question.params) - allowed - proof:
        raise bad_parameter("A sender_action goes with recipient and payload only", 2018014)
    if action not in {"react", "unreact"}:
        return
    payload = question.thing("payload")
    mid = payload.get("message_id") if isinstance(payload, dict) else None
    message = world.find_message(str(mid))
    if message is None or message.customer_id != thread.customer_id:
        raise bad_parameter("Param payload must hold the message_id of a message in the thread")
    if action == "unreact":
        message.reactions.pop(account.account_id, None)
    else:
        message.reactions[account.account_id] = str(payload.get("reaction", "love"))


def _inspected(world: World, question: Question, account: SandboxAccount, message: Any) -> Wanted:
    if not isinstance(message, dict):
        raise bad_parameter("Param message must be an object")
    kind = question.text("messaging_type")
    if kind is not None and kind not in MESSAGING_TYPES:
        raise bad_parameter(f"Param messaging_type must be one of {', '.join(MESSAGING_TYPES)}")
    text = message.get("text")
    attached = _attachment_kind(message)
    if text is not None and (not isinstance(text, str) or not text):
        raise bad_parameter("Param message[text] must be a non-empty string")
    if text is None and attached is None:
        raise bad_parameter("The message needs a text or an attachment", 2534015)
    if text is not None:
        _check_length(account, text)
        if attached is not None and account.platform != "instagram":
            raise bad_parameter("A message holds a text or an attachment, not both")
    quick_replies = message.get("quick_replies", [])
    if not isinstance(quick_replies, list) or len(quick_replies) > MOST_QUICK_REPLIES:
        raise bad_parameter(f"Param quick_replies takes at most {MOST_QUICK_REPLIES} items")
    if len(str(message.get("metadata", ""))) > MOST_METADATA:
        raise bad_parameter(f"Param metadata takes at most {MOST_METADATA} characters")
    reply_to = question.thing("reply_to")
    mid = reply_to.get("mid") if isinstance(reply_to, Mapping) else None
    if mid is not None and world.find_message(str(mid)) is None:
        raise bad_parameter("Param reply_to[mid] is not a message of this thread")
    # Instagram takes a text with an attachment, answers 200, and forgets the attachment.
    stored_kind = "text" if text is not None else attached or "text"
    return Wanted(text or "", stored_kind, mid)


def _check_length(account: SandboxAccount, text: str) -> None:
    if account.platform == "instagram":
        if len(text.encode(errors="surrogatepass")) > INSTAGRAM_BYTES:
            raise bad_parameter(
                f"Length of param message[text] must be less than or equal to {INSTAGRAM_BYTES}"
            )
    elif len(text) > MESSENGER_CHARACTERS:
        raise bad_parameter(
            f"Length of param message[text] must be less than or equal to {MESSENGER_CHARACTERS}"
        )


def _attachment_kind(message: Mapping[str, Any]) -> str | None:
    several = message.get("attachments")
    attachment = several[0] if isinstance(several, list) and several else message.get("attachment")
    if attachment is None:
        return None
    kind = attachment.get("type") if isinstance(attachment, dict) else None
    if kind not in ATTACHMENT_KINDS:
        raise bad_parameter("Param attachment[type] is not one that can be sent", 2018047)
    return ATTACHMENT_KINDS[kind]


def _text_of(message: Any) -> str:
    text = message.get("text") if isinstance(message, dict) else None
    return text if isinstance(text, str) else ""
