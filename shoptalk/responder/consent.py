"""Consent: whether a customer has agreed to buy, a guard against a model that orders on its own.

It reads the customer's own words of one turn, clause by clause: the last word counts. An *act* is
what a clause does: it agrees, asks, withdraws or gives data. What was agreed to, and for how much,
it does not understand. In doubt nobody has agreed, and we ask once more.
"""

import re
import unicodedata
from collections.abc import Iterator, Sequence
from enum import Enum, auto

_THUMBS_UP = frozenset("👍👌✅🆗🤝💯✔")
_THUMBS_DOWN = frozenset("👎❌🚫")
_FOLDED = str.maketrans("ىةیکگٱ", "يهيككا", "ـ'’`´")
_CLAUSE = re.compile(
    r"[\n\r,،;؛:…]+|(?:[.!](?=\s|\Z))+|\s[-–—]\s|([?؟]+)"
    r"|(?<!\S)(?:but|لكن|بس|mais|pero|aber|lekin|and then)(?!\S)"
)


class _Act(Enum):
    AGREES = auto()
    NODS = auto()  #: "ok": agrees, or has only heard it
    LIKES = auto()  #: "perfect": agrees when there is something to agree to
    ASKS_PRICE = auto()  #: or whether it is to be had: what the customer decides by
    ASKS = auto()
    WITHDRAWS = auto()
    GIVES_DATA = auto()
    MAY_BE_NAME = auto()  #: of a person or a place
    IS_POLITE = auto()
    OTHER = auto()


def _fold(text: str) -> str:
    """Lower case; no accents, vowel signs, apostrophes; one spelling for Arabic letters."""
    split = unicodedata.normalize("NFD", unicodedata.normalize("NFKC", text).casefold())
    dropped = ("Mn", "Me", "Cf", "Sk")
    kept = (char for char in split if unicodedata.category(char) not in dropped)
    return "".join(kept).translate(_FOLDED)


def _any_of(phrases: str) -> re.Pattern[str]:
    """Finds any of the phrases, one a line or comma, as whole words; Arabic also with "and"."""
    known = {" ".join(_fold(phrase).split()) for phrase in re.split(r"[,\n]", phrases)} - {""}
    longest_first = "|".join(map(re.escape, sorted(known, key=len, reverse=True)))
    return re.compile(rf"(?<!\S)و?(?:{longest_first})(?!\S)")


