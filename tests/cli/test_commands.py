"""The commands as they are meant to be used, and what they print."""

import json
import re
import unicodedata
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import click
import pytest
from sqlalchemy import text, update

from shoptalk import __version__
from shoptalk.cli import COMMANDS, cli
from shoptalk.commands.display import cell, money, when
from shoptalk.db.embedded import EmbeddedServer
from shoptalk.db.engine import connect
from shoptalk.db.models import Conversation, Delivery, ImportRun, Message, Order
from shoptalk.services.connecting import connect_channel
from tests.cli.terminal import Screen, Terminal
from tests.loop.shop import ANN, INSTAGRAM, KETTLE, NINE, PAGE, TOKEN, Shop

CONNECT = ("channels", "connect", "facebook", "--account-id", PAGE)
NUMBER, NUMBER_TOKEN = "770022", "EAAG-number-token-value"
HOSTILE = "\x1b[2J\x1b]0;owned\x07[red]x[/red] :bomb: \u202eevil\u2066\x9b31m\r\nError: forged"
BIDI = "\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069"


def done(screen: Screen, says: str = "") -> Screen:
    """Assert that the command succeeded, without complaint."""
    assert screen.code == 0, screen
    assert screen.err == ""
    assert says in screen.out
    return screen


def open_number(shop: Shop) -> None:
    shop.world.add_account("whatsapp", NUMBER, "Corner Shop", NUMBER_TOKEN)


def test_status_says_of_a_gap_what_is_known(shop: Shop, terminal: Terminal) -> None:
    done(terminal.types(*CONNECT, "--access-token", TOKEN))
    done(terminal.types("import"))
    gap = {"thread_id": None, "reason": "no end", "from": "2026-01-01", "to": None, "at_most": 3}
    with shop.app.database.transaction() as session:
        session.execute(update(ImportRun).values(gaps=[gap]))
    assert (
        "gap in the list of channel 1: no end (from 2026-01-01, at most 3)\n"
        in terminal.types("status").out
    )


def test_records_of_a_file_that_cannot_be_read_are_counted_and_one_is_named(
    shop: Shop, terminal: Terminal, tmp_path: Path
) -> None:
    done(terminal.types(*CONNECT, "--access-token", TOKEN))
    file = tmp_path / "chat.jsonl"
    good = {
        "thread_id": "t1",
        "message_id": "m1",
        "sender": "customer",
        "created_at": "2025-03-01T09:00:00Z",
        "text": "Hello",
    }
    file.write_text(f'{json.dumps(good)}\n{{"thread_id": "t2"}}\n')
    screen = terminal.types("import", "--channel", PAGE, "--file", str(file))
    assert screen.code == 0
    assert "Note: 1 records cannot be read, for instance: line 2, " in screen.err
    assert len(shop.rows(Message)) == 1


