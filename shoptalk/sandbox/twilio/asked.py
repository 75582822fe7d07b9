"""A request to Twilio, understood: whose it is, what it is about, and what befalls it."""

from base64 import b64decode
from dataclasses import dataclass, field

from aiohttp import web

from shoptalk.sandbox.accounts import SandboxAccount
from shoptalk.sandbox.faults import Fired, Target
from shoptalk.sandbox.ledger import Sent
from shoptalk.sandbox.twilio.errors import TwilioError
from shoptalk.sandbox.world import World

HOST, MESSAGING_HOST = "api.twilio.com", "messaging.twilio.com"
HOSTS = (HOST, MESSAGING_HOST)


@dataclass(slots=True, kw_only=True)
class Asked:
    host: str
    method: str
    path: tuple[str, ...]  #: below the account, e.g. ("Messages.json",), or all of it
    account_sid: str
    query: dict[str, str]
    form: dict[str, list[str]]
    user: str | None  #: of Basic auth
    token: str | None
    root: str  #: where the sandbox listens
    alterations: tuple[Fired, ...] = ()
    sent: list[Sent] = field(default_factory=list)

    @property
    def kind(self) -> str:
        """The ledger's word for it."""
        match self.method, self.path:
            case "GET", ("Messages.json",):
                return "list"
            case "POST", ("Messages.json",):
                return "send"
            case "POST", ("v2", "Indicators", "Typing.json"):
                return "typing"
            case "GET", ("Messages", _):
                return "message"
            case "GET", ("Messages", _, "Media.json") | ("Messages", _, "Media", _):
                return "media"
        return "other"

    def text(self, name: str) -> str:
        return self.form.get(name, [""])[0]


async def read(request: web.Request) -> Asked:
    """Understand a request."""
    host, *parts = [part for part in request.path.split("/") if part]
    is_account = len(parts) > 2 and parts[1] == "Accounts"
    form: dict[str, list[str]] = {}
    if request.method == "POST":
        for name, value in (await request.post()).items():
            form.setdefault(name, []).append(str(value))
    user, token = _credentials(request.headers.get("Authorization", ""))
    return Asked(
        host=host,
        method=request.method,
        path=tuple(parts[3:] if is_account else parts),
        account_sid=parts[2] if is_account else user or "",
        query=dict(request.query),
        form=form,
        user=user,
        token=token,
        root=f"{request.scheme}://{request.host}",
    )


def target_of(world: World, asked: Asked) -> Target:
    """Describe a request to the fault rules and the ledger."""
    words = [asked.query.get("To"), asked.query.get("From"), asked.text("From")]
    if asked.path[:1] == ("Messages",):
        words.append(_sender_of(world, asked.path[1].removesuffix(".json")))
    words.append(_sender_of(world, asked.text("messageId")))
    ours = [word for word in words if word in world.accounts]
    return Target(
        host=asked.host,
        method=asked.method,
        path=f"/{'/'.join(asked.path)}",
        kind=asked.kind,
        account_id=ours[0] if ours else None,
        is_first_page="PageToken" not in asked.query,
    )


def accounts_of(world: World, asked: Asked) -> list[SandboxAccount]:
    """The senders of the account that is asked about, if the credentials are its.

    Raises:
        TwilioError: 20003, they are not; 20404, there is no such account.
    """
    token = world.tokens.get(asked.token or "")
    is_key = (asked.user or "").startswith("SK")
    is_known = (
        token is not None
        and token.kind == "twilio"
        and not token.is_dead
        and (is_key or asked.user == token.owner_id)
    )
    if not is_known or token is None:
        raise TwilioError(20003)
    if asked.host == MESSAGING_HOST:
        asked.account_sid = token.owner_id
    if token.owner_id != asked.account_sid:
        raise TwilioError(20404)
    return [each for each in world.accounts.values() if each.account_sid == asked.account_sid]


def _sender_of(world: World, sid: str) -> str | None:
    message = world.find_message(sid)
    return message.account_id if message else None


def _credentials(header: str) -> tuple[str | None, str | None]:
    scheme, _, encoded = header.partition(" ")
    try:
        user, _, token = b64decode(encoded, validate=True).decode().partition(":")
    except ValueError:
        return None, None
    return (user, token) if scheme.lower() == "basic" else (None, None)
