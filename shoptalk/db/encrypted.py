"""Queries on sealed credentials, and the lock around changing the key. Nothing here commits."""

from collections.abc import Sequence

from sqlalchemy import func, select, text
from sqlalchemy.orm import Session

from shoptalk.db.models import ChannelIntegration

KEY_LOCK = 0x6B657973  #: any constant; who seals shares it, who changes the key has it alone


def keep_key(session: Session) -> None:
    """Let nobody change the key until this transaction ends.

    Who seals does so between this and the commit, with the key read after this. So a rotation
    finds the row, or the row is sealed with the rotation's key.
    """
    session.execute(text("SELECT pg_advisory_xact_lock_shared(:key)"), {"key": KEY_LOCK})


def claim_key(session: Session) -> None:
    """Let nobody seal, and nobody else change the key, until this transaction ends."""
    session.execute(text("SELECT pg_advisory_xact_lock(:key)"), {"key": KEY_LOCK})


def lock_encrypted(session: Session) -> Sequence[ChannelIntegration]:
    """The channels of all workspaces, held until this transaction ends: they share the key."""
    return session.scalars(
        select(ChannelIntegration)
        .order_by(ChannelIntegration.id)
        .with_for_update(key_share=True)  # a poll that has stored rows of one may lock it after us
    ).all()


def count_sealed(session: Session) -> int:
    """The connected channels of all workspaces: each needs the key."""
    statement = select(func.count()).where(ChannelIntegration.is_connected)
    return session.scalars(statement).one()
