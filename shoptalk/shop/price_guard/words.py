"""What the reading knows: currencies, numbers in words, and the words around prices.

A *mark* is a currency as it is written: a sign, a code or a name.
"""

import re
from decimal import Decimal


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
CENTS = _words("¢ cent cents centime centimes centavos piastre piastres قرش قروش هلله")
DUALS = {
    "دولارين": "دولار", "جنيهين": "جنيه", "ريالين": "ريال", "درهمين": "درهم",
    "دينارين": "دينار", "ليرتين": "ليره", "دولاران": "دولار", "جنيهان": "جنيه",
    "ريالان": "ريال", "درهمان": "درهم", "ديناران": "دينار", "ليرتان": "ليره",
}  # fmt: skip
THREE_DECIMALS = frozenset({"KWD", "BHD", "OMR", "JOD", "IQD", "TND", "LYD"})
# A currency's code begins with its country's: "Canadian" leaves of all dollars only CAD.
NATIONS = {
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
SCALES = {
    word: Decimal(scale)
    for words, scale in (
        ("k thousand mille mil tausend tsd الف الاف تلاف hazaar", 1000),
        ("hundred ميه مئه مايه", 100),
        ("lakh", 100_000),
        ("m mn million millions millon مليون", 1_000_000),
    )
    for word in words.split()
}
NUMBER_WORDS = {
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
        (range(20, 100, 10), "عشرون ثلاثون اربعون خمسون ستون سبعون ثمانون تسعون"),
        (range(11, 20), """حداشر اتناشر تلتاشر اربعتاشر خمستاشر ستاشر سبعتاشر تمنتاشر
            تسعتاشر"""),
        ((2, 8, 100, 200, 200, 200, 2000), "اثنان ثماني مايه مايتان مايتين ميتان الفان"),
        (range(300, 1000, 100), """ثلاثمايه اربعمايه خمسمايه ستمايه سبعمايه ثمانمايه
            تسعمايه"""),
        (range(300, 1000, 100), "ثلاثميه اربعميه خمسميه ستميه سبعميه ثمانميه تسعميه"),
        ((11, 12, 13, 14, 15, 16, 20), "onze douze treize quatorze quinze seize vingts"),
        (range(12, 17), "doce trece catorce quince dieciseis"),  # "once" is English too
        ((70, 80, 90, 100), "setenta ochenta noventa ciento"),
        ((1000,), "tausend"),
        ((100,), "cents"),  # "deux cents euros"; "fifty cents" are read as such
        (range(200, 1000, 100), """doscientos trescientos cuatrocientos quinientos seiscientos
            setecientos ochocientos novecientos"""),
        (range(17, 20), "diecisiete dieciocho diecinueve"),
        (range(21, 30), """veintiuno veintidos veintitres veinticuatro veinticinco veintiseis
            veintisiete veintiocho veintinueve"""),
    )
    for value, word in zip(values, words.split(), strict=True)
}  # fmt: skip


TWO = _words(
    "both pair couple الاتنين الاثنين للاتنين للاثنين كلاهما لكليهما beide beiden ambos ambas"
)
HUNDREDS = _words("cent cents")  #: of French; also the mark for hundredths
_GERMAN = """ein zwei drei vier funf sechs sieben acht neun zehn elf zwolf dreizehn vierzehn
    funfzehn sechzehn siebzehn achtzehn neunzehn"""
_GERMAN_TENS = "zwanzig dreißig vierzig funfzig sechzig siebzig achtzig neunzig"


def _german() -> dict[str, int]:
    """Up to 999, where numbers are one word: "neunundneunzig", "zweihundertzwanzig"."""
    known = {word: value for value, word in enumerate(_GERMAN.split(), start=1)}
    units = list(known)[:9]
    for ten, word in zip(range(20, 100, 10), _GERMAN_TENS.split(), strict=True):
        known |= {f"{unit}und{word}": ten + one for one, unit in enumerate(units, start=1)}
        known[word] = ten
    known |= {
        f"{unit}hundert{word}": max(hundreds, 1) * 100 + rest
        for hundreds, unit in enumerate(["", *units])
        for word, rest in {"": 0, **known}.items()
    }
    return known | {word.replace("ß", "ss"): value for word, value in known.items()}


