"""The desk at which calls are held. All calls come from the event loop's thread, and are answered on it: nothing here waits.

A change is in the store before it is recorded, and on the disk of the recordings before the call, the reviewer or a watcher hears
of it. The event that says that an approval was used holds who gave it and what he saw, so that a crash in between leaves no call
without. Truth is in the store alone. What the desk remembers is which calls wait here, and what they were told last.
"""

from __future__ import annotations

import logging
import re
from collections.abc import Callable, Sequence
from functools import partial

import sqlalchemy as sa

from l7gw.approval import asking, rest_of_run, reviewing, rows, upkeep
from l7gw.approval.asking import Asking, Found, bounded
from l7gw.approval.budgets import Budgets
from l7gw.approval.lease import RENEW, Lease
from l7gw.approval.messages import STATES, Asked, Evidence, Hold, Review, Reviewer, ReviewView, State, Waiter
from l7gw.approval.overheard import Overheard
from l7gw.approval.people import People
from l7gw.approval.refusals import refusal, unrecorded
from l7gw.approval.reviewing import Reviewed, Reviewing
from l7gw.approval.rows import MOST_LISTED, SECOND, Page, Seen
from l7gw.approval.states import LIVE, Event, move
from l7gw.approval.upkeep import Kept
from l7gw.clock import Clock
from l7gw.config.settings import MOST_HOLDS, USUAL_HOLDS
from l7gw.errors import Refusal
from l7gw.identifiers import uuid7
from l7gw.name_rules import quoted
from l7gw.store import once
from l7gw.store.database import Store, Then
from l7gw.store.tables import holds

log = logging.getLogger(__name__)

MOST_LATER = 1000  # changes; where the store is away for long, holds beyond these end by themselves
PREFIX = re.compile("[0-9a-f-]{1,36}")

Answer = Callable[[Hold | Refusal], None]


class _Waiting:
    """A call that waits, and the state of its hold that it was told last."""

    __slots__ = ("told", "waiter")

    def __init__(self, waiter: Waiter) -> None:
        self.waiter = waiter
        self.told: State = "pending"


