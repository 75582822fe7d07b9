"""What a workspace may do: credits, switches, keys to the HTTP API."""

from datetime import datetime
from typing import Any

from sqlalchemy import ForeignKey, UniqueConstraint
from sqlalchemy.orm import Mapped, mapped_column

from shoptalk.db.models.base import Base, Created, Key


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
