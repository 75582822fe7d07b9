"""The words by which customers agree, ask and withdraw, in the languages that they write."""

import re
import unicodedata

_FOLDED = str.maketrans("ىةیکگٱ", "يهيككا", "ـ'’`´")
CLAUSE = re.compile(
    r"[\n\r,،;؛:…]+|(?:[.!](?=\s|\Z))+|\s[-–—]\s|([?؟]+)"
    r"|(?<!\S)(?:but|لكن|بس|mais|pero|aber|lekin|and then)(?!\S)"
)


def fold(text: str) -> str:
    """Lower case; no accents, vowel signs, apostrophes; one spelling for Arabic letters."""
    split = unicodedata.normalize("NFD", unicodedata.normalize("NFKC", text).casefold())
    dropped = ("Mn", "Me", "Cf", "Sk")
    kept = (char for char in split if unicodedata.category(char) not in dropped)
    return "".join(kept).translate(_FOLDED)


def _any_of(phrases: str) -> re.Pattern[str]:
    """Finds any of the phrases, one a line or comma, as whole words; Arabic also with "and"."""
    known = {" ".join(fold(phrase).split()) for phrase in re.split(r"[,\n]", phrases)} - {""}
    longest_first = "|".join(map(re.escape, sorted(known, key=len, reverse=True)))
    return re.compile(rf"(?<!\S)و?(?:{longest_first})(?!\S)")