_YES = _any_of("""
    yes, yeah, yep, yup, yess, yea, sure, of course, absolutely, definitely, confirm, confirmed
    agreed, please do, do it, sí, oui, ouais, daccord, volontiers, bien sûr, vas y, allez y
    jawohl, de acuerdo, adelante, por supuesto, confirmo, confirme, claro que sí, gerne
    einverstanden, bestätige, haan, bilkul, pakka, evet, نعم, أيوه, أيوة, ايوا, أجل, أكد, أكدي
    أكدلي, أكدوا, أكيد, أؤكد, موافق, موافقة, موافقين, اتفقنا, اعتمد, اعتمدي, بالطبع, طبعا, واخا
    لا مانع, ثبت, ثبتي, خلاص ماشي, خلص ماشي, توكلنا على الله, aywa, aiwa, aywah, ayoa, na3am
    naam, akeed, akked, akkid, akedly, mowafe2, mwafe2, mowafeq, wakha, of corse, ja gerne
""")
# A yes only where nothing else is said: elsewhere they are other words, or small talk.
_BARE_YES = _any_of("""
    yes, yeah, sí, si, ja, ji, ji haan, han, ah, eh, y, correct, right, deal, dale, claro
    thats right, exactly, ايه, إي, آه, اه, بلى, صحيح, مظبوط, صافي, safi, sim, tamam tamam
    please, por favor, bitte, svp, sil vous plait, لو سمحت, من فضلك, law sama7t, ok, okay, do
    kar do, kardo, confirm, أكيد, أكد, confirmo, oui, haan, thank you, thanks, شكرا, gracias
    merci, danke, el order
""")
# Wherever they stand, unless negated.
_DECISION = _any_of("""
    go ahead, place it, place the order, place my order, place an order, i confirm, i agree
    i accept, ill take it, ill take them, ill take that, i will take it, lets do it
    lets go with it, je confirme, je valide, je le prends, je la prends, je les prends
    cest confirmé, lo quiero, me lo llevo, lo compro, hazlo, ich nehme es, ich nehme sie
    ich nehme ihn, kar do, kardo, كمل الطلب, أكد الطلب, أكد الأوردر, سجل الطلب, اعتمد الطلب
    ثبت الطلب, نفذ الطلب, هاخده, هاخدها, هاخدهم, باخذه, باخذها, باخذهم, باخده, رح اخده, ha5do
    ha5dha, akked el order
""")
_NOD = _any_of("""
    ok, okay, okey, oki, okk, k, kk, alright, fine, sounds good, تمام, ماشي, طيب, أوك, أوكي
    اوكيه, اوكى, حاضر, يلا, تم, tamam, tmam, mashy, mashi, maashi, tayeb, vale, está bien
    cest bon, ça marche, ok pour moi, in ordnung, passt, thik hai, theek hai, thik, theek
    accha, va bene
""")
_LIKE = _any_of("""
    perfect, great, good, very good, excellent, super, parfait, très bien, bien, bueno
    perfecto, muy bien, gut, sehr gut, ممتاز, حلو, زين, جيد, كويس, good deal, awesome, nice
""")
_WISH = _any_of("""
    i want, i wanna, id like, i would like, id love, ill take, i will take, ill have, ill get
    i need, ill buy, i buy, buy, to buy, purchase, to order, i order, ill order, we want
    we need, well take, we will take, wed like, give me, send me, ship it, ill go with
    lets go with, let me get, want to, je veux, je voudrais, je prends, je souhaite
    je commande, commander, acheter, jachète, il me faut, jaimerais, donnez moi, on prend
    quiero, quisiera, me llevo, comprar, compro, pedir, pido, me das, me da, dame, deme
    necesito, me gustaría, ich nehme, ich möchte, ich will, bestellen, ich bestelle, ich kaufe
    kaufen, ich hätte gern, ich hätte gerne, chahiye, chaiye, le lunga, lelo, bhej do
    order karna, عايز, عاوز, عايزة, عاوزة, عايزين, عاوزين, محتاج, محتاجة, أحتاج, بدي, بدنا
    أبغى, أبغا, نبغي, أبي, ودي, أريد, نريد, أود, بغيت, أطلب, نطلب, هطلب, أشتري, شراء, هاخد
    حاخد, باخد, باخذ, آخد, آخذ, ناخد, احجز, احجزلي, ابعتلي, تبعتلي, ابعتهولي, عطني, أعطني
    أعطيني, هات, جيبلي, نكوموندي, هل يمكنني طلب, 3ayez, 3ayz, 3awez, 3awz, 3ayza, 3awza
    3ayzeen, me7tag, me7taga, mehtag, ha5od, hakhod, ba5od, bdi, baddi, abgha, abi, atlob
    a6lob, ab3atly, eb3atly, bghit
""")
_ORDERS = re.compile(r"^(?:please |pls |also )?order (?!number|status|id|no\b|late|#|\d{4})")
_REQUEST = re.compile(
    r"\b(?:(?:can|could|may) (?:i|we) (?:please )?(?:get|have|order|buy)|possible davoir) "
    r"(?:please )?(?:\d+|an?|one|two|three|un|une|deux)\b"
)
# What a wish is about when it is no wish to buy.
_NOT_GOODS = _any_of("""
    know, ask, see, check, talk, speak, cancel, return, refund, exchange, info, information
    price, prices, help, discount, detail, details, think, complain, human, person, manager
    someone, nothing, track, catalog, photo, photos, picture, pictures, tracking, advice
    recipe, compensation, money, invoice, complaint, joke, savoir, connaître, demander, voir
    annuler, retourner, remboursement, parler, réfléchir, réduction, prix, aide, saber
    preguntar, ver, cancelar, devolver, hablar, pensar, descuento, precio, ayuda, wissen
    fragen, sehen, stornieren, sprechen, rabatt, preis, hilfe, اعرف, أعرف, معرفة, أسأل, اسال
    أستفسر, استفسار, أشوف, اشوف, أسعار, الأسعار, السعر, سعر, خصم, صور, صورة, الغي, ألغي, ارجع
    استرجاع, أستبدل, أكلم, أتكلم, شخص, موظف, مساعدة, مساعدتك, أفكر, فلوسي, المدير, رقم, الرقم
    فاتورة, الشحنة, تغيير, لتغيير, لمساعدتك, a3raf, as2al, ashoof, se3r, el se3r, jaanna
    return it, cheaper, le prix, une réduction, un descuento
""")
_NEGATED = re.compile(
    r"(?<!\S)و?(?:dont|do not|didnt|did not|doesnt|not|never|wont|will not|cannot|cant|no|no longer"
    r"|nothing|لا|مش|مو|مب|موب|ما|لم|لن|ليس|mesh|mish|msh|mosh|ma|ne|n|pas|nicht|kein|keine|nahi"
    r"|nahin|mat)(?:\s\S+){0,2}\s?\Z"
)
_NEGATED_AFTER = re.compile(r"(?<!\S)(?:pas|nicht|kein|keine|nahi|nahin|mat)(?!\S)")
_ARABIC_UNWILLING = re.compile(r"(?<!\S)ما?\S*(?:عايز|عاوز|عوز|بدي|بغي|حتاج|اخد)\S*ش(?!\S)")
_WITHDRAWAL = _any_of("""
    no thanks, no thank you, no thx, not now, cancel, cancel it, never mind, nevermind
    changed my mind, change my mind, too expensive, expensive, too much, not interested
    forget it, no longer, refund, stop, unsubscribe, wait, hold on, later, maybe, perhaps
    let me think, i will think, ill think, think about it, not sure, not yet, another time
    second thought, second thoughts, scam, لا شكرا, شكرا لا, غيرت رأيي, بدلت رأيي, كنسل, كنسلي
    الغي, الغيه, الغيها, ألغوا, إلغاء, لغي, غالي, غالية, مرتفع, مش دلوقتي, مو الحين, بعدين
    هفكر, أفكر, بفكر, يمكن, استنى, استنوا, لحظة, مش متأكد, لا خلاص, مابغيتش, بلاش, صرفت نظر
    نصب, مش مهتم, انسى, la2, la2a, laa, la shokran, el8y, elghy, el3'y, 8aly, ghaly, kansel
    ba3deen, 8ayart ra2yi, balash, stanna, non merci, annule, annulez, annuler, trop cher
    pas maintenant, changé davis, laisse tomber, laissez tomber, pas intéressé, plus tard
    réfléchir, peut être, no gracias, cancela, cancele, cancelar, cancelo, caro, muy caro
    cambié de opinión, cambiado de opinión, ahora no, más tarde, déjalo, olvídalo
    no me interesa, quizá, quizás, tal vez, pensaré, pensarlo, nein, nein danke, stornieren
    abbrechen, zu teuer, doch nicht, kein interesse, später, vielleicht, überlege, nahi, nahin
    cancel karo, rehne do, mehnga, mahanga, baad mein, je veux pas, je ne veux, je ne veux pas
    ne prends, no quiero, no lo quiero, nicht bestellen
""")
_REFUSAL = re.compile(r"^(?:no|nope|nah|لا|لاء|لاا|la2|non|nein|nahi)(?!\S)|^(?:la|مش|mesh)$")
_NO_REFUSAL = _any_of("""
    no problem, no worries, no rush, no hurry, thats all, thats it, nothing else, no more
    no other, لا مشكلة, لا بأس, لا مانع, مش مشكلة, مفيش مشكلة, ماشي مشكل, بس كده, ده كل
    pas de souci, pas de problème, cest tout, no hay problema, eso es todo, nada más
    kein problem, das ist alles
""")
_PRICE_QUESTION = _any_of("""
    how much, what price, price, prices, the price, cost, costs, bekam, kam, b kam, combien
    quel prix, le prix, cuánto, cuánto es, qué precio, wieviel, wie viel, was kostet, kitna
    kitne, do you have, have you got, available, in stock, any left, disponible, hay, بكام, بكم
    كام, كم, قديش, أديش, شحال, بشحال, بقديش, السعر, الثمن, سعر, متوفر, متوفرة, موجود, موجودة
    عندكم, عندك, عندكو, total, الإجمالي, المجموع, el total
""")
_QUESTION = re.compile(
    r"^(?:and |و)?(?:what|whats|which|when|where|why|how|who|is|are|does|did|do you|can|could|will"
    r"|would|should|هل|امتي|متي|فين|وين|اين|ليه|لماذا|ماذا|كيف|ازاي|شو|وش|ما هو|ما هي|quel"
    r"|quelle|quand|comment|pourquoi|est ce|cual|cuando|donde|como|que|wann|wo|wie|was|warum|kya"
    r"|kab|kaise|kyu)(?!\S)"
)
_BARGAIN = re.compile(
    r"\d\s*[%٪]|\bprice \d|(?<!\S)(?:discount|cheaper|lower|coupon|promo|apply code|for free"
    r"|best price|change (?:the |every )?price|و?(?:ال)?(?:خصم|تخفيض|ارخص|كوبون|مجانا|ببلاش)"
    r"|غير السعر|نزل السعر|قلل|khasm|5asm|descuento|rebaja|reduction|remise|rabatt|gratis|gratuit)"
    r"(?!\S)"
)
_CONDITION = re.compile(
    r"(?<!\S)(?:if|unless|provided|لو|اذا|ان كان|law|wenn|falls|agar"
    r"|si (?:vous|tu|me|le|la|il|cest))(?!\S)"
    r"(?! possible| سمحت| سمحتي| سمحتوا| تكرمت| تكرمتي| ممكن| sama7t| il vous| te plait)"
)
_ASKS_TO_CONFIRM = re.compile(
    r"(?:confirm\w*|و?اكد\S*|bestatige)(?: \S+){0,2} "
    r"(?:with|by|if|whether|that|when|price|prices|stock|availability|السعر|لو|ان|que|precio|prix)\b"
)
_POLITE = _any_of("""
    hi, hey, hello, hello there, hiya, good morning, good evening, good afternoon, dear, sir
    madam, thanks, thank you, thx, please, pls, so much, very much, well, oh, hmm, so, then
    and, it, that, سلام, السلام عليكم, سلام عليكم, السلام, مرحبا, أهلا, هاي, هلا, ازيك
    مساء الخير, مسا الخير, صباح الخير, صباح النور, شكرا, شكرا جزيلا, متشكر, تسلم, مشكور, ميرسي
    من فضلك, لو سمحت, لو سمحتي, يا, salam, ahlan, shokran, law sama7t, masa2 el 5eir, bonjour
    bonsoir, salut, coucou, merci, merci beaucoup, svp, sil vous plait, hola, buenas
    buenos días, buenas tardes, gracias, muchas gracias, por favor, hallo, guten tag
    guten morgen, danke, bitte, vielen dank, namaste
""")
_LABEL = _any_of("""
    name, my name is, address, my address is, phone, my phone is, phone number, number, mobile
    tel, ship to, deliver to, ship it to, deliver it to, email, الاسم, اسمي, اسم, العنوان
    عنواني, التليفون, تليفون, تليفوني, الهاتف, هاتفي, الرقم, رقمي, رقم, الجوال, جوال, السمية
    سميتي, النمرة, نمرتي, موبايل, موبايلي, nom, mon nom, au nom de, adresse, mon adresse
    téléphone, nombre, mi nombre, a nombre de, me llamo, je mappelle, dirección, mi dirección
    teléfono, mi teléfono, ich heiße, mein name, telefon, meine adresse, mera naam, esm, el esm
    esmy, el 3enwan, 3enwan, el telephone, telephone
""")
_STREET = _any_of("""
    street, st, road, rd, avenue, ave, lane, building, apt, flat, floor, city, zip, square
    block, شارع, حي, عمارة, شقة, الدور, ميدان, طريق, مدينة, زنقة, درب, مربع, منطقة, حد, برج
    فيلا, rue, boulevard, bd, place, appartement, calle, c/, av, avenida, plaza, piso, straße
    strasse, platz, share3, shar3, 3omara, sha22a, mantekt, medan
""")
# Words of people who chat; a name or an address has none of them.
_CHAT = _any_of("""
    من, غير, بدون, عن, الي, حتى, او, مع, هنا, هناك, شغل, سبب
    i, you, your, my, me, we, it, its, is, are, am, was, be, do, does, have, has, had, can
    could, will, would, should, this, that, these, there, what, who, how, why, tell, show, say
    said, make, made, like, love, look, looks, not, very, so, too, nice, cool, wow, lol, haha
    hmm, bye, about, because, with, for, from now, just, only, more, less, again, sorry
    instead, change, anything, system, ignore, order, robot, bot, human, customer, service
    help, problem, colour, color, size, red, blue, black, white, انت, انتي, انتو, أنا, نحن, هو
    هي, ده, دي, هذا, هذه, هيدا, هادا, مش, مو, ليس, ما, في, فيه, كان, كيف, ليش, ليه, جدا, كتير
    اوي, قوي, حلو, جميل, جميلة, هههه, اسف, معلش, معليش, عفوا, عندي, لدي, مشكلة, مساعدة, بخير
    الحمد لله, يعني, عشان, علشان, بعد, قبل, اليوم, بكرة, لاحقا, اراك, باي, كل, بدل, خليه, خليها
    خليهم, يكون, بحب, احب, ma3lesh, mesh, kol, keda, je, tu, vous, il, est, suis, va, vais, ça
    ca, ce, cette, pas, très, bien, et toi, comme, rien, quoi, yo, tú, es, estoy, está, esto
    muy, mucho, que, no, ich, sie, ist, bin, das, sehr, nicht, gut, geht, mein, viel, main, hai
    hain, hoon, mujhe, tum, aap, kya, bhai, yaar, over, on, off, by, to
""")
# Tool markup and other people's lines are nobody's word.
_FORGED = re.compile(r"<(?!3)|[{}>\[\]=|\\]|^\s*(?:assistant|user|system|human)\s*:", re.MULTILINE)
_NAME_PARTICLES = frozenset(
    ("de", "del", "la", "el", "al", "bin", "ben", "van", "von", "di", "da", "abu", "le", "du")
)
_ARABIC_NAME = re.compile(r"[ء-غف-ي\s]+")  # without Persian and Urdu letters
_WORD = re.compile(r"[^\W_]+(?:/(?=\s))?")


