"""The quote guard: which amounts of money in a reply the shop cannot stand behind.

A *mark* is a currency as it is written: a sign, a code or a name. A *quote* is an amount in its
place in the text. Whoever doubts whether a number is a price takes it for one; whoever doubts
whether it is backed says that it is not. Nothing here knows which product a price was said of.
"""

import re
import unicodedata
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from functools import lru_cache
from typing import Protocol

MOST_OF_ONE_PRODUCT = 100
Span = tuple[int, int]

MOST_SUMS = 2000  #: more ways to add up the lines than this prove nothing about a total
WORDS_BACK = 8  #: how far before a number a price word may stand
LONGEST_SENTENCE = 40  #: words to either side among which a discount is announced


def _words(words: str) -> frozenset[str]:
    return frozenset(words.split())


# Codes, likeliest first, and how people write them; accents and Arabic variants folded.
_CURRENCIES = """
USD CAD AUD NZD SGD HKD MXN ARS CLP COP: $ 💲
USD CAD AUD NZD SGD HKD: dollar dollars bucks buck dolar dolares dollari dollaro دولار دولارات
USD: us$ $us 💵
CAD: c$ ca$ $ca
AUD: a$ au$
NZD: nz$
HKD: hk$
SGD: s$
MXN: mx$
BRL: r$ reais
EUR: € 💶 euro euros eur يورو يوروهات
GBP EGP SDG SYP LBP: £ 💷 pound pounds quid livre livres libra libras باوند
EGP: e£ eg£ geneh gineh gneh genih guinea
EGP SDG: جنيه جنيها جنيهات
SAR QAR OMR YER IRR: ريال ريالات ريالا riyal riyals rial rials ryal ﷼ ₻
SAR: sr
AED MAD: درهم دراهم درهما dirham dirhams dh dhs dhm
KWD JOD BHD IQD TND LYD DZD RSD: دينار دنانير دينارا dinar dinars
KWD: kd
JOD: jd
LBP SYP TRY: ليره ليرات lira liras lirasi
TRY: ₺ tl
MXN ARS CLP COP PHP: peso pesos بيزو
INR PKR LKR NPR: ₨ rs rupee rupees rupaye روبيه روبيات
INR: ₹
ILS: ₪ shekel shekels nis شيكل
CHF XOF XAF: franc francs franken فرنك
JPY CNY: ¥ 💴 yen yuan rmb 元 円
RUB: ₽ ruble rubles rouble roubles
PLN: zl zloty
SEK NOK DKK: kr kroner kronor
NGN: ₦ naira
KRW: ₩
VND: ₫
UAH: ₴
PHP: ₱
THB: ฿ baht
KES TZS UGX: ksh shilling shillings
ZAR: rand
"""
_CODES = """USD EUR GBP EGP SAR AED MAD KWD QAR OMR BHD JOD IQD LBP SYP TND DZD LYD SDG YER ILS
CAD AUD NZD SGD HKD MXN ARS CLP COP BRL PEN INR PKR BDT LKR NPR PHP IDR MYR THB VND CNY JPY KRW TWD
CHF SEK NOK DKK PLN CZK HUF RON BGN RUB UAH IRR NGN KES GHS ZAR ETB XOF XAF USDT BTC ETH"""
_CENTS = _words("¢ cent cents centime centimes centavos piastre piastres قرش قروش هلله")
_DUALS = {
    "دولارين": "دولار", "جنيهين": "جنيه", "ريالين": "ريال", "درهمين": "درهم",
    "دينارين": "دينار", "ليرتين": "ليره",
}  # fmt: skip
_THREE_DECIMALS = frozenset({"KWD", "BHD", "OMR", "JOD", "IQD", "TND", "LYD"})
# A currency's code begins with its country's: "Canadian" leaves of all dollars only CAD.
_NATIONS = {
    stem: code
    for stems, code in (
        ("us u.s american americain امريك estadounid", "US"),
        ("canad كند", "CA"), ("austral استرال", "AU"), ("egypt مصر egip masri", "EG"),
        ("saudi سعود", "SA"), ("emirati uae امارات", "AE"), ("moroc مغرب maroc marro", "MA"),
        ("kuwait كويت", "KW"), ("qatar قطر", "QA"), ("oman عمان", "OM"), ("jordan اردن", "JO"),
        ("iraq عراق", "IQ"), ("leban لبنان liban", "LB"), ("syria سور", "SY"), ("turk ترك", "TR"),
        ("tunis تونس", "TN"), ("alger جزائر", "DZ"), ("british sterling استرلين", "GB"),
        ("mexic", "MX"), ("bahrain بحرين", "BH"), ("sudan سودان", "SD"),
    )
    for stem in stems.split()
}  # fmt: skip
_SCALES = {
    word: Decimal(scale)
    for words, scale in (
        ("k thousand mille mil tausend الف الاف تلاف hazaar", 1000),
        ("hundred ميه مئه مايه", 100),
        ("lakh", 100_000),
        ("m mn million millions millon مليون", 1_000_000),
    )
    for word in words.split()
}
_NUMBER_WORDS = {
    word: value
    for values, words in (
        (range(1, 21), """one two three four five six seven eight nine ten eleven twelve thirteen
            fourteen fifteen sixteen seventeen eighteen nineteen twenty"""),
        (range(30, 100, 10), "thirty forty fifty sixty seventy eighty ninety"),
        ((100, 1000), "hundred thousand"),
        (range(1, 11), "واحد اتنين تلاته اربعه خمسه سته سبعه تمانيه تسعه عشره"),
        ((1, 2, 3, 3, 4, 5, 6, 7, 8, 8, 9, 10), """واحده اثنين ثلاثه ثلاث اربع خمس ست سبع ثمانيه
            تمن تسع عشر"""),
        (range(20, 100, 10), "عشرين تلاتين اربعين خمسين ستين سبعين تمانين تسعين"),
        ((30, 80, 100, 100, 200, 200), "ثلاثين ثمانين ميه مئه ميتين مئتين"),
        (range(300, 1000, 100), "تلتميه ربعميه خمسميه ستميه سبعميه تمنميه تسعميه"),
        ((1000, 1000, 2000), "الف الاف الفين"),
        ((1, 2, 3, 4, 5, 6, 7, 8, 9, 10), "un deux trois quatre cinq six sept huit neuf dix"),
        ((20, 30, 40, 50, 60, 100, 1000), "vingt trente quarante cinquante soixante cent mille"),
        ((1, 2, 3, 4, 5, 6, 7, 8, 9, 10), """uno dos tres cuatro cinco seis siete ocho nueve
            diez"""),
        ((20, 30, 40, 50, 60, 100, 1000), "veinte treinta cuarenta cincuenta sesenta cien mil"),
    )
    for value, word in zip(values, words.split(), strict=True)
}  # fmt: skip
_PRICE = _words(
    """
    price prices priced pricing cost costs costing total totals subtotal sum amount fee charge
    charged pay pays paid worth discount discounted refund value deal offer sell selling save
    saving prix coute coutent cout tarif montant somme remise precio precios cuesta cuestan
    importe vale costo coste descuento preis kostet gesamt summe السعر سعر سعره سعرها الثمن
    ثمن اجمالي مجموع حساب تكلفه تكلف يكلف بكام بكم قيمه خصم تخفيض يدفع تدفع دفع ادفع se3r
    else3r bekam
    """
)
_BARELY = _words(
    "only just as do say for seulement juste pour solo solamente por nur fur ب بس فقط باقل"
)
_IS = _words(
    """
    is are was be will would comes come to s equals makes at about around approximately est
    sera fait es seria son sale ist هو هي يبقي بيبقي يكون حوالي تقريبا كان الي ل
    """
)
_COUNTED = _words("quantity qty stock items pieces units الكميه كميه quantite cantidad")
# What may follow a price; any other word after a bare number is what it counts.
_AFTER_PRICE = _words(
    """
    each apiece only on then final max total in per for a an and or but including incl plus with
    today now all if when my dear sir madam the to your you off discount as instead it that this
    so because until chacun piece seulement au en tout par cada uno solo por y et o ou mais pero
    بس فقط شامل يا و او تقريبا مع عشان حضرتك لو كل علي في el w bas
    """
)
_EACH = _words("each apiece للقطعه للواحد للواحده للحبه للكيلو chacun chacune")
_MEASURES = _words(
    """
    ml cl l lt litre litres liter liters litro litros kg g gr gram grams mg lb lbs oz mm cm m
    km inch inches ft hour hours hr hrs h heure heures hora horas min mins minute minutes sec
    second seconds day days jour jours dia dias week weeks month months mois mes meses year
    years ans anos mah w watt watts v volt hz ghz gb tb mb am pm uhr gsm c f degrees px mp
    star stars st nd rd th مل لتر ليتر كيلو كجم جرام غرام سم متر مم بوصه ساعه ساعات دقيقه
    دقايق دقائق يوم ايام اسبوع شهر شهور اشهر سنه سنين سنوات ملي امبير واط جيجا الصبح مساء
    صباحا
    """
)
_PIECES = _words(
    """
    item items piece pieces pcs pc unit units product products article articles articulo
    articulos unidad unidades unite unites pair pairs pack packs box boxes set sets bottle
    bottles left available قطعه قطع حبه حبات علبه علب منتج منتجات stuck
    """
)
_LABELS = _words(
    """
    order orders no nr number id ref sku code phone tel mobile size sizes room apt apartment
    floor street st building page model version step zip postcode box commande numero talla
    taille pointure pedido calle rue طلب الطلب اوردر الاوردر رقم شارع عماره شقه الدور دور مقاس
    نمره مربع زنقه كود تليفون تلفون هاتف جوال حي منزل صندوق share3 # № n
    """
)
_DISCOUNT = _words(
    """
    off discount discounts discounted save saving cheaper less promo coupon sale reduction
    reduced deduct remise rabais solde descuento rebaja oferta ahorra rabatt gunstiger خصم
    الخصم تخفيض تخفيضات اقل ارخص عرض خصومات khasm 5asm rebate minus
    """
)
_PERCENT = _words("% ٪ percent pct بالميه بالمئه بالمايه prozent")
_LIKE_PERCENT = re.compile(r"(?i:per cent|pour cent|por ciento|(?:في|ف) (?:ال)?(?:ميه|مئه|مايه))")
_WHOLE_DEALS = re.compile(
    r"(?i:\bhalf[- ]?(?:the )?(?:price|off)|\bbuy one,? get one|\bbogo\b"
    r"|\b(?:2|two) for (?:1|one)\b"
    r"|\b2x1\b|نص+ف? (?:ال)?(?:سعر|تمن|ثمن)|moitie prix|demi-tarif|mitad de(?:l)? precio"
    r"|halben preis)"
)
_OFF = _words("off discount save خصم remise rabais descuento rabatt cheaper less")
_SHORT = _words("rs le sr dh dhs dhm kr kd jd tl")
_AND = _words("and و et y und")
_AND_OR = _AND | _words(", ، or او ou o oder / -")
_TO = _words("- – — ~ / to الي a bis hasta until")
_BETWEEN = _words("between بين entre zwischen")
_PARTICLES = _words("ب ل و ال بال لل x")
_SIGNS = "$¢£¤¥֏؋৳฿៛₠-⃀💲💵💶💷💴元円"
_LETTER = r"[^\W\d_]"
_TOKEN = re.compile(
    r"(?P<skip>(?:https?://|www\.)\S+|[\w.+-]{1,64}@[\w-]+\.[\w.-]+)"
    rf"|(?P<sign>(?:(?<!{_LETTER})(?:US|CA|AU|NZ|HK|MX|EG|[CASER]))?[{_SIGNS}]"
    rf"(?:(?:US|CA)(?!{_LETTER}))?)"
    rf"|(?P<dotted>(?<!{_LETTER}){_LETTER}\.{_LETTER}(?!{_LETTER})\.?)"
    r"|(?P<number>\d+(?:(?:[.,'٫٬]|[ \xa0](?=\d{3}(?!\d)))\d+)*)"
    rf"|(?P<word>{_LETTER}+)|(?P<line>[\n\r])|(?P<other>[^\s\u200b])"
)
_FOLDED = str.maketrans("ىةیکگٱ’`", "يهيككا''", "ـ")
_ARABIC_PREFIXES = ("وبال", "وال", "بال", "لل", "ال", "ب", "ل", "و", "ف")
_SENTENCE_ENDS = frozenset(".!?؟;؛\n\r")
_COLONS = frozenset(":=≈~*")
_DECORATION = _COLONS | frozenset("_(['\"«“")
_MARK_THEN_NUMBER = _DECORATION | frozenset(")]-−")
_DECIMAL_MARKS = frozenset(".,٫")
_MINUS = frozenset("-−")
_NO_CENTS = re.compile(r"\s?(?:/-|[.,][-–—](?!\d))")  # "150/-", "150,-"
_ENDS = re.compile(r"\s*(?:\Z|[^\w\s])")
_DIGITS = re.compile(r"\d+")


