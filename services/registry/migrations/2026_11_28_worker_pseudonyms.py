"""worker pseudonyms: one for each link key, so that two keys are valid at once"""

import sqlalchemy as sa
from alembic import op

revision = "registry_01a226c4p5d0"
down_revision = "registry_01a2050ea528"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "worker_pseudonym",
        sa.Column("pseudonym", sa.String(), nullable=False),
        sa.Column("worker_id", sa.Uuid(), nullable=False),
        sa.Column("key_id", sa.String(), nullable=False),
        sa.ForeignKeyConstraint(["worker_id"], ["worker.id"], name=op.f("fk_worker_pseudonym_worker_id")),
        sa.PrimaryKeyConstraint("pseudonym", name=op.f("pk_worker_pseudonym")),
    )
    op.create_index(op.f("ix_worker_pseudonym_worker_id"), "worker_pseudonym", ["worker_id"], unique=False)
    op.execute(
        "INSERT INTO worker_pseudonym (pseudonym, worker_id, key_id) "
        "SELECT pseudonym, id, split_part(pseudonym, '.', 1) FROM worker WHERE pseudonym IS NOT NULL"
    )
    op.drop_column("worker", "pseudonym")


def downgrade() -> None:
    op.add_column("worker", sa.Column("pseudonym", sa.String(), nullable=True))
    op.execute(
        "UPDATE worker SET pseudonym = (SELECT min(pseudonym) FROM worker_pseudonym WHERE worker_id = worker.id)"
    )
    op.create_unique_constraint(op.f("uq_worker_pseudonym"), "worker", ["pseudonym"])
    op.drop_table("worker_pseudonym")