class TestChannels:
    @pytest.mark.parametrize("way", ["option", "variable", "file", "prompt"])
    def test_a_token_is_taken_by_option_variable_file_or_prompt(
        self, shop: Shop, terminal: Terminal, tmp_path: Path, way: str
    ) -> None:
        token_file = tmp_path / "token"
        token_file.write_text(f"{TOKEN}\n")
        if way == "option":
            screen = terminal.types(*CONNECT, "--access-token", TOKEN)
        elif way == "variable":
            screen = terminal.types(*CONNECT, SHOPTALK_ACCESS_TOKEN=TOKEN)
        elif way == "file":
            screen = terminal.types(*CONNECT, "--access-token-file", str(token_file))
        else:
            screen = terminal.types(*CONNECT, answers=f"{TOKEN}\n")
        assert screen.code == 0
        assert screen.out == (
            "Connected facebook 'Corner Shop' as channel 1. "
            "What was written before 2026-10-05 09:00:00 UTC is history.\n"
        )
        assert TOKEN not in screen.err
        [channel] = shop.channels()
        assert shop.app.platform_of(channel).identify().external_id == PAGE

    def test_a_channel_is_connected_listed_tested_and_disconnected(
        self, shop: Shop, terminal: Terminal
    ) -> None:
        done(terminal.types("channels", "list"), "No channel is connected yet.")
        done(terminal.types(*CONNECT, "--access-token", TOKEN, "--name", "Front", "--ai", "off"))
        [row] = done(terminal.types("channels", "list", "--json")).document
        assert row["state"] == "connected"
        assert (row["display_name"], row["ai_default"]) == ("Front", False)
        done(terminal.types("channels", "test", PAGE), "Channel 1 works: facebook 'Corner Shop'.")
        done(terminal.types("channels", "test", "1"), "Channel 1 works")
        done(terminal.types("channels", "disconnect", PAGE), "Disconnected channel 1, facebook")
        [row] = done(terminal.types("channels", "list", "--json")).document
        assert row["state"] == "disconnected"

    def test_the_ai_starts_as_it_was_asked_to_when_connecting(
        self, shop: Shop, terminal: Terminal
    ) -> None:
        done(terminal.types(*CONNECT, "--access-token", TOKEN, "--ai", "off"))
        shop.customer_writes("Hello?")
        shop.imports()
        assert [each.ai_enabled for each in shop.rows(Conversation)] == [False]

    def test_an_app_secret_signs_the_calls(self, shop: Shop, terminal: Terminal) -> None:
        shop.world.get_account(PAGE).app_secret = "the-app-secret"
        shop.control.change_settings(PAGE, require_proof=True)
        connect = (*CONNECT, "--access-token", TOKEN)
        assert terminal.types(*connect).code == 2
        assert terminal.types(*connect, "--app-secret", "another").code == 2
        done(terminal.types(*connect, SHOPTALK_APP_SECRET="the-app-secret"))
        done(terminal.types("channels", "test", PAGE))

    def test_a_new_token_keeps_the_app_secret_until_it_is_taken_away(
        self, shop: Shop, terminal: Terminal
    ) -> None:
        shop.world.get_account(PAGE).app_secret = "the-app-secret"
        shop.control.change_settings(PAGE, require_proof=True)
        connect = (*CONNECT, "--access-token", TOKEN)
        done(terminal.types(*connect, "--app-secret", "the-app-secret"))
        done(terminal.types(*connect, SHOPTALK_APP_SECRET=""))
        done(terminal.types("channels", "test", PAGE))
        assert "app secret" in terminal.types(*connect, "--app-secret", "").sentence
        shop.control.change_settings(PAGE, require_proof=False)
        done(terminal.types(*connect, "--app-secret", ""))
        shop.control.change_settings(PAGE, require_proof=True)
        assert "app secret" in terminal.types(*connect).sentence

    def test_a_new_token_restarts_a_stopped_channel_and_keeps_its_cut_over(
        self, shop: Shop, terminal: Terminal
    ) -> None:
        done(terminal.types(*CONNECT, "--access-token", TOKEN))
        shop.world.replace_token(PAGE, "EAAG-second", subcode=463)
        shop.wait(minutes=1)
        message_id = shop.customer_writes("Are you there?")
        assert terminal.types("import").code == 2
        shop.wait(hours=1)
        done(terminal.types(*CONNECT, "--access-token", "EAAG-second"), "09:00:00 UTC is history")
        [row] = done(terminal.types("channels", "list", "--json")).document
        assert row["connected_at"] == NINE.isoformat()
        assert (row["state"], row["last_error"], row["remedy"]) == ("connected", None, None)
        done(terminal.types("import"))
        assert not shop.message(message_id).is_old

    def test_connecting_after_a_disconnect_moves_the_cut_over(
        self, shop: Shop, terminal: Terminal
    ) -> None:
        done(terminal.types(*CONNECT, "--access-token", TOKEN))
        done(terminal.types("channels", "disconnect", PAGE))
        meanwhile = shop.customer_writes("Anyone?")
        shop.wait(hours=2)
        done(terminal.types(*CONNECT, "--access-token", TOKEN), "11:00:00 UTC is history")
        done(terminal.types("import"))
        assert shop.message(meanwhile).is_old


