"""Keep whose a thread is on its platform, and what only the shop's people see of it.
Lock: brief; writes to `messages` wait while its check scans it. Old code: unaffected, it writes
neither; it takes notes for something that was said.
"""

import sqlalchemy as sa
from alembic import op

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("conversations", sa.Column("custody", sa.Text(), nullable=True))
    op.add_column(
        "conversations", sa.Column("held_since", sa.DateTime(timezone=True), nullable=True)
    )
    op.create_check_constraint(
        op.f("ck_conversations_custody"), "conversations", "custody IN ('person', 'ai', 'anyone')"
    )
    op.drop_constraint(op.f("ck_messages_sender_type"), "messages", type_="check")
    op.create_check_constraint(
        op.f("ck_messages_sender_type"),
        "messages",
        "sender_type IN ('customer', 'employee', 'agent', 'note', 'activity')",
    )
