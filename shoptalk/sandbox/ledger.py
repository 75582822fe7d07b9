"""What the sandbox received: every request, and every message on a send endpoint.

Tokens are kept as fingerprints only, so that a ledger can be printed in a test report.
"""

from collections import Counter, deque
from collections.abc import Iterable
from dataclasses import asdict, dataclass, field
from datetime import datetime
from hashlib import sha256
from typing import Any

KEPT_CALLS = 500_000  # half a million polls are some 300 MB; older ones are forgotten
SECRET_PARAMS = frozenset({"access_token", "input_token", "appsecret_proof"})


def fingerprint(token: str | None) -> str | None:
    """Return enough of a hash to tell tokens apart and too little to use one."""
    return sha256(token.encode(errors="replace")).hexdigest()[:12] if token else None


@dataclass(frozen=True, slots=True, kw_only=True)
class Call:
    at: datetime
    method: str
    host: str  #: the first path segment, e.g. "graph.facebook.com"
    path: str  #: what follows it, e.g. "/v25.0/me/conversations"
    #: List, thread, message, multi, identity, profile, debug, send, typing, batch, media, model,
    #: state, note, change (on Chatwoot), other, or foreign: a host that is nobody's
    kind: str
    status: int  #: 0: the connection was cut without an answer
    query: dict[str, str] = field(default_factory=dict)  #: without secrets
    account_id: str | None = None
    fingerprint: str | None = None  #: of the token that came along
    in_batch: bool = False
    is_abroad: bool = False  #: the token came to a host where it has no business

    def as_json(self) -> dict[str, Any]:
        return {**asdict(self), "at": self.at.isoformat()}


@dataclass(slots=True, kw_only=True)
class Sent:
    """One message that reached a send endpoint, whether or not it was accepted."""

    at: datetime
    platform: str
    account_id: str
    recipient_id: str
    text: str
    message_id: str | None = None  #: None: refused, nothing was delivered to the customer
    error: str | None = None  #: "code/subcode" of a refusal
    is_answered: bool = True  #: the caller got the honest answer; False: it was lost or falsified
    fingerprint: str | None = None

    def as_json(self) -> dict[str, Any]:
        return {**asdict(self), "at": self.at.isoformat()}


class Ledger:
    def __init__(self) -> None:
        self._calls: deque[Call] = deque(maxlen=KEPT_CALLS)
        self._abroad: list[Call] = []  #: all of them, however long ago

    def __len__(self) -> int:
        return len(self._calls)

    def add(self, call: Call) -> None:
        self._calls.append(call)
        if call.is_abroad:
            self._abroad.append(call)

    def clear(self) -> None:
        self._calls.clear()
        self._abroad.clear()

    def calls(
        self,
        *,
        kind: str | None = None,
        account_id: str | None = None,
        host: str | None = None,
        since: datetime | None = None,
    ) -> list[Call]:
        """Return the calls that match every given word, oldest first."""
        return [
            call
            for call in tuple(self._calls)
            if (kind is None or call.kind == kind)
            and (account_id is None or call.account_id == account_id)
            and (host is None or call.host == host)
            and (since is None or call.at >= since)
        ]

    def counts(self) -> Counter[str]:
        """Return how many calls there were of each kind."""
        return Counter(call.kind for call in tuple(self._calls))

    def tokens_sent_abroad(self) -> list[Call]:
        """Return the calls that carried a token to a host where it has no business."""
        return list(self._abroad)


def without_secrets(query: Iterable[tuple[str, str]]) -> dict[str, str]:
    return {name: value for name, value in query if name not in SECRET_PARAMS}
