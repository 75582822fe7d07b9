"""Keep what a channel's token lacks, so that it can be said before it is missed.
Lock: brief (a column with a constant default). Old code: unaffected, it leaves the column alone.
"""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column(
        "channel_integrations",
        sa.Column(
            "missing_permissions",
            postgresql.ARRAY(sa.Text()),
            server_default=sa.text("'{}'"),
            nullable=False,
        ),
    )