def _marks() -> dict[str, tuple[str, ...]]:
    known: dict[str, tuple[str, ...]] = {code.lower(): (code,) for code in _CODES.split()}
    for line in _CURRENCIES.strip().splitlines():
        codes, _, names = line.partition(": ")
        known |= {name: tuple(codes.split()) for name in names.split()}
    return known | {dual: known[single] for dual, single in _DUALS.items()}


_MARKS = _marks()
_CODES_AND_SIGNS = {*_CODES.split(), *_SIGNS}
_DOTTED = {
    "جم": ("EGP",), "le": ("EGP",), "رس": ("SAR",), "رق": ("QAR",), "رع": ("OMR",), "ري": ("YER",),
    "دا": ("AED", "JOD"), "دم": ("MAD",), "دك": ("KWD",), "دب": ("BHD",), "دع": ("IQD",),
    "دت": ("TND",), "دل": ("LYD",), "دج": ("DZD",), "لل": ("LBP",), "لس": ("SYP",),
}  # fmt: skip
# In small letters these are words of other languages.
_CAPITALS = {
    "le": "EGP", "try": "TRY", "da": "DZD", "dt": "TND", "bd": "BHD", "qr": "QAR", "ll": "LBP",
}  # fmt: skip


class Priced(Protocol):
    """What is sold: a product as the catalog has it."""

    @property
    def name(self) -> str: ...
    @property
    def description(self) -> str: ...
    @property
    def price(self) -> Decimal: ...
    @property
    def currency(self) -> str: ...


