"""A number without a currency is a price where the words around it say so, and only there."""

from decimal import Decimal

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from shoptalk.sandbox.dialogues import all_dialogues, live_dialogues
from shoptalk.shop.price_guard import PriceList, find_amounts, unbacked
from tests.sandbox.clerk_shop import Counter, catalog
from tests.shop.goods import Order, Product

QUICK = settings(max_examples=200)


SHELF = PriceList.of([Product("Electric Kettle", Decimal("49.90")), Product("Mug", Decimal(20))])

ANNOUNCED = [
    "it would be {}",
    "It will be {}, delivered to your door.",
    "That'll be {} please",
    "It'd be {} for you",
    "The kettle would be {}.",
    "that would only be {}",
    "it would be **{}**",
    "it would be: {}",
    "so that makes {} in total",
    "That makes {}.",
    "It comes to {}",
    "Your order comes to {}.",
    "الطلب هيكون {}",
    "That comes out at {} with the mug",
    "Both come to {}.",
    "this works out at {}",
    "It adds up to {} then",
    "For size 42 that would be {}.",
    "{} for both",
    "{} for the pair!",
    "You get them, {} for the two",
    "{} in total",
    "{} altogether",
    "Together {}.",
    "{} all in",
    "{} each",
    "{} plus shipping",
    "The kettle is {}.",
    "It's {}.",
    "That's {}, all right?",
    "They are {} together",
    "I can bring it down to {}",
    "only {}",
    "just {} and it is yours",
    "هيبقى {}",
    "كده هيكون {} بالتوصيل",
    "يعني {} بس",
    "هيكلفك {}",
    "هتطلع {} مع التوصيل",
    "{} للاتنين",
    "الاتنين {}",
    "{} على بعض",
    "Das macht {}.",
    "das macht dann {} zusammen",
    "Es wären {}",
    "{} für beide",
    "{} insgesamt",
    "Ça fait {}.",
    "ce serait {}",
    "{} pour les deux",
    "{} en tout",
    "cela revient à {}",
    "Serían {}",
    "son {} en total",
    "{} por los dos",
    "Sale en {}",
]


@pytest.mark.parametrize("text", ANNOUNCED)
def test_a_number_that_is_announced_as_a_price_is_one(text: str) -> None:
    assert [amount.value for amount in find_amounts(text.format(99))] == [Decimal(99)]
    assert unbacked(text.format(99), price_list=SHELF) != []
    assert unbacked(text.format(20), price_list=SHELF) == []


@QUICK
@given(text=st.sampled_from(ANNOUNCED), price=st.integers(13, 9999))
def test_whichever_the_number_is(text: str, price: int) -> None:
    assert [amount.value for amount in find_amounts(text.format(price))] == [Decimal(price)]


ORDINARY = """\
That would be 2 kettles, right?
That makes 3 items in total.
That makes 2 in total: one red and one blue.
So that is 2, one for you and one for her.
We have 24 in total.
There are 24 in total, and 15 are left.
You have ordered 15 in total.
It would be 3 to 5 days.
It was ridden only 4 or 5 times.
It's 304, Orchid Heights, Near City Mall.
It will be 2 or 3 days.
Delivery will be 3-5 business days.
That would be 15 minutes from here.
It would be in 3 days.
It would be 12 May or 13 May.
It will be 12.05.2026.
That would be on 2026-05-12.
It will be 10:30 then.
It will be 9 am.
The delivery time would be 24.
The size would be 42.
Regarding your size, it would be 42.
It would be size 42.
The size is 42.
Your order number is 1042.
Your order is 1042.
It is #1042.
The code is 4471.
Our number is 555-0186.
That would be 01000050460.
That is +20 100 005 0460.
Our address is 12 Mill Road.
It would be 48 Harbor St, Portland 97201.
It's on floor 15.
The floor is 15.
We are open 9 to 17.
We open at 9 and close at 18.
Opening hours are 9-17.
It is open 24/7.
It is 220 volts.
It is 30 x 40 cm.
It holds 1.7 litres.
The battery is 4000 mAh.
It is 100% cotton.
About 80% of it.
There will be 24.
We will be 15.
Only 3 left.
Only 2 of them are in stock, for 12 people.
It is 15 years old.
The warranty is 24 months.
The model year is 2026.
It comes to 3 pieces.
It comes in 15 colours.
That brings you to page 15.
Your place in the queue is 15.
We deliver between 10 and 14, on Monday the 24th.
The 24 is sold out, the 26 is available.
It's available in 38, 40 and 42.
We close at 18 today.
It serves 15.
A pack contains 24.
Today's date is 24 November.
It's 18:30.
Ce sera le 24 mai.
La livraison sera le 24.
Es ist 18 Uhr.
Es sind noch 15.
Son las 18.
المحل مفتوح من 9 ل 17
عندنا مقاس 38 و 40 و 42
هيوصل يوم 24
1 charger for both.
It will be 2, then?
المقاس هيكون 42
رقم الأوردر 1042
هيكون 15 يوم
هيكون يوم 15
هيكون الساعة 5
الكمية هتكون 15
عندنا 24 في المجموع
في 15 قطعة
التوصيل هيبقى 3 ايام
Das macht 3 Tage.
Die Größe ist 42.
Es sind 15 Stück insgesamt.
Wir haben 24 insgesamt.
Ce serait le 12 mai.
La taille est 42.
Nous avons 24 pièces en tout.
Ça fait 3 jours.
La talla es 42.
Son 3 días.
Tenemos 24 en total.
Sería el 12 de mayo.""".splitlines()


