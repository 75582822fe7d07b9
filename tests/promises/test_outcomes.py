"""Every way in which a message can end: it occurs, it is explained, it is found, and it is one."""

import json
from collections.abc import Callable
from dataclasses import dataclass

import pytest

from shoptalk.db.models import Message
from shoptalk.types import Outcome, SenderType
from tests.cli.terminal import Terminal
from tests.loop.shop import ANN, KETTLE, PAGE, Shop
from tests.promises.counting import come_to_rest
from tests.sandbox.twilio_shop import ACCOUNT_SID, NUMBER, TOKEN
from tests.sandbox.twilio_shop import ANN as TEXTER

NUMBER_ID, NUMBER_TOKEN, PHONE = "770022", "EAAG-number-token-value", "4915112345678"


@dataclass(frozen=True, slots=True)
class Desk:
    shop: Shop
    terminal: Terminal

    def asks(self, text: str = "Hello?") -> str:
        """A customer writes, and the tick after the buffer's time sees to it."""
        message_id = self.shop.customer_writes(text)
        self.shop.wait(seconds=31)
        self.shop.imports()
        self.shop.replies()
        return message_id


def answered(desk: Desk) -> str:
    return desk.asks()


def history(desk: Desk) -> str:
    raise NotImplementedError  # written before the shop opens: see the test


def ai_off(desk: Desk) -> str:
    desk.asks()
    assert desk.terminal.types("conversations", "ai", "1", "off").code == 0
    return desk.asks("Hello again?")


def answered_by_person(desk: Desk) -> str:
    message_id = desk.shop.customer_writes("Hello?")
    desk.shop.wait(seconds=10)
    desk.shop.employee_writes("Sam here")
    desk.shop.imports()
    desk.shop.replies()
    return message_id


def taken_over(desk: Desk) -> str:
    desk.shop.employee_writes("Sam here, your parcel has come back")
    desk.shop.wait(minutes=1)
    return desk.asks("Oh no")


def reply_limit(desk: Desk) -> str:
    desk.shop.app.settings.max_replies_per_hour = 1
    desk.asks()
    return desk.asks("And another question")


def loop(desk: Desk) -> str:
    desk.shop.model_says({"text": "Thank you for your message.", "repeat": None})
    for _ in range(3):
        desk.asks("This is an automatic reply.")
    return desk.asks("This is an automatic reply.")


def dismissed(desk: Desk) -> str:
    message_id = desk.shop.customer_writes("Hello?")
    desk.shop.wait(hours=7)
    desk.shop.imports()
    assert desk.shop.replies() == {}
    assert desk.terminal.types("backlog", "dismiss", "--all").code == 0
    return message_id


def window_closed(desk: Desk) -> str:
    message_id = desk.shop.customer_writes("Hello?")
    desk.shop.wait(hours=24)
    desk.shop.imports()
    desk.shop.replies()
    return message_id


def unreachable(desk: Desk) -> str:
    desk.shop.customer_writes("Hello?")
    desk.shop.control.change_thread(PAGE, ANN, is_blocked=True)  # 551
    return desk.asks()


def thread_taken(desk: Desk) -> str:
    desk.shop.customer_writes("Hello?")
    desk.shop.control.change_thread(PAGE, ANN, is_taken=True)
    return desk.asks()


def texts(desk: Desk, *words: str) -> str:
    """A customer writes by SMS; the last message's id."""
    shop, terminal = desk.shop, desk.terminal
    shop.world.add_account("twilio", NUMBER, "Corner Shop", TOKEN, account_sid=ACCOUNT_SID)
    connect = ("channels", "connect", "twilio", "--account-id", ACCOUNT_SID, "--number", NUMBER)
    assert terminal.types(*connect, "--access-token", TOKEN).code == 0
    shop.wait(seconds=5)
    message_ids = [shop.world.add_message(NUMBER, TEXTER, text).id for text in words]
    shop.wait(seconds=31)
    shop.imports()
    shop.replies()
    return message_ids[-1]


def opted_out(desk: Desk) -> str:
    return texts(desk, "STOP", "Are you open today?")


def keyword(desk: Desk) -> str:
    return texts(desk, "Help")


def delivery_failed(desk: Desk) -> str:
    moved = {"status": 302, "body": ""}
    desk.shop.world.faults.add("http_status", match={"kind": "send"}, params=moved)
    return desk.asks()


def delivery_uncertain(desk: Desk) -> str:
    """WhatsApp cannot be read back: what becomes of a send without an answer cannot be told."""
    shop, terminal = desk.shop, desk.terminal
    shop.world.add_account("whatsapp", NUMBER_ID, "Corner Shop", NUMBER_TOKEN)
    words = ("channels", "connect", "whatsapp", "--account-id", NUMBER_ID)
    assert terminal.types(*words, "--access-token", NUMBER_TOKEN).code == 0
    shop.wait(seconds=5)
    shop.world.add_message(NUMBER_ID, PHONE, "Hello?")
    file = shop.app.settings.shoptalk_home / "chat.jsonl"
    message = {
        "thread_id": f"whatsapp_{PHONE}",
        "message_id": "from-a-file-1",
        "sender": "customer",
        "created_at": shop.now.isoformat(),
        "text": "Hello?",
        "customer_phone": f"+{PHONE}",
    }
    file.write_text(json.dumps(message))
    assert terminal.types("import", "--channel", NUMBER_ID, "--file", str(file)).code == 0
    shop.world.faults.add("drop_after", match={"kind": "send"}, count=1)
    shop.wait(seconds=31)
    shop.replies()
    return "from-a-file-1"