def has_agreed(customer_texts: Sequence[str], *, offered: bool) -> bool:
    """Whether the turn says, last of all, that the customer buys.

    Args:
        customer_texts: the turn's messages, oldest first.
        offered: our side had named the purchase's total before, so that a thumb up, or the
            name, address or phone that we asked for, goes along with it.
    """
    acts = [act for text in customer_texts for act in _acts(text)]
    asks = _Act.ASKS in acts or _Act.ASKS_PRICE in acts
    agreed: bool | None = None
    for act in acts:
        if act is _Act.AGREES:
            agreed = True
        elif act in (_Act.WITHDRAWS, _Act.ASKS_PRICE):
            agreed = False
        elif agreed is None and not asks and (act is _Act.NODS or (act is _Act.LIKES and offered)):
            agreed = True
    if agreed is not None:
        return agreed
    if not offered or asks or _Act.OTHER in acts:
        return False
    if any(char in _THUMBS_UP for text in customer_texts for char in text):
        return True
    if _Act.GIVES_DATA in acts:
        return True
    return _Act.MAY_BE_NAME in acts and any(map(_is_full_name, customer_texts))


def _acts(text: str) -> Iterator[_Act]:
    """What each clause of a message does."""
    if any(char in _THUMBS_DOWN for char in text):
        yield _Act.WITHDRAWS
        return
    folded = _fold(text)
    if _FORGED.search(folded):
        yield _Act.OTHER
        return
    bargains = _BARGAIN.search(folded) is not None
    clauses = list(_clauses(folded))
    for index, (clause, is_question) in enumerate(clauses):
        around = clauses[max(index - 1, 0) : index + 2]
        act = _act(clause, is_question)
        if act is _Act.AGREES and (bargains or any(_CONDITION.search(near) for near, _ in around)):
            act = _Act.OTHER
        yield act


