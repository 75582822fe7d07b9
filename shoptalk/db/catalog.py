"""Queries on products and orders. Callers own the transaction; nothing here commits."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import select, update
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import Session

from shoptalk.db.models import Conversation, Order, Product

_TAKEN_OVER = ("name", "description", "price", "currency", "stock", "active")


def active_products(session: Session, workspace_id: int) -> Sequence[Product]:
    """The catalog, in an order that does not change from one turn to the next."""
    return session.scalars(
        select(Product)
        .where(Product.workspace_id == workspace_id, Product.active)
        .order_by(Product.name, Product.product_id)
    ).all()


def has_products(session: Session, workspace_id: int) -> bool:
    """Whether there is anything to sell."""
    found = session.scalar(
        select(Product.id).where(Product.workspace_id == workspace_id, Product.active).limit(1)
    )
    return found is not None


def list_products(
    session: Session, workspace_id: int, *, limit: int | None = None
) -> Sequence[Product]:
    return session.scalars(
        select(Product)
        .where(Product.workspace_id == workspace_id)
        .order_by(Product.name, Product.product_id)
        .limit(limit)
    ).all()


@dataclass(frozen=True, slots=True)
class CatalogChange:
    """What an import did to the catalog."""

    added: int
    changed: int
    unchanged: int
    others: int  #: active products that were not named, and stay as they are


def put_products(
    session: Session, workspace_id: int, rows: Iterable[Mapping[str, Any]]
) -> CatalogChange:
    """Add products or bring them up to date, by product_id; say what that changed."""
    values = [{"workspace_id": workspace_id, **row} for row in rows]
    there = {product.product_id: product for product in list_products(session, workspace_id)}
    known = [each for each in values if each["product_id"] in there]
    unchanged = sum(
        all(getattr(there[each["product_id"]], name) == each[name] for name in _TAKEN_OVER)
        for each in known
    )
    named = {each["product_id"] for each in values}
    change = CatalogChange(
        added=len(values) - len(known),
        changed=len(known) - unchanged,
        unchanged=unchanged,
        others=sum(each.active and each.product_id not in named for each in there.values()),
    )
    if values:
        _upsert(session, values)
    return change


def _upsert(session: Session, values: Sequence[Mapping[str, Any]]) -> None:
    statement = insert(Product)
    session.execute(
        statement.on_conflict_do_update(
            index_elements=["workspace_id", "product_id"],
            set_={name: statement.excluded[name] for name in _TAKEN_OVER},
        ),
        values,
    )


def lock_conversation(session: Session, conversation_id: int) -> Conversation:
    """Orders of one conversation are made one after the other."""
    return session.scalars(
        select(Conversation)
        .where(Conversation.id == conversation_id)
        .with_for_update(key_share=True)
    ).one()


def orders_of_conversation(session: Session, conversation_id: int) -> Sequence[Order]:
    """The orders a customer may be reminded of, the latest first."""
    return session.scalars(
        select(Order)
        .where(Order.conversation_id == conversation_id, Order.status != "cancelled")
        .order_by(Order.id.desc())
        .limit(20)
    ).all()


def find_same_purchase(
    session: Session,
    *,
    conversation_id: int,
    turn_id: int | None,
    product_id: str,
    quantity: int,
    since: datetime,
) -> Order | None:
    """An order this purchase would double: of the same turn, or a like one made lately."""
    return session.scalars(
        select(Order)
        .where(
            Order.conversation_id == conversation_id,
            Order.product_id == product_id,
            Order.status != "cancelled",
            (Order.turn_id == turn_id)
            | ((Order.quantity == quantity) & (Order.created_at >= since)),
        )
        .order_by(Order.id.desc())
        .limit(1)
    ).first()


def take_stock(session: Session, product: Product, quantity: int) -> bool:
    """Take from the shelf, if it is counted; False when there is not enough."""
    if product.stock is None:
        return True
    taken = session.execute(
        update(Product)
        .where(Product.id == product.id, Product.stock >= quantity)
        .values(stock=Product.stock - quantity)
        .returning(Product.id)
    )
    return taken.first() is not None


def list_orders(session: Session, workspace_id: int, *, limit: int) -> Sequence[Order]:
    return session.scalars(
        select(Order)
        .where(Order.workspace_id == workspace_id)
        .order_by(Order.id.desc())
        .limit(limit)
    ).all()
