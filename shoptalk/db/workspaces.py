"""Queries on workspaces. Nothing here commits."""

import difflib
from collections.abc import Sequence
from dataclasses import dataclass

from sqlalchemy import func, select
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import Session

from shoptalk.db.channels import get_workspace
from shoptalk.db.models import ChannelIntegration, Workspace
from shoptalk.errors import UsageError

DEFAULT = "default"  #: made on first use; every other is made on purpose
SHOWN = 10  #: names in an error; more than these are asked for with a command


@dataclass(frozen=True, slots=True)
class Listed:
    id: int
    name: str
    channels: int  #: connected


def find_workspace(session: Session, name: str) -> Workspace:
    """The workspace of that name.

    Raises:
        UsageError: there is none; the message says which there are.
    """
    if name == DEFAULT:
        return get_workspace(session, name)
    found = session.scalars(select(Workspace).where(Workspace.name == name)).one_or_none()
    if found is None:
        names = session.scalars(select(Workspace.name).order_by(Workspace.id)).all()
        raise UsageError(
            f"There is no workspace {name!r} (WORKSPACE): {_instead(name, names)} "
            "`shoptalk workspaces create NAME` makes one."
        )
    return found


def _instead(name: str, names: Sequence[str]) -> str:
    near = difflib.get_close_matches(name, names, n=1) or [
        each for each in names if each.strip().casefold() == name.strip().casefold()
    ]
    if near:
        return f"did you mean {near[0]!r}?"
    if not names:
        return "there is none yet."
    more = f" and {len(names) - SHOWN} more" if len(names) > SHOWN else ""
    return f"there is {', '.join(map(repr, names[:SHOWN]))}{more}."


def create_workspace(session: Session, name: str) -> Workspace:
    """A new workspace.

    Raises:
        UsageError: there is one of that name.
    """
    statement = insert(Workspace).values(name=name).on_conflict_do_nothing().returning(Workspace)
    made = session.scalars(statement).one_or_none()
    if made is None:
        raise UsageError(f"There is a workspace {name!r} already.")
    return made


def list_workspaces(session: Session) -> list[Listed]:
    """All of them, the oldest first."""
    connected = func.count(ChannelIntegration.id).filter(ChannelIntegration.is_connected)
    statement = (
        select(Workspace.id, Workspace.name, connected.label("channels"))
        .outerjoin(ChannelIntegration, ChannelIntegration.workspace_id == Workspace.id)
        .group_by(Workspace.id)
        .order_by(Workspace.id)
    )
    return [Listed(row.id, row.name, row.channels) for row in session.execute(statement)]
