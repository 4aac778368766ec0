"""Budgets: how many calls of a person a rule has let pass, counted in the store. So they survive a restart, and all gateways on one
database count together.

The window slides: a call passes where fewer than `most` calls of its kind passed within the last `per` seconds. Of a person and a
rule there is one row with the times of the calls that count, `most` of each kind at most; it goes when the last of them is `per`
seconds old. The row is locked while a call is counted: of fifty that race exactly as many pass as the budget has room for.
"""

from __future__ import annotations

import hashlib
import logging
from collections.abc import Callable

import msgspec
import sqlalchemy as sa

from l7gw.approval.messages import Exceeded, Spending, Spent
from l7gw.approval.rows import SECOND
from l7gw.budget_terms import BudgetKind
from l7gw.errors import Refusal
from l7gw.store.database import Store, StoreAway
from l7gw.store.tables import budgets

log = logging.getLogger(__name__)

AT_ONCE = 200  # rows that one transaction forgets, so that no other waits long for it

Times = dict[BudgetKind, list[int]]  # of each kind when its calls were let pass, in microseconds since 1970, oldest first

_decode = msgspec.json.Decoder(Times).decode
_encode = msgspec.json.Encoder().encode


Answer = Callable[[Spent | Exceeded | Refusal | None], None]


class Budgets:
    """The budgets, as one gateway counts them. `now` gives the time in microseconds since 1970."""

    def __init__(self, store: Store, now: Callable[[], int]) -> None:
        self._store = store
        self._now = now

    def take(self, spending: Spending, then: Answer, *, approved: bool = False) -> None:
        """Count a call that is about to go on. The answer is `Spent`, or `Exceeded` where it may not go on; or a Refusal 503 where
        the store cannot say. A call that was `approved` beyond its budget is counted, and goes on in any case."""
        self._store.do(lambda connection: take(connection, spending, self._now(), approved=approved), _told(then))

    def look(self, spending: Spending, then: Answer) -> None:
        """As `take`, but nothing is counted: the answer is None where the call would be within its budget."""
        self._store.do(lambda connection: look(connection, spending, self._now()), _told(then))

    def give_back(self, spent: Spent) -> None:
        """A call that was counted did not go on."""

        def done(error: Exception | None) -> None:
            if error is not None:
                log.warning("a call that did not go on stays counted by rule %r: %s", spent.rule, error)

        self._store.do(lambda connection: give_back(connection, spent), done)


def _told(then: Answer) -> Callable[[Spent | Exceeded | Exception | None], None]:
    def told(found: Spent | Exceeded | Exception | None) -> None:
        if isinstance(found, Exception):
            if not isinstance(found, StoreAway):
                log.error("a call could not be counted", exc_info=found)
            why = "this call has a budget, and nobody can count it now, so nothing was done"
            then(Refusal(503, "ServiceUnavailable", f"{why}: {found}" if isinstance(found, StoreAway) else why))
        else:
            then(found)

    return told


# ---------------------------------------------------------------------- the transactions


def take(connection: sa.Connection, spending: Spending, now: int, *, approved: bool = False) -> Spent | Exceeded:
    """Count the call in the kinds that it is of, in all or in none."""
    key = _key(spending)
    text = _locked(connection, key, now)
    times = _read(text, now)
    if not approved and (found := _exceeded(times, spending, now)) is not None:
        if times != _decode(text):  # a clock that was ahead has left times of the future, which are of now
            _write(connection, key, times, spending)
        return found
    kept: Times = {}
    for limit in spending.budget.limits:
        new = [now] if limit.kind in spending.kinds else []
        kept[limit.kind] = [*_counting(times, limit.kind, spending, now), *new][-limit.most :]
    _write(connection, key, kept, spending)
    return Spent(key=key, rule=spending.budget.rule, kinds=spending.kinds, time=now)


def look(connection: sa.Connection, spending: Spending, now: int) -> Exceeded | None:
    """Whether the call would exceed its budget."""
    text = connection.execute(sa.select(budgets.c.times).where(budgets.c.key == _key(spending))).scalar()
    return None if text is None else _exceeded(_read(text, now), spending, now)


def give_back(connection: sa.Connection, spent: Spent) -> None:
    """Count a call no more."""
    text = connection.execute(sa.select(budgets.c.times).where(budgets.c.key == spent.key).with_for_update()).scalar()
    if text is None:
        return
    times = _decode(text)
    for kind in spent.kinds:
        if spent.time in times.get(kind, ()):
            times[kind].remove(spent.time)
    connection.execute(budgets.update().where(budgets.c.key == spent.key).values(times=_encode(times).decode()))


def forget(connection: sa.Connection, now: int) -> None:
    """Forget the rows in which nothing counts any more."""
    over = sa.select(budgets.c.key).where(budgets.c.ends <= now).limit(AT_ONCE)
    keys = list(connection.execute(over).scalars())
    if keys:
        connection.execute(budgets.delete().where(budgets.c.key.in_(keys), budgets.c.ends <= now))


def _key(spending: Spending) -> str:
    return hashlib.sha256(_encode((spending.person, spending.budget.rule))).hexdigest()


def _locked(connection: sa.Connection, key: str, now: int) -> str:
    """The times of a row as they are stored. Nobody else changes them until this transaction is over."""
    row = sa.select(budgets.c.times).where(budgets.c.key == key).with_for_update()
    text = connection.execute(row).scalar()
    if text is None:
        try:
            with connection.begin_nested():
                connection.execute(budgets.insert().values(key=key, times="{}", ends=now))
        except sa.exc.IntegrityError:  # another gateway made it just now
            pass
        text = connection.execute(row).scalar_one()
    return str(text)


def _read(text: str, now: int) -> Times:
    return {kind: [min(time, now) for time in times] for kind, times in _decode(text).items()}


def _counting(times: Times, kind: BudgetKind, spending: Spending, now: int) -> list[int]:
    return [time for time in times.get(kind, ()) if time > now - spending.budget.per * SECOND]


def _exceeded(times: Times, spending: Spending, now: int) -> Exceeded | None:
    full = []
    for limit in spending.budget.limits:
        if limit.kind in spending.kinds:
            counting = _counting(times, limit.kind, spending, now)
            if len(counting) >= limit.most:
                full.append(Exceeded(limit=limit, goes_on=counting[-limit.most] + spending.budget.per * SECOND))
    return max(full, key=lambda one: one.goes_on) if full else None


def _write(connection: sa.Connection, key: str, times: Times, spending: Spending) -> None:
    newest = max((time for each in times.values() for time in each), default=0)
    values = {"times": _encode(times).decode(), "ends": newest + spending.budget.per * SECOND}
    connection.execute(budgets.update().where(budgets.c.key == key).values(values))
