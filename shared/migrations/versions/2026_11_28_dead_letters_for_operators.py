"""dead letters for operators"""

import sqlalchemy as sa
from alembic import op

revision = "kit_5a0d1e77e4c2"
down_revision = "kit_7b41d6a0c2e5"
branch_labels = None
depends_on = None

OPEN = "state IN ('dead', 'parked', 'due')"
OPEN_BEFORE = "state IN ('dead', 'parked')"


def upgrade() -> None:
    op.add_column(
        "dead_letter",
        sa.Column("letter_id", sa.Uuid(), server_default=sa.text("gen_random_uuid()"), nullable=False),
    )
    op.add_column("dead_letter", sa.Column("version", sa.Integer(), server_default="1", nullable=False))
    op.add_column(
        "dead_letter",
        sa.Column("updated_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
    )
    op.add_column("dead_letter", sa.Column("discarded_as", sa.String(), nullable=True))
    op.add_column("dead_letter", sa.Column("ticket", sa.String(), nullable=True))
    op.create_unique_constraint(op.f("uq_dead_letter_letter_id"), "dead_letter", ["letter_id"])
    op.drop_constraint(op.f("ck_dead_letter_state"), "dead_letter", type_="check")
    op.create_check_constraint(
        op.f("ck_dead_letter_state"), "dead_letter", "state IN ('dead', 'parked', 'due', 'replayed', 'discarded')"
    )
    op.drop_index("ix_dead_letter_open_key", table_name="dead_letter")
    op.create_index("ix_dead_letter_open_key", "dead_letter", ["topic", "key", "id"], postgresql_where=sa.text(OPEN))
    op.create_index(
        "ix_dead_letter_due", "dead_letter", ["topic", "key", "id"], postgresql_where=sa.text("state = 'due'")
    )


def downgrade() -> None:
    # A letter that was asked for is dead again: the older code knows no other word for it.
    op.execute("UPDATE dead_letter SET state = 'dead' WHERE state = 'due'")
    op.drop_index("ix_dead_letter_due", table_name="dead_letter")
    op.drop_index("ix_dead_letter_open_key", table_name="dead_letter")
    op.create_index("ix_dead_letter_open_key", "dead_letter", ["topic", "key"], postgresql_where=sa.text(OPEN_BEFORE))
    op.drop_constraint(op.f("ck_dead_letter_state"), "dead_letter", type_="check")
    op.create_check_constraint(
        op.f("ck_dead_letter_state"), "dead_letter", "state IN ('dead', 'parked', 'replayed', 'discarded')"
    )
    op.drop_constraint(op.f("uq_dead_letter_letter_id"), "dead_letter", type_="unique")
    for column in ("ticket", "discarded_as", "updated_at", "version", "letter_id"):
        op.drop_column("dead_letter", column)
