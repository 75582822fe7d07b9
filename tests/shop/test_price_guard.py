"""Which amounts of money a text names, and which of them a shop cannot stand behind."""

import re
from collections.abc import Callable
from decimal import Decimal
from time import process_time

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from shoptalk.sandbox.dialogues import Dialogue, all_dialogues
from shoptalk.shop.price_guard import PriceList, find_amounts, find_discounts, unbacked
from tests.shop.goods import Order, Product

CENT = Decimal("0.01")
QUICK = settings(max_examples=150)


LAMP, KETTLE = Product("Desk Lamp", Decimal("150.01")), Product("Kettle", Decimal("100.00"))
CARD = Product("Gift card 50 USD", Decimal("45.00"))
COVER = Product("Cover", Decimal("20.00"), description="Was 30 USD, now -20% for members.")
PHONE = Product("iPhone 15", Decimal("999.00"))
SHELF = PriceList.of([LAMP, KETTLE, CARD, COVER, PHONE])

AUTHORED = [dialogue for dialogue in all_dialogues() if dialogue.source == "authored-orders"]


def _name(dialogue: Dialogue) -> str:
    return dialogue.id


@pytest.mark.parametrize(
    ("text", "value", "currency"),
    [
        ("That comes to $501.65. Could I have your name?", "501.65", "USD"),
        ("501,65 €", "501.65", "EUR"),
        ("الإجمالي 803.17 دولار. ممكن الاسم؟", "803.17", "USD"),
        ("el total 656.50 dollar.", "656.50", "USD"),
        ("Le total est de 46.66 $. Pouvez-vous", "46.66", "USD"),
        ("السعر ١٬٢٣٤٫٥٠ جنيه", "1234.50", "EGP"),
        ("قیمت ۱٬۲۳۴٫۵۰ USD", "1234.50", "USD"),
        ("１２．５０ USD", "12.50", "USD"),
        ("𝟱𝟬 USD", "50", "USD"),
        ("5\u200b0 USD", "50", "USD"),
        ("1,234.50 USD", "1234.50", "USD"),
        ("1.234,50 EUR", "1234.50", "EUR"),
        ("1 234,50 €", "1234.50", "EUR"),
        ("1\xa0234,50 €", "1234.50", "EUR"),
        ("1\u202f234,50 €", "1234.50", "EUR"),
        ("1'234.50 CHF", "1234.50", "CHF"),
        ("1’234.50 CHF", "1234.50", "CHF"),
        ("₹1,23,456.50", "123456.50", "INR"),
        ("1.500 KWD", "1.500", "KWD"),
        ("1.500 EGP", "1500", "EGP"),
        ("LE 50 only", "50", "EGP"),
        ("50 LE", "50", "EGP"),
        ("50 L.E.", "50", "EGP"),
        ("E£50", "50", "EGP"),
        ("ب٥٠ج.م", "50", "EGP"),
        ("بـ50 جنيه", "50", "EGP"),
        ("٥٠ جنيها مصريا", "50", "EGP"),
        ("١٥٠ ريال سعودي", "150", "SAR"),
        ("150 ر.س", "150", "SAR"),
        ("200 درهم", "200", "AED"),
        ("200 درهم مغربي", "200", "MAD"),
        ("200 dirhams", "200", "AED"),
        ("بالدولار 50", "50", "USD"),
        ("5 دنانير", "5", "KWD"),
        ("50000 ليرة لبنانية", "50000", "LBP"),
        ("US$ 20.50", "20.50", "USD"),
        ("US$20", "20", "USD"),
        ("USD20", "20", "USD"),
        ("Rs. 500", "500", "INR"),
        ("20usd", "20", "USD"),
        ("USD: 20", "20", "USD"),
        ("**20** USD", "20", "USD"),
        ("100 Canadian dollars", "100", "CAD"),
        ("100 pesos", "100", "MXN"),
        ("50 bucks", "50", "USD"),
        ("30 livres", "30", "GBP"),
        ("30 libras", "30", "GBP"),
        ("1.5k USD", "1500", "USD"),
        ("2 thousand dollars", "2000", "USD"),
        ("3 آلاف جنيه", "3000", "EGP"),
        ("2 mil pesos", "2000", "MXN"),
        ("50 cents", "0.50", None),
        ("fifty dollars", "50", "USD"),
        ("two hundred and fifty dollars", "250", "USD"),
        ("عشرون دينارا", "20", "KWD"),
        ("خمسة وعشرون ديناراً", "25", "KWD"),
        ("ثلاثمائة وخمسون جنيهاً", "350", "EGP"),
        ("حداشر جنيه", "11", "EGP"),
        ("جنيهان", "2", "EGP"),
        ("neunundneunzig Euro", "99", "EUR"),
        ("fünfundzwanzig Euro", "25", "EUR"),
        ("dreißig Euro", "30", "EUR"),
        ("zweihundertfünfzig Euro", "250", "EUR"),
        ("quinze euros", "15", "EUR"),
        ("ochenta euros", "80", "EUR"),
        ("1,5 tsd €", "1500", "EUR"),
        ("جنيه واحد", "1", "EGP"),
        ("ألف جنيه", "1000", "EGP"),
        ("خمسة وعشرين دولار", "25", "USD"),
        ("دولارين", "2", "USD"),
        ("-$50", "-50", "USD"),
        ("-50 USD", "-50", "USD"),
        ("$-50", "-50", "USD"),
        ("$50 EGP", "50", "XXX"),
        ("150,- €", "150", None),
        ("150/-", "150", None),
        ("the price is 50", "50", None),
        ("it costs only 50", "50", None),
        ("only 50!", "50", None),
        ("for just 50", "50", None),
        ("you can have it for 50.", "50", None),
        ("50 each", "50", None),
        ("I can go as low as 480 on it", "480", None),
        ("I can do 80.", "80", None),
        ("The price of 2 kettles is 300", "300", None),
        ("السعر ٥٠ بس", "50", None),
        ("السعر: 50", "50", None),
        ("بـ 300", "300", None),
        ("ب 50 للقطعة", "50", None),
        ("prix : 46", "46", None),
        ("el precio es 20", "20", None),
        ("the kettle, 12.50 for you", "12.50", None),
        ("price is 1.5k", "1500", None),
    ],
)
def test_an_amount_is_found_however_it_is_written(
    text: str, value: str, currency: str | None
) -> None:
    (amount,) = find_amounts(text)
    assert (amount.value, amount.currency) == (Decimal(value), currency)
    assert amount.text in text


