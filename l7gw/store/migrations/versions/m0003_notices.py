"""What channels such as Slack are to be told, and the signed messages that were taken."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"


def upgrade() -> None:
    op.create_table(
        "notices",
        sa.Column("channel", sa.String(16), primary_key=True),
        sa.Column("kind", sa.String(16), primary_key=True),
        sa.Column("about", sa.String(36), primary_key=True),
        sa.Column("changes", sa.Integer, nullable=False),
        sa.Column("due", sa.BigInteger),
        sa.Column("tries", sa.Integer, nullable=False),
        sa.Column("taken", sa.BigInteger, nullable=False),
        sa.Column("holder", sa.String(36), nullable=False),
        sa.Column("place", sa.Text, nullable=False),
    )
    op.create_index("notices_due", "notices", ["channel", "due"])
    op.create_table(
        "taken_once",
        sa.Column("mark", sa.String(64), primary_key=True),
        sa.Column("until", sa.BigInteger, nullable=False),
    )
    op.create_index("taken_once_old", "taken_once", ["until"])
