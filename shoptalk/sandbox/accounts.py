"""A connected account of the sandbox: who it is, its token, and how its platform behaves."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, fields
from datetime import datetime
from typing import Any, Literal, get_args

from shoptalk.sandbox.graph.limits import CALLS_PER_ENGAGED_USER, Meters
from shoptalk.sandbox.threads import ThreadIndex

PlatformName = Literal["facebook", "instagram", "whatsapp", "twilio", "chatwoot"]
Login = Literal["page", "instagram"]
TokenKind = Literal["page", "instagram", "whatsapp", "twilio", "chatwoot"]
PLATFORMS: tuple[str, ...] = get_args(PlatformName)
LOGINS: tuple[str, ...] = get_args(Login)


@dataclass(slots=True, kw_only=True)
class AccountSettings:
    """How faithful or how vicious the platform is to this account."""

    max_page_limit: int = 100  #: larger `limit`s are cut to this without a word
    heavy_query_weight: int | None = None  #: rows times fields above which code 1 is answered
    daily_budget: bool = True  #: 200 calls a day per engaged user
    two_reads_per_second: bool = True
    sends_per_second: int | None = None  #: None: what the platform documents
    pair_limit: bool = True  #: WhatsApp's
    usage_header_after: int = 10  #: calls before usage headers appear
    standard_access: bool = False  #: hides everyone without a role on the app
    high_volume: bool = False  #: listing fails, reading one thread works
    message_access: bool = True  #: the owner's switch in the Instagram app
    require_proof: bool = False
    requests_folder: bool = False  #: new Instagram threads start in Requests
    requests_idle_days: int = 30  #: after which a thread in Requests is no longer listed
    consistency_delay_seconds: float = 0.0  #: until an API send shows up in reads
    human_agent: bool = False  #: the HUMAN_AGENT tag is approved
    send_id_prefix: bool = True  #: Messenger send answers begin with "m_", as reads do
    app_scoped_self: bool = False  #: Instagram Login names our side by its app-scoped id
    cursor_lifetime_seconds: float = 3600.0
    queue_seconds: float = 1.0  #: Twilio: until a message is sent
    delivery_seconds: float = 3.0  #: and from then until it arrives, or fails
    receiving_seconds: float = 0.0  #: until an incoming message with media is there
    concurrent_requests: int = 25  #: of one account, above which Twilio answers 429
    date_filter_by_second: bool = False  #: Twilio's knows days
    demo_url: bool = False  #: the number was left with Twilio's demo address, which answers
    conversation_page_size: int = 25  #: Chatwoot's, from here on
    requests_per_minute: int = 3000
    bot_attached: bool = False  #: conversations begin as pending
    bot_token: bool = False  #: the token is a bot's, which may write and not read
    agent_token: bool = False  #: its user is an agent; False: an administrator
    fails_later: bool = False  #: the channel refuses what the server has taken

    def change(self, wanted: Mapping[str, Any]) -> None:
        """Set the named settings, all or none.

        Raises:
            ValueError: a name or a value that makes no sense.
        """
        known = {
            each.name: each.type.__name__ if isinstance(each.type, type) else str(each.type)
            for each in fields(self)
        }
        for name, value in wanted.items():
            if name not in known:
                raise ValueError(f"there is no setting {name!r}; known are {', '.join(known)}")
            if not _fits(value, known[name]):
                raise ValueError(f"the setting {name!r} takes {known[name]}, not {value!r}")
        for name, value in wanted.items():
            setattr(self, name, value)


def _fits(value: Any, annotation: str) -> bool:
    if value is None:
        return "None" in annotation
    if isinstance(value, bool):
        return annotation == "bool"
    if "float" in annotation:
        return isinstance(value, int | float) and value >= 0
    return "int" in annotation and isinstance(value, int) and value >= 0


@dataclass(slots=True, kw_only=True)
class Token:
    text: str = field(repr=False)
    kind: TokenKind
    owner_id: str  #: the Page, Instagram account or phone number it speaks for
    issued_at: datetime
    expires_at: datetime | None = None  #: None: no calendar expiry
    is_dead: bool = False
    dead_subcode: int | None = None  #: why, in Meta's numbers; None: no subcode is given
    withheld: frozenset[str] = frozenset()  #: permissions that `debug_token` does not show


@dataclass(slots=True, kw_only=True, eq=False)
class SandboxAccount:
    platform: PlatformName
    account_id: str
    name: str
    username: str
    token: str = field(repr=False)
    app_secret: str | None = field(default=None, repr=False)
    page_id: str | None = None  #: the Page that the token belongs to; None for Instagram Login
    app_scoped_id: str | None = None  #: Instagram Login's other id for the same account
    account_sid: str | None = None  #: Twilio's account that the sender belongs to
    login: Login = "page"
    engaged_users: int = 1000
    settings: AccountSettings = field(default_factory=AccountSettings)
    threads: ThreadIndex = field(default_factory=ThreadIndex, repr=False)
    meters: Meters = field(default_factory=Meters, repr=False)

    @property
    def owner_id(self) -> str:
        """What the account's token speaks for."""
        return self.page_id or self.account_sid or self.account_id

    @property
    def host(self) -> str:
        if self.platform == "chatwoot":
            return "chatwoot"
        if self.platform == "twilio":
            return "api.twilio.com"
        by_instagram = self.platform == "instagram" and self.login == "instagram"
        return "graph.instagram.com" if by_instagram else "graph.facebook.com"

    @property
    def token_kind(self) -> TokenKind:
        if self.platform in {"whatsapp", "twilio", "chatwoot"}:
            return self.platform
        return "instagram" if self.host == "graph.instagram.com" else "page"

    @property
    def calls_per_day(self) -> int:
        return CALLS_PER_ENGAGED_USER * self.engaged_users

    def as_json(self) -> dict[str, Any]:
        return {
            "platform": self.platform,
            "account_id": self.account_id,
            "name": self.name,
            "username": self.username,
            "page_id": self.page_id,
            "app_scoped_id": self.app_scoped_id,
            "account_sid": self.account_sid,
            "login": self.login,
            "host": self.host,
            "engaged_users": self.engaged_users,
            "threads": len(self.threads),
            "settings": asdict(self.settings),
        }
