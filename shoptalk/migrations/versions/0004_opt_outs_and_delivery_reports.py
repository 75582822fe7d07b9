"""Keep who has opted out, and what became of a delivery after the platform took it.
Lock: as long as it takes to read `deliveries` twice, for an index and the check; it is one row a
reply. Old code: leaves the columns alone; a delivery that is `delivered` it takes for unsettled,
so stop it first.
"""

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None


def upgrade() -> None:
    for name in ("opted_out_at", "opted_in_at"):
        op.add_column("conversations", sa.Column(name, sa.DateTime(timezone=True)))
    op.add_column("deliveries", sa.Column("check_at", sa.DateTime(timezone=True)))
    op.create_index(
        "ix_deliveries_check",
        "deliveries",
        ["check_at"],
        postgresql_where=sa.text("check_at IS NOT NULL"),
    )
    op.create_index(
        "ix_deliveries_message",
        "deliveries",
        ["message_id"],
        postgresql_where=sa.text("message_id IS NOT NULL"),
    )
    op.drop_constraint(op.f("ck_deliveries_status"), "deliveries")
    op.create_check_constraint(
        op.f("ck_deliveries_status"),
        "deliveries",
        "status IN ('waiting', 'sending', 'sent', 'delivered', 'failed', 'uncertain')",
    )