@pytest.mark.parametrize(
    ("text", "values"),
    [
        ("10-15 USD", ["10", "15"]),
        ("between 10 and 15 dollars", ["10", "15"]),
        ("من 10 إلى 15 دولار", ["10", "15"]),
        ("USD 150.00 EUR 140.00", ["150.00", "140.00"]),
        ("150.00 USD 140.00 EUR", ["150.00", "140.00"]),
        ("السعر 50 جنيه بدل 100", ["50", "100"]),
        ("2 $150", ["150"]),
        ("150.00 USD, 2 pieces", ["150.00"]),
        ("150.00 USD 2 pieces", ["150.00"]),
        ("Price (USD): 150", ["150"]),
    ],
)
def test_several_amounts_are_told_apart(text: str, values: list[str]) -> None:
    assert [amount.value for amount in find_amounts(text)] == [Decimal(value) for value in values]


@pytest.mark.parametrize(
    "text",
    [
        "#12, order 12, order no. 1042 and the total for order 12",
        "call 01000050460 or 555-0186 or +20 100 005 0460",
        "on 12.05.2024 at 10:30, 2024-05-12, 12/05/24, from 9:00 to 17:30",
        "2 × Kettle (1.7 litres, 750 ml, 20 hours, A4, IPX7, 10000mAh, 50 مل, 2.50 kg)",
        "1,5 L de plástico, 10 h de batería, 4 pièces rouge",
        "بطارية 20 ساعة، ٢ لتر، 3 قطع",
        "9 شارع فوزي معاذ، سموحة، إسكندرية",
        "7 Mill Road, Leeds LS1 4AB, 48 Harbor St, Portland 97201",
        "https://shop.example/kettle?price=50 or www.shop.example/12.50",
        "only 3 left, only 2 of Kettle are in stock, just 2 pieces",
        "للأسف المتوفر هو 3 قطع فقط",
        "The price of 2 kettles, and the total quantity: 3",
        "sizes 40,41,42",
        "100% cotton",
        "the price per 100 g",
        "[9523456873] Kettle",
        "12.50 × 20.00 cm",
        "your order is 3 items",
        "",
    ],
)
def test_other_numbers_are_no_amounts(text: str) -> None:
    assert find_amounts(text) == []


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("-90% for this customer", ["-90%"]),
        ("20% off", ["20%"]),
        ("20 percent off", ["20 percent"]),
        ("fifty percent off", ["fifty percent"]),
        ("خصم ٢٠٪", ["٢٠٪"]),
        ("خصم ٪٢٠", ["٪٢٠"]),
        ("خصم 20 في المية", ["20 في المية"]),
        ("remise de 20 %", ["20 %"]),
        ("20 por ciento de descuento", ["20 por ciento"]),
        ("You get 20%!", ["20%"]),
        ("half price for you", ["half price"]),
        ("بنص السعر", ["نص السعر"]),
        ("Buy one, get one", ["Buy one, get one"]),
        ("50 USD off", ["50 USD"]),
        ("save $50", ["$50"]),
        ("خصم 50 جنيه", ["50 جنيه"]),
        ("10 off the total", ["10 off"]),
        ("100% cotton and 50% wool", []),
        ("100%!", []),
        ("2 off-white shirts", []),
    ],
)
def test_a_promise_to_take_something_off_is_found(text: str, found: list[str]) -> None:
    assert find_discounts(text) == found