YES = _any_of("""
    yes, yeah, yep, yup, yess, yea, sure, of course, absolutely, definitely, confirm, confirmed
    agreed, please do, do it, sí, oui, ouais, daccord, volontiers, bien sûr, vas y, allez y
    jawohl, de acuerdo, adelante, por supuesto, confirmo, confirme, claro que sí, gerne
    einverstanden, bestätige, haan, bilkul, pakka, evet, نعم, أيوه, أيوة, ايوا, أجل, أكد, أكدي
    أكدلي, أكدوا, أكيد, أؤكد, موافق, موافقة, موافقين, اتفقنا, اعتمد, اعتمدي, بالطبع, طبعا, واخا
    لا مانع, ثبت, ثبتي, خلاص ماشي, خلص ماشي, توكلنا على الله, aywa, aiwa, aywah, ayoa, na3am
    naam, akeed, akked, akkid, akedly, mowafe2, mwafe2, mowafeq, wakha, of corse, ja gerne
""")
# A yes only where nothing else is said: elsewhere they are other words, or small talk.
BARE_YES = _any_of("""
    yes, yeah, sí, si, ja, ji, ji haan, han, ah, eh, y, correct, right, deal, dale, claro
    thats right, exactly, ايه, إي, آه, اه, بلى, صحيح, مظبوط, صافي, safi, sim, tamam tamam
    please, por favor, bitte, svp, sil vous plait, لو سمحت, من فضلك, law sama7t, ok, okay, do
    kar do, kardo, confirm, أكيد, أكد, confirmo, oui, haan, thank you, thanks, شكرا, gracias
    merci, danke, el order
""")
# Wherever they stand, unless negated.
DECISION = _any_of("""
    go ahead, place it, place the order, place my order, place an order, i confirm, i agree
    i accept, ill take it, ill take them, ill take that, i will take it, lets do it
    lets go with it, je confirme, je valide, je le prends, je la prends, je les prends
    cest confirmé, lo quiero, me lo llevo, lo compro, hazlo, ich nehme es, ich nehme sie
    ich nehme ihn, kar do, kardo, كمل الطلب, أكد الطلب, أكد الأوردر, سجل الطلب, اعتمد الطلب
    ثبت الطلب, نفذ الطلب, هاخده, هاخدها, هاخدهم, باخذه, باخذها, باخذهم, باخده, رح اخده, ha5do
    ha5dha, akked el order
""")
NOD = _any_of("""
    ok, okay, okey, oki, okk, k, kk, alright, fine, sounds good, تمام, ماشي, طيب, أوك, أوكي
    اوكيه, اوكى, حاضر, يلا, تم, tamam, tmam, mashy, mashi, maashi, tayeb, vale, está bien
    cest bon, ça marche, ok pour moi, in ordnung, passt, thik hai, theek hai, thik, theek
    accha, va bene
""")
LIKE = _any_of("""
    perfect, great, good, very good, excellent, super, parfait, très bien, bien, bueno
    perfecto, muy bien, gut, sehr gut, ممتاز, حلو, زين, جيد, كويس, good deal, awesome, nice
""")
WISH = _any_of("""
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
ORDERS = re.compile(r"^(?:please |pls |also )?order (?!number|status|id|no\b|late|#|\d{4})")
REQUEST = re.compile(
    r"\b(?:(?:can|could|may) (?:i|we) (?:please )?(?:get|have|order|buy)|possible davoir) "
    r"(?:please )?(?:\d+|an?|one|two|three|un|une|deux)\b"
)
# What a wish is about when it is no wish to buy.
NOT_GOODS = _any_of("""
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
NEGATED = re.compile(
    r"(?<!\S)و?(?:dont|do not|didnt|did not|doesnt|not|never|wont|will not|cannot|cant|no|no longer"
    r"|nothing|لا|مش|مو|مب|موب|ما|لم|لن|ليس|mesh|mish|msh|mosh|ma|ne|n|pas|nicht|kein|keine|nahi"
    r"|nahin|mat)(?:\s\S+){0,2}\s?\Z"
)
NEGATED_AFTER = re.compile(r"(?<!\S)(?:pas|nicht|kein|keine|nahi|nahin|mat)(?!\S)")
ARABIC_UNWILLING = re.compile(r"(?<!\S)ما?\S*(?:عايز|عاوز|عوز|بدي|بغي|حتاج|اخد)\S*ش(?!\S)")
WITHDRAWAL = _any_of("""
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
REFUSAL = re.compile(r"^(?:no|nope|nah|لا|لاء|لاا|la2|non|nein|nahi)(?!\S)|^(?:la|مش|mesh)$")
NO_REFUSAL = _any_of("""
    no problem, no worries, no rush, no hurry, thats all, thats it, nothing else, no more
    no other, لا مشكلة, لا بأس, لا مانع, مش مشكلة, مفيش مشكلة, ماشي مشكل, بس كده, ده كل
    pas de souci, pas de problème, cest tout, no hay problema, eso es todo, nada más
    kein problem, das ist alles
""")
PRICE_QUESTION = _any_of("""
    how much, what price, price, prices, the price, cost, costs, bekam, kam, b kam, combien
    quel prix, le prix, cuánto, cuánto es, qué precio, wieviel, wie viel, was kostet, kitna
    kitne, do you have, have you got, available, in stock, any left, disponible, hay, بكام, بكم
    كام, كم, قديش, أديش, شحال, بشحال, بقديش, السعر, الثمن, سعر, متوفر, متوفرة, موجود, موجودة
    عندكم, عندك, عندكو, total, الإجمالي, المجموع, el total
""")
QUESTION = re.compile(
    r"^(?:and |و)?(?:what|whats|which|when|where|why|how|who|is|are|does|did|do you|can|could|will"
    r"|would|should|هل|امتي|متي|فين|وين|اين|ليه|لماذا|ماذا|كيف|ازاي|شو|وش|ما هو|ما هي|quel"
    r"|quelle|quand|comment|pourquoi|est ce|cual|cuando|donde|como|que|wann|wo|wie|was|warum|kya"
    r"|kab|kaise|kyu)(?!\S)"
)
BARGAIN = re.compile(
    r"\d\s*[%٪]|\bprice \d|(?<!\S)(?:discount|cheaper|lower|coupon|promo|apply code|for free"
    r"|best price|change (?:the |every )?price|و?(?:ال)?(?:خصم|تخفيض|ارخص|كوبون|مجانا|ببلاش)"
    r"|غير السعر|نزل السعر|قلل|khasm|5asm|descuento|rebaja|reduction|remise|rabatt|gratis|gratuit)"
    r"(?!\S)"
)
CONDITION = re.compile(
    r"(?<!\S)(?:if|unless|provided|لو|اذا|ان كان|law|wenn|falls|agar"
    r"|si (?:vous|tu|me|le|la|il|cest))(?!\S)"
    r"(?! possible| سمحت| سمحتي| سمحتوا| تكرمت| تكرمتي| ممكن| sama7t| il vous| te plait)"
)
ASKS_TO_CONFIRM = re.compile(
    r"(?:confirm\w*|و?اكد\S*|bestatige)(?: \S+){0,2} "
    r"(?:with|by|if|whether|that|when|price|prices|stock|availability|السعر|لو|ان|que|precio|prix)\b"
)
POLITE = _any_of("""
    hi, hey, hello, hello there, hiya, good morning, good evening, good afternoon, dear, sir
    madam, thanks, thank you, thx, please, pls, so much, very much, well, oh, hmm, so, then
    and, it, that, سلام, السلام عليكم, سلام عليكم, السلام, مرحبا, أهلا, هاي, هلا, ازيك
    مساء الخير, مسا الخير, صباح الخير, صباح النور, شكرا, شكرا جزيلا, متشكر, تسلم, مشكور, ميرسي
    من فضلك, لو سمحت, لو سمحتي, يا, salam, ahlan, shokran, law sama7t, masa2 el 5eir, bonjour
    bonsoir, salut, coucou, merci, merci beaucoup, svp, sil vous plait, hola, buenas
    buenos días, buenas tardes, gracias, muchas gracias, por favor, hallo, guten tag
    guten morgen, danke, bitte, vielen dank, namaste
""")
LABEL = _any_of("""
    name, my name is, address, my address is, phone, my phone is, phone number, number, mobile
    tel, ship to, deliver to, ship it to, deliver it to, email, الاسم, اسمي, اسم, العنوان
    عنواني, التليفون, تليفون, تليفوني, الهاتف, هاتفي, الرقم, رقمي, رقم, الجوال, جوال, السمية
    سميتي, النمرة, نمرتي, موبايل, موبايلي, nom, mon nom, au nom de, adresse, mon adresse
    téléphone, nombre, mi nombre, a nombre de, me llamo, je mappelle, dirección, mi dirección
    teléfono, mi teléfono, ich heiße, mein name, telefon, meine adresse, mera naam, esm, el esm
    esmy, el 3enwan, 3enwan, el telephone, telephone
""")
STREET = _any_of("""
    street, st, road, rd, avenue, ave, lane, building, apt, flat, floor, city, zip, square
    block, شارع, حي, عمارة, شقة, الدور, ميدان, طريق, مدينة, زنقة, درب, مربع, منطقة, حد, برج
    فيلا, rue, boulevard, bd, place, appartement, calle, c/, av, avenida, plaza, piso, straße
    strasse, platz, share3, shar3, 3omara, sha22a, mantekt, medan
""")
# Words of people who chat; a name or an address has none of them.
CHAT = _any_of("""
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
NAME_PARTICLES = frozenset(
    ("de", "del", "la", "el", "al", "bin", "ben", "van", "von", "di", "da", "abu", "le", "du")
)