class TestImport:
    def test_a_second_import_finds_nothing_new(self, shop: Shop, terminal: Terminal) -> None:
        shop.opens("facebook", "instagram")
        shop.customer_writes("Hello")
        shop.customer_writes("Hi", account=INSTAGRAM)
        first = done(terminal.types("import", "--json")).document
        assert {(run["kind"], run["new"]) for run in first} == {("poll", 1), ("history", 0)}
        second = done(terminal.types("import", "--json")).document
        assert [(run["kind"], run["new"]) for run in second] == [("poll", 0), ("poll", 0)]
        done(terminal.types("import"), "facebook Corner Shop")

    @pytest.mark.parametrize("handle", ["1", PAGE])
    def test_one_channel_is_imported_by_row_id_and_by_account_id(
        self, shop: Shop, terminal: Terminal, handle: str
    ) -> None:
        shop.opens("facebook", "instagram")
        shop.customer_writes("Hello")
        runs = done(terminal.types("import", "--channel", handle, "--json")).document
        assert {run["channel"] for run in runs} == {"facebook Corner Shop"}
        assert {run["channel_integration_id"] for run in runs} == {1}

    def test_nothing_to_import_is_no_error(self, terminal: Terminal) -> None:
        screen = terminal.types("import", "--json")
        assert (screen.code, screen.document) == (0, [])
        assert "`shoptalk channels connect` adds one" in screen.err

    def test_our_own_json_is_imported_once(
        self, shop: Shop, terminal: Terminal, tmp_path: Path
    ) -> None:
        shop.opens("facebook")
        file = tmp_path / "messages.json"
        message = {
            "thread_id": "t1",
            "message_id": "till-1",
            "sender": "customer",
            "created_at": "2026-10-01T10:00:00Z",
            "text": "مرحبا",
            "customer_name": "Lina",
        }
        file.write_text(json.dumps([message]))
        import_file = ("import", "--channel", PAGE, "--file", str(file), "--json")
        [run] = done(terminal.types(*import_file)).document
        assert (run["kind"], run["new"], run["duplicate"]) == ("file", 1, 0)
        [run] = done(terminal.types(*import_file)).document
        assert (run["kind"], run["new"], run["duplicate"]) == ("file", 0, 1)
        assert shop.message("till-1").is_old

    def test_an_exported_chat_is_imported_into_a_channel_that_cannot_be_polled(
        self, shop: Shop, terminal: Terminal, tmp_path: Path
    ) -> None:
        open_number(shop)
        connect = ("channels", "connect", "whatsapp", "--account-id", NUMBER)
        done(terminal.types(*connect, "--access-token", NUMBER_TOKEN))
        chat = tmp_path / "WhatsApp Chat with Ann.txt"
        chat.write_text(
            "24/09/2026, 08:30 - Ann: Do you deliver?\n24/09/2026, 08:31 - Corner Shop: Yes\n"
        )
        how = ("--shop-name", "Corner Shop", "--customer-phone", "+447700900123")
        screen = terminal.types(
            "import", "--channel", NUMBER, "--file", str(chat), *how, "--date-order", "DMY"
        )
        assert screen.code == 0
        assert [(row.sender_type, row.content) for row in shop.rows(Message)] == [
            ("customer", "Do you deliver?"),
            ("employee", "Yes"),
        ]
        [conversation] = shop.rows(Conversation)
        assert conversation.customer_phone == "+447700900123"

    @pytest.mark.parametrize(
        ("start", "code", "stored", "says"),
        [
            ("25/3/28, 08:30", 2, 0, "the first (Do you deliver?) on 2028-03-25 08:30 UTC: see"),
            ("25/3/28, 08:30", 2, 0, "2 messages of it would be later than now, "),
            ("05/10/2026, 09:20", 2, 0, "on 2026-10-05 09:20 UTC"),
            ("05/10/2026, 09:14", 0, 2, ""),  # a phone's clock may be ahead of ours
        ],
    )  # fmt: skip
    def test_a_chat_later_than_now_is_refused_and_not_stored_as_new(
        self,
        shop: Shop,
        terminal: Terminal,
        tmp_path: Path,
        start: str,
        code: int,
        stored: int,
        says: str,
    ) -> None:
        open_number(shop)
        connect = ("channels", "connect", "whatsapp", "--account-id", NUMBER)
        done(terminal.types(*connect, "--access-token", NUMBER_TOKEN))
        chat = tmp_path / "chat.txt"
        chat.write_text(f"{start} - Ann: Do you deliver?\n{start} - Corner Shop: Yes\n")
        how = ("--shop-name", "Corner Shop", "--customer-phone", "+447700900123")
        words = ("import", "--channel", NUMBER, "--file", str(chat), *how, "--date-order", "DMY")
        screen = terminal.types(*words)
        assert (screen.code, len(shop.rows(Message))) == (code, stored), screen
        assert says in screen.err

    def test_a_channel_that_lists_nothing_reads_no_history(
        self, shop: Shop, terminal: Terminal
    ) -> None:
        open_number(shop)
        connect = ("channels", "connect", "whatsapp", "--account-id", NUMBER)
        done(terminal.types(*connect, "--access-token", NUMBER_TOKEN))
        [channel] = json.loads(done(terminal.types("status", "--json")).out)["channels"]
        assert channel["state"] == "connected"

    def test_a_backfill_reads_history_again(self, shop: Shop, terminal: Terminal) -> None:
        old = shop.customer_writes("Long ago")
        shop.wait(days=2)
        shop.customer_writes("Yesterday", who="73002")
        shop.wait(days=1)
        shop.opens("facebook")
        done(terminal.types("import"))
        assert len(shop.rows(Message)) == 2
        with shop.app.database.transaction() as session:
            session.execute(text("DELETE FROM messages"))
        backfill = ("backfill", "--channel", PAGE, "--json")
        [run] = done(terminal.types(*backfill, "--since", "2026-10-06")).document
        assert (run["kind"], run["new"]) == ("backfill", 1)
        [run] = done(terminal.types(*backfill, "--until", "2026-10-06T00:00:00+02:00")).document
        assert (run["kind"], run["new"]) == ("backfill", 1)
        assert shop.message(old).is_old