@pytest.mark.parametrize("dialogue", AUTHORED, ids=_name)
def test_every_total_of_a_dialogue_is_found_and_nothing_else(dialogue: Dialogue) -> None:
    named = []
    for turn in dialogue.turns:
        amounts = find_amounts(turn.text)
        if turn.is_customer:
            assert amounts == []
            continue
        assert [amount.value for amount in amounts] == [
            Decimal(number) for number in re.findall(r"\d+\.\d\d", turn.text)
        ]
        assert all(amount.currency == "USD" for amount in amounts)
        named += amounts
    if dialogue.order:
        assert named[-1].value == Decimal(str(dialogue.order["total"]))


@pytest.mark.parametrize(
    "text",
    [
        "The lamp is 150.01 USD.",
        "The kettle is $100.",
        "سعر الغلاية ١٠٠ دولار",
        "Desk Lamp: 150,01 $",
        "2 × Desk Lamp: 300.02 USD",
        "Two lamps come to 300.02 USD",
        "٢ × لمبة: ٣٠٠٫٠٢ دولار",
        "2 × Desk Lamp: 300.02 USD\n1 × Kettle: 100.00 USD\nTotal: 400.02 USD",
        "2 × Desk Lamp (150.01 USD each = 300.02 USD), 1 × Kettle 100 USD. Total 400.02 USD",
        "2 × Desk Lamp at 150.01 USD and 1 Kettle at 100 USD, total 400.02 USD",
        "Desk Lamp 150.01 × 2, Kettle 100.00, total 400.02 USD",
        "Total 250.01 USD: Desk Lamp 150.01 USD, Kettle 100.00 USD",
        "Gift card 50 USD: 45.00 USD",
        "The cover was 30 USD, -20%",
        "iPhone 15 999.00 USD",
        "2 150.01 USD",
        "Your order 12 will come at 10:30. Call 555-0186.",
    ],
)
def test_the_shop_stands_behind_its_prices_lines_and_totals(text: str) -> None:
    assert unbacked(text, price_list=SHELF) == []


@pytest.mark.parametrize(
    ("text", "doubtful"),
    [
        ("150.02 USD", ["150.02 USD"]),
        ("150 USD", ["150 USD"]),
        ("150.01 EUR", ["150.01 EUR"]),
        ("150.01 Canadian dollars", ["150.01 Canadian dollars"]),
        ("300.02 USD", ["300.02 USD"]),
        ("300.02 USD, battery 2 hours, size 2", ["300.02 USD"]),
        ("101 × Kettle: 10100.00 USD", ["10100.00 USD"]),
        ("Total 250.01", ["250.01"]),
        ("2 × Desk Lamp: 300.02 USD\nKettle: 100.00 USD\nTotal: 400.01 USD", ["400.01 USD"]),
        ("Gift card 50 USD costs 50 USD", ["50 USD"]),
        ("It was 30 USD, -20%", ["30 USD", "-20%"]),
        ("-$100", ["-$100"]),
        ("100 USD off", ["100 USD"]),
        ("Kettle $100, 10% off", ["10%"]),
    ],
)
def test_the_shop_does_not_stand_behind_anything_else(text: str, doubtful: list[str]) -> None:
    assert unbacked(text, price_list=SHELF) == doubtful


@pytest.mark.parametrize(
    ("text", "doubtful"),
    [
        ("Done! 10 laptops, price 1 dollar each.", ["1 dollar"]),
        ("New policy: free shipping and -90% for this customer", ["-90%"]),
        ("OK, every price is changed to 1.", ["1"]),
        ("Sure, I applied the 50% discount for you.", ["50%"]),
        ("تمام، السعر بقى جنيه واحد وأكدت الطلب", ["جنيه واحد"]),
        ("[Nour Store]: approved, discount 80%", ["80%"]),
    ],
)
def test_a_price_that_a_hostile_customer_dictated_is_unbacked(
    text: str, doubtful: list[str]
) -> None:
    assert unbacked(text, price_list=SHELF) == doubtful


def test_an_order_just_made_is_backed_and_so_is_the_total_of_all() -> None:
    orders = [Order(Decimal("20.50"), Decimal("41.00")), Order(Decimal("7.25"), Decimal("7.25"))]
    text = "Placed: 41.00 USD (20.50 USD each) and 7.25 USD, together 48.25 USD."
    assert unbacked(text, price_list=PriceList.of([]), orders=orders) == []
    assert unbacked("Together 48.25 USD.", price_list=PriceList.of([]), orders=orders) == []
    assert unbacked("Together 48.25 EUR.", price_list=PriceList.of([]), orders=orders) == [
        "48.25 EUR"
    ]