class Placed(Protocol):
    """An order that was just made."""

    @property
    def unit_price(self) -> Decimal: ...
    @property
    def total(self) -> Decimal: ...
    @property
    def currency(self) -> str: ...


@dataclass(frozen=True, slots=True)
class Amount:
    """An amount of money as a text has it."""

    text: str  #: as written, with its mark
    value: Decimal
    currency: str | None  #: the likeliest code; None where no mark stands by
    may_be: frozenset[str] = field(default=frozenset(), compare=False)  #: all codes of its mark


@dataclass(frozen=True)
class Shelf:
    """What a shop may say of money, worked out once for a catalog and read for each reply."""

    prices: Mapping[Decimal, frozenset[str]]  #: the codes in which a price is asked
    texts: Sequence[tuple[str, str]]  #: name and description of the products

    @classmethod
    def of(cls, products: Iterable[Priced]) -> "Shelf":
        prices: dict[Decimal, frozenset[str]] = {}
        texts = []
        for product in products:
            _put(prices, product.price, product.currency)
            texts.append((product.name, product.description))
        return cls(prices, texts)


def find_amounts(text: str) -> list[Amount]:
    """Every amount of money in a text, in its order."""
    return [quote.amount for quote in _Reader(text).quotes]


def find_discounts(text: str) -> list[str]:
    """Every promise to take something off, as written: percentages, amounts and set phrases."""
    return [text[start:end] for start, end in _Reader(text).discounts()]


