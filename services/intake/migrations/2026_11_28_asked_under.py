"""asked under: the link key under which the registry was last asked for a case's contract"""

import sqlalchemy as sa
from alembic import op

revision = "intake_01a226c4a5k0"
down_revision = "intake_01a205131837"
branch_labels = None
depends_on = None


def upgrade() -> None:
    # A case that waits and does not say so asks once more, in the background; the registry answers it again.
    op.add_column("case_file", sa.Column("asked_under", sa.String(), nullable=True))


def downgrade() -> None:
    op.drop_column("case_file", "asked_under")