@pytest.mark.parametrize("text", ORDINARY)
def test_what_a_shop_says_every_day_is_no_price(text: str) -> None:
    small = {"It will be 2, then?"}  # as likely "2 USD": it is asked for once more
    assert (find_amounts(text) == []) is (text not in small)


def test_in_what_people_of_shops_wrote_only_prices_are_prices() -> None:
    said = {turn.text for each in all_dialogues() for turn in each.turns if not turn.is_customer}
    assert len(said) > 500
    bare = {
        amount.text for text in said for amount in find_amounts(text) if amount.currency is None
    }
    assert bare == {"480", "39.99", "54.99", "69.99"}  # "as low as 480", "the rate is for 39.99"


def test_no_reply_of_the_clerk_is_refused() -> None:
    products = [
        Product(row["name"], row["price"], row["currency"], row.get("description") or "")
        for row in catalog()
    ]
    price_list, replies = PriceList.of(products), 0
    for dialogue in live_dialogues():
        counter = Counter()
        for group in dialogue.customer_groups():
            reply = counter.say(*group)
            orders = [
                Order(order["total"] / order["quantity"], order["total"])
                for order in counter.till.orders
            ]
            assert unbacked(reply, price_list=price_list, orders=orders) == []
            replies += 1
    assert replies > 200


@pytest.mark.parametrize(
    ("text", "backed"),
    [
        ("99.80 for both", True),
        ("The pair is 99.80.", True),
        ("That makes 99.80 for the two kettles", True),
        ("99.80 للاتنين", True),
        ("99.80 pour les deux", True),
        ("99.80 für beide", True),
        ("99.81 for both", False),
        ("149.70 for both", False),
    ],
)
def test_both_are_two(text: str, backed: bool) -> None:
    assert (unbacked(text, price_list=SHELF) == []) is backed


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("It would be ninety-nine.", 99),
        ("That makes one hundred and twenty in total", 120),
        ("thirty for both", 30),
        ("It comes to two hundred and fifty", 250),
        ("Ça fait quatre-vingt-dix-neuf.", 99),
        ("Das macht neunundneunzig.", 99),
        ("serían cien", 100),
        ("هيبقى خمسة وعشرين", 25),
    ],
)
def test_it_may_be_announced_in_words(text: str, value: int) -> None:
    assert [amount.value for amount in find_amounts(text)] == [Decimal(value)]


@pytest.mark.parametrize("text", ["It would be ninety-nine.", "ninety-nine dollars"])
def test_a_price_in_words_is_not_the_quantity_that_would_back_it(text: str) -> None:
    assert unbacked(text, price_list=PriceList.of([Product("Cup", Decimal(11))])) != []


@pytest.mark.parametrize(
    "text",
    [
        "That would be two kettles.",
        "That makes two.",
        "It would be fourteen days.",
        "There are twenty in total.",
        "It would be twenty percent",
        "Mille mercis, c'est gentil",
        "الف شكر",
        "ضد المية وفيها ميه",
        "It is a hundred years old.",
    ],
)
def test_numbers_in_words_are_mostly_no_prices(text: str) -> None:
    assert find_amounts(text) == []


@pytest.mark.parametrize(
    ("text", "value", "currency"),
    [
        ("cent cinquante euros", 150, "EUR"),
        ("cent euros", 100, "EUR"),
        ("deux cents euros", 200, "EUR"),
        ("deux cent cinquante euros", 250, "EUR"),
        ("mille deux cents euros", 1200, "EUR"),
        ("quatre-vingts euros", 80, "EUR"),
        ("quatre-vingt-dix-neuf euros", 99, "EUR"),
        ("soixante-quinze euros", 75, "EUR"),
        ("cent quatre-vingt-dix dollars", 190, "USD"),
        ("vingt et un euros", 21, "EUR"),
        ("doscientos cincuenta euros", 250, "EUR"),
        ("quinientos euros", 500, "EUR"),
        ("ciento treinta y cinco euros", 135, "EUR"),
        ("veinticinco dólares", 25, "USD"),
        ("fifty cents", "0.50", None),
        ("50 cents", "0.50", None),
        ("cinquante cents", "0.50", None),
    ],
)
def test_a_price_in_words_is_read_whole(text: str, value: object, currency: str | None) -> None:
    (amount,) = find_amounts(f"Bien sûr, {text}.")
    assert (amount.text, amount.value, amount.currency) == (text, Decimal(str(value)), currency)


def test_a_right_price_in_french_words_is_the_shops() -> None:
    price_list = PriceList.of([Product("Bouilloire", Decimal(150), "EUR")])
    assert unbacked("La bouilloire coûte cent cinquante euros.", price_list=price_list) == []
    assert unbacked("La bouilloire coûte cent quarante euros.", price_list=price_list) != []
