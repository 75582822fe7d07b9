"""Phone numbers, as far as ids and addresses need them. No numbering plans, no guessed country."""

import re
import unicodedata

_INTERNATIONAL = re.compile(r"\+[\d\s().\-\u2010\u2011]{6,30}")
_FEWEST_DIGITS, _MOST_DIGITS = 7, 15  # E.164


def find_phone(text: str) -> str | None:
    """The E.164 form of a number in international form ("+20 100 000 0123"), or None."""
    visible = "".join(char for char in text if unicodedata.category(char) != "Cf").strip()
    if not _INTERNATIONAL.fullmatch(visible):
        return None
    digits = "".join(str(unicodedata.decimal(char)) for char in visible if char.isdecimal())
    return f"+{digits}" if _FEWEST_DIGITS <= len(digits) <= _MOST_DIGITS else None