def model_failed(desk: Desk) -> str:
    desk.shop.model_says({"refusal": "I would rather not.", "repeat": None})
    message_id = desk.asks()
    come_to_rest(desk.shop)
    return message_id


def price_refused(desk: Desk) -> str:
    desk.shop.sells(KETTLE)
    desk.shop.model_says({"text": "The Electric Kettle is 1.23 USD.", "repeat": None})
    return desk.asks("How much?")


def needs_person(desk: Desk) -> str:
    call = {"name": "hand_over", "arguments": {"reason": "a broken kettle"}}
    desk.shop.model_says({"tool_calls": [call]}, {"text": "A person will answer you."})
    return desk.asks("My kettle is broken!")


#: outcome -> how it comes about, and words of the sentence that says so
SCENARIOS: dict[Outcome, tuple[Callable[[Desk], str], str]] = {
    Outcome.ANSWERED: (answered, "was answered"),
    Outcome.HISTORY: (history, "before the channel was connected"),
    Outcome.AI_OFF: (ai_off, "AI was switched off"),
    Outcome.ANSWERED_BY_PERSON: (answered_by_person, "person at the shop answered"),
    Outcome.TAKEN_OVER: (taken_over, "taken the conversation over"),
    Outcome.REPLY_LIMIT: (reply_limit, "often enough"),
    Outcome.LOOP: (loop, "repeating themselves"),
    Outcome.DISMISSED: (dismissed, "owner decided"),
    Outcome.WINDOW_CLOSED: (window_closed, "reply window"),
    Outcome.UNREACHABLE: (unreachable, "this person is not available (Graph error 551"),
    Outcome.THREAD_TAKEN: (thread_taken, "another app controls this thread (Graph error 10/"),
    Outcome.OPTED_OUT: (opted_out, "opted out"),
    Outcome.KEYWORD: (keyword, "answers itself"),
    Outcome.DELIVERY_FAILED: (delivery_failed, "HTTP 302: a redirect is not followed"),
    Outcome.DELIVERY_UNCERTAIN: (delivery_uncertain, "the connection broke"),
    Outcome.MODEL_FAILED: (model_failed, "the model declined to answer"),
    Outcome.NEEDS_PERSON: (needs_person, "a broken kettle"),
    Outcome.PRICE_REFUSED: (price_refused, "the model quoted 1.23 USD"),
}
REPLIED = {Outcome.ANSWERED, Outcome.HISTORY, Outcome.NEEDS_PERSON}  #: nothing is owed to it


def test_every_outcome_has_a_scenario() -> None:
    assert SCENARIOS.keys() == set(Outcome)


@pytest.mark.parametrize("outcome", Outcome)
def test_it_occurs_and_is_explained_and_found(
    shop: Shop, terminal: Terminal, outcome: Outcome
) -> None:
    scenario, words = SCENARIOS[outcome]
    old = shop.customer_writes("An old question")
    shop.wait(hours=1)
    shop.opens("facebook")
    shop.wait(seconds=5)
    desk = Desk(shop, terminal)
    if outcome is Outcome.HISTORY:
        shop.imports()
        shop.replies()
        message_id = old
    else:
        message_id = scenario(desk)

    message = shop.message(message_id)
    assert message.outcome == outcome
    assert message.reply_sent == (outcome in REPLIED)

    sentence = shop.why(message_id)
    assert words in sentence
    assert sentence.startswith(outcome.sentence.removesuffix("."))
    assert sentence.endswith(".")
    assert sentence.count("\n") == 0
    screen = terminal.types("why", message_id)
    assert screen.code == 0
    assert screen.out.splitlines()[0] == sentence
    assert f"what came of it: {outcome}" in screen.out

    listed = terminal.types("messages", "list", "--outcome", outcome.value, "--json").document
    assert message_id in [row["message_id"] for row in listed]
    assert {row["outcome"] for row in listed} == {outcome}
    unreplied = terminal.types("messages", "list", "--unreplied", "--json").document
    assert (message_id in [row["message_id"] for row in unreplied]) == (outcome not in REPLIED)

    shop.world.faults.clear()
    come_to_rest(shop)
    assert shop.message(message_id).outcome == outcome  # and it stays that
    of_customers = [m for m in shop.rows(Message) if m.sender_type == SenderType.CUSTOMER]
    assert all(m.outcome is not None for m in of_customers)
    assert all((m.outcome == Outcome.HISTORY) == m.is_old for m in of_customers)
