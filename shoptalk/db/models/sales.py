"""What a shop sells, and what was bought."""

from sqlalchemy import CheckConstraint, ForeignKey, Index, UniqueConstraint, text
from sqlalchemy.orm import Mapped, mapped_column

from shoptalk.db.models.base import Base, Created, Key, Money


class Product(Base):
    """One line of the catalog; a variant with a price of its own is a product."""

    __tablename__ = "products"
    __table_args__ = (
        UniqueConstraint("workspace_id", "product_id"),
        CheckConstraint("price >= 0", "price"),
        CheckConstraint("stock >= 0", "stock"),
    )

    id: Mapped[Key]
    workspace_id: Mapped[int] = mapped_column(ForeignKey("workspaces.id"))
    product_id: Mapped[str]  # the shop's own
    name: Mapped[str]
    description: Mapped[str] = mapped_column(server_default="")
    price: Mapped[Money]
    currency: Mapped[str]
    stock: Mapped[int | None]  # None: not tracked
    active: Mapped[bool] = mapped_column(server_default=text("true"))
    created_at: Mapped[Created]


class Order(Base):
    """A purchase of one product. Product, price, currency and total are the catalog's."""

    __tablename__ = "orders"
    __table_args__ = (
        CheckConstraint("quantity > 0", "quantity"),
        CheckConstraint("total = unit_price * quantity", "total"),
        # A turn that is run again after a crash finds what it has ordered already.
        Index(
            "uq_orders_turn_product",
            "turn_id",
            "product_id",
            unique=True,
            postgresql_where=text("turn_id IS NOT NULL"),
        ),
        Index("ix_orders_workspace_created", "workspace_id", "created_at"),
    )

    id: Mapped[Key]
    workspace_id: Mapped[int] = mapped_column(ForeignKey("workspaces.id"))
    conversation_id: Mapped[int | None] = mapped_column(ForeignKey("conversations.id"), index=True)
    turn_id: Mapped[int | None] = mapped_column(ForeignKey("ai_response_queue.id"))
    product_id: Mapped[str]
    product_name: Mapped[str]
    quantity: Mapped[int]
    unit_price: Mapped[Money]
    currency: Mapped[str]
    total: Mapped[Money]
    customer_name: Mapped[str | None]
    customer_phone: Mapped[str | None]
    address: Mapped[str | None]
    status: Mapped[str] = mapped_column(server_default="new")
    ai_generated: Mapped[bool] = mapped_column(server_default=text("false"))
    created_at: Mapped[Created]
