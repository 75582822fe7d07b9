"""API versions in paths, and ETags over formatted bodies."""

import re
from hashlib import sha1

_VERSION = re.compile(r"v\d{1,2}\.\d")


def split_version(path: tuple[str, ...]) -> tuple[str | None, tuple[str, ...]]:
    """Separate a leading version from the rest of a path."""
    if path and _VERSION.fullmatch(path[0]):
        return path[0], path[1:]
    return None, path


def etag(body: str, user_agent: str) -> str:
    """Return the tag of a body, which like Meta's varies with the reader's User-Agent."""
    digest = sha1(f"{user_agent}|{body}".encode(errors="replace"), usedforsecurity=False)
    return f'"{digest.hexdigest()}"'