def _clauses(folded: str) -> Iterator[tuple[str, bool]]:
    """The words of each clause, and whether a question mark ends it."""
    start = 0
    for match in [*_CLAUSE.finditer(folded), None]:
        clause = folded[start : match.start() if match else None]
        words = " ".join(_WORD.findall(clause))
        if words:
            yield words, match is not None and match.group(1) is not None
        start = match.end() if match else start


def _act(clause: str, is_question: bool) -> _Act:
    if _POLITE.sub("", clause).strip() == "":
        return _Act.IS_POLITE
    said = re.sub(r"\s+", " ", clause)
    opening = _after_courtesies(said)
    no_refusal = _NO_REFUSAL.search(said)
    if _WITHDRAWAL.search(said) or _ARABIC_UNWILLING.search(said):
        return _Act.WITHDRAWS
    if _REFUSAL.match(opening) and not no_refusal:
        return _Act.WITHDRAWS
    if _REQUEST.search(said) and not _NOT_GOODS.search(said):
        return _Act.AGREES
    if _PRICE_QUESTION.search(said) and (is_question or not _gives_data(clause)):
        return _Act.ASKS_PRICE
    if is_question or _QUESTION.match(opening):
        return _Act.ASKS
    return _answer(said, opening) or _data(clause, no_refusal is not None)


