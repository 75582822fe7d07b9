"""Access tokens: checked before anything else, with Meta's reasons when they no longer work."""

import hmac
from datetime import datetime, timedelta
from hashlib import sha256
from typing import Any

from shoptalk.sandbox.accounts import SandboxAccount, Token
from shoptalk.sandbox.graph.errors import GraphError, bad_parameter, bad_token
from shoptalk.sandbox.graph.question import Question
from shoptalk.sandbox.messages import graph_time
from shoptalk.sandbox.world import World

PROOF_LIFETIME = timedelta(minutes=5)
LONG_LIFE = timedelta(days=60)  # of an Instagram Login token, from each refresh
REFRESHABLE_AFTER = timedelta(hours=24)
APP_ID = "1000200030004"
_REASONS = {
    458: "The user has not authorized application.",
    459: "The user has been checkpointed and must log in.",
    460: "The session has been invalidated because the user changed their password.",
    464: "The user is not a confirmed user.",
    467: "The session is invalid because the user logged out.",
    492: "The user no longer has a role on this Page.",
}
_SCOPES = {
    "facebook": ["pages_messaging", "pages_manage_metadata", "pages_read_engagement"],
    "instagram": ["instagram_basic", "instagram_manage_messages", "pages_manage_metadata"],
    "whatsapp": ["whatsapp_business_messaging", "whatsapp_business_management"],
}
_LOGIN_SCOPES = ["instagram_business_basic", "instagram_business_manage_messages"]


def authorised(world: World, question: Question, now: datetime) -> Token:
    """Return the token of a question that may be asked.

    Raises:
        GraphError: 190, or 104 where there is no token at all.
    """
    if not question.token:
        raise GraphError(104, "An access token is required to request this resource.")
    token = world.tokens.get(question.token)
    if token is None:
        raise bad_token("Invalid OAuth access token - Cannot parse access token")
    is_instagram_host = question.host == "graph.instagram.com"
    if is_instagram_host != (token.kind == "instagram"):
        # Tokens of the two Instagram flavours mean nothing to each other's host.
        raise bad_token("Invalid OAuth access token - Cannot parse access token")
    if (why_not := unusable(token, now)) is not None:
        raise why_not
    return token


def unusable(token: Token, now: datetime) -> GraphError | None:
    """Return why the token does not work, or None when it does."""
    if token.is_dead:
        reason = _REASONS.get(token.dead_subcode or 0, "The session is invalid.")
        if token.dead_subcode == 463 and token.expires_at is None:
            reason = "Session has expired."
        return bad_token(f"Error validating access token: {reason}", token.dead_subcode)
    if token.expires_at is not None and token.expires_at <= now:
        reason = f"Session has expired on {token.expires_at:%A, %d-%b-%y %H:%M:%S} UTC."
        return bad_token(f"Error validating access token: {reason}", 463)
    return None


def check_proof(account: SandboxAccount, question: Question, now: datetime) -> None:
    """Check `appsecret_proof`, in its classic or in its dated form.

    Raises:
        GraphError: 100, it is missing where it is required, wrong, or too old.
    """
    proof, dated = question.text("appsecret_proof"), question.text("appsecret_time")
    if proof is None:
        if account.settings.require_proof:
            raise GraphError(
                100,
                "API calls from the server require an appsecret_proof argument",
                kind="GraphMethodException",
            )
        return
    if not account.app_secret:
        return
    signed = question.token or ""
    if dated is not None:
        if not dated.isdigit() or abs(now.timestamp() - int(dated)) > PROOF_LIFETIME.seconds:
            raise bad_parameter("Invalid appsecret_time provided in the API argument")
        signed = f"{signed}|{dated}"
    expected = hmac.new(account.app_secret.encode(), signed.encode(), sha256).hexdigest()
    if not hmac.compare_digest(expected.encode(), proof.encode(errors="replace")):
        raise GraphError(
            100,
            "Invalid appsecret_proof provided in the API argument",
            kind="GraphMethodException",
        )


def debug_token(world: World, question: Question, now: datetime) -> dict[str, Any]:
    """Answer `GET /debug_token` about any token, dead ones included."""
    asking = world.tokens.get(question.token or "")
    is_app_token = "|" in (question.token or "")  # "app-id|app-secret"
    if not is_app_token and (asking is None or unusable(asking, now) is not None):
        raise bad_token("Invalid OAuth access token - Cannot parse access token")
    wanted = question.text("input_token")
    if not wanted:
        raise bad_parameter("The parameter input_token is required")
    token = world.tokens.get(wanted)
    if token is None:
        error = {"code": 190, "message": "Invalid OAuth access token.", "subcode": 0}
        return {"data": {"error": error, "is_valid": False, "scopes": []}}
    account = account_of(world, token)
    scopes = _LOGIN_SCOPES if token.kind == "instagram" else _SCOPES[account.platform]
    data: dict[str, Any] = {
        "app_id": APP_ID,
        "type": "PAGE" if token.kind == "page" else "USER",
        "application": "shoptalk sandbox",
        "data_access_expires_at": int((token.issued_at + timedelta(days=90)).timestamp()),
        "expires_at": int(token.expires_at.timestamp()) if token.expires_at else 0,
        "issued_at": int(token.issued_at.timestamp()),
        "is_valid": True,
        "scopes": [scope for scope in scopes if scope not in token.withheld],
        "profile_id": token.owner_id,
    }
    if (why_not := unusable(token, now)) is not None:
        data["is_valid"] = False
        data["error"] = {
            "code": why_not.code,
            "message": str(why_not),
            "subcode": why_not.subcode or 0,
        }
    return {"data": data}


def refresh(token: Token, now: datetime) -> dict[str, Any]:
    """Answer `GET /refresh_access_token`: the same token lives for sixty days more."""
    if now - token.issued_at < REFRESHABLE_AFTER:
        since = graph_time(token.issued_at)
        raise GraphError(100, f"(#100) The access token of {since} is not 24 hours old yet")
    token.issued_at, token.expires_at = now, now + LONG_LIFE
    return {
        "access_token": token.text,
        "token_type": "bearer",
        "expires_in": int(LONG_LIFE.total_seconds()),
    }


def account_of(world: World, token: Token) -> SandboxAccount:
    """Return the account that a token speaks for first: the Page before its Instagram account."""
    account = world.accounts.get(token.owner_id) or world.linked_to(token.owner_id)
    if account is None:
        raise bad_token("Invalid OAuth access token - Cannot parse access token")
    return account