class TestAnswering:
    def test_a_due_turn_is_answered_by_reply(self, shop: Shop, terminal: Terminal) -> None:
        shop.opens("facebook")
        shop.customer_writes("Hello!")
        done(terminal.types("reply"), "No turn is due.")
        done(terminal.types("import"))
        done(terminal.types("reply"), "No turn is due.")
        shop.wait(seconds=31)
        done(terminal.types("reply"), "1 answered")
        assert len(shop.sent()) == 1
        assert done(terminal.types("reply", "--json")).document == {}

    def test_status_shows_channels_queue_and_what_goes_wrong(
        self, shop: Shop, terminal: Terminal
    ) -> None:
        done(terminal.types("status"), "No channel is connected yet")
        shop.opens("facebook", "instagram")
        shop.customer_writes("Hello!", account=INSTAGRAM)
        shop.control.kill_token(PAGE, subcode=463)
        shop.imports()
        shop.replies()
        screen = done(terminal.types("status"))
        assert re.search(
            r"^1 +facebook Corner Shop +stopped +0 .*token has expired", screen.out, re.M
        )
        assert "channel 1: Make a new, long-lived access token" in screen.out
        assert re.search(r"^2 +instagram corner.shop +connected +1 +0 s ago", screen.out, re.M)
        assert re.search(r"^queue +1 waiting, 0 being answered", screen.out, re.M)
        document = done(terminal.types("status", "--json")).document
        assert [channel["state"] for channel in document["channels"]] == ["stopped", "connected"]
        assert document["last_24_hours"]["waiting_turns"] == 1
        assert document["last_24_hours"]["messages_imported"] == 1

    @pytest.mark.parametrize("by", ["message_id", "row id"])
    def test_why_takes_a_message_id_and_a_row_id(
        self, shop: Shop, terminal: Terminal, by: str
    ) -> None:
        shop.opens("facebook")
        message_id = shop.customer_writes("Hello!")
        shop.answers()
        handle = message_id if by == "message_id" else str(shop.message(message_id).id)
        screen = done(terminal.types("why", handle))
        assert screen.out.startswith("It was answered.\n")
        document = done(terminal.types("why", handle, "--json")).document
        assert document["message_id"] == message_id
        assert document["sentence"] == "It was answered."
        assert {condition["holds"] for condition in document["conditions"]} == {True}
        for condition in document["conditions"]:
            assert f"  ok   {condition['title']}: {condition['value']}\n" in screen.out

    @pytest.mark.parametrize(
        ("condition", "row", "sentence"),
        [
            ("sender_type", "written by: a person at the shop", "by a person at the shop"),
            (
                "is_old",
                "written before the channel was connected: yes",
                "before the channel was connected",
            ),
            ("ai_enabled", "the AI is on for this conversation: no", "switched off"),
            ("reply_sent", "a reply was sent to it: yes", "already sent"),
        ],
    )
    def test_why_names_the_condition_that_does_not_hold(
        self, shop: Shop, terminal: Terminal, condition: str, row: str, sentence: str
    ) -> None:
        if condition == "is_old":
            message_id = shop.customer_writes("Hello?")
            shop.wait(hours=1)
            shop.opens("facebook")
        else:
            shop.opens("facebook", ai=condition != "ai_enabled")
            message_id = shop.customer_writes("Hello?")
            if condition == "sender_type":
                message_id = shop.employee_writes("Sam here")
        shop.imports()
        if condition == "reply_sent":
            with shop.app.database.transaction() as session:
                session.execute(text("UPDATE messages SET reply_sent = true"))
        screen = done(terminal.types("why", message_id))
        assert sentence in screen.out.splitlines()[0]
        assert re.search(rf"^  NOT  {row}\b", screen.out, re.M), screen.out
        document = done(terminal.types("why", message_id, "--json")).document
        holds = {each["name"]: each["holds"] for each in document["conditions"]}
        assert not holds[condition]
        wrong = {name for name in ("sender_type", "is_old", "ai_enabled") if not holds[name]}
        assert wrong <= {condition}

    def test_the_ai_is_switched_off_and_on_for_one_conversation(
        self, shop: Shop, terminal: Terminal
    ) -> None:
        shop.opens("facebook")
        shop.customer_writes("Hello!")
        shop.imports()
        thread_id = shop.rows(Conversation)[0].thread_id
        done(terminal.types("conversations", "ai", thread_id, "off"), "off for conversation 1")
        assert shop.answers() == {}
        [row] = done(terminal.types("conversations", "list", "--json")).document
        assert row["ai_enabled"] is False
        done(terminal.types("conversations", "ai", "1", "on"), "1 message will be answered now")
        assert shop.answers() == {"answered": 1}

    @pytest.mark.parametrize("label", ["open", "OPEN", "مفتوح"])
    def test_a_status_is_accepted_in_english_and_arabic(
        self, shop: Shop, terminal: Terminal, label: str
    ) -> None:
        shop.opens("facebook")
        for who in ("73001", "73002"):
            shop.customer_writes("Hello!", who=who)
        shop.imports()
        with shop.app.database.transaction() as session:
            session.execute(text("UPDATE conversations SET status = 'closed' WHERE id = 1"))
            session.execute(text("UPDATE conversations SET status = 'open' WHERE id = 2"))
        rows = done(terminal.types("conversations", "list", "--status", label, "--json")).document
        assert [row["id"] for row in rows] == [2]

    def test_messages_are_filtered_by_reply_and_by_outcome(
        self, shop: Shop, terminal: Terminal
    ) -> None:
        history = shop.customer_writes("Old", who="73001")
        shop.wait(hours=1)
        shop.opens("facebook")
        answered = shop.customer_writes("Hello!", who="73002")
        shop.answers()
        waiting = shop.customer_writes("And me?", who="73003")
        shop.imports()

        def listed(*words: str) -> set[str]:
            rows = done(terminal.types("messages", "list", *words, "--json")).document
            return {row["message_id"] for row in rows}

        assert listed("--unreplied") == {waiting}
        assert listed("--outcome", "answered") == {answered}
        assert listed("--outcome", "history") == {history}
        assert listed() > {history, answered, waiting}
        assert len(listed("--limit", "1")) == 1

    def test_a_failed_delivery_is_tried_again(self, shop: Shop, terminal: Terminal) -> None:
        shop.opens("facebook")
        shop.customer_writes("Hello!")
        shop.world.faults.add(
            "graph_error", match={"kind": "send"}, count=1, params={"code": 551, "subcode": 1545041}
        )
        assert shop.answers() == {"unreachable": 1}
        failed = ("deliveries", "list", "--status", "failed", "--json")
        [row] = done(terminal.types(*failed)).document
        assert "not available" in row["failure_reason"]
        done(terminal.types("deliveries", "retry", str(row["id"])), "goes out with the next")
        done(terminal.types("reply"), "1 answered")
        assert len(shop.sent()) == 1
        assert done(terminal.types(*failed)).document == []
        assert [row.status for row in shop.rows(Delivery)] == ["sent"]


