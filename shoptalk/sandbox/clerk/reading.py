"""What one turn of a customer says: goods, quantities, an answer, a name, an address, a phone.

Reading knows nothing of what was said before, except which details of a delivery we are waiting
for: then a line that is about nothing else may be one of them.
"""

import re
from collections.abc import Collection, Sequence
from dataclasses import dataclass, field, replace

from shoptalk.sandbox.clerk.catalog import Catalog, Kind
from shoptalk.sandbox.clerk.words import (
    AND,
    BOUNDARIES,
    COMMA,
    LINE_END,
    MONEY,
    Tokens,
    folded,
    plain,
    split,
    vocabulary,
    words,
)

LONGEST_TURN = 3000  # characters that are read; more is not one customer's wish
LONGEST_QUANTITY = 9999
PHONE = re.compile(r"(?<![\w])(?:\+|00)?\d(?:[ ().-]?\d){6,14}(?![\w])")
_ODD = re.compile(r"[?؟!{}<>=$*@|\[\]_]")  # in no name, address or quantity
_LABELS = {
    "name": r"(?:my )?name(?: is|'s)?|i am|i'm|الاسم|إسمي|اسمي|السمية|الإسم",
    "address": r"(?:my )?address(?: is)?|(?:ship|deliver|send)(?: it)? to|العنوان|عنواني",
    "phone": r"(?:my )?(?:phone|mobile|tel|number)(?: number)?(?: is)?"
    r"|رقم (?:التليفون|الهاتف|الجوال|الموبايل)|رقمي|تليفون"
    r"|التليفون|الجوال|الرقم|الهاتف|النمرة|الموبايل",
}
_LABELLED = {
    name: re.compile(rf"(?:{label})(?:\s*[:：]\s*|\s+)(?P<value>.+)", re.IGNORECASE)
    for name, label in _LABELS.items()
}
_LONGEST_NAME = 5  # words
_LONGEST_BARE_ADDRESS = 5  # words of one without digits and commas
_LONGEST_DETAIL = 150  # characters
_NO_MEANING = frozenset(  # set phrases that alone do not tell what the customer wants
    {"filler", "not", "change", "instead", "not_details", "cancel_placed", "question"}
)
_NOT_DETAILS = (
    "decline",
    "price",
    "person",
    "bargain",
    "menu",
    "wish",
    "not_details",
)  # anywhere in a line
_NOT_DETAILS_ALONE = ("confirm", "greeting", "refusal", "stop", "thanks")  # parts of names too


@dataclass(frozen=True, slots=True)
class Details:
    """Where an order goes. Empty text: not known yet."""

    name: str = ""
    address: str = ""
    phone: str = ""

    def updated(self, other: "Details") -> "Details":
        return Details(
            other.name or self.name, other.address or self.address, other.phone or self.phone
        )

    @property
    def missing(self) -> frozenset[str]:
        return frozenset(name for name in _LABELS if not getattr(self, name))

    @property
    def complete(self) -> bool:
        return not self.missing


NO_DETAILS = Details()


@dataclass(frozen=True, slots=True)
class Wish:
    """Goods the customer named. `quantity` None: not said; 0: said in a way that makes no sense."""

    kind: Kind
    wanted: dict[int, str]
    quantity: int | None
    instead: bool = False


@dataclass(slots=True)
class Reading:
    wishes: list[Wish] = field(default_factory=list)
    loose: Tokens = ()  #: words that may be options of what was named before
    quantity: int | None = None  #: of what was named before; 0 when it makes no sense
    replaces: int | None = None  #: the quantity it replaces ("4 not 1")
    details: Details = NO_DETAILS
    says: frozenset[str] = frozenset()  #: what set phrases express: "price", "decline", ...
    is_confirmation: bool = False  #: a yes and nothing else
    understood: bool = False

    @property
    def about_goods(self) -> bool:
        return bool(self.wishes or self.quantity is not None)


@dataclass(frozen=True, slots=True)
class _Line:
    text: str
    raw: Tokens
    tokens: Tokens


def read(texts: Sequence[str], catalog: Catalog, *, awaited: Collection[str]) -> Reading:
    lines = _lines(texts)
    details, goods = _sort_out_details(lines, catalog, awaited)
    reading = Reading(details=details, says=_says(goods))
    reading.is_confirmation = (
        details == NO_DETAILS
        and any(_is_yes(line) for line in goods)
        and all(_is_yes(line) or _is_only(line, "thanks") for line in goods)
    )
    if reading.is_confirmation:
        reading.understood = True
        return reading
    tokens = tuple(token for line in goods for token in (*line.tokens, LINE_END))
    reading.wishes = _wishes(tokens, catalog)
    if not reading.wishes:
        reading.loose = tuple(token for token in tokens if token in catalog.option_words)
        reading.quantity, reading.replaces = _new_quantity(goods)
    reading.understood = bool(
        reading.about_goods or details != NO_DETAILS or reading.says - _NO_MEANING
    )
    return reading


