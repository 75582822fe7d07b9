"""The web chat's tables as a platform's other side: one account's, a transaction a call.

The queries are loaded with the first call: most accounts are on other platforms.
"""

from collections.abc import Callable, Sequence
from datetime import datetime
from typing import TypeVar

from sqlalchemy.exc import DBAPIError, InterfaceError, OperationalError
from sqlalchemy.orm import Session

from shoptalk.db.engine import Database
from shoptalk.db.outage import reason
from shoptalk.errors import DeliveryUncertain, RetryLater
from shoptalk.types import ChatLine, ChatThread

Answer = TypeVar("Answer")


class ChatTables:
    """The sessions of one account. A database that is gone is said in our own errors."""

    def __init__(self, database: Database, platform: str, external_id: str) -> None:
        self._database = database
        self._platform = platform
        self._external_id = external_id

    def threads(
        self,
        *,
        since: datetime | None,
        before: tuple[datetime, int] | None,
        limit: int,
        lines: int,
    ) -> Sequence[ChatThread]:
        from shoptalk.db import webchat_rows

        return self._ask(
            lambda session: webchat_rows.threads_by_change(
                session,
                self._platform,
                self._external_id,
                since=since,
                before=before,
                limit=limit,
                lines=lines,
            )
        )

    def lines(
        self, session_id: str, *, before: int | None, limit: int
    ) -> Sequence[ChatLine] | None:
        from shoptalk.db import webchat_rows

        def read(session: Session) -> Sequence[ChatLine] | None:
            found = webchat_rows.find_session(
                session, self._platform, self._external_id, session_id
            )
            if found is None:
                return None
            return webchat_rows.lines_before(session, found, before=before, limit=limit)

        return self._ask(read)

    def add(
        self, session_id: str, text: str, *, reference: str | None, at: datetime
    ) -> ChatLine | None:
        from shoptalk.db import webchat_rows

        def write(session: Session) -> ChatLine | None:
            found = webchat_rows.find_session(
                session, self._platform, self._external_id, session_id
            )
            if found is None:
                return None
            written = webchat_rows.agent_writes(session, found, text, now=at, reference=reference)
            return webchat_rows.line_of(written)

        return self._ask(write, changes=True)

    def show_typing(self, session_id: str, *, until: datetime) -> None:
        from shoptalk.db import webchat_rows

        def show(session: Session) -> None:
            found = webchat_rows.find_session(
                session, self._platform, self._external_id, session_id
            )
            if found is not None:
                webchat_rows.show_typing(session, found, until=until)

        self._ask(show)

    def _ask(self, work: Callable[[Session], Answer], *, changes: bool = False) -> Answer:
        """Do it in a transaction; a change whose commit was not answered is uncertain."""
        is_done = False
        try:
            with self._database.transaction() as session:
                answer = work(session)
                is_done = True
            return answer
        except (OperationalError, InterfaceError) as exc:
            failure: DBAPIError = exc
        said = f"the database failed: {reason(failure)}"
        if changes and is_done:
            raise DeliveryUncertain(said, platform=self._platform)
        raise RetryLater(said, platform=self._platform)