class TestCatalog:
    def test_a_catalog_is_imported_from_csv_and_brought_up_to_date_from_json(
        self, terminal: Terminal, tmp_path: Path
    ) -> None:
        table, document = tmp_path / "catalog.csv", tmp_path / "catalog.json"
        table.write_text("product_id,name,price,currency,stock\nk1,Kettle,49.90,GBP,5\n")
        done(terminal.types("products", "import", str(table)), "1 product is in the catalog")
        done(terminal.types("products", "import", str(table)), "1 product is in the catalog")
        products = [
            {"product_id": "k1", "name": "Kettle", "price": 45, "active": False},
            {"product_id": "p1", "name": "إبريق", "price": 12.5},
        ]
        document.write_text(json.dumps({"products": products}))
        done(terminal.types("products", "import", str(document)), "2 products are in the catalog")
        rows = done(terminal.types("products", "list", "--json")).document
        kettle, pot = sorted(rows, key=lambda row: str(row["product_id"]))
        assert (float(kettle["price"]), kettle["currency"]) == (45, "USD")
        assert (kettle["stock"], kettle["active"]) == (None, False)
        assert (pot["name"], float(pot["price"]), pot["active"]) == ("إبريق", 12.5, True)

    def test_an_import_says_what_it_changed_and_what_it_took(
        self, terminal: Terminal, tmp_path: Path
    ) -> None:
        first, second = tmp_path / "first\x1b[2J.csv", tmp_path / "second.csv"
        first.write_text("product_id,name,price\nk1,Kettle,49.90\nk2,Cup,5\nk3,Pot,7\n")
        second.write_text(
            "product_id,name,price,currency,Stok\n"
            "k1,Kettle,49.9,USD,\nk2,Cup,6,EUR,\nk4,Tea,1,EUR,9\n"
        )
        assert done(terminal.types("products", "import", str(first))).out.splitlines() == [
            "3 products are in the catalog from first\\u001b[2J.csv.",
            "3 added, 0 changed, 0 unchanged.",
            "Currency: USD. The file names none, so --currency USD was taken.",
        ]
        screen = terminal.types("products", "import", str(second))
        assert screen.code == 0
        assert screen.err == "ignored columns: Stok (did you mean stock?)\n"
        assert screen.out.splitlines() == [
            "3 products are in the catalog from second.csv.",
            "1 added, 1 changed, 1 unchanged.",
            "1 other product that the file lacks stays for sale.",
            "Currency: EUR (2), USD (1).",
        ]

    def test_an_import_as_json_says_the_same(self, terminal: Terminal, tmp_path: Path) -> None:
        table = tmp_path / "catalog.csv"
        table.write_text("product_id,name,price,Stok,stock\nk1,Kettle,49.90,1,-2\n")
        screen = terminal.types("products", "import", str(table), "--currency", "egp", "--json")
        warning = "line 2, column 5: stock -2 is taken as 0"
        assert (screen.code, screen.err) == (0, f"ignored columns: Stok\n{warning}\n")
        assert screen.document == {
            "file": table.name,
            "products": 1,
            "added": 1,
            "changed": 0,
            "unchanged": 0,
            "others": 0,
            "currencies": {"EGP": 1},
            "took_default_currency": 1,
            "ignored_columns": [{"name": "Stok", "did_you_mean": None}],
            "warnings": [warning],
        }

    def test_a_catalog_with_mistakes_changes_nothing_and_lists_them(
        self, terminal: Terminal, tmp_path: Path
    ) -> None:
        table = tmp_path / "catalog.csv"
        table.write_text("product_id,name,price\nk1,Kettle,49.90\nk2,,x\n")
        screen = terminal.types("products", "import", str(table))
        assert (screen.code, screen.out) == (2, "")
        assert screen.err.splitlines() == [
            f"Error: {table} has 2 mistakes, so nothing of it was imported:",
            "  line 3, column 2: name is missing",
            "  line 3, column 3: price must be a number with a decimal point, like 12.50",
        ]
        assert done(terminal.types("products", "list", "--json")).document == []

    def test_orders_are_listed_with_their_money(self, shop: Shop, terminal: Terminal) -> None:
        done(terminal.types("orders", "list"), "There is no order yet.")
        open_shop_with_an_order(shop, customer_name="Ann Baker", address="7 Mill Road")
        [order] = done(terminal.types("orders", "list", "--json")).document
        assert (order["product_id"], order["quantity"]) == ("k1", 2)
        assert (order["unit_price"], order["total"]) == ("49.90", "99.80")
        assert (order["currency"], order["customer_name"]) == ("USD", "Ann Baker")