def options_and_quantity(reading: Reading, texts: Sequence[str], kind: Kind) -> Reading:
    """Read a turn again knowing which kind it is about: what names an option is no quantity."""
    goods = [line for line in _lines(texts) if PHONE.search(line.text) is None]
    tokens = tuple(token for line in goods for token in (*line.tokens, LINE_END))
    wanted, used = kind.wanted_in(tokens)
    if not wanted:
        return reading
    rest = tuple(token for i, token in enumerate(tokens) if i not in used)
    quantity, replaces = _new_quantity([_Line("", rest, rest)])
    again = replace(reading, quantity=quantity, replaces=replaces)
    again.wishes, again.understood = [Wish(kind, wanted, quantity)], True
    return again


def _lines(texts: Sequence[str]) -> list[_Line]:
    whole = "\n".join(texts)[:LONGEST_TURN]
    lines = []
    for text in plain(whole).splitlines():
        if text.strip():
            bargainless = MONEY.sub(" ", folded(text))
            lines.append(_Line(text.strip(), split(bargainless), words(bargainless)))
    return lines


def _says(lines: Sequence[_Line]) -> frozenset[str]:
    known = vocabulary()
    said = {kind for kind in known.phrases for line in lines if known.says(kind, line.raw)}
    if "refusal" in said and not any(
        _is_only(line, "refusal") or line.raw[:2] == ("no", COMMA) for line in lines
    ):
        said.discard("refusal")
    if any(MONEY.search(folded(line.text)) for line in lines):
        said.add("bargain")
    if any("?" in line.text or "؟" in line.text for line in lines):
        said.add("question")
    return frozenset(said)


def _is_only(line: _Line, kind: str) -> bool:
    known = vocabulary()
    rest = known.without("filler", known.without(kind, line.raw))
    return known.says(kind, line.raw) and all(token in BOUNDARIES for token in rest)


def _is_yes(line: _Line) -> bool:
    known = vocabulary()
    if any(known.says(kind, line.raw) for kind in ("decline", "refusal")):
        return False
    questions = "?" in line.text or "؟" in line.text
    numbers = any(token[-1].isdigit() for token in line.tokens)
    bargains = MONEY.search(folded(line.text)) is not None
    return not (questions or numbers or bargains) and _is_only(line, "confirm")


def _sort_out_details(
    lines: list[_Line], catalog: Catalog, awaited: Collection[str]
) -> tuple[Details, list[_Line]]:
    found = NO_DETAILS
    others: list[_Line] = []
    free: list[_Line] = []
    for line in lines:
        labelled = _labelled(line, catalog)
        if labelled is not None:
            found = found.updated(labelled)
        elif match := PHONE.search(line.text):
            found = found.updated(_from_one_line(line.text, match))
        else:
            free.append(line)
    # Someone who gives one detail is giving them all, asked or not.
    open_to = found.missing if found != NO_DETAILS else frozenset(awaited)
    for line in free:
        if not open_to or not _may_be_detail(line, catalog):
            others.append(line)
        elif "name" in open_to - _known(found) and _looks_like_name(
            line.text, alone=found == NO_DETAILS
        ):
            found = replace(found, name=line.text)
        elif "address" in open_to and _looks_like_address(line.text):
            joined = f"{found.address}, {line.text}" if found.address else line.text
            found = replace(found, address=joined)
        else:
            others.append(line)
    return found, others


def _known(details: Details) -> frozenset[str]:
    return frozenset(_LABELS) - details.missing


def _labelled(line: _Line, catalog: Catalog) -> Details | None:
    for name, pattern in _LABELLED.items():
        match = pattern.fullmatch(line.text)
        if match is None:
            continue
        value = match["value"].strip(" .,،")
        phone = PHONE.search(value)
        if name == "phone":
            return Details(phone=phone.group()) if phone else None
        if phone:
            return replace(_from_one_line(value, phone), **{name: _before(value, phone)})
        (rest,) = _lines([value])[:1] or (None,)
        if name == "name" and not (
            rest and _looks_like_name(value, alone=False) and _may_be_detail(rest, catalog)
        ):
            return None
        return Details(**{name: value[:_LONGEST_DETAIL]})
    return None


def _before(value: str, phone: re.Match[str]) -> str:
    return (value[: phone.start()] + value[phone.end() :]).strip(" .,،")


def _from_one_line(text: str, phone: re.Match[str]) -> Details:
    """ "Aisha Khan, 7 Mill Road, Leeds, 555-0120": the name comes first, if at all."""
    rest = _before(text, phone)
    for pattern in (_LABELLED["phone"], _LABELLED["name"]):
        if match := pattern.fullmatch(rest):
            rest = match["value"]
    first, comma, remainder = _cut_at_comma(rest)
    if comma and _looks_like_name(first, alone=False):
        return Details(name=first, address=remainder, phone=phone.group())
    if not comma and len(rest.split()) > 1 and _looks_like_name(rest, alone=False):
        return Details(name=rest, phone=phone.group())
    address = rest if _looks_like_address(rest) else ""
    return Details(address=address, phone=phone.group())


def _cut_at_comma(text: str) -> tuple[str, str, str]:
    match = re.search(r"\s*[,،]\s*", text)
    if match is None:
        return text, "", ""
    return text[: match.start()], match.group(), text[match.end() :]


