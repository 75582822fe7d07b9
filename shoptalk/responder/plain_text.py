"""What a model wrote as Markdown, as text that reads well where Markdown is not rendered.

Not done by a parser of Markdown: CommonMark takes the stars of "2*3*4" for emphasis, and leaves
those of "**Total:**12" and "**总价：**12" alone. Here a mark counts only where it encloses words as
no ordinary text does, so that text without Markdown comes back as it is.
"""

import re
from collections.abc import Callable
from dataclasses import dataclass

from shoptalk.platforms.base import TextFormat

_FENCED = re.compile(
    r"^[ \t]*(`{3,}|~{3,})[^\n`]*\n(?P<inside>.*?)(?:^[ \t]*\1[`~]*[ \t]*$\n?|\Z)",
    re.DOTALL | re.MULTILINE,
)
#: Kept as they are, whatever marks they hold.
_KEPT = re.compile(
    r"(?P<image>!?)\[(?P<label>(?:[^\[\]\n]|\[[^\[\]\n]*\])*)\]"
    r"\(\s*<?(?P<target>(?:[a-z][a-z0-9+.-]*:|www\.|[/#])(?:[^\s()<>]|\([^\s()]*\))*)>?"
    r"(?:\s+[\"'][^\"'\n]*[\"'])?\s*\)"
    r"|<(?P<auto>(?:https?://|mailto:|tel:)[^\s<>]+|[\w.+-]+@[\w-]+\.[\w.-]+)>"
    r"|(?<!`)(?P<ticks>`{1,2})(?P<code>[^`\n]+)(?P=ticks)(?!`)"
    r"|(?P<bare>(?:https?://|www\.)[^\s<>*]*[^\s<>*.,;:!?)\]]|[\w.+-]+@[\w-]+\.[\w.-]+)",
    re.IGNORECASE,
)
_HEADING = re.compile(r"^ {0,3}#{1,6}[ \t]+(?P<text>\S.*?)[ \t]*#*[ \t]*$")
_RULE = re.compile(r"^ {0,3}(?:(?:-[ \t]*){3,}|(?:\*[ \t]*){3,}|(?:_[ \t]*){3,}|={3,}[ \t]*)$")
_TABLE_RULE = re.compile(r"^\s*\|?\s*:?-{2,}:?\s*(?:\|\s*:?-{2,}:?\s*)*\|?\s*$")
_QUOTE = re.compile(r"^ {0,3}(?:>[ \t]?)*>[ \t](?=[^\W\d]|[*_\"'“«¿¡])")
_BULLET = re.compile(r"^(?P<indent>[ \t]*)\*[ \t]+(?=\S)")
_BREAK_TAG = re.compile(r"[ \t]*<br\s*/?>[ \t]*\n?", re.IGNORECASE)
_TAG_PAIR = re.compile(
    r"<(?P<tag>b|strong|i|em|u|p|div|span|ul|ol|li|h[1-6]|code|pre)>(?P<text>.*?)</(?P=tag)>",
    re.IGNORECASE | re.DOTALL,
)
_ESCAPED = re.compile(r"\\(?=[*#`\[\]|~>])|(?<=\w)\\(?=_\w)|(?<=\d)\\(?=[.)] )")

_BOLD_ITALIC = re.compile(r"(?<![\\*])\*{3}(?=[^\s*])(?P<text>[^*\n]+?)(?<=[^\s*])\*{3}(?!\*)")
#: Scripts without spaces have stars amid words; "5**2**3" is arithmetic.
_BOLD = re.compile(
    r"(?<![\\*])(?:(?<![A-Za-z0-9])|(?=\*\*[^\w\s]))\*\*(?=[^\s*])(?P<text>(?:[^*\n]|\*(?!\*))+?)"
    r"(?<=\S)\*\*(?!\*)"
)
_UNDERLINED = re.compile(
    r"(?<![^\s(\[{\"'“«¿¡])__(?=[^\s_])(?P<text>[^\n]+?)(?<=[^\s_])__(?![\w_])"
)
_ITALIC = re.compile(
    r"(?<![^\s(\[{\"'“«¿¡—–\ue002])(?P<mark>[*_])(?=[^\s*_])(?P<text>[^*_\n]+?)(?<=[^\s*_])(?P=mark)"
    r"(?=$|[\s.,;:!?)\]}\"'”»…،؛؟。，、！—–\ue003])",
    re.MULTILINE,
)
_STRUCK = re.compile(r"(?<!~)~~(?=[^\s~])(?P<text>[^~\n]+?)(?<=[^\s~])~~(?!~)[ \t]?")
_PLACE = "\ue000{}\ue001"  #: of something kept, while the marks around it are looked at
_PLACE_OF_BOLD = "\ue002{}\ue003"  #: not yet the platform's mark, which may be that of italics
_OUR_OWN = dict.fromkeys(range(0xE000, 0xE004))  #: private to us, and to nobody's writing
_PLACED = re.compile("\ue000(\\d+)\ue001")


