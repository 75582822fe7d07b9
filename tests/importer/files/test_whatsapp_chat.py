"""Exported WhatsApp chats beyond the samples: doubt, strange names, text like headers."""

from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from shoptalk.errors import UsageError
from shoptalk.importer.files import FileImport, FileOptions, FileThread, read_file
from shoptalk.importer.files.source import Source
from shoptalk.importer.files.whatsapp_chat import read_whatsapp_chat, slug
from shoptalk.importer.files.whatsapp_formats import find_header
from shoptalk.importer.files.whatsapp_lines import read_chat
from shoptalk.types import ContentType, SenderType


def read(text: str, **options: Any) -> FileImport:
    given_options = {"platform": "whatsapp", "shop_names": ["Shop"]} | options
    return read_whatsapp_chat(Source(Path("chat.txt"), text), FileOptions(**given_options))


def thread_of(text: str, **options: Any) -> FileThread:
    (thread,) = read(text, **options).threads
    return thread


def texts(text: str, **options: Any) -> list[str]:
    return [message.text for message in thread_of(text, **options).messages]


class TestSides:
    CHAT = "18/03/2024, 10:00 - Omar: hi\n18/03/2024, 10:01 - Shop: hello\n"

    def test_shop_must_be_named(self) -> None:
        with pytest.raises(UsageError, match='--shop-name who the shop is: "Omar", "Shop"'):
            read(self.CHAT, shop_names=[])

    def test_shop_must_be_one_of_the_two(self) -> None:
        with pytest.raises(UsageError, match="neither of the two"):
            read(self.CHAT, shop_names=["Nour"])

    def test_shop_cannot_be_both(self) -> None:
        with pytest.raises(UsageError, match="both who write"):
            read(self.CHAT, shop_names=["Shop", "Omar"])

    def test_case_and_marks_of_the_shop_name_do_not_matter(self) -> None:
        sides = [
            each.sender_type for each in thread_of(self.CHAT, shop_names=["\u200eSHOP "]).messages
        ]
        assert sides == [SenderType.CUSTOMER, SenderType.EMPLOYEE]

    def test_shop_that_was_never_answered_needs_the_phone(self) -> None:
        chat = "18/03/2024, 10:00 - Shop: hello?\n"
        with pytest.raises(UsageError, match="only the shop writes here: give --customer-phone"):
            read(chat)
        thread = thread_of(chat, customer_phone="+20 100 000 0123")
        assert thread.thread_id == "whatsapp_+201000000123"

    def test_notice_on_the_iphone_names_a_customer_who_never_answered(self) -> None:
        thread = thread_of(
            "[18/03/2024, 10:00:00] Omar: \u200eMessages and calls are end-to-end encrypted.\r\n"
            "[18/03/2024, 10:00:01] Shop: hello?\r\n"
        )
        assert thread.customer.name == "Omar"

    def test_chat_of_notices_alone_has_no_thread(self) -> None:
        found = read("18/03/2024, 10:00 - Messages and calls are end-to-end encrypted.\n")
        assert (found.threads, found.skipped_system) == ([], 1)

    def test_a_messenger_channel_is_the_wrong_place(self) -> None:
        with pytest.raises(UsageError, match="does not belong to facebook"):
            read(self.CHAT, platform="facebook")


