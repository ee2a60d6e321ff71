"""key ids: which key something stored depends on, and what tells a key from another"""

import sqlalchemy as sa
from alembic import op

revision = "kit_01a226c4k3y5"
down_revision = "kit_5ea1c4a1d001"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "key_seen",
        sa.Column("kind", sa.String(), nullable=False),
        sa.Column("key_id", sa.String(), nullable=False),
        sa.Column("check_value", sa.LargeBinary(), nullable=False),
        sa.Column("first_seen_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.CheckConstraint("kind IN ('service', 'search', 'link')", name=op.f("ck_key_seen_kind")),
        sa.PrimaryKeyConstraint("kind", "key_id", name=op.f("pk_key_seen")),
    )
    op.add_column("idempotency", sa.Column("key_id", sa.String(), nullable=True))
    # Nobody knows the id of a key that had none: those people are indexed anew once, in the background.
    op.add_column("person_key", sa.Column("search_key", sa.String(), nullable=True))


def downgrade() -> None:
    op.drop_column("person_key", "search_key")
    op.drop_column("idempotency", "key_id")
    op.drop_table("key_seen")
