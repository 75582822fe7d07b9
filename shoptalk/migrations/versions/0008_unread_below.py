"""Remember since when a list could not be read whole: what was stored of it waits.
Lock: brief (nullable column). Old code: works, and answers without waiting.
"""

import sqlalchemy as sa
from alembic import op

revision = "0008"
down_revision = "0007"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column(
        "channel_integrations",
        sa.Column("unread_since", sa.DateTime(timezone=True), nullable=True),
    )