def open_shop_with_an_order(
    shop: Shop, *, words: str = "Hello!", says: str = "Welcome", name: str | None = None, **of: str
) -> None:
    """A shop with a row for every listing.

    Args:
        words: what the customer writes.
        says: what the model answers.
        name: what the channel is called.
        of: texts of the order.
    """
    shop.sells(replace(KETTLE, description=words))
    config = {"access_token": TOKEN}
    connect_channel(shop.app, "facebook", PAGE, config, name=name, ai_default=True)
    shop.wait(seconds=5)
    shop.world.add_message(PAGE, ANN, words, customer_name=of.get("customer_name", "Ann"))
    shop.model_says({"text": says})
    assert shop.answers() == {"answered": 1}
    order = Order(
        workspace_id=shop.app.workspace_id(),
        conversation_id=1,
        product_id=KETTLE.product_id,
        quantity=2,
        unit_price=KETTLE.price,
        currency=KETTLE.currency,
        total=2 * KETTLE.price,
        created_at=shop.now,
        **{"product_name": KETTLE.name, **of},
    )
    with shop.app.database.transaction() as session:
        session.add(order)


class TestDoctor:
    def test_the_doctor_finds_nothing_wrong_where_nothing_is(
        self, shop: Shop, terminal: Terminal
    ) -> None:
        shop.opens("facebook")
        shop.sells(KETTLE)
        screen = done(terminal.types("doctor"))
        assert {line[:4] for line in screen.out.splitlines()} == {"ok  "}
        findings = done(terminal.types("doctor", "--json")).document
        assert [finding["what"] for finding in findings] == [
            "settings",
            "database",
            "secret key",
            "model",
            "channel 1 (facebook Corner Shop)",
            "catalog",
        ]

    @pytest.mark.parametrize(
        ("environment", "what"),
        [
            ({"DATABASE_URL": "postgresql://u:p@127.0.0.1:1/x"}, "database: DATABASE_URL"),
            ({"DATABASE_URL": "shop.db"}, "database: DATABASE_URL"),
            ({"OPENAI_API_KEY": None}, "model: OPENAI_API_KEY is not set"),
            ({"OPENAI_BASE_URL": "http://127.0.0.1:1/v1"}, "model: .* cannot be reached"),
            ({"OPENAI_MODEL": "gpt-none"}, "model: "),
            ({"SHOPTALK_SECRET_KEY": "another"}, "channel 1 .*sealed with another key"),
            ({"SHOPTALK_HOME": "/dev/null/home"}, "secret key: .*Set SHOPTALK_HOME"),
            ({"FACEBOOK_API_BASE_URL": "http://127.0.0.1:1"}, "channel 1 .*no connection"),
        ],
    )
    def test_the_doctor_names_what_is_wrong(
        self, shop: Shop, terminal: Terminal, environment: dict[str, str | None], what: str
    ) -> None:
        shop.opens("facebook")
        screen = terminal.exporting(environment).types("doctor")
        assert (screen.code, screen.err) == (1, "")
        assert re.search(f"^BAD  {what}", screen.out, re.M), screen.out

    def test_the_doctor_names_a_dead_token_and_its_remedy(
        self, shop: Shop, terminal: Terminal
    ) -> None:
        shop.opens("facebook")
        shop.sells(KETTLE)
        shop.control.kill_token(PAGE, subcode=460)
        screen = terminal.types("doctor", "--json")
        assert screen.code == 1
        [bad] = [finding for finding in screen.document if not finding["ok"]]
        assert "password was changed" in bad["says"]
        assert "Make a new access token" in bad["says"]


