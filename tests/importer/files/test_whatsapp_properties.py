"""What holds for every exported chat: it is read as it was written, or refused with a sentence."""

from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from shoptalk.errors import UsageError
from shoptalk.importer.files import FileOptions
from shoptalk.importer.files.source import Source
from shoptalk.importer.files.whatsapp_chat import FORMAT, read_whatsapp_chat
from shoptalk.importer.files.whatsapp_formats import find_header, without_marks
from shoptalk.importer.files.whatsapp_wording import NoticeReader

# Each writes the beginning of a line.
FORMATS = {
    "android_en_gb": "{:%d/%m/%Y, %H:%M} - ",
    "android_de": "{:%d.%m.%y, %H:%M} - ",
    "android_us": "{0.month}/{0.day}/{0:%y, %I:%M %p} - ",
    "android_us_nnbsp": "{0.month}/{0.day}/{0:%y, %I:%M\u202f%p} - ",
    "android_iso": "{:%Y-%m-%d, %H:%M} - ",
    "android_ar": "{0.day}/{0.month}/{0:%Y، %H:%M} - ",
    "iphone_en_gb": "[{:%d/%m/%Y, %H:%M:%S}] ",
    "iphone_us": "[{0.month}/{0.day}/{0:%y, %I:%M:%S\u202f%p}] ",
    "iphone_fr": "[{:%d/%m/%Y %H:%M:%S}] ",
    "iphone_ar": "[\u200f{0.day}\u200f/{0.month}\u200f/{0:%Y، %H:%M:%S}] ",
}
MONTH_FIRST = {"android_us", "android_us_nnbsp", "iphone_us"}

READERS = [NoticeReader(is_iphone=is_iphone, needs_mark=False) for is_iphone in (True, False)]


def is_plain(text: str) -> bool:
    """Whether no one could take the text for WhatsApp's own words."""
    found = [reader.describe(text) for reader in READERS]
    own = any(each.kind != "text" or each.text != text or each.is_edited for each in found)
    return not own and not any(reader.notice_language(text) for reader in READERS)


NAMES = st.text(st.characters(categories=["L", "N", "So"]), min_size=1, max_size=12)
WORDS = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\r\n"), max_size=30)
MESSAGES = (
    st.lists(WORDS.filter(lambda line: find_header(line) is None), min_size=1, max_size=3)
    .map("\n".join)
    .filter(is_plain)
)


@given(
    format_name=st.sampled_from(sorted(FORMATS)),
    customer=NAMES.filter(lambda name: name.casefold() != "shop"),
    said=st.lists(st.tuples(st.booleans(), MESSAGES), min_size=1, max_size=8),
    start=st.datetimes(datetime.fromisoformat("2010-01-01"), datetime.fromisoformat("2090-01-01")),
)
def test_what_is_written_in_a_format_is_read_back(
    format_name: str, customer: str, said: list[tuple[bool, str]], start: datetime
) -> None:
    order: Any = "MDY" if format_name in MONTH_FIRST else "YMD" if "iso" in format_name else "DMY"
    header = FORMATS[format_name].format(start)
    end = "\r\n" if "iphone" in format_name else "\n"
    # The customer writes first and last, so that both ends of the chat are there.
    lines = [(True, "hi"), *said, (True, "bye")]
    chat = "".join(
        f"{header}{customer if by_customer else 'Shop'}: {text}{end}" for by_customer, text in lines
    )
    options = FileOptions(platform="whatsapp", shop_names=["Shop"], date_order=order)
    (thread,) = read_whatsapp_chat(Source(Path("chat.txt"), chat), options).threads
    assert [(m.sender_type == "customer", m.text) for m in thread.messages] == lines
    seconds = start.second if "iphone" in format_name else 0
    expected = start.replace(second=seconds, microsecond=0, tzinfo=UTC)
    assert {message.created_at for message in thread.messages} == {expected}


HEADERS = st.sampled_from(
    [each.format(datetime(2024, 3, 18, 10, tzinfo=UTC)) for each in FORMATS.values()]
)
PIECES = st.one_of(
    HEADERS,
    st.sampled_from(["Omar: ", "Shop: ", "\n", "\r\n", "\u200e", "<attached: a.jpg>", "[{", '":']),
    st.text(max_size=10),
)


@given(pieces=st.lists(PIECES, max_size=30), with_shop=st.booleans())
def test_any_text_is_read_or_refused(pieces: list[str], with_shop: bool) -> None:
    source = Source(Path("chat.txt"), "".join(pieces))
    options = FileOptions(platform="whatsapp", shop_names=["Shop"] if with_shop else [])
    if not FORMAT.recognises(source):
        return
    try:
        found = read_whatsapp_chat(source, options)
    except UsageError:
        return
    for thread in found.threads:
        assert thread.messages
        assert without_marks(thread.thread_id) == thread.thread_id