def _may_be_detail(line: _Line, catalog: Catalog) -> bool:
    known = vocabulary()
    if any(known.says(kind, line.raw) for kind in _NOT_DETAILS):
        return False
    if any(_is_only(line, kind) for kind in _NOT_DETAILS_ALONE):
        return False
    if _ODD.search(line.text):
        return False
    if any(catalog.find_kind(line.tokens, i) for i in range(len(line.tokens))):
        return False
    meaningful = [
        token
        for token in known.without("filler", known.without("not", line.tokens))
        if token not in BOUNDARIES and not token.lstrip("-").replace(".", "").isdigit()
    ]
    return any(token not in catalog.option_words for token in meaningful)


def _looks_like_name(text: str, *, alone: bool) -> bool:
    count = len(text.split())
    if any(char.isdigit() or char in ",،:;/@" for char in text) or count > _LONGEST_NAME:
        return False
    return count >= (2 if alone else 1) and any(char.isalpha() for char in text)


def _looks_like_address(text: str) -> bool:
    if not any(char.isalpha() for char in text) or len(text) > _LONGEST_DETAIL:
        return False
    if any(char.isdigit() or char in ",،" for char in text):
        return True
    return 2 < len(text.split()) <= _LONGEST_BARE_ADDRESS


def _wishes(tokens: Tokens, catalog: Catalog) -> list[Wish]:
    mentions = _mentions(tokens, catalog)
    wishes: list[Wish] = []
    begin = 0
    for index, (start, end, kind) in enumerate(mentions):
        follower = mentions[index + 1][0] if index + 1 < len(mentions) else len(tokens)
        finish = _boundary(tokens, end, follower) if follower < len(tokens) else len(tokens)
        before, after = tokens[begin:start], tokens[end:finish]
        wishes.append(_wish(kind, before, after))
        begin = finish
    return wishes


def _mentions(tokens: Tokens, catalog: Catalog) -> list[tuple[int, int, Kind]]:
    """Where goods are named. Repeating or narrowing a name is not another wish."""
    mentions: list[tuple[int, int, Kind]] = []
    position = 0
    while position < len(tokens):
        found = catalog.find_kind(tokens, position)
        if found is None:
            position += 1
            continue
        kind, end = found
        if mentions:
            last_start, last_end, last = mentions[-1]
            common = tuple(p for p in last.products if p in set(kind.products))
            between = tokens[last_end:position]
            if common and AND not in between and not any(t[-1].isdigit() for t in between):
                mentions[-1] = (last_start, end, catalog.kind(common))
                position = end
                continue
        mentions.append((position, end, kind))
        position = end
    return mentions


def _boundary(tokens: Tokens, end: int, follower: int) -> int:
    """Where the words about one thing end and those about the next begin."""
    for separator in (AND, LINE_END, COMMA):
        for position in range(follower - 1, end - 1, -1):
            if tokens[position] == separator:
                return position + 1
    for position in range(follower - 1, end - 1, -1):
        if tokens[position].lstrip("-").isdigit():
            return position
    return end


def _wish(kind: Kind, before: Tokens, after: Tokens) -> Wish:
    known = vocabulary()
    tokens = (*before, LINE_END, *after)
    wanted, used = kind.wanted_in(tokens)
    left = [token if i not in used and i != len(before) else "" for i, token in enumerate(tokens)]
    ends = [i for i, token in enumerate(before) if token in BOUNDARIES]
    quantity = _one_of(_numbers(left[ends[-1] + 1 if ends else 0 : len(before)]))
    if quantity is None:
        quantity = _one_of(_numbers(left[len(before) :]))
    return Wish(kind, wanted, quantity, instead=known.says("instead", before))


def _numbers(tokens: Sequence[str]) -> list[str]:
    return [token for token in tokens if token and token.lstrip("-").replace(".", "").isdigit()]


def _one_of(numbers: Sequence[str]) -> int | None:
    """The quantity meant by these numbers; None without any, 0 when it cannot be told."""
    if not numbers:
        return None
    if len(set(numbers)) > 1 or not numbers[0].isdigit():
        return 0
    quantity = int(numbers[0])
    return quantity if quantity <= LONGEST_QUANTITY else 0


def _new_quantity(lines: Sequence[_Line]) -> tuple[int | None, int | None]:
    known = vocabulary()
    tokens = tuple(token for line in lines for token in line.tokens)
    numbers = _numbers(tokens)
    for start, end in known.spans("not", tokens):
        before, after = tokens[start - 1 : start], tokens[end : end + 1]
        if _numbers(before) and _numbers(after) and len(numbers) == 2:
            return _one_of(before), _one_of(after)
    if not numbers:
        return None, None
    changes = known.says("change", tokens)
    rest = known.without("filler", known.without("change", tokens))
    bare = all(token in BOUNDARIES or _numbers([token]) for token in rest) and not any(
        _ODD.search(line.text) for line in lines
    )
    return (_one_of(numbers), None) if changes or bare else (None, None)