class TestSchema:
    def test_an_empty_database_asks_for_an_upgrade_and_gets_one(
        self, shop: Shop, terminal: Terminal, server: EmbeddedServer
    ) -> None:
        with empty_database(server) as url:
            elsewhere = terminal.exporting({"DATABASE_URL": url})
            screen = elsewhere.types("channels", "list")
            assert screen.code == 2
            assert "run `shoptalk db upgrade`" in screen.sentence
            done(elsewhere.types("db", "upgrade"), "The schema is at revision ")
            done(elsewhere.types("db", "upgrade"), "The schema is at revision ")
            done(elsewhere.types("channels", "list"), "No channel is connected yet.")


@contextmanager
def empty_database(server: EmbeddedServer) -> Iterator[str]:
    database = connect(server.url)
    with database.engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
        connection.execute(text("CREATE DATABASE upgraded"))
        yield server.url.replace("/postgres?", "/upgraded?")
        connection.execute(text("DROP DATABASE upgraded WITH (FORCE)"))
    database.close()


LISTINGS = [
    ("channels", "list"),
    ("conversations", "list"),
    ("messages", "list"),
    ("products", "list"),
    ("orders", "list"),
    ("deliveries", "list"),
]
DOCUMENTS = [
    *LISTINGS,
    ("import",),
    ("reply",),
    ("backfill", "--channel", PAGE),
    ("status",),
    ("why", "1"),
    ("conversations", "show", "1"),
    ("doctor",),
]


