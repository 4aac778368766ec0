"""An answer about a caller that is not there yet: an issuer's keys are being fetched, or STS is being asked."""

from __future__ import annotations

from collections.abc import Callable

from l7gw.errors import Refusal
from l7gw.identity.principal import Principal


class Pending:
    """The answer must wait. `then` takes the function that gets the answer."""

    __slots__ = ("_answer", "_callback", "_outcome")

    def __init__(self, answer: Callable[[], Principal]) -> None:
        """`answer` gives the principal once what it waits for is there. It may raise Refusal."""
        self._answer = answer
        self._outcome: Principal | Refusal | None = None
        self._callback: Callable[[Principal | Refusal], None] | None = None

    def then(self, callback: Callable[[Principal | Refusal], None]) -> None:
        """Call `callback` once, in the event loop, with the principal or the refusal. Use `then` once, directly after `of`."""
        assert self._callback is None, "then was called before"
        self._callback = callback
        if self._outcome is not None:
            callback(self._outcome)

    def but(self, change: Callable[[Principal], Principal]) -> Pending:
        """Let `change` replace the principal in the answer; gives this object. Use it before `then`."""
        answer = self._answer
        self._answer = lambda: change(answer())
        return self

    def ended(self) -> None:
        """What it waited for has ended, well or not."""
        try:
            self._outcome = self._answer()
        except Refusal as refusal:
            self._outcome = refusal
        if self._callback is not None:
            self._callback(self._outcome)