@dataclass(frozen=True, slots=True)
class _Marks:
    """What a platform takes for emphasis; empty where it renders none."""

    bold: str = ""
    italic: str = ""


_OF_FORMAT = {TextFormat.PLAIN: _Marks(), TextFormat.WHATSAPP: _Marks(bold="*", italic="_")}


def readable(text: str, text_format: TextFormat) -> str:
    """The text as the platform's customers should get it."""
    if text_format is TextFormat.MARKDOWN:
        return text
    kept: list[str] = []

    def keep(words: str) -> str:
        kept.append(words)
        return _PLACE.format(len(kept) - 1)

    marks = _OF_FORMAT[text_format]
    plain = _FENCED.sub(
        lambda fenced: keep(fenced["inside"].rstrip("\n")) + "\n", text.translate(_OUR_OWN)
    )
    plain = _KEPT.sub(lambda found: _kept(found, keep), plain)
    plain = _BREAK_TAG.sub("\n", plain)
    plain = _blocks(plain)
    plain = _inline(plain, marks)
    plain = _ESCAPED.sub("", plain)
    while _PLACED.search(plain):  # a link's label may hold one
        plain = _PLACED.sub(lambda place: kept[int(place[1])], plain)
    return plain


def _kept(found: re.Match[str], keep: Callable[[str], str]) -> str:
    if found["target"] is not None:
        return _link(found["label"].strip(), found["target"], keep)
    return keep(found["auto"] or found["code"] or found["bare"])


def _link(label: str, target: str, keep: Callable[[str], str]) -> str:
    """Its label and its address, once where they are the same; an address within a page is none."""
    address = re.sub(r"^(?:mailto|tel):", "", target, flags=re.IGNORECASE)
    if target.startswith(("/", "#")):
        return label
    if not label or _bare(label) == _bare(address):
        return keep(label if label and address != target else address)
    return f"{label}: {keep(address)}"


def _bare(address: str) -> str:
    plain = re.sub(r"^https?://(?:www\.)?", "", address.strip().casefold())
    return re.sub(r"[\s/()-]", "", plain)


def _blocks(text: str) -> str:
    lines = text.split("\n")
    bullets = sum(bool(_BULLET.match(line)) for line in lines)
    written: list[str] = []
    is_table = False
    for number, line in enumerate(lines):
        following = lines[number + 1] if number + 1 < len(lines) else ""
        begins_table = "|" in line and "|" in following and bool(_TABLE_RULE.match(following))
        is_table = begins_table or (is_table and "|" in line)
        if is_table:
            if not (_TABLE_RULE.match(line) and "-" in line):
                written.append(_row(line))
        elif _RULE.match(line):
            if written and written[-1].strip():
                written.append("")
        else:
            written.append(_line(line, has_bullets=bullets > 1))
    plain = "\n".join(written)
    return plain if written == lines else re.sub(r"\n{3,}", "\n\n", plain)


def _row(line: str) -> str:
    cells = [cell.strip() for cell in line.strip().strip("|").split("|")]
    return " | ".join(cell for cell in cells if cell)


def _line(line: str, *, has_bullets: bool) -> str:
    heading = _HEADING.match(line)
    if heading:
        words = heading["text"].strip()
        return words if "**" in words else _PLACE_OF_BOLD.format(words)
    line = _QUOTE.sub("", line)
    return _BULLET.sub(r"\g<indent>- ", line) if has_bullets else line


def _inline(text: str, marks: _Marks) -> str:
    text = _TAG_PAIR.sub(lambda found: found["text"], text)
    text = _STRUCK.sub("", text)  # it no longer holds: an old price, mostly
    bold = _PLACE_OF_BOLD.format(r"\g<text>")
    text = _BOLD_ITALIC.sub(bold, text)
    text = _BOLD.sub(bold, text)
    text = _UNDERLINED.sub(bold, text)
    text = _ITALIC.sub(rf"{marks.italic}\g<text>{marks.italic}", text)
    return text.translate({0xE002: marks.bold, 0xE003: marks.bold})
