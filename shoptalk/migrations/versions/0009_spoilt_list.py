"""Remember since when a list of threads shows records that make no sense: its watermark waits.
Lock: brief (nullable column). Old code: works, and does not wait.
"""

import sqlalchemy as sa
from alembic import op

revision = "0009"
down_revision = "0008"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column(
        "channel_integrations",
        sa.Column("spoilt_since", sa.DateTime(timezone=True), nullable=True),
    )
