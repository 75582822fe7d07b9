"""Which platforms there are: whatever is installed under the entry point `shoptalk.platforms`.

Another distribution adds a platform with one line of its own set-up. An adapter is imported
when it is first asked for, so that one that cannot be imported harms no other.
"""

import functools
from difflib import get_close_matches
from importlib.metadata import EntryPoint, entry_points
from typing import Protocol

from shoptalk.errors import UsageError
from shoptalk.platforms.base import AdapterContext, Capabilities, Platform
from shoptalk.types import Account

GROUP = "shoptalk.platforms"


class Adapter(Protocol):
    """The class of a platform: tells what it can do before any account is connected."""

    name: str
    capabilities: Capabilities

    def __call__(self, account: Account, surroundings: AdapterContext) -> Platform: ...


def names() -> list[str]:
    """The platforms' words as used in settings, tables and logs, sorted."""
    return sorted(_entry_points())


def distribution(name: str) -> str:
    """The installed distribution that the platform comes from, with its version; "" if unknown."""
    entry_point = _entry_points()[name]
    found = entry_point.dist
    return f"{found.name} {found.version}" if found is not None else ""


@functools.cache
def adapter(name: str) -> Adapter:
    """The adapter of the platform `name`.

    Raises:
        UsageError: there is none, or it cannot be imported.
    """
    entry_point = _entry_points().get(name)
    if entry_point is None:
        alike = get_close_matches(name.lower(), names(), n=1)
        hint = f" Did you mean {alike[0]!r}?" if alike else ""
        raise UsageError(f"There is no platform {name!r}.{hint} Known are: {', '.join(names())}.")
    try:
        loaded: Adapter = entry_point.load()
    except Exception as exc:  # whatever the code of another distribution does when imported
        raise UsageError(f"The platform {name!r} cannot be loaded: {_reason(exc)}.") from exc
    if getattr(loaded, "name", None) != name or not isinstance(
        getattr(loaded, "capabilities", None), Capabilities
    ):
        raise UsageError(
            f"The platform {name!r} cannot be loaded: {entry_point.value} is no adapter of that "
            "name that says what it can do."
        )
    return loaded


def _reason(error: Exception) -> str:
    said = " ".join(str(error).split()).rstrip(".")
    if isinstance(error, ImportError | AttributeError) and said:
        return said
    return f"{type(error).__name__}: {said}" if said else type(error).__name__


@functools.cache
def _entry_points() -> dict[str, EntryPoint]:
    found = list(entry_points(group=GROUP))
    if len({entry_point.name for entry_point in found}) < len(found):
        found.sort(key=_is_ours)  # ours last: nobody takes their place
    return {entry_point.name: entry_point for entry_point in found}


def _is_ours(entry_point: EntryPoint) -> bool:
    return entry_point.dist is not None and entry_point.dist.name == "shoptalk"
