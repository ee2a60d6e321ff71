"""ledgered: which erasures stand in the ledger outside the database"""

import sqlalchemy as sa
from alembic import op

revision = "kit_01a226c41ed6"
down_revision = "kit_0021f1a7c3d9"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("person_key", sa.Column("ledgered_at", sa.DateTime(timezone=True), nullable=True))
    op.create_index(
        "ix_person_key_unledgered",
        "person_key",
        ["erased_at"],
        unique=False,
        postgresql_where=sa.text("erased_at IS NOT NULL AND ledgered_at IS NULL"),
    )


def downgrade() -> None:
    op.drop_index("ix_person_key_unledgered", table_name="person_key")
    op.drop_column("person_key", "ledgered_at")
