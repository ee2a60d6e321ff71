"""fetches follow the trace of who asked"""

import sqlalchemy as sa
from alembic import op

revision = "kit_7b41d6a0c2e5"
down_revision = "kit_01a204fdf608"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("fetch", sa.Column("traceparent", sa.String(), nullable=True))


def downgrade() -> None:
    op.drop_column("fetch", "traceparent")
