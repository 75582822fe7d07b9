"""Words as the clerk sees them: one spelling for each, whatever script or digits were used.

A *token* is a word, a number, or a boundary ("," and "\\n"). The vocabulary file maps what
customers call things, in English and several kinds of Arabic, to the words a catalog uses.
"""

import json
import re
import unicodedata
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from importlib.resources import files

Tokens = tuple[str, ...]

COMMA, LINE_END, AND = ",", "\n", "and"
BOUNDARIES = frozenset({COMMA, LINE_END})

# Money and shares are never quantities; a customer who names them is bargaining.
MONEY = re.compile(
    r"[$€£]\s?\d+(?:[.,]\d+)*"
    r"|[-+]?\d+(?:[.,]\d+)*\s?(?:%|(?:percent|dollars?|usd|euros?|egp|جنيه|دولار|ريال|درهم|دينار)\b)"
)
_TIMES = re.compile(r"\b[x×]\s?(?=\d)|(?<=\d)\s?x\b")  # "x2", "2x"
_LITRES = re.compile(r"(?<=\d)\s?l\b")  # elsewhere a lone "l" is a size
_TOKEN = re.compile(r"(?<![\w.])-\d+|\d+(?:\.\d+)?|[^\W\d_][^\W_]*|[,،;؛\n]")
_ARABIC_LETTERS = str.maketrans("أإآٱىةؤئگ", "اااايهويك", "ـ")
# Particles that Arabic writes as one word with the next: "and", "the", "with the", "for the".
_PREFIXES = ("وال", "بال", "ال", "لل", "و", "ب")
_SHORTEST_STEM = 3


def plain(text: str) -> str:
    """Compatibility forms folded, digits in ASCII, nothing invisible; case and layout kept."""
    kept = []
    for char in unicodedata.normalize("NFKC", text):
        if char != "\n" and unicodedata.category(char) in ("Cf", "Cc", "Cs", "Co", "Cn"):
            kept.append(" " if char in "\t\r" else "")
        elif char.isdecimal():
            kept.append(str(unicodedata.decimal(char)))
        else:
            kept.append(char)
    return "".join(kept)


def folded(text: str) -> str:
    """`plain`, in lower case, Arabic without vowel signs and spelling variants."""
    marks_split = unicodedata.normalize("NFD", plain(text).casefold())
    bare = "".join(char for char in marks_split if unicodedata.category(char) != "Mn")
    bare = _LITRES.sub(" litre", _TIMES.sub(" ", bare.translate(_ARABIC_LETTERS)))
    return bare.replace("'", "").replace("’", "").replace("👍", " yes ")


def split(text: str) -> Tokens:
    """Tokens before any renaming, for recognising set phrases."""
    return tuple(
        COMMA if found in "،;؛" else _singular(found) for found in _TOKEN.findall(folded(text))
    )


def words(text: str) -> Tokens:
    """Tokens with numbers in digits and names as the catalog has them."""
    return _renamed(split(text))


def in_arabic(text: str) -> bool | None:
    """Whether most letters are Arabic; None when there are no letters."""
    letters = [char for char in text if char.isalpha()]
    if not letters:
        return None
    return sum("؀" <= char <= "ۿ" or "ﭐ" <= char <= "ﻼ" for char in letters) * 2 > len(letters)


def _singular(token: str) -> str:
    if not token.isascii() or len(token) <= _SHORTEST_STEM or token.endswith("ss"):
        return token
    if token.endswith("ies"):
        return token[:-3] + "y"
    return token.removesuffix("s")


@dataclass(frozen=True)
class Vocabulary:
    aliases: Mapping[str, Sequence[tuple[Tokens, Tokens]]]  #: by first token, longest first
    numbers: Mapping[str, str]
    phrases: Mapping[str, frozenset[Tokens]]  #: set phrases by what they express

    def says(self, kind: str, tokens: Tokens) -> bool:
        return any(True for _ in self.spans(kind, tokens))

    def spans(self, kind: str, tokens: Tokens) -> Iterator[tuple[int, int]]:
        """Where phrases of this kind stand, longest first at each place, not overlapping."""
        phrases = self.phrases[kind]
        longest = max(map(len, phrases))
        start = 0
        while start < len(tokens):
            for length in range(min(longest, len(tokens) - start), 0, -1):
                if tokens[start : start + length] in phrases:
                    yield start, start + length
                    start += length
                    break
            else:
                start += 1

    def without(self, kind: str, tokens: Tokens) -> Tokens:
        covered = {i for start, end in self.spans(kind, tokens) for i in range(start, end)}
        return tuple(token for i, token in enumerate(tokens) if i not in covered)


@cache
def vocabulary() -> Vocabulary:
    source = files("shoptalk.sandbox") / "data" / "vocabulary.json"
    raw = json.loads(source.read_text(encoding="utf-8"))
    aliases: dict[str, list[tuple[Tokens, Tokens]]] = {}
    for name, forms in raw["aliases"].items():
        for form in (name, *forms):  # a name is itself, also when a form is part of it
            tokens = split(form)
            aliases.setdefault(tokens[0], []).append((tokens, split(name)))
    for entries in aliases.values():
        entries.sort(key=lambda entry: -len(entry[0]))
    return Vocabulary(
        aliases=aliases,
        numbers={split(word)[0]: number for word, number in raw["numbers"].items()},
        phrases={
            kind: frozenset(split(phrase) for phrase in phrases)
            for kind, phrases in raw["phrases"].items()
        },
    )


def _renamed(tokens: Tokens) -> Tokens:
    known = vocabulary()
    result: list[str] = []
    position = 0
    while position < len(tokens):
        token = tokens[position]
        for stem in _stems(token):
            match = _longest_alias(known, tokens, position, stem)
            if match is not None:
                length, name = match
                if stem != token and token.startswith("و"):
                    result.append(AND)
                result.extend(name)
                position += length
                break
        else:
            result.append(known.numbers.get(token, token))
            position += 1
    return tuple(result)


def _longest_alias(
    known: Vocabulary, tokens: Tokens, position: int, stem: str
) -> tuple[int, Tokens] | None:
    for form, name in known.aliases.get(stem, ()):
        rest = tokens[position + 1 : position + len(form)]
        if len(rest) == len(form) - 1 and all(
            want in _stems(have) for want, have in zip(form[1:], rest, strict=True)
        ):
            return len(form), name
    return None


def _stems(token: str) -> list[str]:
    stems = [token]
    if not token.isascii():
        stems += [
            token.removeprefix(prefix)
            for prefix in _PREFIXES
            if token.startswith(prefix) and len(token) - len(prefix) >= _SHORTEST_STEM
        ]
    return stems
