"""A web chat beside the sandbox's platforms: visitors, a person at the shop, what was written."""

from collections.abc import Sequence
from contextlib import AbstractContextManager

from sqlalchemy import select
from sqlalchemy.orm import Session

from shoptalk.db import webchat_rows
from shoptalk.db.channels import find_account
from shoptalk.db.models import ChannelIntegration, ChatMessage, ChatSession
from shoptalk.services.connecting import connect_channel
from tests.loop.shop import Shop

SITE = "corner-shop.example"


class Chat:
    """The site of a shop. A session bears its visitor's name."""

    def __init__(self, shop: Shop, *, site: str = SITE, ai: bool = True) -> None:
        self.shop = shop
        self.channel = connect_channel(shop.app, "webchat", site, {}, name=None, ai_default=ai)

    def transaction(self) -> AbstractContextManager[Session]:
        return self.shop.app.database.transaction()

    def session_of(self, session: Session, who: str) -> ChatSession:
        channel = find_account(session, "webchat", self.channel.external_id)
        assert channel is not None
        visitor = webchat_rows.keep_visitor(session, channel, f"visitor-{who}", name=who.title())
        found = webchat_rows.open_session(session, visitor, f"session-{who}")
        assert found is not None
        return found

    def visitor_writes(self, text: str, *, who: str = "ann", reference: str | None = None) -> str:
        with self.transaction() as session:
            written = webchat_rows.visitor_writes(
                session,
                self.session_of(session, who),
                text,
                now=self.shop.now,
                reference=reference,
            )
            return f"webchat_{written.id}"

    def employee_writes(self, text: str, *, who: str = "ann") -> str:
        with self.transaction() as session:
            found = self.session_of(session, who)
            written = webchat_rows.employee_writes(session, found, text, now=self.shop.now)
            return f"webchat_{written.id}"

    def shown(self, who: str = "ann") -> list[tuple[str, str]]:
        """What the visitor's page shows, oldest first: who wrote, and what."""
        return [(each.sender_type, each.content) for each in self.messages(who)]

    def messages(self, who: str = "ann") -> Sequence[ChatMessage]:
        with self.transaction() as session:
            return session.scalars(
                select(ChatMessage)
                .where(
                    ChatMessage.session_id == f"session-{who}",
                    ChatMessage.channel_integration_id == self.channel.id,
                )
                .order_by(ChatMessage.id)
            ).all()

    def answered(self, who: str = "ann") -> list[str]:
        return [text for sender, text in self.shown(who) if sender == "agent"]

    def reconnect(self) -> ChannelIntegration:
        site = self.channel.external_id
        return connect_channel(self.shop.app, "webchat", site, {}, name=None, ai_default=None)
