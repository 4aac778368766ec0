"""The desks of a worker: at one calls are held, at the other groups are asked for. There are none as long as nothing was ever held
or granted: the database that they need is opened with them."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from l7gw.approval.active_grants import ActiveGrants
from l7gw.approval.people import People
from l7gw.clock import Clock
from l7gw.config.settings import Settings
from l7gw.policy.judge import Policy

if TYPE_CHECKING:
    from l7gw.approval.desk import Desk
    from l7gw.approval.grant_desk import GrantDesk

METADATA = "metadata.sqlite"  # in the state: the database of the holds (`store.database.NAME`, which is loaded where it is used)

Opened = tuple["Desk", "GrantDesk"]


class Desks:
    """Both desks, and the grants in force. `open_desks` opens their database; it raises OSError where that cannot be used."""

    def __init__(self, open_desks: Callable[[ActiveGrants], Opened], clock: Clock) -> None:
        self._open = open_desks
        self.active = ActiveGrants(clock)
        self.holds: Desk | None = None
        self.grants: GrantDesk | None = None

    def wanted(self, policy: Policy, settings: Settings) -> Opened | None:
        """The desks, where the policy asks reviewers anything, the database is there from before, or other gateways may hold calls.
        Raises OSError."""
        if self.holds is not None and self.grants is not None:
            return self.holds, self.grants
        known = settings.store is not None or (settings.state / METADATA).exists()
        return self._open(self.active) if policy.holds or known else None

    def use(self, opened: Opened | None, settings: Settings) -> None:
        """Put the configuration of these desks into force."""
        if opened is None:
            return
        self.holds, self.grants = opened
        people = People(settings.people)
        self.holds.configure(people, local=settings.reviews_local, most=settings.most_holds)
        self.grants.configure(people, local=settings.reviews_local)

    def tick(self, now: float) -> None:
        """Once a second; `now` is in monotonic seconds."""
        if self.holds is not None and self.grants is not None:
            self.holds.tick(now)
            self.grants.tick(now)