def unbacked(text: str, *, shelf: Shelf, orders: Collection[Placed] = ()) -> list[str]:
    """The amounts and discounts, as written, that the shop cannot stand behind.

    Backed is a price of the catalog in its currency, alone or times a whole quantity (1 to 100)
    that the text names; unit price and total of an order just made, and the total of all those
    orders; the sum of neighbouring backed amounts of the same text; and what repeats the name or
    the description of a product that the text names in full.
    """
    reader = _Reader(text)
    backing = _Backing(reader, shelf, orders)
    amounts = {quote.span: quote.amount for quote in reader.quotes if not backing.covers(quote)}
    doubtful = set(amounts) | set(reader.discounts())
    if doubtful:
        doubtful -= _repeated(reader, shelf, doubtful, amounts)
    return [text[start:end] for start, end in sorted(doubtful)]


@dataclass(slots=True)
class _Token:
    kind: str
    text: str  #: folded, in lower case
    start: int
    end: int
    means: tuple[str, ...] | None = None  #: the codes of a mark; () for hundredths
    values: tuple[Decimal, ...] = ()  #: of a number, likeliest first


_NOTHING = _Token("line", "\n", -1, -1)  #: what stands before and after a text


@dataclass(slots=True)
class _Quote:
    amount: Amount
    values: Sequence[Decimal]
    span: Span
    first: int  #: its first token
    last: int  #: its last


@lru_cache(maxsize=4096)
def _plain_char(char: str) -> str:
    if char in "\xa0\u202f\u2009":  # spaces that do not end a number
        return "\xa0"
    if char.isdecimal():
        return str(unicodedata.decimal(char))
    split = unicodedata.normalize("NFD", unicodedata.normalize("NFKC", char))
    kept = (part for part in split if unicodedata.category(part) not in ("Mn", "Me", "Cf"))
    return "".join(kept).translate(_FOLDED)


