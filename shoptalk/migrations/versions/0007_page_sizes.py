"""Remember what a platform could answer by kind of question, and let history wait by itself.
Lock: brief (columns with constant defaults). Old code: must stop first, it writes page_limit.
"""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0007"
down_revision = "0004"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column(
        "channel_integrations",
        sa.Column(
            "page_sizes", postgresql.JSONB(), server_default=sa.text("'{}'::jsonb"), nullable=False
        ),
    )
    op.add_column(
        "channel_integrations",
        sa.Column("history_failures", sa.BigInteger(), server_default=sa.text("0"), nullable=False),
    )
    op.add_column(
        "channel_integrations",
        sa.Column("history_next_at", sa.DateTime(timezone=True), nullable=True),
    )
    op.add_column("channel_integrations", sa.Column("history_threads", sa.BigInteger()))
    op.drop_column("channel_integrations", "page_limit")
