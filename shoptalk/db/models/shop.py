"""The shop: its workspace, connected channels, agent, catalog and orders."""

from datetime import datetime
from typing import Any

from sqlalchemy import CheckConstraint, ForeignKey, Index, UniqueConstraint, text
from sqlalchemy.orm import Mapped, mapped_column

from shoptalk.db.models.base import Base, Created, Key, Money


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
    history_state: Mapped[str] = mapped_column(server_default="waiting")
    history_since: Mapped[datetime | None]  # how far back the history walk goes; None: all
    history_threads: Mapped[int | None]  # that it consists of; None: nobody knows yet
    history_failures: Mapped[int] = mapped_column(server_default=text("0"))  # in a row
    history_next_at: Mapped[datetime | None]  # history is not read before; polls are
    page_sizes: Mapped[dict[str, Any]] = mapped_column(server_default=text("'{}'::jsonb"))
    #: what the platform could answer when it wanted less, by kind of question
    stopped_at: Mapped[datetime | None]  # set while the platform refuses the account
    last_error: Mapped[str | None]
    remedy: Mapped[str | None]
    failures: Mapped[int] = mapped_column(server_default=text("0"))  # polls failed in a row
    next_poll_at: Mapped[datetime | None]  # not before
    usage_percent: Mapped[int | None]
    token_checked_at: Mapped[datetime | None]
    token_expires_at: Mapped[datetime | None]
    data_access_expires_at: Mapped[datetime | None]
    missing_permissions: Mapped[list[str]] = mapped_column(server_default=text("'{}'"))
    created_at: Mapped[Created]


class Product(Base):
    """One line of the catalog; a variant with a price of its own is a product."""

    __tablename__ = "products"
    __table_args__ = (
        UniqueConstraint("workspace_id", "product_id"),
        CheckConstraint("price >= 0", "price"),
        CheckConstraint("stock >= 0", "stock"),
    )

    id: Mapped[Key]
    workspace_id: Mapped[int] = mapped_column(ForeignKey("workspaces.id"))
    product_id: Mapped[str]  # the shop's own
    name: Mapped[str]
    description: Mapped[str] = mapped_column(server_default="")
    price: Mapped[Money]
    currency: Mapped[str]
    stock: Mapped[int | None]  # None: not tracked
    active: Mapped[bool] = mapped_column(server_default=text("true"))
    created_at: Mapped[Created]


class Order(Base):
    """A purchase of one product. Product, price, currency and total are the catalog's."""

    __tablename__ = "orders"
    __table_args__ = (
        CheckConstraint("quantity > 0", "quantity"),
        CheckConstraint("total = unit_price * quantity", "total"),
        # A turn that is run again after a crash finds what it has ordered already.
        Index(
            "uq_orders_turn_product",
            "turn_id",
            "product_id",
            unique=True,
            postgresql_where=text("turn_id IS NOT NULL"),
        ),
        Index("ix_orders_workspace_created", "workspace_id", "created_at"),
    )

    id: Mapped[Key]
    workspace_id: Mapped[int] = mapped_column(ForeignKey("workspaces.id"))
    conversation_id: Mapped[int | None] = mapped_column(ForeignKey("conversations.id"), index=True)
    turn_id: Mapped[int | None] = mapped_column(ForeignKey("ai_response_queue.id"))
    product_id: Mapped[str]
    product_name: Mapped[str]
    quantity: Mapped[int]
    unit_price: Mapped[Money]
    currency: Mapped[str]
    total: Mapped[Money]
    customer_name: Mapped[str | None]
    customer_phone: Mapped[str | None]
    address: Mapped[str | None]
    status: Mapped[str] = mapped_column(server_default="new")
    ai_generated: Mapped[bool] = mapped_column(server_default=text("false"))
    created_at: Mapped[Created]


class Credit(Base):
    """What a workspace may still spend on answers; no row: no limit."""

    __tablename__ = "credits"

    workspace_id: Mapped[int] = mapped_column(ForeignKey("workspaces.id"), primary_key=True)
    balance: Mapped[int]
    updated_at: Mapped[Created]


class FeatureFlag(Base):
    """A switch, for one workspace or (workspace_id empty) for all."""

    __tablename__ = "feature_flags"
    __table_args__ = (UniqueConstraint("workspace_id", "name", postgresql_nulls_not_distinct=True),)

    id: Mapped[Key]
    workspace_id: Mapped[int | None] = mapped_column(ForeignKey("workspaces.id"))
    name: Mapped[str]
    enabled: Mapped[bool]
    settings: Mapped[dict[str, Any] | None]


class ApiKey(Base):
    """A key to the HTTP API; only its hash is kept."""

    __tablename__ = "api_keys"

    id: Mapped[Key]
    workspace_id: Mapped[int] = mapped_column(ForeignKey("workspaces.id"), index=True)
    name: Mapped[str]
    prefix: Mapped[str]
    key_hash: Mapped[str] = mapped_column(unique=True)
    created_at: Mapped[Created]
    last_used_at: Mapped[datetime | None]
    revoked_at: Mapped[datetime | None]