def _plain(text: str) -> tuple[str, Sequence[int]]:
    """A text without variants of digits and letters, and where each character came from."""
    if text.isascii():
        return text, range(len(text) + 1)
    parts = [_plain_char(char) for char in text]
    origins = [place for place, part in enumerate(parts) for _ in part]
    return "".join(parts), [*origins, len(text)]


def _stems(word: str) -> Iterator[str]:
    """A word as it is, and without the particles that Arabic writes before it."""
    yield word
    if word > "z":
        for prefix in _ARABIC_PREFIXES:
            if word.startswith(prefix) and len(word) > len(prefix) + 1:
                yield word[len(prefix) :]


def _is_in(words: Collection[str], word: str) -> bool:
    return any(stem in words for stem in _stems(word))


def _tokens(plain: str) -> Iterator[_Token]:
    for match in _TOKEN.finditer(plain):
        kind, text = str(match.lastgroup), match.group().lower()
        token = _Token(kind, text, *match.span())
        if kind == "number":
            yield from _numbers(match.group(), match.start())
            continue
        if kind == "dotted":
            token.means = _DOTTED.get(text.replace(".", ""))
        elif kind in ("sign", "word"):
            token.means = _meaning(text, plain, token)
        if token.means is None and kind == "dotted":
            token.text = text.replace(".", "")
        yield token


def _meaning(text: str, plain: str, token: _Token) -> tuple[str, ...] | None:
    if text in _CAPITALS:
        capitals = plain[token.start : token.end].isupper()
        last = text == "le" and _ENDS.match(plain, token.end)  # "50 le.", not "50 le lundi"
        return (_CAPITALS[text],) if capitals or last else None
    for stem in _stems(text):
        if stem in _MARKS:
            return _MARKS[stem]
        if stem in _CENTS:
            return ()
    return None


def _numbers(written: str, start: int) -> Iterator[_Token]:
    values = _values(written)
    if values is not None:
        yield _Token("number", written, start, start + len(written), values=values)
        return
    # A list ("10,20,30"), or a date or a version, whose parts count only beside a mark.
    for part in re.finditer(r"[^,]+" if "," in written else r"\d+", written):
        if "," in written:
            yield from _numbers(part.group(), start + part.start())
        else:
            span = (start + part.start(), start + part.end())
            yield _Token("broken", part.group(), *span, values=(Decimal(part.group()),))


def _values(written: str) -> tuple[Decimal, ...] | None:
    """What a number may mean, likeliest first; None when it is not one number."""
    head, space, tail = written.rpartition(" ")
    if space:  # "2 150.00": one number, or two
        return (_values(f"{head}'{tail}".replace(" ", "'")) or ()) + (_values(tail) or ()) or None
    parts, marks = _DIGITS.findall(written), "".join(_DIGITS.split(written))
    marks = marks.replace("\xa0", "'").replace("٬", "'")
    if not marks:
        return (Decimal(written),)
    last = marks[-1]
    if last != "'" and marks.count(last) == 1 and (len(marks) > 1 or last == "٫"):
        if len(set(marks[:-1])) > 1 or not _is_grouped(parts[:-1]):
            return None
        return (Decimal(f"{''.join(parts[:-1])}.{parts[-1]}"),)
    whole: tuple[Decimal, ...] = ()
    if len(set(marks)) == 1 and _is_grouped(parts):
        whole = (Decimal("".join(parts)),)
    if len(marks) == 1 and last in ".,":
        whole += (Decimal(f"{parts[0]}.{parts[1]}"),)
    return whole or None


def _is_grouped(parts: Sequence[str]) -> bool:
    if len(parts) == 1:
        return True
    *middle, last = parts[1:]
    return (
        len(parts[0]) <= 3
        and not parts[0].startswith("0")
        and len(last) == 3
        and len({len(part) for part in middle} | {0}) <= 2
        and all(len(part) in (2, 3) for part in middle)  # two in India
    )


