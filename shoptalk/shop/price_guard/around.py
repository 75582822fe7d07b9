"""What stands around a token: its mark, what it counts, and whether it is a label."""

from collections.abc import Collection
from decimal import Decimal

from shoptalk.shop.price_guard.tokens import NOTHING, Span, Token, is_in, plain_of, stems, tokens_of
from shoptalk.shop.price_guard.words import (
    AFTER_PRICE,
    AND,
    BETWEEN,
    DECIMAL_MARKS,
    DECORATION,
    LABELS,
    LIKE_PERCENT,
    MARK_THEN_NUMBER,
    MEASURES,
    MINUS,
    NATIONS,
    NUMBER_WORDS,
    PARTICLES,
    PERCENT,
    PRICE,
    SCALES,
    SENTENCE_ENDS,
    SHORT,
    TO,
)

LONGEST_SENTENCE = 40  #: words to either side among which a discount is announced


class Surroundings:
    """A text taken apart once, and what stands around each of its tokens."""

    def __init__(self, text: str) -> None:
        self.text = text
        self.plain, self._origins = plain_of(text)
        self.tokens = list(tokens_of(self.plain))

    def _at(self, index: int) -> Token:
        return self.tokens[index] if 0 <= index < len(self.tokens) else NOTHING

    def _cover(self, first: int, last: int) -> Span:
        return self._span(self.tokens[first].start, self.tokens[last].end)

    def _span(self, start: int, end: int) -> Span:
        return self._origins[start], self._origins[end - 1] + 1

    def _number_word(self, index: int) -> int | None:
        """0 for what only joins two of them."""
        word = self._at(index).text
        if word in ("and", "و", "-", "et", "y") and self._at(index - 1).text in NUMBER_WORDS:
            return 0
        return NUMBER_WORDS.get(word) or NUMBER_WORDS.get(word.removeprefix("و"))

    def _codes(self, mark: int) -> tuple[str, ...]:
        codes = self.tokens[mark].means or ()
        nation = self._nation(mark - 1) or self._nation(mark + 1)
        return tuple(code for code in codes if code.startswith(nation or "")) or codes

    def _nation(self, index: int) -> str | None:
        token = self._at(index)
        if token.kind not in ("word", "dotted"):
            return None
        if token.text in ("us", "uae"):
            return NATIONS[token.text]
        for stem in stems(token.text):
            for nation, code in NATIONS.items():
                if len(nation) > 2 and stem.startswith(nation):
                    return code
        return None

    def _scale(self, index: int) -> Decimal | None:
        token = self._at(index + 1)
        factor = next((SCALES[stem] for stem in stems(token.text) if stem in SCALES), None)
        if token.text in ("k", "m") and token.start > self.tokens[index].end:
            return None  # "2 m" are metres
        if token.text == "m" and self._mark_after(index + 2) is None:
            return None
        return factor

    def _mark_after(self, index: int) -> int | None:
        first = index
        while index < first + 3 and self._at(index).text in ("*", "_", "`", "(", "["):
            index += 1
        if self._nation(index) is not None:
            index += 1
        token, follower = self._at(index), self._at(index + 1)
        if token.means is None:
            return None
        if (
            follower.values
            and follower.start == token.end
            and token.start > self._at(index - 1).end
        ):
            return None  # "2 $150"
        return index

    def _mark_before(self, index: int) -> int | None:
        index, first = index - 1, index
        while index >= first - 4 and self._at(index).text in MARK_THEN_NUMBER:
            index -= 1
        if self._at(index).text == "." and self._at(index - 1).text in SHORT:  # "Rs. 500"
            index -= 1
        if self._nation(index) is not None:
            index -= 1
        return index if self._at(index).means is not None else None

    def _is_negative(self, index: int) -> bool:
        sign, before = self._at(index - 1), self._at(index - 2)
        if sign.text not in MINUS or sign.end != self.tokens[index].start:
            return False
        return sign.start != before.end or before.kind == "line" or before.text in DECORATION

    def _is_glued(self, index: int, right: int) -> bool:
        """A number written as one word with letters: "A4", "IPX7", "750ml", "3ayez"."""
        token, before, after = self.tokens[index], self._at(index - 1), self._at(right)
        joined = before.kind == "word" and before.end == token.start
        if joined and before.text not in PARTICLES and not is_in(PRICE, before.text):
            return True
        glued = after.kind == "word" and after.start == self.tokens[right - 1].end
        return glued and after.text not in AFTER_PRICE

    def _percent_after(self, index: int) -> int | None:
        follower = self._at(index + 1)
        if follower.text in PERCENT:
            return index + 1
        return index + 2 if LIKE_PERCENT.match(self.plain, follower.start) else None

    def _has_percent_before(self, index: int) -> bool:
        return self._at(index - 1).text in ("%", "٪") and not self._at(index - 2).values

    def _has_cents(self, index: int, right: int) -> bool:
        token = self.tokens[index]
        if self._at(right).text in ("x", "×") and self._at(right + 1).values:
            right += 2  # "12.50 × 20.00 cm"
        return token.text[-3:-2] in DECIMAL_MARKS and not self._is_measured(right)

    def _is_measured(self, right: int) -> bool:
        token = self._at(right)
        return token.means is None and is_in(MEASURES, token.text)

    def _is_counting(self, right: int) -> bool:
        """Whether what follows a number is what it counts or measures."""
        token = self._at(right)
        if token.text in ("x", "×", "%", "٪", "/") or self._is_measured(right):
            return True
        known = token.text in AFTER_PRICE or token.text.startswith("لل")
        return token.kind == "word" and not known and token.means is None

    def _is_labelled(self, index: int) -> bool:
        """An order number, a telephone, a date, a time, a size, a house."""
        token, before = self.tokens[index], self._at(index - 1)
        if before.text in (".", ":") and self._at(index - 2).text in LABELS:
            before = self._at(index - 2)
        if token.kind == "broken" or before.text in ("+", "'") or is_in(LABELS, before.text):
            return True
        if len(token.text) > 8 or (token.text.startswith("0") and token.text.isdecimal()):
            return True
        return any(
            near.text in (":", "-", "/")
            and near.start in (token.end, token.start - 1)
            and far.values
            for near, far in (
                (self._at(index + 1), self._at(index + 2)),
                (before, self._at(index - 2)),
            )
        )

    def _mark_of_range(self, index: int) -> int | None:
        """ "10-15 USD", "10 to 15 USD", "between 10 and 15 USD": the mark is for both."""
        joint, second = self._at(index + 1), self._at(index + 2)
        between = is_in(BETWEEN, self._at(index - 1).text) and joint.text in AND
        if not second.values or not (joint.text in TO or between):
            return None
        return self._mark_after(index + 3 + (self._scale(index + 2) is not None))

    def _in_sentence(
        self,
        index: int,
        words: Collection[str],
        *,
        back: int | None = None,
        without: Collection[str] = (),
    ) -> bool:
        """Whether one of the words stands in the token's sentence; only shortly before it."""
        for step in (-1,) if back else (-1, 1):
            place, left = index + step, back or LONGEST_SENTENCE
            while left > 0 and (token := self._at(place)).text not in SENTENCE_ENDS:
                if is_in(words, token.text):
                    return True
                if token.text in without:
                    return False
                place, left = place + step, left - (token.kind != "other")
        return False