NUMBER_WORDS |= _german()
PRICE = _words(
    """
    price prices priced pricing cost costs costing total totals subtotal sum amount fee charge
    charged pay pays paid worth discount discounted refund value deal offer sell selling save
    saving prix coute coutent cout tarif montant somme remise precio precios cuesta cuestan
    importe vale costo coste descuento preis kostet gesamt summe السعر سعر سعره سعرها الثمن
    ثمن اجمالي مجموع حساب تكلفه تكلف يكلف بكام بكم قيمه خصم تخفيض يدفع تدفع دفع ادفع se3r
    else3r bekam
    """
)
BARELY = _words(
    "only just as do say for seulement juste pour solo solamente por nur fur ب بس فقط باقل"
)
IS = _words(
    """
    is are was be will would comes come to s equals makes at about around approximately est
    sera fait es seria son sale ist هو هي يبقي بيبقي يكون حوالي تقريبا كان الي ل
    """
)
COUNTED = _words("quantity qty stock items pieces units الكميه كميه quantite cantidad")
# What may follow a price; any other word after a bare number is what it counts.
AFTER_PRICE = _words(
    """
    each apiece only on then final max total in per for a an and or but including incl plus with
    today now all if when my dear sir madam the to your you off discount as instead it that this
    so because until chacun piece seulement au en tout par cada uno solo por y et o ou mais pero
    please delivered بالتوصيل بالشحن بس فقط شامل يا و او تقريبا مع عشان حضرتك لو كل علي في el w bas
    """
)
EACH = _words("each apiece للقطعه للواحد للواحده للحبه للكيلو chacun chacune")
MEASURES = _words(
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
PIECES = _words(
    """
    item items piece pieces pcs pc unit units product products article articles articulo
    articulos unidad unidades unite unites pair pairs pack packs box boxes set sets bottle
    bottles left available قطعه قطع حبه حبات علبه علب منتج منتجات stuck
    """
)
LABELS = _words(
    """
    order orders no nr number id ref sku code phone tel mobile size sizes room apt apartment
    floor street st building page model version step zip postcode box commande numero talla
    taille pointure pedido calle rue طلب الطلب اوردر الاوردر رقم شارع عماره شقه الدور دور مقاس
    نمره مربع زنقه كود تليفون تلفون هاتف جوال حي منزل صندوق share3 # № n
    """
)
DISCOUNT = _words(
    """
    off discount discounts discounted save saving cheaper less promo coupon sale reduction
    reduced deduct remise rabais solde descuento rebaja oferta ahorra rabatt gunstiger خصم
    الخصم تخفيض تخفيضات اقل ارخص عرض خصومات khasm 5asm rebate minus
    """
)
PERCENT = _words("% ٪ percent pct بالميه بالمئه بالمايه prozent")
LIKE_PERCENT = re.compile(r"(?i:per cent|pour cent|por ciento|(?:في|ف) (?:ال)?(?:ميه|مئه|مايه))")
WHOLE_DEALS = re.compile(
    r"(?i:\bhalf[- ]?(?:the )?(?:price|off)|\bbuy one,? get one|\bbogo\b"
    r"|\b(?:2|two) for (?:1|one)\b"
    r"|\b2x1\b|نص+ف? (?:ال)?(?:سعر|تمن|ثمن)|moitie prix|demi-tarif|mitad de(?:l)? precio"
    r"|halben preis)"
)
OFF = _words("off discount save خصم remise rabais descuento rabatt cheaper less")
SHORT = _words("rs le sr dh dhs dhm kr kd jd tl")
AND = _words("and و et y und")
OR = _words("or او ou o oder")
AND_OR = AND | OR | _words(", ، / -")
TO = _words("- – — ~ / to الي a bis hasta until")
BETWEEN = _words("between بين entre zwischen")
PARTICLES = _words("ب ل و ال بال لل x")
SIGNS = "$¢£¤¥֏؋৳฿៛₠-⃀💲💵💶💷💴元円"
SENTENCE_ENDS = frozenset(".!?؟;؛\n\r")
COLONS = frozenset(":=≈~*")
DECORATION = COLONS | frozenset("_(['\"«“")
MARK_THEN_NUMBER = DECORATION | frozenset(")]-−")
DECIMAL_MARKS = frozenset(".,٫")
MINUS = frozenset("-−")


def _marks() -> dict[str, tuple[str, ...]]:
    known: dict[str, tuple[str, ...]] = {code.lower(): (code,) for code in _CODES.split()}
    for line in _CURRENCIES.strip().splitlines():
        codes, _, names = line.partition(": ")
        known |= {name: tuple(codes.split()) for name in names.split()}
    return known | {dual: known[single] for dual, single in DUALS.items()}


MARKS = _marks()
CODES_AND_SIGNS = {*_CODES.split(), *SIGNS}
DOTTED = {
    "جم": ("EGP",), "le": ("EGP",), "رس": ("SAR",), "رق": ("QAR",), "رع": ("OMR",), "ري": ("YER",),
    "دا": ("AED", "JOD"), "دم": ("MAD",), "دك": ("KWD",), "دب": ("BHD",), "دع": ("IQD",),
    "دت": ("TND",), "دل": ("LYD",), "دج": ("DZD",), "لل": ("LBP",), "لس": ("SYP",),
}  # fmt: skip
# In small letters these are words of other languages.
CAPITALS = {
    "le": "EGP", "try": "TRY", "da": "DZD", "dt": "TND", "bd": "BHD", "qr": "QAR", "ll": "LBP",
}  # fmt: skip
