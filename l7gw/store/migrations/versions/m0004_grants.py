"""Grants, and what reviewers said to them."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"

STATES = "state IN ('pending', 'approved', 'denied', 'expired', 'revoked', 'ended')"
PENDING = sa.text("state = 'pending'")


def upgrade() -> None:
    op.create_table(
        "grants",
        sa.Column("id", sa.String(36), primary_key=True),
        sa.Column("state", sa.String(8), nullable=False),
        sa.Column("asker", sa.String(64), nullable=False),
        *(sa.Column(name, sa.Text, nullable=False) for name in ("person", "actor")),
        *(sa.Column(name, sa.BigInteger, nullable=False) for name in ("created", "expires")),
        *(sa.Column(name, sa.BigInteger) for name in ("starts", "ends", "recorded", "ended")),
        *(sa.Column(name, sa.Text, nullable=False) for name in ("why", "asked")),
        sa.CheckConstraint(STATES, name="grants_state"),
    )
    op.create_index("grants_by_state", "grants", ["state", "expires"])
    op.create_index("grants_by_end", "grants", ["ended"])
    op.create_index("grants_pending", "grants", ["asker"], unique=True, sqlite_where=PENDING, postgresql_where=PENDING)
    op.create_table(
        "grant_reviews",
        sa.Column("id", sa.Integer, primary_key=True),
        sa.Column("grant_id", sa.String(36), sa.ForeignKey("grants.id", ondelete="CASCADE"), nullable=False),
        sa.Column("person", sa.Text, nullable=False),
        sa.Column("verdict", sa.String(7), nullable=False),
        sa.Column("view", sa.Text, nullable=False),
        sa.UniqueConstraint("grant_id", "person", "verdict", name="grant_reviews_once"),
    )
