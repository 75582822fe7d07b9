"""Keeping an answer short where the platform makes length cost: said first, asked for once."""

from dataclasses import replace

from shoptalk.platforms.base import Capabilities, TextUnit, ThreadState
from shoptalk.platforms.sms_segments import GSM_PART, UCS2_PART, spared
from shoptalk.responder.message_splitting import length, split


def brevity_hint(capabilities: Capabilities) -> str | None:
    """What the model is told about length before it writes; None where length does not matter."""
    return (
        None
        if capabilities.length_budget is None
        else f"Keep your answer short: {_room(capabilities)}."
    )


def ask_for_less(text: str, capabilities: Capabilities) -> str | None:
    """What the model is told about an answer that is too long; None where it is not."""
    if (
        capabilities.length_budget is None
        or length(_cheapest(text, capabilities), capabilities.text_unit)
        <= capabilities.length_budget
    ):
        return None
    complaint = "Your answer was not sent: it is too long here. Write the whole answer again"
    return f"{complaint}, {_room(capabilities)}."


def parts_of(text: str, capabilities: Capabilities) -> list[str]:
    """The messages that a text goes out as."""
    return split(
        _cheapest(text, capabilities), limit=capabilities.max_text, unit=capabilities.text_unit
    )


def limited(capabilities: Capabilities, state: ThreadState) -> Capabilities:
    """What the platform can do in a thread that takes less at once."""
    if state.max_text is None:
        return capabilities
    return replace(capabilities, max_text=state.max_text, text_unit=state.text_unit)


def _cheapest(text: str, capabilities: Capabilities) -> str:
    return spared(text) if capabilities.text_unit is TextUnit.SMS_SEGMENTS else text


def _room(capabilities: Capabilities) -> str:
    budget = capabilities.length_budget
    assert budget is not None
    if capabilities.text_unit is not TextUnit.SMS_SEGMENTS:
        return f"within {budget} characters"
    return (
        f"within {budget * GSM_PART} characters, or {budget * UCS2_PART} in a script other "
        "than Latin, and without emoji"
    )