@pytest.mark.thorough
class TestPrinting:
    @pytest.mark.parametrize("words", LISTINGS, ids=" ".join)
    def test_a_table_shows_what_its_json_holds(
        self, shop: Shop, terminal: Terminal, words: tuple[str, ...]
    ) -> None:
        open_shop_with_an_order(shop, customer_name="Ann Baker", address="7 Mill Road")
        rows = done(terminal.types(*words, "--json")).document
        header, *lines = done(terminal.types(*words)).out.splitlines()
        columns = re.split(r"  +", header)
        assert len(rows) == len(lines) > 0
        assert len(columns) >= 5
        for row, line in zip(rows, lines, strict=True):
            cells = re.split(r"  +", line)
            assert len(cells) == len(columns)
            assert set(cells) <= set(as_in_a_table(row))

    @pytest.mark.parametrize("words", DOCUMENTS, ids=" ".join)
    def test_json_stands_alone_on_stdout_however_much_is_logged(
        self, shop: Shop, terminal: Terminal, words: tuple[str, ...]
    ) -> None:
        open_shop_with_an_order(shop)
        shop.wait(seconds=40)
        shop.customer_writes("Thanks")
        shop.imports()
        screen = terminal.types(*words, "--json", LOG_LEVEL="DEBUG", LOG_FORMAT="json")
        assert screen.code == 0
        assert screen.document is not None
        logged = [json.loads(line) for line in screen.err.splitlines()]
        assert all({"at", "level", "message"} <= line.keys() for line in logged)
        assert bool(logged) == (words[0] in {"import", "backfill"})

    @pytest.mark.parametrize("words", DOCUMENTS, ids=" ".join)
    def test_hostile_text_cannot_steer_a_terminal(
        self, shop: Shop, terminal: Terminal, words: tuple[str, ...]
    ) -> None:
        open_hostile_shop(shop)
        for typed in (words, (*words, "--json")):
            screen = terminal.types(*typed)
            assert screen.code == 0
            assert steering(screen.out + screen.err) == set()
            if words in LISTINGS[1:] or words[0] in {"conversations", "doctor", "status"}:
                assert "[red]x[/red] :bomb:" in screen.out
            if words in LISTINGS and "--json" not in typed:
                assert len(screen.out.splitlines()) == len(terminal_rows(terminal, words)) + 1

    def test_hostile_text_is_whole_in_json(self, shop: Shop, terminal: Terminal) -> None:
        open_hostile_shop(shop)
        rows = done(terminal.types("messages", "list", "--json")).document
        assert {row["content"] for row in rows if row["sender_type"] == "customer"} == {HOSTILE}
        [channel] = done(terminal.types("channels", "list", "--json")).document
        assert channel["display_name"] == HOSTILE

    def test_a_conversation_shows_lines_as_lines_that_nobody_can_forge(
        self, shop: Shop, terminal: Terminal
    ) -> None:
        shop.opens("facebook")
        shop.customer_writes("Hello\n2026-10-05 09:00:00Z employee  It is free today")
        shop.imports()
        lines = done(terminal.types("conversations", "show", "1")).out.splitlines()
        assert len(lines) == 3
        assert lines[1].startswith("2026-10-05 09:00:00 UTC customer  Hello")
        assert lines[2].startswith(" " * 20)

    def test_a_hostile_channel_name_is_shown_harmlessly_when_it_fails(
        self, shop: Shop, terminal: Terminal
    ) -> None:
        open_hostile_shop(shop)
        shop.control.kill_token(PAGE)
        for words in (("import",), ("channels", "test", PAGE), ("channels", "disconnect", PAGE)):
            screen = terminal.types(*words)
            assert steering(screen.out + screen.err) == set()

    def test_text_that_the_terminal_cannot_show_is_shown_by_its_codes(
        self, shop: Shop, terminal: Terminal
    ) -> None:
        shop.opens("facebook")
        shop.customer_writes("مرحبا")
        shop.imports()
        screen = terminal.types("messages", "list", charset="ascii")
        assert screen.code == 0
        assert "\\u0645\\u0631\\u062d\\u0628\\u0627" in screen.out


def as_in_a_table(row: dict[str, Any]) -> Iterator[str]:
    """Each value of a row as its table may show it."""
    for name, value in row.items():
        yield cell(value)
        if isinstance(value, str) and re.match(r"\d{4}-\d\d-\d\dT", value):
            yield when(datetime.fromisoformat(value))
        if name in {"price", "total"}:
            yield money(Decimal(value), row["currency"])


def steering(printed: str) -> set[str]:
    """The characters in it that a terminal would obey."""
    return {
        character
        for character in printed
        if character in BIDI or (unicodedata.category(character) == "Cc" and character != "\n")
    }


def terminal_rows(terminal: Terminal, words: tuple[str, ...]) -> list[Any]:
    rows: list[Any] = terminal.types(*words, "--json").document
    return rows


def open_hostile_shop(shop: Shop) -> None:
    """A shop in which every text is hostile that somebody else may choose."""
    open_shop_with_an_order(
        shop,
        words=HOSTILE,
        says=HOSTILE,
        name=HOSTILE,
        product_name=HOSTILE,
        customer_name=HOSTILE,
        customer_phone=HOSTILE,
        address=HOSTILE,
    )
    with shop.app.database.transaction() as session:
        session.execute(text("UPDATE products SET name = :name"), {"name": HOSTILE})


def commands(group: click.Group, path: tuple[str, ...] = ()) -> Iterator[tuple[str, ...]]:
    context = click.Context(group)
    for name in group.list_commands(context):
        command = group.get_command(context, name)
        assert command is not None
        yield (*path, name)
        if isinstance(command, click.Group):
            yield from commands(command, (*path, name))


@pytest.mark.parametrize("words", list(commands(cli)), ids=" ".join)
def test_every_command_has_help_and_every_option_says_what_it_is_for(
    shop: Shop, words: tuple[str, ...]
) -> None:
    command: click.Command = cli
    for word in words:
        assert isinstance(command, click.Group)
        found = command.get_command(click.Context(command), word)
        assert found is not None
        command = found
    assert command.help
    for each in command.params:
        if isinstance(each, click.Option) and not isinstance(each.type, click.Choice):
            assert each.help, f"{each.name} of {' '.join(words)}"


def test_the_list_of_commands_says_of_each_what_it_does(terminal: Terminal) -> None:
    screen = done(terminal.types("--help"))
    for name, (_, says) in COMMANDS.items():
        assert name in screen.out
        assert " ".join(says.split()) in " ".join(screen.out.split())


def test_the_version_is_told(terminal: Terminal) -> None:
    done(terminal.types("--version"), f"shoptalk, version {__version__}")
