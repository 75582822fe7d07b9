"""What a secret or an address must be before it is used: one home for the rule.

What is pasted brings along what nobody sees. At the ends it is taken away; inside it is refused,
with the character's name and place, and never the value itself.
"""

import re
import unicodedata
from collections.abc import Callable
from urllib.parse import urlsplit

_INVISIBLE = {"Cc", "Cf", "Cs", "Co", "Cn", "Zs", "Zl", "Zp"}
_QUOTES = {"Pi", "Pf"}
_ENDPOINTS = ("/chat/completions", "/completions", "/responses", "/models", "/embeddings")


def trimmed(value: str) -> str:
    """Without white space and invisible characters at the ends."""
    start, end = 0, len(value)
    while start < end and unicodedata.category(value[start]) in _INVISIBLE:
        start += 1
    while end > start and unicodedata.category(value[end - 1]) in _INVISIBLE:
        end -= 1
    return value[start:end]


def left_out(value: str) -> list[str]:
    """What `trimmed` takes away: each character by its name, once."""
    kept = trimmed(value)
    start = value.find(kept)
    away = value[:start] + value[start + len(kept) :]
    return list(dict.fromkeys(_named(character) for character in away))


def secret(value: str) -> str:
    """A key or token: printable ASCII without spaces.

    Raises:
        ValueError: says what is wrong with it.
    """
    value = trimmed(value)
    if value[:1] in {'"', "'", "`"} and value[-1:] == value[:1]:
        raise ValueError("stands in quotes: leave them away")
    if re.match(r"bearer\s", value, re.IGNORECASE):
        raise ValueError("begins with the word Bearer: give the key alone")
    if re.match(r"https?://", value, re.IGNORECASE):
        raise ValueError("is an address where a key is expected")
    _refuse(value, lambda character: not "!" <= character <= "~")
    half = len(value) // 2
    if len(value) >= 32 and value[:half] == value[half:]:
        raise ValueError("holds the same text twice: it may have been pasted two times")
    return value


def passphrase(value: str) -> str:
    """A secret of the owner's own, in any language and with spaces."""
    value = trimmed(value)
    _refuse(value, lambda character: character != " " and _is_deceptive(character))
    return value


def web_address(value: str) -> str:
    """The base of an HTTP address, without the slash at its end."""
    value = trimmed(value)
    if not value.lower().startswith(("https://", "http://")):
        raise ValueError("must begin with https:// or http://")
    _refuse(value, _is_deceptive)
    try:
        parts = urlsplit(value)
        host, _port = parts.hostname, parts.port
    except ValueError:
        raise ValueError("has a host or port that cannot be understood") from None
    if not host:
        raise ValueError("names no host")
    if parts.username is not None or parts.password is not None:
        raise ValueError("holds a user or password, which do not belong there")
    if parts.query or parts.fragment:
        raise ValueError("must end before ? and #")
    value = value.rstrip("/")
    for endpoint in _ENDPOINTS:
        if value.lower().endswith(endpoint):
            raise ValueError(f"must end before {endpoint}: the program adds that itself")
    return value


def database_address(value: str) -> str:
    """What DATABASE_URL may hold; PostgreSQL's own library reads the rest."""
    value = trimmed(value)
    _refuse(value, lambda character: character != " " and _is_deceptive(character))
    if value[:1] in {'"', "'"}:
        raise ValueError("stands in quotes: leave them away")
    # Split at the wrong place, a part of the password would be told as the host's name.
    after_user = value.partition("://")[2].partition("?")[0].partition(":")[2]
    if after_user.count("@") > 1 or "#" in after_user:
        raise ValueError("holds @ or # in its password: write them as %40 and %23")
    return value


def _is_deceptive(character: str) -> bool:
    return unicodedata.category(character) in _INVISIBLE | _QUOTES


def _refuse(value: str, is_wrong: Callable[[str], bool]) -> None:
    for position, character in enumerate(value, 1):
        if is_wrong(character):
            raise ValueError(f"holds {_named(character)} at position {position}: write it anew")


def _named(character: str) -> str:
    """Its name where it is visible to nobody, or an odd one; of a letter only its kind."""
    name = unicodedata.name(character, "")
    known = f"character {name}" if name else f"control character {ord(character):#04x}"
    return f"the {known} (U+{ord(character):04X})"
