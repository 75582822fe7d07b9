"""The ids that platforms give to people, threads and messages, made up in each one's style."""

from base64 import urlsafe_b64encode
from hashlib import sha256

from shoptalk.sandbox.accounts import SandboxAccount


def person(account: SandboxAccount, customer_id: str) -> str:
    """Return the id that the platform keeps: WhatsApp knows people by their digits."""
    if account.platform == "twilio":
        return customer_id.removeprefix("whatsapp:")
    if account.platform != "whatsapp":
        return customer_id
    return "".join(filter(str.isdigit, customer_id)) or customer_id


def digits(*parts: str) -> str:
    """Make up a numeric id that stays the same for the same parts."""
    return str(int.from_bytes(sha256("/".join(parts).encode()).digest()[:7]))


def thread_id(account: SandboxAccount, customer_id: str) -> str:
    if account.platform == "facebook":
        return f"t_{digits(account.account_id, customer_id)}"
    if account.platform in {"whatsapp", "chatwoot"}:
        return f"{account.platform}_{customer_id}"
    if account.platform == "twilio":
        return f"twilio/{account.account_id}/{customer_id}"
    inner = f"ig_thread:{account.account_id}:{digits(account.account_id, customer_id)}"
    return f"aWdfZAG06{_letters(inner.encode())}"


def message_id(
    account: SandboxAccount, customer_id: str, sequence_no: int, kind: str = "text"
) -> str:
    """Make up an id in the platform's style: Instagram's are well over a hundred characters.

    Chatwoot's are numbers that count through all accounts of a server.
    """
    if account.platform == "chatwoot":
        return str(800 + sequence_no)
    inner = f"{account.account_id}/{customer_id}/{sequence_no}".encode(errors="replace")
    digest = sha256(inner).digest()
    if account.platform == "facebook":
        return f"m_{_letters(digest)}"
    if account.platform == "twilio":
        return f"{'SM' if kind == 'text' else 'MM'}{digest.hex()[:32]}"
    if account.platform == "whatsapp":
        return f"wamid.HBgL{_letters(digest)}"
    return f"aWdfZAG1faXRlbTox{_letters(digest * 3 + inner)}"


def _letters(raw: bytes) -> str:
    return urlsafe_b64encode(raw).decode().rstrip("=")
