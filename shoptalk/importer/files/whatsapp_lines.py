"""The lines of an exported WhatsApp chat: who wrote what when, before anyone asks who the shop is.

A message starts at a header and goes on to the next one. Three things are settled over the chat as
a whole, because a single line cannot settle them: the order of day and month; which lines that look
like headers are text (a forwarded or pasted chat is out of time where it stands); and where a name
ends that has ": " in it.
"""

import unicodedata
from bisect import bisect_right
from collections import Counter, defaultdict
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from shoptalk.importer.files.base import DateOrder
from shoptalk.importer.files.source import Source, shown
from shoptalk.importer.files.whatsapp_dates import DatedLine, decide_date_order
from shoptalk.importer.files.whatsapp_formats import (
    MARKS,
    find_header,
    has_unknown_words,
    is_like_header,
    without_marks,
)
from shoptalk.importer.files.whatsapp_wording import Described, LineKind, NoticeReader

#: A message may be shown a little before an older one: it was late, or the clock was set back.
_OUT_OF_TIME = timedelta(days=1)
_MOST_COLONS = 6  #: how many ": " of a line may end the name
_ENOUGH_TO_NAME = 3  #: messages that must begin alike before that is taken for part of the name


@dataclass(frozen=True, slots=True, kw_only=True)
class ChatLine:
    """One message or notice."""

    line: int  #: where it starts in the file, from 1
    written_at: datetime  #: naive local time, as exported; whole minutes on Android
    author: str | None  #: None: WhatsApp itself
    described: Described


@dataclass(frozen=True, slots=True, kw_only=True)
class Chat:
    lines: Sequence[ChatLine]  #: in the file's order
    named_by_notice: str | None  #: the other party, where a notice on the iPhone carries the name
    text_like_headers: Sequence[int]  #: numbers of lines that look like headers and are text


@dataclass(slots=True)
class _Block:
    """A header, and the lines up to the next."""

    line: int
    written_at: datetime
    first: str  #: what follows the header on its line
    more: str  #: the other lines, each after a "\\n"


def starts_as_chat(source: Source) -> bool:
    first = next((line for line in source.text.split("\n") if line.strip()), "")
    return find_header(first) is not None or is_like_header(first)


def read_chat(
    source: Source, *, date_order: DateOrder | None, known_names: Collection[str] = ()
) -> Chat:
    """Read an exported chat line by line.

    Args:
        known_names: authors known beforehand.

    Raises:
        UsageError: the dates cannot be read, or can be read in two ways.
    """
    raw_lines = [line.removesuffix("\r") for line in source.text.split("\n")]
    if raw_lines[-1] == "":  # the last line ends too
        raw_lines.pop()
    dated = list(_dated_lines(raw_lines))
    _check_forms(source, raw_lines)
    if not dated:
        raise source.error_at(0, "no line starts like a message of an exported WhatsApp chat")
    is_bracketed = dated[0].header.shape.is_bracketed
    has_marks = any(mark in source.text for mark in MARKS)
    reader = NoticeReader(is_iphone=is_bracketed, needs_mark=is_bracketed and has_marks)
    order = decide_date_order(source, dated, reader, date_order)
    headers = [(line, moment) for line in dated if (moment := line.header.moment(order))]
    are_sure = _are_sure([line.header.rest for line, _ in headers], known_names)
    in_time = _in_time([moment for _, moment in headers], are_sure)
    kept = [header for header, is_kept in zip(headers, in_time, strict=True) if is_kept]
    blocks = _blocks(raw_lines, kept)
    named_by_notice, lines = _authored(blocks, reader, known_names, is_bracketed)
    starts = {block.line for block in blocks}
    return Chat(
        lines=lines,
        named_by_notice=named_by_notice,
        text_like_headers=[line.number for line in dated if line.number not in starts],
    )


def clean_name(name: str) -> str:
    """A name without marks, and with plain single spaces."""
    return " ".join(without_marks(name).split())


def name_key(name: str) -> str:
    """What two spellings of one name have in common."""
    return unicodedata.normalize("NFC", clean_name(name)).casefold()


def _check_forms(source: Source, raw_lines: Sequence[str]) -> None:
    """Nothing is read of a chat of which some messages would be taken for text of others.

    Raises:
        UsageError: the first line looks like a header of a form that is not known, or another is
            one but for a word beside the time.
    """
    is_first = True
    for number, line in enumerate(raw_lines, start=1):
        if not line.strip():
            continue
        if has_unknown_words(line) or (is_first and _is_unknown(line)):
            problem = f"its date form is not known: line {number}: '{shown(line)}'"
            raise source.error_in(number, 1, problem)
        is_first = False


def _is_unknown(line: str) -> bool:
    return find_header(line) is None and is_like_header(line)


def _dated_lines(raw_lines: Sequence[str]) -> Iterator[DatedLine]:
    """The lines whose header has the shape of the first."""
    shape = None
    for number, line in enumerate(raw_lines, start=1):
        header = find_header(line)
        if header and (shape is None or header.shape == shape):
            shape = header.shape
            yield DatedLine(number, header)


def _are_sure(rests: Sequence[str], known_names: Collection[str]) -> Sequence[bool]:
    """Which headers are followed by one of the two who write most, or by a name that is known."""
    keys = [name_key(rest.partition(": ")[0]) if ": " in rest else "" for rest in rests]
    counted = Counter(key for key in keys if key)
    sure = {name_key(name) for name in known_names} | {key for key, _ in counted.most_common(2)}
    return [key in sure for key in keys]


