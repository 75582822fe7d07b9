"""A shop on Twilio, for tests of the whole loop: a number for SMS and a WhatsApp sender."""

from collections import Counter
from typing import Any

from shoptalk.db.models import Conversation, Delivery
from shoptalk.services.connecting import connect_channel
from tests.loop.shop import Shop
from tests.sandbox.twilio_shop import ACCOUNT_SID, ANN, NUMBER, SENDER, TOKEN


def add_account(shop: Shop) -> None:
    for sender in (NUMBER, SENDER):
        shop.world.add_account("twilio", sender, "Corner Shop", TOKEN, account_sid=ACCOUNT_SID)


def opens(shop: Shop, *senders: str) -> None:
    for sender in senders or (NUMBER,):
        config = {"access_token": TOKEN, "number": sender}
        connect_channel(shop.app, "twilio", ACCOUNT_SID, config, name=None, ai_default=True)
    shop.wait(seconds=5)


def writes(shop: Shop, text: str, *, sender: str = NUMBER, who: str = ANN, **words: Any) -> str:
    return shop.world.add_message(sender, who, text, **words).id


def ticks(shop: Shop, **span: float) -> Counter[str]:
    """So much later, an import and a pass."""
    shop.wait(**span)
    reports = shop.imports()
    assert [report.error for report in reports] == [None] * len(reports)
    return shop.replies()


def conversation(shop: Shop) -> Conversation:
    [found] = shop.rows(Conversation)
    assert isinstance(found, Conversation)
    return found


def delivery(shop: Shop) -> Delivery:
    found = shop.rows(Delivery)[-1]
    assert isinstance(found, Delivery)
    return found
