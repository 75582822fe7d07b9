"""How long after a message a reply is taken: a little less than the platform says."""

from datetime import timedelta

from shoptalk.platforms import registry
from shoptalk.responder.reply_window import reply_windows


def test_each_window_ends_five_minutes_early_and_where_there_is_none_nothing_is_said() -> None:
    names = ("facebook", "twilio", "webchat")
    a_day = timedelta(hours=23, minutes=55)
    assert reply_windows(registry.adapter(name) for name in names) == {
        ("facebook", ""): a_day,
        ("twilio", "whatsapp_"): a_day,
    }
