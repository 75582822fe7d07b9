"""The control API from another process: what a demo or a test uses to move the sandbox."""

from collections.abc import Iterable, Mapping
from datetime import datetime, timedelta
from types import TracebackType
from typing import Any, Self

import requests

Json = dict[str, Any]
TIMEOUT_SECONDS = 30


class SandboxRefused(Exception):
    """The control API did not accept a request; its sentence says why."""


class SandboxControl:
    """A connection to a sandbox's control API.

    Args:
        url: where the sandbox listens, e.g. "http://127.0.0.1:40123".
    """

    def __init__(self, url: str) -> None:
        self.url = url.rstrip("/")
        self._http = requests.Session()
        self._http.trust_env = False  # no proxy stands between us and the loopback

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        exc_type: type[BaseException] | None,
        exc: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()

    def close(self) -> None:
        self._http.close()

    def add_account(
        self, platform: str, account_id: str, name: str, token: str, **words: Any
    ) -> Json:
        """Connect an account; `words` as `World.add_account` has them, times as datetimes."""
        given = {"platform": platform, "account_id": account_id, "name": name, "token": token}
        return self._object("POST", "accounts", {**given, **_times_written(words)})

    def accounts(self) -> list[Json]:
        return self._list("GET", "accounts")

    def change_settings(self, account_id: str, **settings: Any) -> Json:
        """Set an account's settings by their names, and its `engaged_users`."""
        return self._object("PATCH", f"accounts/{account_id}", settings)

    def add_message(self, account_id: str, customer_id: str, text: str, **words: Any) -> Json:
        """Let somebody write; `words` as `World.add_message`, and `shown_after_seconds`."""
        given = {"account_id": account_id, "customer_id": customer_id, "text": text}
        return self._object("POST", "messages", {**given, **_times_written(words)})

    def add_messages(self, messages: Iterable[Mapping[str, Any]]) -> list[Json]:
        """Let many be written at once; each as `add_message` takes it."""
        rows = [_times_written(message) for message in messages]
        found: list[Json] = self._object("POST", "messages", {"messages": rows})["messages"]
        return found

    def message(self, message_id: str) -> Json:
        return self._object("GET", f"messages/{message_id}")

    def edit(self, message_id: str, text: str) -> Json:
        return self._object("PATCH", f"messages/{message_id}", {"text": text})

    def unsend(self, message_id: str) -> Json:
        return self._object("DELETE", f"messages/{message_id}")

    def thread(self, account_id: str, customer_id: str) -> Json:
        """Return a thread as the platform truly has it."""
        params = {"account_id": account_id, "customer_id": customer_id}
        return self._object("GET", "threads", params=params)

    def threads(self, account_id: str) -> list[Json]:
        """Return all threads of an account as the platform truly has them."""
        body = self._object("GET", "threads", params={"account_id": account_id})
        found: list[Json] = body["threads"]
        return found

    def change_thread(self, account_id: str, customer_id: str, **changes: Any) -> Json:
        given = {"account_id": account_id, "customer_id": customer_id}
        return self._object("PATCH", "threads", {**given, **changes})

    def fill_history(
        self, account_id: str, count: int, *, seed: int = 0, until: datetime | None = None
    ) -> int:
        """Give the account so many finished conversations; return how many messages that was."""
        given = {"account_id": account_id, "count": count, "seed": seed, "until": until}
        return int(self._object("POST", "history", _times_written(given))["messages"])

    def start_shoppers(self, account_id: str, count: int, **words: Any) -> list[Json]:
        """Let customers begin to write.

        Args:
            words: `seed`, `languages`, `pace`, `patience`, `without`; see docs/sandbox.md.
        """
        given = {"account_id": account_id, "count": count, **words}
        found: list[Json] = self._object("POST", "shoppers", given)["shoppers"]
        return found

    def shoppers(self) -> Json:
        """Return `counts` by state, and each of the `shoppers` with how far it has come."""
        return self._object("GET", "shoppers")

    def now(self) -> datetime:
        return _now(self._object("GET", "clock"))

    def set_clock(self, at: datetime) -> datetime:
        return _now(self._object("POST", "clock", {"action": "set", "at": at.isoformat()}))

    def freeze_clock(self, at: datetime | None = None) -> datetime:
        given = {"action": "freeze", "at": at.isoformat() if at else None}
        return _now(self._object("POST", "clock", given))

    def advance_clock(self, by: timedelta) -> datetime:
        given = {"action": "advance", "seconds": by.total_seconds()}
        return _now(self._object("POST", "clock", given))

    def run_clock(self) -> datetime:
        return _now(self._object("POST", "clock", {"action": "run"}))

    def add_fault(
        self,
        fault: str,
        *,
        match: Mapping[str, str] | None = None,
        count: int | None = None,
        after: int = 0,
        probability: float = 1.0,
        **params: Any,
    ) -> int:
        """Add a fault rule and return its id; `params` are the fault's own."""
        rule = self._object(
            "POST",
            "faults",
            {
                "fault": fault,
                "match": dict(match or {}),
                "count": count,
                "after": after,
                "probability": probability,
                "params": params,
            },
        )
        return int(rule["id"])

    def faults(self) -> list[Json]:
        return self._list("GET", "faults")

    def remove_fault(self, fault_id: int) -> None:
        self._object("DELETE", f"faults/{fault_id}")

    def clear_faults(self) -> None:
        self._object("DELETE", "faults")

    def seed_faults(self, seed: int) -> None:
        self._object("PUT", "faults/seed", {"seed": seed})

    def kill_token(self, account_id: str, subcode: int | None = None) -> None:
        """Let the account's token die; `subcode` is Meta's reason (460: password changed)."""
        given = {"action": "kill", "account_id": account_id, "subcode": subcode}
        self._object("POST", "tokens", given)

    def expire_token(self, account_id: str, at: datetime) -> None:
        given = {"action": "expire", "account_id": account_id, "at": at.isoformat()}
        self._object("POST", "tokens", given)

    def revive_token(self, account_id: str) -> None:
        self._object("POST", "tokens", {"action": "revive", "account_id": account_id})

    def replace_token(self, account_id: str, new_token: str) -> None:
        given = {"action": "replace", "account_id": account_id, "new_token": new_token}
        self._object("POST", "tokens", given)

    def ledger(self, **filters: str) -> list[Json]:
        """Return the calls received; filters: `kind`, `account_id`, `host`."""
        calls: list[Json] = self._object("GET", "ledger", params=filters)["calls"]
        return calls

    def tokens_sent_abroad(self) -> int:
        """Return how many calls carried a token to a host where it has no business."""
        return int(self._object("GET", "ledger")["tokens_sent_abroad"])

    def clear_ledger(self) -> None:
        self._object("DELETE", "ledger")

    def sent(self, account_id: str | None = None) -> list[Json]:
        """Return what reached the send endpoints, refused or not, oldest first."""
        params = {"account_id": account_id} if account_id else None
        rows: list[Json] = self._object("GET", "sent", params=params)["sent"]
        return rows

    def shown(self, *, after: int = 0) -> list[Json]:
        """Return the conversations that the model was shown in requests after a number."""
        rows: list[Json] = self._object("GET", "model/shown", params={"after": str(after)})["shown"]
        return rows

    def clear_sent(self) -> None:
        self._object("DELETE", "sent")

    def reset(self) -> None:
        self._object("POST", "reset")

    def _object(
        self,
        method: str,
        path: str,
        body: Mapping[str, Any] | None = None,
        *,
        params: Mapping[str, str] | None = None,
    ) -> Json:
        found = self._ask(method, path, body, params)
        assert isinstance(found, dict)
        return found

    def _list(self, method: str, path: str) -> list[Json]:
        found = self._ask(method, path, None, None)
        assert isinstance(found, list)
        return found

    def _ask(
        self,
        method: str,
        path: str,
        body: Mapping[str, Any] | None,
        params: Mapping[str, str] | None,
    ) -> Any:
        response = self._http.request(
            method,
            f"{self.url}/control/{path}",
            json=body,
            params=params,
            timeout=TIMEOUT_SECONDS,
        )
        if response.status_code >= 400:
            raise SandboxRefused(_sentence(response))
        return response.json()


def _sentence(response: requests.Response) -> str:
    try:
        return str(response.json()["error"])
    except (ValueError, KeyError, TypeError):
        return f"HTTP {response.status_code} from the sandbox"


def _times_written(words: Mapping[str, Any]) -> Json:
    return {
        name: value.isoformat() if isinstance(value, datetime) else value
        for name, value in words.items()
        if value is not None
    }


def _now(clock: Json) -> datetime:
    return datetime.fromisoformat(clock["now"])