class Desk:
    """The holds, as one gateway sees them. `configure` before anything is asked; `tick` once a second."""

    def __init__(self, store: Store, lease: Lease, clock: Clock, evidence: Evidence) -> None:
        self._store = store
        self._lease = lease
        self._clock = clock
        self._evidence = evidence
        self.budgets = Budgets(store, self._now)
        self._waiting: dict[str, _Waiting] = {}
        self._watchers: dict[int, Callable[[Hold], None]] = {}
        self._watched = 0
        self._live = True  # whether there may be pending or approved holds
        self._next_upkeep = 0.0  # monotonic seconds
        self._keeping = False
        self._blind = False  # whether the last upkeep could not look at the holds
        self._later: dict[str, tuple[Event, str]] = {}  # what happened to holds while the store could not take it
        self._overheard = Overheard(store, self._now, self._tell)
        self.configure()

    def configure(
        self, people: People | None = None, *, local: bool = False, most: int = USUAL_HOLDS, in_all: int = MOST_HOLDS
    ) -> None:
        """Put `people`, `reviews: {local}` and `limits.holds` into force. `in_all` is how many pending holds there may be."""
        self._people = people or People()
        self._local = local
        self._most = most
        self._most_in_all = in_all

    def person(self, user: str) -> str:
        """The canonical person of a user's name, for `Asked.person`."""
        return self._people.person(user)

    # ------------------------------------------------------------------ the call's side

    def ask(self, asked: Asked, waiter: Waiter | None, then: Answer) -> None:
        """The hold of a call that the policy holds. `waiter` is the call itself where it waits.

        A waiting call gets a new pending hold. A call that comes back gets the pending hold that it had, or the approved one, which
        it then claims. A hold that is denied or expired answers an exec over SPDY whose twin over WebSocket was just refused. The
        answer is a Refusal: 429 beyond the limits, 503 where the hold cannot be stored or recorded.
        """
        asked = bounded(asked)
        self._made(lambda connection: asking.find_or_make(connection, asked, self._asking()), waiter, then)

    def replace(self, hold: str, asked: Asked, waiter: Waiter | None, then: Answer) -> None:
        """The object changed while its call waited: the hold is void, and a new pending one shows what would happen now."""
        self._waiting.pop(hold, None)
        asked = bounded(asked)
        why = "the object has changed meanwhile; another hold shows what would happen now"
        self._made(lambda connection: asking.replace(connection, hold, asked, self._asking(), why), waiter, then)

    def covered(self, asked: Asked, then: Callable[[str | None], None]) -> None:
        """The hold whose approval of the rest of the run covers this call, which is counted. None where there is none, or the store
        cannot say: the call is asked about then."""

        def recorded(hold: str, error: Exception | None) -> None:
            then(hold if error is None else None)

        def found(hold: str | Exception | None) -> None:
            if isinstance(hold, str):
                self._evidence.covered(hold, asked, partial(recorded, hold))
            else:
                then(None)

        self._store.do(lambda connection: rest_of_run.take(connection, asked, self._now()), found)

    def claim(self, hold: str, bound: str, then: Callable[[bool], None]) -> None:
        """Use an approval, once: True lets this one call go on. `bound` is the call's binding where it waited, its intent where it
        came back. False where the approval is used or over, is not for this call, or its use cannot be stored and recorded."""

        def work(connection: sa.Connection) -> Hold | None:
            now = self._now()
            here = sa.or_(holds.c.wait == "come-back", holds.c.gateway == self._lease.id)
            if not bound or not move(connection, hold, "consume", now, holds.c.bound == bound, holds.c.expires > now, here):
                return None
            return rows.one(connection, hold)

        def done(consumed: Hold | Exception | None) -> None:
            taken = isinstance(consumed, Hold)
            if isinstance(consumed, Hold):
                self._waiting.pop(hold, None)
                self._changed(consumed, None, lambda error: then(error is None))
                return
            if consumed is not None and hold in self._waiting:  # it may be stored as used: then this changes nothing
                self._move(hold, "void", "whether the approval was used is not known; nothing was sent")
            then(taken)

        self._store.do(work, done)

    def upgrade_refused(self, hold: str) -> None:
        """The cluster refused the upgrade of an exec whose approval was just used: its retry over SPDY is covered, once."""

        def done(error: Exception | None) -> None:
            if error is not None:
                log.error("the retry of hold %s must be approved anew: %s", hold, error)

        self._store.do(lambda connection: rest_of_run.let_retry(connection, hold, self._now()), done)

    def cancel(self, hold: str, why: str) -> None:
        """The client of a waiting call is gone. Its hold is over; the call hears of it no more."""
        self._waiting.pop(hold, None)
        self._move(hold, "cancel", why)

    def void(self, hold: str, why: str) -> None:
        """A waiting call may not go on, whatever reviewers said: the policy denies it now."""
        self._waiting.pop(hold, None)
        self._move(hold, "void", why)

    # ------------------------------------------------------------------ the reviewers' side

    def review(self, hold: str, reviewer: Reviewer, said: Review, then: Answer) -> None:
        """What a reviewer says to the hold of this whole id. The answer is the hold as it is then, or a Refusal: 404, 403 for who
        is no reviewer of it, 409 where it is over or the person has said so before, 400, 503."""

        def done(found: Reviewed | Exception) -> None:
            if not isinstance(found, Reviewed):
                then(refusal(found))
                return
            if found.view.forced:
                log.error("ALARM: %s forced hold %s: %s", quoted(found.view.user), hold, quoted(found.view.reason))
            self._changed(found.hold, found.view, lambda error: then(found.hold if error is None else unrecorded(error)))

        self._store.do(
            lambda connection: reviewing.review(
                connection, hold, reviewer, said, Reviewing(self._people, local=self._local, now=self._now())
            ),
            done,
        )

    def take_once(self, message: str, lasts: float, then: Callable[[bool | Refusal], None]) -> None:
        """Take a signed message, which is remembered for `lasts` seconds. False where it was taken before; or a Refusal 503."""

        def taken(found: bool | Exception) -> None:
            then(found if isinstance(found, bool) else refusal(found))

        self._store.do(lambda connection: once.take(connection, message, self._now(), int(lasts * SECOND)), taken)

    def get(self, prefix: str, then: Answer, seen: Seen = lambda _: True) -> None:
        """The hold whose id begins so, of those that are `seen`. A Refusal: 404 where there is none, 409 where several do, 503."""

        def work(connection: sa.Connection) -> Hold:
            found = rows.of_prefix(connection, prefix.lower(), seen) if PREFIX.fullmatch(prefix.lower()) else []
            if len(found) > 1:
                raise Refusal(409, "Conflict", f"several holds begin with {quoted(prefix)}; write more of the id")
            if not found:
                raise Refusal(404, "NotFound", f"there is no hold {quoted(prefix)}")
            return found[0]

        self._store.do(work, lambda found: then(found if isinstance(found, Hold) else refusal(found)))

    def list(
        self,
        states: Sequence[State],
        then: Callable[[list[Hold] | Refusal], None],
        *,
        most: int = MOST_LISTED,
        before: str = "",
    ) -> None:
        """The newest holds in these states (none: in all), newest first; with `before`, those older than that hold."""

        def done(found: list[Hold] | Exception) -> None:
            then(found if isinstance(found, list) else refusal(found))

        self._store.do(lambda connection: rows.listed(connection, states or STATES, most=most, before=before), done)

    def page(self, states: Sequence[State], seen: Seen, then: Callable[[Page | Refusal], None], *, most: int, before: str) -> None:
        """The newest holds in these states (none: in all) that are `seen`, newest first; with `before`, what follows that page."""

        def done(found: Page | Exception) -> None:
            then(found if isinstance(found, Page) else refusal(found))

        self._store.do(lambda connection: rows.page(connection, states or STATES, seen, most=most, before=before), done)

    def watch(self, callback: Callable[[Hold], None]) -> Callable[[], None]:
        """Call back with each hold that is new or has changed. Gives the function that ends it."""
        self._watched += 1
        number = self._watched
        self._watchers[number] = callback
        return lambda: self._watchers.pop(number, None) and None

    def rang(self, hold: str) -> None:
        """Another gateway has changed this hold; any of them where it is ""."""
        self._live = True
        if self._watchers or hold in self._waiting or (not hold and self._waiting):
            self._overheard.rang(hold)

    # ------------------------------------------------------------------ time

    def tick(self, now: float) -> None:
        """Let holds expire, renew the lease, and void what waited at gateways that are dead. `now` is in monotonic seconds."""
        due = now >= self._next_upkeep
        if self._keeping or not (due or self._live):
            return
        self._keeping = True
        if due:
            self._next_upkeep = now + RENEW
        waiting = {hold: one.told for hold, one in self._waiting.items()}
        lease = self._lease
        self._store.do(lambda connection: upkeep.upkeep(connection, lease, waiting, self._now(), renew=due), self._kept)

    def end(self, then: Callable[[], None]) -> None:
        """The gateway ends: what waits here is void. `then` is called once that is stored and recorded, or cannot be."""

        def done(changed: list[Hold] | Exception) -> None:
            self._lease.close()
            left = len(changed) if isinstance(changed, list) else 0
            if not left:
                then()
                return

            def one_less(_error: Exception | None) -> None:
                nonlocal left
                left -= 1
                if not left:
                    then()

            for hold in changed if isinstance(changed, list) else ():
                self._changed(hold, None, one_less)

        self._store.do(lambda connection: upkeep.stop(connection, self._lease, self._now()), done)

    # ------------------------------------------------------------------ inside

    def _now(self) -> int:
        """Microseconds since 1970. Called in the store's thread, so that what waited there is not older than it says."""
        return int(self._clock.wall() * 1_000_000)

    def _asking(self) -> Asking:
        return Asking(self._lease.id, new_id=uuid7, now=self._now(), most=self._most, most_in_all=self._most_in_all)

    def _made(self, work: Callable[[sa.Connection], Found], waiter: Waiter | None, then: Answer) -> None:
        def with_lease(connection: sa.Connection) -> Found:
            if waiter is not None:
                self._lease.renew(connection, self._now())
            return work(connection)

        def done(found: Found | Exception) -> None:
            if not isinstance(found, Found):
                then(refusal(found))
                return
            self._live = True
            for hold in found.ended:
                self._changed(hold)
            if not found.new:
                then(found.hold)
                return
            self._changed(found.hold, None, partial(recorded, found.hold))

        def recorded(hold: Hold, error: Exception | None) -> None:
            if error is None:
                if waiter is not None:  # only now: no change may reach the call before its hold does
                    self._waiting[hold.id] = _Waiting(waiter)
                then(hold)
                return
            self.void(hold.id, "the hold could not be recorded")
            then(unrecorded(error))

        self._store.do(with_lease, done)

    def _move(self, hold: str, event: Event, why: str) -> None:
        def work(connection: sa.Connection) -> Hold | None:
            return rows.one(connection, hold) if move(connection, hold, event, self._now(), why=why) else None

        def done(found: Hold | Exception | None) -> None:
            if isinstance(found, Hold):
                self._changed(found)
            elif found is not None and len(self._later) < MOST_LATER:
                self._later[hold] = (event, why)
                log.warning("hold %s stays as it is until the database is back: %s", hold, found)

        self._store.do(work, done)

    def _kept(self, kept: Kept | Exception) -> None:
        self._keeping = False
        if not isinstance(kept, Kept):
            if not self._blind:
                log.error("the holds cannot be looked at: %s", kept)
            self._blind = True
            return
        if self._blind:
            log.info("the holds can be looked at again")
        self._blind = False
        self._live = kept.live
        for hold in kept.changed:
            self._changed(hold)
        later, self._later = self._later, {}
        for one, (event, why) in later.items():
            self._move(one, event, why)
        for hold in kept.others:  # who changed them has recorded it
            self._tell(hold)

    def _changed(self, hold: Hold, review: ReviewView | None = None, then: Then[None] | None = None) -> None:
        """Record a change, tell whom it concerns, and then call `then`."""

        def recorded(error: Exception | None) -> None:
            if error is not None:
                log.error("a change of hold %s is not recorded: %s", hold.id, error)
            self._tell(hold)
            if then is not None:
                then(error)

        self._evidence.changed(hold, review, recorded)

    def _tell(self, hold: Hold) -> None:
        waiting = self._waiting.get(hold.id)
        if waiting is not None and waiting.told != hold.state:
            waiting.told = hold.state
            if hold.state not in LIVE:
                del self._waiting[hold.id]
            _guarded(waiting.waiter.hold_changed, hold)
        for watcher in list(self._watchers.values()):
            _guarded(watcher, hold)


def _guarded(callback: Callable[[Hold], None], hold: Hold) -> None:
    try:
        callback(hold)
    except Exception:  # a bug of one listener keeps nothing from the others
        log.exception("a change of hold %s went wrong", hold.id)
