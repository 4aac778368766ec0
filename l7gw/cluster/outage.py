"""The log of one cluster that cannot be reached: a line when that begins, one a minute with a count while it lasts, and one when it
is over. While a cluster is down, each call would log a line; where it comes and goes, each dial would log two."""

from __future__ import annotations

import logging

from l7gw.clock import Clock
from l7gw.log import EVERY

log = logging.getLogger(__name__)


class Outage:
    """What of a cluster's outages was told. Between two lines that tell of one lie at least EVERY seconds. What fell between them
    is in the next one's count."""

    __slots__ = ("_about", "_clock", "_failed", "_next_line", "_since", "_told", "_words")

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._about = self._words = ""
        self._failed = 0  # dials that failed and stand in no line yet
        self._since: float | None = None  # monotonic second of the first dial that failed; None while the cluster is reached
        self._told = False  # whether this outage stands in the log, and its end should
        self._next_line = 0.0

    def failed(self, about: str, words: str) -> None:
        """A dial failed. `about` names the cluster and its address, `words` say why and what calls are answered with."""
        now = self._clock.monotonic()
        self._about, self._words = about, words
        self._failed += 1
        if self._since is None:
            self._since, self._told = now, False
        self.tick()

    def over(self) -> None:
        """A dial succeeded."""
        if self._since is None:
            return
        if self._told:
            lasted = self._clock.monotonic() - self._since
            more = f"; {self._failed} more {'tries' if self._failed > 1 else 'try'} failed" if self._failed else ""
            log.info("%s: reached again after %.0f s%s", self._about, lasted, more)
            self._failed = 0
        self._since = None

    def tick(self) -> None:
        """Once a second, and at each dial that failed: write the line that is due."""
        now = self._clock.monotonic()
        if self._since is None or not self._failed or now < self._next_line:
            return
        log.error("%s: %s%s", self._about, self._words, f" ({self._failed} tries failed)" if self._failed > 1 else "")
        self._failed, self._told, self._next_line = 0, True, now + EVERY
