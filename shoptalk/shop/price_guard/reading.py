"""Which numbers of a text are amounts of money, and which words promise a discount.

A *quote* is an amount in its place in the text.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from decimal import Decimal

from shoptalk.shop.price_guard.bare import A_DOZEN, BareNumbers
from shoptalk.shop.price_guard.tokens import Span, is_in, stems
from shoptalk.shop.price_guard.words import (
    CODES_AND_SIGNS,
    DISCOUNT,
    DUALS,
    HUNDREDS,
    MARKS,
    MINUS,
    NUMBER_WORDS,
    OFF,
    PIECES,
    THREE_DECIMALS,
    TWO,
    WHOLE_DEALS,
)

MOST_OF_ONE_PRODUCT = 100
_NO_CENTS = re.compile(r"\s?(?:/-|[.,][-–—](?!\d))")  # "150/-", "150,-"


@dataclass(frozen=True, slots=True)
class Amount:
    """An amount of money as a text has it."""

    text: str  #: as written, with its mark
    value: Decimal
    currency: str | None  #: the likeliest code; None where no mark stands by
    may_be: frozenset[str] = field(default=frozenset(), compare=False)  #: all codes of its mark


def find_amounts(text: str) -> list[Amount]:
    """Every amount of money in a text, in its order."""
    return [quote.amount for quote in AmountParser(text).quotes]


def find_discounts(text: str) -> list[str]:
    """Every promise to take something off, as written: percentages, amounts and set phrases."""
    return [text[start:end] for start, end in AmountParser(text).discounts()]


@dataclass(slots=True)
class Quote:
    amount: Amount
    values: Sequence[Decimal]
    span: Span
    first: int  #: its first token
    last: int  #: its last


class AmountParser(BareNumbers):
    """Which numbers of a text are amounts, and where it promises a discount."""

    def __init__(self, text: str) -> None:
        super().__init__(text)
        self.quoted: set[int] = set()  # tokens of numbers that are amounts
        self._used: set[int] = set()  # marks that belong to the number before them
        self.quotes: list[Quote] = []
        for index, token in enumerate(self.tokens):
            quote = None
            if token.values:
                quote = self._in_digits(index)
            elif (
                token.means is not None
                and index not in self._used
                and not self._is_french_hundred(index)
            ):
                quote = self._in_words(index)
            elif token.text in NUMBER_WORDS and self._number_word(index - 1) is None:
                quote = self._spelled_out(index)
            if quote is not None:
                self.quotes.append(quote)
                self.quoted.update(range(quote.first, quote.last + 1))

    def discounts(self) -> list[Span]:
        """Where something is promised to be taken off."""
        found = [self._span(*match.span()) for match in WHOLE_DEALS.finditer(self.plain)]
        for index, token in enumerate(self.tokens):
            if not token.values and token.text not in NUMBER_WORDS:
                continue
            first = index - self._has_percent_before(index)
            last = index if first < index else self._percent_after(index)
            if last is not None:
                signed = self._is_negative(first)
                if (
                    signed
                    or self._in_sentence(index, DISCOUNT)
                    or (token.values != (Decimal(100),) and not self._is_counting(last + 1))
                ):
                    found.append(self._cover(first - signed, last))
            elif (
                token.values
                and index not in self.quoted
                and self._at(index + 1).text == "off"
                and self._at(index + 2).text != "-"  # "2 off-white shirts"
            ):
                found.append(self._cover(index, index + 1))
        for quote in self.quotes:
            before = {self._at(i).text for i in range(quote.first - 3, quote.first)}
            if any(is_in(OFF, word) for word in (*before, self._at(quote.last + 1).text)):
                found.append(quote.span)
        return found

    def quantities(self, first: int, last: int) -> set[Decimal]:
        """Whole numbers from 1 to 100 that count something, between two tokens."""
        found = set()
        for index in range(max(first, 0), min(last, len(self.tokens))):
            token = self.tokens[index]
            if token.kind == "number":
                found.add(self._count(index))
            elif token.text in TWO:
                found.add(Decimal(2))
            elif index in self.quoted or token.means is not None:  # "ninety-nine", "fifty cents"
                continue
            elif token.text in NUMBER_WORDS and not self._is_measured(index + 1):
                found.add(Decimal(NUMBER_WORDS[token.text]))
        return {count for count in found if 1 <= count <= MOST_OF_ONE_PRODUCT}

    def _count(self, index: int) -> Decimal:
        token, before, after = self.tokens[index], self._at(index - 1), self._at(index + 1)
        head, space, _ = token.text.partition(" ")
        if space:  # "2 150.00"
            return Decimal(head) if head.isdecimal() else Decimal(0)
        counts = (
            index not in self.quoted
            and token.text.isdecimal()
            and not self._is_labelled(index)
            and not self._is_measured(index + 1)
            and self._percent_after(index) is None
            and ("x" in (before.text, after.text) or not self._is_glued(index, index + 1))
        )
        return token.values[0] if counts else Decimal(0)

    def _in_digits(self, index: int) -> Quote | None:
        token, right = self.tokens[index], index + 1
        factor = self._scale(index)
        right += factor is not None
        after, before = self._mark_after(right), self._mark_before(index)
        if before in self._used:  # "150.00 USD 2 pieces": the mark was the other number's
            shared = after is None and before == index - 1 and not self._is_counting(right)
            before = before if shared else None
        elif before is not None and self._at((after or 0) + 1).values:
            after = None  # "USD 150.00 EUR 140.00"
        both = self._mark_of_range(index) if before is after is None else None
        if before is after is both is None:
            if self._percent_after(index) is not None or self._has_percent_before(index):
                return None
            if self._is_glued(index, right):
                return None
            if not (
                self._has_cents(index, right)
                or _NO_CENTS.match(self.plain, token.end)
                or self._is_by_price(index, right)
            ):
                return None
        if after is not None:
            self._used.add(after)
        marks = [self._codes(mark) for mark in (before, after, both) if mark is not None]
        first = index if before is None else before
        last = right - 1 if after is None else after
        signed = self._is_negative(first)
        values = [value * (factor or 1) for value in token.values]
        if signed or (first < index and self.tokens[index - 1].text in MINUS):
            values = [-value for value in values]
        return self._made(first - signed, last, values, marks)

    def _in_words(self, index: int) -> Quote | None:
        """ "Fifty dollars", "جنيه واحد", and the dual: "دولارين"."""
        for stem in stems(self.tokens[index].text):
            if stem in DUALS:
                return self._made(index, index, [Decimal(2)], [MARKS[stem]])
        if self._at(index + 1).values and self.tokens[index].text.upper() in CODES_AND_SIGNS:
            return None  # "that one: USD 50"
        last = index
        first = index - (self._nation(index - 1) is not None)
        while self._number_word(first - 1) is not None:
            first -= 1
        words = [self._number_word(place) for place in range(first, index)]
        if not any(words) and self._number_word(index + 1) and not self._at(index - 1).values:
            last = index + 1
            words = [self._number_word(last)]
        value = self._sum(words, first if last == index else last)
        return self._made(first, last, [value], [self._codes(index)]) if value else None

    def _spelled_out(self, first: int) -> Quote | None:
        """ "It would be ninety-nine": without a mark, and more than a dozen."""
        last = first
        while self._number_word(last + 1) is not None:
            last += 1
        words = [self._number_word(place) for place in range(first, last + 1)]
        while words[-1] == 0:  # "ninety and"
            words.pop()
        last = first + len(words) - 1
        value, follower = self._sum(words, first), self._at(last + 1)
        has_mark = follower.means is not None or self._mark_before(first) is not None
        is_other = is_in(PIECES, follower.text) or self._percent_after(last) is not None
        if value <= A_DOZEN or has_mark or is_other:
            return None
        if not self._is_announced(first, last + 1, value):
            return None
        return self._made(first, last, [value], [])

    def _sum(self, words: Sequence[int | None], first: int) -> Decimal:
        """What number words that begin at a token come to."""
        total = part = 0
        for place, number in enumerate(words, start=first):
            if number and number >= 100:
                part = max(part, 1) * number
                total, part = (total + part, 0) if number >= 1000 else (total, part)
            elif part % 100 == 4 and self._at(place).text in ("vingt", "vingts"):
                part += 76  # four twenties
            else:
                part += number or 0
        return Decimal(total + part)

    def _is_french_hundred(self, index: int) -> bool:
        """ "Cent cinquante euros", "deux cents euros": no hundredth, as a mark follows."""
        if self.tokens[index].text not in HUNDREDS:
            return False
        after = index + 1
        while self._number_word(after) is not None or self._nation(after) is not None:
            after += 1
        return bool(self._at(after).means)

    def _made(
        self, first: int, last: int, values: Sequence[Decimal], marks: Sequence[Sequence[str]]
    ) -> Quote:
        codes = tuple(code for code in marks[0] if code in marks[-1]) if marks else ()
        if () in marks:
            values = [value / 100 for value in values]
        elif marks and not codes:
            codes = ("XXX",)  # "$50 EGP" is in no currency
        start, end = self.tokens[first].start, self.tokens[last].end
        if codes and codes[0] in THREE_DECIMALS and "." in self.plain[start:end]:
            values = values[::-1]  # "1.500 KWD"
        span = self._span(start, end)
        text = self.text[slice(*span)]
        amount = Amount(text, values[0], codes[0] if codes else None, frozenset(codes))
        return Quote(amount, values, span, first, last)
