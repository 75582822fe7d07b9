"""The tables, each loaded when it is first asked for: to define one takes a millisecond or two.

Who asks for `Base` gets it with all of them known to `Base.metadata`.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

from shoptalk.db.models.inbox import Conversation, Message
from shoptalk.db.models.replies import Delivery, Turn, TurnStatus
from shoptalk.db.models.runs import Circuit, ImportRun
from shoptalk.db.models.shop import Agent, ChannelIntegration, Workspace

if TYPE_CHECKING:
    from shoptalk.db.models.access import ApiKey, Credit, FeatureFlag
    from shoptalk.db.models.base import Base
    from shoptalk.db.models.sales import Order, Product
    from shoptalk.db.models.talk import (
        ChatMessage,
        ChatSession,
        ChatVisitor,
        ConversationArchive,
        Extraction,
    )

_LATER = {
    "access": ("ApiKey", "Credit", "FeatureFlag"),
    "sales": ("Order", "Product"),
    "talk": ("ChatMessage", "ChatSession", "ChatVisitor", "ConversationArchive", "Extraction"),
}

__all__ = [
    "Agent",
    "ApiKey",
    "Base",
    "ChannelIntegration",
    "ChatMessage",
    "ChatSession",
    "ChatVisitor",
    "Circuit",
    "Conversation",
    "ConversationArchive",
    "Credit",
    "Delivery",
    "Extraction",
    "FeatureFlag",
    "ImportRun",
    "Message",
    "Order",
    "Product",
    "Turn",
    "TurnStatus",
    "Workspace",
]


def __getattr__(name: str) -> Any:
    found = None
    for module, names in _LATER.items():
        if name == "Base" or name in names:
            found = import_module(f"{__name__}.{module}")
    if found is None:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    globals()[name] = getattr(found, name)
    return globals()[name]