class TestThread:
    CHAT = "18/03/2024, 10:00 - {}: hi\n18/03/2024, 10:01 - Shop: hello\n"

    def test_unsaved_number_is_the_phone(self) -> None:
        thread = thread_of(self.CHAT.format("\u202a+20\u00a0100\u00a0000\u00a00123\u202c"))
        assert thread.thread_id == "whatsapp_+201000000123"
        assert thread.customer.phone == thread.customer.customer_id == "+201000000123"
        assert thread.customer.name is None

    def test_phone_given_is_the_thread(self) -> None:
        thread = thread_of(self.CHAT.format("Omar"), customer_phone="+٢٠ ١٠٠ ٠٠٠ ٠١٢٣")
        assert thread.thread_id == "whatsapp_+201000000123"
        assert thread.customer.name == "Omar"

    def test_phone_given_must_be_the_one_shown(self) -> None:
        with pytest.raises(UsageError, match=r"the chat is with \+201000000123, not with"):
            read(self.CHAT.format("+20 100 000 0123"), customer_phone="+201000000456")

    @pytest.mark.parametrize("phone", ["0100 000 0123", "201000000123", "+1", "", "+20 call me"])
    def test_phone_must_be_international(self, phone: str) -> None:
        with pytest.raises(UsageError, match="--customer-phone is in international form"):
            read(self.CHAT.format("Omar"), customer_phone=phone)

    def test_names_become_stable_ids(self) -> None:
        assert slug("Omar - Gym 💪").startswith("omar_gym_")
        assert slug("منى عبد السلام").startswith("منى_عبد_السلام_")
        assert slug("Omar") != slug("Omar!")
        assert len(slug("💪")) == 8

    def test_later_export_keeps_the_ids(self) -> None:
        early = self.CHAT.format("Omar") + "18/03/2024, 10:01 - Shop: hello\n"
        late = early + "18/03/2024, 10:01 - Shop: hello\n19/03/2024, 08:00 - Omar: thanks\n"
        before = [each.message_id for each in thread_of(early).messages]
        after = [each.message_id for each in thread_of(late).messages]
        assert after[: len(before)] == before
        assert len(set(after)) == 5
        assert all(each.startswith("waexport_") for each in after)

    def test_ids_outlast_time_zone_media_and_contact(self) -> None:
        with_media = (
            "18/03/2024, 10:00 - +20 100 000 0123: IMG-20240318-WA0001.jpg (file attached)\n"
        )
        without = "18/03/2024, 10:00 - Omar: <Media omitted>\n"
        first = thread_of(with_media, timezone="Africa/Cairo").messages[0]
        second = thread_of(without, customer_phone="+201000000123").messages[0]
        assert first.message_id == second.message_id
        assert first.created_at != second.created_at


class TestTimes:
    def test_local_time_becomes_utc(self) -> None:
        chat = "18/07/2024, 10:00 - Omar: hi\n"
        (message,) = thread_of(chat, timezone="Africa/Cairo").messages
        assert message.created_at == datetime(2024, 7, 18, 7, 0, tzinfo=UTC)

    def test_the_hour_that_comes_twice(self) -> None:
        chat = "".join(
            f"27/10/2024, {time} - Omar: {number}\n"
            for number, time in enumerate(["02:10", "02:50", "02:10", "03:00"])
        )
        moments = [each.created_at for each in thread_of(chat, timezone="Europe/Berlin").messages]
        assert [f"{moment:%H:%M}" for moment in moments] == ["00:10", "00:50", "01:10", "02:00"]

    @pytest.mark.parametrize("zone", ["Cairo", "", "../etc", "Africa"])
    def test_unknown_zone_is_an_error(self, zone: str) -> None:
        with pytest.raises(UsageError, match="there is no time zone"):
            read("18/07/2024, 10:00 - Omar: hi\n", timezone=zone)

    @pytest.mark.parametrize(
        ("header", "expected"),
        [
            ("12/31/24, 12:00 AM - ", "2024-12-31 00:00:00"),
            ("12/31/24, 12:00\u202fpm - ", "2024-12-31 12:00:00"),
            ("31/12/2024, 1:05 p. m. - ", "2024-12-31 13:05:00"),
            ("31/12/2024, 1:05 a.m. - ", "2024-12-31 01:05:00"),
            ("[31.12.24, 23:59:58] ", "2024-12-31 23:59:58"),
            ("[2024-12-31 23.59.58] ", "2024-12-31 23:59:58"),
            ("2024. 12. 31., 23:59 - ", "2024-12-31 23:59:00"),
            ("31/12/2024 à 23:59 - ", "2024-12-31 23:59:00"),
            ("\u200f[٣١\u200f/١٢\u200f/٢٠٢٤، ١١:٥٩:٥٨\u00a0م] ", "2024-12-31 23:59:58"),
        ],
    )
    def test_headers(self, header: str, expected: str) -> None:
        chat = read_chat(Source(Path("chat.txt"), f"{header}Omar: hi"), date_order=None)
        assert [(str(line.written_at), line.author) for line in chat.lines] == [(expected, "Omar")]

    @pytest.mark.parametrize(
        "line",
        [
            "18/03/2024, 24:00 - x",
            "18/03/2024, 10:60 - x",
            "18/03/2024, 13:00 PM - x",
            "[18/03/2024, 10:00 - x",
            "18/03/2024 - x",
            "18/03.2024, 10:00 - x",
            "2024/03/2024, 10:00 - x",
        ],
    )
    def test_no_headers(self, line: str) -> None:
        assert find_header(line) is None


