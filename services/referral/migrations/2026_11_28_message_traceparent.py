"""messages follow the trace of the act they tell of"""

import sqlalchemy as sa
from alembic import op

revision = "referral_5c9e20b7d413"
down_revision = "referral_01a205140e43"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("message", sa.Column("traceparent", sa.String(), nullable=True))


def downgrade() -> None:
    op.drop_column("message", "traceparent")
