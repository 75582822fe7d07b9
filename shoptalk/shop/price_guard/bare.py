"""Whether a number without a mark is a price, by the words around it.

What *announces* a price leaves no doubt ("it would be 99"). What only *hints* at one ("that's 99",
"99 for both") is said of quantities too, so that up to a dozen is taken for one.
"""

import re
from decimal import Decimal

from shoptalk.shop.price_guard.around import Surroundings
from shoptalk.shop.price_guard.tokens import is_in
from shoptalk.shop.price_guard.words import (
    AND_OR,
    BARELY,
    COLONS,
    COUNTED,
    DECORATION,
    EACH,
    IS,
    OR,
    PIECES,
    PRICE,
    TO,
)

WORDS_BACK = 8  #: how far before a number a price word may stand
A_DOZEN = Decimal(12)
_NEAR = 120  #: characters of a sentence, to either side of the number
_SUBJECT = 5  #: words before an announcement that say what it is about

_FILL = r"""(?:\s+(?:only|just|about|around|roughly|exactly|approximately|you|nearly|almost|over
    |under|then|in\stotal|zusammen|insgesamt|dann|nur|circa|etwa|seulement|environ|juste|en\stout
    |solo|unos|en\stotal|بس|حوالي|تقريبا|حضرتك|فقط|كله|كلهم))*"""
_ANNOUNCES = re.compile(
    rf"""(?ix:
    (?: (?:\b(?:would|will|should|might|may|could|shall)|'ll|'d)
            (?:\s+(?:then|only|just|all|both|still|now))*\s+be
      | \bc[oa]m(?:e|es|ing)(?:\s+out)?\s+(?:to|at) | \badd(?:s|ing)?\s+up\s+to
      | \bamount(?:s|ing)?\s+to | \bworks?\s+out\s+(?:to|at|as) | \btotall?(?:s|ing)
      | \bsets?\s+(?:you|him|her|them)\s+back | \bgo(?:es|ing)?\s+for
      | \b(?:ware|waren|wurde|kommt\s+auf|kommen\s+(?:\w+\s+)?auf|belauft\s+sich\s+auf|betragt)
      | \b(?:ca|cela|ce|tout)\s+(?:fera|ferait|serait|sera) | \b(?:feraient|feront)
      | \brev(?:ient|iennent|iendrait)\s+a | \bs'eleve(?:nt)?\s+a
      | \b(?:seria|serian|seran|saldria|saldrian) | \bsalen?\s+(?:a|en|por)
      | \bqued(?:a|an|aria|arian)\s+en
      | \b[هحبس]?[يت](?:بقي|بقوا|كون|كونوا|صير|صيروا|طلع|طلعوا|ساوي|عملوا)(?:لك|لكم|هم)?
      | \b[هحبس]?[يت]كلف(?:ك|كم|هم)?
    ){_FILL}\s*\Z)"""
)
_HINTS = re.compile(
    rf"""(?ix:
    (?: \b(?:is|are|makes?|est|ist|sind|macht|machen|fait|font|es|son|hacen?|cost) | '(?:s|re)
      | \b(?:altogether|together|in\s+all|all\s+in|both|insgesamt|zusammen|beide|en\s+tout
            |les\s+deux|los\s+dos|juntos)
      | \b(?:go|come|bring|get|drop|lower|reduce)\s+(?:(?:it|that|them|you)\s+)?(?:down\s+)?to
      | (?<!\w)(?:يعني|كده|كدا|صار|صاروا|طلع|طلعوا|الاتنين|الاثنين|كلاهما|الكل|علي\s+بعض)
    ){_FILL}\s*\Z)"""
)
_SUMS_UP = re.compile(
    r"""(?ix:[\s*_)\]]*
    (?: (?:in\s+total|in\s+all|total|altogether|together|combined|overall|all\s+in|all\s+together
      | for\s+(?:the\s+)?(?:both|two|three|pair|couple|set|lot|bundle|whole|everything|all)
      | en\s+tout|au\s+total|pour\s+(?:les\s+(?:deux|trois)|le\s+tout|tout)
      | en\s+total|por\s+(?:l[oa]s\s+(?:dos|tres)|amb[oa]s|todo)
      | insgesamt|zusammen|fur\s+(?:beide|alle|alles)
      | للاتنين|للاثنين|للاتنتين|لكليهما|للكل|للمجموعه|في\s+المجموع|علي\s+بعض|مع\s+بعض)\b
    | (?:\+|plus|incl\w*|excl\w*|before|without|and|with)\s+(?:\w+\s+)?
        (?:shipping|delivery|postage|tax|taxes|vat)\b ))"""
)
_ENDS = re.compile(
    r"""(?x:[*_)\]\s]*(?!,\s+[A-Z]\w+\s[A-Z])  # "304, Orchid Heights"
    (?:\Z|[^\w\s]|(?:each|only|for|then|now|per|but|and|if|when|with|instead
    |today|total|so|because|without|بس|فقط|لو|مع|pour|por|fur|mais|pero|aber)\b))"""
)
_SENTENCE_END = re.compile(r"[!?؟;؛\n\r]|\.(?!\d)")
_TOLD = re.compile(r"[^\W\d_]+[\s:#.]{0,2}\d[\d.,]*")  # "size 42": said, and asked no more
_WORD = re.compile(r"[^\W\d_]+")


