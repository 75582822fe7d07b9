"""Which platforms there are: whatever is installed under the entry point `shoptalk.platforms`.

Another distribution adds a platform with one line of its own set-up. An adapter is imported
when it is first asked for, so that one that cannot be imported harms no other.
"""

import functools
from importlib.metadata import EntryPoint, entry_points
from typing import Protocol

from shoptalk.errors import UsageError
from shoptalk.platforms.base import Capabilities, Platform, Surroundings
from shoptalk.types import Account

GROUP = "shoptalk.platforms"


class Adapter(Protocol):
    """The class of a platform: tells what it can do before any account is connected."""

    name: str
    can: Capabilities

    def __call__(self, account: Account, surroundings: Surroundings) -> Platform: ...


def names() -> list[str]:
    """The platforms' words as used in settings, tables and logs, sorted."""
    return sorted(_entry_points())


@functools.cache
def adapter(name: str) -> Adapter:
    """The adapter of the platform `name`.

    Raises:
        UsageError: there is none, or it cannot be imported.
    """
    entry_point = _entry_points().get(name)
    if entry_point is None:
        raise UsageError(f"There is no platform {name!r}. Known are: {', '.join(names())}.")
    try:
        loaded: Adapter = entry_point.load()
    except (ImportError, AttributeError) as exc:
        raise UsageError(f"The platform {name!r} cannot be loaded: {exc}.") from exc
    return loaded


@functools.cache
def _entry_points() -> dict[str, EntryPoint]:
    return {entry_point.name: entry_point for entry_point in entry_points(group=GROUP)}
