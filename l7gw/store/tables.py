"""The tables of the metadata database, as the newest migration leaves them (`tests/store/test_migrate.py` compares).

The database is SQLite or PostgreSQL: nothing here or in a query may be a word of one of them alone. Times are
microseconds since 1970. Messages are JSON texts.
"""

from __future__ import annotations

import sqlalchemy as sa

ENDS_OR_WAITS = "state IN ('pending', 'approved', 'denied', 'expired', 'cancelled', 'consumed', 'void')"
GRANTED_OR_NOT = "state IN ('pending', 'approved', 'denied', 'expired', 'revoked', 'ended')"
COMING_BACK = "state = 'pending' AND wait = 'come-back'"  # of one intent only one such hold may be

metadata = sa.MetaData()

holds = sa.Table(
    "holds",
    metadata,
    sa.Column("id", sa.String(36), primary_key=True),
    sa.Column("state", sa.String(9), nullable=False),
    sa.Column("wait", sa.String(9), nullable=False),
    sa.Column("bound", sa.String(64), nullable=False),  # what a claim must bring
    sa.Column("intent", sa.String(64), nullable=False),
    sa.Column("person", sa.Text, nullable=False),  # the canonical person of the requester
    sa.Column("actor", sa.Text, nullable=False),  # "" for none
    sa.Column("session", sa.Text, nullable=False),
    sa.Column("gateway", sa.String(36), nullable=False),  # the process at which the call waits
    sa.Column("created", sa.BigInteger, nullable=False),
    sa.Column("expires", sa.BigInteger, nullable=False),
    sa.Column("ended", sa.BigInteger),  # NULL while it is pending or approved
    sa.Column("why", sa.Text, nullable=False),
    sa.Column("replaces", sa.String(36), nullable=False),
    sa.Column("asked", sa.Text, nullable=False),  # approval.messages.Asked
    sa.CheckConstraint(ENDS_OR_WAITS, name="holds_state"),
    sa.Index("holds_by_state", "state", "expires"),
    sa.Index("holds_by_intent", "intent", "state"),
    sa.Index("holds_by_end", "ended"),
    sa.Index(
        "holds_coming_back",
        "intent",
        unique=True,
        sqlite_where=sa.text(COMING_BACK),
        postgresql_where=sa.text(COMING_BACK),
    ),
)

reviews = sa.Table(
    "reviews",
    metadata,
    sa.Column("id", sa.Integer, primary_key=True),
    sa.Column("hold", sa.String(36), sa.ForeignKey("holds.id", ondelete="CASCADE"), nullable=False),
    sa.Column("person", sa.Text, nullable=False),  # the canonical person of the reviewer
    sa.Column("verdict", sa.String(7), nullable=False),
    sa.Column("for_seconds", sa.Integer, nullable=False),  # how long the rest of the run may pass
    sa.Column("view", sa.Text, nullable=False),  # approval.messages.ReviewView
    sa.UniqueConstraint("hold", "person", "verdict", name="reviews_once"),
)

rests_of_runs = sa.Table(
    "rests_of_runs",
    metadata,
    sa.Column("hold", sa.String(36), sa.ForeignKey("holds.id", ondelete="CASCADE"), primary_key=True),
    sa.Column("covers", sa.String(64), nullable=False),  # a hash of what the calls must have in common
    sa.Column("remaining", sa.Integer, nullable=False),  # calls that it still covers
    sa.Column("ends", sa.BigInteger, nullable=False),
    sa.CheckConstraint("remaining >= 0", name="rests_of_runs_remaining"),
    sa.Index("rests_of_runs_covering", "covers"),
)

gateways = sa.Table(
    "gateways",
    metadata,
    sa.Column("id", sa.String(36), primary_key=True),
    sa.Column("renewed", sa.BigInteger, nullable=False),
)

budgets = sa.Table(
    "budgets",
    metadata,
    sa.Column("key", sa.String(64), primary_key=True),  # a hash of the person and the rule
    sa.Column("times", sa.Text, nullable=False),  # approval.budgets.Times: when calls of each kind were let pass
    sa.Column("ends", sa.BigInteger, nullable=False),  # when none of them counts any more
    sa.Index("budgets_by_end", "ends"),
)

notices = sa.Table(  # what channels such as Slack are to be told: `store.outbox`
    "notices",
    metadata,
    sa.Column("channel", sa.String(16), primary_key=True),
    sa.Column("kind", sa.String(16), primary_key=True),
    sa.Column("about", sa.String(36), primary_key=True),
    sa.Column("changes", sa.Integer, nullable=False),  # so often it was new or changed
    sa.Column("due", sa.BigInteger),  # when it is to be told; NULL where nothing is
    sa.Column("tries", sa.Integer, nullable=False),
    sa.Column("taken", sa.BigInteger, nullable=False),  # until when `holder` tells it; 0 for nobody
    sa.Column("holder", sa.String(36), nullable=False),
    sa.Column("place", sa.Text, nullable=False),  # where the channel has it, such as a message of Slack's
    sa.Index("notices_due", "channel", "due"),
)

taken_once = sa.Table(  # signed messages that were taken: `store.once`
    "taken_once",
    metadata,
    sa.Column("mark", sa.String(64), primary_key=True),
    sa.Column("until", sa.BigInteger, nullable=False),
    sa.Index("taken_once_old", "until"),
)

grants = sa.Table(
    "grants",
    metadata,
    sa.Column("id", sa.String(36), primary_key=True),
    sa.Column("state", sa.String(8), nullable=False),
    sa.Column("asker", sa.String(64), nullable=False),  # a hash of who asks for which group on which cluster
    sa.Column("person", sa.Text, nullable=False),  # the canonical person of the requester
    sa.Column("actor", sa.Text, nullable=False),  # "" for none
    sa.Column("created", sa.BigInteger, nullable=False),
    sa.Column("expires", sa.BigInteger, nullable=False),  # until when a pending one may be answered
    sa.Column("starts", sa.BigInteger),  # NULL until it is approved
    sa.Column("ends", sa.BigInteger),  # as above
    sa.Column("recorded", sa.BigInteger),  # when the approval was on the disk of the recordings; before that it does not count
    sa.Column("ended", sa.BigInteger),  # NULL while it is pending or approved
    sa.Column("why", sa.Text, nullable=False),
    sa.Column("asked", sa.Text, nullable=False),  # approval.grant_messages.GrantAsked
    sa.CheckConstraint(GRANTED_OR_NOT, name="grants_state"),
    sa.Index("grants_by_state", "state", "expires"),
    sa.Index("grants_by_end", "ended"),
    sa.Index(
        "grants_pending",
        "asker",
        unique=True,  # who has asked need not ask again
        sqlite_where=sa.text("state = 'pending'"),
        postgresql_where=sa.text("state = 'pending'"),
    ),
)

grant_reviews = sa.Table(
    "grant_reviews",
    metadata,
    sa.Column("id", sa.Integer, primary_key=True),
    sa.Column("grant_id", sa.String(36), sa.ForeignKey("grants.id", ondelete="CASCADE"), nullable=False),
    sa.Column("person", sa.Text, nullable=False),  # the canonical person of the reviewer
    sa.Column("verdict", sa.String(7), nullable=False),
    sa.Column("view", sa.Text, nullable=False),  # approval.messages.ReviewView
    sa.UniqueConstraint("grant_id", "person", "verdict", name="grant_reviews_once"),
)