def _after_courtesies(said: str) -> str:
    while (match := _POLITE.match(said)) and match.end() < len(said):
        said = said[match.end() :].lstrip()
    return said


def _answer(said: str, opening: str) -> _Act | None:
    """A yes or a wish, or its contrary; None when the clause is neither."""
    for pattern in (_DECISION, _WISH):
        for match in pattern.finditer(said):
            if _NEGATED.search(said[: match.start()]) or _NEGATED_AFTER.search(said[match.end() :]):
                return _Act.WITHDRAWS
            about_goods = not _NOT_GOODS.search(" ".join(said[match.end() :].split()[:4]))
            return _Act.AGREES if about_goods else _Act.OTHER
    if _ORDERS.match(said):
        return _Act.AGREES
    if _ASKS_TO_CONFIRM.search(said):
        return None
    if _YES.match(opening) or (_BARE_YES.match(said) and not _BARE_YES.sub("", said).strip()):
        return _Act.AGREES
    if _NOD.match(opening):
        return _Act.NODS
    if _LIKE.match(opening) and not _LIKE.sub("", _POLITE.sub("", said)).strip():
        return _Act.LIKES
    return None


def _gives_data(clause: str) -> bool:
    label = _LABEL.match(clause)
    digits = sum(char.isdecimal() for char in clause)
    return (label is not None and label.end() < len(clause)) or digits >= 6


def _data(clause: str, is_harmless: bool) -> _Act:
    if is_harmless:
        return _Act.IS_POLITE
    if _gives_data(clause) or clause.replace(" ", "").isdecimal():
        return _Act.GIVES_DATA
    if _STREET.search(clause) and any(char.isdecimal() for char in clause):
        return _Act.GIVES_DATA
    if _CHAT.search(clause):
        return _Act.OTHER
    if _STREET.search(clause) and " " in clause:
        return _Act.GIVES_DATA
    return _Act.MAY_BE_NAME if len(clause.split()) <= 6 else _Act.OTHER


def _is_full_name(text: str) -> bool:
    """Two to five words and nothing else; where a script has capitals, with capitals."""
    words = re.split(r"[\s,،.]+", text.strip(" ,،."))
    if not 2 <= len(words) <= 5 or _POLITE.search(_fold(" ".join(words))):
        return False
    return bool(_ARABIC_NAME.fullmatch(" ".join(words))) or all(
        word.replace("-", "").replace("'", "").isalpha()
        and (word[0].isupper() or word in _NAME_PARTICLES)
        for word in words
    )
