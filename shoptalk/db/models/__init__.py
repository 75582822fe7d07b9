"""The tables. Importing any of them makes all known to `Base.metadata`."""

from shoptalk.db.models.access import ApiKey, Credit, FeatureFlag
from shoptalk.db.models.base import Base
from shoptalk.db.models.inbox import Conversation, Message
from shoptalk.db.models.runs import Circuit, ImportRun
from shoptalk.db.models.sales import Order, Product
from shoptalk.db.models.shop import Agent, ChannelIntegration, Workspace
from shoptalk.db.models.turns import Delivery, Turn, TurnStatus
from shoptalk.db.models.webchat import (
    ChatMessage,
    ChatSession,
    ChatVisitor,
    ConversationArchive,
    Extraction,
)

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