class TestDateOrder:
    def test_number_above_twelve_tells(self) -> None:
        chat = "03/04/24, 10:00 - Omar: a\n03/13/24, 10:00 - Omar: b\n"
        assert thread_of(chat).messages[0].created_at.month == 3

    def test_own_file_name_tells(self) -> None:
        chat = (
            "03/04/24, 10:00 - Omar: hi\n"
            "03/04/24, 10:01 - Omar: IMG-20240304-WA0001.jpg (file attached)\n"
        )
        assert thread_of(chat).messages[0].created_at.month == 3

    def test_name_of_a_document_or_date_in_a_text_does_not_tell(self) -> None:
        chat = (
            "03/04/24, 10:00 - Omar: invoice-2024-03-04.pdf (file attached)\n"
            "03/04/24, 10:01 - Omar: 2024-03-04\n"
        )
        with pytest.raises(UsageError, match="nothing else in the chat tells"):
            read(chat)

    def test_language_of_the_notice_tells(self) -> None:
        chat = (
            "03/04/2024, 10:00 - Les messages et les appels sont chiffrés de bout en bout.\n"
            "03/04/2024, 10:01 - Omar: salut\n"
        )
        assert thread_of(chat).messages[0].created_at.month == 4

    def test_evidence_that_disagrees_is_no_evidence(self) -> None:
        chat = "03.04.24, 10:00 - Omar: IMG-20240304-WA0001.jpg (file attached)\n"
        with pytest.raises(
            UsageError, match=r"other lines of the chat disagree; give --date-order"
        ):
            read(chat)

    def test_same_day_and_month_needs_no_telling(self) -> None:
        assert thread_of("03/03/24, 10:00 - Omar: a\n").messages[0].created_at.month == 3

    def test_contradiction_is_an_error(self) -> None:
        chat = "13/04/24, 10:00 - Omar: a\n04/14/24, 10:00 - Omar: b\n"
        with pytest.raises(
            UsageError, match=r"line 2, column 1: line 1 can only be read day first"
        ):
            read(chat)
        assert texts(chat, date_order="DMY") == ["a\n04/14/24, 10:00 - Omar: b"]

    def test_order_given_against_the_file_is_an_error(self) -> None:
        chat = "03/04/24, 10:00 - Omar: a\n13/04/24, 10:00 - Omar: b\n"
        with pytest.raises(
            UsageError, match=r"line 2, column 1: 13/04/24 is no date when read as MDY"
        ):
            read(chat, date_order="MDY")
        with pytest.raises(UsageError, match=r"line 1, column 2: 2024-04-13 is no date"):
            read("[2024-04-13 10:00:00] Omar: a\n", date_order="DMY")

    def test_other_calendars_are_an_error(self) -> None:
        with pytest.raises(UsageError, match="1445 is no date from 2009 to 2099"):
            read("8/9/1445, 10:00 - Omar: a\n")

    def test_unknown_order_is_an_error(self) -> None:
        wrong: Any = "YDM"
        with pytest.raises(UsageError, match="--date-order is one of DMY, MDY, YMD"):
            FileOptions(platform="whatsapp", date_order=wrong)