def _in_time(moments: Sequence[datetime], are_sure: Sequence[bool]) -> Sequence[bool]:
    """Which headers fit the course of the chat.

    The longest run of sure headers that never goes back in time is the chat's own. The first header
    belongs to it unless most of the chat says otherwise. Another header fits if it is less than a
    day off its neighbours in that run.
    """
    sure = [position for position, is_sure in enumerate(are_sure) if is_sure or position == 0]
    backbone = set(_longest_rise(moments, sure))
    from_first = _longest_rise(moments, [each for each in sure if moments[each] >= moments[0]])
    if 2 * len(from_first) >= len(backbone):
        backbone = set(from_first)
    fits = [True] * len(moments)
    if len(backbone) < 2:  # one header against another is no course
        return fits
    neighbour = None
    for position, moment in enumerate(moments):
        if position in backbone:
            neighbour = moment
        elif neighbour is not None and moment < neighbour - _OUT_OF_TIME:
            fits[position] = False
    neighbour = None
    for position, moment in reversed(list(enumerate(moments))):
        if position in backbone:
            neighbour = moment
        elif neighbour is not None and moment > neighbour + _OUT_OF_TIME:
            fits[position] = False
    # Nothing comes before the first that it could be the text of.
    return [True, *fits[1:]]


def _longest_rise(moments: Sequence[datetime], positions: Sequence[int]) -> Sequence[int]:
    """The longest choice of positions whose moments never go back, last one first."""
    tails: list[datetime] = []  # of the best rise of each length, the moment it ends with
    ends: list[int] = []  # and its position
    before: dict[int, int | None] = {}
    for position in positions:
        length = bisect_right(tails, moments[position])
        before[position] = ends[length - 1] if length else None
        tails[length : length + 1] = [moments[position]]
        ends[length : length + 1] = [position]
    rise = []
    last = ends[-1] if ends else None
    while last is not None:
        rise.append(last)
        last = before[last]
    return rise


def _blocks(
    raw_lines: Sequence[str], headers: Sequence[tuple[DatedLine, datetime]]
) -> Sequence[_Block]:
    blocks: list[_Block] = []
    ends = [line.number - 1 for line, _ in headers[1:]] + [len(raw_lines)]
    for (line, moment), end in zip(headers, ends, strict=True):
        more = "".join(f"\n{text}" for text in raw_lines[line.number : end])
        blocks.append(_Block(line.number, moment, line.header.rest, more))
    return blocks


def _authored(
    blocks: Sequence[_Block], reader: NoticeReader, known_names: Collection[str], is_bracketed: bool
) -> tuple[str | None, Sequence[ChatLine]]:
    """Split every block into author and text, and find the notices."""
    colons = [_colons(block.first) for block in blocks]
    names = _name_ends(blocks, colons, reader, known_names)
    known = {name for name in names.values() if name}
    named_by_notice = None
    lines = []
    for position, block in enumerate(blocks):
        author, text = None, block.first + block.more
        if name := names.get(position):
            end = next(end for end in colons[position] if clean_name(block.first[:end]) == name)
            author, text = name, block.first[end + 2 :] + block.more
        elif (name := clean_name(block.first.rstrip()).removesuffix(":")) in known:
            # An editor has cut the space after the colon of an empty message.
            author, text = name, block.more
        if author and is_bracketed and reader.notice_language(text):
            named_by_notice, author = named_by_notice or author, None
        if author is None:
            described = Described(kind=LineKind.SYSTEM, text=without_marks(text))
        else:
            described = reader.describe(text)
        lines.append(
            ChatLine(
                line=block.line, written_at=block.written_at, author=author, described=described
            )
        )
    return named_by_notice, lines


def _colons(first: str) -> Sequence[int]:
    """Where the author may end."""
    found: list[int] = []
    position = first.find(": ")
    while position > 0 and len(found) < _MOST_COLONS:
        found.append(position)
        position = first.find(": ", position + 1)
    return found


def _name_ends(
    blocks: Sequence[_Block],
    colons: Sequence[Sequence[int]],
    reader: NoticeReader,
    known_names: Collection[str],
) -> Mapping[int, str]:
    """The author of each block that has one.

    A name usually ends at the first ": ". It is longer if it is known to be, or if every message
    that starts with the same words goes on alike up to a later ": ", and either there are several
    or WhatsApp's own words follow there.
    """
    known = {name_key(name) for name in known_names}
    found: dict[int, str] = {}
    by_first: defaultdict[str, list[int]] = defaultdict(list)
    candidates = [
        [clean_name(block.first[:end]) for end in ends]
        for block, ends in zip(blocks, colons, strict=True)
    ]
    for position, names in enumerate(candidates):
        match = [name for name in names if name_key(name) in known]
        if match:
            found[position] = match[-1]
        elif names:
            by_first[names[0]].append(position)
    for first, positions in by_first.items():
        shared = [
            name
            for name in candidates[positions[0]]
            if all(name in candidates[position] for position in positions)
        ]
        if len(shared) > 1:
            distinct = len({blocks[position].first for position in positions})
            name = next(
                (
                    name
                    for position in positions
                    for name, end in zip(candidates[position], colons[position], strict=True)
                    if name in shared and _are_own_words(blocks[position], end, reader)
                ),
                shared[-1] if distinct >= _ENOUGH_TO_NAME else first,
            )
        else:
            name = first
        found.update(dict.fromkeys(positions, name))
    return found


def _are_own_words(block: _Block, colon: int, reader: NoticeReader) -> bool:
    words = block.first[colon + 2 :] + block.more
    return reader.notice_language(words) is not None or reader.describe(words).kind not in (
        LineKind.TEXT,
        LineKind.UNSHOWN,
    )
