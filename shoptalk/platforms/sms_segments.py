"""How many segments a text takes as an SMS: what it is cut into, and billed by.

A text goes out in the GSM 7-bit alphabet where that has all its characters, else in UCS-2. Alone
it may hold 160 septets or 70 UTF-16 units; cut into several, each part gives 7 and 3 of them to
the header that joins them again. A character is never cut in two.

Sources: 3GPP TS 23.038 (the alphabet), https://www.twilio.com/docs/glossary/what-is-a-segment
"""

from collections.abc import Iterable

_BASIC = frozenset(
    "@£$¥èéùìòÇ\nØø\rÅåΔ_ΦΓΛΩΠΨΣΘΞÆæßÉ !\"#¤%&'()*+,-./0123456789:;<=>?"
    "¡ABCDEFGHIJKLMNOPQRSTUVWXYZÄÖÑÜ§¿abcdefghijklmnopqrstuvwxyzäöñüà"
)
_EXTENSION = frozenset("\f^{}\\[~]|€")  # an escape goes before each of these

GSM_ALONE, GSM_PART = 160, 153
UCS2_ALONE, UCS2_PART = 70, 67

#: What a model likes to write and GSM lacks, with what it looks like
_LOOKALIKES = str.maketrans(
    {
        "‘": "'",
        "’": "'",
        "‚": "'",
        "“": '"',
        "”": '"',
        "„": '"',
        "–": "-",
        "—": "-",
        "‑": "-",
        "−": "-",
        "…": "...",
        "•": "-",
        "×": "x",
        "\u00a0": " ",
        "\u202f": " ",
        "\u2009": " ",
    }
)


def is_gsm(text: str) -> bool:
    """Whether the text can go out in the GSM 7-bit alphabet."""
    return all(letter in _BASIC or letter in _EXTENSION for letter in text)


def segments(text: str) -> int:
    """How many segments the text takes; none when it is empty."""
    if is_gsm(text):
        widths = [2 if letter in _EXTENSION else 1 for letter in text]
        return _parts(widths, alone=GSM_ALONE, part=GSM_PART)
    widths = [2 if ord(letter) > 0xFFFF else 1 for letter in text]
    return _parts(widths, alone=UCS2_ALONE, part=UCS2_PART)


def spared(text: str) -> str:
    """The text with lookalikes in place of typographic signs, where that brings it into GSM.

    One curly quote more than halves what a segment holds.
    """
    plain = text.translate(_LOOKALIKES)
    return plain if is_gsm(plain) else text


def _parts(widths: Iterable[int], *, alone: int, part: int) -> int:
    widths = list(widths)
    if sum(widths) <= alone:
        return min(len(widths), 1)
    count, used = 1, 0
    for width in widths:
        if used + width > part:
            count, used = count + 1, 0
        used += width
    return count
