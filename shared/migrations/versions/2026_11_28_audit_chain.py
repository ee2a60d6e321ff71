"""the audit chain: the key of each seal, and the heads that other services told"""

import sqlalchemy as sa
from alembic import op

revision = "kit_5ea1c4a1d001"
down_revision = "kit_5a0d1e77e4c2"
branch_labels = None
depends_on = None


def upgrade() -> None:
    # Nothing was sealed before this migration, so the column needs no default.
    op.add_column("audit_seal", sa.Column("key_id", sa.String(), nullable=False))
    op.create_table(
        "audit_head",
        sa.Column("service", sa.String(), nullable=False),
        sa.Column("n", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("mac", sa.LargeBinary(), nullable=False),
        sa.Column("heard_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.PrimaryKeyConstraint("service", "n", "mac", name=op.f("pk_audit_head")),
    )
    # A witness cannot take back what it heard; the running service's role is named after the owner's.
    op.execute(
        """
        DO $$ BEGIN
            EXECUTE format('REVOKE UPDATE, DELETE, TRUNCATE ON audit_head FROM %I',
                           replace(current_user, '_owner', '_app'));
        END $$
        """
    )


def downgrade() -> None:
    op.drop_table("audit_head")
    op.drop_column("audit_seal", "key_id")
