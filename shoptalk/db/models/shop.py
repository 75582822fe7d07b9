"""The shop: its workspace, connected channels and agent."""

from datetime import datetime
from typing import Any

from sqlalchemy import CheckConstraint, ForeignKey, UniqueConstraint, text
from sqlalchemy.orm import Mapped, mapped_column

from shoptalk.db.models.base import Base, Created, Key


class Workspace(Base):
    """One shop. Everything else belongs to one."""

    __tablename__ = "workspaces"

    id: Mapped[Key]
    name: Mapped[str] = mapped_column(unique=True)
    created_at: Mapped[Created]


class Agent(Base):
    """The AI's set-up: what it is told, and which model it speaks with."""

    __tablename__ = "agents"
    __table_args__ = (UniqueConstraint("workspace_id", "name"),)

    id: Mapped[Key]
    workspace_id: Mapped[int] = mapped_column(ForeignKey("workspaces.id"))
    name: Mapped[str]
    instructions: Mapped[str] = mapped_column(server_default="")
    prompt_id: Mapped[str | None]  # a dashboard prompt; instructions are the fallback
    model: Mapped[str | None]  # None: OPENAI_MODEL
    created_at: Mapped[Created]


class ChannelIntegration(Base):
    """One connected account on a platform: a Page, an Instagram account, a phone number."""

    __tablename__ = "channel_integrations"
    __table_args__ = (
        # One account is answered by one shop only, or its customers would hear two.
        UniqueConstraint("channel", "external_id"),
        UniqueConstraint("id", "workspace_id"),  # for the foreign keys of the web chat
        CheckConstraint("history_state IN ('waiting', 'done')", "history_state"),
    )

    id: Mapped[Key]
    workspace_id: Mapped[int] = mapped_column(ForeignKey("workspaces.id"), index=True)
    channel: Mapped[str]  # the platform's word
    external_id: Mapped[str]
    display_name: Mapped[str]
    is_connected: Mapped[bool] = mapped_column(server_default=text("true"))
    config: Mapped[str]  # credentials, sealed by the vault
    ai_default: Mapped[bool] = mapped_column(server_default=text("true"))
    agent_id: Mapped[int | None] = mapped_column(ForeignKey("agents.id"))
    connected_at: Mapped[datetime]  # the cut-over, platform time
    last_fetch_timestamp: Mapped[datetime | None]  # the watermark, platform time
    watermark_moved_at: Mapped[datetime | None]  # when we saw it move, our time
    last_poll_at: Mapped[datetime | None]  # last complete poll, our time
    missing_since: Mapped[datetime | None]  # since when its list was not read whole, our time
    malformed_since: Mapped[datetime | None]  # the same of a list of threads: nothing waits but it
    history_state: Mapped[str] = mapped_column(server_default="waiting")
    history_since: Mapped[datetime | None]  # how far back the history walk goes; None: all
    history_threads: Mapped[int | None]  # that it consists of; None: nobody knows yet
    history_failures: Mapped[int] = mapped_column(server_default=text("0"))  # in a row
    history_next_at: Mapped[datetime | None]  # history is not read before; polls are
    #: What the platform could answer when it wanted less, by kind of question
    page_sizes: Mapped[dict[str, Any]] = mapped_column(server_default=text("'{}'::jsonb"))
    stopped_at: Mapped[datetime | None]  # set while the platform refuses the account
    last_error: Mapped[str | None]
    remedy: Mapped[str | None]
    failures: Mapped[int] = mapped_column(server_default=text("0"))  # polls failed in a row
    next_poll_at: Mapped[datetime | None]  # not before
    usage_percent: Mapped[int | None]
    token_checked_at: Mapped[datetime | None]
    token_expires_at: Mapped[datetime | None]
    data_access_expires_at: Mapped[datetime | None]
    conversation_count: Mapped[int] = mapped_column(server_default=text("0"))
    missing_permissions: Mapped[list[str]] = mapped_column(server_default=text("'{}'"))
    created_at: Mapped[Created]