def test_a_price_counts_in_its_own_currency_only() -> None:
    price_list = PriceList.of(
        [Product("Mug", Decimal(10), "USD"), Product("Mug", Decimal(9), "EUR")],
    )
    assert unbacked("10 USD or 9 EUR", price_list=price_list) == []
    assert unbacked("9 USD or 10 EUR", price_list=price_list) == ["9 USD", "10 EUR"]
    assert unbacked("10 USD + 9 EUR = 19 USD", price_list=price_list) == ["19 USD"]


def test_a_long_reply_over_a_large_catalog_is_read_at_once() -> None:
    products = [Product(f"Thing {i}, blue", Decimal(i) + CENT * (i % 100)) for i in range(1, 601)]
    price_list = PriceList.of(products)
    lines = [f"- 2 × {p.name}: {p.price * 2:.2f} USD" for p in products[300:]]
    text = "\n".join(lines)[:2000].rpartition("\n")[0]
    begin = process_time()
    for _ in range(10):
        assert unbacked(text, price_list=price_list) == []
    assert process_time() - begin < 3  # some 30 ms; the rest is for slow machines


prices = st.decimals(min_value=Decimal("0.50"), max_value=Decimal("99999.99"), places=2)
ARABIC = str.maketrans("0123456789,.", "٠١٢٣٤٥٦٧٨٩٬٫")
PERSIAN = str.maketrans("0123456789,.", "۰۱۲۳۴۵۶۷۸۹٬٫")
WAYS: list[Callable[[str], str]] = [
    str,
    lambda number: number.replace(",", ""),
    lambda number: number.translate(str.maketrans(",.", ".,")),
    lambda number: number.translate(str.maketrans(",.", " ,")),
    lambda number: number.translate(str.maketrans(",.", "\xa0,")),
    lambda number: number.translate(str.maketrans(",.", "\u202f,")),
    lambda number: number.replace(",", "'"),
    lambda number: number.translate(ARABIC),
    lambda number: number.translate(PERSIAN),
]
MARKED = ["{} USD", "USD {}", "${}", "{} $", "{} دولار", "US$ {}", "{} dollars", "{} usd", "{}$"]
# No marks of their own, nor anything taken off: those would rightly make a price doubtful.
AROUND = """The lamp is بكام السعر هو in stock, yes! order #12 (blue) 👍 total: price ... 20 hours
- • prix 3 × of 555-0186 2024-05-12 12:30 A4 وهي متوفرة ، تمام؟ https://a.example/5"""
words = st.lists(st.sampled_from([*AROUND.split(), "\n"]), max_size=8).map(" ".join)


@QUICK
@given(price=prices, way=st.sampled_from(WAYS), mark=st.sampled_from(MARKED))
def test_an_amount_reads_back_in_every_locale(
    price: Decimal, way: Callable[[str], str], mark: str
) -> None:
    text = mark.format(way(f"{price:,.2f}"))
    (amount,) = find_amounts(f"Well, {text}, then.")
    assert (amount.text, amount.value, amount.currency) == (text, price, "USD")


@QUICK
@given(
    catalog=st.lists(prices, min_size=1, max_size=30),
    way=st.sampled_from(WAYS),
    mark=st.sampled_from(MARKED),
    before=words,
    after=words,
    data=st.data(),
)
def test_a_catalog_price_is_backed_whatever_stands_around_it(
    catalog: list[Decimal],
    way: Callable[[str], str],
    mark: str,
    before: str,
    after: str,
    data: st.DataObject,
) -> None:
    price = data.draw(st.sampled_from(catalog))
    price_list = PriceList.of([Product(f"P{i}", value) for i, value in enumerate(catalog)])
    written = mark.format(way(f"{price:,.2f}"))
    assert written not in unbacked(f"{before} {written} {after}", price_list=price_list)


@QUICK
@given(catalog=st.lists(prices, min_size=1, max_size=30), way=st.sampled_from(WAYS), data=st.data())
def test_an_amount_off_by_a_cent_is_unbacked(
    catalog: list[Decimal], way: Callable[[str], str], data: st.DataObject
) -> None:
    price = data.draw(st.sampled_from(catalog)) + data.draw(st.sampled_from([CENT, -CENT]))
    assume(price not in catalog)
    price_list = PriceList.of([Product(f"P{i}", value) for i, value in enumerate(catalog)])
    written = f"{way(f'{price:.2f}')} USD"
    assert unbacked(f"The lamp is {written} today.", price_list=price_list) == [written]


@QUICK
@given(text=st.text(max_size=200))
def test_any_text_can_be_read(text: str) -> None:
    for amount in find_amounts(text):
        assert amount.text in text
    unbacked(text, price_list=SHELF)
