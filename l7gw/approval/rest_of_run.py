"""The rest of a run: one `kubectl delete` of fifty objects is fifty calls, and a reviewer may approve them together.

It covers calls of the same principal, cluster, run, rules, verb, resource and namespace as the approved one. A call that comes back
after its approval comes in another run, as kubectl is another process then: the rest is that run's. Never covered are calls
that start something nobody has seen: execute, tunnel, escalate, impersonate and deletecollection.

One more call is of an approval: an exec over WebSocket whose upgrade the cluster refused is made again over SPDY at once, by
kubectl itself. Nothing ran, and it is the same call in other words, so the approval covers it, once.
"""

from __future__ import annotations

from collections.abc import Sequence

import sqlalchemy as sa

from l7gw.approval import binding
from l7gw.approval.messages import Asked
from l7gw.approval.rows import SECOND, asked_of
from l7gw.store.tables import holds, rests_of_runs

RETRY = 10 * SECOND  # microseconds from a refused upgrade in which its call may be made again; kubectl does so at once
UPGRADED = ("exec", "attach", "portforward")
NEVER = frozenset(("execute", "tunnel", "escalate", "impersonate"))


def why_never(asked: Asked) -> str:
    """Why no rest of a run covers a call such as this one; "" where one may."""
    if effects := NEVER.intersection(asked.effects):
        return f"the rest of a run never covers what may {sorted(effects)[0]}"
    if asked.verb == "deletecollection":
        return "the rest of a run never covers deletecollection"
    return "" if asked.run else "the call belongs to no run"


def grant(connection: sa.Connection, hold: str, asked: Asked, said: Sequence[tuple[int, int]], now: int) -> int:
    """Let the rest of the run pass. `said` is what each of the approvals allows, (calls, seconds): the least of all counts. Gives
    the number of calls."""
    calls = min(calls for calls, _ in said)
    if calls and not why_never(asked):
        ends = now + min(seconds for _, seconds in said) * SECOND
        values = {"hold": hold, "covers": binding.rest_of_run(asked), "remaining": calls, "ends": ends}
        connection.execute(rests_of_runs.insert().values(**values))
        return calls
    return 0


def follow(connection: sa.Connection, hold: str, asked: Asked) -> None:
    """The approved call has come back, in the run that `asked` names: the rest is that run's."""
    connection.execute(rests_of_runs.update().where(rests_of_runs.c.hold == hold).values(covers=binding.rest_of_run(asked)))


def revoke(connection: sa.Connection, hold: str, now: int) -> bool:
    """Let no further call of the run pass. False where none could pass any more."""
    rests = rests_of_runs.c
    left = rests_of_runs.update().where(rests.hold == hold, rests.remaining > 0, rests.ends > now)
    return connection.execute(left.values(remaining=0)).rowcount == 1


def let_retry(connection: sa.Connection, hold: str, now: int) -> None:
    """The cluster refused the upgrade of an approved exec: the same call may be made once more. Nothing where it may not."""
    used = connection.execute(sa.select(holds.c.id).where(holds.c.id == hold, holds.c.state == "consumed")).first()
    asked = asked_of(connection, hold)
    if used and asked is not None and _may_retry(asked):
        values = {"hold": hold, "covers": binding.retry(asked), "remaining": 1, "ends": now + RETRY}
        connection.execute(rests_of_runs.insert().values(**values))


def _may_retry(asked: Asked) -> bool:
    return asked.subresource in UPGRADED and bool(asked.intent)


def take(connection: sa.Connection, asked: Asked, now: int) -> str | None:
    """Count this call to a rest of its run, or as the retry of a refused upgrade. Gives the hold whose approval covers it, None
    where none does."""
    if _may_retry(asked):
        covers = binding.retry(asked)
    elif not why_never(asked):
        covers = binding.rest_of_run(asked)
    else:
        return None
    rests = rests_of_runs.c
    live = (rests.covers == covers, rests.remaining > 0, rests.ends > now)
    approved = sa.select(rests.hold).join(holds, holds.c.id == rests.hold).where(holds.c.state.in_(("approved", "consumed")))
    for hold in list(connection.execute(approved.where(*live).order_by(rests.ends)).scalars()):
        one_less = rests_of_runs.update().where(rests.hold == hold, *live).values(remaining=rests.remaining - 1)
        if connection.execute(one_less).rowcount == 1:
            return str(hold)
    return None
