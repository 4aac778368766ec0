"""The desk at which groups are asked for. All calls come from the event loop's thread, and are answered on it: nothing here waits.

As with holds, a change is in the store before it is recorded, and on the disk of the recordings before anybody hears of it. A grant
counts from then on: an approval that a crash kept from the record is recorded at the next start, and counts only then. A revocation
counts at once. What is in force is in memory (`active_grants`): where the database is away, that goes on until it ends.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from functools import partial
from typing import Protocol

import sqlalchemy as sa

from l7gw.approval import grant_rows, granting
from l7gw.approval.active_grants import ActiveGrants
from l7gw.approval.desk import PREFIX
from l7gw.approval.grant_messages import GRANT_STATES, Grant, GrantAsked, GrantDone, GrantState
from l7gw.approval.granting import Bounds, Granted, Swept
from l7gw.approval.lease import RENEW
from l7gw.approval.messages import Review, Reviewer
from l7gw.approval.people import People
from l7gw.approval.reviewing import Reviewing
from l7gw.approval.rows import SECOND
from l7gw.clock import Clock
from l7gw.errors import Refusal
from l7gw.hold_terms import RuleTerms
from l7gw.identifiers import uuid7
from l7gw.name_rules import quoted
from l7gw.store.database import Store, StoreAway

log = logging.getLogger(__name__)

BY_TIME = GrantDone(did="time")
USUAL = Bounds()

Answer = Callable[[Grant | Refusal], None]
Seen = Callable[[Grant], bool]  # whether who asks may see a grant; called in the store's thread


class GrantRecord(Protocol):
    """What the desk asks of the recording."""

    def changed(self, grant: Grant, done: GrantDone, then: Callable[[Exception | None], None]) -> None:
        """Record what was done to a grant, and its state then. `then` is called on the loop with None once it is on the disk, or
        with the error. Answers come in the order of the calls."""


class GrantDesk:
    """The grants, as one gateway sees them. `begin` before anything is asked; `tick` once a second."""

    def __init__(self, store: Store, clock: Clock, record: GrantRecord, active: ActiveGrants) -> None:
        self._store = store
        self._clock = clock
        self._record = record
        self.active = active
        self._next_reading = 0.0  # monotonic seconds
        self._due = 0.0  # as above: when the next grant expires or ends
        self._reading = False
        self._again = False  # whether somebody has changed something while it was read
        self._recording: set[str] = set()  # grants whose approval is on its way to the record
        self.configure()

    def configure(self, people: People | None = None, *, local: bool = False, bounds: Bounds = USUAL) -> None:
        """Put `people` and `reviews: {local}` into force."""
        self._people = people or People()
        self._local = local
        self._bounds = bounds

    def person(self, user: str) -> str:
        """The canonical person of a user's name."""
        return self._people.person(user)

    def begin(self, engine: sa.Engine) -> None:
        """Put into force what the database says, before the first call is judged. Raises OSError where it cannot be read."""
        try:
            with engine.begin() as connection:
                found = grant_rows.active(connection, self._now())
        except sa.exc.SQLAlchemyError as error:
            raise OSError(f"the grants in the database cannot be read: {error}") from error
        self.active.replace(found, {}, self._clock.wall())

    # ------------------------------------------------------------------ who asks, who answers

    def ask(self, asked: GrantAsked, then: Answer) -> None:
        """A new pending grant, or a Refusal: 409, 429, 503."""

        def done(found: tuple[Grant, list[Grant]] | Exception) -> None:
            if not isinstance(found, tuple):
                then(_refusal(found))
                return
            grant, expired = found
            self._due = 0.0
            for one in expired:
                self._changed(one, BY_TIME)
            who = asked.principal
            self._changed(grant, GrantDone(did="request", user=who.user, note=asked.reason), partial(_told, then, grant))

        grant = uuid7()
        self._store.do(lambda connection: granting.ask(connection, asked, grant, self._now(), self._bounds), done)

    def review(self, grant: str, reviewer: Reviewer, said: Review, terms: RuleTerms | None, then: Answer) -> None:
        """What a reviewer says to the grant of this whole id. `terms` are those of the policy in force, None where it does not list
        the grant any more. The answer is the grant as it is then, or a Refusal."""
        about = self._reviewing
        self._store.do(
            lambda connection: granting.review(connection, grant, reviewer, said, about(), terms, self._bounds),
            partial(self._done, then),
        )

    def revoke(self, grant: str, by: Reviewer, note: str, then: Answer) -> None:
        """Take a grant back. What it allowed ends within a second."""
        about = self._reviewing
        self._store.do(lambda connection: granting.revoke(connection, grant, by, note, about()), partial(self._done, then))

    def _done(self, then: Answer, found: Granted | Exception) -> None:
        if not isinstance(found, Granted):
            then(_refusal(found))
            return
        grant, done = found
        if done.forced:
            log.error("ALARM: %s forced grant %s: %s", quoted(done.user), grant.id, quoted(done.reason))
        if grant.state == "approved":
            self._approved(grant, done, then)
            return
        if grant.state == "revoked":
            self.active.drop(grant.id, f"was {grant.why}")
        self._changed(grant, done, partial(_told, then, grant))

    def _approved(self, grant: Grant, done: GrantDone, then: Answer) -> None:
        """A grant is approved: record it, note that, and put it into force."""

        def read(swept: Swept | Exception) -> None:
            self._recording.discard(grant.id)
            self._swept(swept)
            then(grant if isinstance(swept, Swept) else _refusal(swept))

        def recorded(error: Exception | None) -> None:
            if error is not None:
                self._recording.discard(grant.id)
                then(_unrecorded(error))
                return
            self._store.do(lambda connection: self._noted(connection, grant.id), read)

        self._recording.add(grant.id)
        self._changed(grant, done, recorded)

    def _noted(self, connection: sa.Connection, grant: str) -> Swept:
        granting.record(connection, grant, self._now())
        return self._sweep(connection, [])

    def get(self, prefix: str, then: Answer, seen: Seen = lambda _grant: True) -> None:
        """The grant whose id begins so, of those that are `seen`. A Refusal: 404 where there is none, 409 where several do, 503."""

        def work(connection: sa.Connection) -> Grant:
            known = PREFIX.fullmatch(prefix.lower())
            found = grant_rows.PARTS.of_prefix(connection, prefix.lower(), seen) if known else []
            if len(found) > 1:
                raise Refusal(409, "Conflict", f"several grants begin with {quoted(prefix)}; write more of the id")
            if not found:
                raise Refusal(404, "NotFound", f"there is no grant {quoted(prefix)}")
            return found[0]

        self._store.do(work, lambda found: then(found if isinstance(found, Grant) else _refusal(found)))

    def page(
        self,
        states: Sequence[GrantState],
        seen: Seen,
        then: Callable[[tuple[list[Grant], str] | Refusal], None],
        *,
        most: int,
        before: str,
    ) -> None:
        """The newest grants in these states (none: in all) that are `seen`, newest first, and where the list goes on, "" behind the
        last; with `before`, what follows there."""
        self._store.do(
            lambda connection: grant_rows.PARTS.page(connection, states or GRANT_STATES, seen, most=most, before=before),
            lambda found: then(found if isinstance(found, tuple) else _refusal(found)),
        )

    # ------------------------------------------------------------------ time

    def tick(self, now: float) -> None:
        """Let grants end and expire, and read what other gateways did. `now` is in monotonic seconds."""
        over = self.active.tick()
        if over:
            self._read(over)
        elif now >= self._due or now >= self._next_reading:
            self.reload()

    def reload(self) -> None:
        """Read the grants again: time has done something to one, or another gateway on the same database has."""
        self._read([])

    def rang(self, _grant: str) -> None:
        """Another gateway on the same database has changed this grant; any of them where it is ""."""
        self._again = self._reading  # what is being read may be from before
        self.reload()

    def _read(self, over: Sequence[str]) -> None:
        if self._reading:
            return
        self._reading = True
        self._next_reading = self._clock.monotonic() + RENEW
        self._due = self._next_reading

        def done(swept: Swept | Exception) -> None:
            self._reading = False
            self._swept(swept)
            if self._again:
                self._again = False
                self.reload()

        self._store.do(lambda connection: self._sweep(connection, over), done)

    def _sweep(self, connection: sa.Connection, over: Sequence[str]) -> Swept:
        return granting.sweep(connection, self._now(), self.active.known, over)

    def _swept(self, swept: Swept | Exception) -> None:
        if not isinstance(swept, Swept):
            log.error("the grants cannot be looked at; those in force go on until they end: %s", swept)
            return
        self.active.replace(swept.active, swept.over, self._clock.wall())
        if swept.due is not None:
            self._due = min(self._due, self._clock.monotonic() + swept.due / SECOND - self._clock.wall())
        for grant in swept.changed:
            self._changed(grant, BY_TIME)
        for grant in swept.unrecorded:
            if grant.id not in self._recording:
                self._approved(grant, BY_TIME, _unasked)

    # ------------------------------------------------------------------ inside

    def _now(self) -> int:
        """Microseconds since 1970. Called in the store's thread, so that what waited there is not older than it says."""
        return int(self._clock.wall() * SECOND)

    def _reviewing(self) -> Reviewing:
        return Reviewing(self._people, local=self._local, now=self._now())

    def _changed(self, grant: Grant, done: GrantDone, then: Callable[[Exception | None], None] | None = None) -> None:
        """Record and log a change, and then call `then`."""
        by = f" by {quoted(done.user)}" if done.user else ""
        group, cluster, user = quoted(grant.group), quoted(grant.cluster), quoted(grant.principal.user)
        log.info("grant %s: %s%s: %s on %s for %s is %s", grant.id, done.did, by, group, cluster, user, grant.state)

        def recorded(error: Exception | None) -> None:
            if error is not None:
                log.error("a change of grant %s is not recorded: %s", grant.id, error)
            if then is not None:
                then(error)

        self._record.changed(grant, done, recorded)


def _told(then: Answer, grant: Grant, error: Exception | None) -> None:
    """Tell of a change that counts already; also where it is not recorded."""
    why = f"the grant is {grant.state}, and that cannot be recorded: {error}"
    then(grant if error is None else Refusal(503, "ServiceUnavailable", why))


def _unasked(_grant: Grant | Refusal) -> None:
    """Nobody waits for the answer."""


def _refusal(error: object) -> Refusal:
    if isinstance(error, Refusal):
        return error
    if not isinstance(error, StoreAway):
        log.error("the desk of the grants failed", exc_info=error if isinstance(error, Exception) else None)
        return Refusal(500, "InternalError", "the gateway failed at this grant")
    return Refusal(
        503, "ServiceUnavailable", f"grants cannot be asked for, given or taken back just now; nothing was changed: {error}"
    )


def _unrecorded(error: Exception) -> Refusal:
    return Refusal(503, "ServiceUnavailable", f"the approval cannot be recorded, and counts only once it is: {error}")
