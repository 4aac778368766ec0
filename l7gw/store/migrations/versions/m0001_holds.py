"""Holds, what reviewers said to them, the rests of runs, and the gateways at which calls wait."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None

STATES = "state IN ('pending', 'approved', 'denied', 'expired', 'cancelled', 'consumed', 'void')"
COMING_BACK = sa.text("state = 'pending' AND wait = 'come-back'")


def upgrade() -> None:
    op.create_table(
        "holds",
        sa.Column("id", sa.String(36), primary_key=True),
        sa.Column("state", sa.String(9), nullable=False),
        sa.Column("wait", sa.String(9), nullable=False),
        sa.Column("bound", sa.String(64), nullable=False),
        sa.Column("intent", sa.String(64), nullable=False),
        *(sa.Column(name, sa.Text, nullable=False) for name in ("person", "actor", "session")),
        sa.Column("gateway", sa.String(36), nullable=False),
        sa.Column("created", sa.BigInteger, nullable=False),
        sa.Column("expires", sa.BigInteger, nullable=False),
        sa.Column("ended", sa.BigInteger),
        sa.Column("why", sa.Text, nullable=False),
        sa.Column("replaces", sa.String(36), nullable=False),
        sa.Column("asked", sa.Text, nullable=False),
        sa.CheckConstraint(STATES, name="holds_state"),
    )
    op.create_index("holds_by_state", "holds", ["state", "expires"])
    op.create_index("holds_by_intent", "holds", ["intent", "state"])
    op.create_index("holds_by_end", "holds", ["ended"])
    op.create_index("holds_coming_back", "holds", ["intent"], unique=True, sqlite_where=COMING_BACK, postgresql_where=COMING_BACK)
    op.create_table(
        "reviews",
        sa.Column("id", sa.Integer, primary_key=True),
        sa.Column("hold", sa.String(36), sa.ForeignKey("holds.id", ondelete="CASCADE"), nullable=False),
        sa.Column("person", sa.Text, nullable=False),
        sa.Column("verdict", sa.String(7), nullable=False),
        sa.Column("for_seconds", sa.Integer, nullable=False),
        sa.Column("view", sa.Text, nullable=False),
        sa.UniqueConstraint("hold", "person", "verdict", name="reviews_once"),
    )
    op.create_table(
        "rests_of_runs",
        sa.Column("hold", sa.String(36), sa.ForeignKey("holds.id", ondelete="CASCADE"), primary_key=True),
        sa.Column("covers", sa.String(64), nullable=False),
        sa.Column("remaining", sa.Integer, nullable=False),
        sa.Column("ends", sa.BigInteger, nullable=False),
        sa.CheckConstraint("remaining >= 0", name="rests_of_runs_remaining"),
    )
    op.create_index("rests_of_runs_covering", "rests_of_runs", ["covers"])
    op.create_table(
        "gateways",
        sa.Column("id", sa.String(36), primary_key=True),
        sa.Column("renewed", sa.BigInteger, nullable=False),
    )
