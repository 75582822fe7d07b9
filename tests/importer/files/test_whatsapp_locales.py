"""Exports of phones in any language: the beginning of a line is read, or named as not known."""

from datetime import UTC, datetime
from pathlib import Path

import pytest
from babel.dates import format_date, format_time

from shoptalk.errors import UsageError
from shoptalk.importer.files import FileImport, FileOptions, read_file

LOCALES = [
    "ar",
    "ar_EG",
    "bg",
    "bn",
    "cs",
    "da",
    "de",
    "el",
    "en_GB",
    "en_IN",
    "es",
    "es_CO",
    "fa",
    "fi",
    "fil",
    "fr",
    "fr_CA",
    "gu",
    "he",
    "hi",
    "hr",
    "hu",
    "id",
    "it",
    "ja",
    "kk",
    "km",
    "kn",
    "ko",
    "lo",
    "mk",
    "ml",
    "mr",
    "ms",
    "my",
    "nb",
    "nl",
    "pa",
    "pl",
    "pt",
    "pt_BR",
    "ro",
    "ru",
    "sk",
    "sl",
    "sq",
    "sr",
    "sv",
    "sw",
    "ta",
    "te",
    "th",
    "tr",
    "uk",
    "ur",
    "uz",
    "vi",
    "zh",
    "zh_Hant",
    "zh_Hant_HK",
]
MOMENTS = [
    datetime(2025, 3, 28, hour, minute, 5, tzinfo=UTC)
    for hour, minute in [(0, 5), (6, 30), (9, 29), (11, 59), (12, 1), (14, 40), (18, 7), (23, 58)]
]
BY_HAND = [
    "2025. 3. 28. 오후 9:29 - ",
    "[2025. 3. 28. 오후 9:29:00] ",
    "2025/3/28 下午9:29 - ",
    "2025/3/28 晚上9:29 - ",
    "2025年3月28日 21:29 - ",
    "2025/03/28 午後9:29 - ",
    "28/3/25، 9:29 م - ",
    "٢٨/٣/٢٠٢٥، ٩:٢٩ م - ",
    "28/3/25, 9:29 अपराह्न - ",
    "28/3/25, 9:29 μ.μ. - ",
    "28/03/2025, 9:29 PTG - ",
    "28.03.2025 ÖS 9:29 - ",
    "28/3/25، 9:29 شام - ",
    "28.03.25 г., 9:29 сл.об. - ",
    "2025. 03. 28. du. 9:29 - ",
    "28/3/2025, 9:29 CH - ",
    "21:29, 28/3/2025 - ",
    "21:29 28/3/2025 - ",
    "28.3.2025 klo 21.29 - ",
    "28.3.2025 klo 9.29 ip. - ",
    "28/3/2025 à 21:29 - ",
    "2025-03-28 21 h 29 - ",
    "28/3/2568 21:29 น. - ",
    "28/3/2025, 9:29\u202fp.\u00a0m. - ",
    "\u200e[28/3/2025, 9:29:00\u202fPM] ",
]


def _read(folder: Path, chat: str) -> FileImport:
    path = folder / "chat.txt"
    path.write_text(chat, encoding="utf-8")
    options = FileOptions(platform="whatsapp", shop_names=["Corner: Shop"])
    return read_file(path, options)


def _pattern(locale: str, *, halves: bool, seconds: bool) -> str:
    from babel import Locale

    skeleton = ("hms" if halves else "Hms") if seconds else ("hm" if halves else "Hm")
    return str(Locale.parse(locale).datetime_skeletons[skeleton].pattern)


@pytest.mark.parametrize("iphone", [False, True], ids=["android", "iphone"])
@pytest.mark.parametrize("halves", [False, True], ids=["24h", "12h"])
@pytest.mark.parametrize("locale", LOCALES)
def test_a_chat_in_the_form_of_a_locale_is_read_as_it_was_written(
    tmp_path: Path, locale: str, halves: bool, iphone: bool
) -> None:
    pattern = _pattern(locale, halves=halves, seconds=iphone)
    texts = ["hi", "two\nlines", "28/3: yes", "ok", "ja", "да", "좋아요", "bye"]
    chat = ""
    for number, (moment, text) in enumerate(zip(MOMENTS, texts, strict=True)):
        date = format_date(moment, "short", locale=locale)
        if locale.startswith("fa"):  # phones write CLDR's form in either calendar
            date = format_date(moment, "y/M/d", locale=locale)
        time = format_time(moment, pattern, locale=locale)
        name = "Corner: Shop" if number % 2 else "Omar"
        chat += f"[{date}, {time}] " if iphone else f"{date}, {time} - "
        chat += f"{name}: {text}\n"
    (thread,) = _read(tmp_path, chat).threads
    assert [message.text for message in thread.messages] == texts
    assert [message.sender_type for message in thread.messages] == ["customer", "employee"] * 4
    expected = [moment if iphone else moment.replace(second=0) for moment in MOMENTS]
    assert [message.created_at for message in thread.messages] == expected
    assert thread.customer.name == "Omar"


@pytest.mark.parametrize("header", BY_HAND)
def test_a_header_that_a_phone_writes_is_read(tmp_path: Path, header: str) -> None:
    chat = f"{header}Omar: hi\n{header}Corner: Shop: yes\n"
    (thread,) = _read(tmp_path, chat).threads
    moments = {message.created_at for message in thread.messages}
    assert moments == {datetime(2025, 3, 28, 21, 29, tzinfo=UTC)}
    assert [message.text for message in thread.messages] == ["hi", "yes"]


@pytest.mark.parametrize(
    "header", ["28 Mar 2025, 21:29 - ", "28.03.25, 9:29 xyzzy - ", "[28 Mar 2025 21:29:05] "]
)
def test_a_date_form_that_is_not_known_is_named_with_its_line(tmp_path: Path, header: str) -> None:
    with pytest.raises(UsageError, match="its date form is not known: line 1: '") as caught:
        _read(tmp_path, f"{header}Omar: hi\n28/03/2025, 21:30 - Omar: you\n")
    assert "JSON" not in str(caught.value)


def test_another_half_of_the_day_that_is_not_known_refuses_the_file(tmp_path: Path) -> None:
    chat = "28.03.25, 9:29 PM - Omar: hi\n28.03.25, 9:40 xyzzy - Omar: you\n"
    with pytest.raises(UsageError, match="its date form is not known: line 2: '"):
        _read(tmp_path, chat)


def test_a_year_of_the_persian_calendar_is_said_to_be_none(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="Gregorian calendar"):
        _read(tmp_path, "1404/1/8, 21:29 - Omar: hi\n")
