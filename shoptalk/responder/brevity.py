"""Keeping an answer short where the platform makes length cost: said first, asked for once."""

from dataclasses import replace

from shoptalk.platforms.base import Capabilities, TextUnit, ThreadState
from shoptalk.platforms.sms_segments import GSM_PART, UCS2_PART, spared
from shoptalk.responder.split import length, split


def brevity_hint(can: Capabilities) -> str | None:
    """What the model is told about length before it writes; None where length does not matter."""
    return None if can.brief is None else f"Keep your answer short: {_room(can)}."


def ask_for_less(text: str, can: Capabilities) -> str | None:
    """What the model is told about an answer that is too long; None where it is not."""
    if can.brief is None or length(_cheapest(text, can), can.text_unit) <= can.brief:
        return None
    complaint = "Your answer was not sent: it is too long here. Write the whole answer again"
    return f"{complaint}, {_room(can)}."


def parts_of(text: str, can: Capabilities) -> list[str]:
    """The messages that a text goes out as."""
    return split(_cheapest(text, can), limit=can.max_text, unit=can.text_unit)


def limited(can: Capabilities, state: ThreadState) -> Capabilities:
    """What the platform can do in a thread that takes less at once."""
    if state.max_text is None:
        return can
    return replace(can, max_text=state.max_text, text_unit=state.text_unit)


def _cheapest(text: str, can: Capabilities) -> str:
    return spared(text) if can.text_unit is TextUnit.SMS_SEGMENTS else text


def _room(can: Capabilities) -> str:
    assert can.brief is not None
    if can.text_unit is not TextUnit.SMS_SEGMENTS:
        return f"within {can.brief} characters"
    return (
        f"within {can.brief * GSM_PART} characters, or {can.brief * UCS2_PART} in a script other "
        "than Latin, and without emoji"
    )
