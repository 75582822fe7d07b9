"""What PostgreSQL can hold in a text."""

import re

#: What it cannot: NUL, and halves of surrogate pairs.
_UNSTORABLE = re.compile("[\0\ud800-\udfff]")


def storable(text: str) -> str:
    """The text with what the database cannot hold replaced by U+FFFD; all else as it came."""
    if text.isascii() and "\0" not in text:
        return text  # told at once; most ids and many messages are
    return _UNSTORABLE.sub("\ufffd", text)
