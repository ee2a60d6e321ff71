"""name tokens: statistics fine enough to tell a common syllable from a rare one, whatever the number of people"""

from alembic import op

revision = "kit_0021f1a7c3d9"
down_revision = "kit_01a226c4k3y5"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.execute("ALTER TABLE name_token ALTER COLUMN token SET STATISTICS 1000")


def downgrade() -> None:
    op.execute("ALTER TABLE name_token ALTER COLUMN token SET STATISTICS DEFAULT")