class _Reader:
    """A text taken apart once: its tokens, and which numbers among them are amounts."""

    def __init__(self, text: str) -> None:
        self.text = text
        self.plain, self._origins = _plain(text)
        self.tokens = list(_tokens(self.plain))
        self.quoted: set[int] = set()  # tokens of numbers that are amounts
        self._used: set[int] = set()  # marks that belong to the number before them
        self.quotes: list[_Quote] = []
        for index, token in enumerate(self.tokens):
            quote = None
            if token.values:
                quote = self._in_digits(index)
            elif token.means is not None and index not in self._used:
                quote = self._in_words(index)
            if quote is not None:
                self.quotes.append(quote)
                self.quoted.update(range(quote.first, quote.last + 1))

    def discounts(self) -> list[Span]:
        """Where something is promised to be taken off."""
        found = [self._span(*match.span()) for match in _WHOLE_DEALS.finditer(self.plain)]
        for index, token in enumerate(self.tokens):
            if not token.values and token.text not in _NUMBER_WORDS:
                continue
            first = index - self._has_percent_before(index)
            last = index if first < index else self._percent_after(index)
            if last is not None:
                signed = self._is_negative(first)
                if (
                    signed
                    or self._in_sentence(index, _DISCOUNT)
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
            if any(_is_in(_OFF, word) for word in (*before, self._at(quote.last + 1).text)):
                found.append(quote.span)
        return found

    def quantities(self, first: int, last: int) -> set[Decimal]:
        """Whole numbers from 1 to 100 that count something, between two tokens."""
        found = set()
        for index in range(max(first, 0), min(last, len(self.tokens))):
            token = self.tokens[index]
            if token.kind == "number":
                found.add(self._count(index))
            elif token.text in _NUMBER_WORDS and not self._is_measured(index + 1):
                found.add(Decimal(_NUMBER_WORDS[token.text]))
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

    def _in_digits(self, index: int) -> _Quote | None:
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
        if signed or (first < index and self.tokens[index - 1].text in _MINUS):
            values = [-value for value in values]
        return self._made(first - signed, last, values, marks)

    def _in_words(self, index: int) -> _Quote | None:
        """ "Fifty dollars", "جنيه واحد", and the dual: "دولارين"."""
        for stem in _stems(self.tokens[index].text):
            if stem in _DUALS:
                return self._made(index, index, [Decimal(2)], [_MARKS[stem]])
        if self._at(index + 1).values and self.tokens[index].text.upper() in _CODES_AND_SIGNS:
            return None  # "that one: USD 50"
        last = index
        first = index - (self._nation(index - 1) is not None)
        while (number := self._number_word(first - 1)) is not None:
            first -= 1
        words = [self._number_word(place) for place in range(first, index)]
        if not any(words) and self._number_word(index + 1) and not self._at(index - 1).values:
            last = index + 1
            words = [self._number_word(last)]
        total = part = 0
        for number in words:
            if number and number >= 100:
                part = max(part, 1) * number
                total, part = (total + part, 0) if number >= 1000 else (total, part)
            else:
                part += number or 0
        if not total + part:
            return None
        return self._made(first, last, [Decimal(total + part)], [self._codes(index)])

    def _number_word(self, index: int) -> int | None:
        """0 for what only joins two of them."""
        word = self._at(index).text
        if word in ("and", "و", "-", "et", "y") and self._at(index - 1).text in _NUMBER_WORDS:
            return 0
        return _NUMBER_WORDS.get(word) or _NUMBER_WORDS.get(word.removeprefix("و"))

    def _made(
        self, first: int, last: int, values: Sequence[Decimal], marks: Sequence[Sequence[str]]
    ) -> _Quote:
        codes = tuple(code for code in marks[0] if code in marks[-1]) if marks else ()
        if () in marks:
            values = [value / 100 for value in values]
        elif marks and not codes:
            codes = ("XXX",)  # "$50 EGP" is in no currency
        start, end = self.tokens[first].start, self.tokens[last].end
        if codes and codes[0] in _THREE_DECIMALS and "." in self.plain[start:end]:
            values = values[::-1]  # "1.500 KWD"
        span = self._span(start, end)
        text = self.text[slice(*span)]
        amount = Amount(text, values[0], codes[0] if codes else None, frozenset(codes))
        return _Quote(amount, values, span, first, last)

    def _at(self, index: int) -> _Token:
        return self.tokens[index] if 0 <= index < len(self.tokens) else _NOTHING

    def _cover(self, first: int, last: int) -> Span:
        return self._span(self.tokens[first].start, self.tokens[last].end)

    def _span(self, start: int, end: int) -> Span:
        return self._origins[start], self._origins[end - 1] + 1

    def _codes(self, mark: int) -> tuple[str, ...]:
        codes = self.tokens[mark].means or ()
        nation = self._nation(mark - 1) or self._nation(mark + 1)
        return tuple(code for code in codes if code.startswith(nation or "")) or codes

    def _nation(self, index: int) -> str | None:
        token = self._at(index)
        if token.kind not in ("word", "dotted"):
            return None
        if token.text in ("us", "uae"):
            return _NATIONS[token.text]
        for stem in _stems(token.text):
            for nation, code in _NATIONS.items():
                if len(nation) > 2 and stem.startswith(nation):
                    return code
        return None

    def _scale(self, index: int) -> Decimal | None:
        token = self._at(index + 1)
        factor = next((_SCALES[stem] for stem in _stems(token.text) if stem in _SCALES), None)
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
        while index >= first - 4 and self._at(index).text in _MARK_THEN_NUMBER:
            index -= 1
        if self._at(index).text == "." and self._at(index - 1).text in _SHORT:  # "Rs. 500"
            index -= 1
        if self._nation(index) is not None:
            index -= 1
        return index if self._at(index).means is not None else None

    def _is_negative(self, index: int) -> bool:
        sign, before = self._at(index - 1), self._at(index - 2)
        if sign.text not in _MINUS or sign.end != self.tokens[index].start:
            return False
        return sign.start != before.end or before.kind == "line" or before.text in _DECORATION

    def _is_glued(self, index: int, right: int) -> bool:
        """A number written as one word with letters: "A4", "IPX7", "750ml", "3ayez"."""
        token, before, after = self.tokens[index], self._at(index - 1), self._at(right)
        joined = before.kind == "word" and before.end == token.start
        if joined and before.text not in _PARTICLES and not _is_in(_PRICE, before.text):
            return True
        glued = after.kind == "word" and after.start == self.tokens[right - 1].end
        return glued and after.text not in _AFTER_PRICE

    def _percent_after(self, index: int) -> int | None:
        follower = self._at(index + 1)
        if follower.text in _PERCENT:
            return index + 1
        return index + 2 if _LIKE_PERCENT.match(self.plain, follower.start) else None

    def _has_percent_before(self, index: int) -> bool:
        return self._at(index - 1).text in ("%", "٪") and not self._at(index - 2).values

    def _has_cents(self, index: int, right: int) -> bool:
        token = self.tokens[index]
        if self._at(right).text in ("x", "×") and self._at(right + 1).values:
            right += 2  # "12.50 × 20.00 cm"
        return token.text[-3:-2] in _DECIMAL_MARKS and not self._is_measured(right)

    def _is_measured(self, right: int) -> bool:
        token = self._at(right)
        return token.means is None and _is_in(_MEASURES, token.text)

    def _is_counting(self, right: int) -> bool:
        """Whether what follows a number is what it counts or measures."""
        token = self._at(right)
        if token.text in ("x", "×", "%", "٪", "/") or self._is_measured(right):
            return True
        known = token.text in _AFTER_PRICE or token.text.startswith("لل")
        return token.kind == "word" and not known and token.means is None

    def _is_labelled(self, index: int) -> bool:
        """An order number, a telephone, a date, a time, a size, a house."""
        token, before = self.tokens[index], self._at(index - 1)
        if before.text in (".", ":") and self._at(index - 2).text in _LABELS:
            before = self._at(index - 2)
        if token.kind == "broken" or before.text in ("+", "'") or _is_in(_LABELS, before.text):
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
        between = _is_in(_BETWEEN, self._at(index - 1).text) and joint.text in _AND
        if not second.values or not (joint.text in _TO or between):
            return None
        return self._mark_after(index + 3 + (self._scale(index + 2) is not None))

    def _is_by_price(self, index: int, right: int) -> bool:
        """Whether a bare number is called a price by the words around it."""
        follower = self._at(right)
        if self._is_labelled(index):
            return False
        if _is_in(_EACH, follower.text) and self._at(right + 1).text != "of":
            return True
        if self._is_measured(right) or _is_in(_PIECES, follower.text):
            return False
        if follower.text in ("x", "×"):
            return False
        place = index - 1
        while self._at(place).text in _DECORATION:
            place -= 1
        before, named = self._at(place), self._at(index - 1).text in _COLONS
        if before.text in _AND_OR and self._at(place - 1).values:
            return place - 1 in self.quoted
        loose = not self._is_counting(right)
        if loose and before.text in _BARELY:
            return True
        if not (loose or named or before.text in _IS):
            return False
        return self._in_sentence(index, _PRICE, back=WORDS_BACK, without=_COUNTED)

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
            while left > 0 and (token := self._at(place)).text not in _SENTENCE_ENDS:
                if _is_in(words, token.text):
                    return True
                if token.text in without:
                    return False
                place, left = place + step, left - (token.kind != "other")
        return False


class _Backing:
    """What stands behind the amounts of one text."""

    def __init__(self, reader: _Reader, shelf: Shelf, orders: Collection[Placed]) -> None:
        self._reader, self._prices = reader, shelf.prices
        self._ordered: dict[Decimal, frozenset[str]] = {}
        totals: dict[str, Decimal] = {}
        for order in orders:
            _put(self._ordered, order.unit_price, order.currency)
            _put(self._ordered, order.total, order.currency)
            totals[order.currency] = totals.get(order.currency, Decimal(0)) + order.total
        for currency, total in totals.items():
            _put(self._ordered, total, currency)
        self._quantities = reader.quantities(0, len(reader.tokens)) | {Decimal(1)}
        self._alone = {quote.span: self._codes(quote) for quote in reader.quotes}
        self._totals: dict[str, set[Decimal]] = {}

    def covers(self, quote: _Quote) -> bool:
        if self._alone[quote.span]:
            return True
        codes = frozenset[str]().union(*self._alone.values())
        if quote.amount.may_be:
            codes &= quote.amount.may_be
        return any(value in self._sums(code) for code in codes for value in quote.values)

    def _codes(self, quote: _Quote) -> frozenset[str]:
        found = frozenset[str]().union(*map(self._behind, quote.values))
        return found & quote.amount.may_be if quote.amount.may_be else found

    def _behind(self, value: Decimal) -> frozenset[str]:
        found = self._ordered.get(value, frozenset[str]())
        for quantity in self._quantities:
            price = value / quantity
            if price * quantity == value:
                found |= self._prices.get(price, found)
        return found

    def _sums(self, code: str) -> set[Decimal]:
        """The sums of two or more backed amounts that stand next to each other."""
        if code not in self._totals:
            lines = [self._line(i, code) for i in range(len(self._reader.quotes))]
            lines = [line for line in lines if line]
            self._totals[code] = _sums_of_runs(lines) | _sums_of_runs(
                [
                    line
                    for line, following in zip(lines, [*lines[1:], {}], strict=True)
                    # A unit price and what it comes to are one line.
                    if not any(a * q in following for a in line for q in self._quantities)
                ]
            )
        return self._totals[code]

    def _line(self, index: int, code: str) -> set[Decimal]:
        """What a line comes to: the amount as it stands, or times the quantity beside it."""
        reader, quotes = self._reader, self._reader.quotes
        quote = quotes[index]
        if code not in self._alone[quote.span]:
            return set()
        begin = quotes[index - 1].last + 1 if index else 0
        for place in range(begin, quote.first):
            if reader.tokens[place].kind == "line":
                begin = place
        beside = reader.quantities(begin, quote.first)
        if reader.tokens[quote.last + 1 : quote.last + 2] and reader.tokens[
            quote.last + 1
        ].text in ("x", "×"):
            beside |= reader.quantities(quote.last + 2, quote.last + 3)
        values = {value for value in quote.values if code in self._behind(value)}
        return values | {
            value * quantity for value in values if value in self._prices for quantity in beside
        }


def _sums_of_runs(lines: Sequence[Collection[Decimal]]) -> set[Decimal]:
    sums: set[Decimal] = set()
    for start in range(len(lines)):
        reached = set(lines[start])
        for line in lines[start + 1 :]:
            reached = {total + value for total in reached for value in line}
            sums |= reached
            if len(sums) > MOST_SUMS:
                return sums
    return sums


def _put(prices: dict[Decimal, frozenset[str]], value: Decimal, currency: str) -> None:
    codes = _MARKS.get(currency.lower(), (currency.upper(),))
    prices[value] = prices.get(value, frozenset()) | set(codes)


def _repeated(
    reader: _Reader, shelf: Shelf, doubtful: Collection[Span], amounts: Mapping[Span, Amount]
) -> set[Span]:
    """Those of the doubtful amounts that only repeat what the shop wrote about a product.

    Within a product's name anything is; elsewhere, what the description has too, as long as the
    text names the product in full.
    """
    found: set[Span] = set()
    for name, description in shelf.texts:
        for match in _occurrences(name, reader.text):
            found |= {
                span for span in doubtful if match.start() <= span[0] and span[1] <= match.end()
            }
            said = find_amounts(description)
            promised = set(find_discounts(description))
            for span in doubtful:
                amount = amounts.get(span)
                if amount is None and reader.text[slice(*span)] in promised:
                    found.add(span)
                if amount is not None and any(
                    amount.value == known.value and amount.may_be <= known.may_be for known in said
                ):
                    found.add(span)
    return found


def _occurrences(name: str, text: str) -> Iterator[re.Match[str]]:
    words = name.split()
    if words and words[0].lower() in text.lower():
        yield from re.finditer(r"\s+".join(map(re.escape, words)), text, re.IGNORECASE)