class TestLines:
    def test_line_like_a_header_out_of_time_is_text(self) -> None:
        chat = (
            "18/03/2024, 10:00 - Omar: where is it?\n"
            "18/03/2024, 10:01 - Shop: on its way\n"
            "12/05/2024, 10:00 - earliest delivery\n"
            "12/05/2024, 11:00 - Latest: noon\n"
            "18/03/2024, 10:02 - Omar: ok\n"
        )
        found = read(chat)
        assert [each.text for each in found.threads[0].messages] == [
            "where is it?",
            "on its way\n12/05/2024, 10:00 - earliest delivery\n12/05/2024, 11:00 - Latest: noon",
            "ok",
        ]
        (note,) = found.notes
        assert note.startswith("line 3, 4: looks like the start of a message")

    def test_pasted_chat_is_text(self) -> None:
        chat = (
            "[18/03/2024, 10:00:00] Omar: you said:\r\n"
            "[12/03/2024, 10:00:00] Shop: free delivery\r\n"
            "[18/03/2024, 10:00:09] Shop: right\r\n"
        )
        assert texts(chat) == ["you said:\n[12/03/2024, 10:00:00] Shop: free delivery", "right"]

    def test_line_of_another_shape_is_text(self) -> None:
        chat = (
            "18/03/2024, 10:00 - Omar: look\n"
            "[18/03/2024, 10:00] Shop: a\n"
            "18/03/24, 10:00 - Shop: b\n"
            "18/03/2024, 10:00:00 - Shop: c\n"
            "18/03/2024, 10:00 AM - Shop: d\n"
            "18-03-2024, 10:00 - Shop: e\n"
        )
        assert len(texts(chat)) == 1

    def test_message_a_little_before_the_last_stays_where_it_is(self) -> None:
        chat = "".join(
            f"18/03/2024, {time} - Omar: {time}\n" for time in ("10:00", "10:05", "10:03", "10:06")
        )
        assert texts(chat) == ["10:00", "10:05", "10:03", "10:06"]

    def test_two_messages_back_in_time_stay_two(self) -> None:
        assert texts("18/05/2024, 10:00 - Omar: a\n18/03/2024, 10:00 - Omar: b\n") == ["a", "b"]

    def test_empty_lines_and_other_line_breaks_are_text(self) -> None:
        chat = "18/03/2024, 10:00 - Omar: a\n\n b\u2028c\u0085d\r\n\n18/03/2024, 10:01 - Shop: e"
        assert texts(chat) == ["a\n\n b\u2028c\u0085d\n", "e"]

    @pytest.mark.parametrize(
        "name", ["Omar - Gym", "Dr: Omar", "A: B: C", "Omar]", "[18/03/2024] O"]
    )
    def test_strange_names(self, name: str) -> None:
        chat = (
            f"18/03/2024, 10:00 - {name}: hi\n"
            f"18/03/2024, 10:01 - {name}: like this: blue\n"
            f"18/03/2024, 10:02 - {name}: <Media omitted>\n"
            "18/03/2024, 10:03 - Shop: note: ok\n"
        )
        thread = thread_of(chat)
        assert thread.customer.name == name
        assert [each.text for each in thread.messages] == ["hi", "like this: blue", "", "note: ok"]

    def test_shop_name_with_a_colon_is_known(self) -> None:
        chat = "18/03/2024, 10:00 - Shop: Cairo: hi\n18/03/2024, 10:01 - Omar: hello\n"
        assert texts(chat, shop_names=["Shop: Cairo"]) == ["hi", "hello"]

    def test_messages_that_begin_alike_are_no_name(self) -> None:
        chat = "18/03/2024, 10:00 - Omar: size: L\n18/03/2024, 10:01 - Omar: size: XL\n"
        assert texts(chat) == ["size: L", "size: XL"]

    def test_space_after_the_colon_may_be_cut(self) -> None:
        chat = "18/03/2024, 10:00 - Omar: hi\n18/03/2024, 10:01 - Omar:\nthere\n"
        assert texts(chat) == ["hi", "\nthere"]

    def test_line_without_author_is_a_notice(self) -> None:
        found = read("18/03/2024, 10:00 - You blocked Omar\n18/03/2024, 10:01 - Omar: hi\n")
        assert found.skipped_system == 1


