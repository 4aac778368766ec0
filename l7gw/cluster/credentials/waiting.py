"""Calls that wait together for one answer of the broker. It is asked once for all of them, and none waits for ever."""

from __future__ import annotations

from collections.abc import Callable

from l7gw.clock import Clock
from l7gw.cluster.credentials.messages import Failed
from l7gw.errors import Refusal

FAILED_FOR = 1.0  # seconds for which a failure answers the calls that come after it, so that a flood of them asks AWS once a second

Then = Callable[[Refusal | None], None]


class Waiting:
    """The calls that wait. `ask` asks the broker, whose answer is told to `answered`. A call waits `within` seconds; `what` is what
    it waits for, in words."""

    def __init__(self, ask: Callable[[], None], clock: Clock, *, within: float, what: str) -> None:
        self._ask = ask
        self._clock = clock
        self._within = within
        self._what = what
        self._thens: list[Then] = []
        self._since = 0.0  # monotonic seconds since when the first of them waits
        self._failure: Refusal | None = None
        self._failed_until = 0.0

    def wait(self, then: Then) -> None:
        """Call `then` with None when the answer is there, with a Refusal where there is none."""
        if self._failure is not None and self._clock.monotonic() < self._failed_until:
            then(self._failure)
            return
        self._thens.append(then)
        if len(self._thens) == 1:
            self._since = self._clock.monotonic()
            self._ask()

    def answered(self, failed: Failed | None = None) -> None:
        """The broker has answered: what was wanted is there, or it failed."""
        self._failure = None
        if failed is not None:
            self._failure = Refusal(failed.status, failed.reason, failed.message)
            self._failed_until = self._clock.monotonic() + FAILED_FOR
        self._tell(self._failure)

    def tick(self, now: float) -> None:
        """Once a second, `now` in monotonic seconds: refuse the calls that wait where no answer came in time."""
        if self._thens and now - self._since >= self._within:
            words = f"no {self._what} within {self._within:.0f} s, because AWS does not answer; nothing was changed"
            self._tell(Refusal(503, "ServiceUnavailable", words))

    def _tell(self, refusal: Refusal | None) -> None:
        thens, self._thens = self._thens, []
        for then in thens:
            then(refusal)