def _words(words: str) -> frozenset[str]:
    return frozenset(words.split())


# What a number may be said of that is no money.
_NO_MONEY = _words(
    """
    size sizes number numbers quantity qty count ref reference code id pin pincode otp cvv
    version model floor room apartment page age year years date day days weeks month
    time hour hours minutes weight length width height depth capacity temperature voltage voltages
    power speed load volume resolution rating score password percent percentage warranty
    guarantee zip phone battery wattage screen dimension dimensions distance stock available
    ticket invoice tracking receipt queue line row seat place answer
    nummer datum alter gewicht lange breite hohe grosse große bestellnummer menge tag tage zeit
    numero taille pointure date poids longueur largeur hauteur duree jour heure
    talla fecha peso largo ancho altura edad cantidad dia hora hay
    مقاس نمره رقم كود تاريخ ميعاد موعد يوم ساعه دور شقه وزن طول عرض عمر ضمان كميه عدد سعه مده
    """
)
_ORDERS = _words("order commande pedido bestellung اوردر طلب")  # "your order is 1042", its number
# Whom or what one counts: "there will be 24".
_COUNTED_ONES = _words("there we i he she hay nous wir احنا عندنا")
# Who has, holds or has ordered so many.
_HAVE = _words(
    """
    have has had there stock left available carry got sell sold order ordered bought buy own
    remain remaining contain contains hold holds includes comes weigh weighs measures of
    haben hat hatten gibt bestellt enthalt avons avez ont reste restent contient commande
    tenemos tienen hay quedan contiene pedido ordenado
    عندنا في فيه فيها موجود متبقي متوفر باقي طلبت طلب عدد معانا لدينا
    """
)


class BareNumbers(Surroundings):
    """Which numbers that stand without a mark are prices."""

    quoted: set[int]  #: tokens of numbers that are amounts

    def _is_by_price(self, index: int, right: int) -> bool:
        """Whether a bare number is called a price by the words around it."""
        follower = self._at(right)
        if self._is_labelled(index):
            return False
        if is_in(EACH, follower.text) and self._at(right + 1).text != "of":
            return True
        if self._is_measured(right) or is_in(PIECES, follower.text):
            return False
        if follower.text in ("x", "×"):
            return False
        place = index - 1
        while self._at(place).text in DECORATION:
            place -= 1
        before, named = self._at(place), self._at(index - 1).text in COLONS
        if before.text in AND_OR and self._at(place - 1).values:
            return place - 1 in self.quoted
        if self._is_range_of_things(right):
            return False
        loose = not self._is_counting(right)
        if loose and before.text in BARELY:
            return True
        if self._is_announced(index, right, max(self.tokens[index].values)):
            return True
        if not (loose or named or before.text in IS):
            return False
        return self._in_sentence(index, PRICE, back=WORDS_BACK, without=COUNTED)

    def _is_announced(self, index: int, right: int, value: Decimal) -> bool:
        """ "It would be 99", "so that makes 99", "99 for both"."""
        token, last = self.tokens[index], self.tokens[right - 1]
        loose = not self._is_counting(right)
        said = self.plain[max(token.start - _NEAR, 0) : token.start].rstrip(" *_([\"'«“:=≈~-")
        said = _SENTENCE_END.split(said)[-1]
        rest = self.plain[last.end : last.end + _NEAR]
        is_many = value > A_DOZEN
        if loose and (cue := _ANNOUNCES.search(said)):
            return not _is_about(said[: cue.start()], _NO_MONEY)
        if is_many and _SUMS_UP.match(rest):
            return not _is_about(said, _HAVE | _NO_MONEY)
        if is_many and loose and (cue := _HINTS.search(said)) and _ENDS.match(rest):
            return not _is_about(said[: cue.start()], _NO_MONEY | _ORDERS)
        return False

    def _is_range_of_things(self, right: int) -> bool:
        """ "3 to 5 days", "12 or 13 June": the second number tells what both are of."""
        joint, second = self._at(right), self._at(right + 1)
        is_range = bool(second.values) and (joint.text in TO or joint.text in OR)
        return is_range and (self._is_counting(right + 2) or self._is_labelled(right + 1))


def _is_about(said: str, words: frozenset[str]) -> bool:
    """Whether what leads up to a number names one of the words, without its own number."""
    asked = _WORD.findall(_TOLD.sub(" ", said.lower()))[-_SUBJECT:]
    return any(is_in(words, word) for word in asked) or " ".join(asked[-1:]) in _COUNTED_ONES