class TestWording:
    @pytest.mark.parametrize(
        ("said", "kind", "text", "filename"),
        [
            ("<Media omitted>", ContentType.FILE, "", None),
            ("<Medien ausgeschlossen>\nthe blue one", ContentType.FILE, "the blue one", None),
            ("\u200ea.mp4 (file attached)\nlook", ContentType.VIDEO, "look", "a.mp4"),
            ("price list.pdf (Datei angehängt)", ContentType.FILE, "", "price list.pdf"),
            ("STK-1.webp (file attached)", ContentType.STICKER, "", "STK-1.webp"),
            ("Rana.vcf (fichier joint)", ContentType.CONTACT, "", "Rana.vcf"),
            ("You deleted this message", ContentType.DELETED, "", None),
            ("Diese Nachricht wurde gelöscht.", ContentType.DELETED, "", None),
            ("Waiting for this message. This may take a while.", ContentType.UNSUPPORTED, "", None),
            ("", ContentType.UNSUPPORTED, "", None),
            ("ok <Ce message a été modifié>", ContentType.TEXT, "ok", None),
            ("a < b and c > d", ContentType.TEXT, "a < b and c > d", None),
            ("Location: the corner", ContentType.TEXT, "Location: the corner", None),
        ],
    )
    def test_android(self, said: str, kind: ContentType, text: str, filename: str | None) -> None:
        (message,) = thread_of(f"18/03/2024, 10:00 - Omar: {said}").messages
        names = [attachment.name for attachment in message.attachments]
        assert (message.content_type, message.text) == (kind, text)
        assert names == ([filename] if kind not in ("text", "deleted", "unsupported") else [])

    @pytest.mark.parametrize(
        ("said", "kind", "text", "filename"),
        [
            ("\u200eimage omitted", ContentType.IMAGE, "", None),
            ("the blue one \u200eimage omitted", ContentType.IMAGE, "the blue one", None),
            ("list.pdf • \u200e3 pages \u200edocument omitted", ContentType.FILE, "", "list.pdf"),
            ("\u200e<attached: 3-STICKER.webp>", ContentType.STICKER, "", "3-STICKER.webp"),
            ("look \u200e<Anhang: 0001-PHOTO.jpg>", ContentType.IMAGE, "look", "0001-PHOTO.jpg"),
            ("image omitted", ContentType.TEXT, "image omitted", None),
            ("This message was deleted.", ContentType.TEXT, "This message was deleted.", None),
            ("a <This message was edited>", ContentType.TEXT, "a <This message was edited>", None),
            ("\u200eVous avez supprimé ce message", ContentType.DELETED, "", None),
            ("\u200fشكرا", ContentType.TEXT, "شكرا", None),
        ],
    )
    def test_iphone(self, said: str, kind: ContentType, text: str, filename: str | None) -> None:
        chat = (
            "[18/03/2024, 10:00:00] Omar: \u200eMessages and calls are end-to-end encrypted.\r\n"
            f"[18/03/2024, 10:00:01] Omar: {said}\r\n"
        )
        (message,) = thread_of(chat).messages
        assert (message.content_type, message.text) == (kind, text)
        assert [each.name for each in message.attachments] == (
            [filename] if kind not in ("text", "deleted") else []
        )

    def test_missed_call_is_a_notice_only_after_a_mark(self) -> None:
        found = read(
            "[18/03/2024, 10:00:00] Omar: \u200eMissed voice call\r\n"
            "[18/03/2024, 10:00:01] Omar: Missed voice call\r\n"
        )
        assert [each.text for each in found.threads[0].messages] == ["Missed voice call"]
        assert found.skipped_system == 1

    def test_location_keeps_its_link(self) -> None:
        link = "https://maps.google.com/?q=30.1,31.2"
        (message,) = thread_of(f"18/03/2024, 10:00 - Omar: الموقع: {link}").messages
        assert (message.text, message.attachments[0].url) == (link, link)

    @pytest.mark.parametrize("char", ["\u200e", "<", ": ", "(", "\u200e<", "1/"])
    def test_hostile_repetition_takes_no_time(self, char: str) -> None:
        line = "[18/03/2024, 10:00:00] Omar: "
        chat = f"{line}\u200ehi\n{line}{char * 60_000}\n{char * 60_000}"
        assert len(texts(chat)) == 2


def test_a_chat_is_recognised_in_a_file(tmp_path: Path) -> None:
    path = tmp_path / "chat.txt"
    path.write_bytes(b"\xef\xbb\xbf[18/03/2024, 10:00:00] Omar: hi\r\n")
    found = read_file(path, FileOptions(platform="whatsapp", shop_names=["Shop"]))
    assert found.format_name == "WhatsApp chat export"
    assert found.threads[0].messages[0].text == "hi"
