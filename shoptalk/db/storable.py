"""What PostgreSQL can hold in a text."""

#: What it cannot: NUL, and halves of surrogate pairs.
_UNSTORABLE = {0: "\ufffd"} | dict.fromkeys(range(0xD800, 0xE000), "\ufffd")


def storable(text: str) -> str:
    """The text with what the database cannot hold replaced by U+FFFD; all else as it came."""
    return text.translate(_UNSTORABLE)
